//! The chain as one endpoint shows it at one block, and what most endpoints show there.

use std::fmt::Debug;
use std::future::Future;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::network::TransactionBuilder;
use alloy::primitives::{B256, Bytes, U256};
use alloy::providers::{Provider, RootProvider};
use alloy::rpc::types::{Filter, Log, TransactionRequest};
use alloy::sol_types::SolCall;
use alloy::transports::{RpcError, TransportError};
use treasury_protocol::ethereum::Address;

use super::{Ethereum, EthereumError, Revert, transport};
use crate::agreement::{majority, reached};
use crate::endpoints::{Answer, Fault};

/// Blocks whose logs are asked for at once, at first: endpoints that allow less are asked for half as much, and so on.
const LOG_BLOCKS: u64 = 2_000;

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockRef {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// What one endpoint shows at one block.
#[derive(Clone)]
pub(super) struct View {
    provider: RootProvider,
    pub(super) block: BlockRef,
}

impl View {
    /// The block that an endpoint has at this number.
    pub(super) async fn at(provider: RootProvider, number: u64) -> Result<Self, Fault> {
        let hash = hash_at(&provider, number).await?;
        let block = BlockRef { number, hash };
        Ok(Self { provider, block })
    }

    fn id(&self) -> BlockId {
        BlockId::hash_canonical(B256::from(self.block.hash))
    }

    /// Asks a contract. The inner error: it does not answer such a question.
    pub(super) async fn ask<C: SolCall>(
        &self,
        contract: Address,
        question: C,
    ) -> Result<Result<C::Return, String>, Fault> {
        let answer = self.call(None, contract, question.abi_encode()).await?;
        Ok(answer
            .ok()
            .and_then(|answer| C::abi_decode_returns(&answer).ok())
            .ok_or_else(|| format!("it does not answer {}", C::SIGNATURE)))
    }

    /// What a call would give, on top of this block. The inner error: the chain would refuse it.
    pub(super) async fn call(
        &self,
        from: Option<Address>,
        to: Address,
        data: Vec<u8>,
    ) -> Result<Result<Bytes, Revert>, Fault> {
        let request = request(from, to, data);
        match self.provider.call(request).block(self.id()).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(RpcError::ErrorResp(error)) if is_revert(&error) => Ok(Err(Revert::of(&error))),
            Err(error) => Err(fault(error)),
        }
    }

    /// The gas that a call would take, on top of this block. The inner error: the chain would refuse it.
    pub(super) async fn gas(
        &self,
        from: Address,
        to: Address,
        data: Vec<u8>,
    ) -> Result<Result<u64, Revert>, Fault> {
        let request = request(Some(from), to, data);
        match self.provider.estimate_gas(request).block(self.id()).await {
            Ok(gas) => Ok(Ok(gas)),
            Err(RpcError::ErrorResp(error)) if is_revert(&error) => Ok(Err(Revert::of(&error))),
            Err(error) => Err(fault(error)),
        }
    }

    /// The code at an address; empty where there is no contract.
    pub(super) async fn code(&self, address: Address) -> Result<Bytes, Fault> {
        let code = self.provider.get_code_at(address.into());
        code.block_id(self.id()).await.map_err(fault)
    }

    /// A word of a contract's storage, as an address.
    pub(super) async fn stored_address(
        &self,
        contract: Address,
        slot: U256,
    ) -> Result<Address, Fault> {
        let word = self.provider.get_storage_at(contract.into(), slot);
        let word: U256 = word.block_id(self.id()).await.map_err(fault)?;
        Ok(alloy::primitives::Address::from_word(word.into()).into())
    }

    /// Wei at an address.
    pub(super) async fn balance(&self, address: Address) -> Result<U256, Fault> {
        let balance = self.provider.get_balance(address.into());
        balance.block_id(self.id()).await.map_err(fault)
    }

    /// Transactions that an account has sent.
    pub(super) async fn account_nonce(&self, account: Address) -> Result<u64, Fault> {
        let count = self.provider.get_transaction_count(account.into());
        count.block_id(self.id()).await.map_err(fault)
    }

    /// Logs up to this block, newest page first, until `enough` says so. Pages hold whole blocks, the last one begins with block 0.
    ///
    /// Errors: among others that the chain changed while it was read.
    pub(super) async fn logs_back(
        &self,
        filter: &Filter,
        mut enough: impl FnMut(Vec<Log>) -> bool,
    ) -> Result<(), Fault> {
        let mut last = self.block.number;
        let mut span = LOG_BLOCKS;
        loop {
            let first = last.saturating_sub(span - 1);
            match self.page(filter, first, last).await? {
                Some(logs) => {
                    if enough(logs) || first == 0 {
                        break;
                    }
                    last = first - 1;
                }
                None => span = (span / 2).max(1),
            }
        }
        self.unchanged().await
    }

    /// All logs from `first` to `last`, which must not be beyond this block, in the order of the chain.
    pub(super) async fn logs(
        &self,
        filter: &Filter,
        first: u64,
        last: u64,
    ) -> Result<Vec<Log>, Fault> {
        let mut all = Vec::new();
        let mut from = first;
        let mut span = LOG_BLOCKS;
        while from <= last {
            let to = from.saturating_add(span - 1).min(last);
            match self.page(filter, from, to).await? {
                Some(logs) => {
                    all.extend(logs);
                    from = to + 1;
                }
                None => span = (span / 2).max(1),
            }
        }
        self.unchanged().await?;
        Ok(all)
    }

    /// The logs of some blocks, or `None` if they are too many for the endpoint.
    async fn page(
        &self,
        filter: &Filter,
        first: u64,
        last: u64,
    ) -> Result<Option<Vec<Log>>, Fault> {
        let filter = filter.clone().from_block(first).to_block(last);
        let logs = match self.provider.get_logs(&filter).await {
            Ok(logs) => logs,
            // What an endpoint allows, each says in other words.
            Err(RpcError::ErrorResp(_)) if first < last => return Ok(None),
            Err(error) => return Err(fault(error)),
        };
        let place = |log: &Log| Some((log.block_number?, log.log_index?));
        let in_order = logs
            .windows(2)
            .all(|pair| place(&pair[0]) < place(&pair[1]));
        let fits = |log: &Log| {
            let in_block = log
                .block_number
                .is_some_and(|at| (first..=last).contains(&at));
            in_block && !log.removed && log.transaction_hash.is_some() && filter.rpc_matches(log)
        };
        if in_order && logs.iter().all(fits) {
            Ok(Some(logs))
        } else {
            let reason = "logs that were not asked for".to_owned();
            Err(Fault::Malformed { reason })
        }
    }

    /// Logs are asked for by numbers of blocks: this makes sure that these still lead to this block.
    async fn unchanged(&self) -> Result<(), Fault> {
        if hash_at(&self.provider, self.block.number).await? == self.block.hash {
            return Ok(());
        }
        let reason = format!("block {} changed while it was read", self.block.number);
        Err(Fault::Malformed { reason })
    }
}

