//! A development chain with the real contracts of Safe, at the very addresses that they have on public chains, and with a token to pay.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address as Word20, B256, Bytes, U256, address};
use alloy::providers::{Provider, RootProvider};
use alloy::transports::TransportError;
use serde_json::{Value, json};
use treasury_protocol::ethereum::{Address, Contracts};

use super::anvil::Tools;
use super::transport::provider;
use crate::endpoints::{Endpoints, EndpointsError, Timeouts};

/// Safe's singleton factory, by which anybody deploys a contract at an address that follows from its code.
const FACTORY: Word20 = address!("914d7Fec6aaC8cd542e72Bca78B30650d45643d7");
/// A contract of the same code that anvil brings along.
const TWIN: Word20 = address!("4e59b44847b379578588920cA78FbF26c0B4956C");

/// Why a chain could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum DevChainError {
    /// The compiled contracts cannot be read.
    #[error("{} is not a compiled contract: {reason}; remove the folder with what npm installed, and it is installed again", path.display())]
    Artifact {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Its address cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointsError),
    /// The node refuses.
    #[error("the development chain refuses {what}: {reason}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// What it said.
        reason: String,
    },
}

/// A chain whose money is worth nothing.
pub struct DevChain {
    provider: RootProvider,
    /// What a Safe is made of here: the same as on public chains.
    pub contracts: Contracts,
    /// A token (ERC-20) of which [`DevChain::pay_tokens`] gives away.
    pub token: Address,
    /// Who holds all of it at first, and lots of ether; the node signs for this account.
    rich: Word20,
    sending: tokio::sync::Mutex<()>,
}

impl DevChain {
    /// Deploys the contracts on a fresh anvil, which mines at once or on time.
    pub async fn prepare(url: &str, tools: &Tools) -> Result<Self, DevChainError> {
        let endpoints = Endpoints::new(&[url.to_owned()], Timeouts::default())?;
        let endpoint = endpoints.all().first().ok_or(EndpointsError::None)?;
        let provider = provider(endpoints.client().clone(), endpoint.url().clone());
        let accounts = provider.get_accounts().await;
        let accounts = accounts.map_err(refused("its accounts"))?;
        let rich = accounts.first().ok_or(DevChainError::Refused {
            what: "its accounts",
            reason: "there are none".to_owned(),
        })?;
        let mut chain = Self {
            provider,
            contracts: Contracts::CANONICAL,
            token: Address::ZERO,
            rich: *rich,
            sending: tokio::sync::Mutex::default(),
        };
        chain.deploy_contracts(&tools.artifacts).await?;
        Ok(chain)
    }

    async fn deploy_contracts(&mut self, artifacts: &Path) -> Result<(), DevChainError> {
        let code = self.provider.get_code_at(TWIN).await;
        let code = code.map_err(refused("the factory's code"))?;
        let _: Value = self
            .request("anvil_setCode", json!([FACTORY, code]))
            .await?;
        let contracts = self.contracts.clone();
        let l2 = Contracts::CANONICAL_L2.singleton;
        for (file, expected) in [
            ("Safe.sol/Safe.json", contracts.singleton),
            ("SafeL2.sol/SafeL2.json", l2),
            (
                "proxies/SafeProxyFactory.sol/SafeProxyFactory.json",
                contracts.proxy_factory,
            ),
            (
                "libraries/MultiSendCallOnly.sol/MultiSendCallOnly.json",
                contracts.multi_send,
            ),
            (
                "handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json",
                contracts.fallback_handler,
            ),
        ] {
            let data = [&B256::ZERO[..], &creation_code(&artifacts.join(file))?].concat();
            self.send(Some(FACTORY), U256::ZERO, data.into()).await?;
            let code = self.provider.get_code_at(expected.into()).await;
            if code.map_err(refused("a contract's code"))?.is_empty() {
                let reason = format!("{file} is not at {expected}, where it is on public chains");
                let what = "a contract of Safe";
                return Err(DevChainError::Refused { what, reason });
            }
        }
        let token = creation_code(&artifacts.join("test/ERC20Token.sol/ERC20Token.json"))?;
        let receipt = self.send(None, U256::ZERO, token).await?;
        let token = receipt["contractAddress"].as_str();
        let token: Option<Word20> = token.and_then(|text| text.parse().ok());
        self.token = token.map(Address::from).ok_or(DevChainError::Refused {
            what: "the token",
            reason: "it has no address".to_owned(),
        })?;
        Ok(())
    }

