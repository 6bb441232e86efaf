//! Plans: from lines of accounts and amounts to transactions whose every byte is fixed.

use std::collections::BTreeMap;

use threescript::value::{Amount, AssetCode, Value};
use treasury_protocol::ethereum::{self, Call, Contracts, SafeTransaction, U256};
use treasury_protocol::stellar::{self, Batch, Destination, Memo, Operation, TimeBounds, rotation};

use super::payee::{Address, Payee, payee_of, receives};
use super::payout::{
    Line, Payout, PayoutState, Purpose, Transaction, claimable, lines_value, next_id,
};
use super::wallet::{Chain, Scheme, Wallet, known, wallet};
use crate::accounts;
use crate::ceremonies;
use crate::genesis::{Genesis, Home};
use crate::ledger;
use crate::receipt::{Effect, Event};
use crate::rejection::{Failure, Rejection, require};
use crate::session::Session;
use crate::state::{Overlay, StoreFault};

/// How long a planned payout may wait for its signatures and its chain, in seconds.
pub const PAYOUT_LIFETIME_S: u64 = 7 * 24 * 3600;
/// How long a payee has to claim what it could not receive, from the plan on, in seconds.
pub const CLAIM_LIFETIME_S: u64 = 30 * 24 * 3600;
/// What is offered for each operation, in stroops (10^-7 XLM).
pub const FEE_PER_OPERATION_STROOPS: u32 = 1_000;

/// What one payout carries: at most as much as its chain takes in one transaction.
pub(super) struct Load {
    pub purpose: Purpose,
    pub lines: Vec<Line>,
    pub memo: Option<Memo>,
}

/// Block time, Unix seconds, as transactions of chains count it.
pub(super) fn now_s(session: &Session) -> u64 {
    session.context.time_ms / 1000
}

/// Plans payouts for `lines` of account and amount, at most 100 in each, out of the accounts' payable books.
pub(crate) fn plan(
    session: &mut Session,
    wallet_name: &str,
    lines: Vec<(String, Amount)>,
) -> Result<Vec<u64>, Failure> {
    let genesis = session.context.genesis.clone();
    let rows = &mut session.rows;
    let wallet = paying(rows, wallet_name)?;
    let mut planned = Vec::with_capacity(lines.len());
    for (account, amount) in lines {
        let account = accounts::resolve(rows, &account)?.ok_or_else(|| {
            Rejection::new("account.unknown", format!("there is no account {account}"))
        })?;
        let book = format!("payout:{wallet_name}");
        ledger::transfer(rows, &format!("payable:{}", account.name), &book, &amount)?;
        wallet.home(&genesis, &amount.asset)?;
        let Payee { address, memo } = payee_of(rows, &account, &wallet.chain)?
            .ok_or_else(|| no_address(&account.name, &wallet))?;
        let line = Line {
            claimable: must_claim(rows, &wallet, &address, &amount.asset)?,
            account: account.name,
            to: address,
            amount,
        };
        planned.push((line, memo));
    }
    let mut ids = Vec::new();
    for load in loads(&planned) {
        ids.push(begin(session, wallet_name, load)?);
    }
    if !ids.is_empty() {
        let lines = planned.iter().map(|(line, _)| line);
        let payouts = ids.iter().copied().map(Value::Id);
        // So that policies can refuse them.
        session.emitted.event(Event::of(
            "treasury",
            "planned",
            [
                ("wallet", Value::Text(wallet_name.into())),
                ("lines", lines_value(lines)),
                ("payouts", Value::List(payouts.collect())),
            ],
        ));
    }
    Ok(ids)
}

/// Whether the payee has to claim it: a payment of an asset that it does not trust would undo the whole batch.
pub(super) fn must_claim(
    rows: &Overlay,
    wallet: &Wallet,
    to: &Address,
    asset: &AssetCode,
) -> Result<bool, StoreFault> {
    match wallet.chain {
        Chain::Stellar { .. } => Ok(!receives(rows, &wallet.chain, to, asset)?),
        Chain::Ethereum { .. } => Ok(false),
    }
}

