//! How a node and its circle stand: how far it is, whom it waits for, and who disagrees.

use std::collections::BTreeSet;

use circle::ceremonies;
use circle::checkpoint;
use circle::duties::Agreement;
use circle::gate::{self, Standing};
use circle::membership;
use circle::receipt::{self, Source};
use circle::roster::{Change, Seat};
use circle::treasury as money;
use threescript::engine::Limits;
use treasury_protocol::ceremony::keygen::Phase;

use super::answers::{self, own_checkpoint};
use super::core::{Core, Rows};
use super::treasury;
use crate::api::types::*;
use crate::problem::Problem;

/// The guardians by rising index, and how each stands.
pub(super) type Standings = Vec<(Seat, Standing)>;

/// After this long without a block, the circle waits for whoever is not connected.
const QUIET_MS: u64 = 10_000;

/// How the node and its circle stand.
pub fn status(core: &Core) -> Result<Status, Problem> {
    let rows = core.newest()?;
    let gate = gate::gate(&rows.state)?;
    let log = core.log.status();
    let to_attest = checkpoint::newest_substantial(&rows.local)?;
    let standings = standings(&rows)?;
    let connected = |key: &[u8; 32]| {
        log.peers
            .iter()
            .find(|peer| peer.key == *key)
            .map(|peer| peer.connected)
    };
    let guardians = standings.iter().map(|(seat, standing)| Guardian {
        name: seat.member.name.clone(),
        key: seat.member.key.to_string(),
        addresses: seat.addresses.clone(),
        connected: connected(&seat.member.key.0),
        attested_height: standing.height,
        agreed_height: standing.agreed_height,
        benched: standing.benched,
    });
    let payouts_waiting = payouts_waiting(core, &rows)?;
    let mut waiting = Vec::new();
    if log.last_block_age_ms > QUIET_MS {
        let away = standings
            .iter()
            .filter(|(seat, _)| connected(&seat.member.key.0) == Some(false));
        let waiting_for = away.map(|(seat, _)| seat.member.name.clone()).collect();
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
        let waiting_for = missing_attestations(&standings, to_attest);
        waiting.push(Waiting {
            what: format!("{what} of height {to_attest}"),
            waiting_for,
        });
    }
    for (number, keygen) in ceremonies::keygens(&rows.state)? {
        if !matches!(keygen.phase(), Phase::Done | Phase::Failed) {
            let waiting_for = participants(core, &rows, number, &keygen.waiting_for())?;
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
    let benched = standings.iter().filter(|(_, standing)| standing.benched);
    let benched = benched.map(|(seat, _)| seat.member.name.clone()).collect();
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
        benched,
        membership: membership(core, &rows)?,
        agreement: match core.agreement() {
            Agreement::Agrees => "agrees",
            Agreement::Contradicted => "contradicted",
            Agreement::Minority { .. } => "minority",
        }
        .into(),
        diverged: diverged(&rows, &standings)?,
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

/// How every guardian stands, by rising index.
pub(super) fn standings(rows: &Rows) -> Result<Standings, Problem> {
    let mut standings = Vec::new();
    for seat in membership::roster(&rows.state)?.seats() {
        standings.push((seat.clone(), gate::standing(&rows.state, seat.index)?));
    }
    Ok(standings)
}

/// Who the guardians are, which changes are decided, and whether this node's guardian is one.
fn membership(core: &Core, rows: &Rows) -> Result<Membership, Problem> {
    let guardians = core.guardians();
    let roster = membership::roster(&rows.state)?;
    let key = circle::ids::Key::of(&core.key);
    let before = membership::rosters(&rows.state)?;
    let own = if roster.index_of(&key).is_some() {
        "guardian"
    } else if before.iter().any(|one| one.index_of(&key).is_some()) {
        "removed"
    } else {
        "newcomer"
    };
    let name = |change: &Change| match change {
        Change::Admit { member, .. } => ("admit", member.name.clone()),
        Change::Remove { key } => {
            let seat = roster.index_of(key).map(|index| guardians.name(index));
            (
                "remove",
                seat.map_or_else(|| key.to_string(), str::to_owned),
            )
        }
    };
    let mut pending = Vec::new();
    if let Some(fixed) = membership::fixed(&rows.state)? {
        let (change, guardian) = name(&fixed.change);
        pending.push(PendingChange {
            change: change.into(),
            guardian,
            decided_height: None,
            effective_height: Some(fixed.effective),
            waiting_for: Vec::new(),
        });
    }
    let unconfirmed: Vec<String> = membership::unconfirmed(&rows.state)?
        .into_iter()
        .map(|index| guardians.name(index).to_owned())
        .collect();
    for (at, queued) in membership::queued(&rows.state)?.into_iter().enumerate() {
        let (change, guardian) = name(&queued.change);
        pending.push(PendingChange {
            change: change.into(),
            guardian,
            decided_height: Some(queued.decided),
            effective_height: None,
            waiting_for: if at == 0 {
                unconfirmed.clone()
            } else {
                Vec::new()
            },
        });
    }
    Ok(Membership {
        epoch: roster.epoch,
        from_height: roster.from_height,
        quorum: roster.quorum(),
        own: own.into(),
        pending,
    })
}

/// Active guardians who did not attest `height` with this node's conclusion.
pub(super) fn missing_attestations(standings: &Standings, height: u64) -> Vec<String> {
    standings
        .iter()
        .filter(|(_, standing)| !standing.benched && standing.agreed_height < height)
        .map(|(seat, _)| seat.member.name.clone())
        .collect()
}

/// The names of participants of a ceremony, who are numbered from 1.
pub(super) fn participants(
    core: &Core,
    rows: &Rows,
    ceremony: u64,
    numbers: &[u16],
) -> Result<Vec<String>, Problem> {
    let (all, guardians) = (
        ceremonies::participants(&rows.state, ceremony)?,
        core.guardians(),
    );
    let index = |number: &u16| all.get(usize::from(*number).checked_sub(1)?).copied();
    let indexes = numbers.iter().filter_map(index);
    Ok(indexes
        .map(|index| guardians.name(index).to_owned())
        .collect())
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
            with: treasury::answers::waiting_with(rows, &payout, paused.as_deref())?,
            waiting_for: treasury::answers::waiting_for(core, rows, &payout)?,
        });
    }
    Ok(waiting)
}

