//! The gate between conclusions and the world: who attested what, what is certified, what is unanimous, who diverged.
//!
//! The gate compares what the others attested with this node's own chain of checkpoints. Honest nodes have one chain and so one
//! gate; a node that went astray sees everybody else differ, and says so.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::checkpoint::{self, Checkpoint, outcome_root};
use crate::digest::Hash;
use crate::ids::Key;
use crate::rejection::{Failure, require};
use crate::roster::Roster;
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

/// The newest attestation of a guardian, and how it stands to this node's chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Standing {
    /// The height that was attested last; 0 for none.
    pub height: u64,
    /// The digest of the checkpoint that was attested.
    pub checkpoint: Hash,
    /// The guardian's signature over the digest.
    pub signature: Vec<u8>,
    /// The highest attested height at which the guardian agreed with this node.
    pub agreed_height: u64,
    /// The lowest attested height at which it did not, if its newest attestation disagrees.
    pub disagreed_height: Option<u64>,
    /// Taken out of the active set by a decision of the circle.
    pub benched: bool,
}

/// How far the circle's conclusions are shared.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Gate {
    /// More than two thirds of the members attested this node's chain up to here.
    pub certified_height: u64,
    /// Every active guardian did.
    pub unanimous_height: u64,
}

/// Where two guardians first differ, found from the testimony of one of them.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Divergence {
    /// Who concluded otherwise than this node.
    pub guardian: u32,
    /// The first height at which the checkpoints differ.
    pub height: u64,
    /// The first thing in that block whose outcome differs: transactions are counted from 0, then come schedules.
    /// `None` if all outcomes are the same and only the state differs.
    pub index: Option<u32>,
    /// This node's outcome digest there.
    pub ours: Option<Hash>,
    /// The other's.
    pub theirs: Option<Hash>,
    /// This node's state root after the block.
    pub our_state_root: Hash,
    /// The other's.
    pub their_state_root: Hash,
}

/// What a guardian says about one height when conclusions differ.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Testimony {
    /// The guardian's checkpoint.
    pub checkpoint: Checkpoint,
    /// The outcome digests below its outcome root.
    pub outcomes: Vec<Hash>,
}

/// The most heights in one testimony.
pub const TESTIMONY_HEIGHTS_MAX: usize = 64;

const GATE: Table<Gate> = Table::new(b"kg", "the gate");
const STANDINGS: Table<Standing> = Table::new(b"kt", "an attestation");
const TESTIFIED: Table<u64> = Table::new(b"kv", "a testimony");
const DIVERGENCES: Table<Divergence> = Table::new(b"kd", "a divergence");

/// How far the circle's conclusions are shared.
pub fn gate(rows: &(impl KeyValue + ?Sized)) -> Result<Gate, StoreFault> {
    Ok(GATE.get(rows, ())?.unwrap_or_default())
}

/// How the guardian with this index stands.
pub fn standing(rows: &(impl KeyValue + ?Sized), guardian: u32) -> Result<Standing, StoreFault> {
    Ok(STANDINGS.get(rows, guardian)?.unwrap_or_default())
}

/// The found divergences, by guardian; also of those who are members no longer.
pub fn divergences(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<Divergence>, StoreFault> {
    DIVERGENCES.values(rows, ())
}

/// What a guardian attests.
#[derive(Clone, Copy, Debug)]
pub struct Attested<'a> {
    /// The height.
    pub height: u64,
    /// The digest of its checkpoint there.
    pub checkpoint: Hash,
    /// Its signature over the digest.
    pub signature: &'a [u8],
}

/// Records what `guardian`, whose key is `key`, attested, in a block at height `now`. `chain` holds this node's checkpoints.
pub fn attest(
    rows: &mut Overlay,
    chain: &dyn KeyValue,
    members: &Roster,
    now: u64,
    guardian: u32,
    key: &Key,
    attested: Attested<'_>,
) -> Result<(), Failure> {
    let Attested {
        height,
        checkpoint,
        signature,
    } = attested;
    let mut standing = standing(rows, guardian)?;
    require(height >= 1 && height < now, "attest.height", || {
        format!(
            "height {height} is not below this block's, {now}; attest a height that was executed"
        )
    })?;
    require(height >= standing.height, "attest.stale", || {
        format!(
            "height {height} is below {}, which was attested already",
            standing.height
        )
    })?;
    require(
        (height, checkpoint) != (standing.height, standing.checkpoint),
        "attest.repeated",
        || format!("this checkpoint of height {height} was attested already"),
    )?;
    let signature_fits = <&[u8; 64]>::try_from(signature)
        .is_ok_and(|signature| key.verifies(&checkpoint, signature));
    require(signature_fits, "attest.signature", || {
        "the signature does not fit the checkpoint".into()
    })?;
    let own = checkpoint::at(chain, height)?.ok_or_else(|| StoreFault::Corrupt {
        what: "a checkpoint",
        reason: format!("height {height} is missing"),
    })?;
    standing.height = height;
    standing.checkpoint = checkpoint;
    standing.signature = signature.to_vec();
    if own.checkpoint.digest() == checkpoint {
        standing.agreed_height = height;
        standing.disagreed_height = None;
        if standing.benched && height >= gate(rows)?.certified_height {
            standing.benched = false;
        }
        DIVERGENCES.delete(rows, guardian);
    } else {
        standing.disagreed_height.get_or_insert(height);
    }
    STANDINGS.put(rows, guardian, &standing);
    Ok(recompute(rows, members)?)
}

