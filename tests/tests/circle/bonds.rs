//! What ties policies to each other and to the circle: reactions, invariants, params, constants of others.

use circle::policies::params;
use circle::receipt::Receipt;
use expect_test::{Expect, expect};
use guardian_tests::{Simulation, act, policies};
use threescript::policy::source_hash;
use threescript::value::{Assets, Value};

/// A shop whose sales others follow. What it may not sell is decided by who reacts.
const SHOP: &str = r#"policy shop version 1

/// What a thing costs.
const PRICE = 3
/// How many may be sold in all.
param stock: int = 4 from 0 to 100

table sold { id: id key, to: account, count: int }

action buy(count: int) by guardian {
    require(sold.sum("count", 0) + count <= stock, "shop.empty", "nothing is left");
    let id = sold.insert(#{ to: caller.account, count: count });
    emit("sold", #{ id: id, to: caller.account, count: count });
}
action burst(events: int) by guardian {
    for n in 0..events { emit("sold", #{ id: n, to: caller.account, count: 0 }); }
}
action quietly(count: int) by guardian { sold.insert(#{ to: caller.account, count: count }) }
action enact(script: script) by guardian { circle.enact(script) }
action preview(script: script) by guardian {
    let would = circle.simulate(script);
    emit("previewed", #{ ok: would.ok, code: would.code, writes: would.writes.len(), left: stock - sold.sum("count", 0) });
}
ask previewed(script: script) { circle.simulate(script) }
ask left() { stock - sold.sum("count", 0) }
/// Nobody buys more than three at once.
invariant small { sold.where("count", ">", 3).count() == 0 }
"#;

/// Keeps accounts of the shop.
const BOOKS: &str = r#"policy books version 1
use shop SHOP { PRICE }
table entries { id: id key, to: account, due: int }
on shop.sold(to: account, count: int) {
    require(count != 2, "books.two", "two are not sold");
    if count > 0 {
        entries.insert(#{ to: to, due: count * PRICE });
        emit("entered", #{ to: to, due: count * PRICE, caller: caller.account });
    }
}
ask due() { entries.sum("due", 0) + circle.ask("shop.left", #{}) }
"#;

/// Follows the books: a reaction to what a reaction emits.
const AUDITOR: &str = r#"policy auditor version 1
table seen { id: id key, due: int }
param most: int = 100
on books.entered(due: int) {
    require(due <= most, "auditor.much", "that is too much");
    seen.insert(#{ due: due });
}
on circle.registered(account: account, roles: list(text)) {
    require(account != "mallory", "auditor.unwanted", "mallory stays outside");
    emit("welcome", #{ account: account, roles: roles });
}
on treasury.deposited(account: account, reference: text) {
    emit("noted", #{ account: account, reference: reference });
}
"#;

/// Two that cause each other for ever.
const PING: &str = r#"policy ping version 1
table hits { id: id key }
action start() by guardian { emit("ping", #{}) }
on pong.pong() { hits.insert(#{}); emit("ping", #{}); }
ask hits() { hits.count() }
"#;
const PONG: &str =
    "policy pong version 1\non ping.ping() { emit(\"pong\", #{}); emit(\"pong\", #{}); }\n";

fn books() -> String {
    BOOKS.replace("SHOP", &hex::encode(source_hash(SHOP)))
}

fn circle(added: &[&str]) -> Simulation {
    let mut all = policies();
    all.extend(added.iter().map(|source| (*source).to_owned()));
    Simulation::with_policies(9, 1, None, all)
}

fn int(number: i64) -> Value {
    Value::Int(number)
}

/// Code, message if there is one, and events, on one line each.
fn outcome(receipt: &Receipt) -> String {
    let mut lines = match receipt.is_ok() {
        true => "ok".to_owned(),
        false => format!("{}: {}", receipt.code, receipt.message),
    };
    for event in &receipt.events {
        lines += &format!("\n  {}.{} {}", event.actor, event.name, show(&event.data));
    }
    lines
}

fn show(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Id(id) => format!("#{id}"),
        Value::Bool(flag) => flag.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Account(name) => format!("@{name}"),
        Value::Amount(amount) => Assets::standard().render_amount(amount).unwrap(),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Unit => "()".to_owned(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(show).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(name, value)| format!("{name}: {}", show(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}

fn check(receipt: Receipt, expected: Expect) {
    expected.assert_eq(&outcome(&receipt));
}

fn buy(circle: &mut Simulation, count: i64) -> Receipt {
    circle.act(1, vec![act("shop", "buy", vec![("count", int(count))])])
}

fn ask(circle: &mut Simulation, actor: &str, name: &str) -> String {
    match circle.ask(actor, name, vec![]) {
        Ok(value) => show(&value),
        Err(error) => error,
    }
}

#[test]
fn policies_follow_what_others_do_in_the_same_transaction() {
    let mut circle = circle(&[SHOP, &books(), AUDITOR]);
    // The reaction fails, and so the sale.
    check(
        buy(&mut circle, 2),
        expect!["books.two: books, which reacts to shop.sold: two are not sold"],
    );
    assert_eq!(ask(&mut circle, "shop", "left"), "4");
    let receipt = buy(&mut circle, 3);
    // shop, then books, whose reaction the auditor follows.
    assert_eq!(receipt.policies.len(), 3, "{receipt:?}");
    check(
        receipt,
        expect![[r#"
        ok
          shop.sold {count: 3, id: #1, to: @guardian2}
          books.entered {caller: @circle, due: 9, to: @guardian2}"#]],
    );
    assert_eq!(ask(&mut circle, "books", "due"), "10");
    assert_eq!(ask(&mut circle, "shop", "left"), "1");
    check(buy(&mut circle, 2), expect!["shop.empty: nothing is left"]);
}

#[test]
fn an_invariant_undoes_the_whole_transaction() {
    let mut circle = circle(&[SHOP, &books()]);
    let quietly = |count| act("shop", "quietly", vec![("count", int(count))]);
    check(
        circle.act(1, vec![quietly(1), quietly(9)]),
        expect!["invariant.small: shop holds no more: Nobody buys more than three at once."],
    );
    assert_eq!(ask(&mut circle, "shop", "left"), "4");
    // What holds only in between does no harm; here both stand at the end.
    check(circle.act(1, vec![quietly(1), quietly(2)]), expect!["ok"]);
}

#[test]
fn the_circle_changes_params_within_their_bounds() {
    let mut circle = circle(&[SHOP, &books(), AUDITOR]);
    let set = |policy: &str, param: &str, value: &str| {
        let text = |text: &str| Value::Text(text.into());
        act(
            "policy",
            "set",
            vec![
                ("policy", text(policy)),
                ("param", text(param)),
                ("value", text(value)),
            ],
        )
    };
    let mut log = String::new();
    for (policy, param, value) in [
        ("shop", "stock", "50"),
        ("shop", "stock", "101"),
        ("shop", "stock", "-1"),
        ("shop", "stock", "many"),
        ("shop", "stok", "5"),
        ("store", "stock", "5"),
        ("auditor", "most", "-9223372036854775808"),
    ] {
        let receipt = circle.act_as_circle(vec![set(policy, param, value)]);
        log += &format!("{policy}.{param} {value}: {}\n", outcome(&receipt));
    }
    expect![[r#"
        shop.stock 50: ok
          policy.set {param: "stock", policy: "shop", value: 50}
        shop.stock 101: param.bounds: `stock` cannot be 101; give a value from 0 to 100
        shop.stock -1: param.bounds: `stock` cannot be -1; give a value from 0 to 100
        shop.stock many: param.type: `stock`: a literal is wanted, not `many`; write a number, a text, true, false, 12.5%, 7.days, 100 TFT, time("…"), account("…") or a list of these
        shop.stok 5: param.unknown: the policy shop has no param stok; it has stock
        store.stock 5: policy.inactive: no policy store is active; `circle status` lists those that are
        auditor.most -9223372036854775808: ok
          policy.set {param: "most", policy: "auditor", value: -9223372036854775808}
    "#]].assert_eq(&log);
    let receipt = circle.act(0, vec![set("shop", "stock", "7")]);
    assert_eq!(receipt.code, "authority.circle");
    assert_eq!(ask(&mut circle, "shop", "left"), "50");
    check(
        buy(&mut circle, 3),
        expect!["auditor.much: auditor, which reacts to books.entered: that is too much"],
    );
    // It is a row like any other: the next action of the same transaction sees it, and a refusal takes it back.
    let receipt = circle.act_as_circle(vec![
        set("shop", "stock", "0"),
        act("shop", "buy", vec![("count", int(1))]),
    ]);
    assert_eq!(receipt.code, "shop.empty");
    assert_eq!(ask(&mut circle, "shop", "left"), "50");
}

#[test]
fn a_new_version_drops_what_it_does_not_accept() {
    let mut circle = circle(&[SHOP]);
    let text = |text: &str| Value::Text(text.into());
    let set = act(
        "policy",
        "set",
        vec![
            ("policy", text("shop")),
            ("param", text("stock")),
            ("value", text("50")),
        ],
    );
    assert!(circle.act_as_circle(vec![set]).is_ok());
    let next = SHOP
        .replace("version 1", "version 2")
        .replace("from 0 to 100", "from 0 to 10");
    let install = act(
        "policy",
        "install",
        vec![("source", Value::Bytes(next.clone().into_bytes()))],
    );
    let activate = act(
        "policy",
        "activate",
        vec![
            ("hash", Value::Bytes(source_hash(&next).to_vec())),
            ("height", int(0)),
        ],
    );
    // A script goes on with the policies of its block: the new version runs only when this is certified.
    let receipt = circle.act_as_circle(vec![install, activate]);
    assert!(receipt.is_ok(), "{receipt:?}");
    circle.block(Vec::new());
    assert_eq!(ask(&mut circle, "shop", "left"), "4");
    assert_eq!(params(&circle.guardians[0].state(), "shop").unwrap(), []);
}

#[test]
fn the_kernel_tells_and_policies_may_refuse() {
    let mut circle = circle(&[AUDITOR]);
    let register = |name: &str, byte: u8| {
        act(
            "circle",
            "register",
            vec![
                ("name", Value::Text(name.into())),
                ("key", Value::Bytes(vec![byte; 32])),
                ("roles", Value::List(vec![Value::Text("farmer".into())])),
            ],
        )
    };
    check(
        circle.act(0, vec![register("bob", 8)]),
        expect![[r#"
        ok
          circle.registered {account: @bob, roles: ["farmer"]}
          auditor.welcome {account: @bob, roles: ["farmer"]}"#]],
    );
    check(
        circle.act(0, vec![register("mallory", 9)]),
        expect![
            "auditor.unwanted: auditor, which reacts to circle.registered: mallory stays outside"
        ],
    );
    circle.make_key();
    check(
        circle.deposit("carol", 50_000_000),
        expect![[r#"
        ok
          treasury.deposited {account: @carol, amount: 5 TFT, reference: "deposit 1", wallet: "main"}
          auditor.noted {account: @carol, reference: "deposit 1"}"#]],
    );
}

#[test]
fn reactions_that_cause_each_other_end_at_a_depth() {
    let mut circle = circle(&[PING, PONG]);
    check(
        circle.act(1, vec![act("ping", "start", vec![])]),
        expect![
            "reaction.depth: reactions cause each other more than 8 deep, the last one by ping.ping; let one of them emit less"
        ],
    );
    assert_eq!(ask(&mut circle, "ping", "hits"), "0");
}

#[test]
fn many_events_cost_what_their_reactions_take() {
    let mut circle = circle(&[SHOP, &books()]);
    let burst = |events| act("shop", "burst", vec![("events", int(events))]);
    assert!(circle.act(1, vec![burst(500)]).is_ok());
    let receipt = circle.act(1, vec![burst(10_000)]);
    assert_eq!(receipt.code, "limit.operations", "{}", receipt.message);
}

#[test]
fn what_an_enacted_script_breaks_undoes_the_script_only() {
    let mut circle = circle(&[SHOP, &books()]);
    let enact = |actions| act("shop", "enact", vec![("script", Value::Script(actions))]);
    let buy = |count| act("shop", "buy", vec![("count", int(count))]);
    let quietly = |count| act("shop", "quietly", vec![("count", int(count))]);
    // A reaction fails, an invariant does not hold, all operations are used: each time the transaction goes on.
    let burst = act("shop", "burst", vec![("events", int(10_000))]);
    for script in [vec![buy(1), buy(2)], vec![quietly(9)], vec![burst]] {
        let receipt = circle.act(1, vec![enact(script), quietly(1)]);
        check(receipt, expect!["ok"]);
    }
    assert_eq!(ask(&mut circle, "shop", "left"), "1");
    assert_eq!(ask(&mut circle, "books", "due"), "1");
    check(
        circle.act(1, vec![enact(vec![buy(1)])]),
        expect![[r#"
        ok
          shop.sold {count: 1, id: #4, to: @circle}
          books.entered {caller: @circle, due: 3, to: @circle}"#]],
    );
}

#[test]
fn hostile_invariants_and_questions_end_in_a_stable_code() {
    let hostile = r#"policy hostile version 1
table rows { id: id key, n: int }
action write(n: int) by guardian { rows.insert(#{ n: n }) }
action ask_self() by guardian { circle.ask("hostile.again", #{ n: 0 }) }
action ask_none() by guardian { circle.ask("nobody.knows", #{}) }
action ask_form() by guardian { circle.ask("nobody", #{}) }
action ask_typed() by guardian { circle.ask("hostile.again", #{ n: "x" }) }
action ask_write() by guardian { circle.ask("hostile.writing", #{}) }
ask again(n: int) { circle.ask("hostile.again", #{ n: n + 1 }) }
ask writing() { put() }
fn put() { rows.insert(#{ n: 0 }) }
invariant endless { if rows.where("n", 1).count() > 0 { loop { } } true }
invariant writes { if rows.where("n", 2).count() > 0 { put(); } true }
invariant breaks { rows.where("n", 3).count() == 0 || 1 / 0 == 1 }
invariant text { if rows.where("n", 4).count() > 0 { "yes" } else { true } }
"#;
    let mut circle = circle(&[hostile]);
    let mut log = String::new();
    for n in 0..5 {
        let receipt = circle.act(1, vec![act("hostile", "write", vec![("n", int(n))])]);
        log += &format!("{n}: {}\n", receipt.code);
    }
    for name in ["ask_self", "ask_none", "ask_form", "ask_typed", "ask_write"] {
        let receipt = circle.act(1, vec![act("hostile", name, vec![])]);
        log += &format!("{name}: {}\n", receipt.code);
    }
    expect![[r#"
        0: ok
        1: limit.operations
        2: invariant.writes
        3: invariant.breaks
        4: invariant.text
        ask_self: ask.depth
        ask_none: action.unknown
        ask_form: ask.form
        ask_typed: type
        ask_write: read_only
    "#]]
    .assert_eq(&log);
}

#[test]
fn scripts_and_questions_inside_each_other_end_before_the_stack_does() {
    // Each level calls functions as deep as a run may before it goes on to the next one.
    let deep = r#"policy deep version 1
action dive(script: script) by guardian { down(22, script) }
action sound() by guardian { asked(21, 0) }
ask again(n: int) { asked(21, n + 1) }
ask would(script: script) { circle.simulate(script) }
fn down(n, script) {
    if n > 0 { return down(n - 1, script); }
    let enacted = circle.enact(script);
    require(enacted.ok, enacted.code, enacted.reason);
}
fn asked(n, level) { if n > 0 { asked(n - 1, level) } else { circle.ask("deep.again", #{ n: level }) } }
"#;
    let mut circle = circle(&[deep]);
    let nested = |levels: usize| {
        let mut script = vec![act("deep", "sound", vec![])];
        for _ in 0..levels {
            script = vec![act("deep", "dive", vec![("script", Value::Script(script))])];
        }
        script
    };
    assert_eq!(circle.act(1, nested(4)).code, "ask.depth");
    assert_eq!(circle.act(1, nested(5)).code, "enact.depth");
    let would = circle.ask("deep", "would", vec![("script", Value::Script(nested(3)))]);
    let Ok(Value::Map(would)) = would else {
        panic!("{would:?}")
    };
    assert_eq!(would["code"], Value::Text("ask.depth".into()));
}

#[test]
fn a_simulated_script_shows_what_it_would_do_and_leaves_nothing_behind() {
    let mut circle = circle(&[SHOP, &books(), AUDITOR]);
    circle.make_key();
    circle.account("alice");
    let buy = |count| act("shop", "buy", vec![("count", int(count))]);
    let text = |text: &str| Value::Text(text.into());
    let set = act(
        "policy",
        "set",
        vec![
            ("policy", text("shop")),
            ("param", text("stock")),
            ("value", text("9")),
        ],
    );
    let deposit = act(
        "treasury",
        "deposit",
        vec![
            ("wallet", text("main")),
            ("account", Value::Account("alice".into())),
            (
                "amount",
                Value::Amount(Assets::standard().parse_amount("5 TFT").unwrap()),
            ),
            ("reference", text("a")),
        ],
    );
    let before = circle.guardians[0].head().state_root;
    let mut log = String::new();
    for script in [
        vec![buy(1), set, deposit],
        vec![buy(1), buy(2)],
        vec![act(
            "shop",
            "preview",
            vec![("script", Value::Script(vec![]))],
        )],
    ] {
        let answer = circle.ask("shop", "previewed", vec![("script", Value::Script(script))]);
        let Ok(Value::Map(answer)) = answer else {
            panic!("{answer:?}")
        };
        for (name, value) in answer {
            match value {
                Value::List(items) => {
                    log += &format!("{name}\n");
                    items
                        .iter()
                        .for_each(|item| log += &format!("  {}\n", show(item)));
                }
                value => log += &format!("{name}: {}\n", show(&value)),
            }
        }
    }
    expect![[r#"
        code: "ok"
        effects
        events
          {data: {count: 1, id: #1, to: @circle}, name: "shop.sold"}
          {data: {caller: @circle, due: 3, to: @circle}, name: "books.entered"}
          {data: {param: "stock", policy: "shop", value: 9}, name: "policy.set"}
          {data: {account: @alice, amount: 5 TFT, reference: "a", wallet: "main"}, name: "treasury.deposited"}
          {data: {account: @alice, reference: "a"}, name: "auditor.noted"}
        left_out: 0
        money
          {after: 5 TFT, asset: "TFT", before: 0 TFT, book: "escrow:alice"}
        ok: true
        reason: ""
        writes
          {after: 9, before: (), key: "shop stock", policy: "circle", table: "params"}
          {after: 50000000, before: (), key: "main TFT", policy: "circle", table: "holdings"}
          {after: 7, before: (), key: "main a", policy: "circle", table: "deposits"}
          {after: 50000000, before: (), key: "TFT", policy: "circle", table: "observed"}
          {after: {due: 3, id: #1}, before: (), key: #1, policy: "auditor", table: "seen"}
          {after: {due: 3, id: #1, to: @circle}, before: (), key: #1, policy: "books", table: "entries"}
          {after: {count: 1, id: #1, to: @circle}, before: (), key: #1, policy: "shop", table: "sold"}
        code: "books.two"
        effects
        events
        left_out: 0
        money
        ok: false
        reason: "books, which reacts to shop.sold: two are not sold"
        writes
        code: "simulate.nested"
        effects
        events
        left_out: 0
        money
        ok: false
        reason: "a simulated script cannot simulate others; simulate them one by one"
        writes
    "#]].assert_eq(&log);
    assert_eq!(circle.guardians[0].head().state_root, before);
    // In an action too: what was simulated is neither in the state nor among the events.
    let preview = act(
        "shop",
        "preview",
        vec![("script", Value::Script(vec![buy(1)]))],
    );
    let receipt = circle.act(1, vec![preview.clone(), preview]);
    assert_eq!(
        receipt.policies.len(),
        4,
        "each policy that was heard is named"
    );
    check(
        receipt,
        expect![[r#"
        ok
          shop.previewed {code: "ok", left: 4, ok: true, writes: 3}
          shop.previewed {code: "ok", left: 4, ok: true, writes: 3}"#]],
    );
    assert_eq!(ask(&mut circle, "shop", "left"), "4");
}

#[test]
fn a_policy_adds_to_the_treasury_of_the_kernel() {
    let treasury = r#"policy treasury version 1
param most: amount = 10 TFT
on treasury.planned(lines: list(map)) {
    for line in lines { require(line.amount <= most, "treasury.limit", "that is above the limit"); }
}
action look() by guardian { emit("looked", #{ most: most }) }
"#;
    let mut circle = circle(&[treasury]);
    circle.make_key();
    check(
        circle.act(1, vec![act("treasury", "look", vec![])]),
        expect![[r#"
            ok
              treasury.looked {most: 10 TFT}"#]],
    );
    // The kernel's command is still there.
    check(
        circle.deposit("alice", 500_000_000),
        expect![[r#"
        ok
          treasury.deposited {account: @alice, amount: 50 TFT, reference: "deposit 1", wallet: "main"}"#]],
    );
    let small = circle.iou("bob", "alice", 0, 50_000_000);
    let large = circle.iou("bob", "alice", 1, 150_000_000);
    circle.submit(&[small]);
    circle.wait(3 * 3_600_000);
    let receipt = circle.roll_up();
    assert!(receipt.is_ok(), "{receipt:?}");
    assert!(receipt.events.iter().any(|event| event.name == "planned"));
    circle.submit(&[large]);
    assert_eq!(circle.roll_up().code, "treasury.limit");
}
