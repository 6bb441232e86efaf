//! The whole way of a payout through the public interface: a key without a dealer, a batch, its hash, the group's signature,
//! the envelope. Nothing but bytes passes between the members, and each keeps its own copy of every state.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use treasury_protocol::ceremony::keygen::{
    self, Conclusion, Keygen, Participant, Phase, Received, Seed,
};
use treasury_protocol::ceremony::sign::{self, Duty, Progress, Signing, SigningNonces};
use treasury_protocol::ceremony::{CeremonyId, GroupKey, KeyShare};
use treasury_protocol::stellar::{
    Asset, AssetCode, Batch, Envelope, Operation, Signature, TESTNET_PASSPHRASE, TimeBounds,
};

/// One member's node: what it stores (seed, share) and what it holds in memory (nonces).
struct Node {
    index: u16,
    seed: Seed,
    share: Option<KeyShare>,
    nonces: Option<SigningNonces>,
    rng: ChaCha20Rng,
}

fn nodes(members: u16) -> Vec<Node> {
    let node = |index| {
        let mut rng = ChaCha20Rng::seed_from_u64(u64::from(index));
        Node {
            index,
            seed: Seed::random(&mut rng),
            share: None,
            nonces: None,
            rng,
        }
    };
    (1..=members).map(node).collect()
}

/// Orders what the members post until the key is there. Each message is judged by a state that was stored and read again,
/// and each participant is made anew from its seed, as after a restart.
fn generate(nodes: &mut [Node], threshold: u16) -> GroupKey {
    let guardians = nodes.iter().map(|node| [node.index as u8; 32]).collect();
    let mut stored =
        borsh::to_vec(&Keygen::new(CeremonyId([1; 32]), guardians, threshold).unwrap()).unwrap();
    let mut received = Received::default();
    loop {
        let mut keygen: Keygen = borsh::from_slice(&stored).unwrap();
        if let Some(key) = keygen.key() {
            return key;
        }
        for index in keygen.waiting_for() {
            let node = &mut nodes[usize::from(index) - 1];
            let participant = Participant::from_seed(&node.seed, &keygen, index).unwrap();
            let message = match keygen.phase() {
                Phase::Round1 => participant.round1(&keygen).unwrap(),
                Phase::Round2 => participant.round2(&keygen).unwrap(),
                _ => {
                    let conclusion = participant.conclude(&keygen, &received).unwrap();
                    let Conclusion::Confirm { share, message } = conclusion else {
                        panic!("all are honest")
                    };
                    node.share = Some(KeyShare::from_bytes(&share.to_bytes()).unwrap());
                    message
                }
            };
            let message = keygen::Message::decode(&message.encode()).unwrap();
            let progress = keygen.apply(index, &message).unwrap();
            received.record(index, message);
            if progress != keygen::Progress::Accepted {
                break;
            }
        }
        stored = borsh::to_vec(&keygen).unwrap();
    }
}

/// Lets the members follow their duties until the signature is there.
fn sign(nodes: &mut [Node], key: &GroupKey, message: [u8; 32]) -> [u8; 64] {
    let mut signing = Signing::new(key, message);
    loop {
        for node in nodes.iter_mut() {
            let share = node.share.as_ref().unwrap();
            let posted = match signing.duty(node.index) {
                None | Some(Duty::StandBy { .. }) => continue,
                Some(Duty::Commit) => {
                    let (nonces, posted) = SigningNonces::commit(share, &mut node.rng).unwrap();
                    node.nonces = Some(nonces);
                    posted
                }
                Some(Duty::Share { session }) => {
                    let nonces = node.nonces.take().unwrap();
                    nonces
                        .sign(share, key, &signing, session, &message)
                        .unwrap()
                }
            };
            let posted = sign::Message::decode(&posted.encode()).unwrap();
            if let Progress::Signed { signature } = signing.apply(key, node.index, &posted).unwrap()
            {
                assert_eq!(signing.sessions().len(), 1, "nobody was replaced");
                return signature;
            }
        }
        signing = borsh::from_slice(&borsh::to_vec(&signing).unwrap()).unwrap();
    }
}

