//! Formulas: what they give, what the checker finds in them, and that queries with them do what loops do.

use crate::support::*;
use expect_test::expect;
use proptest::prelude::*;
use threescript::engine::*;
use threescript::policy::*;
use threescript::value::*;

/// What a formula gives, called by a body with arguments as bodies write them.
fn computed(formula: &str, call: &str) -> String {
    run_action(&format!(
        "policy test version 1\nconst PRICE = 2.5\nconst FEE = 0.5 TFT\n{formula}\naction x() by anyone {{ {call} }}\n"
    ))
}

#[test]
fn a_formula_is_exact_until_it_rounds() {
    let rows = [
        ("f(): int = 1 + 2 * 3", "f()", "7"),
        ("f(): int = (1 + 2) * 3", "f()", "9"),
        ("f(): int = 10 - 2 - 3", "f()", "5"),
        ("f(): int = 10 -2", "f()", "8"),
        ("f(): int = -(2 -5)", "f()", "3"),
        ("f(a: int): int = a / 3 * 3", "f(7)", "7"),
        ("f(a: int): decimal = a / 8", "f(1)", "dec 0.125"),
        (
            "f(a: int): decimal = half_up(a / 3, 4)",
            "f(2)",
            "dec 0.6667",
        ),
        ("f(a: decimal): int = floor(a)", "f(dec(\"-0.5\"))", "-1"),
        ("f(a: decimal): int = half_up(a)", "f(dec(\"-0.5\"))", "-1"),
        ("f(a: decimal): int = half_down(a)", "f(dec(\"-0.5\"))", "0"),
        ("f(a: decimal): int = half_even(a)", "f(dec(\"2.5\"))", "2"),
        // An int is taken where a decimal is wanted.
        ("f(a: decimal): decimal = a * PRICE", "f(3)", "dec 7.5"),
        (
            "f(a: amount): amount = a * 35%",
            "f(amount(\"100 TFT\"))",
            "35 TFT",
        ),
        (
            "f(a: amount): amount = a - FEE",
            "f(2.of(\"TFT\"))",
            "1.5 TFT",
        ),
        (
            "f(a: amount): amount = floor(a / 3)",
            "f(1.of(\"TFT\"))",
            "0.3333333 TFT",
        ),
        (
            "f(a: amount): amount = half_up(a / 3, 2)",
            "f(1.of(\"TFT\"))",
            "0.33 TFT",
        ),
        (
            "f(a: amount): decimal = half_up(a / FEE, 1)",
            "f(1.of(\"TFT\"))",
            "dec 2",
        ),
        (
            "f(n: int): amount = half_up(n / 1000 * 1 TFT)",
            "f(7)",
            "0.007 TFT",
        ),
        (
            "f(p: percent): percent = (1 - p) / 2",
            "f(35.percent)",
            "32.5%",
        ),
        (
            "f(t: time): duration = t - time(\"2024-01-01\")",
            "f(block.time)",
            "31d",
        ),
        (
            "f(d: duration): int = half_up(d / 1.hours)",
            "f(90.minutes)",
            "2",
        ),
        (
            "f(d: duration): duration = floor(d / 7)",
            "f(1.minutes)",
            "8s",
        ),
        (
            "f(t: time): time = t + 2 * 1.days",
            "f(time(\"2024-01-01\"))",
            "2024-01-03 00:00:00",
        ),
        (
            "f(a: int, b: int): int = if a < b then b else a",
            "f(3, 2)",
            "3",
        ),
        (
            "f(a: int, b: int): int = if a >= 3 && b != 2 then 1 else 0",
            "f(3, 2)",
            "0",
        ),
        ("f(a: int): bool = !(a == 3) || a > 2", "f(3)", "true"),
        (
            "f(kind: one_of(\"diy\", \"certified\")): int = if kind == \"diy\" then 10 else 12",
            "f(\"certified\")",
            "12",
        ),
        (
            "f(a: account, b: account): bool = a == b",
            "f(\"bob\", caller.account)",
            "false",
        ),
        (
            "f(a: int): int = min(a, 5, 4) + max(a, 2) + abs(-a)",
            "f(3)",
            "9",
        ),
        ("f(a: int, b: int = 4): int = a + b", "f(1, ())", "5"),
        (
            "g(a: int): int = floor(a / 2)\nformula f(a: int): int = g(a) + g(a + 1)",
            "f(4)",
            "4",
        ),
        // Only what is chosen is computed.
        ("f(a: int): int = if a == 0 then 0 else 10 / a", "f(0)", "0"),
        // Numbers beyond 128 bits on the way.
        (
            "f(a: decimal, b: decimal): decimal = a * b * a / a",
            "f(dec(\"100000000000000000000\"), dec(\"0.000000000000000001\"))",
            "dec 100",
        ),
    ];
    for (formula, call, expected) in rows {
        assert_eq!(
            computed(&format!("formula {formula}"), call),
            expected,
            "{formula}"
        );
    }
}

