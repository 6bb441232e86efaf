//! A chain, a Safe with its owners, and who pays for the gas.

use serde_json::{Value, json};
use tokio::sync::OnceCell;
use treasury_chains::endpoints::Timeouts;
use treasury_chains::ethereum::anvil::{self, Anvil, Mining, Tools};
use treasury_chains::ethereum::devchain::DevChain;
use treasury_chains::ethereum::{
    Deployment, Ethereum, EthereumError, FeeLimits, Outcome, Relayer, Submission,
};
use treasury_protocol::ethereum::{
    Address, Call, Contracts, OwnerKey, OwnerSignature, Owners, SafeTransaction, Setup, U256,
};

pub const CHAIN_ID: u64 = 31_337;
pub const FINALITY: u64 = 4;

/// The node and the contracts, installed at the first question where they are missing.
async fn tools() -> Tools {
    static TOOLS: OnceCell<Tools> = OnceCell::const_new();
    let install = || async {
        let folder = std::env::var_os("GUARDIAN_ETHEREUM_TOOLS").map_or_else(
            || anvil::folder().expect("a folder for what npm installs"),
            Into::into,
        );
        let say = |line: &str| println!("{line}");
        let tools = anvil::find_or_install(&folder, say).await;
        tools.expect("these tests need anvil and the contracts of Safe")
    };
    TOOLS.get_or_init(install).await.clone()
}

/// A node with the contracts of Safe.
pub async fn prepared(mining: Mining) -> (Anvil, DevChain) {
    let tools = tools().await;
    let anvil = anvil::start(&tools, CHAIN_ID, mining).await.unwrap();
    let dev = DevChain::prepare(&anvil.url, &tools).await.unwrap();
    (anvil, dev)
}

pub fn ether(amount: u64) -> U256 {
    U256::from(amount) * U256::from(10_u64.pow(18))
}

pub fn key(number: u16) -> OwnerKey {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    OwnerKey::from_bytes(&bytes).unwrap()
}

pub fn address(byte: u8) -> Address {
    Address([byte; 20])
}

/// Owners with their keys, and the Safe that they are going to have.
pub struct Wallet {
    pub keys: Vec<OwnerKey>,
    pub setup: Setup,
    pub safe: Address,
}

impl Wallet {
    pub fn new(owners: u16, threshold: u32) -> Self {
        Self::of(owners, threshold, Contracts::CANONICAL)
    }

    pub fn of(owners: u16, threshold: u32, contracts: Contracts) -> Self {
        let keys: Vec<OwnerKey> = (1..=owners).map(key).collect();
        let addresses = keys.iter().map(OwnerKey::address).collect();
        let setup = Setup {
            owners: Owners::new(addresses, threshold).unwrap(),
            salt: [1; 32],
            contracts,
        };
        let safe = setup.address();
        Self { keys, setup, safe }
    }

    pub fn transaction(&self, calls: &[Call], safe_nonce: u64) -> SafeTransaction {
        let contracts = &self.setup.contracts;
        SafeTransaction::of(CHAIN_ID, self.safe, contracts, calls, safe_nonce).unwrap()
    }

    /// The signatures of as many owners as are needed, the last ones first.
    pub fn sign(&self, transaction: &SafeTransaction) -> Vec<OwnerSignature> {
        let needed = usize::try_from(self.setup.owners.threshold()).unwrap();
        let sign = |key: &OwnerKey| OwnerSignature {
            owner: key.address(),
            bytes: key.sign(&transaction.hash()).unwrap(),
        };
        self.keys.iter().rev().take(needed).map(sign).collect()
    }

    /// What anybody may send to the Safe.
    pub fn execution(&self, transaction: &SafeTransaction) -> Vec<u8> {
        let signatures = self.sign(transaction);
        transaction
            .execution(&self.setup.owners, &signatures)
            .unwrap()
    }
}

/// A chain of one's own.
pub struct World {
    pub anvil: Anvil,
    pub dev: DevChain,
    pub ethereum: Ethereum,
    pub relayer: Relayer,
}

pub async fn connect(urls: &[&str]) -> Result<Ethereum, EthereumError> {
    connect_within(urls, Timeouts::default()).await
}

pub async fn connect_within(urls: &[&str], timeouts: Timeouts) -> Result<Ethereum, EthereumError> {
    let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
    Ethereum::connect(&urls, CHAIN_ID, FINALITY, timeouts).await
}