/// Who concluded otherwise than this node, grouped by what was found.
fn diverged(rows: &Rows, standings: &Standings) -> Result<Vec<Diverged>, Problem> {
    let disagree = |standing: &Standing| standing.disagreed_height.is_some();
    let differ: Vec<&(Seat, Standing)> = standings
        .iter()
        .filter(|(_, standing)| disagree(standing))
        .collect();
    if differ.is_empty() {
        return Ok(Vec::new());
    }
    let agree = |height: u64| -> Vec<String> {
        let agrees = |standing: &Standing| !disagree(standing) && standing.agreed_height >= height;
        standings
            .iter()
            .filter(|(_, standing)| agrees(standing))
            .map(|(seat, _)| seat.member.name.clone())
            .collect()
    };
    let names: Vec<String> = differ
        .iter()
        .map(|(seat, _)| seat.member.name.clone())
        .collect();
    let mut found = Vec::new();
    for divergence in gate::divergences(&rows.state)? {
        // Of one who is no guardian any more, nothing waits.
        if !differ
            .iter()
            .any(|(seat, _)| seat.index == divergence.guardian)
        {
            continue;
        }
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
            .filter_map(|(_, standing)| standing.disagreed_height)
            .min()
            .unwrap_or(0);
        let (_, theirs) = differ[0];
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
            Source::Following { wallet } => Cause {
                index,
                transaction: None,
                actions: vec![format!("{wallet} follows the guardians")],
                sender: None,
            },
        }))
}