    /// Pays ether to somebody, and waits until that is in a block. Returns the receipt of the transaction as the node tells it.
    pub async fn pay_ether(&self, to: Address, wei: U256) -> Result<Value, DevChainError> {
        self.send(Some(to.into()), wei, Bytes::new()).await
    }

    /// Pays units of the token to somebody, and waits until that is in a block.
    pub async fn pay_tokens(&self, to: Address, units: U256) -> Result<Value, DevChainError> {
        let call = treasury_protocol::ethereum::Call::erc20(self.token, to, units);
        let call = call.map_err(|error| DevChainError::Refused {
            what: "a payment",
            reason: error.to_string(),
        })?;
        self.send(Some(call.to.into()), U256::ZERO, call.data.into())
            .await
    }

    /// Lets somebody pay units of the token to somebody else: the node acts for everybody here, and pays for the gas.
    pub async fn pay_tokens_as(
        &self,
        from: Address,
        to: Address,
        units: U256,
    ) -> Result<Value, DevChainError> {
        let call = treasury_protocol::ethereum::Call::erc20(self.token, to, units);
        let call = call.map_err(|error| DevChainError::Refused {
            what: "a payment",
            reason: error.to_string(),
        })?;
        let who = Word20::from(from);
        let _: Value = self
            .request("anvil_setBalance", json!([who, U256::from(1u64 << 60)]))
            .await?;
        let _: Value = self
            .request("anvil_impersonateAccount", json!([who]))
            .await?;
        self.send_as(who, Some(call.to.into()), U256::ZERO, call.data.into())
            .await
    }

    /// Asks the node for anything, also for what only a development chain does, such as `evm_mine` or `anvil_reorg`.
    pub async fn request(
        &self,
        method: &'static str,
        parameters: Value,
    ) -> Result<Value, DevChainError> {
        let answer = self.provider.raw_request(method.into(), parameters).await;
        answer.map_err(refused(method))
    }

    /// Sends a transaction of the rich account and waits for its receipt.
    async fn send(
        &self,
        to: Option<Word20>,
        wei: U256,
        data: Bytes,
    ) -> Result<Value, DevChainError> {
        self.send_as(self.rich, to, wei, data).await
    }

    async fn send_as(
        &self,
        from: Word20,
        to: Option<Word20>,
        wei: U256,
        data: Bytes,
    ) -> Result<Value, DevChainError> {
        let mut transaction = json!({ "from": from, "value": wei, "data": data });
        if let Some(to) = to {
            transaction["to"] = json!(to);
        }
        // The node takes the next free number of the account, which two requests at once would share.
        let sending = self.sending.lock().await;
        let hash = self
            .request("eth_sendTransaction", json!([transaction]))
            .await?;
        drop(sending);
        loop {
            let receipt = self
                .request("eth_getTransactionReceipt", json!([hash]))
                .await?;
            match receipt["status"].as_str() {
                Some("0x1") => return Ok(receipt),
                Some(_) => {
                    let reason = format!("it failed: {hash}");
                    let what = "a transaction";
                    return Err(DevChainError::Refused { what, reason });
                }
                // The next block has it.
                None => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    }
}

fn refused(what: &'static str) -> impl Fn(TransportError) -> DevChainError {
    move |error| DevChainError::Refused {
        what,
        reason: error.to_string(),
    }
}

fn creation_code(path: &Path) -> Result<Bytes, DevChainError> {
    let failed = |reason: String| DevChainError::Artifact {
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let artifact: Value =
        serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
    let code = artifact["bytecode"].as_str().unwrap_or_default();
    match code.parse::<Bytes>() {
        Ok(code) if !code.is_empty() => Ok(code),
        Ok(_) => Err(failed("it has no bytecode".to_owned())),
        Err(error) => Err(failed(error.to_string())),
    }
}
