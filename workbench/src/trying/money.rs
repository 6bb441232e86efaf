//! The books of a circle before and after.

use std::collections::BTreeMap;

use circle::ledger;
use threescript::value::{Amount, AssetCode};

use crate::problem::Problem;
use crate::scratch::Scratch;

/// A book that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The book.
    pub book: String,
    /// What it held.
    pub before: Amount,
    /// What it holds.
    pub after: Amount,
}

/// What all books hold, by asset and name.
pub type Books = BTreeMap<(AssetCode, String), i64>;

/// What all books hold now.
pub fn books(scratch: &mut Scratch) -> Result<Books, Problem> {
    let assets: Vec<AssetCode> = scratch
        .assets()
        .iter()
        .map(|(asset, _)| asset.clone())
        .collect();
    let mut all = Books::new();
    for asset in assets {
        let books = ledger::books(scratch.rehearsal().rows(), &asset)?;
        all.extend(
            books
                .into_iter()
                .map(|(book, units)| ((asset.clone(), book), units)),
        );
    }
    Ok(all)
}

/// The books that differ.
pub fn moved(before: &Books, after: &Books) -> Vec<Moved> {
    let mut all: Vec<&(AssetCode, String)> = before.keys().chain(after.keys()).collect();
    all.sort();
    all.dedup();
    let units = |books: &Books, key: &(AssetCode, String)| books.get(key).copied().unwrap_or(0);
    let changed = all
        .into_iter()
        .filter(|key| units(before, key) != units(after, key));
    let moved = |key: &(AssetCode, String)| Moved {
        book: key.1.clone(),
        before: Amount::new(units(before, key), key.0.clone()),
        after: Amount::new(units(after, key), key.0.clone()),
    };
    changed.map(moved).collect()
}
