//! Payouts from a Safe, against a Safe in memory that holds what the contract holds: owners, a nonce, tokens.

mod adoption;

use std::collections::{BTreeMap, BTreeSet};

use super::membership::{bench, joins, leaves};
use circle::digest::encode;
use circle::treasury::{
    self, Address, Chain, Observation, Outcome, Payout, PayoutState, Question, Scheme, Transaction,
};
use guardian_tests::money::{PAYER, observe};
use guardian_tests::{CHAIN_ID, Simulation, TOKEN, act, policies, tft};
use threescript::action::Action;
use threescript::value::{Amount, Value};
use treasury_protocol::ethereum::{
    self, Address as Account, Call, Contracts, Meaning, OwnerKey, Owners, message_hash,
};

/// What the chain knows of the Safe.
#[derive(Default)]
struct Safe {
    owners: Vec<Account>,
    threshold: usize,
    nonce: u64,
    done: Vec<[u8; 32]>,
    tokens: BTreeMap<Account, u64>,
}

impl Safe {
    /// Whether enough owners signed.
    fn counts(&self, payout: &Payout) -> bool {
        let Some(treasury::Proof::Owners(signatures)) = &payout.proof else {
            return false;
        };
        let signed_by = signatures.iter().map(|one| {
            ethereum::recover(&payout.hash, &one.bytes).expect("the kernel looked at it")
        });
        let owners: BTreeSet<Account> = signed_by.filter(|one| self.owners.contains(one)).collect();
        owners.len() >= self.threshold && owners.len() == signatures.len()
    }

