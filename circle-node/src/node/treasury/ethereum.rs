//! The circle's questions to an Ethereum chain, and what its nodes answer to them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use circle::genesis::{Genesis, Home};
use circle::treasury::{
    Address, Chain, Observation, Outcome, Payout, Proof, Question, Transaction, Wallet,
};
use threescript::value::{Amount, AssetCode};
use treasury_chains::endpoints::{EndpointStatus, Timeouts};
use treasury_chains::ethereum::{
    self, Deployment, Ethereum as Endpoints, FeeLimits, Relayer, Submission,
};
use treasury_protocol::ethereum::{Address as Account, Contracts, OwnerKey, Setup, U256};

use super::client::{Asked, Payments, Sent};
use crate::problem::Problem;
use crate::setup::now_ms;

/// The nodes of one chain, and the key that pays for what this guardian sends.
pub struct Ethereum {
    chain: Endpoints,
    relayer: Relayer,
    from_block: u64,
    /// By wallet: how its Safe differs from what it is to be.
    strange: Mutex<BTreeMap<String, Vec<String>>>,
}

/// One of the circle's assets on this chain.
struct Token {
    code: AssetCode,
    contract: Option<Account>,
    /// How many of the chain's smallest units are one of the circle's.
    scale: U256,
}

impl Ethereum {
    pub async fn connect(
        endpoints: &[String],
        chain_id: u64,
        finality_blocks: u64,
        from_block: u64,
        relayer: OwnerKey,
    ) -> Result<Self, Problem> {
        let chain =
            Endpoints::connect(endpoints, chain_id, finality_blocks, Timeouts::default()).await;
        let chain = chain.map_err(|error| {
            let mend = "mend `chains` in circle.toml";
            Problem::new("config.chains", error.to_string(), mend)
        })?;
        Ok(Self {
            chain,
            relayer: Relayer::new(relayer, chain_id, FeeLimits::default()),
            from_block,
            strange: Mutex::default(),
        })
    }

    pub fn status(&self) -> Vec<EndpointStatus> {
        self.chain.status()
    }

    /// The last block of each endpoint that answers, and its age in seconds.
    pub async fn reach(&self) -> BTreeMap<String, (u64, u64)> {
        let now_s = now_ms() / 1000;
        let all = self.chain.heads().await.into_iter();
        all.filter_map(|(name, head)| {
            let (number, made_at_s) = head.ok()?;
            Some((name, (number, now_s.saturating_sub(made_at_s))))
        })
        .collect()
    }

    /// The address that pays for what this guardian sends.
    pub fn relayer(&self) -> Account {
        self.relayer.address()
    }

    /// What is to be reported in answer to a question, if anything is.
    pub async fn answer(
        &self,
        asked: &Asked,
    ) -> Result<Option<Observation>, ethereum::EthereumError> {
        let question = &asked.question;
        Ok(match question {
            Question::Account { wallet } => self.account(question, wallet).await?,
            Question::Outcome { payout, .. } => question.outcome(self.outcome(payout).await?),
            // Whoever has an address can receive there, and nothing waits to be claimed.
            Question::Receives { .. } | Question::Claim { .. } => None,
        })
    }

    /// Whether the Safe of a wallet is there, and belongs to the guardians and to nobody else.
    async fn account(
        &self,
        question: &Question,
        wallet: &Wallet,
    ) -> Result<Option<Observation>, ethereum::EthereumError> {
        let (Some(Address::Ethereum(safe)), Some(owners), Chain::Ethereum { contracts, .. }) =
            (&wallet.address, wallet.owners(), &wallet.chain)
        else {
            return Ok(None);
        };
        let (state, differences) = match self.chain.safe_state(*safe).await {
            Ok(state) => {
                let differences = state.differences(owners, contracts).into_iter();
                let differences = differences.map(|one| one.to_string()).collect();
                (Some(state), differences)
            }
            // That is no outage: it is what the chain shows.
            Err(error @ ethereum::EthereumError::NotASafe { .. }) => {
                (None, vec![error.to_string()])
            }
            Err(error) => return Err(error),
        };
        let fits = differences.is_empty();
        self.strange().insert(wallet.name.clone(), differences);
        // The number that its last transaction used; -1 before the first.
        Ok(state.filter(|_| fits).and_then(|state| {
            let sequence = i64::try_from(state.safe_nonce).unwrap_or(i64::MAX) - 1;
            question.linked(sequence, state.owners)
        }))
    }

    /// What kept the Safe of a wallet from being the circle's when this node looked last.
    pub fn differences(&self, wallet: &str) -> Vec<String> {
        self.strange().get(wallet).cloned().unwrap_or_default()
    }

    fn strange(&self) -> MutexGuard<'_, BTreeMap<String, Vec<String>>> {
        self.strange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn outcome(&self, payout: &Payout) -> Result<Outcome, ethereum::EthereumError> {
        let Transaction::Safe(transaction) = &payout.transaction else {
            return Ok(Outcome::Pending);
        };
        let outcome = self
            .chain
            .outcome(transaction.safe, payout.hash, transaction.safe_nonce)
            .await?;
        Ok(match outcome {
            ethereum::Outcome::Pending => Outcome::Pending,
            ethereum::Outcome::Included {
                block, succeeded, ..
            } => Outcome::Included {
                ledger: block,
                succeeded,
                fee: 0,
            },
            // The Safe's number grows on while others look; that the payout's own is used up stays as it is.
            ethereum::Outcome::Passed { .. } => Outcome::Passed {
                sequence: payout.transaction.sequence(),
            },
        })
    }

