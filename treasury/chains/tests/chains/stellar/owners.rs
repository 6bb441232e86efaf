//! Accounts with several owners, and accounts that pass to another key, on a ledger that counts weights.

use stellar_xdr as xdr;
use treasury_chains::stellar::Submission;
use treasury_protocol::stellar::founding::Founding;
use treasury_protocol::stellar::{
    Asset, AssetCode, Batch, Operation, Signature, TimeBounds, address, multisig, rotation,
};

use super::{MAX_S, Net, PASSPHRASE, Person, WHOLE, client, payment, succeeded};

/// What the ledger says of a batch of `account` with these signatures: nothing if it took it, else why not.
async fn submit(
    net: &Net,
    account: &Person,
    operations: Vec<Operation>,
    signers: &[&Person],
) -> String {
    let batch = account.batch(net.sequence(account) + 1, operations);
    let envelope = batch.envelope(PASSPHRASE, &signatures(&batch, signers));
    told(net, &envelope.expect("signed")).await
}

fn signatures(batch: &Batch, signers: &[&Person]) -> Vec<Signature> {
    let hash = batch.hash(PASSPHRASE).expect("a batch");
    let sign = |signer: &&Person| Signature {
        key: signer.key,
        bytes: signer.secret.sign(&hash).into(),
    };
    signers.iter().map(sign).collect()
}

async fn told(net: &Net, envelope: &str) -> String {
    let horizon = client(std::slice::from_ref(&net.url));
    match horizon.submit(envelope).await.expect("an envelope") {
        Submission::Refused { codes } => codes.transaction,
        submission => {
            assert!(succeeded(&submission), "{submission:?}");
            String::new()
        }
    }
}

#[tokio::test]
async fn twenty_owners_act_together_and_no_fewer() {
    let net = Net::start().await;
    let (account, bob) = (net.friend(1), net.friend(2));
    let owners: Vec<Person> = (20..45).map(Person::new).collect();
    let keys: Vec<[u8; 32]> = owners.iter().map(|owner| owner.key).collect();
    let setup = multisig::setup(&keys[..20], 14).expect("owners");
    assert_eq!(submit(&net, &account, setup, &[&account]).await, "");
    let before = net.stroops(&bob);
    let pay = || vec![payment(&bob, 5)];
    let all: Vec<&Person> = owners.iter().collect();
    assert_eq!(
        submit(&net, &account, pay(), &[&account]).await,
        "tx_bad_auth",
        "the account's own key counts for nothing"
    );
    assert_eq!(
        submit(&net, &account, pay(), &all[..13]).await,
        "tx_bad_auth"
    );
    assert_eq!(submit(&net, &account, pay(), &all[..14]).await, "");
    assert_eq!(
        submit(&net, &account, pay(), &all[..15]).await,
        "tx_bad_auth_extra",
        "one signature more than needed"
    );
    // Of all that signed, the envelope takes as many as are needed.
    let batch = account.batch(net.sequence(&account) + 1, pay());
    let signatures = signatures(&batch, &all[..20]);
    let envelope = multisig::envelope(&batch, PASSPHRASE, 14, &signatures);
    let envelope = envelope.expect("signed").expect("enough");
    assert_eq!(told(&net, &envelope).await, "");
    // Five leave, five come, and it takes thirteen from now on.
    let change = multisig::change(&keys[..20], &keys[5..], 13).expect("owners");
    assert_eq!(submit(&net, &account, change, &all[..14]).await, "");
    assert_eq!(
        submit(&net, &account, pay(), &all[..13]).await,
        "tx_bad_auth",
        "five of these left"
    );
    assert_eq!(submit(&net, &account, pay(), &all[12..]).await, "");
    assert_eq!(net.stroops(&bob), before + 3 * 5 * super::WHOLE);
}

#[tokio::test]
async fn an_account_passes_to_a_key_that_has_shown_that_it_signs() {
    let net = Net::start().await;
    let (account, bob) = (net.friend(1), net.friend(2));
    let (second, third) = (Person::new(3), Person::new(4));
    let pay = || vec![payment(&bob, 5)];
    let retire_first = || vec![rotation::retire(account.key, account.key)];
    assert_eq!(
        submit(&net, &account, retire_first(), &[&second]).await,
        "tx_bad_auth",
        "a key that was not introduced retires nobody"
    );
    let introduce = vec![rotation::introduce(second.key)];
    assert_eq!(submit(&net, &account, introduce, &[&account]).await, "");
    assert_eq!(submit(&net, &account, pay(), &[&account]).await, "");
    assert_eq!(submit(&net, &account, pay(), &[&second]).await, "");
    assert_eq!(submit(&net, &account, retire_first(), &[&second]).await, "");
    assert_eq!(
        submit(&net, &account, pay(), &[&account]).await,
        "tx_bad_auth"
    );
    assert_eq!(submit(&net, &account, pay(), &[&second]).await, "");
    let introduce = vec![rotation::introduce(third.key)];
    assert_eq!(submit(&net, &account, introduce, &[&second]).await, "");
    let retire = vec![rotation::retire(account.key, second.key)];
    assert_eq!(submit(&net, &account, retire, &[&third]).await, "");
    assert_eq!(
        submit(&net, &account, pay(), &[&second]).await,
        "tx_bad_auth"
    );
    assert_eq!(submit(&net, &account, pay(), &[&third]).await, "");
}