/// Takes a guardian out of the active set, which never falls below the quorum of the membership.
pub fn bench(rows: &mut Overlay, members: &Roster, guardian: u32) -> Result<(), Failure> {
    let mut standing = standing(rows, guardian)?;
    require(!standing.benched, "bench.already", || {
        "this guardian is benched already".into()
    })?;
    let active = active(rows, members)?.len();
    require(active > members.quorum(), "bench.quorum", || {
        format!(
            "{active} guardians are active and {} have to stay so; bring one back first",
            members.quorum()
        )
    })?;
    standing.benched = true;
    STANDINGS.put(rows, guardian, &standing);
    Ok(recompute(rows, members)?)
}

/// Lets a newcomer begin outside the active set; it comes in as one does who was benched, by attesting.
pub(crate) fn expect(rows: &mut Overlay, guardian: u32) -> Result<(), StoreFault> {
    let standing = Standing {
        benched: true,
        ..standing(rows, guardian)?
    };
    STANDINGS.put(rows, guardian, &standing);
    Ok(())
}

/// Judges everything anew by other members. If fewer than their quorum are active, all of them become so.
pub(crate) fn change_members(rows: &mut Overlay, members: &Roster) -> Result<(), StoreFault> {
    if active(rows, members)?.len() < members.quorum() {
        for guardian in members.indexes() {
            let mut standing = standing(rows, guardian)?;
            if standing.benched {
                standing.benched = false;
                STANDINGS.put(rows, guardian, &standing);
            }
        }
    }
    recompute(rows, members)
}

/// The indexes of the active guardians.
pub fn active(rows: &(impl KeyValue + ?Sized), members: &Roster) -> Result<Vec<u32>, StoreFault> {
    let mut active = Vec::with_capacity(members.count());
    for guardian in members.indexes() {
        if !standing(rows, guardian)?.benched {
            active.push(guardian);
        }
    }
    Ok(active)
}

/// Records what a guardian testifies of the heights up to one that it attested, and finds where it first differs.
pub fn testify(
    rows: &mut Overlay,
    chain: &dyn KeyValue,
    guardian: u32,
    testimony: &[Testimony],
) -> Result<(), Failure> {
    let standing = standing(rows, guardian)?;
    require(
        (1..=TESTIMONY_HEIGHTS_MAX).contains(&testimony.len()),
        "testify.length",
        || format!("a testimony has 1 to {TESTIMONY_HEIGHTS_MAX} heights"),
    )?;
    let chained = testimony.windows(2).all(|pair| {
        pair[1].checkpoint.previous == pair[0].checkpoint.digest()
            && pair[1].checkpoint.height == pair[0].checkpoint.height + 1
    });
    let opened = testimony
        .iter()
        .all(|one| outcome_root(&one.outcomes) == one.checkpoint.outcome_root);
    let last = &testimony[testimony.len() - 1].checkpoint;
    require(
        chained && opened && last.digest() == standing.checkpoint,
        "testify.unproven",
        || "the testimony does not lead to the checkpoint that this guardian attested last".into(),
    )?;
    TESTIFIED.put(rows, guardian, &standing.height);
    for one in testimony {
        let height = one.checkpoint.height;
        let Some(own) = checkpoint::at(chain, height)? else {
            break;
        };
        if own.checkpoint.digest() == one.checkpoint.digest() {
            continue;
        }
        let index = (0..own.outcomes.len().max(one.outcomes.len()))
            .find(|&i| own.outcomes.get(i) != one.outcomes.get(i));
        let divergence = Divergence {
            guardian,
            height,
            index: index.map(|index| index as u32),
            ours: index.and_then(|index| own.outcomes.get(index).copied()),
            theirs: index.and_then(|index| one.outcomes.get(index).copied()),
            our_state_root: own.checkpoint.state_root,
            their_state_root: one.checkpoint.state_root,
        };
        DIVERGENCES.put(rows, guardian, &divergence);
        break;
    }
    Ok(())
}

/// The height up to which the guardian testified; 0 if it never did.
pub fn testified(rows: &(impl KeyValue + ?Sized), guardian: u32) -> Result<u64, StoreFault> {
    Ok(TESTIFIED.get(rows, guardian)?.unwrap_or(0))
}

/// Certified: the highest height to which a quorum of the members agrees. Unanimous: to which every active one does.
fn recompute(rows: &mut Overlay, members: &Roster) -> Result<(), StoreFault> {
    let mut agreed = Vec::with_capacity(members.count());
    let mut unanimous = u64::MAX;
    for guardian in members.indexes() {
        let standing = standing(rows, guardian)?;
        agreed.push(standing.agreed_height);
        if !standing.benched {
            unanimous = unanimous.min(standing.agreed_height);
        }
    }
    agreed.sort_unstable_by(|a, b| b.cmp(a));
    let old = gate(rows)?;
    // Neither ever falls: a guardian may change its mind about the newest height, not about what was acted upon.
    let new = Gate {
        certified_height: agreed[members.quorum() - 1].max(old.certified_height),
        unanimous_height: unanimous.max(old.unanimous_height),
    };
    if new != old {
        GATE.put(rows, (), &new);
    }
    Ok(())
}

/// Something that every active guardian concluded. Only [`pass`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanimous<T>(T);

impl<T> std::ops::Deref for Unanimous<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// Lets `value`, which the block at `height` gave rise to, through if that height is unanimous.
pub(crate) fn pass<T>(
    rows: &(impl KeyValue + ?Sized),
    height: u64,
    value: T,
) -> Result<Option<Unanimous<T>>, StoreFault> {
    Ok((height <= gate(rows)?.unanimous_height).then_some(Unanimous(value)))
}
