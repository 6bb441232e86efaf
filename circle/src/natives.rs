//! What the kernel offers to policies.

mod catalog;
pub mod manual;

pub use catalog::catalog;

use std::collections::BTreeMap;

use threescript::engine::Entry;
use threescript::value::{Amount, AssetCode, Value};

use crate::credential;
use crate::digest::Hash;
use crate::host::PolicyHost;
use crate::iou;
use crate::ledger;
use crate::rejection::Rejection;
use crate::session::Stop;
use crate::treasury;

/// The most consumers that one call names.
const CONSUMERS_AT_ONCE: usize = 1_000;

/// Runs one function of the catalog. Arguments have the declared types.
pub(crate) fn call(
    host: &mut PolicyHost,
    module: &str,
    function: &str,
    args: Vec<Value>,
) -> Result<Value, Stop> {
    match (module, function, args.as_slice()) {
        ("ledger", "balance", [Value::Text(book), Value::Text(asset)]) => {
            let asset = known_asset(host, asset)?;
            let units = ledger::balance(&host.session().rows, book, &asset)?;
            Ok(Value::Amount(Amount::new(units, asset)))
        }
        ("ledger", "transfer", [Value::Text(from), Value::Text(to), Value::Amount(amount)]) => {
            ledger::transfer(&mut host.session().rows, from, to, amount)?;
            Ok(Value::Unit)
        }
        ("iou", "admit", [Value::Bytes(batch), Value::Map(limits)]) => {
            let session = host.session();
            let circle = session.context.genesis.circle;
            let now = session.context.time_s();
            let limits = admission_limits(limits)?;
            let assets = &session.context.assets;
            let admission = iou::admit(&mut session.rows, circle, assets, now, batch, &limits)?;
            let rejected = admission.rejected.into_iter().map(|(id, rejection)| {
                map([
                    ("id", Value::Text(hex::encode(id))),
                    ("code", Value::Text(rejection.code.into_owned())),
                    ("reason", Value::Text(rejection.message)),
                ])
            });
            let rejected = Value::List(rejected.collect());
            Ok(map([
                ("accepted", count(admission.accepted)),
                ("rejected", rejected),
            ]))
        }
        ("iou", "consumers", [Value::Bytes(batch)]) => {
            let consumers = iou::consumers(&host.session().rows, batch)?;
            Ok(Value::List(
                consumers.into_iter().map(Value::Account).collect(),
            ))
        }
        ("iou", "ids", [Value::Bytes(batch)]) => {
            let ids = iou::ids(batch)?.into_iter();
            Ok(Value::List(
                ids.map(|id| Value::Bytes(id.to_vec())).collect(),
            ))
        }
        ("iou", "find", [Value::Bytes(id)]) => {
            let found = iou::find(&host.session().rows, &iou_id(id)?)?;
            Ok(found.map_or(Value::Unit, |claim| {
                map([
                    ("farmer", Value::Account(claim.farmer)),
                    ("consumer", Value::Account(claim.consumer)),
                    ("to", Value::Time(claim.to)),
                    ("admitted", Value::Time(claim.admitted)),
                    (
                        "amount",
                        Value::Amount(Amount::new(claim.amount, claim.asset)),
                    ),
                    ("state", Value::Text(claim.state.name().into())),
                ])
            }))
        }
        ("iou", "hold", [Value::Bytes(id)]) => {
            iou::hold(&mut host.session().rows, &iou_id(id)?)?;
            Ok(Value::Unit)
        }
        ("iou", "release", [Value::Bytes(id)]) => {
            iou::release(&mut host.session().rows, &iou_id(id)?)?;
            Ok(Value::Unit)
        }
        ("iou", "cancel", [Value::Bytes(id)]) => {
            iou::cancel(&mut host.session().rows, &iou_id(id)?)?;
            Ok(Value::Unit)
        }
        ("iou", "unpaid", [Value::Account(consumer), Value::Text(asset)]) => {
            let asset = known_asset(host, asset)?;
            let owed = iou::unpaid(&host.session().rows, consumer, &asset)?;
            let amount = |units: i128| {
                let units = i64::try_from(units).unwrap_or(i64::MAX);
                Value::Amount(Amount::new(units, asset.clone()))
            };
            Ok(map([
                ("open", amount(owed.open)),
                ("held", amount(owed.held)),
            ]))
        }
        ("iou", "oldest_of", [Value::Account(consumer)]) => {
            let oldest = iou::oldest_of(&host.session().rows, consumer)?;
            Ok(oldest.map_or(Value::Unit, Value::Time))
        }
        ("iou", "oldest", [Value::Text(after), Value::Int(most)]) => {
            let most = usize::try_from(*most)
                .ok()
                .filter(|most| (1..=CONSUMERS_AT_ONCE).contains(most));
            let most = most.ok_or_else(|| {
                Rejection::new(
                    "iou.page",
                    format!("ask for 1 to {CONSUMERS_AT_ONCE} consumers at a time"),
                )
            })?;
            let oldest = iou::oldest(&host.session().rows, after, most)?;
            let entries = oldest.into_iter().map(|oldest| {
                map([
                    ("consumer", Value::Account(oldest.consumer)),
                    ("to", Value::Time(oldest.to)),
                ])
            });
            Ok(Value::List(entries.collect()))
        }
        ("iou", "debtors", [Value::Time(until), Value::Text(after), Value::Int(most)]) => {
            let most = consumers_at_once(*most)?;
            let session = host.session();
            let (debtors, looked_at) = iou::debtors(&session.rows, *until, after, most)?;
            session.charge(iou::LOOK_COST * looked_at);
            let entries = debtors.into_iter().map(|debtor| {
                map([
                    ("consumer", Value::Account(debtor.consumer)),
                    ("asset", Value::Text(debtor.asset.as_str().into())),
                    (
                        "owed",
                        Value::Amount(Amount::new(debtor.owed, debtor.asset)),
                    ),
                    ("ious", count(debtor.ious)),
                ])
            });
            Ok(Value::List(entries.collect()))
        }
        (
            "iou",
            "pay",
            [
                Value::Account(consumer),
                Value::Time(until),
                Value::Amount(budget),
            ],
        ) => {
            let paid = iou::pay(
                &mut host.session().rows,
                consumer,
                &budget.asset,
                *until,
                budget.units,
            )?;
            let entries = paid.into_iter().map(|paid| {
                map([
                    ("farmer", Value::Account(paid.farmer)),
                    (
                        "amount",
                        Value::Amount(Amount::new(paid.amount, budget.asset.clone())),
                    ),
                    ("ious", count(paid.ious)),
                ])
            });
            Ok(Value::List(entries.collect()))
        }
        ("iou", "collect", [Value::Time(until), Value::Text(after), Value::Int(most)]) => {
            let session = host.session();
            let most = u64::try_from(*most).unwrap_or(0);
            let collection = iou::collect(&mut session.rows, *until, after, most)?;
            session.charge(collection.operations);
            Ok(collected(collection))
        }
        ("iou", "owed", [Value::Text(after), Value::Int(most)]) => {
            let most = consumers_at_once(*most)?;
            let session = host.session();
            let (all, looked_at) = iou::owed_page(&session.rows, after, most)?;
            session.charge(iou::LOOK_COST * looked_at);
            let mut entries = Vec::new();
            for owed in all {
                let units = i64::try_from(owed.amount).unwrap_or(i64::MAX);
                entries.push(map([
                    ("consumer", Value::Account(owed.consumer)),
                    ("farmer", Value::Account(owed.farmer)),
                    ("amount", Value::Amount(Amount::new(units, owed.asset))),
                ]));
            }
            Ok(Value::List(entries))
        }
        ("treasury", "plan", [Value::Text(wallet), Value::List(lines)]) => {
            let lines = lines
                .iter()
                .map(payout_line)
                .collect::<Result<Vec<_>, _>>()?;
            let ids = treasury::plan(host.session(), wallet, lines)?;
            Ok(Value::List(ids.into_iter().map(Value::Id).collect()))
        }
        ("treasury", "ready", [Value::Text(wallet), Value::Text(asset)]) => {
            let asset = known_asset(host, asset)?;
            let session = host.session();
            let genesis = session.context.genesis.clone();
            let code = treasury::obstacle(&session.rows, &genesis, wallet, &asset)?;
            Ok(Value::Text(code.map_or_else(String::new, |rejection| {
                rejection.code.into_owned()
            })))
        }
        ("circle", "enact", [Value::Script(script)]) => {
            let session = host.take();
            let (session, result) = session.enact(script);
            host.give_back(session);
            let (ok, code, reason) = match result {
                Ok(()) => (true, crate::receipt::OK.into(), String::new()),
                Err(Stop::Refused(refusal)) => (
                    false,
                    refusal.rejection.code.into_owned(),
                    refusal.rejection.message,
                ),
                Err(fault) => return Err(fault),
            };
            Ok(map([
                ("ok", Value::Bool(ok)),
                ("code", Value::Text(code)),
                ("reason", Value::Text(reason)),
            ]))
        }
        ("circle", "ask", [Value::Text(question), Value::Map(arguments)]) => {
            let arguments = arguments.clone().into_iter().collect();
            let session = host.take();
            let (session, result) = session.ask_within(question, arguments);
            host.give_back(session);
            result
        }
        ("circle", "simulate", [Value::Script(script)]) => {
            let (session, result) = host.take().simulate(script);
            host.give_back(session);
            result
        }
        ("circle", "guardians", []) => Ok(count(host.session().context.members().count() as u64)),
        ("circle", "offers", [Value::Text(question)]) => {
            let policies = &host.session().context.policies;
            let offered = question.split_once('.').is_some_and(|(policy, name)| {
                let policy = policies.get(policy);
                policy.is_some_and(|policy| policy.entry(Entry::Ask(name)).is_some())
            });
            Ok(Value::Bool(offered))
        }
        ("circle", "key", [Value::Account(name)]) => {
            let account = crate::accounts::by_name(&host.session().rows, name)?;
            let account = account.ok_or_else(|| {
                Rejection::new(
                    "account.unknown",
                    format!("there is no account {name}; register it first"),
                )
            })?;
            Ok(Value::Bytes(account.key.0.to_vec()))
        }
        ("credential", "check", [Value::Text(token), Value::Bytes(key)]) => {
            let checked = credential::check(token, key)?;
            Ok(map([
                ("header", checked.header),
                ("claims", checked.claims),
            ]))
        }
        ("credential", "did", [Value::Bytes(key)]) => {
            let key = <[u8; 32]>::try_from(key.as_slice())
                .map_err(|_| Rejection::new("credential.key", "an ed25519 key has 32 bytes"))?;
            Ok(Value::Text(credential::did(&key)))
        }
        ("circle", "has_role", [Value::Account(account), Value::Text(role)]) => {
            let account = crate::accounts::by_name(&host.session().rows, account)?;
            Ok(Value::Bool(
                account.is_some_and(|account| account.roles.contains(role)),
            ))
        }
        _ => Err(Rejection::new(
            "native.unknown",
            format!("the kernel does not offer {module}.{function} with these arguments"),
        )
        .into()),
    }
}

