//! What the type checker says of faulty policies, and that it is silent about right ones.

use crate::support::catalog;
use expect_test::{Expect, expect};
use threescript::engine::Limits;
use threescript::policy::{Severity, compile};

/// Declarations that the snippets see, in front of them so that a snippet begins in line 11.
const DECLARATIONS: &str = r#"policy test version 1
const LIMIT = 5
const FEE = 1 TFT
param share: percent = 50% from 1% to 100%
table bids { number: id key, by: account index, offer: amount, at: time, state: one_of("open", "closed"), note: text?, tags: list(text) }
table stock { place: account key, shelf: int key, full: bool, since: duration, weight: decimal }
fn twice(number) { number * 2 }
formula worth(offer: amount, rate: int = 2): amount = offer * rate
fn all_used() { [LIMIT, FEE, share, bids.count(), stock.count(), twice(2), worth(FEE, 3)] }
"#;

/// What the checker says of a body in line 11, one fault in a line.
fn faults_of(body: &str) -> String {
    let source = format!(
        "{DECLARATIONS}action used(bid: id, name: text, to: account) by anyone {{ [all_used(), bid, name, to] }}\naction x(bid: id, name: text, to: account, raw: any) by account(to) {{ [bid, name, raw];\n{body}\n}}\n"
    );
    report(&source)
}

fn report(source: &str) -> String {
    let lines = match compile(
        source,
        "test",
        &catalog().with_roles(&["guardian", "farmer"]),
        &Limits::default(),
    ) {
        Ok(policy) => policy.warnings().to_vec(),
        Err(faults) => faults,
    };
    let lines = lines.iter().map(|fault| {
        let warning = if fault.severity == Severity::Warning {
            "warning: "
        } else {
            ""
        };
        let mend = if fault.mend.is_empty() {
            String::new()
        } else {
            format!(" | {}", fault.mend)
        };
        format!(
            "{}:{} {warning}{} [{}]{mend}",
            fault.line, fault.column, fault.reason, fault.code
        )
    });
    lines.collect::<Vec<_>>().join("\n    ")
}

fn or_passed(faults: String) -> String {
    if faults.is_empty() {
        "passed".to_owned()
    } else {
        faults
    }
}

fn check(bodies: &[&str], expected: Expect) {
    let shown = bodies
        .iter()
        .map(|body| format!("{body}\n    {}\n", or_passed(faults_of(body))));
    expected.assert_eq(&shown.collect::<String>());
}

