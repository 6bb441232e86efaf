//! What a node says of its circle: the contents of the API's answers.

use std::collections::BTreeSet;

use circle::ceremonies;
use circle::checkpoint;
use circle::digest::Hash;
use circle::duties::Agreement;
use circle::gate::{self, Standing};
use circle::iou;
use circle::outbox;
use circle::payouts::{self, PayoutState};
use circle::policies;
use circle::receipt::{self, Source};
use circle::rejection::Failure;
use serde_json::json;
use threescript::value::Assets;
use treasury_protocol::ceremony::keygen::Phase;
use treasury_protocol::stellar::address;

use super::core::{Core, Rows};
use crate::api::types::*;
use crate::api::values::{fixed, to_json, units};
use crate::problem::Problem;

/// After this long without a block, the circle waits for whoever is not connected.
const QUIET_MS: u64 = 10_000;

/// How the node and its circle stand.
pub fn status(core: &Core) -> Result<Status, Problem> {
    let rows = core.newest()?;
    let gate = gate::gate(&rows.state)?;
    let log = core.log.status();
    let to_attest = checkpoint::newest_substantial(&rows.local)?;
    let standings = standings(core, &rows)?;
    let connected = |key: &[u8; 32]| {
        log.peers
            .iter()
            .find(|peer| peer.key == *key)
            .map(|peer| peer.connected)
    };
    let guardians = core
        .genesis
        .members
        .iter()
        .zip(&standings)
        .map(|(member, standing)| Guardian {
            name: member.name.clone(),
            key: member.key.to_string(),
            connected: connected(&member.key.0),
            attested_height: standing.height,
            agreed_height: standing.agreed_height,
            benched: standing.benched,
        });
    let payouts_waiting = payouts_waiting(core, &rows, &standings)?;
    let mut waiting = Vec::new();
    if log.last_block_age_ms > QUIET_MS {
        let away = core
            .genesis
            .members
            .iter()
            .filter(|member| connected(&member.key.0) == Some(false));
        let waiting_for = away.map(|member| member.name.clone()).collect();
        waiting.push(Waiting {
            what: format!("block {}", log.deciding),
            waiting_for,
        });
    }
    if to_attest > gate.unanimous_height {
        let what = if to_attest > gate.certified_height {
            "certification and unanimity"
        } else {
            "unanimity"
        };
        let waiting_for = missing_attestations(core, &standings, to_attest);
        waiting.push(Waiting {
            what: format!("{what} of height {to_attest}"),
            waiting_for,
        });
    }
    for (number, keygen) in ceremonies::keygens(&rows.state)? {
        if !matches!(keygen.phase(), Phase::Done | Phase::Failed) {
            let waiting_for = participants(core, &keygen.waiting_for());
            waiting.push(Waiting {
                what: format!("key ceremony {number}, {}", phase_name(keygen.phase())),
                waiting_for,
            });
        }
    }
    for payout in &payouts_waiting {
        waiting.push(Waiting {
            what: format!("payout {}, {}", payout.payout, payout.with),
            waiting_for: payout.waiting_for.clone(),
        });
    }
    let waiting_for: BTreeSet<&String> = waiting
        .iter()
        .flat_map(|waiting| &waiting.waiting_for)
        .collect();
    let names = |indexes: &mut dyn Iterator<Item = usize>| {
        indexes
            .map(|index| core.guardian(index as u32).to_owned())
            .collect::<Vec<_>>()
    };
    let limits = &core.genesis.limits;
    Ok(Status {
        circle: core.genesis.circle.to_string(),
        name: core.genesis.name.clone(),
        genesis: hex::encode(core.genesis.digest()),
        guardian: core.name().to_owned(),
        height: rows.height,
        block_time_ms: core.time_ms(),
        last_block_age_ms: log.last_block_age_ms,
        checkpoint: own_checkpoint(&rows, rows.height)?,
        to_attest,
        certified_height: gate.certified_height,
        unanimous_height: gate.unanimous_height,
        served_height: core.served_height(),
        waiting_for: waiting_for.into_iter().cloned().collect(),
        benched: names(&mut (0..standings.len()).filter(|index| standings[*index].benched)),
        agreement: match core.agreement() {
            Agreement::Agrees => "agrees",
            Agreement::Contradicted => "contradicted",
            Agreement::Minority { .. } => "minority",
        }
        .into(),
        diverged: diverged(core, &rows, &standings)?,
        guardians: guardians.collect(),
        peers_connected: log.peers.iter().filter(|peer| peer.connected).count(),
        mempool: Mempool {
            transactions: log.mempool_transactions,
            bytes: log.mempool_bytes,
        },
        waiting,
        payouts_waiting,
        policies: policies::active_hashes(&rows.state)?
            .into_iter()
            .map(|(name, hash)| Policy {
                name,
                hash: hex::encode(hash),
            })
            .collect(),
        limits: json!({
            "transaction_bytes": circle::envelope::TRANSACTION_BYTES_MAX,
            "operations": limits.operations,
            "call_depth": limits.call_depth,
            "expression_depth": limits.expression_depth,
            "text_bytes": limits.text_bytes,
            "list_items": limits.list_items,
            "map_entries": limits.map_entries,
            "memory_bytes": limits.memory_bytes,
            "writes": limits.writes,
            "events": limits.events,
            "effects": limits.effects,
        }),
        failure: core.failure().map(ToString::to_string),
    })
}

