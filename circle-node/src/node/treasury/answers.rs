//! What a node says of wallets and payouts.

use std::collections::BTreeMap;

use circle::ceremonies;
use circle::treasury::{self, Chain, Observation, PayoutState, Purpose, Scheme, Transaction};
use threescript::value::{Amount, Assets};
use treasury_protocol::ceremony::keygen::Keygen;
use treasury_protocol::ceremony::sign::Signing;

use crate::api::treasury::{
    ChainLink, Check, Holding, Line, Owner, Payout, Payouts, Report, Wallet,
};
use crate::api::types::At;
use crate::api::values::{fixed, units};
use crate::node::answers::assets;
use crate::node::core::{Core, Rows};
use crate::node::status::{missing_attestations, participants, phase_name, standings};
use crate::node::treasury::link::Network;
use crate::problem::Problem;

/// All payouts and wallets.
pub fn payouts(core: &Core) -> Result<At<Payouts>, Problem> {
    let rows = core.certified()?;
    let assets = assets(core)?;
    let payouts = treasury::payouts(&rows.state)?
        .into_iter()
        .map(|payout| one(core, &rows, &assets, payout))
        .collect::<Result<Vec<_>, _>>()?;
    let answer = Payouts {
        payouts,
        wallets: wallets(core, &rows, &assets)?,
    };
    Ok(At {
        height: rows.height,
        certified_height: rows.certified_height,
        answer,
    })
}

pub(super) fn one(
    core: &Core,
    rows: &Rows,
    assets: &Assets,
    payout: treasury::Payout,
) -> Result<Payout, Problem> {
    let (network, wallet) = match &payout.transaction {
        Transaction::Stellar { network, batch } => (
            network.clone(),
            treasury_protocol::stellar::address(&batch.source),
        ),
        Transaction::Safe(transaction) => (
            transaction.chain_id.to_string(),
            transaction.safe.to_string(),
        ),
    };
    let names = |guardians: Vec<u32>| -> Vec<String> {
        let name = |index: u32| core.guardian(index);
        guardians.into_iter().map(name).collect()
    };
    let confirmed_by = names(treasury::confirmations(&rows.state, payout.id)?);
    let check = (payout.confirmations > 0).then_some(Check {
        needed: payout.confirmations,
        confirmed_by,
    });
    let signing = ceremonies::signing(&rows.state, payout.id)?;
    let signed_by = match signing {
        Some(signing) => signers(core, rows, &payout, &signed_by(&signing))?,
        None => {
            let signatures = treasury::owner_signatures(&rows.state, payout.id)?;
            names(
                signatures
                    .into_iter()
                    .map(|(guardian, _)| guardian)
                    .collect(),
            )
        }
    };
    let reports = treasury::seen(&rows.state, &payout.hash)?.into_iter();
    let reported = reports.map(|(guardian, observation)| Report {
        guardian: core.guardian(guardian),
        saw: saw(&observation),
    });
    let lines = payout.lines.iter().map(|line| Line {
        account: line.account.clone(),
        to: line.to.to_string(),
        asset: line.amount.asset.to_string(),
        amount: units(&line.amount, assets),
        claimable: line.claimable,
    });
    Ok(Payout {
        id: payout.id,
        state: payout.state.name().into(),
        purpose: payout.purpose.name().into(),
        wallet,
        wallet_name: payout.wallet.clone(),
        chain: match payout.transaction {
            Transaction::Stellar { .. } => "stellar",
            Transaction::Safe(_) => "ethereum",
        }
        .into(),
        network,
        tx_hash: hex::encode(payout.hash),
        sequence: payout.transaction.sequence(),
        planned_s: payout.planned_s,
        expires_s: payout.transaction.expires_s(),
        envelope_xdr: payout.envelope(),
        execution: payout
            .execution()
            .map(|data| format!("0x{}", hex::encode(data))),
        check,
        signed_by,
        waiting_for: waiting_for(core, rows, &payout)?,
        behind: behind(rows, &payout)?,
        reported: reported.collect(),
        refused: match payout.state {
            PayoutState::Signed => core.treasury.refused(payout.id),
            _ => None,
        },
        ledger: payout.ledger,
        replaces: payout.replaces,
        replaced_by: payout.replaced_by,
        lines: lines.collect(),
    })
}

