//! What moved, and whether it adds up to what is there.

use std::collections::BTreeMap;

use serde_json::json;
use stellar_xdr as xdr;
use treasury_chains::stellar::{
    Direction, Fee, Horizon, HorizonError, Memo, Movement, Page, asset_text,
};
use treasury_protocol::stellar::{Asset, AssetCode, Destination, Operation, address};

use super::{MAX_S, Net, Person, WHOLE, client, contradicting, payment};
use crate::proxy::{Asked, Fault, lie};

/// All there is, in pages of `limit`.
async fn all(horizon: &Horizon, key: &[u8; 32], limit: u16) -> (Vec<Movement>, u64) {
    let (mut all, mut cursor) = (Vec::new(), 0);
    loop {
        let Page { items, cursor: at } = horizon
            .movements(key, cursor, limit)
            .await
            .expect("an answer");
        all.extend(items);
        if at == cursor {
            return (all, cursor);
        }
        cursor = at;
    }
}

async fn fees(horizon: &Horizon, key: &[u8; 32]) -> Vec<Fee> {
    horizon.fees(key, 0, 200).await.expect("an answer").items
}

/// One line for each: direction, kind, amount, asset, memo.
fn lines(movements: &[Movement]) -> Vec<String> {
    let line = |one: &Movement| {
        let way = match one.direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        let asset = asset_text(&one.asset);
        let asset = asset.split(':').next().unwrap_or_default();
        let memo = one.memo.as_ref().map(|memo| format!(" '{memo}'"));
        let (kind, units) = (&one.kind, one.units);
        format!("{way} {kind} {units} {asset}{}", memo.unwrap_or_default())
    };
    movements.iter().map(line).collect()
}

fn tft(issuer: &Person) -> Asset {
    Asset::Issued {
        code: AssetCode::new("TFT").expect("a code"),
        issuer: issuer.key,
    }
}

/// A wallet to which everything happened that brings money in or takes it out, and the network on which that was.
async fn eventful() -> (Net, Person) {
    let net = Net::start().await;
    let (issuer, alice) = (net.friend(1), net.friend(2));
    let wallet = net.friend(3);
    let tft = tft(&issuer);
    let next = |person: &Person| net.sequence(person) + 1;
    let trust = |limit| Operation::Trust {
        asset: tft.clone(),
        limit,
    };
    net.include(&wallet.transaction(next(&wallet), vec![trust(1000 * WHOLE)]));
    let to_wallet = |muxed, amount| Operation::Payment {
        to: Destination {
            key: wallet.key,
            muxed,
        },
        asset: tft.clone(),
        amount,
    };
    // Two in one transaction, one to a user within the wallet, with a note.
    let mut noted = issuer.batch(
        next(&issuer),
        vec![to_wallet(None, 7), to_wallet(Some(77), 8)],
    );
    noted.memo = Some(treasury_protocol::stellar::Memo::Text("für dich".into()));
    net.include(&issuer.sign(&noted));
    // Native, with a number.
    let mut numbered = alice.batch(next(&alice), vec![payment(&wallet, 3)]);
    numbered.memo = Some(treasury_protocol::stellar::Memo::Id(42));
    net.include(&alice.sign(&numbered));
    // Out; and to itself, which is nothing.
    net.include(&wallet.transaction(next(&wallet), vec![payment(&alice, 2), payment(&wallet, 1)]));
    // Failed: only the fee is gone.
    net.include(&wallet.transaction(next(&wallet), vec![payment(&Person::new(99), 1)]));
    // Set aside for somebody, and something set aside by somebody.
    let aside = |to: &Person, amount| Operation::CreateClaimable {
        to: to.key,
        asset: tft.clone(),
        amount,
        reclaim_after_s: MAX_S,
    };
    net.include(&wallet.transaction(next(&wallet), vec![aside(&alice, 5)]));
    let given = issuer.batch(next(&issuer), vec![aside(&wallet, 6)]);
    let balance = given.claimable_id(0).expect("a name");
    net.include(&issuer.sign(&given));
    net.include(&wallet.transaction(next(&wallet), vec![Operation::Reclaim { balance }]));
    // Somebody's whole account.
    let gone = net.friend(4);
    let merge =
        xdr::OperationBody::AccountMerge(xdr::MuxedAccount::Ed25519(xdr::Uint256(wallet.key)));
    net.include(&gone.raw(next(&gone), vec![(&gone, merge)]));
    // Somebody else opens an account; the wallet has no part in it.
    net.friend(5);
    (net, wallet)
}

