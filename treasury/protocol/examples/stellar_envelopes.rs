//! Prints payouts, one JSON object a line, for the official Stellar SDK to check:
//!
//! `cargo run --release -p treasury-protocol --example stellar_envelopes | python tests/peers/stellar_verify.py`
//!
//! Nine members make a key and sign every kind of payment, memo and network with it; a seed may be given as argument.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};
use treasury_protocol::ceremony::keygen::{Conclusion, Keygen, Participant, Phase, Received, Seed};
use treasury_protocol::ceremony::sign::{Signing, SigningNonces};
use treasury_protocol::ceremony::{CeremonyId, GroupKey, KeyShare};
use treasury_protocol::stellar::{
    Asset, AssetCode, Memo, PUBLIC_PASSPHRASE, Payment, PaymentBatch, TESTNET_PASSPHRASE,
    TimeBounds, address,
};

const MEMBERS: u16 = 9;
const THRESHOLD: u16 = 7;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let seed = std::env::args().nth(1).map_or(Ok(1), |seed| seed.parse())?;
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (key, shares) = keygen(&mut rng)?;
    for number in 0..24 {
        let batch = batch(&key, number, &mut rng)?;
        let passphrase = if number % 2 == 0 {
            TESTNET_PASSPHRASE
        } else {
            PUBLIC_PASSPHRASE
        };
        let signature = sign(&key, &shares, batch.hash(passphrase)?, &mut rng)?;
        println!(
            "{}",
            json!({
                "network_passphrase": passphrase,
                "tx_hash": hex::encode(batch.hash(passphrase)?),
                "envelope_xdr": batch.envelope(passphrase, &signature)?,
                "wallet": address(&key.public),
                "lines": batch.operations.iter().map(line).collect::<Vec<_>>(),
            })
        );
    }
    Ok(())
}

fn line(payment: &Payment) -> Value {
    let asset = match &payment.asset {
        Asset::Native => "XLM".to_owned(),
        Asset::Issued { code, issuer } => format!("{}:{}", code.as_str(), address(issuer)),
    };
    let (whole, fraction) = (payment.amount / 10_000_000, payment.amount % 10_000_000);
    json!({ "to": address(&payment.destination), "asset": asset, "amount": format!("{whole}.{fraction:07}") })
}

fn batch(key: &GroupKey, number: usize, rng: &mut ChaCha20Rng) -> Result<PaymentBatch, Failure> {
    let size = [1, 2, 7, 100][number % 4];
    let operations = (0..size).map(|_| payment(rng)).collect::<Result<_, _>>()?;
    let min = u64::from(rng.next_u32());
    Ok(PaymentBatch {
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

fn payment(rng: &mut ChaCha20Rng) -> Result<Payment, Failure> {
    let codes = ["TFT", "USDC", "X", "ABCDE", "GUARDIANS123"];
    let asset = match rng.next_u32() as usize % 6 {
        5 => Asset::Native,
        which => Asset::Issued {
            code: AssetCode::new(codes[which])?,
            issuer: key_bytes(rng),
        },
    };
    let amount = match rng.next_u32() % 8 {
        0 => i64::MAX,
        1 => 1,
        _ => 1 + (rng.next_u64() >> 20) as i64,
    };
    Ok(Payment {
        destination: key_bytes(rng),
        asset,
        amount,
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