/// Lines in payouts: a transaction has one memo, so lines that need one are apart.
fn loads(planned: &[(Line, Option<Memo>)]) -> Vec<Load> {
    let mut by_memo: BTreeMap<Vec<u8>, (Option<Memo>, Vec<Line>)> = BTreeMap::new();
    for (line, memo) in planned {
        let key = borsh::to_vec(memo).expect("writing to memory does not fail");
        let (_, lines) = by_memo
            .entry(key)
            .or_insert_with(|| (memo.clone(), Vec::new()));
        lines.push(line.clone());
    }
    let mut loads = Vec::new();
    for (memo, lines) in by_memo.into_values() {
        for chunk in lines.chunks(stellar::MAX_OPERATIONS) {
            loads.push(Load {
                purpose: Purpose::Pay,
                lines: chunk.to_vec(),
                memo: memo.clone(),
            });
        }
    }
    loads
}

/// Plans one payout with the wallet's next sequence number. Its effect goes into the outbox.
pub(super) fn begin(session: &mut Session, wallet_name: &str, load: Load) -> Result<u64, Failure> {
    let mut wallet = known(&session.rows, wallet_name)?;
    let sequence = wallet.next_sequence.ok_or_else(|| unopened(&wallet))?;
    wallet.next_sequence = Some(following(sequence)?);
    wallet.put(&mut session.rows);
    let payout = make(session, &wallet, load, sequence)?;
    payout.put(&mut session.rows);
    session.emitted.effects.push(effect(&payout));
    Ok(payout.id)
}

/// A payout with every byte fixed.
pub(super) fn make(
    session: &Session,
    wallet: &Wallet,
    load: Load,
    sequence: i64,
) -> Result<Payout, Failure> {
    let now_s = now_s(session);
    let transaction = match &wallet.chain {
        Chain::Stellar { network } => Transaction::Stellar {
            network: network.clone(),
            batch: batch(session, wallet, &load, sequence, now_s)?,
        },
        Chain::Ethereum {
            chain_id,
            contracts,
        } => Transaction::Safe(safe_transaction(
            session, wallet, *chain_id, contracts, &load, sequence,
        )?),
    };
    let Load { purpose, lines, .. } = load;
    let checked = |line: &Line| {
        let from = wallet
            .check_from
            .iter()
            .find(|from| from.asset == line.amount.asset);
        from.is_some_and(|from| line.amount.units >= from.units)
    };
    let confirmations = match lines.iter().any(checked) {
        true => wallet.confirmations,
        false => 0,
    };
    Ok(Payout {
        id: next_id(&session.rows)?,
        wallet: wallet.name.clone(),
        height: session.context.height,
        planned_s: now_s,
        state: PayoutState::Planned,
        purpose,
        lines,
        hash: transaction.hash().map_err(unpayable)?,
        transaction,
        confirmations,
        signers: None,
        proof: None,
        replaces: None,
        replaced_by: None,
        ledger: None,
    })
}