#[tokio::test]
async fn every_way_in_and_out_is_seen_once_with_its_memo() {
    let (net, wallet) = eventful().await;
    let horizon = client(std::slice::from_ref(&net.url));
    let (movements, cursor) = all(&horizon, &wallet.key, 200).await;
    let merged = 10_000 * WHOLE - 100;
    let expected = [
        "in create_account 100000000000 native".to_owned(),
        "in payment 7 TFT 'für dich'".into(),
        "in payment 8 TFT 'für dich'".into(),
        "in payment 30000000 native '42'".into(),
        "out payment 20000000 native".into(),
        "out create_claimable_balance 5 TFT".into(),
        "in claim_claimable_balance 6 TFT".into(),
        format!("in account_merge {merged} native"),
    ];
    assert_eq!(lines(&movements), expected);
    assert_eq!(movements[1].memo, Some(Memo::Text("für dich".into())));
    assert_eq!(movements[3].memo, Some(Memo::Id(42)));
    // A user within the wallet is named as the sender did.
    let muxed = Destination {
        key: wallet.key,
        muxed: Some(77),
    };
    assert_eq!(movements[1].to, Some(address(&wallet.key)));
    assert_eq!(movements[2].to, Some(muxed.to_string()));
    let users = movements.iter().map(Movement::to_user);
    assert_eq!(users.collect::<Vec<_>>()[..4], [None, None, Some(77), None]);
    assert_eq!(movements[2].from, Some(address(&Person::new(1).key)));
    assert_eq!(movements[6].from, None);
    // Each has a name of its own.
    let names: std::collections::BTreeSet<String> = movements.iter().map(Movement::name).collect();
    assert_eq!(names.len(), movements.len());
    assert_eq!(movements[1].name(), movements[1].operation_id.to_string());
    // Small pages show the same.
    for limit in [1, 2, 5] {
        assert_eq!(
            all(&horizon, &wallet.key, limit).await,
            (movements.clone(), cursor),
            "{limit}"
        );
    }
    // From a later ledger on, the rest.
    let later = Horizon::cursor_before(movements[4].ledger);
    let rest = horizon.movements(&wallet.key, later, 200).await;
    assert_eq!(rest.expect("an answer").items, movements[4..]);
}

#[tokio::test]
async fn movements_and_fees_add_up_to_the_balances() {
    let (net, wallet) = eventful().await;
    let horizon = client(std::slice::from_ref(&net.url));
    let snapshot = horizon.snapshot(&wallet.key).await.expect("an answer");
    let (movements, cursor) = all(&horizon, &wallet.key, 3).await;
    assert!(cursor <= snapshot.cursor());
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for one in &movements {
        let sign = match one.direction {
            Direction::In => 1,
            Direction::Out => -1,
        };
        *sums.entry(asset_text(&one.asset)).or_default() += sign * one.units;
    }
    let paid = fees(&horizon, &wallet.key).await;
    // Five transactions of one operation but one of two; the failed one cost as much as the others.
    let each: Vec<(i64, bool)> = paid
        .iter()
        .map(|fee| (fee.fee_stroops, fee.succeeded))
        .collect();
    let cost = [
        (100, true),
        (200, true),
        (100, false),
        (100, true),
        (100, true),
    ];
    assert_eq!(each, cost);
    *sums.entry("native".into()).or_default() -=
        paid.iter().map(|fee| fee.fee_stroops).sum::<i64>();
    let account = snapshot.account.expect("an account");
    let held: BTreeMap<String, i64> = account
        .balances
        .iter()
        .map(|one| (asset_text(&one.asset), one.units))
        .collect();
    assert_eq!(sums, held);
    assert_eq!(account.subentries, 1);
    let tft = tft(&Person::new(1));
    let trust = account.balance(&tft).expect("trust");
    let room = 1000 * WHOLE - trust.units;
    assert!(account.receives(&tft, room) && !account.receives(&tft, room + 1));
    assert!(account.receives(&Asset::Native, WHOLE));
    let code = AssetCode::new("USDC").expect("a code");
    let issuer = wallet.key;
    assert!(account.receives(
        &Asset::Issued {
            code: code.clone(),
            issuer
        },
        1
    ));
    let issuer = Person::new(1).key;
    assert!(!account.receives(&Asset::Issued { code, issuer }, 1));
    assert_eq!(
        (trust.limit_units, trust.is_authorized),
        (Some(1000 * WHOLE), true)
    );
}

