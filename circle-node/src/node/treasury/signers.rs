//! Whether the bytes of a change of signers make just those sign whom the circle wants.

use std::collections::{BTreeMap, BTreeSet};

use circle::ceremonies;
use circle::treasury::{Chain, Payout, Purpose, Scheme, Transaction, Wallet};
use treasury_protocol::ethereum::{Address, Contracts, Meaning, Owners, SafeTransaction};
use treasury_protocol::stellar::{Batch, Operation, multisig, rotation};

use crate::money_diff::{self, Decoded};
use crate::node::core::Rows;
use crate::problem::Problem;

/// Judges the bytes of a payout that changes who signs for its wallet.
pub fn is_planned(
    rows: &Rows,
    wallet: Option<&Wallet>,
    payout: &Payout,
    decoded: &Decoded,
) -> Result<bool, Problem> {
    let key = |ceremony: u64| -> Result<Option<[u8; 32]>, Problem> {
        Ok(ceremonies::key(&rows.state, ceremony)?.map(|key| key.public))
    };
    Ok(match (&payout.purpose, &payout.transaction) {
        (Purpose::Signers(Scheme::Group { ceremony }), Transaction::Stellar { .. }) => {
            let expected = key(*ceremony)?.map(rotation::introduce);
            expected.is_some_and(|one| decoded.moves == [money_diff::stellar_move(&one)])
        }
        (Purpose::Retire(ceremony), Transaction::Stellar { batch, .. }) => {
            let Batch { source, .. } = batch;
            let expected = key(*ceremony)?.map(|old| rotation::retire(*source, old));
            expected.is_some_and(|one| decoded.moves == [money_diff::stellar_move(&one)])
        }
        (
            Purpose::Signers(Scheme::Safe {
                owners: Some(after),
            }),
            Transaction::Safe(transaction),
        ) => {
            // Those of before sign it; until they do, they are the wallet's.
            let before = payout.signers.as_ref().or(wallet.map(|one| &one.scheme));
            match (before, wallet.map(|one| &one.chain)) {
                (
                    Some(Scheme::Safe {
                        owners: Some(before),
                    }),
                    Some(Chain::Ethereum { contracts, .. }),
                ) => becomes(transaction, contracts, before, after),
                _ => false,
            }
        }
        (
            Purpose::Signers(Scheme::Multisig {
                owners: Some(after),
            }),
            Transaction::Stellar { batch, .. },
        ) => match payout.signers.as_ref().or(wallet.map(|one| &one.scheme)) {
            Some(Scheme::Multisig {
                owners: Some(before),
            }) => passes(batch, before, after),
            _ => false,
        },
        _ => false,
    })
}

/// Whether a transaction of an account passes it from the owners `before` to those `after`, and does nothing else.
fn passes(batch: &Batch, before: &multisig::Owners, after: &multisig::Owners) -> bool {
    let one_each = |owners: &multisig::Owners| -> BTreeMap<[u8; 32], u8> {
        owners.keys().iter().map(|key| (*key, 1)).collect()
    };
    let mut weights = one_each(before);
    let mut thresholds = None;
    for operation in &batch.operations {
        match operation {
            Operation::SetSigner { key, weight: 0 } => {
                weights.remove(key);
            }
            Operation::SetSigner { key, weight } => {
                weights.insert(*key, *weight);
            }
            Operation::SetThresholds {
                master,
                low,
                medium,
                high,
            } => thresholds = Some([*master, *low, *medium, *high]),
            _ => return false,
        }
    }
    let needed = after.threshold();
    weights == one_each(after) && thresholds == Some([0, needed, needed, needed])
}