/// Whose shares are in the newest session.
fn signed_by(signing: &Signing) -> Vec<u16> {
    let newest = signing.sessions().last();
    let signers = newest.into_iter().flat_map(|session| session.signers());
    signers
        .filter(|signer| signer.share.is_some())
        .map(|signer| signer.index)
        .collect()
}

/// The names of those who sign a payout together, by their numbers in the ceremony of its key.
fn signers(
    core: &Core,
    rows: &Rows,
    payout: &treasury::Payout,
    numbers: &[u16],
) -> Result<Vec<String>, Problem> {
    match payout.signers.as_ref().and_then(Scheme::ceremony) {
        Some(ceremony) => participants(core, rows, ceremony, numbers),
        None => Ok(Vec::new()),
    }
}

/// The change of signers that a payout waits for.
fn behind(rows: &Rows, payout: &treasury::Payout) -> Result<Option<u64>, Problem> {
    Ok(match payout.state {
        PayoutState::Planned | PayoutState::Checking => treasury::behind(&rows.state, payout)?,
        _ => None,
    })
}

/// Whom an open payout waits for, as far as it waits for guardians.
pub fn waiting_for(
    core: &Core,
    rows: &Rows,
    payout: &treasury::Payout,
) -> Result<Vec<String>, Problem> {
    Ok(match payout.state {
        PayoutState::Planned => missing_attestations(&standings(rows)?, payout.height),
        PayoutState::Checking => {
            let confirmed = treasury::confirmations(&rows.state, payout.id)?;
            if confirmed.len() >= payout.confirmations as usize {
                return Ok(Vec::new());
            }
            let known = core.guardians();
            let guardians = known.roster.indexes();
            let mut missing = Vec::new();
            for guardian in guardians.filter(|guardian| !confirmed.contains(guardian)) {
                if treasury::confirmer(&rows.state, guardian)?.is_some() {
                    missing.push(core.guardian(guardian));
                }
            }
            missing
        }
        PayoutState::Signing => {
            let signing = ceremonies::signing(&rows.state, payout.id)?;
            match signing {
                Some(signing) => signers(core, rows, payout, &signing.waiting_for())?,
                None => owners_missing(core, rows, payout)?,
            }
        }
        PayoutState::Signed | PayoutState::Replaced => {
            let reports = treasury::seen(&rows.state, &payout.hash)?;
            match reports.is_empty() {
                // It waits for the chain.
                true => Vec::new(),
                false => {
                    let known = core.guardians();
                    let guardians = known.roster.indexes();
                    let silent = guardians
                        .filter(|guardian| reports.iter().all(|(other, _)| other != guardian));
                    silent.map(|index| core.guardian(index)).collect()
                }
            }
        }
        _ => Vec::new(),
    })
}

/// Guardians who own the wallet of a payout, each with a key of its own, and have not signed it.
fn owners_missing(
    core: &Core,
    rows: &Rows,
    payout: &treasury::Payout,
) -> Result<Vec<String>, Problem> {
    let Some(scheme) = &payout.signers else {
        return Ok(Vec::new());
    };
    let signed = treasury::owner_signatures(&rows.state, payout.id)?;
    let mut missing = Vec::new();
    for guardian in core.guardians().roster.indexes() {
        let owns = treasury::owns(&rows.state, scheme, guardian)?;
        if owns && signed.iter().all(|(other, _)| *other != guardian) {
            missing.push(core.guardian(guardian));
        }
    }
    Ok(missing)
}

/// What an open payout waits for, for people.
pub fn waiting_with(
    rows: &Rows,
    payout: &treasury::Payout,
    paused: Option<&str>,
) -> Result<String, Problem> {
    if payout.state == PayoutState::Checking
        && let Some(change) = behind(rows, payout)?
    {
        return Ok(format!("payout {change}, which changes who signs"));
    }
    Ok(match (payout.state, paused) {
        (PayoutState::Planned, _) => format!("unanimity of height {}", payout.height),
        (PayoutState::Checking | PayoutState::Signing, Some(reason)) => {
            format!("the end of the pause of {}: {reason}", payout.wallet)
        }
        (PayoutState::Checking, None) => {
            format!("{} confirmations of people", payout.confirmations)
        }
        (PayoutState::Signing, None) => "signatures".into(),
        _ => format!(
            "its chain to take it, and a quorum to see it: {}",
            hex::encode(payout.hash)
        ),
    })
}