fn known_asset(host: &mut PolicyHost, code: &str) -> Result<AssetCode, Stop> {
    let asset = AssetCode::new(code)
        .ok()
        .filter(|asset| host.session().context.assets.decimals(asset).is_some());
    asset.ok_or_else(|| {
        Rejection::new(
            "asset.unknown",
            format!("this circle does not know the asset {code}"),
        )
        .into()
    })
}

fn iou_id(bytes: &[u8]) -> Result<Hash, Rejection> {
    bytes
        .try_into()
        .map_err(|_| Rejection::new("iou.id", "the id of an IOU has 32 bytes"))
}

fn consumers_at_once(most: i64) -> Result<usize, Rejection> {
    let most = usize::try_from(most).ok();
    let most = most.filter(|most| (1..=CONSUMERS_AT_ONCE).contains(most));
    most.ok_or_else(|| {
        let message = format!("ask for 1 to {CONSUMERS_AT_ONCE} consumers at once");
        Rejection::new("iou.most", message)
    })
}

fn collected(collection: iou::Collection) -> Value {
    let amount = |units: i64, asset: &AssetCode| Value::Amount(Amount::new(units, asset.clone()));
    let lines = |lines: Vec<iou::Line>, account: &str| {
        let line = |line: iou::Line| {
            map([
                ("amount", amount(line.amount, &line.asset)),
                ("asset", Value::Text(line.asset.as_str().into())),
                (account, Value::Account(line.account)),
                ("ious", count(line.ious)),
            ])
        };
        Value::List(lines.into_iter().map(line).collect())
    };
    let short = collection.short.into_iter().map(|short| {
        map([
            ("owed", amount(short.owed, &short.asset)),
            ("missing", amount(short.missing, &short.asset)),
            ("asset", Value::Text(short.asset.as_str().into())),
            ("consumer", Value::Account(short.consumer)),
        ])
    });
    let short = Value::List(short.collect());
    map([
        ("last", Value::Text(collection.last)),
        ("all", Value::Bool(collection.all)),
        ("consumers", count(collection.consumers)),
        ("ious", count(collection.ious)),
        ("paid", lines(collection.paid, "consumer")),
        ("earned", lines(collection.earned, "farmer")),
        ("short", short),
    ])
}

