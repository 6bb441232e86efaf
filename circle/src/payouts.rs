//! Wallets and payouts: from the plan, whose bytes are fixed at once, to the signature of the group.

use borsh::{BorshDeserialize, BorshSerialize};
use threescript::value::{Amount, AssetCode, Value};
use treasury_protocol::stellar::{self, Batch, Operation, Signature, TimeBounds};

use crate::accounts;
use crate::ceremonies;
use crate::digest::Hash;
use crate::genesis::Genesis;
use crate::ids::Key;
use crate::ledger;
use crate::outbox;
use crate::receipt::{Effect, Event};
use crate::rejection::{Failure, Rejection, require};
use crate::session::Session;
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

/// How long a planned payout may wait for its signatures and its chain, in seconds.
pub const PAYOUT_LIFETIME_S: u64 = 7 * 24 * 3600;
/// What is offered for each operation, in stroops (10^-7 XLM).
pub const FEE_PER_OPERATION_STROOPS: u32 = 1_000;

/// A wallet on a Stellar network, whose only key is shared by the guardians.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Wallet {
    /// The name, as policies and books write it.
    pub name: String,
    /// The passphrase of its network.
    pub network: String,
    /// The ceremony that makes its key.
    pub ceremony: u64,
    /// The group's key, once all members confirmed it.
    pub key: Option<Key>,
    /// The sequence number that the next payout uses.
    pub next_sequence: i64,
}

/// Where a payout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum PayoutState {
    /// In the outbox, until every active guardian attested the height of the plan.
    Planned,
    /// Unanimous; the guardians are signing.
    Signing,
    /// Signed by the group.
    Signed,
}

impl PayoutState {
    /// As screens and documents write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Signing => "signing",
            Self::Signed => "signed",
        }
    }
}

/// One payment within a payout.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Line {
    /// The account that is paid.
    pub account: String,
    /// Its Stellar account: its key.
    pub to: Key,
    /// How much.
    pub amount: Amount,
}

/// One transaction on a chain, with every byte fixed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Payout {
    /// Its number.
    pub id: u64,
    /// The wallet that pays.
    pub wallet: String,
    /// The passphrase of the wallet's network.
    pub network: String,
    /// The height of the plan.
    pub height: u64,
    /// Where it is.
    pub state: PayoutState,
    /// Who gets what.
    pub lines: Vec<Line>,
    /// What is signed.
    pub batch: Batch,
    /// The hash of the transaction.
    pub hash: Hash,
    /// The group's signature over the hash.
    pub signature: Option<[u8; 64]>,
}

impl Payout {
    /// The envelope that a Stellar server accepts, base64, once it is signed.
    pub fn envelope(&self) -> Option<String> {
        let signature = Signature {
            key: self.batch.source,
            bytes: self.signature?,
        };
        self.batch.envelope(&self.network, &[signature]).ok()
    }
}

const WALLETS: Table<Wallet> = Table::new(b"ke", "a wallet");
const PAYOUTS: Table<Payout> = Table::new(b"kr", "a payout");
const DEPOSITS: Table<u64> = Table::new(b"kf", "a deposit");

/// The wallet called `name`.
pub fn wallet(rows: &(impl KeyValue + ?Sized), name: &str) -> Result<Option<Wallet>, StoreFault> {
    WALLETS.get(rows, name)
}