/// The chains that this node sees, and those of the circle's wallets that it does not.
pub fn chains(core: &Core, rows: &Rows) -> Result<Vec<ChainLink>, Problem> {
    let wallets = treasury::wallets(&rows.state)?;
    let on = |network: &Network| -> Vec<String> {
        let there = wallets
            .iter()
            .filter(|wallet| Network::from(&wallet.chain) == *network);
        there.map(|wallet| wallet.name.clone()).collect()
    };
    let seen = core.treasury.links().iter().map(|link| ChainLink {
        wallets: on(link.network()),
        ..link.status()
    });
    let mut all: Vec<ChainLink> = seen.collect();
    let mut unseen: Vec<Network> = Vec::new();
    for network in wallets.iter().map(|wallet| Network::from(&wallet.chain)) {
        if core.treasury.link(&network).is_none() && !unseen.contains(&network) {
            unseen.push(network);
        }
    }
    all.extend(unseen.into_iter().map(|network| ChainLink {
        wallets: on(&network),
        kind: network.kind.into(),
        network: network.id,
        configured: false,
        reachable: false,
        error: None,
        since_s: None,
        endpoints: Vec::new(),
        pays_gas: None,
    }));
    Ok(all)
}

/// Who signs for a wallet, for people.
fn signers_of(wallet: &treasury::Wallet, keygens: &BTreeMap<u64, Keygen>) -> String {
    match &wallet.scheme {
        Scheme::Group { ceremony } => {
            let of = keygens.get(ceremony).map_or_else(String::new, |keygen| {
                let (threshold, members) = (keygen.threshold(), keygen.guardians().len());
                format!(", {threshold} of {members}")
            });
            format!("the key of ceremony {ceremony}{of}")
        }
        Scheme::Safe { owners: None } | Scheme::Multisig { owners: None } => {
            "nobody, until every guardian has named its key".into()
        }
        Scheme::Safe {
            owners: Some(owners),
        } => {
            let count = owners.addresses().len();
            format!("its owners, {} of {count}", owners.threshold())
        }
        Scheme::Multisig {
            owners: Some(owners),
        } => {
            let count = owners.keys().len();
            format!("its owners, {} of {count}", owners.threshold())
        }
    }
}

/// What is being changed about who signs for a wallet, for people.
fn change_of(rows: &Rows, wallet: &treasury::Wallet) -> Result<Option<String>, Problem> {
    if let Some(ceremony) = wallet.next_ceremony {
        return Ok(Some(format!("ceremony {ceremony} makes its next key")));
    }
    let open = treasury::changes(&rows.state, &wallet.name)?;
    if let Some(change) = open.first() {
        let does = match change.purpose {
            Purpose::Retire(_) => "takes the old key's say away",
            _ => "gives it to its next signers",
        };
        return Ok(Some(format!("payout {} {does}", change.id)));
    }
    let follows = treasury::follows(&rows.state, &wallet.name)?;
    Ok(follows.then(|| "it is to be given to the guardians of now".into()))
}

/// The guardians who have not named the key by which they are to own a Safe.
fn unnamed(core: &Core, rows: &Rows, wallet: &treasury::Wallet) -> Result<Vec<String>, Problem> {
    let waits = match &wallet.scheme {
        Scheme::Group { .. } => false,
        Scheme::Safe { owners: None } | Scheme::Multisig { owners: None } => true,
        Scheme::Safe { .. } | Scheme::Multisig { .. } => {
            treasury::follows(&rows.state, &wallet.name)?
        }
    };
    let on_stellar = matches!(wallet.scheme, Scheme::Multisig { .. });
    let mut missing = Vec::new();
    for guardian in core.guardians().roster.indexes().filter(|_| waits) {
        let has_named = match on_stellar {
            true => treasury::stellar_owner(&rows.state, guardian)?.is_some(),
            false => treasury::owner(&rows.state, guardian)?.is_some(),
        };
        if !has_named {
            missing.push(core.guardian(guardian));
        }
    }
    Ok(missing)
}

