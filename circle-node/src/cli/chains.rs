//! How screens show the money chains.

use super::status::age;
use crate::api::types::{ChainLink, Endpoint};
use crate::setup::now_ms;

/// The lines about a chain, each with its name.
pub fn lines(chain: &ChainLink, line: &mut impl FnMut(&str, String)) {
    let wallets = match chain.wallets.is_empty() {
        true => String::new(),
        false => format!(", wallets {}", chain.wallets.join(", ")),
    };
    let how = match (chain.configured, &chain.error) {
        (false, _) => "not seen by this node; `chains` in circle.toml names no server of it".into(),
        (true, Some(error)) => format!("no answer{}: {error}", since(chain.since_s)),
        (true, None) if chain.reachable => "answers".into(),
        (true, None) => "not looked at yet".to_owned(),
    };
    line(&chain.kind, format!("{}{wallets}: {how}", chain.network));
    for endpoint in &chain.endpoints {
        line(
            "",
            format!("{} {}", endpoint.name, state(endpoint, chain.reachable)),
        );
    }
    if let Some(address) = &chain.pays_gas {
        line("", format!("{address} pays for what this node sends there"));
    }
}

fn state(endpoint: &Endpoint, is_heard: bool) -> String {
    let mut text = match (&endpoint.error, endpoint.ledger) {
        (Some(error), _) => format!("is silent{}: {error}", since(endpoint.since_s)),
        (None, Some(ledger)) => {
            let behind = match endpoint.behind {
                Some(behind @ 1..) => format!(", {behind} behind"),
                _ => String::new(),
            };
            let age = age(endpoint.age_s.unwrap_or_default().saturating_mul(1000));
            format!("at ledger {ledger}{behind}, {age} old")
        }
        (None, None) if is_heard => "answers".into(),
        (None, None) => "was not asked yet".into(),
    };
    if endpoint.contradictions > 0 {
        text += &format!(
            "; contradicted by the others {} times",
            endpoint.contradictions
        );
    }
    text
}

fn since(since_s: Option<u64>) -> String {
    let Some(since_s) = since_s else {
        return String::new();
    };
    let ms = now_ms().saturating_sub(since_s.saturating_mul(1000));
    format!(" for {}", age(ms))
}