fn batch(
    session: &Session,
    wallet: &Wallet,
    load: &Load,
    sequence: i64,
    now_s: u64,
) -> Result<Batch, Failure> {
    let source = wallet
        .stellar_account()
        .ok_or_else(|| no_key(&wallet.name))?;
    let genesis = &session.context.genesis;
    let operations = match &load.purpose {
        Purpose::Pay => load
            .lines
            .iter()
            .map(|line| payment(wallet, genesis, line, now_s))
            .collect::<Result<Vec<_>, _>>()?,
        Purpose::Trust => trusted(genesis)?,
        Purpose::Reclaim(parts) => {
            let mut operations = Vec::with_capacity(parts.len());
            for (payout, line) in parts {
                let balance = claimable(&session.rows, *payout, *line)?;
                let gone = || Rejection::new("payout.claimed", "this was claimed or taken back");
                let balance = balance.ok_or_else(gone)?.balance;
                operations.push(Operation::Reclaim { balance });
            }
            operations
        }
        // Changes nothing but the sequence number.
        Purpose::Cancel(_) => vec![Operation::Nothing],
        Purpose::Signers(Scheme::Group { ceremony }) => {
            vec![rotation::introduce(group_key(session, wallet, *ceremony)?)]
        }
        Purpose::Signers(Scheme::Multisig {
            owners: Some(after),
        }) => match &wallet.scheme {
            Scheme::Multisig {
                owners: Some(before),
            } => before.become_these(after).map_err(unpayable)?,
            _ => return Err(no_key(&wallet.name).into()),
        },
        Purpose::Signers(Scheme::Safe { .. } | Scheme::Multisig { .. }) => {
            return Err(no_key(&wallet.name).into());
        }
        Purpose::Retire(ceremony) => {
            vec![rotation::retire(
                source.0,
                group_key(session, wallet, *ceremony)?,
            )]
        }
    };
    Ok(Batch {
        source: source.0,
        fee_per_op_stroops: FEE_PER_OPERATION_STROOPS,
        sequence,
        time_bounds: TimeBounds {
            min: 0,
            max: now_s.saturating_add(PAYOUT_LIFETIME_S),
        },
        memo: load.memo.clone(),
        operations,
    })
}

/// The key that a ceremony made.
fn group_key(session: &Session, wallet: &Wallet, ceremony: u64) -> Result<[u8; 32], Failure> {
    let key = ceremonies::key(&session.rows, ceremony)?;
    Ok(key.ok_or_else(|| no_key(&wallet.name))?.public)
}

fn payment(
    wallet: &Wallet,
    genesis: &Genesis,
    line: &Line,
    now_s: u64,
) -> Result<Operation, Rejection> {
    let (Home::Stellar { issuer }, Address::Stellar { key, muxed }) =
        (wallet.home(genesis, &line.amount.asset)?, &line.to)
    else {
        return Err(elsewhere(line, wallet));
    };
    let asset = stellar_asset(&line.amount.asset, issuer)?;
    let amount = line.amount.units;
    Ok(match line.claimable {
        true => Operation::CreateClaimable {
            to: key.0,
            asset,
            amount,
            reclaim_after_s: now_s.saturating_add(CLAIM_LIFETIME_S),
        },
        false => Operation::Payment {
            to: Destination {
                key: key.0,
                muxed: *muxed,
            },
            asset,
            amount,
        },
    })
}

/// What a Safe does: its calls, all or none.
fn safe_transaction(
    session: &Session,
    wallet: &Wallet,
    chain_id: u64,
    contracts: &Contracts,
    load: &Load,
    sequence: i64,
) -> Result<SafeTransaction, Failure> {
    let Some(Address::Ethereum(safe)) = wallet.address else {
        return Err(no_key(&wallet.name).into());
    };
    let safe_nonce = u64::try_from(sequence)
        .map_err(|_| Rejection::new("wallet.sequence", "a Safe nonce is not negative"))?;
    let calls = match &load.purpose {
        Purpose::Cancel(_) => return Ok(SafeTransaction::noop(chain_id, safe, safe_nonce)),
        Purpose::Signers(after) => owner_changes(wallet, safe, after)?,
        _ => load
            .lines
            .iter()
            .map(|line| call(wallet, &session.context.genesis, line))
            .collect::<Result<Vec<_>, _>>()?,
    };
    let transaction = SafeTransaction::of(chain_id, safe, contracts, &calls, safe_nonce);
    Ok(transaction.map_err(|error| Rejection::new(error.code(), error.to_string()))?)
}

