//! Prints transactions, one JSON object a line, for the official Stellar SDK to check:
//!
//! `cargo run --release -p treasury-protocol --example stellar_envelopes | python tests/peers/stellar_verify.py`
//!
//! Nine members make a key and sign every kind of operation, memo and network with it, alone and beside the keys of
//! persons; each envelope is put into a fee bump. Then an account gets owners, and another a new key. A seed may be given as argument.

use ed25519_zebra::{SigningKey, VerificationKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};
use treasury_protocol::ceremony::keygen::{Conclusion, Keygen, Participant, Phase, Received, Seed};
use treasury_protocol::ceremony::sign::{Signing, SigningNonces};
use treasury_protocol::ceremony::{CeremonyId, GroupKey, KeyShare};
use treasury_protocol::stellar::{
    Asset, AssetCode, Batch, Destination, Memo, Operation, PUBLIC_PASSPHRASE, Signature,
    TESTNET_PASSPHRASE, TimeBounds, address, fee_bump, multisig, rotation,
};

const MEMBERS: u16 = 9;
const THRESHOLD: u16 = 7;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let seed = std::env::args().nth(1).map_or(Ok(1), |seed| seed.parse())?;
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (key, shares) = keygen(&mut rng)?;
    for number in 0..48 {
        let batch = batch(&key, number, &mut rng)?;
        let passphrase = if number % 2 == 0 {
            TESTNET_PASSPHRASE
        } else {
            PUBLIC_PASSPHRASE
        };
        // Keys of persons beside the group's, up to as many as an envelope takes.
        let persons = persons([0, 1, 8, 19][number / 3 % 4], &mut rng);
        let hash = batch.hash(passphrase)?;
        let mut signatures: Vec<_> = persons.iter().map(|one| signed(one, &hash)).collect();
        signatures.push(Signature {
            key: key.public,
            bytes: sign(&key, &shares, hash, &mut rng)?,
        });
        print(&batch, passphrase, &signatures, &mut rng)?;
    }
    own(&mut rng)?;
    rotate(&key, &shares, &mut rng)
}

/// An account is given to 20 owners, of whom seven leave and five come.
fn own(rng: &mut ChaCha20Rng) -> Result<(), Failure> {
    let (account, owners) = (SigningKey::from(key_bytes(rng)), persons(25, rng));
    let keys: Vec<_> = owners.iter().map(public).collect();
    let mut batch = batch_of(public(&account), multisig::setup(&keys[..20], 14)?);
    let hash = batch.hash(TESTNET_PASSPHRASE)?;
    print(&batch, TESTNET_PASSPHRASE, &[signed(&account, &hash)], rng)?;
    batch.operations = multisig::change(&keys[..20], &keys[7..], 13)?;
    batch.sequence += 1;
    let hash = batch.hash(TESTNET_PASSPHRASE)?;
    let signatures: Vec<_> = owners[..14].iter().map(|one| signed(one, &hash)).collect();
    print(&batch, TESTNET_PASSPHRASE, &signatures, rng)
}

/// The account of the group passes to another key, and from that to a third.
fn rotate(key: &GroupKey, shares: &[KeyShare], rng: &mut ChaCha20Rng) -> Result<(), Failure> {
    let (second, third) = (&persons(1, rng)[0], &persons(1, rng)[0]);
    let mut batch = batch_of(key.public, vec![rotation::introduce(public(second))]);
    let hash = batch.hash(TESTNET_PASSPHRASE)?;
    let bytes = sign(key, shares, hash, rng)?;
    let of_group = Signature {
        key: key.public,
        bytes,
    };
    print(&batch, TESTNET_PASSPHRASE, &[of_group], rng)?;
    for (operation, signer) in [
        (rotation::retire(key.public, key.public), second),
        (rotation::introduce(public(third)), second),
        (rotation::retire(key.public, public(second)), third),
    ] {
        batch.operations = vec![operation];
        batch.sequence += 1;
        let hash = batch.hash(TESTNET_PASSPHRASE)?;
        print(&batch, TESTNET_PASSPHRASE, &[signed(signer, &hash)], rng)?;
    }
    Ok(())
}

fn persons(count: usize, rng: &mut ChaCha20Rng) -> Vec<SigningKey> {
    let person = || SigningKey::from(key_bytes(rng));
    std::iter::repeat_with(person).take(count).collect()
}

fn public(person: &SigningKey) -> [u8; 32] {
    VerificationKey::from(person).into()
}

