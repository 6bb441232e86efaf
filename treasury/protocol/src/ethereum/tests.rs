//! Golden bytes. The hashes, addresses and calldata were computed by ethers 6.17 from the published artifacts of Safe 1.5.0
//! and the same keys; `cargo xtask test` has ethers and a chain judge others besides.

use alloy_primitives::keccak256;
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const CHAIN_ID: u64 = 31_337;

fn key(byte: u8) -> OwnerKey {
    OwnerKey::from_bytes(&[byte; 32]).unwrap()
}

fn address(byte: u8) -> Address {
    Address([byte; 20])
}

fn owners() -> Owners {
    Owners::new((1..=3).map(|byte| key(byte).address()).collect(), 2).unwrap()
}

fn setup(contracts: Contracts) -> Setup {
    Setup {
        owners: owners(),
        salt: [5; 32],
        contracts,
    }
}

fn safe() -> Address {
    setup(Contracts::CANONICAL).address()
}

fn native() -> Call {
    Call::native(address(10), U256::from(10_u64.pow(18))).unwrap()
}

fn erc20() -> Call {
    Call::erc20(address(11), address(10), U256::from(12_345_678)).unwrap()
}

fn transaction(calls: &[Call], safe_nonce: u64) -> SafeTransaction {
    SafeTransaction::of(CHAIN_ID, safe(), &Contracts::CANONICAL, calls, safe_nonce).unwrap()
}

fn signatures(transaction: &SafeTransaction, keys: &[u8]) -> Vec<OwnerSignature> {
    let sign = |byte: &u8| OwnerSignature {
        owner: key(*byte).address(),
        bytes: key(*byte).sign(&transaction.hash()).unwrap(),
    };
    keys.iter().map(sign).collect()
}

fn or_code<T>(result: Result<T, EthereumError>, show: impl FnOnce(T) -> String) -> String {
    result.map_or_else(|error| format!("{}: {error}", error.code()), show)
}

/// The hash that owners sign, the data, and the keccak hash and length of what is sent with the signatures of two.
fn check(transaction: &SafeTransaction, expected: Expect) {
    let execution = transaction
        .execution(&owners(), &signatures(transaction, &[3, 1]))
        .unwrap();
    expected.assert_eq(&format!(
        "{}\n{}\n{} {}",
        hex::encode(transaction.hash()),
        hex::encode(&transaction.data),
        keccak256(&execution),
        execution.len()
    ));
    assert_eq!(
        borsh::from_slice::<SafeTransaction>(&borsh::to_vec(transaction).unwrap()).unwrap(),
        *transaction
    );
}