/// What makes a Safe the property of those who are to own it.
fn owner_changes(
    wallet: &Wallet,
    safe: ethereum::Address,
    after: &Scheme,
) -> Result<Vec<Call>, Rejection> {
    let (
        Scheme::Safe {
            owners: Some(before),
        },
        Scheme::Safe {
            owners: Some(after),
        },
    ) = (&wallet.scheme, after)
    else {
        return Err(no_key(&wallet.name));
    };
    before
        .clone()
        .become_these(safe, after.addresses(), after.threshold())
        .map_err(|error| Rejection::new(error.code(), error.to_string()))
}

fn call(wallet: &Wallet, genesis: &Genesis, line: &Line) -> Result<Call, Rejection> {
    let home = wallet.home(genesis, &line.amount.asset)?;
    let (
        Home::Ethereum {
            token, decimals, ..
        },
        Address::Ethereum(to),
    ) = (home, &line.to)
    else {
        return Err(elsewhere(line, wallet));
    };
    let units = units_there(genesis, &line.amount, decimals)?;
    let call = match token {
        Some(token) => Call::erc20(token, *to, units),
        None => Call::native(*to, units),
    };
    call.map_err(|error| Rejection::new(error.code(), error.to_string()))
}

/// An amount in the smallest unit that its chain has.
fn units_there(genesis: &Genesis, amount: &Amount, decimals: u8) -> Result<U256, Rejection> {
    let here = genesis
        .assets
        .get(&amount.asset)
        .map_or(0, |asset| asset.decimals);
    let scale = decimals
        .checked_sub(here)
        .and_then(|more| U256::from(10u8).checked_pow(U256::from(more)));
    let units = u64::try_from(amount.units)
        .ok()
        .zip(scale)
        .and_then(|(units, scale)| U256::from(units).checked_mul(scale));
    units.ok_or_else(|| {
        let message = format!(
            "{} has {here} decimals here and {decimals} on the chain, which cannot say this amount",
            amount.asset
        );
        Rejection::new("payout.decimals", message)
    })
}

fn elsewhere(line: &Line, wallet: &Wallet) -> Rejection {
    let message = format!(
        "{} of {} is no address on {}",
        line.to, line.account, wallet.chain
    );
    Rejection::new("payout.address", message)
}

/// Trust in every issued asset of the circle that lives on Stellar.
fn trusted(genesis: &Genesis) -> Result<Vec<Operation>, Rejection> {
    let mut operations = Vec::new();
    for (code, asset) in &genesis.assets {
        for home in &asset.homes {
            let Home::Stellar {
                issuer: Some(issuer),
            } = home
            else {
                continue;
            };
            operations.push(Operation::Trust {
                asset: stellar_asset(code, Some(*issuer))?,
                limit: i64::MAX,
            });
        }
    }
    operations.truncate(stellar::MAX_OPERATIONS);
    Ok(operations)
}

/// Whether a wallet on Stellar has to trust anything before it can hold the circle's assets.
pub(super) fn needs_trust(genesis: &Genesis) -> bool {
    let issued = |home: &Home| matches!(home, Home::Stellar { issuer: Some(_) });
    genesis
        .assets
        .values()
        .any(|asset| asset.homes.iter().any(issued))
}

fn stellar_asset(
    code: &AssetCode,
    issuer: Option<crate::ids::Key>,
) -> Result<stellar::Asset, Rejection> {
    let Some(issuer) = issuer else {
        return Ok(stellar::Asset::Native);
    };
    Ok(stellar::Asset::Issued {
        code: stellar::AssetCode::new(code.as_str()).map_err(unpayable)?,
        issuer: issuer.0,
    })
}

/// Why nothing can be paid in this asset from this wallet; nothing if it can.
pub(crate) fn obstacle(
    rows: &Overlay,
    genesis: &Genesis,
    wallet_name: &str,
    asset: &AssetCode,
) -> Result<Option<Rejection>, StoreFault> {
    match paying(rows, wallet_name) {
        Ok(wallet) => Ok(wallet.home(genesis, asset).err()),
        Err(Failure::Rejected(rejection)) => Ok(Some(rejection)),
        Err(Failure::Fault(fault)) => Err(fault),
    }
}