    /// A Safe puts whom it takes in before all others, and whom it swaps in into the place of who goes. Whoever removes or swaps
    /// one has to name the one before, in the Safe's own order.
    fn change(&mut self, safe: Account, call: &Call) {
        let mut owners = Owners::new(self.owners.clone(), self.threshold as u32).unwrap();
        let number = |threshold| u32::try_from(threshold).unwrap();
        let accepted = match call.meaning(safe) {
            Meaning::AddOwner { owner, threshold } => owners.add(safe, owner, number(threshold)),
            Meaning::RemoveOwner { owner, threshold } => {
                owners.remove(safe, owner, number(threshold))
            }
            Meaning::SwapOwner { old, new } => owners.swap(safe, old, new),
            Meaning::ChangeThreshold { threshold } => {
                owners.change_threshold(safe, number(threshold))
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(accepted.as_ref(), Ok(call), "the Safe reverts");
        self.owners = owners.addresses().to_vec();
        self.threshold = owners.threshold() as usize;
    }
}

struct Money {
    circle: Simulation,
    safe: Safe,
}

/// `treasury.safe`, for a new Safe or the one at this address.
fn open(wallet: &str, address: &str) -> Action {
    act(
        "treasury",
        "safe",
        vec![
            ("wallet", Value::Text(wallet.into())),
            ("chain_id", Value::Int(CHAIN_ID as i64)),
            ("contracts", Value::Bytes(encode(&Contracts::CANONICAL_L2))),
            ("threshold", Value::Int(0)),
            ("address", Value::Text(address.into())),
            (
                "from_block",
                Value::Int(i64::from(!address.is_empty()) * 500),
            ),
        ],
    )
}

impl Money {
    fn new(seed: u64, units: u64) -> Self {
        Self::with(seed, units, "", |_| {})
    }

    /// With a Safe that is there already and links its owners in another order.
    fn with(seed: u64, units: u64, address: &str, order: fn(&mut [Account])) -> Self {
        let mut sources = policies();
        sources.push(PAYER.to_owned());
        let mut money = Self {
            circle: Simulation::with_policies(9, seed, None, sources),
            safe: Safe::default(),
        };
        let opened = money.circle.act_as_circle(vec![open("main", address)]);
        assert!(opened.is_ok(), "{opened:?}");
        let address = money.address();
        money.safe.tokens.insert(address, units * 100);
        let keys = money.circle.guardians.iter();
        money.safe.owners = keys
            .map(|guardian| guardian.owner_key().address())
            .collect();
        order(&mut money.safe.owners);
        money.safe.threshold = 7;
        money.run();
        money.report(&Observation::Received {
            wallet: "main".into(),
            operation: "0xabc:0".into(),
            from: Account([9; 20]).to_string(),
            to: None,
            memo: None,
            amount: Amount::new(units as i64, tft()),
        });
        money
    }

    fn wallet(&self) -> treasury::Wallet {
        let wallet = treasury::wallet(&self.circle.guardians[0].state(), "main");
        wallet.unwrap().unwrap()
    }

    fn address(&self) -> Account {
        match self.wallet().address {
            Some(Address::Ethereum(address)) => address,
            other => panic!("{other:?}"),
        }
    }

    /// An account that is paid at an address of its own.
    fn person(&mut self, name: &str) -> Account {
        self.circle.account(name);
        let address = Account([name.as_bytes()[0]; 20]);
        let receive = act(
            "treasury",
            "receive_at",
            vec![
                ("account", Value::Account(name.into())),
                ("chain", Value::Text("ethereum".into())),
                ("address", Value::Text(address.to_string())),
                ("memo", Value::Text(String::new())),
            ],
        );
        assert!(self.circle.act_as_circle(vec![receive]).is_ok());
        address
    }

    fn pay(&mut self, to: &[&str], units: i64) {
        let to = to.iter().map(|name| Value::Text((*name).into())).collect();
        let pay = act(
            "payer",
            "pay",
            vec![
                ("to", Value::List(to)),
                ("amount", Value::Amount(Amount::new(units, tft()))),
            ],
        );
        let receipt = self.circle.act_as_circle(vec![pay]);
        assert!(receipt.is_ok(), "{receipt:?}");
    }

    fn payouts(&self) -> Vec<Payout> {
        self.circle.payouts(0)
    }

    /// Sends a signed payout to the Safe, which takes it if its nonce is the next one.
    fn send(&mut self, payout: &Payout) -> bool {
        let Transaction::Safe(transaction) = &payout.transaction else {
            panic!("{payout:?}")
        };
        if payout.execution().is_none() || transaction.safe_nonce != self.safe.nonce {
            return false;
        }
        assert!(self.safe.counts(payout), "only its owners act for a Safe");
        let safe = self.address();
        let Chain::Ethereum { contracts, .. } = self.wallet().chain else {
            panic!("a Safe is on Ethereum")
        };
        for call in transaction.calls(&contracts).unwrap() {
            match call.meaning(safe) {
                Meaning::Erc20 { token, to, units } => {
                    assert_eq!(token, TOKEN);
                    let units = u64::try_from(units).unwrap();
                    *self.safe.tokens.get_mut(&safe).unwrap() -= units;
                    *self.safe.tokens.entry(to).or_default() += units;
                }
                Meaning::Nothing => {}
                _ => self.safe.change(safe, &call),
            }
        }
        self.safe.nonce += 1;
        self.safe.done.push(payout.hash);
        true
    }

    fn broadcast(&mut self) {
        for payout in self.payouts() {
            if !payout.state.is_final() {
                self.send(&payout);
            }
        }
    }

    /// All guardians report the same.
    fn report(&mut self, seen: &Observation) -> bool {
        let mut said = false;
        for guardian in 0..self.circle.guardians.len() {
            if !self.circle.guardians[guardian].running {
                continue;
            }
            let rows = self.circle.guardians[guardian].state();
            if treasury::is_news(&rows, guardian as u32, seen).unwrap() {
                said |= self
                    .circle
                    .act(guardian, vec![observe(std::slice::from_ref(seen))])
                    .is_ok();
            }
        }
        said
    }

    fn look(&self) -> Vec<Observation> {
        let rows = self.circle.guardians[0].state();
        let questions = treasury::questions(&rows, &self.circle.genesis, self.circle.time_ms());
        let answer = |question: &Question| match question {
            Question::Account { .. } => {
                let owners = self.safe.owners.clone();
                question.linked(self.safe.nonce as i64 - 1, owners)
            }
            Question::Outcome { payout, .. } => question.outcome(self.outcome(payout)),
            _ => None,
        };
        questions.unwrap().iter().filter_map(answer).collect()
    }

    fn outcome(&self, payout: &Payout) -> Outcome {
        if let Some(block) = self.safe.done.iter().position(|hash| *hash == payout.hash) {
            return Outcome::Included {
                ledger: block as u64,
                succeeded: true,
                fee: 0,
            };
        }
        match payout.transaction.sequence() < self.safe.nonce as i64 {
            true => Outcome::Passed {
                sequence: payout.transaction.sequence(),
            },
            false => Outcome::Pending,
        }
    }

    fn run(&mut self) {
        for _ in 0..20 {
            self.circle.settle();
            self.broadcast();
            let mut said = false;
            for seen in self.look() {
                said |= self.report(&seen);
            }
            if !said {
                return;
            }
        }
        panic!("the treasury never comes to rest");
    }

    fn holds(&self, account: Account) -> u64 {
        self.safe.tokens.get(&account).copied().unwrap_or_default()
    }
}

#[test]
fn a_safe_of_all_guardians_pays_a_batch_that_seven_of_nine_signed() {
    let mut money = Money::new(1, 1_000);
    let Scheme::Safe {
        owners: Some(owners),
    } = money.wallet().scheme
    else {
        panic!("all guardians named their keys")
    };
    let keys = money.circle.guardians.iter();
    let keys: Vec<Account> = keys
        .map(|guardian| guardian.owner_key().address())
        .collect();
    assert_eq!((owners.addresses(), owners.threshold()), (&keys[..], 7));

    let (bob, carol) = (money.person("bob"), money.person("carol"));
    money.pay(&["bob", "carol"], 100);
    money.run();
    assert_eq!(money.circle.states(), [(1, "pay", "settled")]);
    // Two decimals more on the chain.
    assert_eq!((money.holds(bob), money.holds(carol)), (10_000, 10_000));
    let treasury::Proof::Owners(signatures) = money.payouts()[0].proof.clone().unwrap() else {
        panic!("owners sign")
    };
    assert_eq!(signatures.len(), 7);
    assert_eq!(
        (
            money.circle.book("wallet:main"),
            money.circle.book("payout:main")
        ),
        (800, 0)
    );
}

#[test]
fn a_nonce_used_from_outside_makes_another_payout_with_the_same_lines() {
    let mut money = Money::new(2, 1_000);
    let bob = money.person("bob");
    money.pay(&["bob"], 100);
    money.circle.settle();
    money.safe.nonce += 1;
    money.run();
    assert_eq!(
        money.circle.states(),
        [(1, "pay", "lost"), (2, "pay", "settled")]
    );
    assert_eq!(money.holds(bob), 10_000);
    assert_eq!(money.payouts()[1].transaction.sequence(), 1);
}

#[test]
fn guardians_who_look_at_different_times_agree_that_a_nonce_was_used_from_outside() {
    let mut money = Money::new(6, 1_000);
    let bob = money.person("bob");
    money.pay(&["bob"], 100);
    money.pay(&["bob"], 200);
    money.circle.settle();
    money.safe.nonce += 1;
    let early = money.look();
    // While the others have not looked, the Safe goes on with the second payout.
    let second = money.payouts()[1].clone();
    assert!(money.send(&second));
    let late = money.look();
    let lost = |seen: &&Observation| matches!(seen, Observation::Lost { payout: 1, .. });
    let (early, late) = (early.iter().find(lost), late.iter().find(lost));
    assert_eq!(early, late);
    for (guardian, seen) in [early, early, early, late, late, late, late]
        .into_iter()
        .flatten()
        .enumerate()
    {
        assert_eq!(
            code(&mut money, guardian, observe(std::slice::from_ref(seen))),
            "ok"
        );
    }
    assert_eq!(money.circle.states()[0], (1, "pay", "lost"));
    money.run();
    let expected = [
        (1, "pay", "lost"),
        (2, "pay", "settled"),
        (3, "pay", "settled"),
    ];
    assert_eq!(money.circle.states(), expected);
    assert_eq!(money.holds(bob), 30_000);
    assert_eq!(money.payouts()[2].transaction.sequence(), 2);
}

#[test]
fn payouts_find_their_way_past_many_nonces_that_were_used_from_outside() {
    let mut money = Money::new(7, 1_000);
    let bob = money.person("bob");
    money.pay(&["bob"], 100);
    money.pay(&["bob"], 200);
    money.circle.settle();
    money.safe.nonce += 7;
    money.run();
    let payouts = money.payouts();
    let settled = payouts
        .iter()
        .filter(|payout| payout.state == PayoutState::Settled);
    let sequences: Vec<i64> = settled.map(|paid| paid.transaction.sequence()).collect();
    assert_eq!(sequences, [7, 8]);
    assert!(payouts.iter().all(|payout| payout.state.is_final()));
    assert_eq!((money.holds(bob), money.safe.nonce), (30_000, 9));
    assert_eq!(
        (
            money.circle.book("payout:main"),
            money.circle.book("wallet:main")
        ),
        (0, 700)
    );
    assert_eq!(money.wallet().next_sequence, Some(9));
}

#[test]
fn what_cannot_have_passed_a_payout_of_a_safe_is_refused() {
    let mut money = Money::new(8, 1_000);
    money.person("bob");
    money.pay(&["bob"], 100);
    let transaction = money.payouts()[0].hash;
    for passed_by in [None, Some(-1), Some(1)] {
        let seen = Observation::Lost {
            payout: 1,
            transaction,
            passed_by,
        };
        assert_eq!(
            code(&mut money, 0, observe(&[seen])),
            "observation.sequence"
        );
    }
}

#[test]
fn what_is_taken_back_races_with_the_payout_for_one_nonce() {
    let mut money = Money::new(3, 1_000);
    let bob = money.person("bob");
    for (faster, expected, held) in [
        (1, [(1, "pay", "cancelled"), (2, "cancel", "settled")], 0),
        (0, [(3, "pay", "settled"), (4, "cancel", "lost")], 10_000),
    ] {
        let first = money.payouts().len();
        money.pay(&["bob"], 100);
        money.circle.settle();
        let id = Value::Id(first as u64 + 1);
        let cancel = act("treasury", "cancel", vec![("payout", id)]);
        assert!(money.circle.act_as_circle(vec![cancel]).is_ok());
        money.circle.settle();
        let pair = money.payouts()[first..].to_vec();
        assert_eq!(pair[0].state, PayoutState::Replaced);
        assert!(money.send(&pair[faster]));
        assert!(!money.send(&pair[1 - faster]), "the nonce is used up");
        money.run();
        assert_eq!(money.circle.states()[first..], expected);
        assert_eq!(money.holds(bob), held);
    }
    assert_eq!(money.circle.book("payable:bob"), 100);
}

/// The owners as the circle knows them are those of the Safe, in its order, and the same number of them signs.
fn owners_agree(money: &Money) -> bool {
    let Scheme::Safe {
        owners: Some(owners),
    } = money.wallet().scheme
    else {
        return false;
    };
    owners.addresses() == money.safe.owners && owners.threshold() as usize == money.safe.threshold
}

#[test]
fn the_owners_of_a_safe_follow_the_guardians() {
    let mut money = Money::new(6, 1_000);
    let bob = money.person("bob");
    let leaver = money.circle.guardians[3].owner_key().address();
    joins(&mut money.circle, "ten");
    money.run();
    assert_eq!(money.circle.states(), [(1, "signers", "settled")]);
    assert_eq!((money.safe.owners.len(), money.safe.threshold), (10, 7));
    assert!(owners_agree(&money));

    // What is planned behind the next change is signed by those who own the Safe after it.
    leaves(&mut money.circle, "guardian4");
    money.circle.guardians[3].running = false;
    money.pay(&["bob"], 100);
    money.circle.settle();
    assert_eq!(
        money.circle.states()[1..],
        [(2, "signers", "signed"), (3, "pay", "checking")]
    );
    money.run();
    assert_eq!(
        money.circle.states()[1..],
        [(2, "signers", "settled"), (3, "pay", "settled")]
    );
    assert!(owners_agree(&money) && !money.safe.owners.contains(&leaver));
    assert_eq!(money.holds(bob), 10_000);
}

#[test]
fn the_circle_sets_how_many_owners_sign() {
    let mut money = Money::new(7, 1_000);
    let bob = money.person("bob");
    let rotate = |threshold: i64| {
        act(
            "treasury",
            "rotate",
            vec![
                ("wallet", Value::Text("main".into())),
                ("threshold", Value::Int(threshold)),
            ],
        )
    };
    for (threshold, expected) in [
        (0, "wallet.signers"),
        (7, "wallet.signers"),
        (4, "wallet.threshold"),
        (10, "wallet.threshold"),
        (8, "ok"),
        (9, "wallet.changing"),
    ] {
        let receipt = money.circle.act_as_circle(vec![rotate(threshold)]);
        assert_eq!(receipt.code, expected, "{threshold}");
    }
    money.run();
    assert!(owners_agree(&money));
    assert_eq!(money.safe.threshold, 8);
    // Eight are enough when one is away.
    money.circle.guardians[8].running = false;
    assert!(money.circle.act_as_circle(vec![bench("guardian9")]).is_ok());
    money.pay(&["bob"], 100);
    money.run();
    assert_eq!(money.holds(bob), 10_000);
}

#[test]
fn a_change_of_owners_that_is_taken_back_leaves_the_owners_of_before() {
    let mut money = Money::new(8, 1_000);
    let bob = money.person("bob");
    let rotate = act(
        "treasury",
        "rotate",
        vec![
            ("wallet", Value::Text("main".into())),
            ("threshold", Value::Int(9)),
        ],
    );
    assert!(money.circle.act_as_circle(vec![rotate]).is_ok());
    money.pay(&["bob"], 100);
    money.circle.settle();
    let cancel = act("treasury", "cancel", vec![("payout", Value::Id(1))]);
    assert!(money.circle.act_as_circle(vec![cancel]).is_ok());
    money.circle.settle();
    let no_op = money.payouts()[2].clone();
    assert!(money.send(&no_op));
    money.run();
    assert_eq!(
        money.circle.states(),
        [
            (1, "signers", "cancelled"),
            (2, "pay", "settled"),
            (3, "cancel", "settled")
        ]
    );
    assert_eq!((money.safe.threshold, money.holds(bob)), (7, 10_000));
    assert!(owners_agree(&money));
}

/// Sends an action as a guardian and gives the code of what became of it.
fn code(money: &mut Money, guardian: usize, action: Action) -> String {
    money.circle.act(guardian, vec![action]).code
}

#[test]
fn owners_sign_once_for_themselves_and_only_what_is_to_be_signed() {
    let mut money = Money::new(4, 1_000);
    money.person("bob");
    let own = |signature: [u8; 65]| guardian_tests::own(Vec::new(), signature.to_vec());
    let stranger = OwnerKey::from_bytes(&[3; 32]).unwrap();
    let member = circle::ids::Key::of(&money.circle.guardians[0].secret);
    let hash = treasury::ownership(money.circle.genesis.circle, &member);
    assert_eq!(
        code(&mut money, 0, own(stranger.sign(&hash).unwrap())),
        "owner.known"
    );

    let sign = |payout: u64, signature: [u8; 65]| {
        let signatures = vec![treasury::OwnedPayout {
            payout,
            signature: signature.to_vec(),
        }];
        let signatures = Value::Bytes(encode(&signatures));
        act("treasury", "sign", vec![("signatures", signatures)])
    };
    money.pay(&["bob"], 100);
    let payout = money.payouts()[0].clone();
    assert_eq!(payout.state, PayoutState::Signed);
    let right = money.circle.guardians[8]
        .owner_key()
        .sign(&payout.hash)
        .unwrap();
    assert_eq!(code(&mut money, 8, sign(1, right)), "owner.state");
    assert_eq!(code(&mut money, 8, sign(9, right)), "payout.unknown");
}

#[test]
fn payments_from_an_address_belong_to_the_account_whose_owner_said_so() {
    let mut money = Money::new(5, 1_000);
    money.circle.account("bob");
    let key = OwnerKey::from_bytes(&[5; 32]).unwrap();
    let text = treasury::payer_message(money.circle.genesis.circle, "bob");
    let signature = key.sign(&message_hash(text.as_bytes())).unwrap();
    let says = act(
        "treasury",
        "pays_from",
        vec![("signature", Value::Bytes(signature.to_vec()))],
    );
    assert!(money.circle.act_as("bob", vec![says]).is_ok());
    money.report(&Observation::Received {
        wallet: "main".into(),
        operation: "0xdef:3".into(),
        from: key.address().to_string(),
        to: None,
        memo: None,
        amount: Amount::new(40, tft()),
    });
    assert_eq!(money.circle.book("escrow:bob"), 40);
}
