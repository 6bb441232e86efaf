//! What ties a policy to the circle and to other policies: params, reactions, invariants, constants of others.

use crate::support::*;
use expect_test::{Expect, expect};
use threescript::engine::*;
use threescript::policy::*;
use threescript::value::*;

const VOTE: &str = r#"policy vote version 2

/// How many have to vote.
param quorum: percent = 50% from 1% to 100%
param split: list(list(any)) = [["farmer", 10%], ["pool", 90%]]
param closes: duration = 7.days from 1.hours
param fee: amount = 5 TFT to 10 TFT
param mode: one_of("open", "secret") = "open"
param memo: text = ""
param since: time = "2024-01-01"
param bond: int = 1

table members { name: text key, weight: int }

action join(name: text, weight: int) by anyone { members.insert(#{ name: name, weight: weight }) }
action read() by anyone { [quorum, quorum, closes, fee, mode, split.len()] }
/// Tells who paid.
on billing.billed(account: account, due: amount, note: text = "none") {
    emit("seen", #{ account: account, due: due, note: note, caller: caller.account, bond: bond });
}
on circle.registered(account: account) { members.insert(#{ name: text(account), weight: 0 }) }
/// Nobody has more than half.
invariant nobody_rules { members.sum("weight", 0) < 10 }
invariant odd { #{ count: members.count() }.get("count") }
invariant broken { require(members.count() < 1, "vote.full", "too many"); true }
invariant writes { join_it(); true }
invariant endless { loop { } }
fn join_it() { members.insert(#{ name: "x", weight: 1 }) }
"#;

fn faults(source: &str, expected: Expect) {
    let faults = compile(source, "test.3script", &catalog(), &Limits::default());
    let faults = faults.expect_err("the file has faults");
    let faults: Vec<String> = faults.iter().map(Diagnostic::to_string).collect();
    expected.assert_eq(&(faults.join("\n") + "\n"));
}

fn circle() -> Memory {
    Memory {
        caller: Caller::circle(),
        ..Memory::new()
    }
}

#[test]
fn declarations_are_public() {
    let policy = compiled(VOTE);
    let assets = Assets::standard();
    let params = policy.params().iter().map(|param| {
        let value = show(&param.default);
        format!("{}: {value} {}", param.name, param.bounds(&assets))
    });
    let reactions = policy.reactions().map(|entry| entry.name.clone());
    let invariants = policy.invariants().map(|entry| entry.name.clone());
    let all: Vec<String> = params.chain(reactions).chain(invariants).collect();
    expect![[r#"
        quorum: 50% from 1% to 100%
        split: [["farmer", 10%], ["pool", 90%]] 
        closes: 7d from 1h
        fee: 5 TFT to 10 TFT
        mode: "open" 
        memo: "" 
        since: 2024-01-01 00:00:00 
        bond: 1 
        billing.billed
        circle.registered
        nobody_rules
        odd
        broken
        writes
        endless
    "#]]
    .assert_eq(&(all.join("\n") + "\n"));
    // What the circle runs by itself cannot be submitted.
    assert_eq!(policy.signatures().len(), 2);
    assert_eq!(
        policy.param("quorum").map(|param| param.doc.as_str()),
        Some("How many have to vote.")
    );
}

#[test]
fn bodies_see_what_the_circle_decided_and_the_host_is_asked_once() {
    let policy = compiled(VOTE);
    let mut host = Memory::new();
    let run = |host: Memory| {
        let policy = policy.clone();
        big(move || policy.run(Entry::Action("read"), Vec::new(), host))
    };
    let (_, result) = run(host.clone());
    assert_eq!(outcome(&result), r#"[50%, 50%, 7d, 5 TFT, "open", 2]"#);
    let percent = |text: &str| Value::Percent(Decimal::parse(text).unwrap());
    host.params.insert("quorum".into(), percent("60"));
    // Below the least; another type: the defaults hold.
    host.params.insert("closes".into(), Value::Duration(60));
    host.params.insert("fee".into(), Value::Int(7));
    let (host, result) = run(host);
    assert_eq!(outcome(&result), r#"[60%, 60%, 7d, 5 TFT, "open", 2]"#);
    assert_eq!(host.calls.len(), 5, "{:?}", host.calls);
}

#[test]
fn values_of_params_are_read_from_text_and_checked() {
    let policy = compiled(VOTE);
    let assets = Assets::standard();
    let mut log = String::new();
    for (name, text) in [
        ("quorum", "60%"),
        ("quorum", "0.5%"),
        ("quorum", "101%"),
        ("quorum", "60"),
        ("quorum", "60% of it"),
        ("closes", "2.hours"),
        ("closes", "36h"),
        ("closes", "1m"),
        ("fee", "10 TFT"),
        ("fee", "10.1 TFT"),
        ("fee", "1 USDC"),
        ("mode", "secret"),
        ("mode", "loud"),
        ("memo", "any \"text\" at all"),
        ("since", "2025-06-01 12:00:00"),
        ("since", "yesterday"),
        ("split", "[[\"pool\", 100%]]"),
        ("split", "[["),
        ("split", "5"),
        ("bond", "-3"),
        ("bond", ""),
    ] {
        let param = policy.param(name).unwrap();
        let line = match param.read(text, &assets) {
            Ok(value) => show(&value),
            Err(error) => format!("{error} [{}]", error.code()),
        };
        log += &format!("{text}: {line}\n");
    }
    expect![[r#"
        60%: 60%
        0.5%: `quorum` cannot be 0.5%; give a value from 1% to 100% [param.bounds]
        101%: `quorum` cannot be 101%; give a value from 1% to 100% [param.bounds]
        60: `quorum`: percent is wanted, int is given; write a literal of type percent [param.type]
        60% of it: `quorum`: the value ends before `of`; write one value of type percent [param.type]
        2.hours: 2h
        36h: 36h
        1m: `closes` cannot be 1m; give a value from 1h [param.bounds]
        10 TFT: 10 TFT
        10.1 TFT: `fee` cannot be 10.1 TFT; give a value to 10 TFT [param.bounds]
        1 USDC: `fee`: USDC and TFT are different assets; give a value of type amount [param.type]
        secret: "secret"
        loud: `mode`: "loud" is not one of open, secret; give a value of type one_of("open", "secret") [param.type]
        any "text" at all: "any \"text\" at all"
        2025-06-01 12:00:00: 2025-06-01 12:00:00
        yesterday: `since`: `yesterday` is not a time; write the time in UTC, as in '2024-02-01 00:00:00' [param.type]
        [["pool", 100%]]: [["pool", 100%]]
        [[: `split`: a literal is wanted, not the end of the file; write a number, a text, true, false, 12.5%, 7.days, 100 TFT, time("…"), account("…") or a list of these [param.type]
        5: `split`: list(list(any)) is wanted, int is given; write a literal of type list(list(any)) [param.type]
        -3: -3
        : `bond`: a literal is wanted, not the end of the file; write a number, a text, true, false, 12.5%, 7.days, 100 TFT, time("…"), account("…") or a list of these [param.type]
    "#]].assert_eq(&log);
}

#[test]
fn a_reaction_takes_what_it_declares_and_runs_as_the_circle() {
    let policy = compiled(VOTE);
    let args = |due: Value| {
        vec![
            ("account".to_owned(), Value::Account("bob".into())),
            ("due".to_owned(), due),
            ("other".to_owned(), Value::Bool(true)),
        ]
    };
    let due = || Value::Amount(Assets::standard().parse_amount("2 TFT").unwrap());
    let mut log = String::new();
    for (host, args) in [
        (circle(), args(due())),
        (circle(), args(Value::Int(2))),
        (circle(), vec![]),
        (Memory::new(), args(due())),
    ] {
        let policy = policy.clone();
        let (_, result) = big(move || policy.run(Entry::On("billing.billed"), args, host));
        log += &format!("{}\n", outcome(&result));
    }
    expect![[r#"
        (); event seen {account: @bob, bond: 1, caller: @circle, due: 2 TFT, note: "none"}
        test.3script: `due` of vote on billing.billed: amount is wanted, int is given [type]
        test.3script: vote on billing.billed needs `account` [missing_parameter]; give it
        test.3script: vote on billing.billed is not for alice, only for the circle [not_allowed]; let one of them do it
    "#]].assert_eq(&log);
}

#[test]
fn an_invariant_holds_or_fails_with_its_own_code() {
    let policy = compiled(VOTE);
    let mut log = String::new();
    let joined = |weight: i64| {
        let policy = policy.clone();
        let args = vec![
            ("name".to_owned(), Value::Text("bob".into())),
            ("weight".to_owned(), Value::Int(weight)),
        ];
        big(move || policy.run(Entry::Action("join"), args, Memory::new()).0)
    };
    for (weight, name) in [
        (9, "nobody_rules"),
        (10, "nobody_rules"),
        (1, "odd"),
        (1, "broken"),
        (1, "writes"),
        (1, "endless"),
        (1, "missing"),
    ] {
        let host = Memory {
            caller: Caller::circle(),
            ..joined(weight)
        };
        let policy = policy.clone();
        let (_, result) = big(move || policy.run(Entry::Invariant(name), Vec::new(), host));
        log += &format!("{}\n", outcome(&result));
    }
    expect![[r#"
        true
        test.3script:23:11: vote holds no more: Nobody has more than half. [invariant.nobody_rules]
        test.3script:24:11: an invariant yields a bool, not int [invariant.odd]; end it with a condition
        test.3script:25:20: too many [vote.full] [invariant.broken]
        test.3script:28:24: a question or an invariant cannot write, emit or call what does [read_only] [invariant.writes]; make it an action
        test.3script:27:26: the run took more than 5000000 operations [limit.operations]; do less at a time, or let a query do it
        test.3script: there is no the invariant missing of vote of this kind [unknown_action]
    "#]].assert_eq(&log);
}

#[test]
fn bad_params_reactions_and_invariants_are_found() {
    faults(
        r#"policy test version 1
param a: percent = 50% from 60% to 100%
param b: int = 5 from 9 to 1
param c: text = "x" from "a" to "z"
param d: amount = 5 TFT from 0 USDC
param e = 5
param f: percent = 5
param block: int = 1
param a: int = 1
table a { id: id key }
on shop { }
on test.done() { }
on circle.registred() { }
on circle.registered(acount: account) { }
on circle.registered(account: text) { }
on policy.activated() { }
on shop.sold(a: int) { }
invariant x() { true }
invariant y { emit("bad", #{}); true }
invariant z { a.insert(#{}) }
invariant z { true }
action go() by anyone { a = 6; quorom }
"#,
        expect![[r#"
            test.3script:2:20: `a` cannot be 50% [bad_bounds]
              |
            2 | param a: percent = 50% from 60% to 100%
              |                    ^
              = give a value from 60% to 100%
            test.3script:3:7: no value is from 9 to 1 [bad_bounds]
              |
            3 | param b: int = 5 from 9 to 1
              |       ^
              = put the smaller one behind `from`, the larger one behind `to`
            test.3script:4:21: values of type text have no order [bad_bounds]
              |
            4 | param c: text = "x" from "a" to "z"
              |                     ^
              = leave the bounds out, or use one_of(…)
            test.3script:5:30: TFT and USDC are different assets [bad_bounds]
              |
            5 | param d: amount = 5 TFT from 0 USDC
              |                              ^
              = give the bounds in the asset of the value
            test.3script:6:9: `:` is wanted, not `=` [syntax]
              |
            6 | param e = 5
              |         ^
              = write `:` here
            test.3script:7:20: percent is wanted, int is given [type]
              |
            7 | param f: percent = 5
              |                    ^
              = write a literal of type percent
            test.3script:8:7: `block` is there in every body [reserved_name]
              |
            8 | param block: int = 1
              |       ^
              = take another name
            test.3script:10:7: `a` is already the name of a param [duplicate]
               |
            10 | table a { id: id key }
               |       ^
               = give it another name
            test.3script:11:4: `shop` is no event [bad_name]
               |
            11 | on shop { }
               |    ^
               = write the policy and its event, as in `on billing.billed(due: amount)`
            test.3script:12:4: `done` is an event of this policy [own_event]
               |
            12 | on test.done() { }
               |    ^
               = do what is to be done where it is emitted
            test.3script:13:4: `circle` has no event `registred` [unknown_event]
               |
            13 | on circle.registred() { }
               |    ^
               = did you mean `registered`?
            test.3script:14:4: circle.registered does not say `acount` [unknown_parameter]
               |
            14 | on circle.registered(acount: account) { }
               |    ^
               = did you mean `account`?
            test.3script:15:4: `circle.registered` is already declared in line 14 [duplicate]
               |
            15 | on circle.registered(account: text) { }
               |    ^
               = give it another name
            test.3script:15:4: `account` of circle.registered is of type account [type]
               |
            15 | on circle.registered(account: text) { }
               |    ^
               = write `account: account`
            test.3script:16:4: there are no events of `policy` that a policy can react to [unknown_event]
               |
            16 | on policy.activated() { }
               |    ^
            test.3script:17:4: the parameter `a` has the name of a table [duplicate]
               |
            17 | on shop.sold(a: int) { }
               |    ^
               = give it another name
            test.3script:18:11: an invariant has no parameters [bad_params]
               |
            18 | invariant x() { true }
               |           ^
               = write `invariant name { … }`; it sees the tables and the params of its policy
            test.3script:19:15: a question cannot `emit` [read_only]
               |
            19 | invariant y { emit("bad", #{}); true }
               |               ^
               = make it an action
            test.3script:20:17: a question cannot `insert` [read_only]
               |
            20 | invariant z { a.insert(#{}) }
               |                 ^
               = make it an action
            test.3script:21:11: `z` is already declared in line 20 [duplicate]
               |
            21 | invariant z { true }
               |           ^
               = give it another name
            test.3script:22:32: there is no variable `quorom` [unknown_variable]
               |
            22 | action go() by anyone { a = 6; quorom }
               |                                ^
               = known here: a, block, caller, circle
        "#]],
    );
}

#[test]
fn names_of_the_kernel_are_kept() {
    faults(
        "policy circle version 1\naction go() by anyone { }\n",
        expect![[r#"
            test.3script:1:8: the name `circle` belongs to the kernel [reserved_name]
              |
            1 | policy circle version 1
              |        ^
              = choose another name
        "#]],
    );
    faults(
        "policy treasury version 1\naction deposit() by anyone { }\n",
        expect![[r#"
            test.3script:2:8: treasury.deposit is an action of the kernel [reserved_name]
              |
            2 | action deposit() by anyone { }
              |        ^
              = choose another name
        "#]],
    );
    // It adds to the kernel's actor, and may react to the kernel's events; but they stay the kernel's.
    let policy = compiled(
        "policy treasury version 1\non treasury.planned(account: account) { }\naction limit() by anyone { emit(\"planned\", #{}) }\n",
    );
    let (_, result) = big(move || policy.run(Entry::Action("limit"), Vec::new(), Memory::new()));
    expect!["test.3script:3:28: the event treasury.planned is the kernel's [reserved_name]; take another name"].assert_eq(&outcome(&result));
}

const PRICES: &str = "policy prices version 1\n/// What a unit costs.\nconst CU = 0.1 TFT\nconst NAMES = [\"a\", \"b\"]\naction go() by anyone { CU }\n";

fn using(body: &str) -> Result<Policy, Vec<Diagnostic>> {
    let prices = hex::encode(source_hash(PRICES));
    let between = format!("policy between version 1\nuse prices {prices} {{ CU }}\n");
    let source = body
        .replace("PRICES", &prices)
        .replace("BETWEEN", &hex::encode(source_hash(&between)));
    let installed = move |hash: &[u8; 32]| {
        let all = [PRICES.to_owned(), between.clone()];
        all.into_iter().find(|source| source_hash(source) == *hash)
    };
    compile_with(
        &source,
        "test.3script",
        &catalog(),
        &Limits::default(),
        &installed,
    )
}

#[test]
fn constants_of_another_policy_become_constants_here() {
    let policy = using(
        "policy test version 1\nuse prices PRICES { CU, NAMES }\naction x() by anyone { [CU * 3, NAMES] }\n",
    )
    .unwrap();
    assert_eq!(policy.consts()[0].doc, "What a unit costs.");
    assert_eq!(policy.uses()[0].policy, "prices");
    let (_, result) = big(move || policy.run(Entry::Action("x"), Vec::new(), Memory::new()));
    assert_eq!(outcome(&result), r#"[0.3 TFT, ["a", "b"]]"#);
}

#[test]
fn constants_that_are_not_there_are_found() {
    let none = "00".repeat(32);
    let source = format!(
        "policy test version 1\nuse prices PRICES {{ CUU }}\nuse price PRICES {{ CU }}\nuse prices {none} {{ CU }}\nuse prices 12ab {{ CU }}\nuse between BETWEEN {{ CU }}\nuse prices PRICES {{ NAMES }}\nconst NAMES = 1\n"
    );
    let faults = using(&source).expect_err("faults");
    let faults: Vec<String> = faults.iter().map(Diagnostic::to_string).collect();
    expect![[r#"
        test.3script:2:79: the policy `prices` version 1 declares no constant `CUU` [unknown_constant]
          |
        2 | use prices 008e2a8b12ba62bd85fb08bbb9476023ca711ca3437e7a011dcec4981e00cdb8 { CUU }
          |                                                                               ^
          = did you mean `CU`?
        test.3script:3:5: this hash is that of the policy `prices` [unknown_policy]
          |
        3 | use price 008e2a8b12ba62bd85fb08bbb9476023ca711ca3437e7a011dcec4981e00cdb8 { CU }
          |     ^
          = write `use prices …`, or its own hash
        test.3script:4:5: no policy 0000000000000000000000000000000000000000000000000000000000000000 is installed [unknown_policy]
          |
        4 | use prices 0000000000000000000000000000000000000000000000000000000000000000 { CU }
          |     ^
          = install it first, or use the hash of one that is; `circle policy check` prints the hash of a file
        test.3script:4:79: `CU` is already the name of a constant [duplicate]
          |
        4 | use prices 0000000000000000000000000000000000000000000000000000000000000000 { CU }
          |                                                                               ^
          = give it another name
        test.3script:5:12: `12ab` is not the hash of a policy [bad_hash]
          |
        5 | use prices 12ab { CU }
          |            ^
          = write its 64 hexadecimal digits; `circle policy check` prints them
        test.3script:6:80: `CU` is already the name of a constant [duplicate]
          |
        6 | use between b0edaab5990467bdd3b6c8559c385b76f548ffe633908355537eb714ead9ce31 { CU }
          |                                                                                ^
          = give it another name
        test.3script:6:80: the policy `between` version 1 declares no constant `CU` [unknown_constant]
          |
        6 | use between b0edaab5990467bdd3b6c8559c385b76f548ffe633908355537eb714ead9ce31 { CU }
          |                                                                                ^
          = it takes it from `prices`; use it from there: 008e2a8b12ba62bd85fb08bbb9476023ca711ca3437e7a011dcec4981e00cdb8
        test.3script:7:79: `NAMES` is already the name of a constant [duplicate]
          |
        7 | use prices 008e2a8b12ba62bd85fb08bbb9476023ca711ca3437e7a011dcec4981e00cdb8 { NAMES }
          |                                                                               ^
          = give it another name
    "#]].assert_eq(&(faults.join("\n") + "\n"));
}
