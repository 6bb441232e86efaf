//! What holds whatever is sent.

use ed25519_zebra::SigningKey;
use stellar_xdr as xdr;
use xdr::OperationBody as Body;

use super::account::{Id, account_id};
use super::*;

const PASSPHRASE: &str = "tests";
const START: u64 = 1_767_225_600;

fn id(secret: &SigningKey) -> Id {
    ed25519_zebra::VerificationKeyBytes::from(secret).into()
}

fn muxed(id: Id) -> xdr::MuxedAccount {
    xdr::MuxedAccount::Ed25519(xdr::Uint256(id))
}

fn signed(ledger: &Ledger, by: &SigningKey, bodies: Vec<Body>) -> xdr::TransactionEnvelope {
    let source = id(by);
    let sequence = ledger
        .account(&source)
        .map_or(0, |account| account.sequence);
    let operations: Vec<xdr::Operation> = bodies
        .into_iter()
        .map(|body| xdr::Operation {
            source_account: None,
            body,
        })
        .collect();
    let tx = xdr::Transaction {
        source_account: muxed(source),
        fee: BASE_FEE * operations.len() as u32,
        seq_num: xdr::SequenceNumber(sequence + 1),
        cond: xdr::Preconditions::None,
        memo: xdr::Memo::None,
        operations: operations.try_into().unwrap(),
        ext: xdr::TransactionExt::V0,
    };
    let network: [u8; 32] = Sha256::digest(PASSPHRASE.as_bytes()).into();
    let signature = decorated(by, &tx.hash(network).unwrap());
    xdr::TransactionEnvelope::Tx(xdr::TransactionV1Envelope {
        tx,
        signatures: vec![signature].try_into().unwrap(),
    })
}

fn decorated(by: &SigningKey, hash: &[u8; 32]) -> xdr::DecoratedSignature {
    let signature: [u8; 64] = by.sign(hash).into();
    xdr::DecoratedSignature {
        hint: xdr::SignatureHint(id(by)[28..].try_into().unwrap()),
        signature: xdr::Signature(signature.to_vec().try_into().unwrap()),
    }
}

/// All stroops there are.
fn stroops(ledger: &Ledger) -> i64 {
    let held: i64 = ledger.accounts().map(|(_, account)| account.balance).sum();
    let waiting: i64 = ledger
        .claimable()
        .filter(|(_, balance)| balance.asset == xdr::Asset::Native)
        .map(|(_, balance)| balance.amount)
        .sum();
    held + waiting + ledger.fee_pool()
}

/// A sequence of numbers that looks random and is the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn random(dice: &mut Dice, keys: &[SigningKey], claimable: &[[u8; 32]]) -> Body {
    let other = id(&keys[dice.below(keys.len() as u64) as usize]);
    let amount = dice.below(200_000_000) as i64;
    match dice.below(6) {
        0 => Body::CreateAccount(xdr::CreateAccountOp {
            destination: account_id(&other),
            starting_balance: amount,
        }),
        1 | 2 => Body::Payment(xdr::PaymentOp {
            destination: muxed(other),
            asset: xdr::Asset::Native,
            amount,
        }),
        3 => Body::AccountMerge(muxed(other)),
        4 => Body::CreateClaimableBalance(xdr::CreateClaimableBalanceOp {
            asset: xdr::Asset::Native,
            amount,
            claimants: vec![xdr::Claimant::ClaimantTypeV0(xdr::ClaimantV0 {
                destination: account_id(&other),
                predicate: xdr::ClaimPredicate::Unconditional,
            })]
            .try_into()
            .unwrap(),
        }),
        _ => {
            let at = dice.below(claimable.len().max(1) as u64) as usize;
            let hash = claimable.get(at).copied().unwrap_or([7; 32]);
            Body::ClaimClaimableBalance(xdr::ClaimClaimableBalanceOp {
                balance_id: xdr::ClaimableBalanceId::ClaimableBalanceIdTypeV0(xdr::Hash(hash)),
            })
        }
    }
}

