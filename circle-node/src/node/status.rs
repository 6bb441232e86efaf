//! How a node and its circle stand: how far it is, whom it waits for, and who disagrees.

use std::collections::BTreeSet;

use circle::ceremonies;
use circle::checkpoint;
use circle::duties::Agreement;
use circle::gate::{self, Standing};
use circle::receipt::{self, Source};
use circle::treasury as money;
use threescript::engine::Limits;
use treasury_protocol::ceremony::keygen::Phase;

use super::answers::{self, own_checkpoint};
use super::core::{Core, Rows};
use super::treasury;
use crate::api::types::*;
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
    let payouts_waiting = payouts_waiting(core, &rows)?;
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
        chains: treasury::answers::chains(core, &rows)?,
        policies: answers::active(core, &rows)?,
        interpreter: interpreter(&rows)?,
        transaction_limits: [
            ("bytes", circle::envelope::TRANSACTION_BYTES_MAX),
            ("actions", circle::envelope::ACTIONS_MAX),
        ]
        .map(|(name, limit)| (name.to_owned(), limit as u64))
        .into(),
        failure: core.failure().map(ToString::to_string),
    })
}

/// What runs the policies, from the state.
fn interpreter(rows: &Rows) -> Result<Interpreter, Problem> {
    let interpreter = circle::genesis::Interpreter::of(&rows.state)?;
    let hash = hex::encode(interpreter.digest());
    // By name, every one, so that a new limit is not forgotten here.
    let Limits {
        operations,
        call_depth,
        expression_depth,
        variables,
        text_bytes,
        list_items,
        map_entries,
        memory_bytes,
        writes,
        events,
        effects,
        source_bytes,
        functions,
    } = interpreter.limits;
    let limits = [
        ("operations", operations),
        ("call_depth", call_depth.into()),
        ("expression_depth", expression_depth.into()),
        ("variables", variables.into()),
        ("text_bytes", text_bytes.into()),
        ("list_items", list_items.into()),
        ("map_entries", map_entries.into()),
        ("memory_bytes", memory_bytes),
        ("writes", writes.into()),
        ("events", events.into()),
        ("effects", effects.into()),
        ("source_bytes", source_bytes.into()),
        ("functions", functions.into()),
    ];
    Ok(Interpreter {
        profile: interpreter.profile,
        limits: limits.map(|(name, limit)| (name.to_owned(), limit)).into(),
        hash,
    })
}

/// How every guardian stands, by index.
pub(super) fn standings(core: &Core, rows: &Rows) -> Result<Vec<Standing>, Problem> {
    let guardians = 0..core.genesis.members.count() as u32;
    Ok(guardians
        .map(|guardian| gate::standing(&rows.state, guardian))
        .collect::<Result<_, _>>()?)
}

/// Active guardians who did not attest `height` with this node's conclusion.
pub(super) fn missing_attestations(
    core: &Core,
    standings: &[Standing],
    height: u64,
) -> Vec<String> {
    (0u32..)
        .zip(standings)
        .filter(|(_, standing)| !standing.benched && standing.agreed_height < height)
        .map(|(index, _)| core.guardian(index).to_owned())
        .collect()
}

/// The names of participants of a ceremony, who are numbered from 1.
pub(super) fn participants(core: &Core, indexes: &[u16]) -> Vec<String> {
    indexes
        .iter()
        .map(|index| {
            core.guardian(u32::from(*index).saturating_sub(1))
                .to_owned()
        })
        .collect()
}

/// A phase of a key ceremony by what is being posted.
pub(super) fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Round1 => "commitments",
        Phase::Round2 => "encrypted shares",
        Phase::Confirm => "confirmations",
        Phase::Done => "done",
        Phase::Failed => "failed",
    }
}

fn payouts_waiting(core: &Core, rows: &Rows) -> Result<Vec<PayoutWaiting>, Problem> {
    let mut waiting = Vec::new();
    for payout in money::open(&rows.state)? {
        let wallet = money::wallet(&rows.state, &payout.wallet)?;
        let paused = wallet.and_then(|wallet| wallet.paused);
        waiting.push(PayoutWaiting {
            payout: payout.id,
            state: payout.state.name().into(),
            with: treasury::answers::waiting_with(&payout, paused.as_deref()),
            waiting_for: treasury::answers::waiting_for(core, rows, &payout)?,
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