fn standings(core: &Core, rows: &Rows) -> Result<Vec<Standing>, Problem> {
    let guardians = 0..core.genesis.members.count() as u32;
    Ok(guardians
        .map(|guardian| gate::standing(&rows.state, guardian))
        .collect::<Result<_, _>>()?)
}

/// Active guardians who did not attest `height` with this node's conclusion.
fn missing_attestations(core: &Core, standings: &[Standing], height: u64) -> Vec<String> {
    (0u32..)
        .zip(standings)
        .filter(|(_, standing)| !standing.benched && standing.agreed_height < height)
        .map(|(index, _)| core.guardian(index).to_owned())
        .collect()
}

/// The names of participants of a ceremony, who are numbered from 1.
fn participants(core: &Core, indexes: &[u16]) -> Vec<String> {
    indexes
        .iter()
        .map(|index| {
            core.guardian(u32::from(*index).saturating_sub(1))
                .to_owned()
        })
        .collect()
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Round1 => "commitments",
        Phase::Round2 => "encrypted shares",
        Phase::Confirm => "confirmations",
        Phase::Done => "done",
        Phase::Failed => "failed",
    }
}

fn payouts_waiting(
    core: &Core,
    rows: &Rows,
    standings: &[Standing],
) -> Result<Vec<PayoutWaiting>, Problem> {
    let mut waiting = Vec::new();
    for payout in payouts::payouts(&rows.state)? {
        let (with, waiting_for) = match payout.state {
            PayoutState::Planned => (
                format!("unanimity of height {}", payout.height),
                missing_attestations(core, standings, payout.height),
            ),
            PayoutState::Signing => {
                let signing = ceremonies::signing(&rows.state, payout.id)?;
                (
                    "signatures".to_owned(),
                    signing.map_or_else(Vec::new, |signing| {
                        participants(core, &signing.waiting_for())
                    }),
                )
            }
            PayoutState::Signed => continue,
        };
        waiting.push(PayoutWaiting {
            payout: payout.id,
            state: payout.state.name().into(),
            with,
            waiting_for,
        });
    }
    Ok(waiting)
}