fn admission_limits(limits: &BTreeMap<String, Value>) -> Result<iou::Limits, Rejection> {
    let malformed = |consumer: &str| {
        Rejection::new(
            "iou.limits",
            format!("the limits of {consumer} have to be a list of amounts"),
        )
    };
    let mut all = iou::Limits::new();
    for (consumer, amounts) in limits {
        let Value::List(amounts) = amounts else {
            return Err(malformed(consumer));
        };
        let of_one = all.entry(consumer.clone()).or_default();
        for amount in amounts {
            let Value::Amount(most) = amount else {
                return Err(malformed(consumer));
            };
            of_one.insert(most.asset.clone(), most.units);
        }
    }
    Ok(all)
}

fn payout_line(line: &Value) -> Result<(String, Amount), Stop> {
    let malformed = || {
        Rejection::new(
            "payout.line",
            "a payout line has an account and an amount: #{ account, amount }",
        )
    };
    let Value::Map(line) = line else {
        return Err(malformed().into());
    };
    match (line.get("account"), line.get("amount")) {
        (Some(Value::Account(account) | Value::Text(account)), Some(Value::Amount(amount))) => {
            Ok((account.clone(), amount.clone()))
        }
        _ => Err(malformed().into()),
    }
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect::<BTreeMap<_, _>>(),
    )
}

fn count(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