/// Nine owners, of whom seven sign.
fn nine() -> multisig::Owners {
    let keys = (20..29).map(|number| Person::new(number).key).collect();
    multisig::Owners::new(keys, 7).expect("owners")
}

/// In what an account differs from one that these own alone.
async fn differences(net: &Net, account: &[u8; 32], owners: &multisig::Owners) -> Vec<String> {
    let horizon = client(std::slice::from_ref(&net.url));
    let snapshot = horizon.snapshot(account).await.expect("an answer");
    let account = snapshot.account.expect("an account");
    account.differences(owners, snapshot.ledger)
}

#[tokio::test]
async fn an_account_is_made_for_its_owners_in_one_transaction() {
    let net = Net::start().await;
    let (funder, fresh) = (net.friend(1), Person::new(2));
    let founding = Founding {
        funder: funder.key,
        sequence: net.sequence(&funder) + 1,
        fee_per_op_stroops: 100,
        time_bounds: TimeBounds { min: 0, max: MAX_S },
        account: fresh.key,
        starting_stroops: 20 * WHOLE,
        owners: nine(),
    };
    let hash = founding.hash(PASSPHRASE).expect("sound");
    let sign = |person: &Person| person.secret.sign(&hash).into();
    let envelope = founding.envelope(PASSPHRASE, sign(&funder), sign(&fresh));
    assert_eq!(told(&net, &envelope.expect("signed")).await, "");
    assert_eq!(net.stroops(&fresh), 20 * WHOLE);
    assert!(differences(&net, &fresh.key, &nine()).await.is_empty());
    assert_eq!(
        submit(&net, &fresh, vec![payment(&funder, 1)], &[&fresh]).await,
        "tx_bad_auth",
        "its own key counts for nothing"
    );
    // Others own it, or the same ones in another way, and each is told.
    let keys = nine().keys().to_vec();
    let eight = multisig::Owners::new(keys[1..].to_vec(), 7).expect("owners");
    let text = differences(&net, &fresh.key, &eight).await.join("; ");
    let first = address(&keys[0]);
    assert_eq!(text, format!("{first}, who is no owner, weighs 1"));
    let all = multisig::Owners::new(keys, 9).expect("owners");
    let text = differences(&net, &fresh.key, &all).await.join("; ");
    assert_eq!(text, "its thresholds are 7, 7 and 7 instead of 9");
}

/// What somebody does with an account before it is handed over.
enum Before {
    Does(Operation),
    LetsSign(xdr::SignerKey),
    Jumps(i64),
}

#[tokio::test]
async fn what_is_left_from_a_life_before_is_seen() {
    let net = Net::start().await;
    let (issuer, mut number) = (net.friend(1), 2);
    let trust = Operation::Trust {
        asset: Asset::Issued {
            code: AssetCode::new("TFT").expect("a code"),
            issuer: issuer.key,
        },
        limit: 1,
    };
    let agreed = xdr::SignerKey::PreAuthTx(xdr::Uint256([9; 32]));
    let image = xdr::SignerKey::HashX(xdr::Uint256([9; 32]));
    for (before, expected) in [
        (Before::Does(trust), "it has 1 entries beside its 9 signers"),
        (Before::LetsSign(agreed), "who is no owner, weighs 1"),
        (Before::LetsSign(image), "who is no owner, weighs 1"),
        (
            Before::Jumps(i64::MAX - 10),
            "its sequence number was moved on to 92233720368547757",
        ),
    ] {
        let account = net.friend(number);
        number += 1;
        let sequence = net.sequence(&account) + 1;
        let options = |key| xdr::SetOptionsOp {
            inflation_dest: None,
            clear_flags: None,
            set_flags: None,
            master_weight: None,
            low_threshold: None,
            med_threshold: None,
            high_threshold: None,
            home_domain: None,
            signer: Some(xdr::Signer { key, weight: 1 }),
        };
        let body = match before {
            Before::Does(operation) => {
                net.include(&account.transaction(sequence, vec![operation]));
                None
            }
            Before::LetsSign(key) => Some(xdr::OperationBody::SetOptions(options(key))),
            Before::Jumps(to) => Some(xdr::OperationBody::BumpSequence(xdr::BumpSequenceOp {
                bump_to: xdr::SequenceNumber(to),
            })),
        };
        if let Some(body) = body {
            // In a transaction of somebody else, which leaves the account's own history empty.
            let sequence = net.sequence(&issuer) + 1;
            net.include(&issuer.raw(sequence, vec![(&account, body)]));
        }
        let setup = nine().setup().expect("owners");
        let handed_over = account.transaction(net.sequence(&account) + 1, setup);
        net.include(&handed_over);
        let text = differences(&net, &account.key, &nine()).await.join("; ");
        assert!(text.contains(expected), "{text}");
    }
}