/// Who concluded otherwise than this node, grouped by what was found.
fn diverged(core: &Core, rows: &Rows, standings: &[Standing]) -> Result<Vec<Diverged>, Problem> {
    let disagree = |standing: &Standing| standing.disagreed_height.is_some();
    let differ: Vec<u32> = (0u32..)
        .zip(standings)
        .filter(|(_, standing)| disagree(standing))
        .map(|(index, _)| index)
        .collect();
    if differ.is_empty() {
        return Ok(Vec::new());
    }
    let agree = |height: u64| -> Vec<String> {
        let agrees = |standing: &Standing| !disagree(standing) && standing.agreed_height >= height;
        (0u32..)
            .zip(standings)
            .filter(|(_, standing)| agrees(standing))
            .map(|(index, _)| core.guardian(index).to_owned())
            .collect()
    };
    let names: Vec<String> = differ
        .iter()
        .map(|index| core.guardian(*index).to_owned())
        .collect();
    let mut found = Vec::new();
    for divergence in gate::divergences(&rows.state)? {
        // The testimony of one speaks for all who attested the same.
        if found
            .iter()
            .any(|known: &Diverged| known.height == divergence.height)
        {
            continue;
        }
        let cause = match divergence.index {
            Some(index) => cause(rows, divergence.height, index)?,
            None => None,
        };
        found.push(Diverged {
            height: divergence.height,
            found: true,
            cause,
            agree: agree(divergence.height),
            differ: names.clone(),
            ours: Digests {
                outcome: divergence.ours.map(hex::encode),
                state_root: Some(hex::encode(divergence.our_state_root)),
                checkpoint: None,
            },
            theirs: Digests {
                outcome: divergence.theirs.map(hex::encode),
                state_root: Some(hex::encode(divergence.their_state_root)),
                checkpoint: None,
            },
        });
    }
    if found.is_empty() {
        let height = differ
            .iter()
            .filter_map(|index| standings[*index as usize].disagreed_height)
            .min()
            .unwrap_or(0);
        let theirs = &standings[differ[0] as usize];
        let ours = checkpoint::at(&rows.local, theirs.height)?
            .map(|concluded| hex::encode(concluded.checkpoint.digest()));
        found.push(Diverged {
            height,
            found: false,
            cause: None,
            agree: agree(height),
            differ: names,
            ours: Digests {
                checkpoint: ours,
                ..Digests::default()
            },
            theirs: Digests {
                checkpoint: Some(hex::encode(theirs.checkpoint)),
                ..Digests::default()
            },
        });
    }
    Ok(found)
}

fn cause(rows: &Rows, height: u64, index: u32) -> Result<Option<Cause>, Problem> {
    let receipts = receipt::of_height(&rows.local, height)?;
    Ok(receipts
        .get(index as usize)
        .map(|receipt| match &receipt.source {
            Source::Transaction {
                id,
                actions,
                sender,
            } => Cause {
                index,
                transaction: Some(hex::encode(id)),
                actions: actions.clone(),
                sender: sender.clone(),
            },
            Source::Schedule { policy, name } => Cause {
                index,
                transaction: None,
                actions: vec![format!("every {policy}.{name}")],
                sender: None,
            },
        }))
}

fn own_checkpoint(rows: &Rows, height: u64) -> Result<Checkpoint, Problem> {
    let Some(concluded) = checkpoint::at(&rows.local, height)? else {
        let zero = hex::encode([0; 32]);
        let root = circle::state::Head::read(&*rows.store)?
            .map_or_else(|| zero.clone(), |head| hex::encode(head.state_root));
        return Ok(Checkpoint {
            height,
            digest: zero.clone(),
            block: zero.clone(),
            previous: zero.clone(),
            state_root: root,
            outcome_root: zero,
            substantial: false,
        });
    };
    let checkpoint = concluded.checkpoint;
    Ok(Checkpoint {
        height,
        digest: hex::encode(checkpoint.digest()),
        block: hex::encode(checkpoint.block),
        previous: hex::encode(checkpoint.previous),
        state_root: hex::encode(checkpoint.state_root),
        outcome_root: hex::encode(checkpoint.outcome_root),
        substantial: concluded.substantial,
    })
}

/// This node's checkpoint at a height.
pub fn checkpoint(core: &Core, height: u64) -> Result<At<serde_json::Value>, Problem> {
    let rows = core.certified()?;
    if height == 0 || height > rows.height {
        return Err(no_height(height, rows.height));
    }
    let answer = json!({ "checkpoint": own_checkpoint(&rows, height)? });
    Ok(At {
        height: rows.height,
        certified_height: rows.certified_height,
        answer,
    })
}

