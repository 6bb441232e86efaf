//! Who sends transactions and pays for their gas.
//!
//! A relayer's key is worth the gas money that it holds, and nothing else: what it sends is decided by the signatures of owners. Its
//! account numbers what it sends (`relayer_nonce`), and these numbers are kept here: one is taken when an endpoint may have accepted a
//! transaction with it, and not before, so that a refused one leaves no hole behind which everything later would wait.

use std::collections::BTreeMap;

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::primitives::{Bytes, Signature, TxKind};
use alloy::providers::Provider;
use alloy::transports::RpcError;
use tokio::sync::Mutex;
use treasury_protocol::ethereum::{Address, OwnerKey};

use super::fees::Fees;
use super::view::{View, fault};
use super::{Ethereum, EthereumError, FeeLimits, Said};

/// How often one transaction is offered for more in a row, when an endpoint holds another with its number that this process does not know.
const RAISES_MAX: usize = 16;

/// Sends transactions on one chain, numbered without a hole.
#[derive(Debug)]
pub struct Relayer {
    key: OwnerKey,
    chain_id: u64,
    limits: FeeLimits,
    /// What may be waiting on the chain, by its number.
    waiting: Mutex<BTreeMap<u64, Waiting>>,
}

#[derive(Clone, Debug)]
struct Waiting {
    /// What it is for, so that it is not sent twice.
    subject: [u8; 32],
    to: Address,
    data: Bytes,
    gas: u64,
    fees: Fees,
    raw: Vec<u8>,
    hash: [u8; 32],
    /// The newest block when these very bytes were sent first.
    since_block: u64,
}

/// A transaction that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its hash.
    pub transaction: [u8; 32],
    /// Its number among those of the relayer.
    pub relayer_nonce: u64,
    /// The gas that it may use.
    pub gas: u64,
    /// The most that it pays for one gas.
    pub max_fee_wei: u128,
    /// Whether an endpoint said that it has it. If not, it may have it all the same.
    pub acknowledged: bool,
}

/// What the endpoints said to a transaction.
#[derive(Default)]
struct Heard {
    accepted: bool,
    unclear: bool,
    underpriced: bool,
    outdated: bool,
    said: Vec<Said>,
}

enum Verdict {
    Accepted,
    Underpriced,
    Outdated,
    Refused(String),
}

impl Relayer {
    /// A relayer on the chain with this id. There is one for each key and chain: two would take the same numbers.
    pub fn new(key: OwnerKey, chain_id: u64, limits: FeeLimits) -> Self {
        Self {
            key,
            chain_id,
            limits,
            waiting: Mutex::default(),
        }
    }

    /// Who pays for the gas: this address has to hold money.
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// Sends a call, or what is waiting for the same subject once more: the same bytes, and for more when it has waited for too long.
    pub(super) async fn send(
        &self,
        chain: &Ethereum,
        subject: [u8; 32],
        to: Address,
        data: Vec<u8>,
        gas: u64,
    ) -> Result<Sent, EthereumError> {
        if chain.chain_id() != self.chain_id {
            return Err(EthereumError::RelayerChain {
                relayer: self.address(),
                own: self.chain_id,
                chain: chain.chain_id(),
            });
        }
        let mut waiting = self.waiting.lock().await;
        let usual = chain.fees(self.limits).await?;
        let (head, account_nonce) = self.account_nonce(chain).await?;
        waiting.retain(|nonce, _| *nonce >= account_nonce);
        self.hurry(chain, &mut waiting, subject, usual, head)
            .await?;
        let known = waiting.iter().find(|(_, one)| one.subject == subject);
        if let Some((nonce, one)) = known.map(|(nonce, one)| (*nonce, one.clone())) {
            return self
                .again(chain, &mut waiting, nonce, one, usual, head)
                .await;
        }
        let nonce = (account_nonce..=u64::MAX).find(|nonce| !waiting.contains_key(nonce));
        let mut fees = usual;
        let mut heard = Heard::default();
        for _ in 0..RAISES_MAX {
            let nonce = nonce.unwrap_or(u64::MAX);
            let one = Waiting {
                subject,
                to,
                data: data.clone().into(),
                gas,
                fees,
                raw: Vec::new(),
                hash: [0; 32],
                since_block: head,
            };
            let one = self.signed(nonce, one)?;
            heard = broadcast(chain, &one.raw).await;
            if heard.accepted || heard.unclear {
                let sent = one.sent(nonce, heard.accepted);
                waiting.insert(nonce, one);
                return Ok(sent);
            }
            // An endpoint holds another transaction with this number, sent before this process began: this one takes its place.
            let raised = fees.raised(usual, self.limits.max_fee_wei);
            match raised.filter(|_| heard.underpriced) {
                Some(raised) => fees = raised,
                None => break,
            }
        }
        Err(EthereumError::Refused {
            relayer: self.address(),
            said: heard.said,
        })
    }

    /// Sends the same bytes once more, or offers more for what has waited for too long.
    async fn again(
        &self,
        chain: &Ethereum,
        waiting: &mut BTreeMap<u64, Waiting>,
        nonce: u64,
        one: Waiting,
        usual: Fees,
        head: u64,
    ) -> Result<Sent, EthereumError> {
        let too_long = head.saturating_sub(one.since_block) >= self.limits.replace_after_blocks;
        let mut heard = Heard::default();
        if !too_long {
            heard = broadcast(chain, &one.raw).await;
        }
        let raised = one.fees.raised(usual, self.limits.max_fee_wei);
        if let Some(fees) = raised.filter(|_| too_long || heard.underpriced) {
            let replacement = Waiting {
                fees,
                since_block: head,
                ..one.clone()
            };
            let replacement = self.signed(nonce, replacement)?;
            let heard = broadcast(chain, &replacement.raw).await;
            if heard.accepted || heard.unclear {
                let sent = replacement.sent(nonce, heard.accepted);
                waiting.insert(nonce, replacement);
                return Ok(sent);
            }
        }
        if too_long {
            heard = broadcast(chain, &one.raw).await;
        }
        // An outdated number means that it, or one before it with its number, is on the chain by now.
        if heard.accepted || heard.unclear || heard.outdated {
            return Ok(one.sent(nonce, heard.accepted || heard.outdated));
        }
        Err(EthereumError::Refused {
            relayer: self.address(),
            said: heard.said,
        })
    }