impl World {
    /// A chain that makes a block for each transaction.
    pub async fn new() -> Self {
        let (anvil, dev) = prepared(Mining::AtOnce).await;
        let ethereum = connect(&[&anvil.url]).await.unwrap();
        let world = Self {
            relayer: Relayer::new(key(1_000), CHAIN_ID, FeeLimits::default()),
            anvil,
            dev,
            ethereum,
        };
        let payer = world.relayer.address();
        world.dev.pay_ether(payer, ether(1)).await.unwrap();
        world
    }

    /// A chain with a deployed Safe that holds 10 ether and 1,000,000 units of the token; from here on blocks are made when told to.
    pub async fn with(wallet: &Wallet) -> Self {
        let world = Self::new().await;
        world.deploy(wallet).await;
        // A node that makes blocks at once makes them a moment after it answered.
        world.mine(1).await;
        world.dev.pay_ether(wallet.safe, ether(10)).await.unwrap();
        let units = U256::from(1_000_000);
        world.dev.pay_tokens(wallet.safe, units).await.unwrap();
        world.ask("evm_setAutomine", json!([false])).await;
        world.mine(FINALITY).await;
        world
    }

    pub async fn deploy(&self, wallet: &Wallet) {
        let deployed = self.ethereum.deploy(&wallet.setup, &self.relayer).await;
        assert!(matches!(deployed, Ok(Deployment::Sent(_))), "{deployed:?}");
    }

    /// Another relayer, with money for gas. Needs blocks that are made at once.
    pub fn relayer(&self, number: u16) -> Relayer {
        Relayer::new(key(number), CHAIN_ID, FeeLimits::default())
    }

    pub async fn ask(&self, method: &'static str, parameters: Value) -> Value {
        self.dev.request(method, parameters).await.unwrap()
    }

    pub async fn mine(&self, blocks: u64) {
        self.ask("anvil_mine", json!([blocks])).await;
    }

    /// Gives somebody money without a transaction.
    pub async fn endow(&self, to: Address, wei: U256) {
        self.ask("anvil_setBalance", json!([to.to_string(), wei]))
            .await;
    }

    pub async fn submit(
        &self,
        wallet: &Wallet,
        transaction: &SafeTransaction,
    ) -> Result<Submission, EthereumError> {
        self.submit_by(&self.ethereum, &self.relayer, wallet, transaction)
            .await
    }

    pub async fn submit_by(
        &self,
        ethereum: &Ethereum,
        relayer: &Relayer,
        wallet: &Wallet,
        transaction: &SafeTransaction,
    ) -> Result<Submission, EthereumError> {
        let signatures = wallet.sign(transaction);
        let contracts = &wallet.setup.contracts;
        ethereum
            .submit(contracts, transaction, &signatures, relayer)
            .await
    }

    pub async fn outcome(&self, transaction: &SafeTransaction) -> Outcome {
        outcome_by(&self.ethereum, transaction).await.unwrap()
    }

    /// What an address holds at the newest block.
    pub async fn wei(&self, of: Address) -> U256 {
        let wei = self
            .ask("eth_getBalance", json!([of.to_string(), "latest"]))
            .await;
        wei.as_str().unwrap().parse().unwrap()
    }

    /// The receipt of a transaction of the chain.
    pub async fn receipt(&self, transaction: [u8; 32]) -> Value {
        let hash = format!("0x{}", hex::encode(transaction));
        self.ask("eth_getTransactionReceipt", json!([hash])).await
    }
}

pub async fn outcome_by(
    ethereum: &Ethereum,
    transaction: &SafeTransaction,
) -> Result<Outcome, EthereumError> {
    let (safe, safe_nonce) = (transaction.safe, transaction.safe_nonce);
    ethereum.outcome(safe, transaction.hash(), safe_nonce).await
}

/// A payment of one ether.
pub fn payment(to: u8) -> Call {
    Call::native(address(to), ether(1)).unwrap()
}

#[track_caller]
pub fn sent(submission: Result<Submission, EthereumError>) -> treasury_chains::ethereum::Sent {
    match submission {
        Ok(Submission::Sent(sent)) => sent,
        other => panic!("it was not sent: {other:?}"),
    }
}

#[track_caller]
pub fn included(outcome: Outcome) -> u64 {
    match outcome {
        Outcome::Included {
            block, succeeded, ..
        } => {
            assert!(succeeded);
            block
        }
        other => panic!("it is not included: {other:?}"),
    }
}
