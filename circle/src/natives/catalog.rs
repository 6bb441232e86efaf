//! The functions that the kernel offers to policies, and what its actors tell them: names, types, costs.

use threescript::action::Type;
use threescript::engine::{Catalog, NativeActor, NativeEvent, NativeFunction};
use threescript::value::Assets;

use crate::policies::{EXTENDABLE_ACTORS, KERNEL_ACTORS};

/// The modules and functions that a policy may call, with their types, costs in operations, and what they do.
pub fn catalog(assets: &Assets) -> Catalog {
    let text = |name: &str| (name.to_owned(), Type::Text);
    let with_roles = Catalog::new(assets.clone()).with_roles(&crate::ROLES);
    let mut catalog = KERNEL_ACTORS
        .iter()
        .fold(with_roles, |catalog, name| catalog.with_actor(actor(name)));
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
        catalog = std::mem::take(&mut catalog).with(module, function);
    };
    let amount = |name: &str| (name.to_owned(), Type::Amount);
    let int = |name: &str| (name.to_owned(), Type::Int);
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
        "What a book holds. Books are escrow:<account>, payable:<account>, wallet:<wallet>, payout:<wallet>, held:<policy> and fees.",
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
        vec![("batch".into(), Type::Bytes), ("limits".into(), Type::Map)],
        Type::Map,
        1_000,
        false,
        "Checks a batch of signed IOUs and takes those that are right into the book. Limits name consumers, each with a list of amounts: the most that it may owe in these assets, and nothing in others; what goes beyond is rejected as iou.limit. Returns accepted (a number) and rejected (a list of id, code and reason).",
    );
    add(
        "iou",
        "consumers",
        vec![("batch".into(), Type::Bytes)],
        Type::List(Box::new(Type::Account)),
        5_000,
        true,
        "The consumers of a batch of IOUs that have accounts, by name.",
    );
    add(
        "iou",
        "ids",
        vec![("batch".into(), Type::Bytes)],
        Type::List(Box::new(Type::Bytes)),
        5_000,
        true,
        "The ids of the IOUs of a batch, in its order.",
    );
    add(
        "iou",
        "find",
        vec![("iou".into(), Type::Bytes)],
        Type::Any,
        100,
        true,
        "An IOU of the book by its id: farmer, consumer, to (the end of its window), admitted (a time), amount and state (open, held, paid or cancelled); or nothing.",
    );
    for (name, doc) in [
        (
            "hold",
            "Keeps an open IOU out of the roll-up. Fails with iou.unknown or iou.state.",
        ),
        (
            "release",
            "Lets a held IOU take part in the roll-up again. Fails with iou.unknown or iou.state.",
        ),
        (
            "cancel",
            "Cancels a held IOU for good. Fails with iou.unknown or iou.state.",
        ),
    ] {
        let iou = vec![("iou".into(), Type::Bytes)];
        add("iou", name, iou, Type::Any, 300, false, doc);
    }
    add(
        "iou",
        "unpaid",
        vec![account("consumer"), text("asset")],
        Type::Map,
        100,
        true,
        "What a consumer owes in one asset: open and held, two amounts.",
    );
    add(
        "iou",
        "oldest_of",
        vec![account("consumer")],
        Type::Any,
        100,
        true,
        "The end of a consumer's oldest open window, a time; or nothing if it has no open IOUs.",
    );
    add(
        "iou",
        "oldest",
        vec![text("after"), ("most".into(), Type::Int)],
        maps(),
        5_000,
        true,
        "The next consumers with open IOUs in the order of their registration, 1 to 1000, after an account or '' for the first: a list of consumer and to, the end of its oldest window.",
    );
    add(
        "iou",
        "debtors",
        vec![time("until"), text("after"), int("most")],
        maps(),
        100,
        true,
        "Who has open IOUs whose window ended by then: a list of consumer, asset, owed and ious (how many), for the next consumers in the order of their registration, after this one, at most so many (1,000 at the most). Costs 2 operations for each IOU.",
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
        vec![text("after"), int("most")],
        maps(),
        100,
        true,
        "What is open between whom: a list of consumer, farmer and amount, for the next consumers in the order of their registration, after this one, at most so many (1,000 at the most). Costs 2 operations for each IOU.",
    );
    add(
        "iou",
        "collect",
        vec![time("until"), text("after"), int("most")],
        Type::Map,
        500,
        false,
        "Debits the next consumers in the order of their registration, after this one, out of their escrow, for whole IOUs whose window ended by then, by the end of the window, then id, up to the first that is not covered; credits the farmers' books payable:<farmer>, and marks the IOUs as paid. Ends after so many IOUs (50,000 at the most) or about as many consumers. Returns last (whom to go on after), all (whether all had their turn), consumers, ious (how many), paid (a list of consumer, asset, amount, ious), earned (a list of farmer, asset, amount, ious) and short (a list of consumer, asset, owed and missing, for whom escrow did not cover what ended). Costs 16 operations for each IOU, 64 for each consumer and farmer.",
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
        "treasury",
        "ready",
        vec![text("wallet"), text("asset")],
        Type::Text,
        100,
        true,
        "Nothing ('') if payouts of an asset can be planned from a wallet; otherwise the code that treasury.plan would fail with.",
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
        "ask",
        vec![text("question"), ("params".into(), Type::Map)],
        Type::Any,
        500,
        true,
        "Asks another active policy, as in circle.ask(\"pricing.current\", #{ asset: \"TFT\" }). Questions ask others at most 4 deep.",
    );
    add(
        "circle",
        "simulate",
        vec![("script".into(), Type::Script)],
        Type::Map,
        2_000,
        true,
        "Says what a script would do if it were enacted now, and does nothing. Returns ok, code and reason, writes (a list of policy, table, key, before and after), events and effects (lists of name and data), money (a list of book, asset, before and after), and left_out: each list names at most 256.",
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
        "offers",
        vec![text("question")],
        Type::Bool,
        20,
        true,
        "Whether an active policy answers this question, policy.question.",
    );
    add(
        "circle",
        "key",
        vec![account("account")],
        Type::Bytes,
        50,
        true,
        "The ed25519 key of a registered account: 32 bytes. Fails with account.unknown.",
    );
    add(
        "credential",
        "check",
        vec![text("token"), ("key".into(), Type::Bytes)],
        Type::Map,
        20_000,
        true,
        "Reads a JSON Web Token signed with EdDSA, a Verifiable Credential for example, and checks the signature with the issuer's ed25519 key. Returns header and claims, as maps; times, issuer and subject are for the policy to judge. Fails with credential.size, .form, .json, .algorithm, .critical, .key or .signature.",
    );
    add(
        "credential",
        "did",
        vec![("key".into(), Type::Bytes)],
        Type::Text,
        500,
        true,
        "The decentralized identifier did:key:z6Mk… of an ed25519 key. Fails with credential.key.",
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

/// An actor of the kernel: what it does, and what it tells.
fn actor(name: &str) -> NativeActor {
    let actions = crate::apply::signatures().into_iter();
    let actions = actions.filter(|action| action.actor == name);
    let event = |name: &str, entries: &[(&str, Type)], doc: &str| NativeEvent {
        name: name.into(),
        entries: entries
            .iter()
            .map(|(name, ty)| ((*name).into(), ty.clone()))
            .collect(),
        doc: doc.into(),
    };
    let list = |item: Type| Type::List(Box::new(item));
    // Of `policy` there are none: a policy that refuses a reaction to them could keep itself from being replaced.
    let events = match name {
        "circle" => vec![event(
            "registered",
            &[("account", Type::Account), ("roles", list(Type::Text))],
            "An account was registered.",
        )],
        "treasury" => vec![
            event(
                "deposited",
                &[
                    ("wallet", Type::Text),
                    ("account", Type::Account),
                    ("amount", Type::Amount),
                    ("reference", Type::Text),
                ],
                "A payment to a wallet arrived for the escrow of an account.",
            ),
            event(
                "planned",
                &[
                    ("wallet", Type::Text),
                    ("lines", list(Type::Map)),
                    ("payouts", list(Type::Id)),
                ],
                "Payouts are planned; each of the lines has an account and an amount.",
            ),
        ],
        _ => Vec::new(),
    };
    NativeActor {
        name: name.into(),
        actions: actions.map(|action| action.name).collect(),
        events,
        extendable: EXTENDABLE_ACTORS.contains(&name),
    }
}
