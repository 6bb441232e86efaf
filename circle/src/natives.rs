//! What the kernel offers to policies.

use std::collections::BTreeMap;

use threescript::action::Type;
use threescript::engine::{Catalog, NativeFunction};
use threescript::value::{Amount, AssetCode, Assets, Value};

use crate::iou;
use crate::ledger;
use crate::payouts;
use crate::rejection::Rejection;
use crate::session::{PolicyHost, Stop};

/// The modules and functions that a policy may call, with their types, costs in operations, and what they do.
pub fn catalog(assets: &Assets) -> Catalog {
    let text = |name: &str| (name.to_owned(), Type::Text);
    let mut catalog = Catalog::new(assets.clone());
    let mut add = |module: &str,
                   name: &str,
                   params: Vec<(String, Type)>,
                   returns: Type,
                   cost: u64,
                   reads_only: bool,
                   doc: &str| {
        let function = NativeFunction {
            name: name.into(),
            params,
            returns,
            doc: doc.into(),
            cost,
            ask_allowed: reads_only,
        };
        catalog = catalog.clone().with(module, function);
    };
    let amount = |name: &str| (name.to_owned(), Type::Amount);
    let time = |name: &str| (name.to_owned(), Type::Time);
    let account = |name: &str| (name.to_owned(), Type::Account);
    let maps = || Type::List(Box::new(Type::Map));

    add(
        "ledger",
        "balance",
        vec![text("book"), text("asset")],
        Type::Amount,
        50,
        true,
        "What a book holds. Books are escrow:<account>, payable:<account>, wallet:<wallet>, payout:<wallet> and fees.",
    );
    add(
        "ledger",
        "transfer",
        vec![text("from"), text("to"), amount("amount")],
        Type::Any,
        200,
        false,
        "Moves an amount above 0 from one book to another. Fails with ledger.insufficient if the book holds less.",
    );
    add(
        "iou",
        "admit",
        vec![("batch".into(), Type::Bytes)],
        Type::Map,
        1_000,
        false,
        "Checks a batch of signed IOUs and takes those that are right into the book. Returns accepted (a number) and rejected (a list of id, code and reason).",
    );
    add(
        "iou",
        "debtors",
        vec![time("until")],
        maps(),
        1_000,
        true,
        "Who has unpaid IOUs whose window ended by then: a list of consumer, asset, owed and ious (how many).",
    );
    add(
        "iou",
        "pay",
        vec![account("consumer"), time("until"), amount("budget")],
        maps(),
        1_000,
        false,
        "Marks a consumer's unpaid IOUs as paid, whole ones, by the end of their window, then id, until the budget does not cover the next. Returns a list of farmer, amount and ious (how many).",
    );
    add(
        "iou",
        "owed",
        vec![],
        maps(),
        1_000,
        true,
        "What is unpaid between whom: a list of consumer, farmer and amount.",
    );
    add(
        "treasury",
        "plan",
        vec![text("wallet"), ("lines".into(), maps())],
        Type::List(Box::new(Type::Id)),
        2_000,
        false,
        "Plans payouts from a wallet for lines of account and amount, out of the books payable:<account>. Fixes their bytes and puts them into the outbox. Returns their ids.",
    );
    add(
        "circle",
        "enact",
        vec![("script".into(), Type::Script)],
        Type::Map,
        1_000,
        false,
        "Runs a script with the authority of the circle, all of it or nothing. Returns ok (yes or no), code and reason.",
    );
    add(
        "circle",
        "guardians",
        vec![],
        Type::Int,
        10,
        true,
        "How many guardians the circle has.",
    );
    add(
        "circle",
        "has_role",
        vec![account("account"), text("role")],
        Type::Bool,
        50,
        true,
        "Whether an account has a role.",
    );
    catalog
}

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
        ("iou", "admit", [Value::Bytes(batch)]) => {
            let session = host.session();
            let circle = session.context.genesis.circle;
            let admission = iou::admit(&mut session.rows, circle, &session.context.assets, batch)?;
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
        ("iou", "debtors", [Value::Time(until)]) => {
            let debtors = iou::debtors(&host.session().rows, *until)?;
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
        ("iou", "owed", []) => {
            let mut entries = Vec::new();
            for owed in iou::owed(&host.session().rows)? {
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
            let ids = payouts::plan(host.session(), wallet, lines)?;
            Ok(Value::List(ids.into_iter().map(Value::Id).collect()))
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
        ("circle", "guardians", []) => Ok(count(host.session().context.members().count() as u64)),
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
