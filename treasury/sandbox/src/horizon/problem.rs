//! Answers that say what went wrong, as Horizon words them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use stellar_xdr as xdr;

use crate::ledger::base64;

/// What went wrong.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    extras: Option<Box<Value>>,
}

impl Problem {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            title,
            detail: detail.into(),
            extras: None,
        }
    }

    /// There is no such thing.
    pub fn missing() -> Self {
        let detail = "The sandbox has nothing under this address; it begins empty, so it may have been restarted.";
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "Resource Missing",
            detail,
        )
    }

    /// A parameter cannot be read.
    pub fn bad_request(field: &str, reason: impl Into<String>) -> Self {
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            "bad_request",
            "Bad Request",
            format!("The parameter {field} cannot be used."),
        );
        problem.extras = Some(Box::new(
            json!({ "invalid_field": field, "reason": reason.into() }),
        ));
        problem
    }

    /// The bytes are no transaction.
    pub fn malformed(envelope: &str) -> Self {
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            "transaction_malformed",
            "Transaction Malformed",
            "The parameter tx is no base64 of a transaction envelope.",
        );
        problem.extras = Some(Box::new(json!({ "envelope_xdr": envelope })));
        problem
    }

    /// The network does not take the transaction, or it failed in its ledger.
    pub fn failed(envelope: &str, result: &xdr::TransactionResult) -> Self {
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            "transaction_failed",
            "Transaction Failed",
            "The network refused the transaction; extras.result_codes says why.",
        );
        problem.extras = Some(Box::new(json!({
            "envelope_xdr": envelope,
            "result_codes": result_codes(result),
            "result_xdr": base64(result),
        })));
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": format!("https://stellar.org/horizon-errors/{}", self.kind),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(extras) = self.extras {
            body["extras"] = *extras;
        }
        let mut response = (self.status, Json(body)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

/// The codes of a result, as Horizon names them.
pub fn result_codes(result: &xdr::TransactionResult) -> Value {
    use xdr::TransactionResultResult as R;
    let name = |code: &str| format!("tx_{}", snake(code.trim_start_matches("Tx")));
    let mut codes = json!({ "transaction": name(result.result.name()) });
    let (inner, operations) = match &result.result {
        R::TxSuccess(results) | R::TxFailed(results) => (None, Some(results)),
        R::TxFeeBumpInnerSuccess(pair) | R::TxFeeBumpInnerFailed(pair) => {
            use xdr::InnerTransactionResultResult as I;
            let operations = match &pair.result.result {
                I::TxSuccess(results) | I::TxFailed(results) => Some(results),
                _ => None,
            };
            (Some(name(pair.result.result.name())), operations)
        }
        _ => (None, None),
    };
    if let Some(inner) = inner {
        codes["inner_transaction"] = json!(inner);
    }
    if let Some(operations) = operations {
        codes["operations"] = operations.iter().map(operation_code).collect();
    }
    codes
}

/// The code of an operation's result. Horizon leaves the kind of the operation out, and says a few things in words of its own.
fn operation_code(result: &xdr::OperationResult) -> Value {
    use xdr::OperationResultTr as Tr;
    let xdr::OperationResult::OpInner(inner) = result else {
        return json!(format!(
            "op_{}",
            snake(result.name().trim_start_matches("Op"))
        ));
    };
    let code = match inner {
        Tr::CreateAccount(result) => result.name(),
        Tr::Payment(result) => result.name(),
        Tr::SetOptions(result) => result.name(),
        Tr::ChangeTrust(result) => result.name(),
        Tr::AllowTrust(result) => result.name(),
        Tr::AccountMerge(result) => result.name(),
        Tr::ManageData(result) => result.name(),
        Tr::BumpSequence(result) => result.name(),
        Tr::CreateClaimableBalance(result) => result.name(),
        Tr::ClaimClaimableBalance(result) => result.name(),
        Tr::SetTrustLineFlags(result) => result.name(),
        _ => "NotSupported",
    };
    let code = match snake(code) {
        code if code == "already_exist" => "already_exists".to_owned(),
        code => code,
    };
    json!(format!("op_{code}"))
}

/// `TxBadSeq` as `tx_bad_seq`.
fn snake(camel: &str) -> String {
    let mut text = String::new();
    for character in camel.chars() {
        if character.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}
