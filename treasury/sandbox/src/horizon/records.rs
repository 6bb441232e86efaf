//! Accounts, transactions, operations and ledgers as Horizon shows them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use stellar_xdr as xdr;

use crate::ledger::account::{Account, Id, key, unmuxed};
use crate::ledger::{BASE_FEE, ClaimableBalance, Included, Ledger, account::BASE_RESERVE, base64};

/// An amount of 7 decimals.
pub fn amount(units: i64) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    format!("{sign}{}.{:07}", units / 10_000_000, units % 10_000_000)
}

/// A `G…` address.
pub fn address(id: &Id) -> String {
    stellar_strkey::ed25519::PublicKey(*id)
        .to_string()
        .as_str()
        .to_owned()
}

/// The key behind a `G…` address.
pub fn parse_address(text: &str) -> Option<Id> {
    stellar_strkey::ed25519::PublicKey::from_string(text)
        .ok()
        .map(|key| key.0)
}

/// An RFC 3339 time in UTC.
pub fn time(seconds: u64) -> String {
    // Days to a date by the civil calendar: eras of 400 years that begin on the first of March.
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// The number that orders everything: ledger, transaction, operation.
pub fn toid(ledger: u32, transaction: u32, operation: u32) -> u64 {
    u64::from(ledger) << 32 | u64::from(transaction) << 12 | u64::from(operation)
}

/// The fields that name an asset.
pub fn asset_fields(asset: &xdr::Asset) -> Map<String, Value> {
    let mut fields = Map::new();
    let (kind, code) = match asset {
        xdr::Asset::Native => ("native", None),
        xdr::Asset::CreditAlphanum4(asset) => (
            "credit_alphanum4",
            Some((asset.asset_code.0.to_vec(), &asset.issuer)),
        ),
        xdr::Asset::CreditAlphanum12(asset) => (
            "credit_alphanum12",
            Some((asset.asset_code.0.to_vec(), &asset.issuer)),
        ),
    };
    fields.insert("asset_type".into(), json!(kind));
    if let Some((code, issuer)) = code {
        let code: Vec<u8> = code.into_iter().take_while(|byte| *byte != 0).collect();
        fields.insert("asset_code".into(), json!(String::from_utf8_lossy(&code)));
        fields.insert("asset_issuer".into(), json!(address(&key(issuer))));
    }
    fields
}

/// An asset as one text: `native` or `CODE:ISSUER`.
pub fn asset_name(asset: &xdr::Asset) -> String {
    let fields = asset_fields(asset);
    match (fields.get("asset_code"), fields.get("asset_issuer")) {
        (Some(Value::String(code)), Some(Value::String(issuer))) => format!("{code}:{issuer}"),
        _ => "native".into(),
    }
}

/// The kind of an asset by the length of its code.
pub fn kind_of_code(code: &[u8]) -> &'static str {
    if code.len() <= 4 {
        "credit_alphanum4"
    } else {
        "credit_alphanum12"
    }
}

/// An account. Its links name what the SDKs take for links, `data` among them.
pub fn account(id: &Id, account: &Account, base: &str) -> Value {
    let name = address(id);
    let mut balances: Vec<Value> = account
        .trustlines
        .iter()
        .map(|((code, issuer), line)| {
            json!({
                "balance": amount(line.balance), "limit": amount(line.limit),
                "buying_liabilities": amount(0), "selling_liabilities": amount(0),
                "last_modified_ledger": line.modified, "is_authorized": line.authorized,
                "is_authorized_to_maintain_liabilities": line.authorized,
                "asset_type": kind_of_code(code), "asset_code": String::from_utf8_lossy(code),
                "asset_issuer": address(issuer),
            })
        })
        .collect();
    balances.push(json!({
        "balance": amount(account.balance), "buying_liabilities": amount(0), "selling_liabilities": amount(0),
        "asset_type": "native",
    }));
    let signers = account.signers.iter().map(
        |(key, weight)| json!({ "weight": weight, "key": signer(key), "type": signer_kind(key) }),
    );
    let mut signers: Vec<Value> = signers.collect();
    signers.push(
        json!({ "weight": account.master_weight, "key": name, "type": "ed25519_public_key" }),
    );
    let data: Map<String, Value> = account
        .data
        .iter()
        .map(|(name, value)| (name.clone(), json!(STANDARD.encode(value))))
        .collect();
    let flag = |bit: u32| account.flags & bit != 0;
    let (ledger, modified) = account.modified;
    let mut record = json!({
        "id": name, "account_id": name, "sequence": account.sequence.to_string(),
        "subentry_count": account.subentries(), "last_modified_ledger": ledger, "last_modified_time": time(modified),
        "thresholds": {
            "low_threshold": account.thresholds[0], "med_threshold": account.thresholds[1],
            "high_threshold": account.thresholds[2],
        },
        "flags": {
            "auth_required": flag(1), "auth_revocable": flag(2), "auth_immutable": flag(4),
            "auth_clawback_enabled": flag(8),
        },
        "balances": balances, "signers": signers, "data": data, "num_sponsoring": account.sponsoring,
        "num_sponsored": 0, "paging_token": name,
        "_links": {
            "self": { "href": format!("{base}/accounts/{name}") },
            "data": { "href": format!("{base}/accounts/{name}/data/{{key}}"), "templated": true },
            "transactions": { "href": format!("{base}/accounts/{name}/transactions{{?cursor,limit,order}}"), "templated": true },
            "operations": { "href": format!("{base}/accounts/{name}/operations{{?cursor,limit,order}}"), "templated": true },
            "payments": { "href": format!("{base}/accounts/{name}/payments{{?cursor,limit,order}}"), "templated": true },
        },
    });
    if account.sequence_used.0 > 0 {
        record["sequence_ledger"] = json!(account.sequence_used.0);
        record["sequence_time"] = json!(account.sequence_used.1.to_string());
    }
    if !account.home_domain.is_empty() {
        record["home_domain"] = json!(account.home_domain);
    }
    record
}

