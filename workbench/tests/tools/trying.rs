use crate::support::*;
use expect_test::expect;

const GIVEN: &str = r#"
account("alice", "consumer");
deposit("alice", amount("100 TFT"));
act("g1", "!!shelf.offer name:drill");
"#;

#[test]
fn running_actions_shows_what_they_do() {
    let folder = Folder::with_tests("");
    let run = |options: &[&str]| folder.verb("run", &["policy.3script"], options);
    expect![[r#"
        g1: !!shelf.offer name:drill
        returned 1
        rows:
          + shelf.things 1: #{ due: (), id: 1, name: "drill", owner: account("g1") }
        227 operations, 1 row of tables written
        exit 0
    "#]]
    .assert_eq(&run(&["!!shelf.offer name:drill"]));
    expect![[r#"
        alice: !!shelf.borrow thing:1 days:3
        returned amount("1.5 TFT")
        rows:
          + shelf.loans 1, time("2026-01-01 00:00:00"): #{ by: account("alice"), from: time("2026-01-01 00:00:00"), paid: amount("1.5 TFT"), thing: 1 }
          * shelf.things 1
              due: () -> time("2026-01-04 00:00:00")
        events:
          shelf.lent #{ price: amount("1.5 TFT"), thing: 1, to: account("alice") }
        money:
          escrow:alice  100 TFT -> 98.5 TFT (-1.5 TFT)
          escrow:g1     0 TFT -> 0.75 TFT (+0.75 TFT)
          fees          0 TFT -> 0.75 TFT (+0.75 TFT)
        837 operations, 2 rows of tables written, and 3 rows of the kernel
        exit 0
    "#]].assert_eq(&run(&[
        "!!shelf.borrow thing:1 days:3",
        "--as",
        "alice",
        "--given",
        GIVEN,
    ]));
    expect![[r##"
        {"by":"alice","submitted":"!!shelf.borrow thing:1 days:3\n","code":"ok","returned":"amount(\"1.5 TFT\")","refused":null,"rows":[{"policy":"shelf","table":"loans","key":["1","time(\"2026-01-01 00:00:00\")"],"before":null,"after":"#{ by: account(\"alice\"), from: time(\"2026-01-01 00:00:00\"), paid: amount(\"1.5 TFT\"), thing: 1 }"},{"policy":"shelf","table":"things","key":["1"],"before":"#{ due: (), id: 1, name: \"drill\", owner: account(\"g1\") }","after":"#{ due: time(\"2026-01-04 00:00:00\"), id: 1, name: \"drill\", owner: account(\"g1\") }"}],"kernel_rows":3,"events":[{"name":"shelf.lent","data":"#{ price: amount(\"1.5 TFT\"), thing: 1, to: account(\"alice\") }"}],"effects":[],"money":[{"book":"escrow:alice","asset":"TFT","before":1000000000,"after":985000000},{"book":"escrow:g1","asset":"TFT","before":0,"after":7500000},{"book":"fees","asset":"TFT","before":0,"after":7500000}],"operations":837}
        exit 0
    "##]].assert_eq(&run(&[
        "!!shelf.borrow thing:1 days:3",
        "--as",
        "alice",
        "--given",
        GIVEN,
        "--json",
    ]));
}

