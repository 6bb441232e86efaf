//! Prints Safes and their transactions, one JSON object a line, for ethers to check with the published contracts of Safe:
//!
//! `cargo run --release -p treasury-protocol --example safe_transactions | node tests/peers/safe_verify.mjs`
//!
//! Circles of 1 to 99 owners, each kind of call, alone and in batches, signed by as many owners as are needed, and the changes by which other
//! guardians become the owners. A seed may be given as argument.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};
use treasury_protocol::ethereum::{
    Address, Call, Contracts, EthereumError, OwnerKey, OwnerSignature, Owners, SafeTransaction,
    Setup, U256,
};

const MEMBERS: [usize; 5] = [1, 4, 9, 33, 99];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let seed = std::env::args().nth(1).map_or(Ok(1), |seed| seed.parse())?;
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    for (number, members) in (0..).zip(MEMBERS) {
        let keys: Vec<OwnerKey> = (0..members).map(|_| OwnerKey::random(&mut rng)).collect();
        let threshold = u32::try_from(members * 2 / 3 + 1)?;
        let owners = Owners::new(keys.iter().map(OwnerKey::address).collect(), threshold)?;
        let l2 = number % 2 == 1;
        let contracts = match l2 {
            true => Contracts::CANONICAL_L2,
            false => Contracts::CANONICAL,
        };
        let mut salt = [0; 32];
        rng.fill_bytes(&mut salt);
        let setup = Setup {
            owners,
            salt,
            contracts,
        };
        println!("{}", safe(&setup, l2));
        for length in 0..8 {
            let transaction = transaction(&setup, length, &mut rng)?;
            println!("{}", signed(&setup, &keys, &transaction)?);
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn addresses(owners: &Owners) -> Vec<String> {
    owners.addresses().iter().map(Address::to_string).collect()
}

fn safe(setup: &Setup, l2: bool) -> Value {
    json!({
        "kind": "safe",
        "owners": addresses(&setup.owners),
        "threshold": setup.owners.threshold(),
        "salt": hex(&setup.salt),
        "l2": l2,
        "factory": setup.deployment().to.to_string(),
        "deployment": hex(&setup.deployment().data),
        "address": setup.address().to_string(),
    })
}

/// No call at all is a no-op; seven are a change of owners.
fn transaction(
    setup: &Setup,
    length: usize,
    rng: &mut ChaCha20Rng,
) -> Result<SafeTransaction, EthereumError> {
    let (safe, chain_id, safe_nonce) = (setup.address(), rng.next_u64() >> 12, rng.next_u64());
    let calls = match length {
        0 => return Ok(SafeTransaction::noop(chain_id, safe, safe_nonce)),
        7 => change(setup, rng)?,
        _ => (0..length).map(|_| call(rng)).collect::<Result<_, _>>()?,
    };
    SafeTransaction::of(chain_id, safe, &setup.contracts, &calls, safe_nonce)
}

fn call(rng: &mut ChaCha20Rng) -> Result<Call, EthereumError> {
    let units = U256::from(rng.next_u64()) << (rng.next_u32() % 192);
    let units = units.max(U256::from(1));
    match rng.next_u32() % 2 {
        0 => Call::native(address(rng), units),
        _ => Call::erc20(address(rng), address(rng), units),
    }
}

fn address(rng: &mut ChaCha20Rng) -> Address {
    OwnerKey::random(rng).address()
}

/// Every third owner leaves, and as many come, or one more or less.
fn change(setup: &Setup, rng: &mut ChaCha20Rng) -> Result<Vec<Call>, EthereumError> {
    let mut owners = setup.owners.clone();
    let stay = owners.addresses().iter().skip(1).step_by(3);
    let mut wanted: Vec<Address> = stay.copied().collect();
    let coming = 1 + rng.next_u32() % 3;
    wanted.extend((0..coming).map(|_| address(rng)));
    owners.become_these(setup.address(), &wanted, coming)
}

fn signed(
    setup: &Setup,
    keys: &[OwnerKey],
    transaction: &SafeTransaction,
) -> Result<Value, EthereumError> {
    let hash = transaction.hash();
    let sign = |key: &OwnerKey| {
        Ok(OwnerSignature {
            owner: key.address(),
            bytes: key.sign(&hash)?,
        })
    };
    let signatures = keys.iter().map(sign).collect::<Result<Vec<_>, _>>()?;
    let calls = transaction.calls(&setup.contracts)?;
    let told = |call: &Call| json!({ "to": call.to.to_string(), "value": hex(&call.value), "data": hex(&call.data) });
    Ok(json!({
        "kind": "transaction",
        "chain_id": transaction.chain_id,
        "safe": transaction.safe.to_string(),
        "safe_nonce": transaction.safe_nonce.to_string(),
        "calls": calls.iter().map(told).collect::<Vec<_>>(),
        "hash": hex(&hash),
        "owners": addresses(&setup.owners),
        "threshold": setup.owners.threshold(),
        "execution": hex(&transaction.execution(&setup.owners, &signatures)?),
    }))
}
