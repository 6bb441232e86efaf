//! What a transaction does: operations, and their form in the network's own types.

use borsh::{BorshDeserialize, BorshSerialize};
use stellar_xdr as xdr;

use super::batch::refuse;
use super::{Asset, Destination, StellarError, asset};

/// One thing that the source account of a batch does.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Operation {
    /// Pays an account that exists and, for an issued asset, trusts it.
    Payment {
        /// Who is paid.
        to: Destination,
        /// What is paid.
        asset: Asset,
        /// How much, in units of 10^-7.
        amount: i64,
    },
    /// Sets an amount aside for an account that need not exist or trust the asset yet. The payee may claim it before
    /// `reclaim_after_s`, the source from then on; see [`super::Batch::claimable_id`] for its name.
    CreateClaimable {
        /// Master key of the account that may claim.
        to: [u8; 32],
        /// What is set aside.
        asset: Asset,
        /// How much, in units of 10^-7.
        amount: i64,
        /// Unix seconds, by the close time of the ledger that takes the claim.
        reclaim_after_s: u64,
    },
    /// Takes back, or claims, a claimable balance by its name.
    Reclaim {
        /// The name, as [`super::Batch::claimable_id`] computes it.
        balance: [u8; 32],
    },
    /// Lets the source hold an issued asset, up to a limit; 0 ends that.
    Trust {
        /// The issued asset.
        asset: Asset,
        /// The most that may be held, in units of 10^-7.
        limit: i64,
    },
    /// Gives a key a say over the source account: adds a signer, changes its weight, or removes it with weight 0.
    SetSigner {
        /// An ed25519 key other than the account's own.
        key: [u8; 32],
        /// What its signature counts for.
        weight: u8,
    },
    /// Sets what the account's own key counts for, and how much weight each class of operations asks for.
    SetThresholds {
        /// Weight of the master key; 0 takes its say away.
        master: u8,
        /// For trust lines of others and claiming.
        low: u8,
        /// For payments, claimable balances and trust.
        medium: u8,
        /// For changes of signers and thresholds.
        high: u8,
    },
    /// Changes nothing but that the transaction's sequence number is used up.
    Nothing,
}

/// Writes an operation of the account `source`, at `position` in its batch.
///
/// Errors: what the network refuses whatever the accounts hold.
pub(super) fn write(
    source: &[u8; 32],
    position: usize,
    operation: &Operation,
) -> Result<xdr::Operation, StellarError> {
    let body = match operation {
        Operation::Payment { to, asset, amount } => xdr::OperationBody::Payment(xdr::PaymentOp {
            destination: muxed(to),
            asset: asset::write(asset),
            amount: positive(position, *amount)?,
        }),
        Operation::CreateClaimable {
            to,
            asset,
            amount,
            reclaim_after_s,
        } => {
            if to == source {
                return Err(misfit(
                    position,
                    "a claimable balance for its own source; pay or keep it",
                ));
            }
            xdr::OperationBody::CreateClaimableBalance(xdr::CreateClaimableBalanceOp {
                asset: asset::write(asset),
                amount: positive(position, *amount)?,
                claimants: claimants(position, source, to, *reclaim_after_s)?,
            })
        }
        Operation::Reclaim { balance } => {
            xdr::OperationBody::ClaimClaimableBalance(xdr::ClaimClaimableBalanceOp {
                balance_id: xdr::ClaimableBalanceId::ClaimableBalanceIdTypeV0(xdr::Hash(*balance)),
            })
        }
        Operation::Trust { asset, limit } => xdr::OperationBody::ChangeTrust(xdr::ChangeTrustOp {
            line: trusted(position, source, asset)?,
            limit: match limit {
                0.. => *limit,
                _ => {
                    return Err(misfit(
                        position,
                        "a negative limit of trust; use 0 to end trust",
                    ));
                }
            },
        }),
        Operation::SetSigner { key, weight } => {
            if key == source {
                let reason = "a signer that is the account itself; set the master weight instead";
                return Err(misfit(position, reason));
            }
            xdr::OperationBody::SetOptions(xdr::SetOptionsOp {
                signer: Some(xdr::Signer {
                    key: xdr::SignerKey::Ed25519(xdr::Uint256(*key)),
                    weight: u32::from(*weight),
                }),
                ..no_options()
            })
        }
        Operation::SetThresholds {
            master,
            low,
            medium,
            high,
        } => xdr::OperationBody::SetOptions(xdr::SetOptionsOp {
            master_weight: Some(u32::from(*master)),
            low_threshold: Some(u32::from(*low)),
            med_threshold: Some(u32::from(*medium)),
            high_threshold: Some(u32::from(*high)),
            ..no_options()
        }),
        // A number that every account passed long ago.
        Operation::Nothing => xdr::OperationBody::BumpSequence(xdr::BumpSequenceOp {
            bump_to: xdr::SequenceNumber(0),
        }),
    };
    Ok(xdr::Operation {
        source_account: None,
        body,
    })
}