    /// What waits before everything else has to move first, whatever it is for.
    async fn hurry(
        &self,
        chain: &Ethereum,
        waiting: &mut BTreeMap<u64, Waiting>,
        subject: [u8; 32],
        usual: Fees,
        head: u64,
    ) -> Result<(), EthereumError> {
        let others: Vec<(u64, Waiting)> = waiting
            .iter()
            .take_while(|(_, one)| one.subject != subject)
            .map(|(nonce, one)| (*nonce, one.clone()))
            .collect();
        for (nonce, one) in others {
            // What is refused now is sent again with the next question.
            match self.again(chain, waiting, nonce, one, usual, head).await {
                Ok(_) | Err(EthereumError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The newest block, and the number of the account's next transaction there.
    async fn account_nonce(&self, chain: &Ethereum) -> Result<(u64, u64), EthereumError> {
        let head = chain.block_behind(0).await?;
        let account = self.address();
        let read = |view: View| async move { view.account_nonce(account).await };
        let question = "the relayer's next number is";
        let (_, account_nonce) = chain.agreed(question, head, read).await?;
        Ok((head, account_nonce))
    }

    fn signed(&self, relayer_nonce: u64, one: Waiting) -> Result<Waiting, EthereumError> {
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: relayer_nonce,
            gas_limit: one.gas,
            max_fee_per_gas: one.fees.max_fee_wei,
            max_priority_fee_per_gas: one.fees.tip_wei,
            to: TxKind::Call(one.to.into()),
            input: one.data.clone(),
            ..TxEip1559::default()
        };
        let [numbers @ .., v] = self.key.sign(&transaction.signature_hash().0)?;
        let signature = Signature::from_bytes_and_parity(&numbers, v == 28);
        let transaction = transaction.into_signed(signature);
        let mut raw = Vec::new();
        transaction.eip2718_encode(&mut raw);
        Ok(Waiting {
            raw,
            hash: transaction.hash().0,
            ..one
        })
    }
}

impl Waiting {
    fn sent(&self, relayer_nonce: u64, acknowledged: bool) -> Sent {
        Sent {
            transaction: self.hash,
            relayer_nonce,
            gas: self.gas,
            max_fee_wei: self.fees.max_fee_wei,
            acknowledged,
        }
    }
}

/// Sends bytes to every endpoint: one that drops them does not hold them up.
async fn broadcast(chain: &Ethereum, raw: &[u8]) -> Heard {
    let ask = async |endpoint| {
        let provider = chain.verified(endpoint).await?;
        match provider.send_raw_transaction(raw).await {
            Ok(_) => Ok(Verdict::Accepted),
            Err(RpcError::ErrorResp(error)) => Ok(verdict(&error.message)),
            Err(error) => Err(fault(error)),
        }
    };
    let mut heard = Heard::default();
    for answer in chain.endpoints.ask_all(ask).await {
        let said = match answer.result {
            Ok(Verdict::Accepted) => {
                heard.accepted = true;
                continue;
            }
            Ok(Verdict::Underpriced) => {
                heard.underpriced = true;
                "it asks for more, or has another transaction with this number that pays more"
                    .to_owned()
            }
            Ok(Verdict::Outdated) => {
                heard.outdated = true;
                "the number is used up".to_owned()
            }
            Ok(Verdict::Refused(said)) => said,
            Err(fault) => {
                heard.unclear = true;
                fault.to_string()
            }
        };
        heard.said.push((answer.endpoint.name().to_owned(), said));
    }
    heard
}

/// What an endpoint means, which each kind of node says in its own words.
fn verdict(message: &str) -> Verdict {
    let lower = message.to_lowercase().replace([' ', '_'], "");
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&[
        "alreadyknown",
        "alreadyimported",
        "alreadyexists",
        "knowntransaction",
    ]) {
        Verdict::Accepted
    } else if says(&["replacement", "underpriced", "feetoolow", "blockbasefee"]) {
        Verdict::Underpriced
    } else if says(&["noncetoolow", "oldnonce", "nonceistoolow"]) {
        Verdict::Outdated
    } else {
        Verdict::Refused(message.chars().take(200).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nodes_say_is_understood() {
        for (said, expected) in [
            ("already known", "accepted"),
            ("AlreadyKnown", "accepted"),
            ("ALREADY_EXISTS: already known", "accepted"),
            ("transaction already imported", "accepted"),
            ("replacement transaction underpriced", "underpriced"),
            ("ReplacementNotAllowed", "underpriced"),
            ("transaction underpriced", "underpriced"),
            ("max fee per gas less than block base fee", "underpriced"),
            ("nonce too low: next nonce 7, tx nonce 6", "outdated"),
            ("OldNonce", "outdated"),
            ("insufficient funds for gas * price + value", "refused"),
        ] {
            let is = match verdict(said) {
                Verdict::Accepted => "accepted",
                Verdict::Underpriced => "underpriced",
                Verdict::Outdated => "outdated",
                Verdict::Refused(_) => "refused",
            };
            assert_eq!(is, expected, "{said}");
        }
    }
}
