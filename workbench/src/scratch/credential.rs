//! Signed credentials, as an issuer outside of the circle would give them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Number, json};
use threescript::value::Value;

use super::{Refused, secret};

/// Claims as a JWT that the key of their `iss` signed with EdDSA. Times and durations become seconds, numbers with
/// decimals and money texts.
pub fn credential(claims: &BTreeMap<String, Value>) -> Result<String, Refused> {
    let Some(Value::Text(issuer) | Value::Account(issuer)) = claims.get("iss") else {
        return Err(Refused::new(
            "credential.iss",
            "a credential says in `iss` who issued it",
        ));
    };
    let part = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let header = part(&json!({ "alg": "EdDSA", "typ": "JWT" }));
    let claims = part(&to_json(&Value::Map(claims.clone())));
    let signed = format!("{header}.{claims}");
    let signature = secret(issuer).sign(signed.as_bytes()).to_bytes();
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// A value as JSON that others read.
fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Unit => serde_json::Value::Null,
        Value::Bool(flag) => json!(flag),
        Value::Int(number) | Value::Duration(number) | Value::Time(number) => {
            serde_json::Value::Number(Number::from(*number))
        }
        Value::Id(id) => json!(id),
        Value::Decimal(number) | Value::Percent(number) => json!(number.to_string()),
        Value::Amount(amount) => json!(format!("{} {}", amount.units, amount.asset)),
        Value::Text(text) | Value::Account(text) => json!(text),
        Value::Bytes(bytes) => json!(hex::encode(bytes)),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(name, value)| (name.clone(), to_json(value)));
            serde_json::Value::Object(entries.collect::<Map<_, _>>())
        }
        Value::Script(actions) => json!(format!("{} actions", actions.len())),
    }
}