/// A wallet that payouts can be planned for.
fn paying(rows: &Overlay, name: &str) -> Result<Wallet, Failure> {
    let wallet = known(rows, name)?;
    require(wallet.address.is_some(), "wallet.no_key", || {
        no_key(name).message
    })?;
    require(wallet.next_sequence.is_some(), "wallet.unopened", || {
        unopened(&wallet).message
    })?;
    match &wallet.paused {
        None => Ok(wallet),
        Some(reason) => Err(paused(name, reason).into()),
    }
}

pub(crate) fn paused(wallet: &str, reason: &str) -> Rejection {
    let message = format!(
        "the wallet {wallet} is paused: {reason}; the circle ends that with treasury.resume"
    );
    Rejection::new("wallet.paused", message)
}

pub(super) fn no_key(wallet: &str) -> Rejection {
    let message = format!("the key of {wallet} is not made yet; wait for its ceremony");
    Rejection::new("wallet.no_key", message)
}

pub(super) fn unopened(wallet: &Wallet) -> Rejection {
    let address = wallet
        .address
        .as_ref()
        .map_or_else(String::new, ToString::to_string);
    let message = format!(
        "the guardians have not seen the account {address} of {} on its chain yet; send it some of the chain's own coin",
        wallet.name
    );
    Rejection::new("wallet.unopened", message)
}

fn no_address(account: &str, wallet: &Wallet) -> Rejection {
    let message = format!(
        "{account} gave no address on {}; it says so with treasury.receive_at",
        wallet.chain
    );
    Rejection::new("payout.address", message)
}

/// The sequence number after this one.
pub(super) fn following(sequence: i64) -> Result<i64, Rejection> {
    sequence.checked_add(1).ok_or_else(|| {
        let message = "the wallet's sequence numbers are used up; open another wallet";
        Rejection::new("wallet.sequence", message)
    })
}

fn unpayable(error: stellar::StellarError) -> Rejection {
    Rejection::new(error.code(), error.to_string())
}

/// The wallet of a payout of this state.
pub(super) fn wallet_of(rows: &Overlay, payout: &Payout) -> Result<Wallet, StoreFault> {
    wallet(rows, &payout.wallet)?.ok_or_else(|| StoreFault::Corrupt {
        what: "a wallet",
        reason: format!("the wallet of payout {} is missing", payout.id),
    })
}

/// What the outbox says of a payout; the transaction's hash in it fixes every byte.
pub(super) fn effect(payout: &Payout) -> Effect {
    let actor = match &payout.transaction {
        Transaction::Stellar { .. } => "stellar",
        Transaction::Safe(_) => "ethereum",
    };
    let totals = totals(&payout.lines).into_iter().map(Value::Amount);
    let mut data = vec![
        ("payout", Value::Id(payout.id)),
        ("wallet", Value::Text(payout.wallet.clone())),
        ("sequence", Value::Int(payout.transaction.sequence())),
        ("transaction", Value::Bytes(payout.hash.to_vec())),
        ("lines", Value::Int(payout.lines.len() as i64)),
        ("totals", Value::List(totals.collect())),
    ];
    if let Some(replaces) = payout.replaces {
        data.push(("replaces", Value::Id(replaces)));
    }
    let data = data.into_iter().map(|(key, value)| (key.to_owned(), value));
    Effect {
        actor: actor.into(),
        name: payout.purpose.name().into(),
        data: Value::Map(data.collect()),
    }
}

/// The sum of lines, per asset.
fn totals(lines: &[Line]) -> Vec<Amount> {
    let mut sums: BTreeMap<AssetCode, i64> = BTreeMap::new();
    for line in lines {
        let sum = sums.entry(line.amount.asset.clone()).or_default();
        *sum = sum.saturating_add(line.amount.units);
    }
    sums.into_iter()
        .map(|(asset, units)| Amount::new(units, asset))
        .collect()
}
