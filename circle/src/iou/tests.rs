//! The book under any order of admission, holding, cancelling and paying.

use std::sync::Arc;

use ed25519_zebra::SigningKey;
use proptest::prelude::*;
use threescript::value::{AssetCode, Assets};

use super::*;
use crate::accounts;
use crate::digest::encode;
use crate::rejection::Failure;
use crate::state::{Memory, Overlay};

const CIRCLE: CircleId = CircleId([1; 32]);
const NOW: i64 = 1_000_000;

fn tft() -> AssetCode {
    AssetCode::new("TFT").unwrap()
}

fn secret(name: &str) -> SigningKey {
    SigningKey::from_bytes(&digest("test", &name))
}

fn book(names: &[&str]) -> Overlay {
    let mut rows = Overlay::new(Arc::new(Memory::new()));
    for name in names {
        accounts::register(&mut rows, name, Key::of(&secret(name)), Vec::new()).unwrap();
    }
    rows
}

fn iou(consumer: &str, sequence: u64, amount: i64) -> SignedIou {
    let (farmer, consumer) = (secret("farm"), secret(consumer));
    let from = sequence as i64 * 3600;
    let iou = Iou {
        circle: CIRCLE,
        farmer: Key::of(&farmer),
        consumer: Key::of(&consumer),
        reference: "contract".into(),
        from,
        to: from + 3600,
        usage: Vec::new(),
        price: Price {
            policy: [0; 32],
            tft_musd: 50,
        },
        asset: tft(),
        amount,
        sequence,
    };
    iou.sign(&farmer, &consumer)
}

fn submit(rows: &mut Overlay, ious: &[SignedIou], limits: &Limits) -> Vec<String> {
    let batch = encode(&ious.to_vec());
    let admission = admit(rows, CIRCLE, &Assets::standard(), NOW, &batch, limits).unwrap();
    let code = |(_, rejection): (Hash, crate::rejection::Rejection)| rejection.code.into_owned();
    admission.rejected.into_iter().map(code).collect()
}

/// The code of a refusal, or `ok`.
fn code(result: Result<(), Failure>) -> String {
    match result {
        Ok(()) => "ok".into(),
        Err(Failure::Rejected(rejection)) => rejection.code.into_owned(),
        Err(Failure::Fault(fault)) => panic!("{fault}"),
    }
}

#[test]
fn a_held_iou_is_not_paid_until_it_is_released_and_a_cancelled_one_never() {
    let mut rows = book(&["farm", "ann"]);
    let ious = [iou("ann", 1, 10), iou("ann", 2, 20)];
    assert!(submit(&mut rows, &ious, &Limits::new()).is_empty());
    let (first, second) = (ious[0].iou.id(), ious[1].iou.id());
    let claim = find(&rows, &first).unwrap().unwrap();
    assert_eq!(
        (claim.consumer.as_str(), claim.admitted, claim.to),
        ("ann", NOW, 7200)
    );
    assert_eq!(code(release(&mut rows, &first)), "iou.state");
    assert_eq!(code(cancel(&mut rows, &first)), "iou.state");
    assert_eq!(code(hold(&mut rows, &first)), "ok");
    assert_eq!(code(hold(&mut rows, &first)), "iou.state");
    let owed = unpaid(&rows, "ann", &tft()).unwrap();
    assert_eq!((owed.open, owed.held), (20, 10));

    let paid = pay(&mut rows, "ann", &tft(), i64::MAX, 100).unwrap();
    assert_eq!((paid.len(), paid[0].amount), (1, 20));
    assert_eq!(code(hold(&mut rows, &second)), "iou.state");
    assert_eq!(code(release(&mut rows, &first)), "ok");
    assert_eq!(
        pay(&mut rows, "ann", &tft(), i64::MAX, 9).unwrap(),
        Vec::new()
    );
    assert_eq!(code(hold(&mut rows, &first)), "ok");
    assert_eq!(code(cancel(&mut rows, &first)), "ok");
    assert_eq!(code(release(&mut rows, &first)), "iou.state");
    assert_eq!(
        pay(&mut rows, "ann", &tft(), i64::MAX, 100).unwrap(),
        Vec::new()
    );
    assert_eq!(unpaid(&rows, "ann", &tft()).unwrap(), Unpaid::default());
    assert_eq!(code(hold(&mut rows, &[9; 32])), "iou.unknown");
    assert_eq!(find(&rows, &[9; 32]).unwrap(), None);
    assert_eq!(
        submit(&mut rows, &ious[..1], &Limits::new()),
        ["iou.replayed"]
    );
}