fn signed(person: &SigningKey, hash: &[u8; 32]) -> Signature {
    Signature {
        key: public(person),
        bytes: person.sign(hash).into(),
    }
}

fn print(
    batch: &Batch,
    passphrase: &str,
    signatures: &[Signature],
    rng: &mut ChaCha20Rng,
) -> Result<(), Failure> {
    let envelope = batch.envelope(passphrase, signatures)?;
    let lines = batch.operations.iter().enumerate();
    let lines = lines.map(|(position, operation)| line(batch, position, operation));
    let bounds = batch.time_bounds;
    println!(
        "{}",
        json!({
            "network_passphrase": passphrase,
            "tx_hash": hex::encode(batch.hash(passphrase)?),
            "envelope_xdr": envelope,
            "wallet": address(&batch.source),
            "signers": signatures.iter().map(|one| address(&one.key)).collect::<Vec<_>>(),
            "memo": batch.memo.as_ref().map(memo),
            "fee_per_op_stroops": batch.fee_per_op_stroops,
            "sequence": batch.sequence.to_string(),
            "time_bounds": [bounds.min.to_string(), bounds.max.to_string()],
            "lines": lines.collect::<Result<Vec<_>, _>>()?,
            "fee_bump": bump(&envelope, passphrase, batch, rng)?,
        })
    );
    Ok(())
}

fn bump(
    envelope: &str,
    passphrase: &str,
    batch: &Batch,
    rng: &mut ChaCha20Rng,
) -> Result<Value, Failure> {
    let hot = SigningKey::from(key_bytes(rng));
    let source = public(&hot);
    let least = i64::from(batch.fee_per_op_stroops) * (batch.operations.len() as i64 + 1);
    let bump = fee_bump(
        envelope,
        passphrase,
        source,
        least + i64::from(rng.next_u32()),
    )?;
    Ok(json!({
        "source": address(&source),
        "fee_stroops": bump.fee_stroops().to_string(),
        "tx_hash": hex::encode(bump.hash()),
        "envelope_xdr": bump.envelope(&hot.sign(&bump.hash()).into())?,
    }))
}

fn memo(memo: &Memo) -> Value {
    match memo {
        Memo::Text(text) => json!({ "text": text }),
        Memo::Id(id) => json!({ "id": id.to_string() }),
        Memo::Hash(hash) => json!({ "hash": hex::encode(hash) }),
    }
}

fn line(batch: &Batch, position: usize, operation: &Operation) -> Result<Value, Failure> {
    Ok(match operation {
        Operation::Payment { to, asset, amount } => {
            json!({ "to": to.to_string(), "asset": name(asset), "amount": decimal(*amount) })
        }
        Operation::CreateClaimable {
            to,
            asset,
            amount,
            reclaim_after_s,
        } => json!({
            "kind": "create_claimable",
            "to": address(to),
            "asset": name(asset),
            "amount": decimal(*amount),
            "reclaim_after_s": reclaim_after_s,
            "balance": hex::encode(batch.claimable_id(position)?),
        }),
        Operation::Reclaim { balance } => {
            json!({ "kind": "reclaim", "balance": hex::encode(balance) })
        }
        Operation::Trust { asset, limit } => {
            json!({ "kind": "trust", "asset": name(asset), "limit": decimal(*limit) })
        }
        Operation::SetSigner { key, weight } => {
            json!({ "kind": "set_signer", "key": address(key), "weight": weight })
        }
        Operation::SetThresholds {
            master,
            low,
            medium,
            high,
        } => {
            json!({ "kind": "set_thresholds", "master": master, "low": low, "medium": medium, "high": high })
        }
        Operation::Nothing => json!({ "kind": "nothing" }),
    })
}

fn name(asset: &Asset) -> String {
    match asset {
        Asset::Native => "XLM".to_owned(),
        Asset::Issued { code, issuer } => format!("{}:{}", code.as_str(), address(issuer)),
    }
}

fn decimal(units: i64) -> String {
    format!("{}.{:07}", units / 10_000_000, units % 10_000_000)
}

fn batch_of(source: [u8; 32], operations: Vec<Operation>) -> Batch {
    Batch {
        source,
        fee_per_op_stroops: 100,
        sequence: 1,
        time_bounds: TimeBounds {
            min: 0,
            max: 1_800_000_000,
        },
        memo: None,
        operations,
    }
}