fn signer(key: &xdr::SignerKey) -> String {
    match key {
        xdr::SignerKey::Ed25519(key) => address(&key.0),
        xdr::SignerKey::PreAuthTx(hash) => stellar_strkey::PreAuthTx(hash.0)
            .to_string()
            .as_str()
            .to_owned(),
        xdr::SignerKey::HashX(hash) => stellar_strkey::HashX(hash.0)
            .to_string()
            .as_str()
            .to_owned(),
        xdr::SignerKey::Ed25519SignedPayload(payload) => address(&payload.ed25519.0),
    }
}

fn signer_kind(key: &xdr::SignerKey) -> &'static str {
    match key {
        xdr::SignerKey::Ed25519(_) => "ed25519_public_key",
        xdr::SignerKey::PreAuthTx(_) => "preauth_tx",
        xdr::SignerKey::HashX(_) => "sha256_hash",
        xdr::SignerKey::Ed25519SignedPayload(_) => "ed25519_signed_payload",
    }
}

/// The transaction in an envelope, and its signatures.
pub fn inner(envelope: &xdr::TransactionEnvelope) -> Option<(&xdr::Transaction, Vec<String>)> {
    let texts = |signatures: &[xdr::DecoratedSignature]| {
        signatures
            .iter()
            .map(|one| STANDARD.encode(one.signature.as_slice()))
            .collect()
    };
    match envelope {
        xdr::TransactionEnvelope::Tx(envelope) => Some((&envelope.tx, texts(&envelope.signatures))),
        xdr::TransactionEnvelope::TxFeeBump(bump) => {
            let xdr::FeeBumpTransactionInnerTx::Tx(inner) = &bump.tx.inner_tx;
            Some((&inner.tx, texts(&inner.signatures)))
        }
        xdr::TransactionEnvelope::TxV0(_) => None,
    }
}

/// Whether a transaction took effect.
pub fn succeeded(included: &Included) -> bool {
    use xdr::TransactionResultResult as R;
    matches!(
        included.result.result,
        R::TxSuccess(_) | R::TxFeeBumpInnerSuccess(_)
    )
}

/// A transaction, by its own hash.
pub fn transaction(included: &Included, base: &str) -> Value {
    transaction_called(&included.hash, included, base)
}

