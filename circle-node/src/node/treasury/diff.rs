//! What a payout does with money, from the exact bytes that are signed, compared with what the circle planned.

use std::collections::BTreeMap;

use circle::genesis::{Genesis, Home};
use circle::treasury::{self, Address, Chain, Line, Payout, Purpose, Wallet};
use threescript::value::{Amount, AssetCode, Assets};
use treasury_protocol::ethereum::U256;

use super::stellar::chain_asset;
use super::{answers, signers};
use crate::api::treasury::{Change, PayoutDiff};
use crate::api::types::At;
use crate::api::values::{fixed, units};
use crate::money_diff::{self, Decoded, Planned, Reading, Unsigned};
use crate::node::answers::assets;
use crate::node::core::{Core, Rows};
use crate::node::treasury::link::Network;
use crate::problem::Problem;

/// The payout with this number.
pub fn of(core: &Core, id: u64) -> Result<At<PayoutDiff>, Problem> {
    let rows = core.certified()?;
    let assets = assets(core)?;
    let payout = treasury::payout(&rows.state, id)?.ok_or_else(|| {
        let mend = "`circle treasury status` shows all of them";
        Problem::new("node.unknown", format!("there is no payout {id}"), mend)
    })?;
    let strange =
        |error: treasury_protocol::stellar::StellarError| Problem::of(error.code(), error);
    let transaction = Unsigned::of(&payout.transaction).map_err(strange)?;
    let wallet = treasury::wallet(&rows.state, &payout.wallet)?;
    let mut reading = Reading::of(&core.genesis);
    if let Some(Chain::Ethereum { contracts, .. }) = wallet.as_ref().map(|wallet| &wallet.chain) {
        reading.batch_contract = contracts.multi_send;
    }
    let decoded = money_diff::decode(&transaction, &reading)?;
    let confirmer = match core.me() {
        Some(me) => treasury::confirmer(&rows.state, me)?,
        None => None,
    };
    Ok(At {
        height: rows.height,
        certified_height: rows.certified_height,
        answer: PayoutDiff {
            mismatches: mismatches(core, &rows, wallet.as_ref(), &assets, &payout, &decoded)?,
            names: names(core, &rows, &payout)?,
            holdings: holdings(&rows, &assets, &payout)?,
            confirmer,
            payout: answers::one(core, &rows, &assets, payout)?,
            transaction,
            decoded,
        },
    })
}

fn mismatches(
    core: &Core,
    rows: &Rows,
    wallet: Option<&Wallet>,
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
    let network = wallet.map(|wallet| Network::from(&wallet.chain).id);
    if network.as_deref() != Some(&decoded.network) {
        found.push(format!(
            "the bytes are for the network {}, the wallet {} is on {}",
            decoded.network,
            payout.wallet,
            network.unwrap_or_else(|| "none".into())
        ));
    }
    let address = wallet
        .and_then(|wallet| wallet.address.as_ref())
        .map(Address::to_string);
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
                    let (asset, amount) = there(&core.genesis, assets, wallet, &line.amount);
                    (line.to.to_string(), asset, amount)
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
        Purpose::Signers(_) | Purpose::Retire(_)
            if signers::is_planned(rows, wallet, payout, decoded)? => {}
        other => found.push(format!(
            "the bytes do something else than to {}",
            other.name()
        )),
    }
    Ok(found)
}

/// An amount as the chain of a wallet says it: the asset, and how much in whole units with all decimals that there are there. Empty
/// if it cannot be said there, which then fits no bytes.
fn there(
    genesis: &Genesis,
    assets: &Assets,
    wallet: Option<&Wallet>,
    amount: &Amount,
) -> (String, String) {
    let asset = genesis.assets.get(&amount.asset);
    let homes = asset.map(|asset| asset.homes.as_slice());
    let homes = homes.unwrap_or_default().iter();
    let said = homes
        .zip(std::iter::repeat(wallet))
        .find_map(|(home, wallet)| match (home, &wallet?.chain) {
            (home @ Home::Stellar { .. }, Chain::Stellar { .. }) => {
                let asset = chain_asset(&amount.asset, home)?;
                Some((money_diff::stellar_asset(&asset), units(amount, assets)))
            }
            (
                Home::Ethereum {
                    chain_id,
                    token,
                    decimals,
                },
                Chain::Ethereum { chain_id: on, .. },
            ) if chain_id == on => {
                let contract = token.map(|token| token.to_string());
                let more = decimals.checked_sub(assets.decimals(&amount.asset)?)?;
                let scale = U256::from(10u8).checked_pow(U256::from(more))?;
                let units = U256::from(u64::try_from(amount.units).ok()?).checked_mul(scale)?;
                Some((
                    money_diff::token_text(amount.asset.as_str(), contract.as_deref()),
                    money_diff::whole(units, *decimals),
                ))
            }
            _ => None,
        });
    said.unwrap_or_default()
}

/// Whose the addresses are that a payout may be about: its payees, and the guardians as owners of wallets.
fn names(core: &Core, rows: &Rows, payout: &Payout) -> Result<Vec<(String, String)>, Problem> {
    let lines = payout.lines.iter();
    let mut names: Vec<(String, String)> = lines
        .map(|line| (line.to.to_string(), line.account.clone()))
        .collect();
    if names.is_empty() {
        for guardian in core.guardians().roster.indexes() {
            if let Some(owner) = treasury::owner(&rows.state, guardian)? {
                names.push((owner.to_string(), core.guardian(guardian)));
            }
            if let Some(key) = treasury::stellar_owner(&rows.state, guardian)? {
                let address = treasury_protocol::stellar::address(&key.0);
                names.push((address, core.guardian(guardian)));
            }
        }
    }
    Ok(names)
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