fn saw(observation: &Observation) -> String {
    match observation {
        Observation::Included {
            ledger, succeeded, ..
        } => {
            let how = if *succeeded { "in effect" } else { "failed" };
            format!("{how} in ledger {ledger}")
        }
        Observation::Lost {
            passed_by: Some(sequence),
            ..
        } => format!("passed by another transaction: number {sequence} is used up"),
        Observation::Lost { .. } => "expired".into(),
        _ => "something else".into(),
    }
}

fn wallets(core: &Core, rows: &Rows, assets: &Assets) -> Result<Vec<Wallet>, Problem> {
    let keygens: BTreeMap<u64, Keygen> = ceremonies::keygens(&rows.state)?.into_iter().collect();
    let open = treasury::open(&rows.state)?;
    let mut all = Vec::new();
    for wallet in treasury::wallets(&rows.state)? {
        let ceremony = wallet.next_ceremony.or(wallet.ceremony());
        let keygen = ceremony.and_then(|ceremony| keygens.get(&ceremony));
        let mut holdings = Vec::new();
        for (code, decimals) in assets.iter() {
            let held = treasury::holdings(&rows.state, &wallet.name, code)?;
            let lines = open
                .iter()
                .filter(|payout| {
                    payout.wallet == wallet.name && payout.state != PayoutState::Replaced
                })
                .flat_map(|payout| &payout.lines);
            let going_out: i128 = lines
                .filter(|line| line.amount.asset == *code)
                .map(|line| i128::from(line.amount.units))
                .sum();
            if held != 0 || going_out != 0 {
                holdings.push(Holding {
                    asset: code.to_string(),
                    amount: units(&Amount::new(held, code.clone()), assets),
                    going_out: fixed(going_out, decimals),
                });
            }
        }
        let network = match &wallet.chain {
            Chain::Stellar { network } => network.clone(),
            Chain::Ethereum { chain_id, .. } => chain_id.to_string(),
        };
        let render = |amount: &Amount| format!("{} {}", units(amount, assets), amount.asset);
        all.push(Wallet {
            chain: wallet.chain.kind().into(),
            network,
            account: wallet.address.as_ref().map(ToString::to_string),
            signers: signers_of(&wallet, &keygens),
            change: change_of(rows, &wallet)?,
            ceremony: keygen.map(|keygen| phase_name(keygen.phase()).to_owned()),
            waiting_for: match (keygen, ceremony) {
                (Some(keygen), Some(ceremony)) => {
                    participants(core, rows, ceremony, &keygen.waiting_for())?
                }
                _ => unnamed(core, rows, &wallet)?,
            },
            owners: owners(core, rows, &wallet.scheme)?,
            owners_needed: wallet.scheme.owners_needed(),
            differs: core.treasury.differences(&wallet),
            next_sequence: wallet.next_sequence,
            holdings,
            fees: wallet.fees,
            check_from: wallet.check_from.iter().map(render).collect(),
            confirmations: wallet.confirmations,
            paused: wallet.paused,
            name: wallet.name,
        });
    }
    Ok(all)
}

/// Who owns a wallet, each with a key of its own.
fn owners(core: &Core, rows: &Rows, scheme: &Scheme) -> Result<Vec<Owner>, Problem> {
    let mut owners = Vec::new();
    for guardian in core.guardians().roster.indexes() {
        if !treasury::owns(&rows.state, scheme, guardian)? {
            continue;
        }
        let address = match scheme {
            Scheme::Multisig { .. } => treasury::stellar_owner(&rows.state, guardian)?
                .map(|key| treasury_protocol::stellar::address(&key.0)),
            _ => treasury::owner(&rows.state, guardian)?.map(|address| address.to_string()),
        };
        owners.extend(address.map(|address| Owner {
            guardian: core.guardian(guardian),
            address,
        }));
    }
    Ok(owners)
}
