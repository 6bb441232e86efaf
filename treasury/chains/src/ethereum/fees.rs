//! What a transaction offers for its gas (EIP-1559).

use alloy::eips::BlockNumberOrTag;
use alloy::providers::Provider;

use super::view::{fault, no_answer};
use super::{Ethereum, EthereumError};
use crate::endpoints::Fault;

/// A tip where an endpoint does not know what is usual: 1 gwei.
const TIP_WEI: u128 = 1_000_000_000;

/// What a relayer may pay, and how long it waits before it pays more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeLimits {
    /// The most that it offers for one gas, in wei.
    pub max_fee_wei: u128,
    /// Blocks after which a transaction that is not included is offered again for more.
    pub replace_after_blocks: u64,
}

impl Default for FeeLimits {
    /// At most 200 gwei, and more after three blocks.
    fn default() -> Self {
        Self {
            max_fee_wei: 200_000_000_000,
            replace_after_blocks: 3,
        }
    }
}

/// What one transaction offers for one gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fees {
    pub max_fee_wei: u128,
    pub tip_wei: u128,
}

impl Fees {
    /// Enough more for a node to take a transaction in the place of the one before: an eighth, and they ask for a tenth. At least what is
    /// usual by now. `None` if that is over the limit.
    pub fn raised(self, usual: Self, limit_wei: u128) -> Option<Self> {
        let more = |wei: u128| wei.saturating_add(wei / 8).saturating_add(1);
        let max_fee_wei = more(self.max_fee_wei).max(usual.max_fee_wei);
        let tip_wei = more(self.tip_wei).max(usual.tip_wei);
        (max_fee_wei <= limit_wei).then_some(Self {
            max_fee_wei,
            tip_wei: tip_wei.min(max_fee_wei),
        })
    }

    /// What is usual at this base fee: it may double until the transaction is included.
    fn usual(base_wei: u128, tip_wei: u128, limit_wei: u128) -> Result<Self, EthereumError> {
        let needed_wei = base_wei.saturating_add(tip_wei.min(1));
        if needed_wei > limit_wei {
            return Err(EthereumError::Fee {
                needed_wei,
                limit_wei,
            });
        }
        let max_fee_wei = base_wei
            .saturating_mul(2)
            .saturating_add(tip_wei)
            .min(limit_wei);
        Ok(Self {
            max_fee_wei,
            tip_wei: tip_wei.min(max_fee_wei),
        })
    }
}

impl Ethereum {
    /// What is usual now: in the middle of what the endpoints say, so that one alone cannot make it expensive.
    pub(super) async fn fees(&self, limits: FeeLimits) -> Result<Fees, EthereumError> {
        let ask = async |endpoint| {
            let provider = self.verified(endpoint).await?;
            let head = provider.get_block_by_number(BlockNumberOrTag::Latest).await;
            let head = head.map_err(fault)?;
            let base = head.and_then(|head| head.header.base_fee_per_gas);
            let base = base.ok_or(Fault::Malformed {
                reason: "its newest block has no base fee".to_owned(),
            })?;
            let tip = provider.get_max_priority_fee_per_gas().await;
            Ok((u128::from(base), tip.unwrap_or(TIP_WEI)))
        };
        let answers = self.endpoints.ask_all(ask).await;
        let said = answers.iter().filter_map(|one| one.result.as_ref().ok());
        let (bases, tips): (Vec<u128>, Vec<u128>) = said.copied().unzip();
        match (middle(bases), middle(tips)) {
            (Some(base), Some(tip)) => Fees::usual(base, tip, limits.max_fee_wei),
            _ => Err(no_answer("is paid for gas", answers)),
        }
    }
}

/// The value in the middle, the lower one of two.
pub(super) fn middle<T: Ord + Copy>(mut values: Vec<T>) -> Option<T> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GWEI: u128 = 1_000_000_000;

    #[test]
    fn fees_leave_room_for_a_doubled_base_fee_up_to_the_limit() {
        let usual = |base, tip, limit| Fees::usual(base * GWEI, tip * GWEI, limit * GWEI);
        let fees = |max_fee, tip| {
            Ok(Fees {
                max_fee_wei: max_fee * GWEI,
                tip_wei: tip * GWEI,
            })
        };
        assert_eq!(usual(10, 2, 200), fees(22, 2));
        assert_eq!(usual(10, 2, 15), fees(15, 2));
        assert_eq!(usual(10, 50, 15), fees(15, 15));
        assert_eq!(usual(16, 1, 15).unwrap_err().code(), "chain_fee");
    }

    #[test]
    fn what_is_offered_again_is_offered_for_an_eighth_more_or_not_at_all() {
        let fees = |max_fee_wei, tip_wei| Fees {
            max_fee_wei,
            tip_wei,
        };
        assert_eq!(fees(80, 8).raised(fees(1, 1), 200), Some(fees(91, 10)));
        assert_eq!(fees(80, 8).raised(fees(150, 20), 200), Some(fees(150, 20)));
        assert_eq!(fees(80, 8).raised(fees(1, 1), 90), None);
        assert_eq!(fees(0, 0).raised(fees(0, 0), 90), Some(fees(1, 1)));
    }

    #[test]
    fn one_endpoint_alone_does_not_move_the_middle() {
        assert_eq!(middle::<u8>(vec![]), None);
        assert_eq!(middle(vec![9]), Some(9));
        assert_eq!(middle(vec![9, 1]), Some(1));
        assert_eq!(middle(vec![200, 9, 10]), Some(10));
    }
}