fn request(from: Option<Address>, to: Address, data: Vec<u8>) -> TransactionRequest {
    let request = TransactionRequest::default()
        .with_to(to.into())
        .with_input(data);
    match from {
        Some(from) => request.with_from(from.into()),
        None => request,
    }
}

async fn hash_at(provider: &RootProvider, number: u64) -> Result<[u8; 32], Fault> {
    let block = provider.get_block_by_number(number.into()).await;
    match block.map_err(fault)? {
        Some(block) => Ok(block.header.hash.0),
        None => Err(Fault::Malformed {
            reason: format!("it has not reached block {number}"),
        }),
    }
}

impl Ethereum {
    /// The newest block of every endpoint: its number, and when it was made, Unix seconds. By the names of the endpoints.
    pub async fn heads(&self) -> Vec<(String, Result<(u64, u64), Fault>)> {
        let ask = async |endpoint| {
            let provider = self.verified(endpoint).await?;
            let block = provider.get_block_by_number(BlockNumberOrTag::Latest).await;
            let block = block.map_err(fault)?.ok_or_else(|| Fault::Malformed {
                reason: "it has no newest block".to_owned(),
            })?;
            Ok((block.header.number, block.header.timestamp))
        };
        let answers = self.endpoints.ask_all(ask).await.into_iter();
        answers
            .map(|answer| (answer.endpoint.name().to_owned(), answer.result))
            .collect()
    }

