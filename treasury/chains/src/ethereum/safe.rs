//! What a Safe is and holds.

use alloy::primitives::{U256, uint};
use futures_util::future::try_join_all;
use treasury_protocol::ethereum::{Address, Contracts, Owners};

use super::view::View;
use super::{BlockRef, Ethereum, EthereumError, abi};
use crate::endpoints::Fault;

/// `keccak256("guard_manager.guard.address")`
const GUARD_SLOT: U256 =
    uint!(0x4a204f620c8c5ccdca3fd54d003badd85ba500436a431f0cbda4f558c93c34c8_U256);
/// `keccak256("module_manager.module_guard.address")`
const MODULE_GUARD_SLOT: U256 =
    uint!(0xb104e0b93118902c651344349b610029d694cfdec91c589c91ebafbcd0289947_U256);
/// `keccak256("fallback_manager.handler.address")`
const FALLBACK_SLOT: U256 =
    uint!(0x6c9a6c4a39284e37ed1cf53d337577d14212a4870fb976a4366c693b939918d5_U256);
/// Modules that are named at most; a circle's Safe has none.
const MODULES_MAX: u64 = 32;
/// Where a Safe's list of modules begins.
const SENTINEL: Address = Address([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

/// A Safe at a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeState {
    /// Whether there is a contract. If not, the rest says nothing.
    pub deployed: bool,
    /// The version of its code, for example `1.5.0`.
    pub version: String,
    /// Whose code it borrows; see `Contracts::singleton`.
    pub singleton: Address,
    /// In the order in which they are linked.
    pub owners: Vec<Address>,
    /// How many have to sign.
    pub threshold: u64,
    /// The number that its next transaction uses up.
    pub safe_nonce: u64,
    /// Contracts that may spend without any signature. A Safe with modules is not a circle's alone.
    pub modules: Vec<Address>,
    /// A contract that may refuse transactions; zero if there is none.
    pub guard: Address,
    /// A contract that may refuse what modules do; zero if there is none.
    pub module_guard: Address,
    /// What answers for the Safe what its code does not; zero if nothing does.
    pub fallback_handler: Address,
    /// When this was so.
    pub at_block: BlockRef,
}

/// Something about a Safe that is not as the circle needs it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// There is nothing yet.
    #[error("there is no contract at its address yet")]
    NotDeployed,
    /// It borrows other code.
    #[error("it borrows the code of {found} (version {version}), and the circle knows {expected}")]
    Singleton {
        /// Whose code it borrows.
        found: Address,
        /// What that code says of itself.
        version: String,
        /// Whose it should be.
        expected: Address,
    },
    /// Somebody owns it who should not.
    #[error("{owner} owns it, and should not")]
    Stranger {
        /// Who.
        owner: Address,
    },
    /// Somebody does not own it who should.
    #[error("{owner} does not own it, and should")]
    NoOwner {
        /// Who.
        owner: Address,
    },
    /// Another number of owners has to sign.
    #[error("{found} of its owners have to sign, and {expected} should")]
    Threshold {
        /// How many do.
        found: u64,
        /// How many should.
        expected: u32,
    },
    /// Somebody can spend without any signature.
    #[error("the module {module} can spend from it without any signature; disable it")]
    Module {
        /// Who.
        module: Address,
    },
    /// Somebody can refuse what owners signed.
    #[error("the guard {guard} can refuse what its owners sign; remove it")]
    Guard {
        /// Who.
        guard: Address,
    },
    /// Somebody answers in its name.
    #[error("{found} answers in its name, and the circle knows {expected}")]
    FallbackHandler {
        /// Who.
        found: Address,
        /// Who should.
        expected: Address,
    },
}

impl SafeState {
    /// What is not as it should be, before a circle entrusts money to a Safe; nothing if all is well. In which order it links its owners is its
    /// own affair.
    ///
    /// That a Safe is at the right address says enough only of one that was just deployed: its owners can change everything here.
    pub fn differences(&self, owners: &Owners, contracts: &Contracts) -> Vec<Difference> {
        if !self.deployed {
            return vec![Difference::NotDeployed];
        }
        let mut differences = Vec::new();
        if self.singleton != contracts.singleton {
            differences.push(Difference::Singleton {
                found: self.singleton,
                version: self.version.clone(),
                expected: contracts.singleton,
            });
        }
        let strangers = self.owners.iter().filter(|one| !owners.contains(**one));
        differences.extend(strangers.map(|owner| Difference::Stranger { owner: *owner }));
        let missing = owners.addresses().iter();
        let missing = missing.filter(|one| !self.owners.contains(one));
        differences.extend(missing.map(|owner| Difference::NoOwner { owner: *owner }));
        if self.threshold != u64::from(owners.threshold()) {
            differences.push(Difference::Threshold {
                found: self.threshold,
                expected: owners.threshold(),
            });
        }
        let modules = self.modules.iter();
        differences.extend(modules.map(|module| Difference::Module { module: *module }));
        let guards = [self.guard, self.module_guard].into_iter();
        let guards = guards.filter(|guard| *guard != Address::ZERO);
        differences.extend(guards.map(|guard| Difference::Guard { guard }));
        if self.fallback_handler != contracts.fallback_handler {
            differences.push(Difference::FallbackHandler {
                found: self.fallback_handler,
                expected: contracts.fallback_handler,
            });
        }
        differences
    }
}