#[test]
fn no_stroop_is_made_or_lost_and_what_fails_costs_its_fee_alone() {
    let mut dice = Dice(1);
    let mut ledger = Ledger::new(PASSPHRASE, START);
    let root = Ledger::root_secret(PASSPHRASE);
    let keys: Vec<SigningKey> = (1..8)
        .map(|number| SigningKey::from([number; 32]))
        .collect();
    for key in &keys {
        let create = Body::CreateAccount(xdr::CreateAccountOp {
            destination: account_id(&id(key)),
            starting_balance: 1_000_000_000,
        });
        let envelope = signed(&ledger, &root, vec![create]);
        assert!(matches!(
            ledger.submit(&envelope, START),
            Ok(Submission::Included(_))
        ));
    }
    let (mut succeeded, mut failed, mut refused) = (0, 0, 0);
    for step in 0..3000 {
        let claimable: Vec<[u8; 32]> = ledger.claimable().map(|(id, _)| *id).collect();
        let by = &keys[dice.below(keys.len() as u64) as usize];
        let bodies: Vec<Body> = (0..=dice.below(3))
            .map(|_| random(&mut dice, &keys, &claimable))
            .collect();
        let count = bodies.len() as i64;
        let envelope = signed(&ledger, by, bodies);
        let before = ledger.clone();
        let submission = ledger.submit(&envelope, START + step).unwrap();
        assert_eq!(stroops(&ledger), ALL, "step {step}");
        match submission {
            Submission::Refused(_) => {
                refused += 1;
                assert_eq!(ledger.sequence(), before.sequence());
            }
            Submission::Included(included) => match included.result.result {
                xdr::TransactionResultResult::TxSuccess(_) => succeeded += 1,
                xdr::TransactionResultResult::TxFailed(_) => {
                    failed += 1;
                    let (was, is) = (
                        before.account(&id(by)).unwrap(),
                        ledger.account(&id(by)).unwrap(),
                    );
                    assert_eq!(is.balance, was.balance - count * i64::from(BASE_FEE));
                    assert_eq!(is.sequence, was.sequence + 1);
                    assert_eq!(ledger.claimable().count(), before.claimable().count());
                }
                other => panic!("{other:?}"),
            },
        }
        for (_, account) in ledger.accounts() {
            assert!(account.balance >= 0);
        }
    }
    assert!(
        succeeded > 300 && failed > 300 && refused > 100,
        "{succeeded} {failed} {refused}"
    );
}

#[test]
fn a_full_network_takes_what_somebody_pays_enough_for() {
    let mut ledger = Ledger::new(PASSPHRASE, START);
    let root = Ledger::root_secret(PASSPHRASE);
    let (alice, carol) = (SigningKey::from([9; 32]), SigningKey::from([8; 32]));
    ledger.befriend(&id(&alice), START).unwrap();
    ledger.befriend(&id(&carol), START).unwrap();
    let pay = || {
        let payment = xdr::PaymentOp {
            destination: muxed(id(&root)),
            asset: xdr::Asset::Native,
            amount: 5,
        };
        vec![Body::Payment(payment)]
    };
    let bump = |ledger: &Ledger, envelope: &xdr::TransactionEnvelope, fee: i64| {
        let xdr::TransactionEnvelope::Tx(inner) = envelope else {
            panic!("it is a plain one");
        };
        let tx = xdr::FeeBumpTransaction {
            fee_source: muxed(id(&carol)),
            fee,
            inner_tx: xdr::FeeBumpTransactionInnerTx::Tx(inner.clone()),
            ext: xdr::FeeBumpTransactionExt::V0,
        };
        let mut bump = xdr::FeeBumpTransactionEnvelope {
            tx,
            signatures: xdr::VecM::default(),
        };
        let network: [u8; 32] = Sha256::digest(PASSPHRASE.as_bytes()).into();
        let hash = bump.tx.hash(network).unwrap();
        bump.signatures = vec![decorated(&carol, &hash)].try_into().unwrap();
        let envelope = xdr::TransactionEnvelope::TxFeeBump(bump);
        assert_eq!(ledger.hash(&envelope).unwrap(), hash);
        envelope
    };
    let becomes = |ledger: &mut Ledger, envelope: &xdr::TransactionEnvelope| match ledger
        .submit(envelope, START)
        .unwrap()
    {
        Submission::Included(one) => (one.result.result.name(), one.result.fee_charged),
        Submission::Refused(result) => (result.result.name(), result.fee_charged),
    };
    let payment = signed(&ledger, &alice, pay());
    ledger.ask_fee(700);
    let balance = |ledger: &Ledger, key| ledger.account(&id(key)).unwrap().balance;
    let before = (balance(&ledger, &alice), balance(&ledger, &carol));
    assert_eq!(
        becomes(&mut ledger, &payment),
        ("TxInsufficientFee", 700),
        "it says what it would cost"
    );
    let low = bump(&ledger, &payment, 1_399);
    assert_eq!(becomes(&mut ledger, &low), ("TxInsufficientFee", 1_400));
    // An offer is a most: what is charged is the price.
    let high = bump(&ledger, &payment, 50_000);
    let expected = ("TxFeeBumpInnerSuccess", 1_400);
    assert_eq!(becomes(&mut ledger, &high), expected);
    let after = (balance(&ledger, &alice), balance(&ledger, &carol));
    assert_eq!(after, (before.0 - 5, before.1 - 1_400));
    // What is inside was included, by whichever envelope it comes again.
    assert_eq!(becomes(&mut ledger, &payment), expected);
    let another = bump(&ledger, &payment, 60_000);
    assert_eq!(
        becomes(&mut ledger, &another).0,
        "TxFeeBumpInnerFailed",
        "its number is used up"
    );
    ledger.ask_fee(0);
    assert_eq!(ledger.fee_stroops(), BASE_FEE);
    let next = signed(&ledger, &alice, pay());
    assert_eq!(becomes(&mut ledger, &next), ("TxSuccess", 100));
}

