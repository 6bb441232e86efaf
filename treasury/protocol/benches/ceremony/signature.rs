//! One signature: what a node does for it, message by message, against the bare crate.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use treasury_protocol::ceremony::sign::{Duty, Message, Signing, SigningNonces};
use treasury_protocol::ceremony::{GroupKey, KeyShare};

use crate::bare::{Bare, Times};
use crate::clock::{Clock, ms};

/// Times of one node.
#[derive(Default)]
struct Node {
    commit: Clock,
    /// Taking the commitments of the session in, each into the stored state.
    commitments: Clock,
    /// Taking those in that come after the session is fixed.
    surplus: Clock,
    sign: Clock,
    /// Taking the shares in, the last of which makes the signature.
    shares: Clock,
}

/// Signs `runs` times in both ways, and prints the fastest times of each part with their ratio.
pub fn compare(key: &GroupKey, shares: &[KeyShare], runs: u64) {
    let bare = Bare::new(key, shares);
    let (mut node, mut times) = (Node::default(), Times::default());
    let mut stored = 0;
    for run in 0..runs {
        let mut rng = ChaCha20Rng::seed_from_u64(run);
        let message = [run as u8; 32];
        let mut this = Node::default();
        stored = sign(key, shares, message, &mut rng, &mut this);
        node = Node {
            commit: this.commit.least(node.commit),
            commitments: this.commitments.least(node.commitments),
            surplus: this.surplus.least(node.surplus),
            sign: this.sign.least(node.sign),
            shares: this.shares.least(node.shares),
        };
        let mut this = Times::default();
        bare.sign(&message, &mut rng, &mut this);
        times = Times {
            commit: this.commit.least(times.commit),
            commitments: this.commitments.least(times.commitments),
            sign: this.sign.least(times.sign),
            shares: this.shares.least(times.shares),
            shares_at_once: this.shares_at_once.least(times.shares_at_once),
            aggregate: this.aggregate.least(times.aggregate),
        };
    }
    print(key, &node, &times, stored);
}

/// One signature with every member at work. The states are those of one node, whose own member is the first.
/// Returns the bytes of the state at its end.
fn sign(
    key: &GroupKey,
    shares: &[KeyShare],
    message: [u8; 32],
    rng: &mut ChaCha20Rng,
    node: &mut Node,
) -> usize {
    let stored_key = borsh::to_vec(key).unwrap();
    let mut stored = borsh::to_vec(&Signing::new(key, message)).unwrap();
    let (mut nonces, mut posted) = (Vec::new(), Vec::new());
    for share in shares {
        let (secret, message) = match share.index() {
            1 => node.commit.time(|| SigningNonces::commit(share, rng)),
            _ => SigningNonces::commit(share, rng),
        }
        .unwrap();
        nonces.push(secret);
        posted.push((share.index(), message.encode()));
    }
    for (sender, bytes) in &posted {
        let clock = match *sender <= key.threshold {
            true => &mut node.commitments,
            false => &mut node.surplus,
        };
        stored = clock.time(|| take(&stored_key, &stored, *sender, bytes));
    }
    let mut posted = Vec::new();
    let view: Signing = borsh::from_slice(&stored).unwrap();
    for (share, nonces) in shares.iter().zip(nonces) {
        let Some(Duty::Share { session }) = view.duty(share.index()) else {
            continue;
        };
        let sign = || {
            // A node reads the state to see its duty.
            let view: Signing = borsh::from_slice(&stored).unwrap();
            nonces.sign(share, key, &view, session, &message).unwrap()
        };
        let message = match share.index() {
            1 => node.sign.time(sign),
            _ => sign(),
        };
        posted.push((share.index(), message.encode()));
    }
    for (sender, bytes) in &posted {
        stored = node
            .shares
            .time(|| take(&stored_key, &stored, *sender, bytes));
    }
    let done: Signing = borsh::from_slice(&stored).unwrap();
    assert!(done.signature().is_some());
    stored.len()
}

/// Judges as a node does: message, key and state read from their bytes, message applied, state written.
fn take(key: &[u8], stored: &[u8], sender: u16, message: &[u8]) -> Vec<u8> {
    let message = Message::decode(message).unwrap();
    let key: GroupKey = borsh::from_slice(key).unwrap();
    let mut signing: Signing = borsh::from_slice(stored).unwrap();
    signing.apply(&key, sender, &message).unwrap();
    borsh::to_vec(&signing).unwrap()
}

fn print(key: &GroupKey, node: &Node, bare: &Times, stored: usize) {
    println!(
        "signature {}/{}, ms of one participant (state of {stored} B read and written with each message):",
        key.members(),
        key.threshold
    );
    let row = |what: &str, node: Option<Clock>, bare: Option<Clock>| {
        let show = |clock: Option<Clock>| clock.map_or("-".to_owned(), |clock| clock.total_ms());
        let each = |clock: Option<Clock>| clock.map_or("-".to_owned(), |clock| clock.each_ms());
        println!(
            "  {what:<42} {:>9} {:>9} each   bare {:>9} {:>9} each",
            show(node),
            each(node),
            show(bare),
            each(bare)
        );
    };
    row("own commitment", Some(node.commit), Some(bare.commit));
    row(
        "commitments of the signers",
        Some(node.commitments),
        Some(bare.commitments),
    );
    row("commitments past the threshold", Some(node.surplus), None);
    row("own share", Some(node.sign), Some(bare.sign));
    row(
        "shares, each on arrival; the signature",
        Some(node.shares),
        Some(bare.shares),
    );
    row("shares, all at once", None, Some(bare.shares_at_once));
    row("aggregation of good shares", None, Some(bare.aggregate));
    let state = node.commitments.total + node.surplus.total + node.shares.total;
    let ours = node.commit.total + node.sign.total + state;
    let own = bare.commit.total + bare.sign.total + bare.commitments.total;
    let on_arrival = own + bare.shares.total + bare.aggregate.total;
    let at_once = own + bare.shares_at_once.total;
    println!(
        "  a node that signs {}, one that watches {}",
        ms(ours),
        ms(state)
    );
    println!(
        "  ratio to the bare crate: {} when it judges each share on arrival ({}), {} when it judges all at once ({})",
        ratio(ours, on_arrival),
        ms(on_arrival),
        ratio(ours, at_once),
        ms(at_once)
    );
}

/// With two decimals, without floats.
fn ratio(ours: Duration, bare: Duration) -> String {
    let hundredths = ours.as_nanos() * 100 / bare.as_nanos().max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}
