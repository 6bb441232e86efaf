//! What a ceremony costs: CPU of each node for judging all messages, of one participant for its own part, and bytes;
//! and what a signature costs a node against the bare `frost-ed25519` crate, which does the same work in the same run.
//!
//! Run with `cargo bench -p treasury-protocol --bench ceremony`; one thread, so that times are CPU times on an idle
//! machine. With `-- --test` once, with few members.

mod bare;
mod clock;
mod signature;

use clock::Clock;
use treasury_protocol::ceremony::keygen::{Conclusion, Keygen, Participant, Phase, Received, Seed};
use treasury_protocol::ceremony::{CeremonyId, GroupKey, KeyShare};

/// Judges as a node does: state read from its bytes, message applied, state written.
macro_rules! judge {
    ($clock:expr, $state:expr, $type:ty, $apply:expr) => {
        $state = $clock.time(|| {
            let mut state: $type = borsh::from_slice(&$state).unwrap();
            $apply(&mut state);
            borsh::to_vec(&state).unwrap()
        })
    };
}

fn keygen(members: u16, threshold: u16) -> (GroupKey, Vec<KeyShare>) {
    let guardians = (1..=members).map(|index| [index as u8; 32]).collect();
    let mut state =
        borsh::to_vec(&Keygen::new(CeremonyId([1; 32]), guardians, threshold).unwrap()).unwrap();
    let (mut received, mut shares, mut bytes) = (Received::default(), Vec::new(), 0);
    let [mut start, mut round1, mut round2, mut conclude] = [(); 4].map(|()| Clock::default());
    let [mut judge1, mut judge2, mut judge3] = [(); 3].map(|()| Clock::default());
    let view: Keygen = borsh::from_slice(&state).unwrap();
    let seed = |index| Seed::from_bytes([index as u8; 32]);
    let participants: Vec<_> = (1..=members)
        .map(|index| start.time(|| Participant::from_seed(&seed(index), &view, index).unwrap()))
        .collect();
    for phase in [Phase::Round1, Phase::Round2, Phase::Confirm] {
        let view: Keygen = borsh::from_slice(&state).unwrap();
        for (index, participant) in (1..).zip(&participants) {
            let (message, clock) = match phase {
                Phase::Round1 => (
                    round1.time(|| participant.round1(&view).unwrap()),
                    &mut judge1,
                ),
                Phase::Round2 => (
                    round2.time(|| participant.round2(&view).unwrap()),
                    &mut judge2,
                ),
                _ => {
                    let conclusion =
                        conclude.time(|| participant.conclude(&view, &received).unwrap());
                    let Conclusion::Confirm { share, message } = conclusion else {
                        panic!("all are honest")
                    };
                    shares.push(share);
                    (message, &mut judge3)
                }
            };
            bytes += message.encode().len();
            judge!(clock, state, Keygen, |state: &mut Keygen| state
                .apply(index, &message)
                .unwrap());
            received.record(index, message);
        }
    }
    let judged = judge1.total + judge2.total + judge3.total;
    println!(
        "keygen {members:>2}/{threshold}: judging {} ms (round 1 {}, round 2 {}, confirm {}); participant {} + {} + {} + {} ms; {} kB on the log, state {} B",
        judged.as_millis(),
        judge1.total_ms(),
        judge2.total_ms(),
        judge3.total_ms(),
        start.each_ms(),
        round1.each_ms(),
        round2.each_ms(),
        conclude.each_ms(),
        bytes / 1000,
        state.len(),
    );
    let state: Keygen = borsh::from_slice(&state).unwrap();
    (state.key().unwrap(), shares)
}

fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let groups = [(9, 7), (33, 23), (99, 67)];
    let groups = if test { &groups[..1] } else { &groups };
    for (members, threshold) in groups {
        let (key, shares) = keygen(*members, *threshold);
        signature::compare(&key, &shares, if test { 3 } else { 9 });
    }
}
