//! What a node says of its circle: the contents of the API's answers but the status.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use circle::checkpoint;
use circle::digest::Hash;
use circle::iou;
use circle::membership;
use circle::outbox;
use circle::policies;
use circle::receipt::{self, Source};
use circle::rejection::Failure;
use serde_json::json;
use threescript::value::Assets;

use super::core::{Core, Rows};
use super::status::{missing_attestations, standings};
use crate::api::declarations;
use crate::api::types::*;
use crate::api::values::{fixed, to_json};
use crate::problem::Problem;

pub(super) fn own_checkpoint(rows: &Rows, height: u64) -> Result<Checkpoint, Problem> {
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
    let standings = standings(&rows)?;
    let quorum = membership::roster(&rows.state)?.quorum();
    let mut heights: Vec<u64> = standings
        .iter()
        .map(|(_, standing)| standing)
        .filter(|one| one.disagreed_height.is_none() && one.height >= height)
        .map(|one| one.height)
        .collect();
    heights.sort_unstable();
    heights.dedup();
    for candidate in heights {
        let own = own_checkpoint(&rows, candidate)?;
        let signed = standings
            .iter()
            .filter(|(_, standing)| hex::encode(standing.checkpoint) == own.digest);
        let signatures: Vec<CertificateSignature> = signed
            .map(|(seat, standing)| CertificateSignature {
                guardian: seat.member.name.clone(),
                key: seat.member.key.to_string(),
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
    core.check_agreement()?;
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
    let certified = height <= rows.certified_height;
    let waiting_for = if certified {
        Vec::new()
    } else {
        missing_attestations(&standings(&rows)?, height)
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
        Source::Following { wallet } => (vec![format!("{wallet} follows the guardians")], None),
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

pub(super) fn assets(core: &Core) -> Result<Assets, Problem> {
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

/// The active policies, by name.
pub(super) fn active(core: &Core, rows: &Rows) -> Result<Vec<Policy>, Problem> {
    let installed = core.asking().installed(rows.store.clone())?;
    let assets = assets(core)?;
    let mut all = Vec::new();
    for (name, active) in policies::active(&rows.state)? {
        let decided = policies::params(&rows.state, &name)?;
        let policy = installed.iter().find(|one| one.hash() == active.hash);
        let params = policy.map_or(&[][..], |policy| policy.params()).iter();
        let params = params.map(|param| {
            let by_decision = decided.iter().find(|(name, _)| *name == param.name);
            let value = by_decision.map_or(&param.default, |(_, value)| value);
            Param {
                name: param.name.clone(),
                value: to_json(value, &assets),
                decided: by_decision.is_some(),
            }
        });
        all.push(Policy {
            params: params.collect(),
            version: version(&installed, &active.hash),
            hash: hex::encode(active.hash),
            since: active.since,
            name,
        });
    }
    Ok(all)
}

/// What is installed, active, and about to become so.
pub fn policies(core: &Core) -> Result<At<Policies>, Problem> {
    let rows = core.certified()?;
    let installed = core.asking().installed(rows.store.clone())?;
    let pending = policies::pending(&rows.state)?.into_iter();
    let pending = pending.map(|(name, activation)| PendingPolicy {
        name,
        version: version(&installed, &activation.hash),
        hash: hex::encode(activation.hash),
        height: activation.height,
        decided: activation.decided,
    });
    let mut all: Vec<InstalledPolicy> = installed.iter().map(|policy| describe(policy)).collect();
    all.sort_by(|a, b| (&a.name, a.version, &a.hash).cmp(&(&b.name, b.version, &b.hash)));
    let answer = Policies {
        active: active(core, &rows)?,
        pending: pending.collect(),
        installed: all,
    };
    Ok(At {
        height: rows.height,
        certified_height: rows.certified_height,
        answer,
    })
}

/// One installed policy, with its source.
pub fn policy(core: &Core, hash: Hash) -> Result<At<PolicySource>, Problem> {
    let rows = core.certified()?;
    let installed = core.asking().installed(rows.store.clone())?;
    let Some(policy) = installed.iter().find(|policy| policy.hash() == hash) else {
        return Err(Problem::new(
            "node.unknown",
            format!("no policy {} is installed", hex::encode(hash)),
            "`circle policy list` shows those that are",
        ));
    };
    let digits = hex::encode(hash);
    let active = active(core, &rows)?;
    let active = active.into_iter().find(|one| one.hash == digits);
    let answer = PolicySource {
        policy: describe(policy),
        active_since: active.as_ref().map(|one| one.since),
        params: active.map_or_else(Vec::new, |one| one.params),
        source: policy.source().to_owned(),
        signatures: policy
            .signatures()
            .iter()
            .map(declarations::write)
            .collect(),
    };
    Ok(At {
        height: rows.height,
        certified_height: rows.certified_height,
        answer,
    })
}

fn version(installed: &[Arc<threescript::policy::Policy>], hash: &Hash) -> u32 {
    let found = installed.iter().find(|policy| policy.hash() == *hash);
    found.map_or(0, |policy| policy.version())
}

fn describe(policy: &threescript::policy::Policy) -> InstalledPolicy {
    InstalledPolicy {
        name: policy.name().to_owned(),
        version: policy.version(),
        hash: hex::encode(policy.hash()),
        doc: policy.doc().to_owned(),
        bytes: policy.source().len(),
    }
}

/// Ordered blocks from `height` on, at most `count`, as far as this node executed them.
pub fn blocks(core: &Core, height: u64, count: u64) -> Result<Blocks, Problem> {
    /// An answer holds no block more once its transactions have this many bytes.
    const ENOUGH_BYTES: usize = 8 << 20;
    let head = core.newest()?.height;
    if height == 0 || height > head {
        return Err(Problem::new(
            "node.unknown",
            format!("there is no block {height}"),
            format!("ask for a height from 1 to {head}"),
        ));
    }
    let mut blocks = Vec::new();
    let mut bytes = 0;
    for height in height..=head.min(height.saturating_add(count.saturating_sub(1))) {
        let block = core
            .log
            .block(height)
            .map_err(|error| Problem::of(format!("log.{}", error.code()), error))?;
        let Some(block) = block else { break };
        bytes += block.transactions.iter().map(Vec::len).sum::<usize>();
        blocks.push(Block {
            height,
            time_ms: block.time_ms,
            hash: hex::encode(block.hash),
            transactions: block
                .transactions
                .iter()
                .map(|transaction| BASE64.encode(transaction))
                .collect(),
        });
        if bytes > ENOUGH_BYTES {
            break;
        }
    }
    Ok(Blocks { blocks, head })
}
