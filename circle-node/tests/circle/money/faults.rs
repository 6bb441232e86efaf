//! What servers and people do wrong on the way of a payment that the circle does right.

use circle_node::devnet::stellar;
use serde_json::json;
use tokio::runtime::Runtime;
use treasury_chains::endpoints::Timeouts;
use treasury_chains::stellar::{Horizon, Submission};

use super::Paying;
use super::nine::Nine;
use crate::proxy::{Fault, Proxy, lie};
use crate::until;

/// The same bytes of two nodes are at the ledger at the same moment.
pub fn two_nodes_send_at_once(paying: &mut Paying) {
    let nine = &paying.nine;
    let (release, held) = tokio::sync::watch::channel(false);
    let before: Vec<usize> = nine.proxies.iter().map(posts).collect();
    for proxy in &nine.proxies {
        proxy.break_at("POST /transactions", Fault::Held(held.clone()));
    }
    let id = paying.pay();
    until("two nodes to send it", || {
        let sends = |(proxy, before): &(&Proxy, &usize)| posts(proxy) > **before;
        let senders = nine.proxies.iter().zip(&before).filter(sends).count();
        (senders >= 2).then_some(())
    });
    release.send_replace(true);
    nine.settles(id);
    paying.mend();
    paying.paid_once_more();
}

fn posts(proxy: &Proxy) -> usize {
    let asked = proxy.asked();
    asked.iter().filter(|asked| asked.method == "POST").count()
}

/// The circle takes a signed payout back, but somebody outside has its bytes and is faster: what the ledger took is what counts, and
/// the sequence number that the cancellation was to use up is gone.
pub fn a_cancelled_payout_is_sent_from_outside(paying: &mut Paying, runtime: &Runtime) {
    let nine = &paying.nine;
    for proxy in &nine.proxies {
        proxy.break_at("POST /transactions", Fault::Answer(503));
    }
    let id = paying.pay();
    let signed = nine.signed(id);
    let text = |field: &str| signed["payout"][field].as_str().unwrap().to_owned();
    let cancelled = nine.decide(&format!("!!treasury.cancel payout:{id}\n"));
    let events = cancelled["receipt"]["events"].as_array().unwrap();
    let by = events
        .iter()
        .find_map(|event| event["data"]["by"].as_u64())
        .unwrap();
    nine.signed(by);
    let urls = [nine.horizon.clone()];
    let outside = Horizon::new(&urls, &text("network_passphrase"), Timeouts::default()).unwrap();
    let submitted = runtime
        .block_on(outside.submit(&text("envelope_xdr")))
        .unwrap();
    assert!(
        matches!(
            submitted,
            Submission::Included {
                succeeded: true,
                ..
            }
        ),
        "{submitted:?}"
    );
    nine.settles(id);
    nine.wait(by, "the cancellation to be given up", |diff| {
        diff["payout"]["state"] == "lost"
    });
    paying.mend();
    paying.paid_once_more();
}

/// A node with a server that stands still beside an honest one reports nothing and believes nothing false; one with two honest ones
/// goes on. A node whose servers all lie says what is not true, and stands alone with it.
pub fn servers_lag_and_lie(paying: &mut Paying, runtime: &Runtime) {
    let still = stands_still(&paying.nine, runtime);
    let (nine, url) = (&mut paying.nine, still.as_str());
    let honest = nine.horizon.clone();
    let proxies: Vec<String> = nine.proxies.iter().map(Proxy::url).collect();
    let liar = runtime.block_on(Proxy::start(&honest));
    nine.rewire(5, &[&proxies[4], url]);
    nine.rewire(6, &[&proxies[5], url, &honest]);
    nine.rewire(7, &[&proxies[6], &liar.url()]);
    // The ledger takes nothing yet, but two servers say with one voice that it did.
    for proxy in &nine.proxies {
        proxy.break_at("POST /transactions", Fault::Answer(503));
    }
    for lying in [&nine.proxies[6], &liar] {
        says_that_it_is_paid(lying, &paying.wallet);
    }
    let nine = &paying.nine;
    let id = paying.pay();
    let told = nine.wait(id, "the lie to be reported", |diff| {
        diff["payout"]["reported"] != json!([])
    });
    assert_eq!(
        told["payout"]["reported"],
        json!([{ "guardian": "g7", "saw": "in effect in ledger 3" }])
    );
    nine.signed(id);
    assert_eq!(nine.taken(&paying.wallet), paying.taken);
    for (number, proxy) in nine.proxies.iter().enumerate() {
        if number + 1 != 7 {
            proxy.mend();
        }
    }
    let settled = nine.settles(id);
    assert_ne!(settled["payout"]["ledger"], 3, "{settled}");
    let behind = |number: usize| {
        until("a server to be seen behind", || {
            let chain = nine.chain(number);
            let endpoint = chain["endpoints"]
                .as_array()?
                .iter()
                .find(|one| one["name"] == url)?
                .clone();
            (endpoint["behind"].as_u64()? > 0).then_some(endpoint)
        })
    };
    // Who lags is not accused of lying.
    for number in [5, 6] {
        assert_eq!(behind(number)["contradictions"], 0, "g{number}");
    }
    let nine = &mut paying.nine;
    for number in 5..=7 {
        nine.rewire(number, &[&proxies[number - 1]]);
    }
    paying.mend();
    paying.paid_once_more();
}

/// A server that knows everything up to now, and nothing of what comes.
fn stands_still(nine: &Nine, runtime: &Runtime) -> String {
    let kept = nine.path("still.ledger");
    std::fs::copy(nine.path("stellar.ledger"), &kept).unwrap();
    let sandbox = stellar::open(stellar::PASSPHRASE, Some(&kept)).unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let (listener, url) = runtime.block_on(stellar::listen(any)).unwrap();
    runtime.spawn(stellar::serve(listener, sandbox, std::time::Duration::ZERO));
    url
}

/// Lets a server say of every transaction of the wallet that it is in ledger 3, and that its number is used up.
fn says_that_it_is_paid(server: &Proxy, wallet: &str) {
    let account = wallet.to_owned();
    let is_account =
        move |asked: &crate::proxy::Asked| asked.path == format!("/accounts/{account}");
    server.break_when(
        is_account,
        lie(|_, status, answer| {
            let sequence: i64 = answer["sequence"].as_str().unwrap().parse().unwrap();
            answer["sequence"] = (sequence + 1).to_string().into();
            status
        }),
    );
    let wallet = wallet.to_owned();
    server.break_at(
        "GET /transactions/",
        lie(move |asked, _, answer| {
            let hash = asked.path.rsplit('/').next().unwrap();
            *answer = json!({
                "hash": hash, "paging_token": "12884905984", "successful": true, "ledger": 3,
                "source_account": wallet, "source_account_sequence": "1", "fee_account": wallet,
                "fee_charged": "100",
            });
            200
        }),
    );
}