/// A transaction by the hash under which it was asked for: its own, or that of what a fee bump wraps. As Horizon does, the record
/// goes by that name then, and the signatures are those of what is called so.
pub fn transaction_called(hash: &Id, included: &Included, base: &str) -> Value {
    let Some((tx, signatures)) = inner(&included.envelope) else {
        return Value::Null;
    };
    let (hash, outer_hash) = (hex::encode(hash), hex::encode(included.hash));
    let token = toid(included.ledger, included.order, 0).to_string();
    let source = address(&unmuxed(&tx.source_account));
    let mut record = json!({
        "id": hash, "paging_token": token, "successful": succeeded(included), "hash": hash,
        "ledger": included.ledger, "created_at": time(included.time), "source_account": source,
        "source_account_sequence": tx.seq_num.0.to_string(), "fee_account": source,
        "fee_charged": included.result.fee_charged.to_string(), "max_fee": tx.fee.to_string(),
        "operation_count": tx.operations.len(), "envelope_xdr": base64(&included.envelope),
        "result_xdr": base64(&included.result), "signatures": signatures,
        "_links": {
            "self": { "href": format!("{base}/transactions/{hash}") },
            "account": { "href": format!("{base}/accounts/{source}") },
            "ledger": { "href": format!("{base}/ledgers/{}", included.ledger) },
            "operations": { "href": format!("{base}/transactions/{hash}/operations{{?cursor,limit,order}}"), "templated": true },
        },
    });
    muxed(&mut record, "source_account", &tx.source_account);
    memo(&mut record, &tx.memo);
    let bounds = match &tx.cond {
        xdr::Preconditions::None => None,
        xdr::Preconditions::Time(bounds) => Some(bounds),
        xdr::Preconditions::V2(more) => more.time_bounds.as_ref(),
    };
    if let Some(bounds) = bounds {
        record["valid_after"] = json!(time(bounds.min_time.0));
        let mut shown = json!({ "min_time": bounds.min_time.0.to_string() });
        if bounds.max_time.0 != 0 {
            record["valid_before"] = json!(time(bounds.max_time.0));
            shown["max_time"] = json!(bounds.max_time.0.to_string());
        }
        record["preconditions"] = json!({ "timebounds": shown });
    }
    if let (xdr::TransactionEnvelope::TxFeeBump(bump), Some(inner_hash)) =
        (&included.envelope, included.inner_hash)
    {
        let outer: Vec<String> = bump
            .signatures
            .iter()
            .map(|one| STANDARD.encode(one.signature.as_slice()))
            .collect();
        record["fee_account"] = json!(address(&unmuxed(&bump.tx.fee_source)));
        record["max_fee"] = json!(bump.tx.fee.to_string());
        record["inner_transaction"] = json!({
            "hash": hex::encode(inner_hash), "signatures": record["signatures"], "max_fee": tx.fee.to_string(),
        });
        record["fee_bump_transaction"] = json!({ "hash": outer_hash, "signatures": outer });
        if hash == outer_hash {
            record["signatures"] = json!(outer);
        }
    }
    record
}

fn memo(record: &mut Value, memo: &xdr::Memo) {
    let (kind, text) = match memo {
        xdr::Memo::None => ("none", None),
        xdr::Memo::Text(text) => ("text", Some(text.to_utf8_string_lossy())),
        xdr::Memo::Id(id) => ("id", Some(id.to_string())),
        xdr::Memo::Hash(hash) => ("hash", Some(STANDARD.encode(hash.0))),
        xdr::Memo::Return(hash) => ("return", Some(STANDARD.encode(hash.0))),
    };
    record["memo_type"] = json!(kind);
    if let Some(text) = text {
        record["memo"] = json!(text);
    }
    if let xdr::Memo::Text(bytes) = memo {
        record["memo_bytes"] = json!(STANDARD.encode(bytes.as_slice()));
    }
}

/// Adds the muxed form of an account, if it has one.
pub fn muxed(record: &mut Value, field: &str, account: &xdr::MuxedAccount) {
    if let xdr::MuxedAccount::MuxedEd25519(muxed) = account {
        let text = stellar_strkey::ed25519::MuxedAccount {
            ed25519: muxed.ed25519.0,
            id: muxed.id,
        };
        record[format!("{field}_muxed")] = json!(text.to_string().as_str());
        record[format!("{field}_muxed_id")] = json!(muxed.id.to_string());
    }
}

/// The operations of a transaction, each with its number, and with the transaction itself if they are `joined`.
pub fn operations(included: &Included, joined: bool, base: &str) -> Vec<(u64, Value)> {
    let Some((tx, _)) = inner(&included.envelope) else {
        return Vec::new();
    };
    let results = results(&included.result);
    tx.operations
        .iter()
        .enumerate()
        .map(|(number, operation)| {
            let token = toid(included.ledger, included.order, number as u32 + 1);
            let source = operation
                .source_account
                .as_ref()
                .unwrap_or(&tx.source_account);
            let result = results.get(number);
            let mut record = one_operation(included, operation, source, result, token, base);
            if joined {
                record["transaction"] = transaction(included, base);
            }
            (token, record)
        })
        .collect()
}