/// Whether a transaction of a Safe turns its owners from those `before` into those `after`, and does nothing else.
fn becomes(
    transaction: &SafeTransaction,
    contracts: &Contracts,
    before: &Owners,
    after: &Owners,
) -> bool {
    let Ok(calls) = transaction.calls(contracts) else {
        return false;
    };
    let mut owners: BTreeSet<Address> = before.addresses().iter().copied().collect();
    let mut needed = before.threshold();
    for call in calls {
        let threshold = match call.meaning(transaction.safe) {
            Meaning::AddOwner { owner, threshold } if owners.insert(owner) => Some(threshold),
            Meaning::RemoveOwner { owner, threshold } if owners.remove(&owner) => Some(threshold),
            Meaning::SwapOwner { old, new } if owners.remove(&old) && owners.insert(new) => None,
            Meaning::ChangeThreshold { threshold } => Some(threshold),
            _ => return false,
        };
        match threshold.map(u32::try_from) {
            None => {}
            Some(Ok(threshold)) => needed = threshold,
            Some(Err(_)) => return false,
        }
    }
    owners == after.addresses().iter().copied().collect() && needed == after.threshold()
}

#[cfg(test)]
mod tests {
    use treasury_protocol::ethereum::Call;
    use treasury_protocol::stellar::TimeBounds;

    use super::*;

    const SAFE: Address = Address([200; 20]);

    fn owners(bytes: impl IntoIterator<Item = u8>, threshold: u32) -> Owners {
        Owners::new(
            bytes.into_iter().map(|byte| Address([byte; 20])).collect(),
            threshold,
        )
        .unwrap()
    }

    fn transaction(calls: &[Call]) -> SafeTransaction {
        SafeTransaction::of(1, SAFE, &Contracts::CANONICAL, calls, 7).unwrap()
    }

    #[test]
    fn the_owners_that_the_bytes_lead_to_are_those_of_the_plan() {
        let before = owners(2..=10, 7);
        let cases = [
            owners(3..=11, 7),
            owners(2..=11, 8),
            owners(2..=9, 6),
            owners(2..=10, 9),
        ];
        for after in &cases {
            let calls = before
                .clone()
                .become_these(SAFE, after.addresses(), after.threshold())
                .unwrap();
            for planned in &cases {
                assert_eq!(
                    becomes(
                        &transaction(&calls),
                        &Contracts::CANONICAL,
                        &before,
                        planned
                    ),
                    planned == after,
                    "{after:?} {planned:?}"
                );
            }
        }
    }

    #[test]
    fn an_account_passes_to_the_owners_of_the_plan_and_nothing_else_happens() {
        let owners = |keys: std::ops::Range<u8>, threshold| {
            multisig::Owners::new(keys.map(|byte| [byte; 32]).collect(), threshold).unwrap()
        };
        let (before, after) = (owners(1..10, 7), owners(2..12, 8));
        let batch = |operations| Batch {
            source: [100; 32],
            fee_per_op_stroops: 100,
            sequence: 1,
            time_bounds: TimeBounds { min: 0, max: 9 },
            memo: None,
            operations,
        };
        let sound = before.become_these(&after).unwrap();
        assert!(passes(&batch(sound.clone()), &before, &after));
        assert!(!passes(&batch(sound.clone()), &before, &owners(2..12, 7)));
        assert!(!passes(&batch(sound.clone()), &before, &owners(2..11, 8)));
        let heavier = Operation::SetSigner {
            key: [3; 32],
            weight: 2,
        };
        for beside in [heavier, Operation::Nothing] {
            let mut operations = sound.clone();
            operations.push(beside);
            assert!(!passes(&batch(operations), &before, &after));
        }
        let without_thresholds = sound[..sound.len() - 1].to_vec();
        assert!(!passes(&batch(without_thresholds), &before, &after));
    }

    #[test]
    fn a_change_of_owners_that_does_anything_beside_is_refused() {
        let (before, after) = (owners(2..=10, 7), owners(2..=11, 7));
        let mut calls = before
            .clone()
            .become_these(SAFE, after.addresses(), 7)
            .unwrap();
        calls.push(Call::native(Address([99; 20]), 1u8.try_into().unwrap()).unwrap());
        assert!(!becomes(
            &transaction(&calls),
            &Contracts::CANONICAL,
            &before,
            &after
        ));
    }
}
