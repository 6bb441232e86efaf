//! What a guardian has to send now, told from the state alone.

use std::sync::Arc;

use crate::ceremonies::{self, KeygenDuty, SignDuty};
use crate::checkpoint::{self, Checkpoint};
use crate::gate::{self, TESTIMONY_HEIGHTS_MAX, Testimony};
use crate::ids::Key;
use crate::membership::{self, ToConfirm};
use crate::roster::Roster;
use crate::state::{KeyValue, Region, RegionView, StoreFault};
use crate::treasury::{self, OwnerDuties};

/// What one guardian owes the circle after a block. The node adds secrets and signatures, and sends each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Duties {
    /// The newest checkpoint, if the guardian did not attest it or a newer one yet.
    pub attest: Option<Checkpoint>,
    /// What to testify, if others concluded otherwise and this guardian speaks for those who agree with it.
    pub testify: Option<Vec<Testimony>>,
    /// A change of the guardians whose decision is certified.
    pub confirm: Option<ToConfirm>,
    /// Messages that key ceremonies wait for.
    pub keygen: Vec<KeygenDuty>,
    /// Messages that signing sessions wait for.
    pub sign: Vec<SignDuty>,
    /// What Safes wait for.
    pub own: OwnerDuties,
}

/// How a guardian's conclusions stand to those of the others, as far as its own node can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Nobody contradicts.
    Agrees,
    /// Some others contradict, fewer than a quorum.
    Contradicted,
    /// A quorum attested otherwise: this node went astray.
    Minority {
        /// The lowest height at which one of them is known to differ.
        height: u64,
    },
}

/// How this node stands to the others. A node in the minority stops attesting and serving reads.
pub fn agreement(store: &Arc<dyn KeyValue>) -> Result<Agreement, StoreFault> {
    let state = RegionView::new(store.clone(), Region::State);
    let members = membership::roster(&state)?;
    let mut contradicted_at = Vec::new();
    for guardian in members.indexes() {
        contradicted_at.extend(gate::standing(&state, guardian)?.disagreed_height);
    }
    Ok(match contradicted_at.iter().min() {
        None => Agreement::Agrees,
        Some(height) if contradicted_at.len() >= members.quorum() => {
            Agreement::Minority { height: *height }
        }
        Some(_) => Agreement::Contradicted,
    })
}

/// The duties of the guardian whose key is `key`, given a view of the whole store. Who is no guardian, not yet or no longer, has
/// none.
pub fn duties(store: &Arc<dyn KeyValue>, key: &Key) -> Result<Duties, StoreFault> {
    let state = RegionView::new(store.clone(), Region::State);
    let chain = RegionView::new(store.clone(), Region::Local);
    let members = membership::roster(&state)?;
    let Some(guardian) = members.index_of(key) else {
        return Ok(Duties::default());
    };
    Ok(Duties {
        attest: attest(&state, &chain, guardian)?,
        testify: testify(&state, &chain, &members, guardian)?,
        confirm: membership::to_confirm(&state, guardian)?,
        keygen: ceremonies::keygen_duties(&state, guardian)?,
        sign: ceremonies::sign_duties(&state, guardian)?,
        own: treasury::owner_duties(&state, guardian)?,
    })
}

fn attest(
    state: &dyn KeyValue,
    chain: &dyn KeyValue,
    guardian: u32,
) -> Result<Option<Checkpoint>, StoreFault> {
    let newest = checkpoint::newest_substantial(chain)?;
    let standing = gate::standing(state, guardian)?;
    // A mended node attests its own checkpoint of the height at which it was wrong before.
    let mended = match checkpoint::at(chain, standing.height)? {
        Some(own) => own.checkpoint.digest() != standing.checkpoint,
        None => false,
    };
    // One that was benched comes back by attesting, even if nothing new happened.
    let returning = standing.benched && standing.height < newest;
    if newest > standing.height || mended || returning {
        let height = newest.max(standing.height);
        return Ok(checkpoint::at(chain, height)?.map(|concluded| concluded.checkpoint));
    }
    Ok(None)
}

fn testify(
    state: &dyn KeyValue,
    chain: &dyn KeyValue,
    members: &Roster,
    guardian: u32,
) -> Result<Option<Vec<Testimony>>, StoreFault> {
    let own = gate::standing(state, guardian)?;
    let agrees =
        |standing: &gate::Standing| standing.disagreed_height.is_none() && standing.height > 0;
    if !agrees(&own) {
        return Ok(None);
    }
    let mut first_agreeing = None;
    let mut disputed_from = None;
    for other in members.indexes() {
        let standing = gate::standing(state, other)?;
        if agrees(&standing) {
            first_agreeing.get_or_insert(other);
        } else if standing.disagreed_height.is_some() {
            let from = standing.agreed_height + 1;
            disputed_from = Some(disputed_from.map_or(from, |lowest: u64| lowest.min(from)));
        }
    }
    let Some(from) = disputed_from else {
        return Ok(None);
    };
    // One voice for those who agree is enough, and once it spoke about the disputed heights, it need not go on.
    if first_agreeing != Some(guardian)
        || gate::testified(state, guardian)? >= from
        || from > own.height
    {
        return Ok(None);
    }
    let from = from.max((own.height + 1).saturating_sub(TESTIMONY_HEIGHTS_MAX as u64));
    let mut testimony = Vec::new();
    for height in from..=own.height {
        let Some(concluded) = checkpoint::at(chain, height)? else {
            return Ok(None);
        };
        testimony.push(Testimony {
            checkpoint: concluded.checkpoint,
            outcomes: concluded.outcomes,
        });
    }
    Ok(Some(testimony))
}