#[test]
fn a_formula_sees_what_the_circle_decided() {
    let source = r#"policy test version 1
const BASE = 100
param rate: percent = 10% from 0% to 50%
param names: list(text) = []
table rows { id: id key, n: int }
formula fee(n: int): int = floor(n * rate)
formula both(n: int): int = fee(n) + fee(BASE)
action x() by anyone {
    rows.insert(#{ n: 50 });
    rows.insert(#{ n: 70 });
    [fee(50), both(50), rows.total("both"), rows.total_by("n", "fee").last().fee]
}
"#;
    let decided = |rate: Option<&str>| {
        let (policy, mut host) = (compiled(source), Memory::new());
        host.params = rate
            .map(|rate| {
                (
                    "rate".to_owned(),
                    Value::Percent(Decimal::parse(rate).unwrap()),
                )
            })
            .into_iter()
            .collect();
        big(move || outcome(&policy.run(Entry::Action("x"), Vec::new(), host).1))
    };
    assert_eq!(decided(None), "[5, 15, 32, 7]");
    assert_eq!(decided(Some("20")), "[10, 30, 64, 14]");
    let unfit = source.replace("n * rate", "n * names");
    assert!(faults(&unfit).contains("a formula cannot compute with a list(text) [type]"));
}

#[test]
fn what_has_no_exact_result_is_an_error() {
    let code = |formula: &str, call: &str| {
        let outcome = computed(&format!("formula {formula}"), call);
        let start = outcome.find('[').unwrap_or_else(|| panic!("{outcome}"));
        outcome[start + 1..outcome.find(']').unwrap()].to_owned()
    };
    let rows = [
        ("f(a: int): int = a / 2", "f(1)", "inexact"),
        ("f(a: int): decimal = a / 3", "f(1)", "inexact"),
        (
            "f(a: amount): amount = a / 3",
            "f(1.of(\"TFT\"))",
            "inexact",
        ),
        ("f(a: int): percent = a / 3", "f(1)", "inexact"),
        // A formula gives what it declares to other formulas, too.
        (
            "g(a: int): int = a / 2\nformula f(a: int): int = g(a) + g(a)",
            "f(1)",
            "inexact",
        ),
        ("f(a: int): int = 1 / (a - 1)", "f(1)", "division_by_zero"),
        (
            "f(a: int): int = a + 1",
            "f(9223372036854775807)",
            "overflow",
        ),
        (
            "f(a: decimal): bool = a * a * a * a > 0",
            "f(dec(\"17000000000000000000.000000000000000007\"))",
            "overflow",
        ),
        (
            "f(a: amount): amount = a + FEE",
            "f(1.of(\"USDC\"))",
            "asset_mismatch",
        ),
        (
            "f(a: amount): bool = a < FEE",
            "f(1.of(\"USDC\"))",
            "asset_mismatch",
        ),
        ("f(a: int): int = a", "f(\"x\")", "type"),
        ("f(a: int): int = a", "f(())", "type"),
    ];
    for (formula, call, expected) in rows {
        assert_eq!(code(formula, call), expected, "{formula}");
    }
    expect!["test.3script:5:24: the formula `f` gives what a decimal cannot hold exactly [inexact]; say where it is rounded, as in half_up(x) or half_up(x, 2)"]
        .assert_eq(&computed("formula f(a: int): decimal = a / 3", "f(1)"));
}

fn faults(source: &str) -> String {
    let faults = compile(source, "test.3script", &catalog(), &Limits::default());
    let faults = faults.expect_err("the file has faults");
    let faults: Vec<String> = faults.iter().map(Diagnostic::to_string).collect();
    faults.join("\n") + "\n"
}

#[test]
fn faults_of_formulas_are_found_before_anything_runs() {
    expect![[r#"
        test.3script:4:35: there is no parameter or constant `crU` [unknown_variable]
          |
        4 | formula a(cru: decimal): amount = crU * PRICE
          |                                   ^
          = did you mean `cru`?
        test.3script:5:28: number + amount has no meaning [type]
          |
        5 | formula b(x: int): int = x + PRICE
          |                            ^
          = give the number its asset: x * 1 TFT
        test.3script:6:29: the formula gives a number, amount is declared [type]
          |
        6 | formula c(x: int): amount = x
          |                             ^
        test.3script:7:9: a formula cannot take a list(int) [bad_params]
          |
        7 | formula d(x: list(int)): int = 1
          |         ^
          = formulas know bool, int, decimal, percent, amount, duration, time, size, text, account and one_of
        test.3script:8:9: a formula cannot give a text [type]
          |
        8 | formula e(x: int): text = x
          |         ^
          = give a bool, int, decimal, percent, amount, duration or time
        test.3script:9:26: there is no formula `f` above this one [unknown_function]
          |
        9 | formula f(x: int): int = f(x)
          |                          ^
          = known here: abs, floor, half_down, half_even, half_up, max, min
        test.3script:10:33: comparisons cannot be chained [syntax]
           |
        10 | formula g(x: int): bool = 1 < x < 3
           |                                 ^
           = join them with &&
        test.3script:11:29: a bool is wanted, not a number [type]
           |
        11 | formula h(x: int): int = if x then 1 else 2
           |                             ^
           = compare it with something
        test.3script:12:26: both values of `if` must be of one kind, not number and amount [type]
           |
        12 | formula i(x: int): int = if x > 1 then 1 else PRICE
           |                          ^
        test.3script:13:37: the decimals of a rounding are a number that is written there [bad_rounding]
           |
        13 | formula j(x: int): int = half_up(x, x)
           |                                     ^
           = write how many decimals, 0 to 18, as in half_up(x, 2)
        test.3script:14:26: `floor` takes 1 or 2 arguments, 0 given [arguments]
           |
        14 | formula k(x: int): int = floor()
           |                          ^
        test.3script:16:1: an expression is wanted, not `formula` [syntax]
           |
        16 | formula m(x: duration): int = x * 3 + 1
           | ^
           = write a number, a parameter, a constant, or an expression of these
        test.3script:16:37: duration + number has no meaning [type]
           |
        16 | formula m(x: duration): int = x * 3 + 1
           |                                     ^
           = divide the duration by a unit: x / 1.hours
        test.3script:17:29: number == text has no meaning [type]
           |
        17 | formula n(x: int): bool = x == "a"
           |                             ^
        test.3script:18:9: `min` is a function of the library [reserved_name]
           |
        18 | formula min(x: int): int = x
           |         ^
           = take another name
        test.3script:19:11: the name of a parameter is wanted, not `PRICE` [bad_name]
           |
        19 | formula o(PRICE: int): int = 1
           |           ^
           = names are a-z, 0-9 and _, begin with a letter and have at most 48 characters
        test.3script:20:26: there is no formula `roundup` above this one [unknown_function]
           |
        20 | formula p(x: int): int = roundup(x)
           |                          ^
           = known here: abs, floor, half_down, half_even, half_up, max, min
        test.3script:21:26: a formula cannot compute with a list [type]
           |
        21 | formula q(x: int): int = NAMES
           |                          ^
           = formulas know bool, int, decimal, percent, amount, duration, time, size, text, account and one_of
        test.3script:23:1: `else` is wanted, not `formula` [syntax]
           |
        23 | formula s(x: amount): amount = x + 1
           | ^
           = write `if condition then value else value`
        test.3script:23:34: amount + number has no meaning [type]
           |
        23 | formula s(x: amount): amount = x + 1
           |                                  ^
           = give the number its asset: x * 1 TFT
        test.3script:24:8: the parameter `s` has the name of a formula [duplicate]
           |
        24 | action x(s: int) by anyone { abs(1, 2) }
           |        ^
           = give it another name
        test.3script:24:30: `abs` takes 1 argument, 2 given [arguments]
           |
        24 | action x(s: int) by anyone { abs(1, 2) }
           |                              ^
    "#]].assert_eq(&faults(
        r#"policy test version 1
const PRICE = 5 TFT
const NAMES = ["a"]
formula a(cru: decimal): amount = crU * PRICE
formula b(x: int): int = x + PRICE
formula c(x: int): amount = x
formula d(x: list(int)): int = 1
formula e(x: int): text = x
formula f(x: int): int = f(x)
formula g(x: int): bool = 1 < x < 3
formula h(x: int): int = if x then 1 else 2
formula i(x: int): int = if x > 1 then 1 else PRICE
formula j(x: int): int = half_up(x, x)
formula k(x: int): int = floor()
formula l(x: int): int = x +
formula m(x: duration): int = x * 3 + 1
formula n(x: int): bool = x == "a"
formula min(x: int): int = x
formula o(PRICE: int): int = 1
formula p(x: int): int = roundup(x)
formula q(x: int): int = NAMES
formula r(x: int): int = if x > 1 then 2
formula s(x: amount): amount = x + 1
action x(s: int) by anyone { abs(1, 2) }
"#,
    ));
}

#[test]
fn faults_of_calls_and_queries_with_formulas_are_found() {
    expect![[r#"
        test.3script:6:15: a question cannot `set` [read_only]
          |
        6 |     contracts.set("due", "cost", #{ seconds: 3600 })
          |               ^
          = make it an action
        test.3script:9:19: the table `contracts` has no column `deu` [unknown_column]
          |
        9 |     contracts.set("deu", "cost", #{ seconds: 3600 });
          |                   ^
          = did you mean `due`?
        test.3script:10:26: there is no formula `cots` [unknown_formula]
           |
        10 |     contracts.set("due", "cots", #{ seconds: 3600 });
           |                          ^
           = did you mean `cost`?
        test.3script:11:26: `seconds` of the formula `cost` is no column of `contracts` and is not given [missing_parameter]
           |
        11 |     contracts.set("due", "cost");
           |                          ^
           = give it: #{ seconds: … }
        test.3script:12:48: `seconds` of the formula `cost` is no column of `contracts` and is not given [missing_parameter]
           |
        12 |     contracts.where("owner", "bob").set("due", "cost", #{ secons: 3600 });
           |                                                ^
           = give it: #{ seconds: … }
        test.3script:12:59: the formula `cost` has no parameter `secons` [unknown_parameter]
           |
        12 |     contracts.where("owner", "bob").set("due", "cost", #{ secons: 3600 });
           |                                                           ^
           = did you mean `seconds`?
        test.3script:13:21: `note` of the formula `noted` is int, the column is text [type]
           |
        13 |     contracts.total("noted");
           |                     ^
           = declare both with one type
        test.3script:14:24: the table `contracts` has no column `ownr` [unknown_column]
           |
        14 |     contracts.total_by("ownr", "cost", #{ seconds: 1 });
           |                        ^
           = did you mean `owner`?
        test.3script:15:29: the table `contracts` has no column `deu` [unknown_column]
           |
        15 |     contracts.update_all(#{ deu: 1 });
           |                             ^
           = did you mean `due`?
        test.3script:16:24: `delete_all` takes 0 arguments, 1 given [arguments]
           |
        16 |     contracts.limit(2).delete_all(1);
           |                        ^
        test.3script:17:15: a table has no `insert_al` [unknown_function]
           |
        17 |     contracts.insert_al([]);
           |               ^
           = did you mean `insert_all`?
        test.3script:18:5: `cost` takes 2 arguments, 1 given [arguments]
           |
        18 |     cost(1);
           |     ^
        test.3script:19:5: there is no function `coast` [unknown_function]
           |
        19 |     coast(1, 2);
           |     ^
           = did you mean `cost`?
        test.3script:20:5: `cost` is already the name of something in this file or of a module [reserved_name]
           |
        20 |     let cost = 1;
           |     ^
           = take another name for the variable
    "#]].assert_eq(&faults(
        r#"policy test version 1
table contracts { id: id key, cru: decimal, owner: account index, due: int?, note: text? }
formula cost(cru: decimal, seconds: int): int = half_up(cru * seconds)
formula noted(note: int): int = note
ask x() {
    contracts.set("due", "cost", #{ seconds: 3600 })
}
action y() by anyone {
    contracts.set("deu", "cost", #{ seconds: 3600 });
    contracts.set("due", "cots", #{ seconds: 3600 });
    contracts.set("due", "cost");
    contracts.where("owner", "bob").set("due", "cost", #{ secons: 3600 });
    contracts.total("noted");
    contracts.total_by("ownr", "cost", #{ seconds: 1 });
    contracts.update_all(#{ deu: 1 });
    contracts.limit(2).delete_all(1);
    contracts.insert_al([]);
    cost(1);
    coast(1, 2);
    let cost = 1;
}
"#,
    ));
}

#[test]
fn formulas_cannot_be_too_large() {
    let deep = format!(
        "policy t version 1\nformula f(x: int): int = {}x{}\n",
        "(".repeat(33),
        ")".repeat(33)
    );
    assert!(faults(&deep).contains("[limit.formula]"));
    let long = format!(
        "policy t version 1\nformula f(x: int): int = x{}\n",
        " + x".repeat(300)
    );
    assert!(faults(&long).contains("[limit.formula]"));
    // Each doubles the one before.
    let mut source = "policy t version 1\nformula f0(x: int): int = x\n".to_owned();
    for number in 1..16 {
        let before = number - 1;
        source += &format!("formula f{number}(x: int): int = f{before}(x) + f{before}(x)\n");
    }
    assert!(faults(&source).contains("[limit.formula]"));
}

const BILLING: &str = r#"policy billing version 1
const CU_PRICE = 2.4
table contracts {
    id: id key,
    owner: account index,
    cru: decimal,
    mru: decimal?,
    due: int index,
    paid: amount,
    note: text?,
}
formula cost(cru: decimal, mru: decimal = 0, seconds: int): int = half_up((cru * 2 + mru / 4) * CU_PRICE * seconds / 3600)
formula half(paid: amount): amount = floor(paid / 2)

action fill(owners: list(int), salt: int) by anyone {
    let rows = [];
    let n = 0;
    for owner in owners {
        n += 1;
        let mru = if (n + salt) % 3 == 0 { () } else { dec("1.25") * n };
        rows.push(#{ owner: "owner" + owner, cru: dec("0.5") * (n + salt), mru: mru, due: n % 4, paid: n.units("TFT"), note: if n % 2 == 0 { "even" } else { () } });
    }
    contracts.insert_all(rows)
}
action fill_one_by_one(owners: list(int), salt: int) by anyone {
    let n = 0;
    for owner in owners {
        n += 1;
        let mru = if (n + salt) % 3 == 0 { () } else { dec("1.25") * n };
        contracts.insert(#{ owner: "owner" + owner, cru: dec("0.5") * (n + salt), mru: mru, due: n % 4, paid: n.units("TFT"), note: if n % 2 == 0 { "even" } else { () } });
    }
    n
}
action bill(seconds: int) by anyone {
    let count = contracts.where("due", "<", 3).set("due", "cost", #{ seconds: seconds });
    count += contracts.set("paid", "half");
    let total = contracts.total("cost", #{ seconds: seconds });
    let by = contracts.total_by("owner", "cost", #{ seconds: seconds });
    let paid = contracts.where("cru", ">", dec("1.5")).total("half", #{}, 0.of("TFT"));
    count += contracts.where("owner", "owner1").update_all(#{ note: "one", due: 77 });
    count += contracts.where("due", ">=", 50).order_desc("cru").limit(2).delete_all();
    [count, total, by, paid, contracts.count()]
}
action bill_one_by_one(seconds: int) by anyone {
    let count = 0;
    for row in contracts.where("due", "<", 3).rows() {
        contracts.update(row.id, #{ due: cost(row.cru, row.mru, seconds) });
        count += 1;
    }
    for row in contracts.rows() {
        contracts.update(row.id, #{ paid: half(row.paid) });
        count += 1;
    }
    let total = 0;
    let paid = 0.of("TFT");
    let by = #{};
    for row in contracts.rows() {
        let c = cost(row.cru, row.mru, seconds);
        total += c;
        let entry = by.get("" + row.owner, #{ owner: row.owner, cost: 0, count: 0 });
        entry.cost += c;
        entry.count += 1;
        by["" + row.owner] = entry;
        if row.cru > dec("1.5") { paid += half(row.paid); }
    }
    for row in contracts.where("owner", "owner1").rows() {
        contracts.update(row.id, #{ note: "one", due: 77 });
        count += 1;
    }
    for row in contracts.where("due", ">=", 50).order_desc("cru").limit(2).rows() {
        contracts.delete(row.id);
        count += 1;
    }
    [count, total, by.values(), paid, contracts.count()]
}
"#;

fn act(host: Memory, entry: &str, args: Vec<(String, Value)>) -> (Memory, Execution) {
    let policy = compiled(BILLING);
    let entry = entry.to_owned();
    big(move || {
        let (host, result) = policy.run(Entry::Action(&entry), args, host);
        (
            host,
            result.unwrap_or_else(|error| panic!("{entry}: {error}")),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    // Rows, indexes and results, byte by byte.
    #[test]
    fn bulk_does_what_a_loop_does(owners in proptest::collection::vec(0..5i64, 0..40), salt in 0..9i64, seconds in 0..10_000i64) {
        let list = || Value::List(owners.iter().map(|owner| Value::Int(*owner)).collect());
        let fill = || vec![("owners".to_owned(), list()), ("salt".to_owned(), Value::Int(salt))];
        let bill = || vec![("seconds".to_owned(), Value::Int(seconds))];
        let (bulk, filled) = act(Memory::new(), "fill", fill());
        let (single, filled_singly) = act(Memory::new(), "fill_one_by_one", fill());
        prop_assert_eq!(filled.value, filled_singly.value);
        prop_assert_eq!(&bulk.rows, &single.rows);
        let (bulk, billed) = act(bulk, "bill", bill());
        let (single, billed_singly) = act(single, "bill_one_by_one", bill());
        prop_assert_eq!(show(&billed.value), show(&billed_singly.value));
        prop_assert_eq!(&bulk.rows, &single.rows);
    }
}

#[test]
fn bulk_is_charged_by_rows() {
    let used = |rows: i64| {
        let owners = Value::List(vec![Value::Int(1); rows as usize]);
        let args = vec![
            ("owners".to_owned(), owners),
            ("salt".to_owned(), Value::Int(1)),
        ];
        let (host, filled) = act(Memory::new(), "fill", args);
        let bill = vec![("seconds".to_owned(), Value::Int(3600))];
        (filled.usage.writes, act(host, "bill", bill).1.usage)
    };
    let ((few, a), (many, b)) = (used(100), used(1_000));
    assert_eq!((few, many), (100, 1_000));
    expect![[r#"
        Usage { operations: 51253, memory_bytes: 153794, writes: 277, events: 0, effects: 0 }
        Usage { operations: 514003, memory_bytes: 1508294, writes: 2752, events: 0, effects: 0 }"#]]
    .assert_eq(&format!("{a:?}\n{b:?}"));
}

#[test]
fn bulk_stops_at_the_limits() {
    let limited = |limits: Limits, rows: i64| {
        let source = format!(
            "policy t version 1\ntable a {{ id: id key, n: int }}\nformula next(n: int): int = n + 1\naction x() by anyone {{ for i in 0..{rows} {{ a.insert(#{{ n: i }}); }} a.set(\"n\", \"next\") }}"
        );
        let policy = compile(&source, "t.3script", &catalog(), &limits).unwrap();
        big(move || {
            let (_, result) = policy.run(Entry::Action("x"), Vec::new(), Memory::new());
            match result {
                Ok(execution) => show(&execution.value),
                Err(error) => error.code,
            }
        })
    };
    let writes = |writes| Limits {
        writes,
        ..Limits::default()
    };
    assert_eq!(limited(writes(200), 100), "100");
    assert_eq!(limited(writes(199), 100), "limit.writes");
    let memory = |memory_bytes| Limits {
        memory_bytes,
        ..Limits::default()
    };
    assert_eq!(limited(memory(100_000), 100), "100");
    assert_eq!(limited(memory(30_000), 100), "limit.memory");
    let operations = |operations| Limits {
        operations,
        ..Limits::default()
    };
    assert_eq!(limited(operations(20_000), 100), "100");
    assert_eq!(limited(operations(4_000), 100), "limit.operations");
}