/// All wallets, by name.
pub fn wallets(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<Wallet>, StoreFault> {
    WALLETS.values(rows, ())
}

/// All payouts, by number.
pub fn payouts(rows: &(impl KeyValue + ?Sized)) -> Result<Vec<Payout>, StoreFault> {
    PAYOUTS.values(rows, ())
}

/// One payout.
pub fn payout(rows: &(impl KeyValue + ?Sized), id: u64) -> Result<Option<Payout>, StoreFault> {
    PAYOUTS.get(rows, id)
}

/// Opens a wallet whose key the ceremony `ceremony` will make. `sequence` is the account's current one on the chain.
pub(crate) fn open_wallet(
    rows: &mut Overlay,
    name: &str,
    network: &str,
    ceremony: u64,
    sequence: i64,
) -> Result<(), Failure> {
    crate::account::check_name(name)?;
    require((1..=128).contains(&network.len()), "wallet.network", || {
        "the network passphrase has to have 1 to 128 bytes".into()
    })?;
    require((0..i64::MAX).contains(&sequence), "wallet.sequence", || {
        "a sequence number is not negative".into()
    })?;
    if let Some(existing) = wallet(rows, name)? {
        let message = format!(
            "the wallet {name} exists, its key comes from ceremony {}; choose another name",
            existing.ceremony
        );
        return Err(Rejection::new("wallet.exists", message).into());
    }
    let wallet = Wallet {
        name: name.into(),
        network: network.into(),
        ceremony,
        key: None,
        next_sequence: sequence + 1,
    };
    WALLETS.put(rows, name, &wallet);
    Ok(())
}

/// Gives the wallet of a finished ceremony its key.
pub(crate) fn set_key(rows: &mut Overlay, ceremony: u64, key: Key) -> Result<(), StoreFault> {
    for mut wallet in wallets(rows)? {
        if wallet.ceremony == ceremony {
            wallet.key = Some(key);
            let name = wallet.name.clone();
            WALLETS.put(rows, &name, &wallet);
        }
    }
    Ok(())
}

/// Records once that a payment to a wallet arrived for an account's escrow.
pub(crate) fn deposit(
    rows: &mut Overlay,
    height: u64,
    wallet_name: &str,
    account: &str,
    amount: &Amount,
    reference: &str,
) -> Result<(), Failure> {
    require(
        wallet(rows, wallet_name)?.is_some(),
        "wallet.unknown",
        || format!("there is no wallet {wallet_name}"),
    )?;
    require(
        (1..=128).contains(&reference.len()),
        "deposit.reference",
        || "a reference has 1 to 128 bytes".into(),
    )?;
    let key = (wallet_name, reference);
    require(!DEPOSITS.has(rows, key)?, "deposit.known", || {
        format!("the deposit {reference} was recorded already; nothing has to be done")
    })?;
    DEPOSITS.put(rows, key, &height);
    ledger::receive(rows, &format!("escrow:{account}"), amount)
}

/// Plans payouts for `lines` of account and amount, at most 100 in each, out of the accounts' payable books.
pub(crate) fn plan(
    session: &mut Session,
    wallet_name: &str,
    lines: Vec<(String, Amount)>,
) -> Result<Vec<u64>, Failure> {
    let height = session.context.height;
    let now_s = session.context.time_ms / 1000;
    let genesis = session.context.genesis.clone();
    let rows = &mut session.rows;
    let (mut wallet, source) = paying_wallet(rows, wallet_name)?;
    let mut payments = Vec::with_capacity(lines.len());
    for (account, amount) in lines {
        let account = accounts::resolve(rows, &account)?.ok_or_else(|| {
            Rejection::new("account.unknown", format!("there is no account {account}"))
        })?;
        ledger::transfer(
            rows,
            &format!("payable:{}", account.name),
            &format!("payout:{wallet_name}"),
            &amount,
        )?;
        let issuer = issuer(&genesis, &amount.asset)?;
        payments.push((
            Line {
                account: account.name,
                to: account.key,
                amount,
            },
            issuer,
        ));
    }
    let mut ids = Vec::new();
    let first = PAYOUTS.last(rows, ())?.map_or(1, |payout| payout.id + 1);
    for (id, chunk) in (first..).zip(payments.chunks(stellar::MAX_OPERATIONS)) {
        let operations = chunk
            .iter()
            .map(|(line, issuer)| operation(line, issuer))
            .collect::<Result<Vec<_>, _>>()?;
        let batch = Batch {
            source: source.0,
            fee_per_op_stroops: FEE_PER_OPERATION_STROOPS,
            sequence: wallet.next_sequence,
            time_bounds: TimeBounds {
                min: 0,
                max: now_s.saturating_add(PAYOUT_LIFETIME_S),
            },
            memo: None,
            operations,
        };
        let hash = batch.hash(&wallet.network).map_err(unpayable)?;
        wallet.next_sequence = wallet.next_sequence.checked_add(1).ok_or_else(|| {
            Rejection::new(
                "wallet.sequence",
                "the wallet's sequence numbers are used up",
            )
        })?;
        let lines: Vec<Line> = chunk.iter().map(|(line, _)| line.clone()).collect();
        let payout = Payout {
            id,
            wallet: wallet.name.clone(),
            network: wallet.network.clone(),
            height,
            state: PayoutState::Planned,
            lines,
            batch,
            hash,
            signature: None,
        };
        session.emitted.effects.push(effect(&payout));
        PAYOUTS.put(rows, id, &payout);
        ids.push(id);
    }
    WALLETS.put(rows, wallet_name, &wallet);
    if !ids.is_empty() {
        let planned = planned(wallet_name, &payments, &ids);
        session.emitted.event(planned);
    }
    Ok(ids)
}

/// Why nothing can be paid in this asset from this wallet; nothing if it can.
pub(crate) fn obstacle(
    rows: &Overlay,
    genesis: &Genesis,
    wallet_name: &str,
    asset: &AssetCode,
) -> Result<Option<Rejection>, StoreFault> {
    match paying_wallet(rows, wallet_name) {
        Ok(_) => Ok(issuer(genesis, asset).err()),
        Err(Failure::Rejected(rejection)) => Ok(Some(rejection)),
        Err(Failure::Fault(fault)) => Err(fault),
    }
}

fn paying_wallet(rows: &Overlay, name: &str) -> Result<(Wallet, Key), Failure> {
    let wallet = wallet(rows, name)?
        .ok_or_else(|| Rejection::new("wallet.unknown", format!("there is no wallet {name}")))?;
    let source = wallet.key.ok_or_else(|| {
        Rejection::new(
            "wallet.no_key",
            format!("the key of {name} is not made yet; wait for its ceremony"),
        )
    })?;
    Ok((wallet, source))
}

fn issuer(genesis: &Genesis, asset: &AssetCode) -> Result<Key, Rejection> {
    let known = genesis
        .assets
        .get(asset)
        .and_then(|asset| asset.stellar_issuer);
    known.ok_or_else(|| {
        Rejection::new(
            "payout.asset",
            format!("{asset} has no issuer on Stellar in this circle"),
        )
    })
}

/// What policies are told of planned payouts, so that they can refuse them.
fn planned(wallet: &str, payments: &[(Line, Key)], ids: &[u64]) -> Event {
    let lines = payments.iter().map(|(line, _)| {
        let line = [
            ("account", Value::Account(line.account.clone())),
            ("amount", Value::Amount(line.amount.clone())),
        ];
        Value::Map(line.map(|(key, value)| (key.to_owned(), value)).into())
    });
    let payouts = ids.iter().copied().map(Value::Id);
    Event::of(
        "treasury",
        "planned",
        [
            ("wallet", Value::Text(wallet.into())),
            ("lines", Value::List(lines.collect())),
            ("payouts", Value::List(payouts.collect())),
        ],
    )
}

fn operation(line: &Line, issuer: &Key) -> Result<Operation, Rejection> {
    let code = stellar::AssetCode::new(line.amount.asset.as_str()).map_err(unpayable)?;
    Ok(Operation::Payment {
        to: line.to.0.into(),
        asset: stellar::Asset::Issued {
            code,
            issuer: issuer.0,
        },
        amount: line.amount.units,
    })
}

fn unpayable(error: stellar::StellarError) -> Rejection {
    Rejection::new(error.code(), error.to_string())
}

/// What the outbox says of a payout; the transaction's hash in it fixes every byte.
fn effect(payout: &Payout) -> Effect {
    let data = [
        ("payout", Value::Id(payout.id)),
        ("wallet", Value::Text(payout.wallet.clone())),
        ("sequence", Value::Int(payout.batch.sequence)),
        ("transaction", Value::Bytes(payout.hash.to_vec())),
        ("lines", Value::Int(payout.lines.len() as i64)),
        (
            "totals",
            Value::List(
                totals(&payout.lines)
                    .into_iter()
                    .map(Value::Amount)
                    .collect(),
            ),
        ),
    ];
    let data = Value::Map(
        data.into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    );
    Effect {
        actor: "stellar".into(),
        name: "pay".into(),
        data,
    }
}

/// The sum of lines, per asset.
fn totals(lines: &[Line]) -> Vec<Amount> {
    let mut sums: std::collections::BTreeMap<AssetCode, i64> = Default::default();
    for line in lines {
        let sum = sums.entry(line.amount.asset.clone()).or_default();
        *sum = sum.saturating_add(line.amount.units);
    }
    sums.into_iter()
        .map(|(asset, units)| Amount::new(units, asset))
        .collect()
}

/// Moves payouts whose plan became unanimous on to signing.
pub(crate) fn release(session: &mut Session) -> Result<(), StoreFault> {
    for entry in outbox::release(&mut session.rows, session.context.height)? {
        if (entry.effect.actor.as_str(), entry.effect.name.as_str()) != ("stellar", "pay") {
            continue;
        }
        let Value::Map(data) = &entry.effect.data else {
            continue;
        };
        let Some(Value::Id(id)) = data.get("payout") else {
            continue;
        };
        let missing = || StoreFault::Corrupt {
            what: "a payout",
            reason: format!("payout {id} is missing"),
        };
        let mut payout = payout(&session.rows, *id)?.ok_or_else(missing)?;
        // An effect that a policy wrote by itself cannot start a payout that was not planned, or start one twice.
        if payout.state != PayoutState::Planned || payout.height != entry.height {
            continue;
        }
        payout.state = PayoutState::Signing;
        PAYOUTS.put(&mut session.rows, payout.id, &payout);
        let wallet = wallet(&session.rows, &payout.wallet)?.ok_or_else(missing)?;
        ceremonies::begin_signing(&mut session.rows, wallet.ceremony, &payout)?;
    }
    Ok(())
}

/// Keeps the group's signature.
pub(crate) fn signed(rows: &mut Overlay, id: u64, signature: [u8; 64]) -> Result<(), StoreFault> {
    let missing = || StoreFault::Corrupt {
        what: "a payout",
        reason: format!("payout {id} is missing"),
    };
    let mut payout = payout(rows, id)?.ok_or_else(missing)?;
    payout.state = PayoutState::Signed;
    payout.signature = Some(signature);
    PAYOUTS.put(rows, id, &payout);
    Ok(())
}
