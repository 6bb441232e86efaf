//! What a payout does with money, from the exact bytes that are signed, compared with what the circle planned.

use std::collections::BTreeMap;

use circle::genesis::Genesis;
use circle::treasury::{self, Line, Payout, Purpose, Transaction};
use threescript::value::{Amount, AssetCode, Assets};

use super::answers;
use super::stellar::chain_asset;
use crate::api::treasury::{Change, PayoutDiff};
use crate::api::types::At;
use crate::api::values::{fixed, units};
use crate::money_diff::{self, Decoded, Planned};
use crate::node::answers::assets;
use crate::node::core::{Core, Rows};
use crate::problem::Problem;

/// The payout with this number.
pub fn of(core: &Core, id: u64) -> Result<At<PayoutDiff>, Problem> {
    let rows = core.certified()?;
    let assets = assets(core)?;
    let payout = treasury::payout(&rows.state, id)?.ok_or_else(|| {
        let mend = "`circle treasury status` shows all of them";
        Problem::new("node.unknown", format!("there is no payout {id}"), mend)
    })?;
    let Transaction::Stellar { network, batch } = &payout.transaction else {
        let reason =
            format!("payout {id} is of a Safe, whose bytes this version does not read back");
        let mend = "look at its lines in `circle treasury status`, and at its hash with the tools of Ethereum";
        return Err(Problem::new("payout.unread", reason, mend));
    };
    let strange =
        |error: treasury_protocol::stellar::StellarError| Problem::of(error.code(), error);
    let confirmer = match core.me() {
        Some(me) => treasury::confirmer(&rows.state, me)?,
        None => None,
    };
    let transaction_xdr = batch.unsigned_envelope().map_err(strange)?;
    let decoded = money_diff::decode(&transaction_xdr, network)?;
    Ok(At {
        height: rows.height,
        certified_height: rows.certified_height,
        answer: PayoutDiff {
            mismatches: mismatches(core, &rows, &assets, &payout, &decoded)?,
            holdings: holdings(&rows, &assets, &payout)?,
            confirmer,
            payout: answers::one(core, &rows, &assets, payout)?,
            transaction_xdr,
            decoded,
        },
    })
}

fn mismatches(
    core: &Core,
    rows: &Rows,
    assets: &Assets,
    payout: &Payout,
    decoded: &Decoded,
) -> Result<Vec<String>, Problem> {
    let mut found = Vec::new();
    let hash = hex::encode(payout.hash);
    if decoded.hash != hash {
        found.push(format!(
            "the bytes have the hash {}, the circle planned {hash}",
            decoded.hash
        ));
    }
    let wallet = treasury::wallet(&rows.state, &payout.wallet)?;
    let address = wallet
        .and_then(|wallet| wallet.address)
        .map(|address| address.to_string());
    if address.as_deref() != Some(&decoded.source) {
        found.push(format!(
            "the bytes take from {}, the wallet {} is {}",
            decoded.source,
            payout.wallet,
            address.unwrap_or_else(|| "nowhere".into())
        ));
    }
    let every = |does: &str| decoded.moves.iter().all(|made| made.does == does);
    match &payout.purpose {
        Purpose::Pay => {
            let texts: Vec<(String, String, String)> = payout
                .lines
                .iter()
                .map(|line| {
                    let asset = asset_text(&core.genesis, &line.amount.asset);
                    (line.to.to_string(), asset, units(&line.amount, assets))
                })
                .collect();
            let planned = payout.lines.iter().zip(&texts);
            let planned: Vec<Planned> = planned
                .map(|(Line { claimable, .. }, (to, asset, amount))| Planned {
                    to,
                    asset,
                    amount,
                    claimable: *claimable,
                })
                .collect();
            found.extend(decoded.mismatches(&planned));
        }
        Purpose::Trust if every("trusts") => {}
        Purpose::Reclaim(parts) if every("takes back") && parts.len() == decoded.moves.len() => {}
        Purpose::Cancel(_) if every("does nothing") => {}
        other => found.push(format!(
            "the bytes do something else than to {}",
            other.name()
        )),
    }
    Ok(found)
}

/// An asset as Stellar names it; empty if it does not live there, which then fits no bytes.
fn asset_text(genesis: &Genesis, code: &AssetCode) -> String {
    let homes = genesis.assets.get(code).map(|asset| asset.homes.as_slice());
    let mut homes = homes.unwrap_or_default().iter();
    let home = homes.find_map(|home| chain_asset(code, home));
    home.map_or_else(String::new, |asset| money_diff::asset_text(&asset))
}

/// What an open payout makes of what its wallet holds.
fn holdings(rows: &Rows, assets: &Assets, payout: &Payout) -> Result<Vec<Change>, Problem> {
    if payout.state.is_final() {
        return Ok(Vec::new());
    }
    let mut sums: BTreeMap<AssetCode, i128> = BTreeMap::new();
    let mut add = |amount: &Amount, sign: i128| {
        *sums.entry(amount.asset.clone()).or_default() += sign * i128::from(amount.units);
    };
    for line in &payout.lines {
        add(&line.amount, -1);
    }
    if let Purpose::Reclaim(parts) = &payout.purpose {
        for (paid, position) in parts {
            let paid = treasury::payout(&rows.state, *paid)?;
            if let Some(line) = paid.and_then(|paid| paid.lines.get(*position as usize).cloned()) {
                add(&line.amount, 1);
            }
        }
    }
    let mut changes = Vec::new();
    for (asset, change) in sums {
        let held = treasury::holdings(&rows.state, &payout.wallet, &asset)?;
        let decimals = assets.decimals(&asset).unwrap_or(0);
        changes.push(Change {
            before: fixed(i128::from(held), decimals),
            after: fixed(i128::from(held) + change, decimals),
            asset: asset.to_string(),
        });
    }
    Ok(changes)
}
