//! What a ceremony costs: CPU of each node for judging all messages, of one participant for its own part, and bytes.
//! Run with `cargo bench -p treasury-protocol`; one thread, so that times are CPU times on an idle machine.

use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use treasury_protocol::ceremony::keygen::{Conclusion, Keygen, Participant, Phase, Received, Seed};
use treasury_protocol::ceremony::sign::{Duty, Signing, SigningNonces};
use treasury_protocol::ceremony::{CeremonyId, GroupKey, KeyShare};

/// Time spent in one kind of work, over how many calls.
#[derive(Default)]
struct Clock {
    total: Duration,
    calls: u32,
}

impl Clock {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.total += start.elapsed();
        self.calls += 1;
        result
    }

    fn each_ms(&self) -> String {
        let micros = self.total.as_micros() / u128::from(self.calls.max(1));
        format!("{}.{:03} ms", micros / 1000, micros % 1000)
    }

    fn total_ms(&self) -> String {
        format!("{} ms", self.total.as_millis())
    }
}

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
        "keygen {members:>2}/{threshold}: judging {} ms (round 1 {}, round 2 {}, confirm {}); participant {} + {} + {} + {}; {} kB on the log, state {} B",
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

fn sign(key: &GroupKey, shares: &[KeyShare]) {
    let message = [7; 32];
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut state = borsh::to_vec(&Signing::new(key, message)).unwrap();
    let [mut commit, mut make, mut judge_commit, mut judge_share] =
        [(); 4].map(|()| Clock::default());
    let mut nonces = Vec::new();
    for share in shares {
        let (secret, message) = commit.time(|| SigningNonces::commit(share, &mut rng).unwrap());
        nonces.push(secret);
        judge!(judge_commit, state, Signing, |state: &mut Signing| state
            .apply(key, share.index(), &message)
            .unwrap());
    }
    for (share, nonces) in shares.iter().zip(nonces) {
        let view: Signing = borsh::from_slice(&state).unwrap();
        let Some(Duty::Share { session }) = view.duty(share.index()) else {
            continue;
        };
        let posted = make.time(|| nonces.sign(share, key, &view, session, &message).unwrap());
        judge!(judge_share, state, Signing, |state: &mut Signing| state
            .apply(key, share.index(), &posted)
            .unwrap());
    }
    let done: Signing = borsh::from_slice(&state).unwrap();
    assert!(done.signature().is_some());
    println!(
        "sign   {:>2}/{}: judging {} ms (each commitment {}, each share {}); signer {} + {}; state {} B",
        key.members(),
        key.threshold,
        (judge_commit.total + judge_share.total).as_millis(),
        judge_commit.each_ms(),
        judge_share.each_ms(),
        commit.each_ms(),
        make.each_ms(),
        state.len(),
    );
}

fn main() {
    for (members, threshold) in [(9, 7), (33, 23), (99, 67)] {
        let (key, shares) = keygen(members, threshold);
        sign(&key, &shares);
    }
}