fn no_height(height: u64, newest: u64) -> Problem {
    Problem::new(
        "node.unknown",
        format!("there is no certified height {height}"),
        format!("ask for a height from 1 to {newest}"),
    )
}

/// The signatures of a quorum over one checkpoint at or above `height`: all that is needed to believe everything below it.
pub fn certificate(core: &Core, height: u64) -> Result<Certificate, Problem> {
    let rows = core.newest()?;
    core.certified()?;
    let standings = standings(core, &rows)?;
    let quorum = core.genesis.members.quorum();
    let mut heights: Vec<u64> = standings
        .iter()
        .filter(|one| one.disagreed_height.is_none() && one.height >= height)
        .map(|one| one.height)
        .collect();
    heights.sort_unstable();
    heights.dedup();
    for candidate in heights {
        let own = own_checkpoint(&rows, candidate)?;
        let signed = core
            .genesis
            .members
            .iter()
            .zip(&standings)
            .filter(|(_, standing)| hex::encode(standing.checkpoint) == own.digest);
        let signatures: Vec<CertificateSignature> = signed
            .map(|(member, standing)| CertificateSignature {
                guardian: member.name.clone(),
                key: member.key.to_string(),
                signature: hex::encode(&standing.signature),
            })
            .collect();
        if signatures.len() >= quorum {
            return Ok(Certificate {
                checkpoint: own,
                signatures,
                quorum,
            });
        }
    }
    let reason = format!(
        "the newest attestations at or above height {height} are not yet {quorum} over one checkpoint"
    );
    Err(Problem::new(
        "node.uncertified",
        reason,
        "ask again soon; `circle status` says whom the circle waits for",
    ))
}

/// Where a transaction is.
pub fn transaction(core: &Core, id: Hash) -> Result<Transaction, Problem> {
    let rows = core.newest()?;
    let known = receipt::of_transaction(&rows.local, &id)?;
    let id = hex::encode(id);
    let Some((height, receipt)) = known else {
        return Ok(Transaction {
            id,
            state: "waiting".into(),
            height: None,
            receipt: None,
            waiting_for: Vec::new(),
        });
    };
    let certified =
        height <= rows.certified_height && !matches!(core.agreement(), Agreement::Minority { .. });
    let waiting_for = if certified {
        Vec::new()
    } else {
        missing_attestations(core, &standings(core, &rows)?, height)
    };
    let assets = assets(core)?;
    let place = receipt
        .place
        .as_ref()
        .map(|place| format!("{}:{}:{}", place.file, place.line, place.column));
    let (actions, sender) = match receipt.source {
        Source::Transaction {
            actions, sender, ..
        } => (actions, sender),
        Source::Schedule { policy, name } => (vec![format!("every {policy}.{name}")], None),
    };
    let receipt = Receipt {
        code: receipt.code,
        message: receipt.message,
        place,
        actions,
        sender,
        policies: receipt.policies.iter().map(hex::encode).collect(),
        events: receipt
            .events
            .iter()
            .map(|event| named(&event.actor, &event.name, &event.data, &assets))
            .collect(),
        effects: receipt
            .effects
            .iter()
            .map(|effect| named(&effect.actor, &effect.name, &effect.data, &assets))
            .collect(),
    };
    let state = if certified { "certified" } else { "executed" };
    Ok(Transaction {
        id,
        state: state.into(),
        height: Some(height),
        receipt: Some(receipt),
        waiting_for,
    })
}

fn named(actor: &str, name: &str, data: &threescript::value::Value, assets: &Assets) -> Event {
    Event {
        name: format!("{actor}.{name}"),
        data: to_json(data, assets),
    }
}

fn assets(core: &Core) -> Result<Assets, Problem> {
    core.genesis
        .decimals()
        .map_err(|error| Problem::of("genesis.assets", error))
}