/// What an address holds at a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balances {
    /// The chain's own money, in wei.
    pub native_wei: U256,
    /// Each token that was asked for, in its smallest unit.
    pub tokens: Vec<(Address, U256)>,
    /// When this was so.
    pub at_block: BlockRef,
}

impl Ethereum {
    /// What a Safe is at the finalised block, its owners, threshold and nonce.
    ///
    /// [`SafeState::differences`] says whether money can be entrusted to it.
    pub async fn safe_state(&self, safe: Address) -> Result<SafeState, EthereumError> {
        self.safe_state_behind(safe, self.finality_blocks()).await
    }

    pub(super) async fn safe_state_behind(
        &self,
        safe: Address,
        depth: u64,
    ) -> Result<SafeState, EthereumError> {
        let number = self.block_behind(depth).await?;
        let read = |view| read_state(view, safe);
        let (_, state) = self
            .agreed("the state of the Safe is", number, read)
            .await?;
        state.map_err(|reason| EthereumError::NotASafe { safe, reason })
    }

    /// What a Safe holds at the finalised block.
    pub async fn balances(
        &self,
        safe: Address,
        tokens: &[Address],
    ) -> Result<Balances, EthereumError> {
        let number = self.block_behind(self.finality_blocks()).await?;
        let read = |view: View| async move {
            let native_wei = view.balance(safe).await?;
            let each = tokens.iter().map(|token| balance_of(&view, *token, safe));
            Ok((native_wei, try_join_all(each).await?))
        };
        let (at_block, (native_wei, units)) = self.agreed("the Safe holds", number, read).await?;
        let mut balances = Balances {
            native_wei,
            tokens: Vec::with_capacity(tokens.len()),
            at_block,
        };
        for (token, units) in tokens.iter().zip(units) {
            let units = units.ok_or(EthereumError::NoContract { address: *token })?;
            balances.tokens.push((*token, units));
        }
        Ok(balances)
    }
}

/// `None` where there is no token.
async fn balance_of(view: &View, token: Address, safe: Address) -> Result<Option<U256>, Fault> {
    let owner = safe.into();
    let units = view.ask(token, abi::balanceOfCall { owner }).await?;
    Ok(units.ok())
}

/// The inner error: what is there is not a Safe.
async fn read_state(view: View, safe: Address) -> Result<Result<SafeState, String>, Fault> {
    let at_block = view.block;
    let deployed = !view.code(safe).await?.is_empty();
    let mut state = SafeState {
        deployed,
        version: String::new(),
        singleton: Address::ZERO,
        owners: Vec::new(),
        threshold: 0,
        safe_nonce: 0,
        modules: Vec::new(),
        guard: Address::ZERO,
        module_guard: Address::ZERO,
        fallback_handler: Address::ZERO,
        at_block,
    };
    if !deployed {
        return Ok(Ok(state));
    }
    let modules = abi::getModulesPaginatedCall {
        start: SENTINEL.into(),
        page_size: U256::from(MODULES_MAX),
    };
    let (version, owners, threshold, nonce, modules) = tokio::try_join!(
        view.ask(safe, abi::VERSIONCall {}),
        view.ask(safe, abi::getOwnersCall {}),
        view.ask(safe, abi::getThresholdCall {}),
        view.ask(safe, abi::nonceCall {}),
        view.ask(safe, modules),
    )?;
    let slot = |slot| view.stored_address(safe, slot);
    (
        state.singleton,
        state.guard,
        state.module_guard,
        state.fallback_handler,
    ) = tokio::try_join!(
        slot(U256::ZERO),
        slot(GUARD_SLOT),
        slot(MODULE_GUARD_SLOT),
        slot(FALLBACK_SLOT),
    )?;
    let number = |value: Result<U256, String>| -> Result<u64, String> {
        let beyond = "it answers with a number that no Safe has";
        value?.try_into().map_err(|_| beyond.to_owned())
    };
    let fill = move || -> Result<SafeState, String> {
        state.version = version?;
        state.owners = owners?.into_iter().map(Address::from).collect();
        state.threshold = number(threshold)?;
        state.safe_nonce = number(nonce)?;
        state.modules = modules?.modules.into_iter().map(Address::from).collect();
        Ok(state)
    };
    Ok(fill())
}