#[test]
fn running_a_question_gives_its_answer() {
    let folder = Folder::with_tests("");
    let run = |options: &[&str]| folder.verb("run", &["policy.3script"], options);
    let given = format!("{GIVEN} act(\"alice\", \"!!shelf.borrow thing:1\");");
    expect![[r#"
        g1: !shelf.ranking
        returned [#{ by: account("alice"), count: 1, paid: amount("3.5 TFT") }]
        41 operations, 0 rows of tables written
        exit 0
    "#]]
    .assert_eq(&run(&["!shelf.ranking", "--given", &given]));
}

#[test]
fn what_cannot_be_run_is_explained() {
    let folder = Folder::with_tests("");
    let run = |options: &[&str]| folder.verb("run", &["policy.3script"], options);
    expect![[r#"
        g1: !!shelf.borrow thing:7 days:7
        refused at policy.3script:32:22: the table `things` has no row with this key [row_not_found]
        32 |     let row = things.get(thing);
           |                      ^
        = use find(…), which returns () for a missing row
        15 operations, 0 rows of tables written
        exit 1
    "#]]
    .assert_eq(&run(&["!!shelf.borrow thing:7"]));
    expect![[r#"
        bob: !!shelf.offer name:x
        refused: shelf.offer is not for bob, only for a guardian [not_allowed]
        = let one of them do it
        0 operations, 0 rows of tables written
        exit 1
    "#]]
    .assert_eq(&run(&["!!shelf.offer name:x", "--as", "bob:consumer"]));
    expect![[r#"
        line 1, column 1: nobody declares `!!shelf.ofer`
          did you mean `!!shelf.offer`?
        exit 1
    "#]]
    .assert_eq(&run(&["!!shelf.ofer name:x"]));
    expect![[r#"
        there are no actions in this text
          write actions as !!actor.name and questions as !actor.name
        exit 1
    "#]]
    .assert_eq(&run(&["nothing to do"]));
    expect![[r#"
        `tomorrow` is not a time
          write the time in UTC, as in '2024-02-01 00:00:00'
        exit 1
    "#]]
    .assert_eq(&run(&["!!shelf.offer name:x", "--at", "tomorrow"]));
    expect![[r#"
        there is no file of the policy nobody near .
          put it beside the tests as policy.3script or nobody.3script, or into ../nobody/policy.3script
        exit 1
    "#]].assert_eq(&run(&["!!shelf.offer name:x", "--with", "nobody"]));
    expect![[r#"
        --given:2:3: there is no function `acount` [unknown_function]
          |
        2 |   acount("x", [])
          |   ^
          = did you mean `account`?
        exit 1
    "#]]
    .assert_eq(&run(&[
        "!!shelf.offer name:x",
        "--given",
        "\n  acount(\"x\", [])",
    ]));
    expect![[r#"
        --given:2:3: a thing has a name [shelf.name]
        2 |   act("g1", "!!shelf.offer name:''")
          |   ^
        submitted: g1: !!shelf.offer name:''
        refused at policy.3script:22:5
        22 |     require(name != "", "shelf.name", "a thing has a name");
           |     ^
        exit 1
    "#]]
    .assert_eq(&run(&[
        "!!shelf.offer name:x",
        "--given",
        "wait(1.days);\n  act(\"g1\", \"!!shelf.offer name:''\")",
    ]));
}

#[test]
fn schedules_that_are_due_run_too() {
    let folder = Folder::with_tests("");
    let given = "things.insert(#{ name: \"saw\", owner: \"g1\", due: now() });";
    let output = folder.verb(
        "run",
        &["policy.3script"],
        &[
            "!!shelf.offer name:drill",
            "--given",
            given,
            "--at",
            "2026-01-02 12:00:00",
        ],
    );
    expect![[r#"
        g1: !!shelf.offer name:drill
        returned 2
        rows:
          + shelf.things 2: #{ due: (), id: 2, name: "drill", owner: account("g1") }
        effects:
          !!!mail.remind #{ days_late: 1, thing: 1 }
        319 operations, 1 row of tables written, and 2 rows of the kernel
        exit 0
    "#]]
    .assert_eq(&output);
}

#[test]
fn a_trace_shows_statements_values_and_why_amounts_are_what_they_are() {
    let folder = Folder::with_tests("");
    let trace = |options: &[&str]| folder.verb("trace", &["policy.3script"], options);
    expect![[r#"
        alice: !!shelf.borrow thing:1 days:3
        shelf.borrow(thing = 1, days = 3) by alice
           32 | let row = things.get(thing);
                with thing = 1
                things.get(1) -> #{ due: (), id: 1, name: "drill", owner: account("g1") }
                row = #{ due: (), id: 1, name: "drill", owner: account("g1") }
           33 | require(row.due == (), "shelf.lent", `${row.name} is lent until ${row.due}`);
                with row = #{ due: (), id: 1, name: "drill", owner: account("g1") }
                require(true, "shelf.lent", "drill is lent until ")
           34 | require(days.days <= LONGEST, "shelf.long", "that is too long");
                with days = 3
                require(true, "shelf.long", "that is too long")
           35 | let price = FEE * days;
                with days = 3
                price = amount("1.5 TFT")
           36 | let share = half(price);
                with price = amount("1.5 TFT")
               46 | price.times(50.percent, "floor")
                    with price = amount("1.5 TFT")
                    times(amount("1.5 TFT"), 50.percent, "floor") -> amount("0.75 TFT")
                half(amount("1.5 TFT")) -> amount("0.75 TFT")
                share = amount("0.75 TFT")
           37 | ledger.transfer("escrow:" + caller.account, "escrow:" + row.owner, share);
                with row = #{ due: (), id: 1, name: "drill", owner: account("g1") }, share = amount("0.75 TFT")
                ledger.transfer("escrow:alice", "escrow:g1", amount("0.75 TFT"))
           38 | ledger.transfer("escrow:" + caller.account, "fees", price - share);
                with price = amount("1.5 TFT"), share = amount("0.75 TFT")
                ledger.transfer("escrow:alice", "fees", amount("0.75 TFT"))
           39 | loans.insert(#{ thing: thing, from: block.time, by: caller.account, paid: price });
                with thing = 1, price = amount("1.5 TFT")
                loans.insert(#{ by: account("alice"), from: time("2026-01-01 00:00:00"), paid: amount("1.5 TFT"), thing: 1 }) -> [1, time("2026-01-01 00:00:00")]
           40 | things.update(thing, #{ due: block.time + days.days });
                with thing = 1, days = 3
                things.update(1, #{ due: time("2026-01-04 00:00:00") })
           41 | emit("lent", #{ thing: thing, to: caller.account, price: price });
                with thing = 1, price = amount("1.5 TFT")
                emit("lent", #{ price: amount("1.5 TFT"), thing: 1, to: account("alice") })
           42 | price
                with price = amount("1.5 TFT")
          gives amount("1.5 TFT")
        returned amount("1.5 TFT")
        why amount("0.75 TFT"): ledger.transfer("escrow:alice", "escrow:g1", amount("0.75 TFT"))
             37 | ledger.transfer("escrow:" + caller.account, "escrow:" + row.owner, share);
             36 | let share = half(price);
                  assigned: share = amount("0.75 TFT")
             46 | price.times(50.percent, "floor")
                  result: half(…) = amount("0.75 TFT")
             36 | let share = half(price);
                  parameter: price = amount("1.5 TFT")
             35 | let price = FEE * days;
                  assigned: price = amount("1.5 TFT")
                  constant: FEE = amount("0.5 TFT")
                  parameter: days = 3
        why amount("0.75 TFT"): ledger.transfer("escrow:alice", "fees", amount("0.75 TFT"))
             38 | ledger.transfer("escrow:" + caller.account, "fees", price - share);
             35 | let price = FEE * days;
                  assigned: price = amount("1.5 TFT")
                  constant: FEE = amount("0.5 TFT")
                  parameter: days = 3
             36 | let share = half(price);
                  assigned: share = amount("0.75 TFT")
             46 | price.times(50.percent, "floor")
                  result: half(…) = amount("0.75 TFT")
             36 | let share = half(price);
                  parameter: price = amount("1.5 TFT")
        why amount("1.5 TFT"): shelf.borrow returned
             42 | price
             35 | let price = FEE * days;
                  assigned: price = amount("1.5 TFT")
                  constant: FEE = amount("0.5 TFT")
                  parameter: days = 3
        exit 0
    "#]].assert_eq(&trace(&[
        "!!shelf.borrow thing:1 days:3",
        "--as",
        "alice",
        "--given",
        GIVEN,
    ]));
}

const SPLIT: &str = r#"policy split version 1

param fee: percent = 10% from 0% to 50%
table debts { who: account key, owed: amount }

action settle(most: amount) by anyone {
    let total = 0.of("TFT");
    let rate = if most > 10.of("TFT") {
        fee
    } else {
        0.percent
    };
    for row in debts.order("who").rows() {
        let cost = capped(row.owed, most);
        total += cost;
    }
    let charge = total.times(rate, "floor");
    ledger.transfer("escrow:" + caller.account, "fees", charge);
    total - charge
}

fn capped(owed, limit) {
    if owed > limit { return limit; }
    owed
}
"#;

#[test]
fn an_amount_is_followed_through_loops_functions_and_choices() {
    let folder = Folder::with_tests("");
    folder.write("split.3script", SPLIT);
    let given = r#"
deposit("g1", 100.of("TFT"));
debts.insert(#{ who: "g2", owed: 5.of("TFT") });
debts.insert(#{ who: "g3", owed: 50.of("TFT") });
"#;
    let trace = |options: &[&str]| folder.verb("trace", &["split.3script"], options);
    expect![[r#"
        g1: !!split.settle most:'20 TFT'
        split.settle(most = amount("20 TFT")) by g1
            7 | let total = 0.of("TFT");
                of(0, "TFT") -> amount("0 TFT")
                total = amount("0 TFT")
            8 | let rate = if most > 10.of("TFT") {
                with most = amount("20 TFT")
                of(10, "TFT") -> amount("10 TFT")
            9 | fee
                rate = 10.percent
           13 | for row in debts.order("who").rows() {
                debts.order("who") -> a query
                a query.rows() -> [#{ owed: amount("5 TFT"), who: account("g2") }, #{ owed: amount("50 TFT"), who: account("g3") }]
                row = #{ owed: amount("5 TFT"), who: account("g2") }
           14 | let cost = capped(row.owed, most);
                with row = #{ owed: amount("5 TFT"), who: account("g2") }, most = amount("20 TFT")
               23 | if owed > limit { return limit; }
                    with owed = amount("5 TFT"), limit = amount("20 TFT")
               24 | owed
                    with owed = amount("5 TFT")
                capped(amount("5 TFT"), amount("20 TFT")) -> amount("5 TFT")
                cost = amount("5 TFT")
           15 | total += cost;
                with cost = amount("5 TFT")
                row = #{ owed: amount("50 TFT"), who: account("g3") }
                total = amount("5 TFT")
           14 | let cost = capped(row.owed, most);
                with row = #{ owed: amount("50 TFT"), who: account("g3") }, most = amount("20 TFT")
               23 | if owed > limit { return limit; }
                    with owed = amount("50 TFT"), limit = amount("20 TFT")
               23 | if owed > limit { return limit; }
                    with limit = amount("20 TFT")
                capped(amount("50 TFT"), amount("20 TFT")) -> amount("20 TFT")
                cost = amount("20 TFT")
           15 | total += cost;
                with cost = amount("20 TFT")
                total = amount("25 TFT")
           17 | let charge = total.times(rate, "floor");
                with rate = 10.percent, total = amount("25 TFT")
                times(amount("25 TFT"), 10.percent, "floor") -> amount("2.5 TFT")
                charge = amount("2.5 TFT")
           18 | ledger.transfer("escrow:" + caller.account, "fees", charge);
                with charge = amount("2.5 TFT")
                ledger.transfer("escrow:g1", "fees", amount("2.5 TFT"))
           19 | total - charge
                with total = amount("25 TFT"), charge = amount("2.5 TFT")
          gives amount("22.5 TFT")
        returned amount("22.5 TFT")
        why amount("2.5 TFT"): ledger.transfer("escrow:g1", "fees", amount("2.5 TFT"))
             18 | ledger.transfer("escrow:" + caller.account, "fees", charge);
             17 | let charge = total.times(rate, "floor");
                  assigned: charge = amount("2.5 TFT")
              8 | let rate = if most > 10.of("TFT") {
                  assigned: rate = 10.percent
                  parameter: most = amount("20 TFT")
             15 | total += cost;
                  assigned: total = amount("25 TFT")
             14 | let cost = capped(row.owed, most);
                  assigned: cost = amount("20 TFT")
             23 | if owed > limit { return limit; }
                  result: capped(…) = amount("20 TFT")
             14 | let cost = capped(row.owed, most);
                  parameter: limit = amount("20 TFT")
             13 | for row in debts.order("who").rows() {
                  assigned: row = #{ owed: amount("50 TFT"), who: account("g3") }
             15 | total += cost;
                  assigned: total = amount("5 TFT")
             14 | let cost = capped(row.owed, most);
                  assigned: cost = amount("5 TFT")
             24 | owed
                  result: capped(…) = amount("5 TFT")
             14 | let cost = capped(row.owed, most);
                  parameter: owed = amount("5 TFT")
             13 | for row in debts.order("who").rows() {
                  assigned: row = #{ owed: amount("5 TFT"), who: account("g2") }
              7 | let total = 0.of("TFT");
                  assigned: total = amount("0 TFT")
        why amount("22.5 TFT"): split.settle returned
             19 | total - charge
             15 | total += cost;
                  assigned: total = amount("25 TFT")
             14 | let cost = capped(row.owed, most);
                  assigned: cost = amount("20 TFT")
             23 | if owed > limit { return limit; }
                  result: capped(…) = amount("20 TFT")
             14 | let cost = capped(row.owed, most);
                  parameter: limit = amount("20 TFT")
                  parameter: most = amount("20 TFT")
             13 | for row in debts.order("who").rows() {
                  assigned: row = #{ owed: amount("50 TFT"), who: account("g3") }
             15 | total += cost;
                  assigned: total = amount("5 TFT")
             14 | let cost = capped(row.owed, most);
                  assigned: cost = amount("5 TFT")
             24 | owed
                  result: capped(…) = amount("5 TFT")
             14 | let cost = capped(row.owed, most);
                  parameter: owed = amount("5 TFT")
             13 | for row in debts.order("who").rows() {
                  assigned: row = #{ owed: amount("5 TFT"), who: account("g2") }
              7 | let total = 0.of("TFT");
                  assigned: total = amount("0 TFT")
             17 | let charge = total.times(rate, "floor");
                  assigned: charge = amount("2.5 TFT")
              8 | let rate = if most > 10.of("TFT") {
                  assigned: rate = 10.percent
        exit 0
    "#]].assert_eq(&trace(&["!!split.settle most:'20 TFT'", "--given", given]));
    let json = trace(&["!!split.settle most:'20 TFT'", "--given", given, "--json"]);
    let json: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    expect![[r##"
        {
          "what": "ledger.transfer(\"escrow:g1\", \"fees\", amount(\"2.5 TFT\"))",
          "value": "amount(\"2.5 TFT\")",
          "place": {
            "file": "policy.3script",
            "line": 18,
            "column": 5,
            "text": "    ledger.transfer(\"escrow:\" + caller.account, \"fees\", charge);"
          },
          "causes": [
            {
              "name": "charge",
              "value": "amount(\"2.5 TFT\")",
              "kind": "assigned",
              "place": {
                "file": "policy.3script",
                "line": 17,
                "column": 5,
                "text": "    let charge = total.times(rate, \"floor\");"
              }
            },
            {
              "name": "rate",
              "value": "10.percent",
              "kind": "assigned",
              "place": {
                "file": "policy.3script",
                "line": 8,
                "column": 5,
                "text": "    let rate = if most > 10.of(\"TFT\") {"
              }
            },
            {
              "name": "most",
              "value": "amount(\"20 TFT\")",
              "kind": "parameter"
            },
            {
              "name": "total",
              "value": "amount(\"25 TFT\")",
              "kind": "assigned",
              "place": {
                "file": "policy.3script",
                "line": 15,
                "column": 9,
                "text": "        total += cost;"
              }
            },
            {
              "name": "cost",
              "value": "amount(\"20 TFT\")",
              "kind": "assigned",
              "place": {
                "file": "policy.3script",
                "line": 14,
                "column": 9,
                "text": "        let cost = capped(row.owed, most);"
              }
            },
            {
              "name": "capped(…)",
              "value": "amount(\"20 TFT\")",
              "kind": "result",
              "place": {
                "file": "policy.3script",
                "line": 23,
                "column": 23,
                "text": "    if owed > limit { return limit; }"
              }
            },
            {
              "name": "limit",
              "value": "amount(\"20 TFT\")",
              "kind": "parameter",
              "place": {
                "file": "policy.3script",
                "line": 14,
                "column": 20,
                "text": "        let cost = capped(row.owed, most);"
              }
            },
            {
              "name": "row",
              "value": "#{ owed: amount(\"50 TFT\"), who: account(\"g3\") }",
              "kind": "assigned",
              "place": {
                "file": "policy.3script",
                "line": 13,
                "column": 5,
                "text": "    for row in debts.order(\"who\").rows() {"
              }
            },
            {
              "name": "total",
              "value": "amount(\"5 TFT\")",
              "kind": "assigned",
              "place": {
                "file": "policy.3script",
                "line": 15,
                "column": 9,
                "text": "        total += cost;"
              }
            },
            {
              "name": "cost",
              "value": "amount(\"5 TFT\")",
              "kind": "assigned",
              "place": {
                "file": "policy.3script",
                "line": 14,
                "column": 9,
                "text": "        let cost = capped(row.owed, most);"
              }
            },
            {
              "name": "capped(…)",
              "value": "amount(\"5 TFT\")",
              "kind": "result",
              "place": {
                "file": "policy.3script",
                "line": 24,
                "column": 5,
                "text": "    owed"
              }
            },
            {
              "name": "owed",
              "value": "amount(\"5 TFT\")",
              "kind": "parameter",
              "place": {
                "file": "policy.3script",
                "line": 14,
                "column": 20,
                "text": "        let cost = capped(row.owed, most);"
              }
            },
            {
              "name": "row",
              "value": "#{ owed: amount(\"5 TFT\"), who: account(\"g2\") }",
              "kind": "assigned",
              "place": {
                "file": "policy.3script",
                "line": 13,
                "column": 5,
                "text": "    for row in debts.order(\"who\").rows() {"
              }
            },
            {
              "name": "total",
              "value": "amount(\"0 TFT\")",
              "kind": "assigned",
              "place": {
                "file": "policy.3script",
                "line": 7,
                "column": 5,
                "text": "    let total = 0.of(\"TFT\");"
              }
            }
          ],
          "left_out": 0
        }"##]]
    .assert_eq(&serde_json::to_string_pretty(&json["why"][0]).unwrap());
    expect![[r#"
        {
          "line": 7,
          "column": 5,
          "text": "let total = 0.of(\"TFT\");",
          "reads": {},
          "calls": [
            {
              "function": "of",
              "args": [
                "0",
                "\"TFT\""
              ],
              "gives": "amount(\"0 TFT\")",
              "steps": []
            }
          ],
          "changes": {
            "total": "amount(\"0 TFT\")"
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&json["runs"][0]["steps"][0]).unwrap());
}

#[test]
fn a_trace_of_a_refusal_ends_where_it_was_refused() {
    let folder = Folder::with_tests("");
    let trace = |options: &[&str]| folder.verb("trace", &["policy.3script"], options);
    expect![[r#"
        g1: !!shelf.borrow thing:1 days:99
        shelf.borrow(thing = 1, days = 99) by g1
           32 | let row = things.get(thing);
                with thing = 1
                things.get(1) -> #{ due: (), id: 1, name: "drill", owner: account("g1") }
                row = #{ due: (), id: 1, name: "drill", owner: account("g1") }
           33 | require(row.due == (), "shelf.lent", `${row.name} is lent until ${row.due}`);
                with row = #{ due: (), id: 1, name: "drill", owner: account("g1") }
                require(true, "shelf.lent", "drill is lent until ")
           34 | require(days.days <= LONGEST, "shelf.long", "that is too long");
                with days = 99
                require(false, "shelf.long", "that is too long") fails
          fails: that is too long [shelf.long]
        refused at policy.3script:34:5: that is too long [shelf.long]
        34 |     require(days.days <= LONGEST, "shelf.long", "that is too long");
           |     ^
        exit 1
    "#]]
    .assert_eq(&trace(&[
        "!!shelf.borrow thing:1 days:99",
        "--given",
        GIVEN,
    ]));
}