#[test]
fn a_limit_counts_what_is_open_and_what_is_held() {
    let mut rows = book(&["farm", "ann", "bob"]);
    let limits = Limits::from([("ann".to_owned(), [(tft(), 30)].into())]);
    let ious = [iou("ann", 1, 20), iou("ann", 2, 11), iou("ann", 3, 10)];
    assert_eq!(submit(&mut rows, &ious, &limits), ["iou.limit"]);
    assert_eq!(code(hold(&mut rows, &ious[0].iou.id())), "ok");
    assert_eq!(
        submit(&mut rows, &[iou("ann", 4, 1), iou("bob", 5, 1000)], &limits),
        ["iou.limit"]
    );
    assert_eq!(
        submit(&mut rows, &ious[1..2], &limits),
        ["iou.falling_sequence"]
    );
    pay(&mut rows, "ann", &tft(), i64::MAX, 10).unwrap();
    assert!(submit(&mut rows, &[iou("ann", 6, 10)], &limits).is_empty());
    let batch = encode(&vec![
        iou("ann", 7, 1),
        iou("bob", 8, 1),
        iou("nobody", 9, 1),
        iou("ann", 10, 1),
    ]);
    assert_eq!(ids(&batch).unwrap()[0], iou("ann", 7, 1).iou.id());
    let named = consumers(&rows, &batch).unwrap();
    assert_eq!(
        named.into_iter().collect::<Vec<_>>(),
        ["ann", "bob"],
        "who has no account is not named"
    );
}

#[test]
fn the_oldest_windows_are_found_consumer_by_consumer() {
    let mut rows = book(&["farm", "ann", "bob", "cat", "dan"]);
    let ious = [
        iou("cat", 5, 1),
        iou("ann", 6, 1),
        iou("ann", 7, 1),
        iou("dan", 8, 1),
    ];
    assert!(submit(&mut rows, &ious, &Limits::new()).is_empty());
    let page = |after: &str, most| {
        let found = oldest(&rows, after, most).unwrap().into_iter();
        found
            .map(|one| format!("{} {}", one.consumer, one.to / 3600))
            .collect::<Vec<_>>()
    };
    assert_eq!(page("", 10), ["ann 7", "cat 6", "dan 9"]);
    assert_eq!(page("", 2), ["ann 7", "cat 6"]);
    assert_eq!(page("bob", 2), ["cat 6", "dan 9"]);
    assert_eq!(page("dan", 2), Vec::<String>::new());
    assert_eq!(oldest_of(&rows, "ann").unwrap(), Some(7 * 3600));
    assert_eq!(oldest_of(&rows, "bob").unwrap(), None);
    assert!(matches!(
        oldest(&rows, "eve", 1),
        Err(Failure::Rejected(rejection)) if rejection.code == "account.unknown"
    ));
}

proptest! {
    #[test]
    fn what_consumers_owe_is_the_sum_of_their_ious(
        steps in prop::collection::vec((0u8..5, 0usize..8, 0i64..200), 1..60)
    ) {
        let mut rows = book(&["farm", "ann", "bob"]);
        let ious: Vec<SignedIou> = (0..8u64)
            .map(|n| iou(if n % 2 == 0 { "ann" } else { "bob" }, n + 1, (n as i64) * 37 % 90))
            .collect();
        let mut paid_total = 0;
        for (step, which, budget) in steps {
            let id = ious[which].iou.id();
            let consumer = if which % 2 == 0 { "ann" } else { "bob" };
            match step {
                0 => { submit(&mut rows, &ious[which..=which], &Limits::new()); }
                1 => { code(hold(&mut rows, &id)); }
                2 => { code(release(&mut rows, &id)); }
                3 => { code(cancel(&mut rows, &id)); }
                _ => {
                    let paid = pay(&mut rows, consumer, &tft(), i64::MAX, budget).unwrap();
                    let sum: i64 = paid.iter().map(|paid| paid.amount).sum();
                    prop_assert!(sum <= budget);
                    paid_total += sum;
                }
            }
            let mut sums = [Unpaid::default(); 2];
            let mut paid_now = 0;
            for (n, signed) in ious.iter().enumerate() {
                if let Some(claim) = find(&rows, &signed.iou.id()).unwrap() {
                    let units = i128::from(claim.amount);
                    match claim.state {
                        State::Open => sums[n % 2].open += units,
                        State::Held => sums[n % 2].held += units,
                        State::Paid => paid_now += claim.amount,
                        State::Cancelled => {}
                    }
                }
            }
            prop_assert_eq!(unpaid(&rows, "ann", &tft()).unwrap(), sums[0]);
            prop_assert_eq!(unpaid(&rows, "bob", &tft()).unwrap(), sums[1]);
            prop_assert_eq!(paid_now, paid_total, "an IOU is paid once");
        }
    }
}
