//! From the parts of a proposal to a verdict on the block. Pure.

use std::collections::BTreeMap;

use arc_malachitebft_app_channel::app::types::core::Round;
use bytes::Bytes;

use super::context::{Address, BlockHash, Height, ProposalPart, ValidatorSet};
use super::store::Tip;
use crate::block::BlockBody;

/// Size of one part of a block.
pub(crate) const PART_BYTES: usize = 256 << 10;

/// Rounds beyond the current one for which parts are kept.
const ROUNDS_AHEAD: u32 = 3;

/// Heights beyond the last decided one for which parts are kept: the one being decided and the one after, for the others
/// may be a step ahead.
const HEIGHTS_AHEAD: u64 = 2;

/// Cuts an encoded block into parts.
pub(crate) fn split(
    height: u64,
    round: Round,
    pol_round: Round,
    hash: [u8; 32],
    body: &[u8],
) -> Vec<ProposalPart> {
    let body = Bytes::copy_from_slice(body);
    let count = body.len().div_ceil(PART_BYTES);
    let part = |index: usize| ProposalPart {
        height: Height(height),
        round,
        pol_round,
        hash: BlockHash(hash),
        index: index as u32,
        count: count as u32,
        data: body.slice(index * PART_BYTES..body.len().min((index + 1) * PART_BYTES)),
    };
    (0..count).map(part).collect()
}

/// A proposed block whose parts have all arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assembled {
    pub height: u64,
    pub round: Round,
    pub pol_round: Round,
    pub hash: [u8; 32],
    pub body: Vec<u8>,
}

struct Stream {
    hash: BlockHash,
    pol_round: Round,
    parts: Vec<Option<Bytes>>,
    missing: usize,
}

/// Puts parts together, one block per height and round: only the proposer of a round is listened to, and only to its first
/// word.
pub(crate) struct Assembler {
    max_block_bytes: usize,
    streams: BTreeMap<(u64, u32), Stream>,
}

impl Assembler {
    pub fn new(max_block_bytes: usize) -> Self {
        Self {
            max_block_bytes,
            streams: BTreeMap::new(),
        }
    }

    /// Forgets heights that are decided.
    pub fn decided(&mut self, height: u64) {
        self.streams = self.streams.split_off(&(height + 1, 0));
    }

    /// Takes a part from `from`. Parts out of bounds are dropped: the sender is faulty, or this node is behind and will
    /// fetch the decided block instead.
    pub fn add(
        &mut self,
        from: Address,
        part: ProposalPart,
        tip: u64,
        round: u32,
        members: &ValidatorSet,
    ) -> Option<Assembled> {
        let part_round = part.round.as_u32()?;
        let newest = if part.height.0 == tip + 1 {
            round.saturating_add(ROUNDS_AHEAD)
        } else {
            ROUNDS_AHEAD
        };
        let (index, count) = (part.index as usize, part.count as usize);
        let in_bounds = part.height.0 > tip
            && part.height.0 <= tip + HEIGHTS_AHEAD
            && part_round <= newest
            && index < count
            && count <= self.max_block_bytes.div_ceil(PART_BYTES)
            && (part.data.len() == PART_BYTES
                || (index + 1 == count && part.data.len() < PART_BYTES));
        if !in_bounds || members.proposer(part.height, part.round).address != from {
            return None;
        }
        let stream = self
            .streams
            .entry((part.height.0, part_round))
            .or_insert_with(|| Stream {
                hash: part.hash,
                pol_round: part.pol_round,
                parts: vec![None; count],
                missing: count,
            });
        if stream.hash != part.hash
            || stream.pol_round != part.pol_round
            || stream.parts.len() != count
        {
            return None;
        }
        // A finished stream is kept without its bytes, so that a repetition is not assembled again.
        if stream.missing == 0 || stream.parts[index].is_some() {
            return None;
        }
        stream.parts[index] = Some(part.data);
        stream.missing -= 1;
        if stream.missing > 0 {
            return None;
        }
        let body =
            stream
                .parts
                .iter_mut()
                .filter_map(Option::take)
                .fold(Vec::new(), |mut body, data| {
                    body.extend_from_slice(&data);
                    body
                });
        let (hash, pol_round) = (part.hash.0, part.pol_round);
        Some(Assembled {
            height: part.height.0,
            round: part.round,
            pol_round,
            hash,
            body,
        })
    }
}

/// What a block must keep to. The same for all members, except for the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub max_block_bytes: usize,
    pub max_transaction_bytes: usize,
    pub max_ahead_ms: u64,
    pub max_behind_ms: u64,
}

/// Why a proposed block is voted nil.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the block is for height {found}, not {expected}")]
    Height { found: u64, expected: u64 },
    #[error("the block does not follow the log")]
    Previous,
    #[error("the block was not built by the proposer")]
    Proposer,
    #[error("the block has {bytes} bytes, at most {limit} are allowed")]
    TooLarge { bytes: usize, limit: usize },
    #[error("transaction {index} has {bytes} bytes, 1 to {limit} are allowed")]
    Transaction {
        index: usize,
        bytes: usize,
        limit: usize,
    },
    #[error("the time {time_ms} is not after {previous_ms}")]
    TimeNotRising { time_ms: u64, previous_ms: u64 },
    #[error("the time {time_ms} is too far ahead of this clock, {now_ms}")]
    TimeAhead { time_ms: u64, now_ms: u64 },
    #[error("the time {time_ms} is too far behind this clock, {now_ms}")]
    TimeBehind { time_ms: u64, now_ms: u64 },
}

