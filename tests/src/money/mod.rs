//! A simulated circle whose wallet is on a ledger in memory: guardians watch it, anybody broadcasts.

mod outside;
pub mod schedule;
mod watching;

use std::collections::BTreeMap;

use circle::ceremonies;
use circle::digest::encode;
use circle::ids::Key;
use circle::treasury::{self, Address, Observation, Payout, Scheme, Wallet};
use ed25519_zebra::SigningKey;
use stellar_xdr::{self as xdr, ReadXdr};
use threescript::action::Action;
use threescript::value::{Amount, Value};
use treasury_protocol::stellar::{
    Asset, AssetCode, Batch, Destination, Memo, Operation, Signature, TimeBounds, multisig,
};
use treasury_sandbox::ledger::account::{Account, Trustline};
use treasury_sandbox::ledger::{ClaimableBalance, Included, Ledger, Submission};

use crate::guardian::act;
use crate::simulation::{START_MS, Simulation, tft};

/// The network that the wallet is on.
pub const NETWORK: &str = "Guardian Circle simulation";

/// A policy that pays whom it is told to, out of what belongs to the circle.
pub const PAYER: &str = r#"
/// Pays accounts out of the free treasury, for tests.
policy payer version 1

/// Pays each account of the list the same.
action pay(
    /// Who.
    to: list(text),
    /// How much each.
    amount: amount,
) by circle {
    let lines = [];
    for name in to {
        ledger.transfer("wallet:main", "payable:" + name, amount);
        lines.push(#{ account: name, amount: amount });
    }
    treasury.plan("main", lines);
}
"#;

/// A circle and its chain.
pub struct Money {
    /// The circle.
    pub circle: Simulation,
    /// The chain.
    pub ledger: Ledger,
    issuer: SigningKey,
    people: BTreeMap<String, SigningKey>,
}

impl Money {
    /// A circle of nine whose wallet has `units` of TFT that belong to nobody else.
    pub fn new(seed: u64, units: i64) -> Self {
        let mut money = Self::without_wallet(seed);
        money.open_wallet();
        money.fund(units);
        money
    }

    /// The same with a wallet that each guardian owns with a key of its own.
    pub fn owned(seed: u64, units: i64) -> Self {
        let mut money = Self::without_wallet(seed);
        money.decide_multisig();
        let key = money.make_account(200, &money.owners());
        assert_eq!(money.name_account(&key), "ok");
        money.run();
        money.fund(units);
        money
    }

    /// The circle and its chain, with an issuer of TFT.
    pub fn without_wallet(seed: u64) -> Self {
        let mut sources = crate::simulation::policies();
        sources.push(PAYER.to_owned());
        let circle = Simulation::with_policies(9, seed, None, sources);
        let issuer = SigningKey::from_bytes(&[250; 32]);
        let mut ledger = Ledger::new(NETWORK, START_MS / 1000);
        let now = START_MS / 1000;
        ledger
            .befriend(&Key::of(&issuer).0, now)
            .expect("the ledger is new");
        Self {
            circle,
            ledger,
            issuer,
            people: BTreeMap::new(),
        }
    }

    /// Lets the circle want a wallet that each guardian owns; each of them names its key.
    pub fn decide_multisig(&mut self) {
        let open = act(
            "treasury",
            "multisig",
            vec![
                ("wallet", Value::Text("main".into())),
                ("network", Value::Text(NETWORK.into())),
                ("threshold", Value::Int(0)),
            ],
        );
        let receipt = self.circle.act_as_circle(vec![open]);
        assert!(receipt.is_ok(), "{receipt:?}");
        self.circle.settle();
    }

    /// Who owns the wallet as the circle knows it.
    pub fn owners(&self) -> multisig::Owners {
        match self.wallet().scheme {
            Scheme::Multisig {
                owners: Some(owners),
            } => owners,
            other => panic!("{other:?}"),
        }
    }

    /// Makes an account and gives it to owners, as somebody outside does. Its own key.
    pub fn make_account(&mut self, secret: u8, owners: &multisig::Owners) -> SigningKey {
        let key = SigningKey::from([secret; 32]);
        let now = self.now_s();
        let opened = self.ledger.befriend(&Key::of(&key).0, now);
        assert!(matches!(opened, Ok(Submission::Included(_))));
        self.give(&key, owners);
        key
    }

    /// Gives an account to owners.
    pub fn give(&mut self, key: &SigningKey, owners: &multisig::Owners) {
        let setup = owners.setup().expect("they can own an account");
        self.send_all_as(key, setup, None);
    }

    /// TFT from its issuer.
    pub fn issue(&mut self, to: &SigningKey, amount: i64) {
        let payment = Operation::Payment {
            to: Destination {
                key: Key::of(to).0,
                muxed: None,
            },
            asset: self.asset(),
            amount,
        };
        let issuer = self.issuer;
        self.send_as(&issuer, payment, None);
    }

    /// Says where the wallet's account is. The code of what became of that.
    pub fn name_account(&mut self, key: &SigningKey) -> String {
        let address = treasury_protocol::stellar::address(&Key::of(key).0);
        let named = act(
            "treasury",
            "account",
            vec![
                ("wallet", Value::Text("main".into())),
                ("address", Value::Text(address)),
            ],
        );
        self.circle.act(3, vec![named]).code
    }

    /// Makes the key of the wallet, funds its account, and lets the circle find it and trust what it deals in.
    fn open_wallet(&mut self) {
        let start = act(
            "ceremony",
            "start",
            vec![
                ("wallet", Value::Text("main".into())),
                ("network", Value::Text(NETWORK.into())),
                ("sequence", Value::Int(-1)),
                ("threshold", Value::Int(0)),
            ],
        );
        let receipt = self.circle.act_as_circle(vec![start]);
        assert!(receipt.is_ok(), "{receipt:?}");
        let account = self.account();
        let now = self.now_s();
        let opened = self.ledger.befriend(&account, now);
        assert!(matches!(opened, Ok(Submission::Included(_))));
        self.run();
        assert_eq!(self.wallet().next_sequence, Some(self.sequence() + 1));
    }

    /// TFT from the issuer, which has no account in the circle.
    fn fund(&mut self, units: i64) {
        let to = Destination {
            key: self.account(),
            muxed: None,
        };
        let asset = self.asset();
        let issuer = self.issuer;
        self.send_as(
            &issuer,
            Operation::Payment {
                to,
                asset,
                amount: units,
            },
            None,
        );
        self.run();
        let free =
            circle::ledger::balance(&self.circle.guardians[0].state(), "wallet:main", &tft());
        assert_eq!(free.expect("memory does not fail"), units);
    }

    /// A transaction of one operation from a plain account, which has to succeed.
    pub fn send_as(&mut self, key: &SigningKey, operation: Operation, memo: Option<Memo>) {
        self.send_all_as(key, vec![operation], memo);
    }

    fn send_all_as(&mut self, key: &SigningKey, operations: Vec<Operation>, memo: Option<Memo>) {
        let source = Key::of(key).0;
        let sequence = self.ledger.account(&source).expect("it is funded").sequence + 1;
        let batch = Batch {
            source,
            fee_per_op_stroops: 100,
            sequence,
            time_bounds: TimeBounds {
                min: 0,
                max: u32::MAX.into(),
            },
            memo,
            operations,
        };
        let hash = batch.hash(NETWORK).expect("the batch is sound");
        let signature = Signature {
            key: source,
            bytes: key.sign(&hash).into(),
        };
        let envelope = batch.envelope(NETWORK, &[signature]).expect("it is signed");
        assert!(
            self.submit(&envelope)
                .is_some_and(|included| succeeded(&included))
        );
    }

    /// Sends an envelope to the chain. Nothing if it is refused for now, or for ever.
    pub fn submit(&mut self, envelope: &str) -> Option<Included> {
        let envelope = xdr::TransactionEnvelope::from_xdr_base64(envelope, xdr::Limits::none());
        let now = self.now_s();
        match self
            .ledger
            .submit(&envelope.expect("it is an envelope"), now)
        {
            Ok(Submission::Included(included)) => Some(*included),
            _ => None,
        }
    }

    /// The account `name`, whose key has an account on the chain. It trusts TFT if it is told to.
    pub fn person(&mut self, name: &str, trusts: bool) {
        let key = self.circle.account(name);
        let now = self.now_s();
        let opened = self.ledger.befriend(&Key::of(&key).0, now);
        assert!(matches!(opened, Ok(Submission::Included(_))));
        self.people.insert(name.into(), key);
        if trusts {
            self.trust(name);
        }
    }

    /// Lets a person trust TFT.
    pub fn trust(&mut self, name: &str) {
        let key = self.people[name];
        let asset = self.asset();
        self.send_as(
            &key,
            Operation::Trust {
                asset,
                limit: i64::MAX,
            },
            None,
        );
    }

    /// Lets a person claim everything that waits for it.
    pub fn claim(&mut self, name: &str) -> usize {
        let key = self.people[name];
        let now = self.now_s();
        let mine = self.waiting(name).into_iter();
        // Later, only the wallet can.
        let mine = mine.filter(|(_, balance)| match balance.claimants[0].predicate {
            xdr::ClaimPredicate::BeforeAbsoluteTime(until) => (now as i64) < until,
            _ => false,
        });
        let mine: Vec<[u8; 32]> = mine.map(|(balance, _)| balance).collect();
        for balance in &mine {
            self.send_as(&key, Operation::Reclaim { balance: *balance }, None);
        }
        mine.len()
    }

    /// Plans a payout of the same amount to each of these accounts.
    pub fn pay(&mut self, to: &[&str], units: i64) -> bool {
        let to = to.iter().map(|name| Value::Text((*name).into())).collect();
        let pay = act(
            "payer",
            "pay",
            vec![
                ("to", Value::List(to)),
                ("amount", Value::Amount(Amount::new(units, tft()))),
            ],
        );
        self.circle.act_as_circle(vec![pay]).is_ok()
    }

    /// Gives the wallet another key, of which `threshold` shares sign; 0 for the quorum. The code of what became of it.
    pub fn rotate(&mut self, threshold: i64) -> String {
        let rotate = act(
            "treasury",
            "rotate",
            vec![
                ("wallet", Value::Text("main".into())),
                ("threshold", Value::Int(threshold)),
            ],
        );
        self.circle.act_as_circle(vec![rotate]).code
    }

    /// Who signs for the wallet on the chain: the weight of the account's own key, and of each other signer.
    pub fn signers(&self) -> (u8, Vec<([u8; 32], u8)>) {
        let account = self.ledger.account(&self.account());
        let account = account.expect("it is funded");
        let others = account.signers.iter().map(|(signer, weight)| match signer {
            xdr::SignerKey::Ed25519(key) => (key.0, *weight),
            other => panic!("{other:?} signs for the wallet"),
        });
        (account.master_weight, others.collect())
    }

    fn owners_on_chain(&self) -> multisig::Owners {
        let (_, signers) = self.signers();
        let keys = signers.into_iter().map(|(key, _)| key).collect();
        let account = self.ledger.account(&self.account());
        let threshold = account.expect("it is funded").thresholds[1];
        multisig::Owners::new(keys, threshold).expect("somebody can act for it")
    }

    /// Checks that the key that the circle knows, and no other, signs for the wallet on the chain.
    ///
    /// # Panics
    /// If not.
    pub fn check_signers(&self) {
        if let Scheme::Multisig { .. } = self.wallet().scheme {
            let account = self.ledger.account(&self.account());
            assert!(belongs_to(account.expect("it is there"), &self.owners()));
            return;
        }
        let ceremony = self.wallet().ceremony().expect("the guardians share a key");
        let expected = match ceremony {
            1 => (1, Vec::new()),
            later => (0, vec![(self.key(later), 255)]),
        };
        assert_eq!(self.signers(), expected);
    }

    /// The public key that a ceremony made.
    pub fn key(&self, ceremony: u64) -> [u8; 32] {
        let rows = self.circle.guardians[0].state();
        let key = ceremonies::key(&rows, ceremony).expect("memory does not fail");
        key.expect("the ceremony made a key").public
    }

    /// Does something to a payout with the authority of the circle.
    pub fn decide(&mut self, name: &str, payout: u64) -> bool {
        let action = act("treasury", name, vec![("payout", Value::Id(payout))]);
        self.circle.act_as_circle(vec![action]).is_ok()
    }

    /// Sends every signed payout to the chain.
    pub fn broadcast(&mut self) {
        for payout in self.payouts() {
            if let Some(envelope) = payout.envelope().filter(|_| !payout.state.is_final()) {
                self.submit(&envelope);
            }
        }
    }

    /// Broadcasts, watches and settles until nothing happens any more. At most 60 rounds.
    pub fn run(&mut self) {
        for _ in 0..60 {
            self.circle.settle();
            self.broadcast();
            if !self.watch() {
                return;
            }
        }
        panic!("the treasury never comes to rest: {:#?}", self.payouts());
    }

    /// What a person holds on the chain, in minor units of TFT.
    pub fn holds(&self, name: &str) -> i64 {
        self.balance(&Key::of(&self.people[name]).0)
    }

    /// What waits to be claimed on the chain in all, in minor units of TFT.
    pub fn claimable(&self) -> i64 {
        self.ledger
            .claimable()
            .map(|(_, balance)| balance.amount)
            .sum()
    }

    /// What waits to be claimed by a person, in minor units of TFT.
    pub fn claimable_by(&self, name: &str) -> i64 {
        let mine = self.waiting(name).into_iter();
        mine.map(|(_, balance)| balance.amount).sum()
    }

    fn waiting(&self, name: &str) -> Vec<([u8; 32], ClaimableBalance)> {
        let key = xdr::Uint256(Key::of(&self.people[name]).0);
        let id = xdr::AccountId(xdr::PublicKey::PublicKeyTypeEd25519(key));
        let all = self.ledger.claimable().filter(|(_, balance)| {
            let payee = balance.claimants.first();
            payee.is_some_and(|payee| payee.destination == id)
        });
        all.map(|(name, balance)| (*name, balance.clone()))
            .collect()
    }

    /// Whether a person trusts TFT.
    pub fn trusts(&self, name: &str) -> bool {
        let account = self.ledger.account(&Key::of(&self.people[name]).0);
        account.is_some_and(|account| self.line(account).is_some())
    }

    fn balance(&self, account: &[u8; 32]) -> i64 {
        let account = self.ledger.account(account);
        let line = account.and_then(|account| self.line(account));
        line.map_or(0, |line| line.balance)
    }

    fn line<'a>(&self, account: &'a Account) -> Option<&'a Trustline> {
        account.trustlines.values().next()
    }

    /// TFT as the chain knows it.
    pub fn asset(&self) -> Asset {
        Asset::Issued {
            code: AssetCode::new("TFT").expect("a code"),
            issuer: Key::of(&self.issuer).0,
        }
    }

    /// The wallet as the first guardian knows it.
    pub fn wallet(&self) -> Wallet {
        let wallet = treasury::wallet(&self.circle.guardians[0].state(), "main");
        wallet
            .expect("memory does not fail")
            .expect("it was opened")
    }

    /// The wallet's account on the chain.
    pub fn account(&self) -> [u8; 32] {
        key_of(self.wallet().address.as_ref().expect("the key is made"))
    }

    /// The sequence number of the wallet's account on the chain.
    pub fn sequence(&self) -> i64 {
        let account = self.ledger.account(&self.account());
        account.map_or(0, |account| account.sequence)
    }

    /// All payouts as the first guardian knows them.
    pub fn payouts(&self) -> Vec<Payout> {
        self.circle.payouts(0)
    }

    /// The clock, in seconds since 1970.
    pub fn now_s(&self) -> u64 {
        self.circle.time_ms() / 1000
    }
}

/// The action by which a guardian reports.
pub fn observe(seen: &[Observation]) -> Action {
    let bytes = encode(&seen.to_vec());
    act(
        "treasury",
        "observe",
        vec![("observations", Value::Bytes(bytes))],
    )
}

fn key_of(address: &Address) -> [u8; 32] {
    match address {
        Address::Stellar { key, .. } => key.0,
        Address::Ethereum(address) => panic!("{address} is not on this ledger"),
    }
}

/// Whether these owners can act for an account by themselves, and nobody else can.
fn belongs_to(account: &Account, owners: &multisig::Owners) -> bool {
    let weighs_one = |key: &[u8; 32]| {
        let signer = xdr::SignerKey::Ed25519(xdr::Uint256(*key));
        account.signers.get(&signer) == Some(&1)
    };
    account.master_weight == 0
        && account.thresholds == [owners.threshold(); 3]
        && account.signers.len() == owners.keys().len()
        && owners.keys().iter().all(weighs_one)
}

fn succeeded(included: &Included) -> bool {
    matches!(
        included.result.result,
        xdr::TransactionResultResult::TxSuccess(_)
            | xdr::TransactionResultResult::TxFeeBumpInnerSuccess(_)
    )
}