/// Reads what [`write`] wrote. Whether nothing was lost is for the caller to compare.
pub(super) fn read(operation: &xdr::Operation) -> Result<Operation, StellarError> {
    if operation.source_account.is_some() {
        return Err(refuse("an operation names a source of its own"));
    }
    Ok(match &operation.body {
        xdr::OperationBody::Payment(payment) => Operation::Payment {
            to: read_muxed(&payment.destination),
            asset: asset::read(&payment.asset)?,
            amount: payment.amount,
        },
        xdr::OperationBody::CreateClaimableBalance(create) => {
            let (to, reclaim_after_s) = read_claimants(&create.claimants)?;
            Operation::CreateClaimable {
                to,
                asset: asset::read(&create.asset)?,
                amount: create.amount,
                reclaim_after_s,
            }
        }
        xdr::OperationBody::ClaimClaimableBalance(claim) => {
            let xdr::ClaimableBalanceId::ClaimableBalanceIdTypeV0(balance) = &claim.balance_id;
            Operation::Reclaim { balance: balance.0 }
        }
        xdr::OperationBody::ChangeTrust(change) => Operation::Trust {
            asset: match &change.line {
                xdr::ChangeTrustAsset::CreditAlphanum4(line) => {
                    asset::read(&xdr::Asset::CreditAlphanum4(line.clone()))?
                }
                xdr::ChangeTrustAsset::CreditAlphanum12(line) => {
                    asset::read(&xdr::Asset::CreditAlphanum12(line.clone()))?
                }
                _ => return Err(refuse("it trusts something that is no issued asset")),
            },
            limit: change.limit,
        },
        xdr::OperationBody::SetOptions(options) => read_options(options)?,
        xdr::OperationBody::BumpSequence(bump) if bump.bump_to.0 == 0 => Operation::Nothing,
        _ => return Err(refuse("an operation is of a kind that batches do not have")),
    })
}

fn claimants(
    position: usize,
    source: &[u8; 32],
    to: &[u8; 32],
    reclaim_after_s: u64,
) -> Result<xdr::VecM<xdr::Claimant, 10>, StellarError> {
    let before = i64::try_from(reclaim_after_s)
        .ok()
        .filter(|seconds| *seconds > 0)
        .map(xdr::ClaimPredicate::BeforeAbsoluteTime)
        .ok_or_else(|| {
            misfit(
                position,
                "a claimable balance without a time that its payee has; give unix seconds",
            )
        })?;
    let from_then_on = xdr::ClaimPredicate::Not(Some(Box::new(before.clone())));
    let claimant = |key, predicate| {
        xdr::Claimant::ClaimantTypeV0(xdr::ClaimantV0 {
            destination: account(key),
            predicate,
        })
    };
    vec![claimant(to, before), claimant(source, from_then_on)]
        .try_into()
        .map_err(super::batch::encoding)
}