    /// What a wallet holds of the circle's assets that live here, in minor units of the circle.
    pub async fn holdings(
        &self,
        wallet: &Wallet,
        genesis: &Genesis,
    ) -> Result<Vec<(AssetCode, i64)>, ethereum::EthereumError> {
        let Some(Address::Ethereum(safe)) = wallet.address else {
            return Ok(Vec::new());
        };
        let tokens = self.tokens(genesis);
        let contracts: Vec<Account> = tokens.iter().filter_map(|token| token.contract).collect();
        let balances = self.chain.balances(safe, &contracts).await?;
        let held = tokens.into_iter().map(|token| {
            let units = match token.contract {
                None => balances.native_wei,
                Some(contract) => {
                    let found = balances.tokens.iter().find(|(other, _)| *other == contract);
                    found.map_or(U256::ZERO, |(_, units)| *units)
                }
            };
            let units = i64::try_from(units / token.scale).unwrap_or(i64::MAX);
            (token.code, units)
        });
        Ok(held.collect())
    }

    /// Payments of the circle's assets to a wallet in the blocks behind `cursor`.
    pub async fn payments(
        &self,
        wallet: &Wallet,
        genesis: &Genesis,
        cursor: u64,
    ) -> Result<Payments, ethereum::EthereumError> {
        let Some(Address::Ethereum(safe)) = wallet.address else {
            return Ok(Payments {
                arrived: Vec::new(),
                cursor,
            });
        };
        let tokens = self.tokens(genesis);
        let contracts: Vec<Account> = tokens.iter().filter_map(|token| token.contract).collect();
        let first = cursor
            .max(wallet.since)
            .saturating_add(1)
            .max(self.from_block);
        let page = self
            .chain
            .received(safe, &contracts, first, u64::MAX)
            .await?;
        let arrived = page.receipts.iter().filter_map(|receipt| {
            let token = tokens
                .iter()
                .find(|token| token.contract == receipt.token)?;
            let units = i64::try_from(receipt.units / token.scale).ok()?;
            let observation = Observation::Received {
                wallet: wallet.name.clone(),
                operation: receipt.name.clone(),
                from: receipt.from.to_string(),
                to: None,
                memo: None,
                amount: Amount::new(units, token.code.clone()),
            };
            // What is too small to be counted here is nobody's.
            (units > 0).then_some((receipt.block, observation))
        });
        Ok(Payments {
            arrived: arrived.collect(),
            cursor: page.through_block.max(cursor),
        })
    }

    /// Sends a signed payout.
    pub async fn submit(&self, contracts: &Contracts, payout: &Payout) -> Sent {
        let (Transaction::Safe(transaction), Some(Proof::Owners(signatures))) =
            (&payout.transaction, &payout.proof)
        else {
            return Sent::Refused("it is no signed transaction of a Safe".into());
        };
        let submitted = self
            .chain
            .submit(contracts, transaction, signatures, &self.relayer)
            .await;
        match submitted {
            Ok(Submission::Sent(_)) => Sent::Taken("it waits for a block".into()),
            Ok(Submission::Executed { block, .. }) => Sent::Taken(format!("block {block}")),
            Ok(Submission::Passed { safe_nonce, .. }) => {
                Sent::Refused(format!("the Safe is at nonce {safe_nonce} by now"))
            }
            Ok(Submission::Waits { safe_nonce }) => {
                Sent::Unknown(format!("the Safe is only at nonce {safe_nonce}"))
            }
            Err(error @ ethereum::EthereumError::Reverted { .. }) => {
                Sent::Refused(error.to_string())
            }
            Err(error) => Sent::Unknown(error.to_string()),
        }
    }

    /// Deploys the Safe of a wallet, unless it is there. Gives whether something was sent.
    pub async fn deploy(&self, setup: &Setup) -> Result<bool, ethereum::EthereumError> {
        let deployment = self.chain.deploy(setup, &self.relayer).await?;
        Ok(deployment != Deployment::Exists)
    }

    /// The circle's assets that live here.
    fn tokens(&self, genesis: &Genesis) -> Vec<Token> {
        let mut tokens = Vec::new();
        for (code, asset) in &genesis.assets {
            for home in &asset.homes {
                let Home::Ethereum {
                    chain_id,
                    token,
                    decimals,
                } = home
                else {
                    continue;
                };
                let more = decimals.checked_sub(asset.decimals);
                let scale = more.and_then(|more| U256::from(10u8).checked_pow(U256::from(more)));
                if let Some(scale) = scale.filter(|_| *chain_id == self.chain.chain_id()) {
                    tokens.push(Token {
                        code: code.clone(),
                        contract: *token,
                        scale,
                    });
                }
            }
        }
        tokens
    }
}
