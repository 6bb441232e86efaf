//! Accounts with several owners, and accounts that pass to another key, on a ledger that counts weights.

use treasury_chains::stellar::Submission;
use treasury_protocol::stellar::{Batch, Operation, Signature, multisig, rotation};

use super::{Net, PASSPHRASE, Person, client, payment, succeeded};

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