fn batch(key: &GroupKey, payments: u8) -> Batch {
    let asset = Asset::Issued {
        code: AssetCode::new("TFT").unwrap(),
        issuer: [9; 32],
    };
    let payment = |number: u8| Operation::Payment {
        to: [number; 32].into(),
        asset: asset.clone(),
        amount: i64::from(number),
    };
    Batch {
        source: key.public,
        fee_per_op_stroops: 100,
        sequence: 1,
        time_bounds: TimeBounds {
            min: 0,
            max: 1_700_000_000,
        },
        memo: None,
        operations: (1..=payments).map(payment).collect(),
    }
}

fn pays(members: u16, threshold: u16) {
    let mut nodes = nodes(members);
    let key = generate(&mut nodes, threshold);
    assert_eq!((key.members(), key.threshold), (members, threshold));
    assert!(nodes.iter().all(|node| {
        node.share
            .as_ref()
            .is_some_and(|share| share.belongs_to(&key))
    }));
    let batch = batch(&key, 100);
    let hash = batch.hash(TESTNET_PASSPHRASE).unwrap();
    let signature = sign(&mut nodes, &key, hash);
    let public = ed25519_zebra::VerificationKey::try_from(key.public).unwrap();
    public
        .verify(&ed25519_zebra::Signature::from(signature), &hash)
        .unwrap();
    let signature = Signature {
        key: key.public,
        bytes: signature,
    };
    let envelope =
        Envelope::parse(&batch.envelope(TESTNET_PASSPHRASE, &[signature]).unwrap()).unwrap();
    assert_eq!(
        envelope.signers(TESTNET_PASSPHRASE, &[key.public]),
        Ok(vec![key.public])
    );
    assert_eq!(envelope.batch, batch);
    signs_in_spite_of_faults(&mut nodes, &key);
}

/// As many as the group can spare cheat or fall silent, half and half, each where it costs most.
fn signs_in_spite_of_faults(nodes: &mut [Node], key: &GroupKey) {
    let message = [9; 32];
    let spare = key.members() - key.threshold;
    let (cheaters, silent) = (1..=spare / 2, spare / 2 + 1..=spare);
    let mut signing = Signing::new(key, message);
    let signature = 'signed: loop {
        assert!(signing.sessions().len() <= usize::from(spare) + 1);
        for node in nodes.iter_mut() {
            let share = node.share.as_ref().unwrap();
            let duty = signing.duty(node.index);
            let message = match duty {
                None => continue,
                Some(Duty::Share { session }) if cheaters.contains(&node.index) => {
                    let share = [node.index as u8; 32];
                    sign::Message::Share { session, share }
                }
                Some(Duty::Share { .. }) if silent.contains(&node.index) => continue,
                Some(Duty::Share { session }) => {
                    let nonces = node.nonces.take().unwrap();
                    nonces
                        .sign(share, key, &signing, session, &message)
                        .unwrap()
                }
                // Nobody has more patience than for one turn of all.
                Some(Duty::Commit | Duty::StandBy { .. }) => {
                    let (nonces, posted) = SigningNonces::commit(share, &mut node.rng).unwrap();
                    node.nonces = Some(nonces);
                    posted
                }
            };
            if let Progress::Signed { signature } =
                signing.apply(key, node.index, &message).unwrap()
            {
                break 'signed signature;
            }
        }
    };
    let named: Vec<u16> = signing.cheaters().iter().map(|one| one.culprit).collect();
    assert!(!named.is_empty() && named.iter().all(|one| cheaters.contains(one)));
    ed25519_zebra::VerificationKey::try_from(key.public)
        .unwrap()
        .verify(&ed25519_zebra::Signature::from(signature), &message)
        .unwrap();
}

#[test]
fn nine_guardians_pay() {
    pays(9, 7);
}

#[test]
fn thirty_three_guardians_pay() {
    pays(33, 23);
}

#[test]
fn ninety_nine_guardians_pay() {
    pays(99, 67);
}
