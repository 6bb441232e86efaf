//! What operations did to accounts, as Horizon shows it: credits, debits, and what became of accounts and claimable balances.
//!
//! Other effects (of signers, trustlines, data, flags and sponsorships) are left out.

use serde_json::{Value, json};
use stellar_xdr as xdr;

use super::records::{
    address, amount, asset_fields, asset_name, balance_id, inner, merge, muxed, predicate, results,
    succeeded, time, toid,
};
use crate::ledger::account::{Id, key, unmuxed};
use crate::ledger::{Included, Ledger};

/// One effect.
pub struct Effect {
    /// The operation that had it.
    pub operation: u64,
    /// The hash of its transaction.
    pub transaction: [u8; 32],
    /// Whom it had it on.
    pub account: Id,
    /// As Horizon shows it.
    pub record: Value,
}

/// The effects of one transaction, in the order of its operations.
pub fn effects(ledger: &Ledger, included: &Included, base: &str) -> Vec<Effect> {
    let Some((tx, _)) = inner(&included.envelope).filter(|_| succeeded(included)) else {
        return Vec::new();
    };
    let results = results(&included.result);
    let mut all = Vec::new();
    for (number, operation) in tx.operations.iter().enumerate() {
        let source = operation.source_account.as_ref();
        let source = source.unwrap_or(&tx.source_account);
        let token = toid(included.ledger, included.order, number as u32 + 1);
        let found = of_operation(ledger, &operation.body, source, results.get(number));
        for (order, (kind, account, details)) in found.into_iter().enumerate() {
            all.push(effect(
                included,
                token,
                order + 1,
                kind,
                &account,
                details,
                base,
            ));
        }
    }
    all
}

fn effect(
    included: &Included,
    operation: u64,
    order: usize,
    (kind, number): (&str, u32),
    account: &xdr::MuxedAccount,
    details: Value,
    base: &str,
) -> Effect {
    let id = unmuxed(account);
    let mut record = json!({
        "id": format!("{operation:019}-{order:010}"), "paging_token": format!("{operation}-{order}"),
        "account": address(&id), "type": kind, "type_i": number, "created_at": time(included.time),
        "_links": {
            "operation": { "href": format!("{base}/operations/{operation}") },
            "succeeds": { "href": format!("{base}/effects?order=desc&cursor={operation}-{order}") },
            "precedes": { "href": format!("{base}/effects?order=asc&cursor={operation}-{order}") },
        },
    });
    muxed(&mut record, "account", account);
    if let Value::Object(details) = details {
        merge(&mut record, details);
    }
    Effect {
        operation,
        transaction: included.hash,
        account: id,
        record,
    }
}

type Found = ((&'static str, u32), xdr::MuxedAccount, Value);

const CREATED: (&str, u32) = ("account_created", 0);
const REMOVED: (&str, u32) = ("account_removed", 1);
const CREDITED: (&str, u32) = ("account_credited", 2);
const DEBITED: (&str, u32) = ("account_debited", 3);
const CLAIMABLE_CREATED: (&str, u32) = ("claimable_balance_created", 50);
const CLAIMANT_CREATED: (&str, u32) = ("claimable_balance_claimant_created", 51);
const CLAIMED: (&str, u32) = ("claimable_balance_claimed", 52);

fn of_operation(
    ledger: &Ledger,
    body: &xdr::OperationBody,
    source: &xdr::MuxedAccount,
    result: Option<&xdr::OperationResult>,
) -> Vec<Found> {
    use xdr::OperationBody as B;
    let plain = |id: &xdr::AccountId| xdr::MuxedAccount::Ed25519(xdr::Uint256(key(id)));
    let worth = |asset: &xdr::Asset, units: i64| {
        let mut fields = asset_fields(asset);
        fields.insert("amount".into(), json!(amount(units)));
        Value::Object(fields)
    };
    let native = |units| worth(&xdr::Asset::Native, units);
    match body {
        B::CreateAccount(create) => {
            let given = amount(create.starting_balance);
            vec![
                (
                    CREATED,
                    plain(&create.destination),
                    json!({ "starting_balance": given }),
                ),
                (DEBITED, source.clone(), native(create.starting_balance)),
            ]
        }
        B::Payment(payment) => {
            let worth = worth(&payment.asset, payment.amount);
            vec![
                (CREDITED, payment.destination.clone(), worth.clone()),
                (DEBITED, source.clone(), worth),
            ]
        }
        B::AccountMerge(into) => {
            let Some(units) = result.and_then(merged) else {
                return Vec::new();
            };
            vec![
                (DEBITED, source.clone(), native(units)),
                (CREDITED, into.clone(), native(units)),
                (REMOVED, source.clone(), json!({})),
            ]
        }
        B::CreateClaimableBalance(create) => {
            let Some(id) = result.and_then(made) else {
                return Vec::new();
            };
            let details = json!({
                "asset": asset_name(&create.asset), "amount": amount(create.amount), "balance_id": balance_id(id),
            });
            let claimants = create.claimants.iter().map(|one| {
                let xdr::Claimant::ClaimantTypeV0(one) = one;
                let mut details = details.clone();
                details["predicate"] = predicate(&one.predicate);
                (CLAIMANT_CREATED, plain(&one.destination), details)
            });
            let created = (CLAIMABLE_CREATED, source.clone(), details.clone());
            let mut all: Vec<Found> = std::iter::once(created).chain(claimants).collect();
            all.push((DEBITED, source.clone(), worth(&create.asset, create.amount)));
            all
        }
        B::ClaimClaimableBalance(claim) => {
            let Some(create) = creation(ledger, &claim.balance_id) else {
                return Vec::new();
            };
            let details = json!({
                "asset": asset_name(&create.asset), "amount": amount(create.amount),
                "balance_id": balance_id(&claim.balance_id),
            });
            let worth = worth(&create.asset, create.amount);
            vec![
                (CLAIMED, source.clone(), details),
                (CREDITED, source.clone(), worth),
            ]
        }
        _ => Vec::new(),
    }
}

/// What a merge moved.
fn merged(result: &xdr::OperationResult) -> Option<i64> {
    match result {
        xdr::OperationResult::OpInner(xdr::OperationResultTr::AccountMerge(
            xdr::AccountMergeResult::Success(units),
        )) => Some(*units),
        _ => None,
    }
}

/// The claimable balance that an operation made.
fn made(result: &xdr::OperationResult) -> Option<&xdr::ClaimableBalanceId> {
    match result {
        xdr::OperationResult::OpInner(xdr::OperationResultTr::CreateClaimableBalance(
            xdr::CreateClaimableBalanceResult::Success(id),
        )) => Some(id),
        _ => None,
    }
}

/// The operation that made a claimable balance; the balance itself is gone once it is claimed.
fn creation<'a>(
    ledger: &'a Ledger,
    id: &xdr::ClaimableBalanceId,
) -> Option<&'a xdr::CreateClaimableBalanceOp> {
    ledger.included().iter().find_map(|included| {
        let (tx, _) = inner(&included.envelope)?;
        let results = results(&included.result);
        let number = results.iter().position(|result| made(result) == Some(id))?;
        match &tx.operations.get(number)?.body {
            xdr::OperationBody::CreateClaimableBalance(create) => Some(create),
            _ => None,
        }
    })
}