/// An account by name or key, from the newest state, so that its nonce is as new as can be.
pub fn account(core: &Core, name: &str) -> Result<Account, Problem> {
    let rows = core.newest()?;
    let found = match name.parse() {
        Ok(key) => circle::account_by_key(&rows.state, &key)?,
        Err(_) => circle::account_by_name(&rows.state, name)?,
    };
    let Some(account) = found else {
        let mend = "check the name; a guardian registers accounts with !!circle.register";
        return Err(Problem::new(
            "node.unknown",
            format!("there is no account {name}"),
            mend,
        ));
    };
    Ok(Account {
        next_nonce: core.nonce(account.key, account.nonces.next()),
        name: account.name,
        key: account.key.to_string(),
        roles: account.roles,
        height: rows.height,
    })
}

/// What waits in the outbox, and what left it.
pub fn outbox(core: &Core) -> Result<At<serde_json::Value>, Problem> {
    let rows = core.certified()?;
    let assets = assets(core)?;
    let entries = |entries: Vec<outbox::Entry>| -> serde_json::Value {
        let entry = |entry: &outbox::Entry| {
            let effect = named(
                &entry.effect.actor,
                &entry.effect.name,
                &entry.effect.data,
                &assets,
            );
            json!({ "height": entry.height, "index": entry.index, "effect": format!("!!!{}", effect.name), "data": effect.data, "released_at": entry.released })
        };
        entries.iter().map(entry).collect()
    };
    let answer = json!({ "held": entries(outbox::held(&rows.state)?), "released": entries(outbox::released(&rows.state)?) });
    Ok(At {
        height: rows.height,
        certified_height: rows.certified_height,
        answer,
    })
}

/// All payouts and wallets.
pub fn payouts(core: &Core) -> Result<At<Payouts>, Problem> {
    let rows = core.certified()?;
    let assets = assets(core)?;
    let payout = |payout: payouts::Payout| Payout {
        id: payout.id,
        state: payout.state.name().into(),
        wallet: address(&payout.batch.source),
        envelope_xdr: payout.envelope(),
        tx_hash: hex::encode(payout.hash),
        lines: payout
            .lines
            .iter()
            .map(|line| Line {
                account: line.account.clone(),
                to: address(&line.to.0),
                asset: line.amount.asset.to_string(),
                amount: units(&line.amount, &assets),
            })
            .collect(),
        network_passphrase: payout.network,
    };
    let keygens = ceremonies::keygens(&rows.state)?;
    let wallet = |wallet: payouts::Wallet| {
        let keygen = keygens
            .iter()
            .find(|(number, _)| *number == wallet.ceremony)
            .map(|(_, keygen)| keygen);
        Wallet {
            name: wallet.name,
            network_passphrase: wallet.network,
            account: wallet.key.map(|key| address(&key.0)),
            ceremony: keygen
                .map_or("unknown", |keygen| phase_name(keygen.phase()))
                .into(),
            waiting_for: keygen
                .map_or_else(Vec::new, |keygen| participants(core, &keygen.waiting_for())),
        }
    };
    let answer = Payouts {
        payouts: payouts::payouts(&rows.state)?
            .into_iter()
            .map(payout)
            .collect(),
        wallets: payouts::wallets(&rows.state)?
            .into_iter()
            .map(wallet)
            .collect(),
    };
    Ok(At {
        height: rows.height,
        certified_height: rows.certified_height,
        answer,
    })
}

/// What is owed and not paid.
pub fn owed(core: &Core) -> Result<At<OwedList>, Problem> {
    let rows = core.certified()?;
    let assets = assets(core)?;
    let owed = iou::owed(&rows.state).map_err(|failure| match failure {
        Failure::Rejected(rejection) => Problem::from(rejection),
        Failure::Fault(fault) => Problem::from(fault),
    })?;
    let line = |owed: iou::Owed| Owed {
        amount: fixed(owed.amount, assets.decimals(&owed.asset).unwrap_or(0)),
        consumer: owed.consumer,
        farmer: owed.farmer,
        asset: owed.asset.to_string(),
    };
    let answer = OwedList {
        owed: owed.into_iter().map(line).collect(),
    };
    Ok(At {
        height: rows.height,
        certified_height: rows.certified_height,
        answer,
    })
}
