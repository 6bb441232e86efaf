//! Pages of collections: cursor, order and limit, and the links to the next page.

use std::ops::RangeInclusive;

use axum::http::Uri;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;

const LIMIT: usize = 10;
const LIMIT_MAX: usize = 200;

/// What a client asks of a collection.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Asked {
    /// Behind which entry to begin; `now` for behind the last.
    pub cursor: Option<String>,
    /// `asc` or `desc`.
    pub order: Option<String>,
    /// At most so many entries, 10 if it says nothing, 200 at most.
    pub limit: Option<String>,
    /// Whether failed transactions are wanted as well.
    pub include_failed: Option<String>,
    /// `transactions`, if operations are to come with theirs.
    pub join: Option<String>,
    /// Only accounts that this key signs for.
    pub signer: Option<String>,
    /// Only accounts that trust this asset, or claimable balances of it.
    pub asset: Option<String>,
    /// Only claimable balances for this account.
    pub claimant: Option<String>,
    /// Only what this account holds the reserve for.
    pub sponsor: Option<String>,
}

impl Asked {
    /// Whether failed transactions are wanted.
    pub fn with_failed(&self) -> bool {
        self.include_failed.as_deref() == Some("true")
    }

    /// Whether operations are wanted with their transactions.
    pub fn with_transactions(&self) -> bool {
        self.join.as_deref() == Some("transactions")
    }

    /// The ledgers that entries behind the cursor may be in, so that no others have to be looked through. A stream goes upwards
    /// whatever the order says.
    pub fn ledgers(&self, is_stream: bool) -> RangeInclusive<u32> {
        let place = self.cursor.as_deref().and_then(|cursor| {
            let operation = cursor.split('-').next()?;
            operation.parse::<u64>().ok()
        });
        let ledger = place.map(|place| (place >> 32) as u32);
        match (ledger, self.order.as_deref()) {
            (None, _) => 0..=u32::MAX,
            (Some(ledger), Some("desc")) if !is_stream => 0..=ledger,
            (Some(ledger), _) => ledger..=u32::MAX,
        }
    }

    fn descending(&self) -> Result<bool, Problem> {
        match self.order.as_deref() {
            None | Some("asc" | "") => Ok(false),
            Some("desc") => Ok(true),
            Some(other) => Err(Problem::bad_request(
                "order",
                format!("{other} is neither asc nor desc"),
            )),
        }
    }

    fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = self.limit.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(LIMIT);
        };
        let number = text
            .parse()
            .ok()
            .filter(|limit| (1..=LIMIT_MAX).contains(limit));
        number.ok_or_else(|| {
            Problem::bad_request("limit", format!("it is a number from 1 to {LIMIT_MAX}"))
        })
    }
}

/// Entries with the texts that stand for their places.
pub type Entries = Vec<(String, Value)>;

/// The page of `entries` that was asked for. The parts of a place, between dashes, are compared by length and then as text, which orders
/// numbers rightly.
pub fn page(entries: Entries, asked: &Asked, uri: &Uri, base: &str) -> Result<Value, Problem> {
    let (descending, limit) = (asked.descending()?, asked.limit()?);
    let picked = pick(entries, asked.cursor.as_deref(), descending, limit);
    let order = |descending: bool| if descending { "desc" } else { "asc" };
    let link = |cursor: &str, descending: bool| {
        let kept = uri.query().unwrap_or_default().split('&').filter(|part| {
            let name = part.split('=').next().unwrap_or_default();
            !part.is_empty() && !matches!(name, "cursor" | "order" | "limit")
        });
        let mut parts: Vec<String> = kept.map(str::to_owned).collect();
        parts.push(format!("cursor={cursor}"));
        parts.push(format!("limit={limit}"));
        parts.push(format!("order={}", order(descending)));
        json!({ "href": format!("{base}{}?{}", uri.path(), parts.join("&")) })
    };
    let asked_from = asked.cursor.clone().unwrap_or_default();
    let first = picked
        .first()
        .map_or(asked_from.as_str(), |(place, _)| place.as_str());
    let last = picked
        .last()
        .map_or(asked_from.as_str(), |(place, _)| place.as_str());
    let links = json!({
        "self": link(&asked_from, descending),
        "next": link(last, descending),
        "prev": link(first, !descending),
    });
    let records: Vec<&Value> = picked.iter().map(|(_, value)| value).collect();
    Ok(json!({ "_links": links, "_embedded": { "records": records } }))
}

/// The entries behind a cursor, in the wanted order.
pub fn pick(mut entries: Entries, cursor: Option<&str>, descending: bool, limit: usize) -> Entries {
    let place = |text: &str| -> Vec<(usize, String)> {
        let parts = text.split('-');
        parts.map(|part| (part.len(), part.to_owned())).collect()
    };
    entries.sort_by_cached_key(|(entry, _)| place(entry));
    if descending {
        entries.reverse();
    }
    match cursor {
        None | Some("") => {}
        // Behind the last one there is nothing yet; before it there is everything.
        Some("now") if descending => {}
        Some("now") => entries.clear(),
        Some(cursor) => {
            let from = place(cursor);
            entries.retain(|(entry, _)| match descending {
                false => place(entry) > from,
                true => place(entry) < from,
            });
        }
    }
    entries.truncate(limit);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ledgers_behind_the_cursor_are_looked_through() {
        let check = |cursor: &str, order: &str, is_stream: bool, expected: RangeInclusive<u32>| {
            let asked = Asked {
                cursor: Some(cursor.to_owned()),
                order: Some(order.to_owned()),
                ..Asked::default()
            };
            assert_eq!(asked.ledgers(is_stream), expected, "{cursor} {order}");
        };
        let place = (7_u64 << 32 | 4096).to_string();
        check(&place, "asc", false, 7..=u32::MAX);
        check(&place, "desc", false, 0..=7);
        check(&place, "desc", true, 7..=u32::MAX);
        check(&format!("{place}-2"), "asc", false, 7..=u32::MAX);
        check("now", "asc", false, 0..=u32::MAX);
        check("", "", false, 0..=u32::MAX);
    }

    #[test]
    fn pages_go_both_ways_from_a_cursor() {
        let entries = || {
            (8..=12)
                .map(|number| (number.to_string(), json!(number)))
                .collect()
        };
        let places = |cursor: Option<&str>, descending, limit| -> Vec<String> {
            let picked = pick(entries(), cursor, descending, limit);
            picked.into_iter().map(|(place, _)| place).collect()
        };
        assert_eq!(places(None, false, 2), ["8", "9"]);
        assert_eq!(places(Some("9"), false, 2), ["10", "11"]);
        assert_eq!(places(Some("10"), true, 5), ["9", "8"]);
        assert_eq!(places(None, true, 1), ["12"]);
        assert!(places(Some("now"), false, 5).is_empty());
        assert_eq!(places(Some("now"), true, 1), ["12"]);
    }
}