#[test]
fn an_account_that_was_agreed_on_beforehand_signs_once() {
    let mut ledger = Ledger::new(PASSPHRASE, START);
    let root = Ledger::root_secret(PASSPHRASE);
    let alice = SigningKey::from([9; 32]);
    let create = Body::CreateAccount(xdr::CreateAccountOp {
        destination: account_id(&id(&alice)),
        starting_balance: 1_000_000_000,
    });
    let envelope = signed(&ledger, &root, vec![create]);
    ledger.submit(&envelope, START).unwrap();
    // The hash of the payment after the one that lets it in.
    let pay = |sequence: i64| xdr::Transaction {
        source_account: muxed(id(&alice)),
        fee: BASE_FEE,
        seq_num: xdr::SequenceNumber(sequence),
        cond: xdr::Preconditions::None,
        memo: xdr::Memo::None,
        operations: vec![xdr::Operation {
            source_account: None,
            body: Body::Payment(xdr::PaymentOp {
                destination: muxed(id(&root)),
                asset: xdr::Asset::Native,
                amount: 5,
            }),
        }]
        .try_into()
        .unwrap(),
        ext: xdr::TransactionExt::V0,
    };
    let sequence = ledger.account(&id(&alice)).unwrap().sequence;
    let network: [u8; 32] = Sha256::digest(PASSPHRASE.as_bytes()).into();
    let agreed = pay(sequence + 2);
    let allow = Body::SetOptions(xdr::SetOptionsOp {
        inflation_dest: None,
        clear_flags: None,
        set_flags: None,
        master_weight: None,
        low_threshold: None,
        med_threshold: None,
        high_threshold: None,
        home_domain: None,
        signer: Some(xdr::Signer {
            key: xdr::SignerKey::PreAuthTx(xdr::Uint256(agreed.hash(network).unwrap())),
            weight: 1,
        }),
    });
    let envelope = signed(&ledger, &alice, vec![allow]);
    ledger.submit(&envelope, START).unwrap();
    let unsigned = |tx: xdr::Transaction| {
        xdr::TransactionEnvelope::Tx(xdr::TransactionV1Envelope {
            tx,
            signatures: xdr::VecM::default(),
        })
    };
    let done = ledger.submit(&unsigned(agreed), START).unwrap();
    assert!(
        matches!(done, Submission::Included(one) if matches!(one.result.result, xdr::TransactionResultResult::TxSuccess(_)))
    );
    assert!(ledger.account(&id(&alice)).unwrap().signers.is_empty());
    let another = ledger.submit(&unsigned(pay(sequence + 3)), START).unwrap();
    assert!(
        matches!(another, Submission::Refused(one) if matches!(one.result, xdr::TransactionResultResult::TxBadAuth))
    );
}