/// What became of each operation.
pub fn results(result: &xdr::TransactionResult) -> Vec<xdr::OperationResult> {
    use xdr::{InnerTransactionResultResult as I, TransactionResultResult as R};
    match &result.result {
        R::TxSuccess(results) | R::TxFailed(results) => results.to_vec(),
        R::TxFeeBumpInnerSuccess(pair) | R::TxFeeBumpInnerFailed(pair) => match &pair.result.result
        {
            I::TxSuccess(results) | I::TxFailed(results) => results.to_vec(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn one_operation(
    included: &Included,
    operation: &xdr::Operation,
    source: &xdr::MuxedAccount,
    result: Option<&xdr::OperationResult>,
    token: u64,
    base: &str,
) -> Value {
    use xdr::OperationBody as B;
    let hash = hex::encode(included.hash);
    let from = address(&unmuxed(source));
    let mut record = json!({
        "id": token.to_string(), "paging_token": token.to_string(), "transaction_successful": succeeded(included),
        "source_account": from, "created_at": time(included.time), "transaction_hash": hash,
        "type_i": operation.body.discriminant() as i32,
        "_links": {
            "self": { "href": format!("{base}/operations/{token}") },
            "transaction": { "href": format!("{base}/transactions/{hash}") },
        },
    });
    muxed(&mut record, "source_account", source);
    let kind = match &operation.body {
        B::CreateAccount(create) => {
            record["starting_balance"] = json!(amount(create.starting_balance));
            record["funder"] = json!(from);
            record["account"] = json!(address(&key(&create.destination)));
            muxed(&mut record, "funder", source);
            "create_account"
        }
        B::Payment(payment) => {
            merge(&mut record, asset_fields(&payment.asset));
            record["from"] = json!(from);
            record["to"] = json!(address(&unmuxed(&payment.destination)));
            record["amount"] = json!(amount(payment.amount));
            muxed(&mut record, "from", source);
            muxed(&mut record, "to", &payment.destination);
            "payment"
        }
        B::AccountMerge(into) => {
            record["account"] = json!(from);
            record["into"] = json!(address(&unmuxed(into)));
            muxed(&mut record, "account", source);
            muxed(&mut record, "into", into);
            "account_merge"
        }
        B::ChangeTrust(change) => {
            let asset = match &change.line {
                xdr::ChangeTrustAsset::CreditAlphanum4(asset) => {
                    xdr::Asset::CreditAlphanum4(asset.clone())
                }
                xdr::ChangeTrustAsset::CreditAlphanum12(asset) => {
                    xdr::Asset::CreditAlphanum12(asset.clone())
                }
                _ => xdr::Asset::Native,
            };
            merge(&mut record, asset_fields(&asset));
            record["limit"] = json!(amount(change.limit));
            record["trustee"] = record["asset_issuer"].clone();
            record["trustor"] = json!(from);
            "change_trust"
        }
        B::SetOptions(options) => {
            set_options(&mut record, options);
            "set_options"
        }
        B::BumpSequence(bump) => {
            record["bump_to"] = json!(bump.bump_to.0.to_string());
            "bump_sequence"
        }
        B::ManageData(data) => {
            record["name"] = json!(data.data_name.to_utf8_string_lossy());
            let value = data.data_value.as_ref();
            record["value"] = json!(value.map(|value| STANDARD.encode(value.0.as_slice())));
            "manage_data"
        }
        B::CreateClaimableBalance(create) => {
            record["asset"] = json!(asset_name(&create.asset));
            record["amount"] = json!(amount(create.amount));
            record["claimants"] = create
                .claimants
                .iter()
                .map(|one| {
                    let xdr::Claimant::ClaimantTypeV0(one) = one;
                    claimant(one)
                })
                .collect();
            if let Some(xdr::OperationResult::OpInner(
                xdr::OperationResultTr::CreateClaimableBalance(
                    xdr::CreateClaimableBalanceResult::Success(id),
                ),
            )) = result
            {
                record["balance_id"] = json!(balance_id(id));
            }
            "create_claimable_balance"
        }
        B::ClaimClaimableBalance(claim) => {
            record["balance_id"] = json!(balance_id(&claim.balance_id));
            record["claimant"] = json!(from);
            "claim_claimable_balance"
        }
        B::SetTrustLineFlags(flags) => {
            merge(&mut record, asset_fields(&flags.asset));
            record["trustor"] = json!(address(&key(&flags.trustor)));
            "set_trust_line_flags"
        }
        other => other.name(),
    };
    record["type"] = json!(kind);
    record
}

/// Adds fields to a record.
pub fn merge(record: &mut Value, fields: Map<String, Value>) {
    for (name, value) in fields {
        record[name] = value;
    }
}

fn set_options(record: &mut Value, options: &xdr::SetOptionsOp) {
    let numbers = [
        ("master_key_weight", options.master_weight),
        ("low_threshold", options.low_threshold),
        ("med_threshold", options.med_threshold),
        ("high_threshold", options.high_threshold),
    ];
    for (name, value) in numbers {
        if let Some(value) = value {
            record[name] = json!(value);
        }
    }
    if let Some(domain) = &options.home_domain {
        record["home_domain"] = json!(domain.to_utf8_string_lossy());
    }
    if let Some(one) = &options.signer {
        record["signer_key"] = json!(signer(&one.key));
        record["signer_weight"] = json!(one.weight);
    }
}

/// The only kind of ids that claimable balances have.
pub const BALANCE_KIND: &str = "00000000";

/// The id of a claimable balance, with the kind of the id in front.
pub fn balance_id(id: &xdr::ClaimableBalanceId) -> String {
    let xdr::ClaimableBalanceId::ClaimableBalanceIdTypeV0(xdr::Hash(hash)) = id;
    balance_name(hash)
}

fn balance_name(id: &Id) -> String {
    format!("{BALANCE_KIND}{}", hex::encode(id))
}

fn claimant(claimant: &xdr::ClaimantV0) -> Value {
    json!({ "destination": address(&key(&claimant.destination)), "predicate": predicate(&claimant.predicate) })
}

/// When a claimable balance may be claimed.
pub fn predicate(predicate_: &xdr::ClaimPredicate) -> Value {
    use xdr::ClaimPredicate as P;
    match predicate_ {
        P::Unconditional => json!({ "unconditional": true }),
        P::And(both) => json!({ "and": both.iter().map(predicate).collect::<Vec<_>>() }),
        P::Or(both) => json!({ "or": both.iter().map(predicate).collect::<Vec<_>>() }),
        P::Not(one) => json!({ "not": one.as_ref().map(|one| predicate(one)) }),
        P::BeforeAbsoluteTime(at) => json!({
            "abs_before": time(u64::try_from(*at).unwrap_or_default()), "abs_before_epoch": at.to_string(),
        }),
        P::BeforeRelativeTime(seconds) => json!({ "rel_before": seconds.to_string() }),
    }
}

/// A claimable balance.
pub fn claimable(id: &Id, balance: &ClaimableBalance, base: &str) -> Value {
    let name = balance_name(id);
    let (ledger, made) = balance.made;
    json!({
        "id": name, "asset": asset_name(&balance.asset), "amount": amount(balance.amount),
        "sponsor": address(&balance.sponsor), "last_modified_ledger": ledger, "last_modified_time": time(made),
        "claimants": balance.claimants.iter().map(claimant).collect::<Vec<_>>(),
        "flags": { "clawback_enabled": false }, "paging_token": format!("{ledger}-{name}"),
        "_links": { "self": { "href": format!("{base}/claimable_balances/{name}") } },
    })
}

/// A closed ledger.
pub fn ledger(state: &Ledger, sequence: u32, base: &str) -> Option<Value> {
    let (closed, transactions) = state.closed(sequence)?;
    let of_ledger = || {
        state
            .included()
            .iter()
            .filter(move |one| one.ledger == sequence)
    };
    let successful = of_ledger().filter(|one| succeeded(one)).count();
    let operations: usize = of_ledger()
        .map(|one| operations(one, false, base).len())
        .sum();
    let digest = |number: u32| hex::encode(crate::horizon::ledger_hash(state, number));
    let mut record = json!({
        "id": digest(sequence), "paging_token": toid(sequence, 0, 0).to_string(), "hash": digest(sequence),
        "sequence": sequence, "transaction_count": transactions, "successful_transaction_count": successful,
        "failed_transaction_count": transactions as usize - successful, "operation_count": operations,
        "tx_set_operation_count": operations, "closed_at": time(closed), "total_coins": amount(1_000_000_000_000_000_000),
        "fee_pool": amount(state.fee_pool()), "base_fee_in_stroops": BASE_FEE, "base_reserve_in_stroops": BASE_RESERVE,
        "max_tx_set_size": 100, "protocol_version": crate::horizon::PROTOCOL,
        "_links": { "self": { "href": format!("{base}/ledgers/{sequence}") } },
    });
    if sequence > 1 {
        record["prev_hash"] = json!(digest(sequence - 1));
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_times_are_written_as_horizon_does() {
        assert_eq!(amount(1), "0.0000001");
        assert_eq!(amount(-12_345_678_901), "-1234.5678901");
        assert_eq!(amount(i64::MAX), "922337203685.4775807");
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        assert_eq!(time(1_709_164_800), "2024-02-29T00:00:00Z");
        assert_eq!(time(1_767_225_599), "2025-12-31T23:59:59Z");
    }
}