    /// The number of the block that is `depth` behind the head, as far as most endpoints have got.
    pub(super) async fn block_behind(&self, depth: u64) -> Result<u64, EthereumError> {
        let ask = async |endpoint| {
            let provider = self.verified(endpoint).await?;
            provider.get_block_number().await.map_err(fault)
        };
        let answers = self.endpoints.ask_all(ask).await;
        let heads: Vec<u64> = answers
            .iter()
            .filter_map(|answer| answer.result.as_ref().ok().copied())
            .collect();
        match reached(&heads, self.least()) {
            Some(head) => Ok(head.saturating_sub(depth)),
            None => Err(no_answer("the newest block is", answers)),
        }
    }

    /// What most endpoints say at the block of this number, and which block that is.
    pub(super) async fn agreed<T, F>(
        &self,
        question: &'static str,
        number: u64,
        ask: impl Fn(View) -> F,
    ) -> Result<(BlockRef, T), EthereumError>
    where
        T: Clone + Debug + PartialEq,
        F: Future<Output = Result<T, Fault>>,
    {
        let each = async |endpoint| {
            let provider = self.verified(endpoint).await?;
            let view = View::at(provider, number).await?;
            let block = view.block;
            Ok((block, ask(view).await?))
        };
        let answers = self.endpoints.ask_all(each).await;
        let said: Vec<(BlockRef, T)> = answers
            .iter()
            .filter_map(|answer| answer.result.as_ref().ok().cloned())
            .collect();
        if said.len() < self.least() {
            return Err(no_answer(question, answers));
        }
        let Some(agreed) = majority(&said, self.least()).cloned() else {
            let each = answers.iter().filter_map(|answer| {
                let (block, said) = answer.result.as_ref().ok()?;
                let hash = B256::from(block.hash);
                Some((
                    answer.endpoint.name().to_owned(),
                    format!("{said:?} at {hash}"),
                ))
            });
            let said = each.collect();
            return Err(EthereumError::Disagreement { question, said });
        };
        for answer in &answers {
            if answer.result.as_ref().is_ok_and(|said| *said != agreed) {
                let what = format!("what {question} at block {number}");
                answer.endpoint.contradicted(what);
            }
        }
        Ok(agreed)
    }
}

pub(super) fn no_answer<T>(question: &'static str, answers: Vec<Answer<'_, T>>) -> EthereumError {
    let fault = |answer: Answer<'_, T>| {
        let name = answer.endpoint.name().to_owned();
        Some((name, answer.result.err()?))
    };
    let faults = answers.into_iter().filter_map(fault).collect();
    EthereumError::NoAnswer { question, faults }
}

/// Whether the contract refused, and not the endpoint.
fn is_revert(error: &alloy::rpc::json_rpc::ErrorPayload) -> bool {
    error.code == 3 || error.as_revert_data().is_some() || error.message.contains("revert")
}

/// An error of an endpoint, without the address that was asked: it may hold a key to a service.
pub(super) fn fault(error: TransportError) -> Fault {
    match error {
        RpcError::ErrorResp(error) => Fault::Malformed {
            reason: format!("error {}: {}", error.code, error.message),
        },
        RpcError::Transport(kind) => transport::fault(&kind),
        other => Fault::Malformed {
            reason: other.to_string().chars().take(200).collect(),
        },
    }
}