fn read_claimants(claimants: &[xdr::Claimant]) -> Result<([u8; 32], u64), StellarError> {
    let [xdr::Claimant::ClaimantTypeV0(payee), _] = claimants else {
        return Err(refuse(
            "a claimable balance is not for a payee and then its source",
        ));
    };
    let xdr::ClaimPredicate::BeforeAbsoluteTime(before) = payee.predicate else {
        return Err(refuse("a claimable balance does not end at a fixed time"));
    };
    let before = u64::try_from(before).map_err(|_| refuse("a time is before 1970"))?;
    Ok((key_of_account(&payee.destination), before))
}

fn trusted(
    position: usize,
    source: &[u8; 32],
    asset: &Asset,
) -> Result<xdr::ChangeTrustAsset, StellarError> {
    if matches!(asset, Asset::Issued { issuer, .. } if issuer == source) {
        return Err(misfit(
            position,
            "trust of the account in itself, which needs none",
        ));
    }
    match asset::write(asset) {
        xdr::Asset::Native => Err(misfit(position, "trust in XLM, which needs none")),
        xdr::Asset::CreditAlphanum4(line) => Ok(xdr::ChangeTrustAsset::CreditAlphanum4(line)),
        xdr::Asset::CreditAlphanum12(line) => Ok(xdr::ChangeTrustAsset::CreditAlphanum12(line)),
    }
}

fn no_options() -> xdr::SetOptionsOp {
    xdr::SetOptionsOp {
        inflation_dest: None,
        clear_flags: None,
        set_flags: None,
        master_weight: None,
        low_threshold: None,
        med_threshold: None,
        high_threshold: None,
        home_domain: None,
        signer: None,
    }
}

fn read_options(options: &xdr::SetOptionsOp) -> Result<Operation, StellarError> {
    let byte = |value: u32| u8::try_from(value).map_err(|_| refuse("a weight is over 255"));
    if let Some(xdr::Signer { key, weight }) = &options.signer {
        let xdr::SignerKey::Ed25519(key) = key else {
            return Err(refuse("it sets a signer that is no ed25519 key"));
        };
        return Ok(Operation::SetSigner {
            key: key.0,
            weight: byte(*weight)?,
        });
    }
    let (Some(master), Some(low), Some(medium), Some(high)) = (
        options.master_weight,
        options.low_threshold,
        options.med_threshold,
        options.high_threshold,
    ) else {
        return Err(refuse(
            "it sets options that are no signer and not all thresholds",
        ));
    };
    Ok(Operation::SetThresholds {
        master: byte(master)?,
        low: byte(low)?,
        medium: byte(medium)?,
        high: byte(high)?,
    })
}

fn positive(position: usize, amount: i64) -> Result<i64, StellarError> {
    match amount {
        1.. => Ok(amount),
        _ => Err(StellarError::Amount { position, amount }),
    }
}

fn misfit(position: usize, reason: &'static str) -> StellarError {
    StellarError::Operation { position, reason }
}

pub(super) fn account(key: &[u8; 32]) -> xdr::AccountId {
    xdr::AccountId(xdr::PublicKey::PublicKeyTypeEd25519(xdr::Uint256(*key)))
}

pub(super) fn key_of_account(account: &xdr::AccountId) -> [u8; 32] {
    let xdr::PublicKey::PublicKeyTypeEd25519(key) = &account.0;
    key.0
}

pub(super) fn muxed(destination: &Destination) -> xdr::MuxedAccount {
    let key = xdr::Uint256(destination.key);
    match destination.muxed {
        None => xdr::MuxedAccount::Ed25519(key),
        Some(id) => xdr::MuxedAccount::MuxedEd25519(xdr::MuxedAccountMed25519 { id, ed25519: key }),
    }
}

pub(super) fn read_muxed(account: &xdr::MuxedAccount) -> Destination {
    match account {
        xdr::MuxedAccount::Ed25519(key) => key.0.into(),
        xdr::MuxedAccount::MuxedEd25519(muxed) => Destination {
            key: muxed.ed25519.0,
            muxed: Some(muxed.id),
        },
    }
}