#[tokio::test]
async fn claimable_balances_are_seen_until_they_are_claimed() {
    let net = Net::start().await;
    let (issuer, payee) = (net.friend(1), Person::new(9));
    let horizon = client(std::slice::from_ref(&net.url));
    let aside = Operation::CreateClaimable {
        to: payee.key,
        asset: tft(&issuer),
        amount: 5,
        reclaim_after_s: super::START_S + 10,
    };
    let batch = issuer.batch(net.sequence(&issuer) + 1, vec![aside]);
    let id = batch.claimable_id(0).expect("a name");
    let behind = net.fork().await;
    net.include(&issuer.sign(&batch));
    let made_in = net.sandbox.ledger().sequence();
    // One that has not seen it made must not be taken to say that it is claimed.
    let early = client(std::slice::from_ref(&behind.url));
    let answer = early.claimable(&id, made_in).await;
    assert!(
        matches!(answer, Err(HorizonError::NoAnswer { .. })),
        "{answer:?}"
    );
    let found = horizon
        .claimable(&id, made_in)
        .await
        .expect("an answer")
        .expect("it");
    assert_eq!((found.units, &found.asset), (5, &tft(&issuer)));
    assert_eq!(found.claimants, [payee.key, issuer.key]);
    assert_eq!(
        horizon.claimables(&payee.key).await,
        Ok(vec![found.clone()])
    );
    net.close_at(super::START_S + 10);
    let reclaim = Operation::Reclaim { balance: id };
    net.include(&issuer.transaction(net.sequence(&issuer) + 1, vec![reclaim]));
    assert_eq!(horizon.claimable(&id, made_in).await, Ok(None));
    assert_eq!(horizon.claimables(&payee.key).await, Ok(Vec::new()));
    // What an issuer takes back of its own asset is no movement.
    let (movements, _) = all(&horizon, &issuer.key, 200).await;
    assert_eq!(lines(&movements), ["in create_account 100000000000 native"]);
}

#[tokio::test]
async fn an_account_that_never_was_has_no_movements() {
    let net = Net::start().await;
    let horizon = client(std::slice::from_ref(&net.url));
    let nobody = Person::new(9);
    let page = horizon.movements(&nobody.key, 5, 10).await;
    let (items, cursor) = (Vec::new(), 5);
    assert_eq!(page, Ok(Page { items, cursor }));
    assert_eq!(horizon.account(&nobody.key).await, Ok(None));
}

/// Whether a request is for the operations of an account.
fn is_list(asked: &Asked) -> bool {
    asked.path.contains("/operations?")
}