/// What a block is judged against.
pub(crate) struct On<'a> {
    pub tip: &'a Tip,
    pub members: &'a ValidatorSet,
    /// The proposer of the round.
    pub proposer: Address,
    /// Whether it was proposed with a polka: it was judged by others when it was new, so its age is not held against it,
    /// and it keeps its first proposer.
    pub carries_polka: bool,
    pub now_ms: u64,
}

/// Judges a proposed block whose encoding has `bytes` bytes.
pub(crate) fn judge(
    rules: &Rules,
    block: &BlockBody,
    bytes: usize,
    on: &On<'_>,
) -> Result<(), Refused> {
    let On {
        tip,
        members,
        proposer,
        carries_polka,
        now_ms,
    } = *on;
    if block.height != tip.height + 1 {
        return Err(Refused::Height {
            found: block.height,
            expected: tip.height + 1,
        });
    }
    if block.previous != tip.log_hash {
        return Err(Refused::Previous);
    }
    let builder = Address(block.proposer);
    if !members.contains(&builder) || (!carries_polka && builder != proposer) {
        return Err(Refused::Proposer);
    }
    if bytes > rules.max_block_bytes {
        return Err(Refused::TooLarge {
            bytes,
            limit: rules.max_block_bytes,
        });
    }
    for (index, transaction) in block.transactions.iter().enumerate() {
        let (bytes, limit) = (transaction.len(), rules.max_transaction_bytes);
        if bytes == 0 || bytes > limit {
            return Err(Refused::Transaction {
                index,
                bytes,
                limit,
            });
        }
    }
    let time_ms = block.time_ms;
    if time_ms <= tip.time_ms {
        return Err(Refused::TimeNotRising {
            time_ms,
            previous_ms: tip.time_ms,
        });
    }
    // A clock that runs ahead of the circle's must not stop the blocks: one millisecond more is always allowed.
    if time_ms > now_ms.saturating_add(rules.max_ahead_ms) && time_ms != tip.time_ms + 1 {
        return Err(Refused::TimeAhead { time_ms, now_ms });
    }
    if !carries_polka && time_ms.saturating_add(rules.max_behind_ms) < now_ms {
        return Err(Refused::TimeBehind { time_ms, now_ms });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Member;
    use ed25519_zebra::{SigningKey, VerificationKey};

    const RULES: Rules = Rules {
        max_block_bytes: 1 << 20,
        max_transaction_bytes: 100,
        max_ahead_ms: 1_000,
        max_behind_ms: 5_000,
    };
    const TIP: Tip = Tip {
        height: 6,
        log_hash: [8; 32],
        time_ms: 100_000,
    };
    const NOW: u64 = 103_000;

    fn members() -> ValidatorSet {
        let member = |seed: u8| Member {
            key: VerificationKey::from(&SigningKey::from([seed; 32])).into(),
            addresses: Vec::new(),
        };
        ValidatorSet::new(&[member(1), member(2), member(3), member(4)]).unwrap()
    }

    fn proposer(round: u32) -> Address {
        members().proposer(Height(7), Round::new(round)).address
    }

    fn block() -> BlockBody {
        BlockBody {
            height: 7,
            time_ms: NOW,
            proposer: proposer(0).0,
            previous: TIP.log_hash,
            transactions: vec![vec![1; 100]],
        }
    }

    #[test]
    fn a_block_is_judged_by_every_rule() {
        let judged = |block: BlockBody, round: u32, polka: bool| {
            let on = On {
                tip: &TIP,
                members: &members(),
                proposer: proposer(round),
                carries_polka: polka,
                now_ms: NOW,
            };
            let bytes = block.encode().len();
            judge(&RULES, &block, bytes, &on)
                .err()
                .map_or("valid".to_string(), |reason| reason.to_string())
        };
        let refused = |change: fn(&mut BlockBody)| {
            let mut block = block();
            change(&mut block);
            judged(block, 0, false)
        };
        assert_eq!(refused(|_| {}), "valid");
        assert_eq!(refused(|block| block.transactions.clear()), "valid");
        assert_eq!(
            refused(|block| block.height = 8),
            "the block is for height 8, not 7"
        );
        assert_eq!(
            refused(|block| block.previous[0] = 1),
            "the block does not follow the log"
        );
        assert_eq!(
            refused(|block| block.proposer = [9; 32]),
            "the block was not built by the proposer"
        );
        assert_eq!(
            refused(|block| block.transactions.push(vec![0; 101])),
            "transaction 1 has 101 bytes, 1 to 100 are allowed"
        );
        assert_eq!(
            refused(|block| block.transactions.push(Vec::new())),
            "transaction 1 has 0 bytes, 1 to 100 are allowed"
        );
        assert_eq!(
            refused(|block| block.transactions = vec![vec![0; 100]; 20_000]),
            "the block has 2080084 bytes, at most 1048576 are allowed"
        );
        assert_eq!(
            refused(|block| block.time_ms = 100_000),
            "the time 100000 is not after 100000"
        );
        assert_eq!(refused(|block| block.time_ms = NOW + 1_000), "valid");
        assert_eq!(
            refused(|block| block.time_ms = NOW + 1_001),
            "the time 104001 is too far ahead of this clock, 103000"
        );
        assert_eq!(refused(|block| block.time_ms = 100_001), "valid");
        // Proposed again with a polka: by another proposer, and the time may be old.
        assert_eq!(
            judged(block(), 1, false),
            "the block was not built by the proposer"
        );
        assert_eq!(judged(block(), 1, true), "valid");
    }

    #[test]
    fn an_old_time_is_refused_unless_the_block_was_judged_before() {
        let later = |carries_polka| {
            let proposer = proposer(0);
            let on = On {
                tip: &TIP,
                members: &members(),
                proposer,
                carries_polka,
                now_ms: NOW + 5_001,
            };
            judge(&RULES, &block(), 100, &on)
        };
        assert_eq!(
            later(false),
            Err(Refused::TimeBehind {
                time_ms: NOW,
                now_ms: NOW + 5_001
            })
        );
        assert_eq!(later(true), Ok(()));
    }

    #[test]
    fn a_circle_whose_clock_was_ahead_goes_on_by_milliseconds() {
        let tip = Tip {
            time_ms: NOW + 60_000,
            ..TIP
        };
        let judged = |time_ms| {
            let on = On {
                tip: &tip,
                members: &members(),
                proposer: proposer(0),
                carries_polka: false,
                now_ms: NOW,
            };
            judge(&RULES, &BlockBody { time_ms, ..block() }, 100, &on).is_ok()
        };
        assert!(judged(NOW + 60_001));
        assert!(!judged(NOW + 60_002));
    }

    fn parts(body: &[u8], height: u64, round: u32) -> Vec<ProposalPart> {
        split(height, Round::new(round), Round::Nil, [5; 32], body)
    }

    fn add(assembler: &mut Assembler, from: Address, parts: &[ProposalPart]) -> Option<Assembled> {
        let mut whole = None;
        for part in parts {
            let added = assembler.add(from, part.clone(), TIP.height, 0, &members());
            assert!(added.is_none() || whole.is_none(), "assembled once");
            whole = whole.or(added);
        }
        whole
    }

    #[test]
    fn parts_make_the_block_again_in_any_order() {
        let body: Vec<u8> = (0..PART_BYTES * 2 + 17)
            .map(|at| (at % 251) as u8)
            .collect();
        for size in [
            1,
            17,
            PART_BYTES,
            PART_BYTES + 1,
            PART_BYTES * 2,
            body.len(),
        ] {
            let mut cut = parts(&body[..size], 7, 0);
            cut.reverse();
            let whole =
                add(&mut Assembler::new(1 << 20), proposer(0), &cut).expect("all parts are there");
            assert_eq!(whole.body, &body[..size]);
        }
    }

    #[test]
    fn a_repeated_stream_is_assembled_once() {
        let mut assembler = Assembler::new(1 << 20);
        assert!(add(&mut assembler, proposer(0), &parts(b"block", 7, 0)).is_some());
        assert!(add(&mut assembler, proposer(0), &parts(b"block", 7, 0)).is_none());
        assembler.decided(7);
        assert!(assembler.streams.is_empty());
    }

    #[test]
    fn only_the_proposer_of_the_round_near_this_height_is_heard() {
        let heard = |from, height, round| {
            add(
                &mut Assembler::new(1 << 20),
                from,
                &parts(b"block", height, round),
            )
            .is_some()
        };
        assert!(heard(proposer(0), 7, 0));
        assert!(!heard(proposer(1), 7, 0));
        assert!(heard(proposer(1), 7, 1));
        assert!(!heard(proposer(ROUNDS_AHEAD + 1), 7, ROUNDS_AHEAD + 1));
        assert!(heard(proposer(1), 8, 0));
        let of = |height| members().proposer(Height(height), Round::new(0)).address;
        assert!(!heard(of(6), 6, 0));
        assert!(!heard(of(9), 9, 0));
    }

    #[test]
    fn parts_that_cannot_fit_are_dropped() {
        let mut assembler = Assembler::new(PART_BYTES);
        let too_many = parts(&vec![0; PART_BYTES + 1], 7, 0);
        assert!(add(&mut assembler, proposer(0), &too_many).is_none());
        let mut odd = parts(&vec![0; PART_BYTES], 7, 0);
        odd[0].index = 1;
        assert!(add(&mut assembler, proposer(0), &odd).is_none());
        odd[0].index = 0;
        odd[0].data = vec![0; PART_BYTES + 1].into();
        assert!(add(&mut assembler, proposer(0), &odd).is_none());
        assert!(assembler.streams.is_empty());
    }
}