fn batch(key: &GroupKey, number: usize, rng: &mut ChaCha20Rng) -> Result<Batch, Failure> {
    let size = [1, 2, 7, 100][number % 4];
    let operations = (0..size)
        .map(|_| operation(rng))
        .collect::<Result<_, _>>()?;
    let min = u64::from(rng.next_u32());
    Ok(Batch {
        source: key.public,
        fee_per_op_stroops: 100 + rng.next_u32() % 1_000_000,
        sequence: 1 + (rng.next_u64() >> 2) as i64,
        time_bounds: TimeBounds {
            min,
            max: min + 1 + u64::from(rng.next_u32()),
        },
        memo: match number / 4 % 4 {
            0 => None,
            1 => Some(Memo::Text(
                "roll-up of 2024-02-01, größer".chars().take(24).collect(),
            )),
            2 => Some(Memo::Id(rng.next_u64())),
            _ => Some(Memo::Hash(key_bytes(rng))),
        },
        operations,
    })
}

fn operation(rng: &mut ChaCha20Rng) -> Result<Operation, Failure> {
    let codes = ["TFT", "USDC", "X", "ABCDE", "GUARDIANS123"];
    let issued = Asset::Issued {
        code: AssetCode::new(codes[rng.next_u32() as usize % codes.len()])?,
        issuer: key_bytes(rng),
    };
    let amount = match rng.next_u32() % 8 {
        0 => i64::MAX,
        1 => 1,
        _ => 1 + (rng.next_u64() >> 20) as i64,
    };
    let asset = match rng.next_u32() % 6 {
        0 => Asset::Native,
        _ => issued.clone(),
    };
    let [weight, low, medium, high] = rng.next_u32().to_be_bytes();
    Ok(match rng.next_u32() % 9 {
        0 => Operation::CreateClaimable {
            to: key_bytes(rng),
            asset,
            amount,
            reclaim_after_s: 1 + u64::from(rng.next_u32()),
        },
        1 => Operation::Reclaim {
            balance: key_bytes(rng),
        },
        2 => Operation::Trust {
            asset: issued,
            limit: amount - 1,
        },
        3 => Operation::SetSigner {
            key: key_bytes(rng),
            weight,
        },
        4 => Operation::SetThresholds {
            master: weight,
            low,
            medium,
            high,
        },
        5 => Operation::Nothing,
        kind => Operation::Payment {
            to: Destination {
                key: key_bytes(rng),
                muxed: (kind == 6).then(|| rng.next_u64()),
            },
            asset,
            amount,
        },
    })
}

fn key_bytes(rng: &mut ChaCha20Rng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn keygen(rng: &mut ChaCha20Rng) -> Result<(GroupKey, Vec<KeyShare>), Failure> {
    let guardians = (1..=MEMBERS).map(|index| [index as u8; 32]).collect();
    let mut keygen = Keygen::new(CeremonyId(key_bytes(rng)), guardians, THRESHOLD)?;
    let participant = |index| Participant::from_seed(&Seed::random(rng), &keygen, index);
    let participants = (1..=MEMBERS)
        .map(participant)
        .collect::<Result<Vec<_>, _>>()?;
    let (mut received, mut shares) = (Received::default(), Vec::new());
    for phase in [Phase::Round1, Phase::Round2, Phase::Confirm] {
        for (index, participant) in (1..).zip(&participants) {
            let message = match phase {
                Phase::Round1 => participant.round1(&keygen)?,
                Phase::Round2 => participant.round2(&keygen)?,
                _ => match participant.conclude(&keygen, &received)? {
                    Conclusion::Confirm { share, message } => {
                        shares.push(share);
                        message
                    }
                    Conclusion::Complain { accused, .. } => {
                        Err(format!("member {accused} sent a bad share"))?
                    }
                },
            };
            keygen.apply(index, &message)?;
            received.record(index, message);
        }
    }
    Ok((keygen.key().ok_or("the ceremony made no key")?, shares))
}

fn sign(
    key: &GroupKey,
    shares: &[KeyShare],
    hash: [u8; 32],
    rng: &mut ChaCha20Rng,
) -> Result<[u8; 64], Failure> {
    let mut signing = Signing::new(key, hash);
    let signers = &shares[..usize::from(THRESHOLD)];
    let mut nonces = Vec::new();
    for share in signers {
        let (secret, message) = SigningNonces::commit(share, rng)?;
        signing.apply(key, share.index(), &message)?;
        nonces.push(secret);
    }
    for (share, nonces) in signers.iter().zip(nonces) {
        let message = nonces.sign(share, key, &signing, 0, &hash)?;
        signing.apply(key, share.index(), &message)?;
    }
    Ok(signing.signature().ok_or("the group made no signature")?)
}