#[tokio::test]
async fn of_three_one_may_lie_about_payments() {
    let (net, wallet) = eventful().await;
    let honest = client(std::slice::from_ref(&net.url));
    let (truth, _) = all(&honest, &wallet.key, 200).await;

    // Behind the last operation of its transaction.
    let invented = truth[2].operation_id + 50;
    let lies = [
        (
            "more",
            lie(|_, status, body| {
                for record in body["_embedded"]["records"]
                    .as_array_mut()
                    .into_iter()
                    .flatten()
                {
                    record["amount"] = json!("1000000.0000000");
                }
                status
            }),
        ),
        (
            "hidden",
            lie(|_, status, body| {
                let records = body["_embedded"]["records"].as_array_mut();
                records
                    .expect("a list")
                    .retain(|one| one["type"] != "payment");
                status
            }),
        ),
        (
            "invented",
            lie(move |_, status, body| {
                let records = body["_embedded"]["records"].as_array_mut();
                let records = records.expect("a list");
                let place = |one: &serde_json::Value| -> u64 {
                    let text = one["paging_token"].as_str().expect("text");
                    text.parse().expect("a number")
                };
                let payment = records.iter().find(|one| one["type"] == "payment");
                if let Some(mut payment) = payment.cloned() {
                    payment["paging_token"] = json!(invented.to_string());
                    records.push(payment);
                    records.sort_by_key(place);
                }
                status
            }),
        ),
    ];
    for (what, lie) in lies {
        let proxies = [net.proxy().await, net.proxy().await, net.proxy().await];
        let urls: Vec<String> = proxies.iter().map(crate::proxy::Proxy::url).collect();
        let horizon = client(&urls);
        proxies[1].break_when(is_list, lie);
        assert_eq!(all(&horizon, &wallet.key, 200).await.0, truth, "{what}");
        assert_eq!(contradicting(&horizon), [proxies[1].url()], "{what}");
        // With two servers, what they do not agree on waits.
        let two = client(&urls[..2]);
        let (seen, _) = all(&two, &wallet.key, 200).await;
        assert!(
            seen.len() < truth.len() && truth.starts_with(&seen),
            "{what}"
        );
    }
}

#[tokio::test]
async fn one_that_lags_delays_what_two_would_show() {
    let (net, wallet) = eventful().await;
    let behind = net.fork().await;
    let alice = Person::new(2);
    let (before, cursor) = all(&client(std::slice::from_ref(&net.url)), &wallet.key, 200).await;
    let payment = net.pay(&alice, &wallet, 9);
    net.include(&payment);
    let fresh = net.proxy().await;
    let two = client(&[behind.url.clone(), net.url.clone()]);
    assert_eq!(all(&two, &wallet.key, 200).await, (before.clone(), cursor));
    let three = client(&[behind.url.clone(), net.url.clone(), fresh.url()]);
    let (seen, _) = all(&three, &wallet.key, 200).await;
    assert_eq!(seen.len(), before.len() + 1);
    behind.include(&payment);
    let page = two.movements(&wallet.key, cursor, 200).await;
    assert_eq!(page.expect("an answer").items, seen[before.len()..]);
    assert!(contradicting(&three).is_empty() && contradicting(&two).is_empty());
}

#[tokio::test]
async fn a_merge_whose_effects_are_not_there_yet_is_not_skipped() {
    let (net, wallet) = eventful().await;
    let proxy = net.proxy().await;
    let horizon = client(&[proxy.url()]);
    let none = lie(|_, status, body| {
        body["_embedded"]["records"] = json!([]);
        status
    });
    proxy.break_when(|asked| asked.path.contains("/effects"), none);
    let page = horizon.movements(&wallet.key, 0, 200).await;
    assert!(
        matches!(page, Err(HorizonError::NoAnswer { .. })),
        "{page:?}"
    );
    proxy.mend();
    assert_eq!(all(&horizon, &wallet.key, 200).await.0.len(), 8);
    // Nor does a list that goes to and fro pass.
    let turned = lie(|_, status, body| {
        body["_embedded"]["records"]
            .as_array_mut()
            .expect("a list")
            .reverse();
        status
    });
    proxy.break_when(is_list, turned);
    let page = horizon.movements(&wallet.key, 0, 200).await;
    let text = page.expect_err("nobody answers").to_string();
    assert!(text.contains("goes back, or to and fro"), "{text}");
    proxy.break_when(is_list, Fault::Answer(200));
    assert!(horizon.movements(&wallet.key, 0, 200).await.is_err());
}