#[test]
fn addresses_of_keys_and_safes_are_these() {
    let texts = [1, 2, 3].map(|byte| key(byte).address().to_string());
    expect![[r#"
        [
            "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1",
            "0x5050A4F4b3f9338C3472dcC01A87C76A144b3c9c",
            "0x3325a78425F17a7E487Eb5666b2bFd93aBb06c70",
        ]
    "#]]
    .assert_debug_eq(&texts);
    expect!["0xEc0ce2CF9EBE5c5FF45DC1cebA56e2a6c1aE2Eff"].assert_eq(&safe().to_string());
    expect!["0x184F3883DA95dDa1f27b6525Ff99fD26931D238c"]
        .assert_eq(&setup(Contracts::CANONICAL_L2).address().to_string());
}

#[test]
fn the_deployment_of_a_safe_is_this_call() {
    let deployment = setup(Contracts::CANONICAL).deployment();
    assert_eq!(deployment.to, Contracts::CANONICAL.proxy_factory);
    expect!["580 0x813c862571588afcad4009d7bf95d6846eadc729842db88b6c777a4cb7ed0b54"].assert_eq(
        &format!("{} {}", deployment.data.len(), keccak256(&deployment.data)),
    );
}

#[test]
fn the_bytes_of_payments_are_these() {
    check(
        &transaction(&[native()], 0),
        expect![[r#"
        ce973de562d7e84795cde28c4bf62b7bb1d0ed39886ecb7ee732a926badce2f5

        0x24ec15aebb2b4d959357a1f432060d3134f845e5e8de0dadbd55348c932c4e20 548"#]],
    );
    check(
        &transaction(&[erc20()], 7),
        expect![[r#"
        4693b85bfdf7ff5a348c7a8cdd590283ce977c5a142b9b21781ae9f528930d2f
        a9059cbb0000000000000000000000000a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0000000000000000000000000000000000000000000000000000000000bc614e
        0x6e76bac3183c8721307195eb864108e4850822dad069da5f49940d7412f71e96 644"#]],
    );
    check(
        &transaction(&[native(), erc20()], 8),
        expect![[r#"
        43a354f74b90045b4bc87f10614d4036e58636d2b0c153b1b55d93ea88dfa998
        8d80ff0a000000000000000000000000000000000000000000000000000000000000002000000000000000000000000000000000000000000000000000000000000000ee000a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0000000000000000000000000000000000000000000000000de0b6b3a76400000000000000000000000000000000000000000000000000000000000000000000000b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000044a9059cbb0000000000000000000000000a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0000000000000000000000000000000000000000000000000000000000bc614e000000000000000000000000000000000000
        0xb5aa7e92fdb7ec85031ba0f1515bb8c3a517a5ff48aa6e53880116fbc06e7a1c 900"#]],
    );
    check(
        &SafeTransaction::noop(CHAIN_ID, safe(), 10),
        expect![[r#"
        43f62797cdfb3eb374a05b1d6086407ea51e02b6ac50670c36b022658d2e6d21

        0xed755af8ee13245189722eb472f616f2eb8e189df6940cbe4bf85655d8e7282d 548"#]],
    );
}

#[test]
fn the_bytes_of_changes_of_owners_are_these() {
    let (one, two) = (key(1).address(), key(2).address());
    let sentinel = Address(std::array::from_fn(|at| u8::from(at == 19)));
    let calls = [
        Call::add_owner(safe(), address(10), 3),
        Call::remove_owner(safe(), one, two, 1),
        Call::swap_owner(safe(), sentinel, one, address(10)),
        Call::change_threshold(safe(), 1),
    ];
    check(
        &transaction(&calls, 9),
        expect![[r#"
        87a11d9ebe85a1c0f1e55958df866787d1d4950687a22b6795006fe761ea2557
        8d80ff0a0000000000000000000000000000000000000000000000000000000000000020000000000000000000000000000000000000000000000000000000000000028400ec0ce2cf9ebe5c5ff45dc1ceba56e2a6c1ae2eff000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000440d582f130000000000000000000000000a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a000000000000000000000000000000000000000000000000000000000000000300ec0ce2cf9ebe5c5ff45dc1ceba56e2a6c1ae2eff00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000064f8dc5dd90000000000000000000000001a642f0e3c3af545e7acbd38b07251b3990914f10000000000000000000000005050a4f4b3f9338c3472dcc01a87c76a144b3c9c000000000000000000000000000000000000000000000000000000000000000100ec0ce2cf9ebe5c5ff45dc1ceba56e2a6c1ae2eff00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000064e318b52b00000000000000000000000000000000000000000000000000000000000000010000000000000000000000001a642f0e3c3af545e7acbd38b07251b3990914f10000000000000000000000000a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a00ec0ce2cf9ebe5c5ff45dc1ceba56e2a6c1ae2eff00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000024694e80c3000000000000000000000000000000000000000000000000000000000000000100000000000000000000000000000000000000000000000000000000
        0x85fcfa19ad35a66132312e03ffc8c576156f0800dc211f2ef4f300882dbcd65f 1316"#]],
    );
}

#[test]
fn what_is_kept_has_these_bytes() {
    let kept = |value: Vec<u8>| hex::encode(value);
    expect!["697a000000000000ec0ce2cf9ebe5c5ff45dc1ceba56e2a6c1ae2eff0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b000000000000000000000000000000000000000000000000000000000000000044000000a9059cbb0000000000000000000000000a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0000000000000000000000000000000000000000000000000000000000bc614e000700000000000000"].assert_eq(&kept(borsh::to_vec(&transaction(&[erc20()], 7)).unwrap()));
    expect!["030000001a642f0e3c3af545e7acbd38b07251b3990914f15050a4f4b3f9338c3472dcc01a87c76a144b3c9c3325a78425f17a7e487eb5666b2bfd93abb06c70020000000505050505050505050505050505050505050505050505050505050505050505ff51a5898e281db6dfc7855790607438df2ca44b14f2982d601c9458f93bd70b218933a6f8165e7ba83c336b20401af773b6219ba5027174338d18363efcbb83a4a7afcb4f68d501e2c2203a38be77f49dd695a8d96e2c0f6ede304e13cc2efe754fa353b7389a23340c9317113bc975"].assert_eq(&kept(borsh::to_vec(&setup(Contracts::CANONICAL)).unwrap()));
    let signature = signatures(&transaction(&[native()], 0), &[1])[0];
    expect!["1a642f0e3c3af545e7acbd38b07251b3990914f1fcd0ad8df49e6230a0133a95214036f2bfd43f7b223ce124f1a617da378e9fbc7cd440152d4424b1d0b0b11bdfb849ac5a9481019b1a3596105a22899c32291e1c"].assert_eq(&kept(borsh::to_vec(&signature).unwrap()));
}

#[test]
fn a_signature_is_this_and_recovers_to_its_owner() {
    let signature = key(1).sign(&[0x11; 32]).unwrap();
    expect!["f5e5ac73e901121dc46e35485dadf2273d75aa201258ecb3be31f64127b3846923309f9481d9be7c6ff21499f014afaa54e39b18cdf106cc9a824f1bfbf114391b"]
        .assert_eq(&hex::encode(signature));
    assert_eq!(recover(&[0x11; 32], &signature), Ok(key(1).address()));
    assert_ne!(recover(&[0x12; 32], &signature), Ok(key(1).address()));
}

#[test]
fn a_signature_has_one_form() {
    let hash = [0x11; 32];
    let signature = key(1).sign(&hash).unwrap();
    for v in [0, 1, 26, 29, 31, 32, 255] {
        let mut other = signature;
        other[64] = v;
        assert_eq!(recover(&hash, &other), Err(EthereumError::Signature), "{v}");
    }
    // The other root: n - s with the other parity recovers to the same key, and is refused.
    let parsed = k256::ecdsa::Signature::from_slice(&signature[..64]).unwrap();
    let (r, s) = parsed.split_scalars();
    let high = k256::ecdsa::Signature::from_scalars(*r, -*s).unwrap();
    let mut other = [0; 65];
    other[..64].copy_from_slice(&high.to_bytes());
    other[64] = 27 + 28 - signature[64];
    assert_eq!(recover(&hash, &other), Err(EthereumError::Signature));
    for hole in [0..32, 32..64] {
        let mut other = signature;
        other[hole].fill(0);
        assert_eq!(recover(&hash, &other), Err(EthereumError::Signature));
    }
}

#[test]
fn a_key_never_shows_itself() {
    expect!["OwnerKey(0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1, <redacted>)"]
        .assert_eq(&format!("{:?}", key(1)));
    assert_eq!(*key(1).to_bytes(), [1; 32]);
    for bad in [[0; 32], [255; 32]] {
        let error = OwnerKey::from_bytes(&bad).unwrap_err();
        assert_eq!(error, EthereumError::SecretKey);
    }
}

#[test]
fn an_address_has_one_text() {
    let read = |text: &str| or_code(text.parse::<Address>(), |address| address.to_string());
    let right = "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1";
    assert_eq!(read(right), right);
    let lower = read(&right.to_lowercase());
    expect![[r#"ethereum_checksum: "0x1a642f0e3c3af545e7acbd38b07251b3990914f1" has not the capital letters that guard an address against typing errors; copy it again from where it came from, or if you are sure of every digit write 0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1"#]].assert_eq(&lower);
    assert!(read(&right.replace('E', "e")).starts_with("ethereum_checksum"));
    assert!(read(&right.replace("0x1", "0x2")).starts_with("ethereum_checksum"));
    for text in ["", "0x", "1a64", &right[2..], &right[..41], "0xzz", "🦀"] {
        assert!(read(text).starts_with("ethereum_address"), "{text:?}");
    }
}

#[test]
fn signatures_are_those_of_enough_owners_once_each() {
    let transaction = transaction(&[native()], 0);
    let send = |signatures: &[OwnerSignature]| {
        let sent = transaction.execution(&owners(), signatures);
        or_code(sent, |data| keccak256(data).to_string())
    };
    let signed = signatures(&transaction, &[1, 2, 3]);
    // In whatever order they came, and however many: the two lowest addresses sign.
    let two = send(&signatures(&transaction, &[1, 3]));
    assert_eq!(two, send(&signed));
    assert_eq!(two, send(&signatures(&transaction, &[3, 2, 1])));
    expect!["ethereum_too_few_signatures: 1 of 2 required owners signed; collect the others"]
        .assert_eq(&send(&signed[..1]));
    expect!["ethereum_signed_twice: 0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1 signed twice; keep one of the signatures"].assert_eq(&send(&[signed[0], signed[0], signed[1]]));
    expect!["ethereum_not_an_owner: 0xc48B812bB43401392c037381AcA934F4069C0517 is not an owner of the Safe"].assert_eq(&send(&signatures(&transaction, &[1, 2, 4])));
    let swapped = OwnerSignature {
        owner: signed[1].owner,
        bytes: signed[0].bytes,
    };
    expect!["ethereum_wrong_signer: the signature is not one of 0x5050A4F4b3f9338C3472dcC01A87C76A144b3c9c over this transaction; it recovers to 0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1"].assert_eq(&send(&[signed[2], swapped]));
    let other = SafeTransaction {
        safe_nonce: 1,
        ..transaction.clone()
    };
    let old = signatures(&other, &[1, 2]);
    assert!(send(&old).starts_with("ethereum_wrong_signer"));
}

#[test]
fn what_would_lose_money_has_no_bytes() {
    let of = |calls: &[Call]| {
        let made = SafeTransaction::of(CHAIN_ID, safe(), &Contracts::CANONICAL, calls, 0);
        or_code(made, |_| "made".to_owned())
    };
    let nobody = Call {
        to: Address::ZERO,
        ..native()
    };
    let long = Call {
        data: vec![0; MAX_DATA_BYTES / 2 + 1],
        ..native()
    };
    expect!["ethereum_call_count: a transaction holds 1 to 100 calls, this one holds 0; split it"]
        .assert_eq(&of(&[]));
    expect![
        "ethereum_call_count: a transaction holds 1 to 100 calls, this one holds 101; split it"
    ]
    .assert_eq(&of(&vec![native(); 101]));
    expect!["ethereum_zero_address: a call to the zero address, by which money is lost; name whom it is for"].assert_eq(&of(&[native(), nobody]));
    expect!["ethereum_data_size: the calls carry 65538 bytes, more than 65536; split them"]
        .assert_eq(&of(&[long.clone(), long]));
    assert_eq!(of(&vec![erc20(); 100]), "made");
    let some = U256::from(1);
    let zero = Address::ZERO;
    for (call, code) in [
        (Call::native(zero, some), "ethereum_zero_address"),
        (Call::native(address(1), U256::ZERO), "ethereum_amount"),
        (Call::erc20(zero, address(1), some), "ethereum_zero_address"),
        (Call::erc20(address(1), zero, some), "ethereum_zero_address"),
        (
            Call::erc20(address(1), address(2), U256::ZERO),
            "ethereum_amount",
        ),
    ] {
        assert_eq!(call.unwrap_err().code(), code);
    }
}

#[test]
fn what_is_signed_reads_back_as_what_was_asked_for() {
    let mut changing = owners();
    let calls = [
        native(),
        erc20(),
        changing.add(safe(), address(12), 3).unwrap(),
        changing
            .swap(safe(), key(1).address(), address(13))
            .unwrap(),
        changing.remove(safe(), address(13), 1).unwrap(),
        changing.change_threshold(safe(), 2).unwrap(),
    ];
    let batch = transaction(&calls, 3);
    let read = batch.calls(&Contracts::CANONICAL).unwrap();
    assert_eq!(read, calls);
    let meanings: Vec<Meaning> = read.iter().map(|call| call.meaning(safe())).collect();
    expect![[r#"
        [
            Native {
                to: 0x0A0A0a0a0a0a0a0A0a0a0A0a0A0A0A0a0a0a0a0a,
                wei: 1000000000000000000,
            },
            Erc20 {
                token: 0x0B0b0b0b0B0B0B0B0b0b0b0b0B0B0B0B0B0b0B0b,
                to: 0x0A0A0a0a0a0a0a0A0a0a0A0a0A0A0A0a0a0a0a0a,
                units: 12345678,
            },
            AddOwner {
                owner: 0x0C0c0C0c0c0c0c0c0c0c0C0C0C0c0c0C0c0c0c0c,
                threshold: 3,
            },
            SwapOwner {
                old: 0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1,
                new: 0x0D0D0D0D0D0D0D0d0d0d0d0D0d0D0D0D0D0d0d0d,
            },
            RemoveOwner {
                owner: 0x0D0D0D0D0D0D0D0d0d0d0d0D0d0D0D0D0D0d0d0d,
                threshold: 1,
            },
            ChangeThreshold {
                threshold: 2,
            },
        ]
    "#]]
    .assert_debug_eq(&meanings);
    let noop = SafeTransaction::noop(CHAIN_ID, safe(), 3);
    let [call] = &noop.calls(&Contracts::CANONICAL).unwrap()[..] else {
        panic!("a no-op is one call")
    };
    assert_eq!(call.meaning(safe()), Meaning::Nothing);
}

#[test]
fn what_this_crate_would_not_write_is_not_read() {
    let batch = transaction(&[native(), erc20()], 3);
    let read = |change: &dyn Fn(&mut SafeTransaction)| {
        let mut changed = batch.clone();
        change(&mut changed);
        let calls = changed.calls(&Contracts::CANONICAL);
        or_code(calls, |_| "read".to_owned())
    };
    assert_eq!(read(&|_| {}), "read");
    expect!["ethereum_delegate: a delegate call to 0x0909090909090909090909090909090909090909, which is not the batch contract of this wallet"].assert_eq(&read(&|one| one.to = address(9)));
    for at in [3, 4, 36, 68, 68 + 53, 68 + 84, batch.data.len() - 1] {
        let code = read(&|one| one.data[at] ^= 1);
        assert!(code.starts_with("ethereum_batch"), "{at}: {code}");
    }
    assert!(read(&|one| one.value[31] = 1).starts_with("ethereum_batch"));
    assert!(read(&|one| one.data.push(0)).starts_with("ethereum_batch"));
    let odd = |change: &dyn Fn(&mut Call)| {
        let mut call = erc20();
        change(&mut call);
        call.meaning(safe())
    };
    assert_eq!(odd(&|call| call.value[31] = 1), Meaning::Other);
    assert_eq!(odd(&|call| call.data.push(0)), Meaning::Other);
    assert_eq!(odd(&|call| call.data[4] = 1), Meaning::Other);
    assert_eq!(odd(&|call| call.data.truncate(40)), Meaning::Other);
    assert_eq!(odd(&|call| call.to = safe()), Meaning::Other);
}

#[test]
fn owners_are_those_that_a_safe_takes() {
    let new = |addresses: Vec<Address>, threshold| {
        or_code(Owners::new(addresses, threshold), |_| "taken".to_owned())
    };
    let sentinel = Address(std::array::from_fn(|at| u8::from(at == 19)));
    expect!["ethereum_owner_count: a Safe has 1 to 128 owners, this one would have 0"]
        .assert_eq(&new(vec![], 1));
    expect!["ethereum_owner_count: a Safe has 1 to 128 owners, this one would have 129"]
        .assert_eq(&new((0..129).map(|at| address(at + 1)).collect(), 1));
    expect!["ethereum_owner_twice: 0x0202020202020202020202020202020202020202 is an owner already"]
        .assert_eq(&new(vec![address(2), address(3), address(2)], 1));
    expect!["ethereum_owner_address: 0x0000000000000000000000000000000000000001 cannot own a Safe; name the address of a guardian's key"].assert_eq(&new(vec![address(2), sentinel], 1));
    expect!["ethereum_threshold: 0 of 1 owners cannot be required; choose 1 to 1"]
        .assert_eq(&new(vec![address(2)], 0));
    expect!["ethereum_threshold: 2 of 1 owners cannot be required; choose 1 to 1"]
        .assert_eq(&new(vec![address(2)], 2));
    assert!(new(vec![Address::ZERO], 1).starts_with("ethereum_owner_address"));
    let mut changing = owners();
    let one = key(1).address();
    let code = |result: Result<Call, EthereumError>| result.unwrap_err().code();
    assert_eq!(code(changing.add(safe(), one, 2)), "ethereum_owner_twice");
    let own = changing.add(safe(), safe(), 2);
    assert_eq!(code(own), "ethereum_owner_address");
    let none = changing.remove(safe(), address(9), 2);
    assert_eq!(code(none), "ethereum_not_an_owner");
    assert_eq!(code(changing.remove(safe(), one, 3)), "ethereum_threshold");
    assert_eq!(changing, owners(), "a refused change changes nothing");
    // Bytes that were tampered with are not read.
    let mut bytes = borsh::to_vec(&owners()).unwrap();
    assert_eq!(borsh::from_slice::<Owners>(&bytes).unwrap(), owners());
    let end = bytes.len() - 4;
    bytes[end] = 4;
    assert!(borsh::from_slice::<Owners>(&bytes).is_err());
}

proptest! {
    #[test]
    fn owners_become_whoever_is_wanted(
        before in proptest::collection::btree_set(2_u8..40, 1..20),
        after in proptest::collection::btree_set(2_u8..40, 1..20),
        thresholds in (1_u32..20, 1_u32..20),
    ) {
        let list = |set: &std::collections::BTreeSet<u8>| set.iter().map(|byte| address(*byte)).collect::<Vec<_>>();
        let fit = |threshold: u32, set: &std::collections::BTreeSet<u8>| threshold.min(set.len() as u32);
        let mut owners = Owners::new(list(&before), fit(thresholds.0, &before)).unwrap();
        let wanted = list(&after);
        let calls = owners.become_these(address(200), &wanted, fit(thresholds.1, &after)).unwrap();
        prop_assert_eq!(owners.threshold(), fit(thresholds.1, &after));
        let mut now = owners.addresses().to_vec();
        now.sort_unstable();
        prop_assert_eq!(&now, &wanted);
        let changed = before.difference(&after).count().max(after.difference(&before).count());
        prop_assert!(calls.len() <= changed.max(1) + 1);
        prop_assert!(owners.become_these(address(200), &wanted, owners.threshold()).unwrap().is_empty());
    }

    #[test]
    fn no_bytes_make_a_reader_panic(data in proptest::collection::vec(any::<u8>(), 0..300), value in any::<[u8; 32]>()) {
        let call = Call { to: address(4), value, data: data.clone() };
        let _ = call.meaning(address(4));
        let mut batch = transaction(&[native(), erc20()], 3);
        batch.data = data;
        prop_assert!(batch.calls(&Contracts::CANONICAL).is_err());
    }
}