#[test]
fn fields_that_nothing_has_are_found() {
    check(
        &[
            "bids.get(bid).offr",
            "let row = bids.find(bid); if row != () { row.ofer }",
            "for row in bids.where(\"state\", \"open\").rows() { row.stat; }",
            "bids.first().nmber",
            "let entry = #{ first: 1, second: 2 }; entry.thrid",
            "let entry = #{ first: 1 }; entry[\"frist\"]",
            "bids.sum_by(\"by\", \"offer\").first().ofer",
            "name.lenght",
            "name.len",
            "bids.rows().len",
            "FEE.value",
            "5.hour",
            "block.time.hours",
            "().offer",
            "let row = bids.get(bid); row.offer.uints",
            "let row = bids.get(bid); row.stte = \"closed\"; bids.upsert(row)",
            "caller.account.roles",
            "bids.total_by(\"by\", \"worth\", #{ rate: 5 }).first().cont",
        ],
        expect![[r#"
            bids.get(bid).offr
                12:15 a row of `bids` has no `offr` [unknown_field] | did you mean `offer`?
            let row = bids.find(bid); if row != () { row.ofer }
                12:46 a row of `bids` has no `ofer` [unknown_field] | did you mean `offer`?
            for row in bids.where("state", "open").rows() { row.stat; }
                12:53 a row of `bids` has no `stat` [unknown_field] | did you mean `state`?
            bids.first().nmber
                12:14 a row of `bids` has no `nmber` [unknown_field] | did you mean `number`?
            let entry = #{ first: 1, second: 2 }; entry.thrid
                12:45 this map has no `thrid` [unknown_field] | known here: first, second
            let entry = #{ first: 1 }; entry["frist"]
                12:34 this map has no `frist` [unknown_field] | did you mean `first`?
            bids.sum_by("by", "offer").first().ofer
                12:36 this map has no `ofer` [unknown_field] | did you mean `offer`?
            name.lenght
                12:6 a text has no `lenght` [unknown_field]
            name.len
                12:6 a text has no `len` [unknown_field] | call it: len()
            bids.rows().len
                12:13 a list has no `len` [unknown_field] | call it: len()
            FEE.value
                12:5 an amount has no `value` [unknown_field] | known here: asset, number, units
            5.hour
                12:3 an int has no `hour` [unknown_field] | did you mean `hours`?
            block.time.hours
                12:12 a time has no `hours` [unknown_field]
            ().offer
                12:4 nothing has no `offer` [unknown_field] | there is nothing here
            let row = bids.get(bid); row.offer.uints
                12:36 an amount has no `uints` [unknown_field] | did you mean `units`?
            let row = bids.get(bid); row.stte = "closed"; bids.upsert(row)
                12:59 the table `bids` has no column `stte` [unknown_column] | did you mean `state`?
            caller.account.roles
                12:16 an account has no `roles` [unknown_field]
            bids.total_by("by", "worth", #{ rate: 5 }).first().cont
                12:52 this map has no `cont` [unknown_field] | did you mean `count`?
        "#]],
    );
}

#[test]
fn values_that_do_not_fit_a_column_are_found() {
    check(
        &[
            "bids.insert(#{ by: to, offer: 5, at: block.time, state: \"open\", tags: [] })",
            "bids.insert(#{ by: to, offer: FEE, at: block.time, state: \"opne\", tags: [] })",
            "bids.insert(#{ by: to, offer: FEE, at: \"2024-01-01\", state: \"open\", tags: [] })",
            "bids.insert(#{ by: to, offer: FEE, at: block.time, state: \"open\", tags: [1] })",
            "bids.insert(#{ by: to, offer: FEE, at: block.time, tags: [] })",
            "bids.insert(#{ by: (), offer: FEE, at: block.time, state: \"open\", tags: [] })",
            "let row = #{ by: to, offer: FEE, at: block.time, state: \"open\", tag: [] }; bids.insert(row)",
            "bids.insert([1, 2])",
            "bids.update(bid, #{ offer: \"5 TFT\" })",
            "bids.update(bid, #{ note: 5 })",
            "bids.update(name, #{ note: () })",
            "bids.upsert(#{ number: bid, state: \"done\" })",
            "stock.insert(#{ place: to, shelf: 1, full: 0, since: 3, weight: 2 })",
            "stock.insert(#{ shelf: 1, full: true, since: 3.days, weight: 2 })",
            "stock.get(to)",
            "stock.update(to, #{ full: true })",
            "stock.delete(to, \"one\")",
            "bids.exists(name)",
            "bids.where(\"offer\", \">\", 5).rows()",
            "bids.where(\"state\", \"opened\").rows()",
            "bids.where(\"at\", \"<\", 3.days).count()",
            "bids.where(\"at\", \"=\", block.time).count()",
            "bids.between(\"at\", 1, 2).count()",
            "let column = \"offr\"; bids.sum(column)",
            "bids.get(bid).note == 5",
            "bids.set(\"offer\", \"worth\", #{ rate: \"x\" })",
            "bids.update_all(#{ state: \"shut\" })",
            "bids.insert_all([#{ by: to, offer: FEE, at: block.time, state: \"open\", tags: [] }, #{ by: to }])",
            "worth(5, 2)",
            "bids.get(bid).state == \"opne\"",
        ],
        expect![[r#"
            bids.insert(#{ by: to, offer: 5, at: block.time, state: "open", tags: [] })
                12:31 `offer` of table `bids`: amount is wanted, int is given [type] | say which asset: 5.of("TFT")
            bids.insert(#{ by: to, offer: FEE, at: block.time, state: "opne", tags: [] })
                12:59 `state` of table `bids`: "opne" is not one of open, closed [type] | did you mean `open`?
            bids.insert(#{ by: to, offer: FEE, at: "2024-01-01", state: "open", tags: [] })
                12:40 `at` of table `bids`: time is wanted, text is given [type] | write time("2024-02-01 00:00:00")
            bids.insert(#{ by: to, offer: FEE, at: block.time, state: "open", tags: [1] })
                12:73 `tags` of table `bids`: in the list, text is wanted, int is given [type]
            bids.insert(#{ by: to, offer: FEE, at: block.time, tags: [] })
                12:13 a row of `bids` needs `state` [missing_column] | give it, or declare it optional with `?`
            bids.insert(#{ by: (), offer: FEE, at: block.time, state: "open", tags: [] })
                12:20 `by` of table `bids`: account is wanted, nothing is given [type]
            let row = #{ by: to, offer: FEE, at: block.time, state: "open", tag: [] }; bids.insert(row)
                12:88 the table `bids` has no column `tag` [unknown_column] | did you mean `tags`?
            bids.insert([1, 2])
                12:13 `row` of `insert` is a map, list is given [type]
            bids.update(bid, #{ offer: "5 TFT" })
                12:28 `offer` of table `bids`: amount is wanted, text is given [type]
            bids.update(bid, #{ note: 5 })
                12:27 `note` of table `bids`: text is wanted, int is given [type]
            bids.update(name, #{ note: () })
                12:13 `number` of table `bids`: id is wanted, text is given [type]
            bids.upsert(#{ number: bid, state: "done" })
                12:36 `state` of table `bids`: "done" is not one of open, closed [type] | known here: closed, open
            stock.insert(#{ place: to, shelf: 1, full: 0, since: 3, weight: 2 })
                12:44 `full` of table `stock`: bool is wanted, int is given [type]
                12:54 `since` of table `stock`: duration is wanted, int is given [type] | say which unit: 3.days
            stock.insert(#{ shelf: 1, full: true, since: 3.days, weight: 2 })
                12:14 a row of `stock` needs `place` [missing_column] | give it, or declare it optional with `?`
            stock.get(to)
                12:7 the key of `stock` is (place, shelf), 1 value is given [key_size] | give one value for each key column
            stock.update(to, #{ full: true })
                12:7 the key of `stock` is (place, shelf), 1 value is given [key_size] | give one value for each key column
            stock.delete(to, "one")
                12:18 `shelf` of table `stock`: int is wanted, text is given [type]
            bids.exists(name)
                12:13 `number` of table `bids`: id is wanted, text is given [type]
            bids.where("offer", ">", 5).rows()
                12:26 `offer` of table `bids`: amount is wanted, int is given [type] | say which asset: 5.of("TFT")
            bids.where("state", "opened").rows()
                12:21 `state` of table `bids`: "opened" is not one of open, closed [type] | did you mean `open`?
            bids.where("at", "<", 3.days).count()
                12:23 `at` of table `bids`: time is wanted, duration is given [type]
            bids.where("at", "=", block.time).count()
                12:18 "=" is not a relation [bad_query] | use ==, !=, <, <=, > or >=
            bids.between("at", 1, 2).count()
                12:20 `at` of table `bids`: time is wanted, int is given [type]
                12:23 `at` of table `bids`: time is wanted, int is given [type]
            let column = "offr"; bids.sum(column)
                12:31 the table `bids` has no column `offr` [unknown_column] | did you mean `offer`?
            bids.get(bid).note == 5
                12:20 text or nothing and int cannot be compared [type] | ask whether there is something first: x != ()
            bids.set("offer", "worth", #{ rate: "x" })
                12:37 `rate` of the formula `worth`: int is wanted, text is given [type]
            bids.update_all(#{ state: "shut" })
                12:27 `state` of table `bids`: "shut" is not one of open, closed [type] | known here: closed, open
            bids.insert_all([#{ by: to, offer: FEE, at: block.time, state: "open", tags: [] }, #{ by: to }])
                12:84 a row of `bids` needs `offer`, `at`, `state`, `tags` [missing_column] | give it, or declare it optional with `?`
            worth(5, 2)
                12:7 `offer` of the formula `worth`: amount is wanted, int is given [type] | say which asset: 5.of("TFT")
            bids.get(bid).state == "opne"
                12:24 this is never "opne", only open, closed [type] | did you mean `open`?
        "#]],
    );
}

#[test]
fn arguments_that_do_not_fit_are_found() {
    check(
        &[
            "name.replace(1, \"x\")",
            "text(1).sub(\"0\", 2)",
            "100.of(\"TFF\")",
            "amount(5)",
            "FEE.times(name, \"floor\")",
            "FEE.times(share, \"up\")",
            "mul_div(FEE, 3.days, 1, \"floor\")",
            "min(1, \"2\")",
            "max(FEE, 5)",
            "abs(name)",
            "dec(true)",
            "allocate(name, [1, 2])",
            "name.push(1)",
            "[1, 2].join(1)",
            "block.time.floor(60)",
            "3.sorted()",
            "require(bids.count(), \"no bids\")",
            "require(true, \"No Bids\", \"none\")",
            "fail(5)",
            "emit(\"sold\", FEE)",
            "emit(\"Sold\", #{})",
            "effect(\"mail\", #{})",
            "effect(\"mail.send\", [1])",
            "circle.enact(name)",
            "bids.where(\"state\", \"open\").len()",
            "bids.find(bid).len()",
            "twice(name)",
            "twice(FEE); twice(2)",
        ],
        expect![[r#"
            name.replace(1, "x")
                12:14 `old` of `replace` is a text, int is given [type]
            text(1).sub("0", 2)
                12:13 `from` of `sub` is an int, text is given [type]
            100.of("TFF")
                12:8 the asset TFF is not known here [unknown_asset] | did you mean `TFT`?
            amount(5)
                12:8 `value` of `amount` is a text, int is given [type]
            FEE.times(name, "floor")
                12:11 `factor` of `times` is an int or decimal or percent, text is given [type]
            FEE.times(share, "up")
                12:18 "up" is not the name of a rounding [bad_rounding] | known here: floor, half_down, half_even, half_up
            mul_div(FEE, 3.days, 1, "floor")
                12:1 `mul_div` of amount and duration and int and text has no meaning [type]
            min(1, "2")
                12:1 `min` of int and text has no meaning [type] | give two values of one kind
            max(FEE, 5)
                12:1 `max` of amount and int has no meaning [type] | say which asset: 5.of("TFT")
            abs(name)
                12:5 `value` of `abs` is an int or decimal or percent or duration or amount, text is given [type]
            dec(true)
                12:5 `value` of `dec` is a text or int or percent, bool is given [type]
            allocate(name, [1, 2])
                12:10 `whole` of `allocate` is an int or amount, text is given [type]
            name.push(1)
                12:6 a text has no `push` [type]
            [1, 2].join(1)
                12:13 `separator` of `join` is a text, int is given [type]
            block.time.floor(60)
                12:18 `step` of `floor` is a duration, int is given [type]
            3.sorted()
                12:3 an int has no `sorted` [type]
            require(bids.count(), "no bids")
                12:9 `condition` of `require` is a bool, int is given [type]
            require(true, "No Bids", "none")
                12:15 "No Bids" has not the form of a code [bad_code] | use words of a-z, 0-9 and _, joined by points, as in "vote.closed"
            fail(5)
                12:6 `message` of `fail` is a text, int is given [type]
            emit("sold", FEE)
                12:14 `data` of `emit` is a map, amount is given [type]
            emit("Sold", #{})
                12:6 "Sold" cannot be the name of an event [bad_name] | use words of a-z, 0-9 and _, joined by points
            effect("mail", #{})
                12:8 "mail" cannot be the name of an effect [bad_name] | write the actor and the action, as in "stellar.pay"
            effect("mail.send", [1])
                12:21 `data` of `effect` is a map, list is given [type]
            circle.enact(name)
                12:14 `script` of circle.enact: script is wanted, text is given [type]
            bids.where("state", "open").len()
                12:29 a query has no `len` [type] | use count()
            bids.find(bid).len()
                passed
            twice(name)
                passed
            twice(FEE); twice(2)
                passed
        "#]],
    );
}

#[test]
fn operators_without_a_meaning_are_found() {
    check(
        &[
            "FEE + 1",
            "FEE - LIMIT",
            "name - 1",
            "name * 2",
            "block.time + block.time",
            "block.time + 60",
            "FEE / 3",
            "FEE * share",
            "dec(\"1.5\") / 2",
            "LIMIT < name",
            "FEE > 5",
            "to == 5",
            "-name",
            "!LIMIT",
            "let total = 0; for row in bids.rows() { total += row.offer; } total",
            "let sum = 0; sum += name; sum",
            "\"n\" + true",
            "[1] + 2",
            "\"a\"..3",
            "name[\"a\"]",
            "[1, 2][\"first\"]",
            "bids[0]",
            "bids.find(bid) + 1",
            "#{ a: 1 } + #{ b: 2 }",
        ],
        expect![[r#"
            FEE + 1
                12:5 amount + int has no meaning [type] | say which asset: 1.of("TFT")
            FEE - LIMIT
                12:5 amount - int has no meaning [type] | say which asset, as in x.of("TFT")
            name - 1
                12:6 text - int has no meaning [type] | make an int of the text: int(text)
            name * 2
                12:6 text * int has no meaning [type] | make an int of the text: int(text)
            block.time + block.time
                12:12 time + time has no meaning [type] | a time and a duration make a time; two times have a difference
            block.time + 60
                12:12 time + int has no meaning [type] | say which unit, as in 3.days
            FEE / 3
                12:5 amount / int has no meaning [type] | name the rounding: a.times(b, "half_up"), a.div(b, 6, "half_up") or mul_div(a, b, c, "half_up")
            FEE * share
                12:5 amount * percent has no meaning [type] | name the rounding: a.times(b, "half_up"), a.div(b, 6, "half_up") or mul_div(a, b, c, "half_up")
            dec("1.5") / 2
                12:12 decimal / int has no meaning [type] | name the rounding: a.times(b, "half_up"), a.div(b, 6, "half_up") or mul_div(a, b, c, "half_up")
            LIMIT < name
                12:7 int and text cannot be compared [type] | make an int of the text: int(text)
            FEE > 5
                12:5 amount and int cannot be compared [type] | say which asset: 5.of("TFT")
            to == 5
                12:4 account and int cannot be compared [type]
            -name
                12:1 -text has no meaning [type]
            !LIMIT
                12:1 !int has no meaning [type]
            let total = 0; for row in bids.rows() { total += row.offer; } total
                12:47 int + amount has no meaning [type] | say which asset, as in x.of("TFT")
            let sum = 0; sum += name; sum
                passed
            "n" + true
                12:5 text + bool has no meaning [type]
            [1] + 2
                12:5 list + int has no meaning [type]
            "a"..3
                12:4 text .. int has no meaning [type] | make an int of the text: int(text)
            name["a"]
                12:6 a text has no place that a text names [type]
            [1, 2]["first"]
                12:8 Array, string or bit-field expects numeric index, not a string [syntax]
            bids[0]
                12:6 a table has no place that an int names [type] | get a row first: table.get(key)
            bids.find(bid) + 1
                12:16 map or nothing + int has no meaning [type] | ask whether there is something first: x != ()
            #{ a: 1 } + #{ b: 2 }
                12:11 map + map has no meaning [type]
        "#]],
    );
}

#[test]
fn conditions_and_loops_are_checked() {
    check(
        &[
            "if LIMIT { 1 } else { 2 }",
            "if bids.find(bid) { 1 } else { 2 }",
            "while name { return; }",
            "if bids.count() && true { 1 } else { 2 }",
            "if name == \"a\" || LIMIT { 1 } else { 2 }",
            "for row in bids { row; }",
            "for n in 5 { n; }",
            "for entry in #{ a: 1 } { entry; }",
            "return 1; bids.count()",
            "for n in 0..3 { break; n; }",
            "fail(\"no\"); 1",
            "if LIMIT > 3 { return 1; } else { return 2; } 3",
            "loop { bids.count(); } 1",
            "if true { 1 } else { 2 }",
            "if false { 1 } else { 2 }",
            "while false { bids.count(); }",
            "if LIMIT == 5 { 1 } else { 2 }",
            "if name == \"a\" { 1 } else if name == \"b\" { 2 } else if name == \"a\" { 3 } else { 4 }",
        ],
        expect![[r#"
            if LIMIT { 1 } else { 2 }
                12:4 a condition is a bool, int is given [type] | compare it, as in x > 0
            if bids.find(bid) { 1 } else { 2 }
                12:4 a condition is a bool, map or nothing is given [type] | ask whether there is something: x != ()
            while name { return; }
                12:7 a condition is a bool, text is given [type] | compare its length: x.len() > 0
            if bids.count() && true { 1 } else { 2 }
                12:4 a condition is a bool, int is given [type] | compare it, as in x > 0
            if name == "a" || LIMIT { 1 } else { 2 }
                12:19 a condition is a bool, int is given [type] | compare it, as in x > 0
            for row in bids { row; }
                12:12 `for` walks over a list or a range, table is given [type] | walk over its rows: rows()
            for n in 5 { n; }
                12:10 an iterable value is wanted, not a number [type]
            for entry in #{ a: 1 } { entry; }
                12:14 an iterable value is wanted, not an object map [type]
            return 1; bids.count()
                12:11 this is never reached [unreachable] | remove it, or what leaves before it
            for n in 0..3 { break; n; }
                12:24 this is never reached [unreachable] | remove it, or what leaves before it
            fail("no"); 1
                12:13 this is never reached [unreachable] | remove it, or what leaves before it
            if LIMIT > 3 { return 1; } else { return 2; } 3
                12:47 this is never reached [unreachable] | remove it, or what leaves before it
            loop { bids.count(); } 1
                12:24 this is never reached [unreachable] | remove it, or what leaves before it
            if true { 1 } else { 2 }
                12:22 this is never reached: the condition always holds [unreachable] | remove it, or the condition
            if false { 1 } else { 2 }
                12:12 this is never reached: the condition never holds [unreachable] | remove it, or the condition
            while false { bids.count(); }
                12:15 this is never reached: the condition never holds [unreachable] | remove it, or the condition
            if LIMIT == 5 { 1 } else { 2 }
                12:28 warning: this is never reached: the condition always holds [unreachable] | remove it, or the condition
            if name == "a" { 1 } else if name == "b" { 2 } else if name == "a" { 3 } else { 4 }
                12:61 this condition was asked above, so this branch is never reached [unreachable] | remove the branch, or ask something else
        "#]],
    );
}

#[test]
fn what_has_no_result_no_caller_or_no_use_is_found() {
    let check = |declarations: &[&str], expected: Expect| {
        let shown = declarations.iter().map(|text| {
            let source = format!("policy test version 1\n{text}\n");
            format!("{text}\n    {}\n", or_passed(report(&source)))
        });
        expected.assert_eq(&shown.collect::<String>());
    };
    check(
        &[
            "ask q(n: int) { if n > 1 { 2 } }",
            "ask q(n: int) { if n > 1 { 2 } else if n > 0 { 1 } }",
            "ask q(n: int) { for i in 0..n { i; } }",
            "ask q(n: int) { let m = n; }",
            "ask q(n: int) { require(n > 1, \"no\") }",
            "ask q() { }",
            "ask q(n: int) { if n > 1 { return; } n }",
            "ask q(n: int) { if n > 1 { return n; } fail(\"none\") }",
            "ask q(n: int) { loop { if n > 1 { return n; } n += 1; } }",
            "ask q(n: int) { if n > 1 { () } else { n } }",
            "invariant some { 5 }",
            "table t { id: id key }\ninvariant some { if t.count() > 1 { true } }",
            "action a() by role(farmr) { 1 }",
            "action a() by role(farmr) or guardian { 1 }",
            "action a() by role(farmer) { 1 }",
            "action a() by anyone { let unused = 1; }",
            "action a(n: int) by anyone { 1 }",
            "const N = 1\naction a() by anyone { 1 }",
            "/// For others.\nconst N = 1\naction a() by anyone { 1 }",
            "param n: int = 1\naction a() by anyone { 1 }",
            "table t { id: id key }\naction a() by anyone { 1 }",
            "fn f(x) { x }\nfn g() { f(1) }\naction a() by anyone { 1 }",
            "fn f(x, y) { x }\naction a() by anyone { f(1, 2) }",
        ],
        expect![[r#"
            ask q(n: int) { if n > 1 { 2 } }
                2:17 the question `q` ends here without a result [no_result] | end with a value on every way; () if there is none
            ask q(n: int) { if n > 1 { 2 } else if n > 0 { 1 } }
                2:37 the question `q` ends here without a result [no_result] | end with a value on every way; () if there is none
            ask q(n: int) { for i in 0..n { i; } }
                2:17 the question `q` ends here without a result [no_result] | end with a value on every way; () if there is none
            ask q(n: int) { let m = n; }
                2:17 the question `q` ends here without a result [no_result] | end with a value on every way; () if there is none
            ask q(n: int) { require(n > 1, "no") }
                2:17 the question `q` ends here without a result [no_result] | end with a value on every way; () if there is none
            ask q() { }
                2:5 the question `q` ends here without a result [no_result] | end with a value on every way; () if there is none
            ask q(n: int) { if n > 1 { return; } n }
                2:28 the question `q` ends here without a result [no_result] | return a value; () if there is none
            ask q(n: int) { if n > 1 { return n; } fail("none") }
                passed
            ask q(n: int) { loop { if n > 1 { return n; } n += 1; } }
                passed
            ask q(n: int) { if n > 1 { () } else { n } }
                passed
            invariant some { 5 }
                2:11 the invariant `some` is a bool, int is given [type] | end with what has to be true
            table t { id: id key }
            invariant some { if t.count() > 1 { true } }
                3:18 the invariant `some` ends here without a result [no_result] | end with a value on every way; () if there is none
            action a() by role(farmr) { 1 }
                2:8 nobody can run `a`: there is no role `farmr` [no_caller] | did you mean `farmer`?
            action a() by role(farmr) or guardian { 1 }
                2:8 warning: `a` is for the role `farmr`, which is not known here [unknown_role] | did you mean `farmer`?
            action a() by role(farmer) { 1 }
                passed
            action a() by anyone { let unused = 1; }
                2:28 warning: the variable `unused` is never used [unused] | remove it, or begin its name with `_`
            action a(n: int) by anyone { 1 }
                2:8 warning: the parameter `n` of `a` is never used [unused] | remove it
            const N = 1
            action a() by anyone { 1 }
                2:7 warning: the constant `N` is never used [unused] | remove it, or document it if it is for other policies
            /// For others.
            const N = 1
            action a() by anyone { 1 }
                passed
            param n: int = 1
            action a() by anyone { 1 }
                2:7 warning: the param `n` is never used [unused] | remove it, or use it
            table t { id: id key }
            action a() by anyone { 1 }
                2:7 warning: the table `t` is never used [unused] | remove it, or use it
            fn f(x) { x }
            fn g() { f(1) }
            action a() by anyone { 1 }
                2:4 warning: the function `f` is never called [unused] | remove it, or call it
                3:4 warning: the function `g` is never called [unused] | remove it, or call it
            fn f(x, y) { x }
            action a() by anyone { f(1, 2) }
                2:4 warning: the parameter `y` of `f` is never used [unused] | remove it
        "#]],
    );
}

/// What people write and what must not be taken for a fault, however little the checker knows of it.
#[test]
fn right_policies_are_passed() {
    let bodies = [
        "let row = bids.find(bid); if row == () { return; } row.offer.units",
        "let best = (); for row in bids.rows() { if best == () || row.offer > best.offer { best = row; } } if best != () { best.by } else { () }",
        "let last = (); last = block.time; last + 1.days",
        "let x = 1; if name == \"a\" { x = \"text\"; } x",
        "let list = []; list.push(1); list.push(\"a\"); list[0]",
        "let map = #{}; map.total = 0; map.total += 5; map[\"other\"] = name; map.other.len() + map.total",
        "let map = #{ a: #{ b: [] } }; map.a.b.push(5); map.a.b[0] + 1",
        "let map = #{}; for row in bids.rows() { map[text(row.by)] = row.offer; } map.keys()",
        "raw.anything.at(1)[2] + raw * raw",
        "if raw { 1 } else { raw.len() }",
        "bids.where(name, raw).rows()",
        "let row = bids.get(bid); row.note = \"x\"; row.note.len()",
        "let q = bids.order(\"at\"); if name != \"\" { q = bids.where(\"note\", name); } q.rows()",
        "stock.insert(#{ place: \"bob\", shelf: 1, full: true, since: 1.days, weight: 2 })",
        "bids.where(\"note\", ()).count() + bids.where(\"note\", \"<\", \"x\").count()",
        "let total = 0.units(\"TFT\"); for row in bids.rows() { total += row.offer; } total * 2",
        "bids.sum(\"offer\", 0.of(\"TFT\")) + FEE",
        "let parts = allocate(FEE, #{ ann: 1, bob: 2 }); parts.ann + parts.bob",
        "let n = 0; let seen = []; while n < 3 { seen = seen + [n]; n += 1; } seen",
        "let v = if name == \"a\" { 1 } else { dec(\"1.5\") }; v + 1",
        "let nested = [[1], [2, 3]]; nested[1][0] + 1",
        "\"\" + to + bid + FEE + 3.days + share",
        "let x = raw; x = x + 1; x.field",
        "let tree = []; for n in 0..3 { tree = [tree]; } tree",
        "bids.get(bid).state == name && name == \"whatever\"",
        "let state = \"open\"; if name == \"\" { state = \"closed\"; } bids.update(bid, #{ state: state })",
        "loop { if bids.count() > 3 { break; } return 1; } 2",
        "let found = for row in bids.rows() { if row.by == to { break row; } }; if found != () { found.offer } else { FEE }",
        "let row = bids.get(bid); row.extra = 1; row.extra + 1",
        "bids?.count(); raw?.x?.y",
        "let x = bids.find(bid) ?? #{ offer: FEE }; x.offer * 2",
        "(1..3).contains(2) || 2 in [1, 2] || \"a\" in #{ a: 1 } || \"a\" in name",
        "let list = [3, 1]; push(list, 2); list.sorted().first() + list.pop()",
        "worth(FEE, ()) + bids.total(\"worth\", #{}, FEE) + bids.total_by(\"by\", \"worth\").first().worth",
        "bids.insert_all([]) + bids.where(\"by\", to).delete_all() + bids.set(\"offer\", name)",
        "twice(2) + twice(dec(\"1.5\"))",
        "name[0] + name",
        "circle.enact(raw); circle.guardians() * 2",
    ];
    for body in bodies {
        assert_eq!(faults_of(body), "", "{body}");
    }
}
