use crate::support::*;
use expect_test::expect;

#[test]
fn tests_that_hold_are_listed() {
    let output = verb(&["test", &shelf()]).replace(&shelf(), "shelf");
    expect![[r#"
        shelf/shelf.test.3script
          ok    who borrows pays the fee
          ok    only guardians offer, and a thing has a name
          ok    nobody borrows for too long
          ok    who is late is reminded once a day, and not for ever
          ok    what is paid is shared without a rest (100 cases)
        5 passed, 0 failed, 1 file, seed 0
        exit 0
    "#]]
    .assert_eq(&output);
}

#[test]
fn what_does_not_hold_says_where_what_and_why() {
    let folder = Folder::with_tests(include_str!("failing.test.3script"));
    expect![[r#"
        shelf.test.3script
          FAIL  a difference is shown
                shelf.test.3script:4:5: the values differ [test.expect]
                  .more: missing, expected [1]
                  .name: expected "drill"
                           actual "saw"
                4 |     expect(things.get(1), #{ id: 1, name: "drill", owner: "g1", due: (), more: [1] });
                  |     ^
          FAIL  a refusal is shown
                shelf.test.3script:7:5: the table `things` has no row with this key [row_not_found]
                7 |     act("g2", "shelf.borrow", #{ thing: 7 });
                  |     ^
                submitted: g2: !!shelf.borrow thing:7 days:7
                refused at policy.3script:32:22
                32 |     let row = things.get(thing);
                   |                      ^
          FAIL  what should be refused
                shelf.test.3script:10:5: it was not refused with shelf.name [test.not_refused]
                10 |     refused("g2", "!!shelf.offer name:x", "shelf.name");
                   |     ^
                submitted: g2: !!shelf.offer name:x
          FAIL  another code
                shelf.test.3script:13:5: it was refused for another reason [test.other_code]
                  expected code shelf.name
                    actual code row_not_found: the table `things` has no row with this key
                13 |     refused("g2", "!!shelf.borrow thing:9", "shelf.name");
                   |     ^
                submitted: g2: !!shelf.borrow thing:9
                refused at policy.3script:32:22
                32 |     let row = things.get(thing);
                   |                      ^
          FAIL  events
                shelf.test.3script:17:5: there was no event shelf.lent with #{ to: "bob" } [test.event]
                  no events were seen
                17 |     expect_event("shelf.lent", #{ to: "bob" });
                   |     ^
          FAIL  unknown action
                shelf.test.3script:20:5: nobody declares `!!shelf.ofer` [unknown_action]
                20 |     act("g2", "!!shelf.ofer name:x");
                   |     ^
                submitted: g2: !!shelf.ofer name:x
                = did you mean `!!shelf.offer`?
          FAIL  shrinks
                case 2, made simpler 15 times: n = 1234, names = ["", ""], cost = amount("0 TFT")
                shelf.test.3script:23:5: the values differ [test.expect]
                  expected true
                    actual false
                23 |     expect(n < 1234 || names.len() < 2, true);
                   |     ^
        0 passed, 7 failed, 1 file, seed 0
        exit 1
    "#]].assert_eq(&folder.test(&[]));
}

#[test]
fn faults_of_a_file_of_tests_are_found_before_it_runs() {
    let folder = Folder::with_tests(
        r#"tests of shelf
with vote, nothing

const FEE = 1
fn expect(a) { a }
fn twice(x) { x * 2 }

test "words" {
    acct("g1", "!!shelf.offer name:drill");
    things.insert(#{ nme: "x" });
    wait();
    PRIZE
}
test "words" {}
tset "x" {}
property "bounds" (n: int from 5 to 1) {}
property "generators" (n: integer) {}
property "no inputs" () {}
action offer() by anyone {}
"#,
    );
    expect![[r#"
        shelf.test.3script
          shelf.test.3script:2:6: there is no file of the policy vote near . [unknown_policy]
            |
          2 | with vote, nothing
            |      ^
            = put it beside the tests as policy.3script or vote.3script, or into ../vote/policy.3script
          shelf.test.3script:2:12: there is no file of the policy nothing near . [unknown_policy]
            |
          2 | with vote, nothing
            |            ^
            = put it beside the tests as policy.3script or nothing.3script, or into ../nothing/policy.3script
        0 passed, 1 failed, 1 file, seed 0
        exit 1
    "#]].assert_eq(&folder.test(&[]));
    let folder = Folder::with_tests(
        r#"tests of shelf

const FEE = 1
fn expect(a) { a }

test "words" {
    acct("g1", "!!shelf.offer name:drill");
    things.insert(#{ nme: "x" });
    wait();
    PRIZE
}
test "words" {}
tset "x" {}
property "bounds" (n: int from 5 to 1) {}
property "generators" (n: integer) {}
property "no inputs" () {}
action offer() by anyone {}
"#,
    );
    expect![[r#"
        shelf.test.3script
          shelf.test.3script:3:7: `FEE` is declared in the policy, which is seen here too [duplicate]
            |
          3 | const FEE = 1
            |       ^
            = take another name
          shelf.test.3script:4:4: `expect` is a function of the library [reserved_name]
            |
          4 | fn expect(a) { a }
            |    ^
            = take another name
          shelf.test.3script:7:5: there is no function `acct` [unknown_function]
            |
          7 |     acct("g1", "!!shelf.offer name:drill");
            |     ^
            = did you mean `act`?
          shelf.test.3script:8:22: the table `things` has no column `nme` [unknown_column]
            |
          8 |     things.insert(#{ nme: "x" });
            |                      ^
            = did you mean `name`?
          shelf.test.3script:9:5: `wait` takes 1 argument, 0 given [arguments]
            |
          9 |     wait();
            |     ^
          shelf.test.3script:10:5: there is no variable `PRIZE` [unknown_variable]
             |
          10 |     PRIZE
             |     ^
             = known here: FEE, LONGEST, block, caller, circle, credential, iou, ledger, loans, things, treasury
          shelf.test.3script:12:1: there is a test "words" already, in line 6 [duplicate]
             |
          12 | test "words" {}
             | ^
             = give it another name
          shelf.test.3script:13:1: `tset` declares nothing in a file of tests [syntax]
             |
          13 | tset "x" {}
             | ^
             = did you mean `test`?
          shelf.test.3script:14:27: nothing is between these bounds [bad_bounds]
             |
          14 | property "bounds" (n: int from 5 to 1) {}
             |                           ^
             = put the smaller one behind `from`, the larger one behind `to`
          shelf.test.3script:15:27: `integer` generates nothing [bad_params]
             |
          15 | property "generators" (n: integer) {}
             |                           ^
          shelf.test.3script:16:22: a property has inputs [bad_params]
             |
          16 | property "no inputs" () {}
             |                      ^
             = give it one, as in (n: int from 0 to 9), or make it a test
        0 passed, 1 failed, 1 file, seed 0
        exit 1
    "#]].assert_eq(&folder.test(&[]));
}

#[test]
fn a_folder_without_tests_and_a_name_that_nothing_has() {
    let folder = Folder::with_tests("tests of shelf");
    expect![[r#"
        0 passed, 0 failed, 1 file, seed 0
        exit 0
    "#]]
    .assert_eq(&folder.test(&["-k", "nothing"]));
    std::fs::remove_file(folder.path("shelf.test.3script")).unwrap();
    expect![[r#"
        there are no files of tests here
          write one, NAME.test.3script beside the policy, or give another folder
        exit 1
    "#]]
    .assert_eq(&folder.test(&[]));
}

#[test]
fn only_tests_with_a_name_are_run() {
    let output = verb(&["test", &shelf(), "-k", "guardians"]).replace(&shelf(), "shelf");
    expect![[r#"
        shelf/shelf.test.3script
          ok    only guardians offer, and a thing has a name
        1 passed, 0 failed, 1 file, seed 0
        exit 0
    "#]]
    .assert_eq(&output);
}

#[test]
fn coverage_names_lines_and_ways_that_tests_left_out() {
    let folder = Folder::with_tests(
        r#"tests of shelf
test "one thing" {
    refused("g1", "shelf.borrow", #{ thing: 1 }, "row_not_found");
    wait(1.days);
}
"#,
    );
    expect![[r#"
        shelf.test.3script
          ok    one thing
        1 passed, 0 failed, 1 file, seed 0
        policy.3script: 10% (2 of 20) of the lines, 25% (1 of 4) of the branches
             22 | require(name != "", "shelf.name", "a thing has a name");
             23 | things.insert(#{ name: name, owner: caller.account })
             33 | require(row.due == (), "shelf.lent", `${row.name} is lent until ${row.due}`);
             34 | require(days.days <= LONGEST, "shelf.long", "that is too long");
             35 | let price = FEE * days;
             36 | let share = half(price);
             37 | ledger.transfer("escrow:" + caller.account, "escrow:" + row.owner, share);
             38 | ledger.transfer("escrow:" + caller.account, "fees", price - share);
             39 | loans.insert(#{ thing: thing, from: block.time, by: caller.account, paid: price });
             40 | things.update(thing, #{ due: block.time + days.days });
             41 | emit("lent", #{ thing: thing, to: caller.account, price: price });
             42 | price
             46 | price.times(50.percent, "floor")
             52 | let days_late = (block.time - row.due).days;
             53 | if days_late > 60 {
             54 | things.update(row.id, #{ due: () });
             56 | effect("mail.remind", #{ thing: row.id, days_late: days_late });
             63 | loans.sum_by("by", "paid").sorted("paid").reversed()
             51 | never entered: for row in things.where("due", "<=", block.time).order("due").rows() {
             53 | never true: if days_late > 60 {
             53 | never false: if days_late > 60 {
        exit 0
    "#]].assert_eq(&folder.test(&["--coverage"]));
    expect![[r#"
        {"files":[{"file":"shelf.test.3script","faults":[],"tests":[{"name":"one thing","line":2,"passed":true}]}],"passed":1,"failed":0,"seed":0,"coverage":[{"file":"policy.3script","policy":"shelf","lines":{"covered":2,"total":20,"percent":10},"branches":{"covered":1,"total":4,"percent":25},"missed_lines":[{"line":22,"text":"require(name != \"\", \"shelf.name\", \"a thing has a name\");"},{"line":23,"text":"things.insert(#{ name: name, owner: caller.account })"},{"line":33,"text":"require(row.due == (), \"shelf.lent\", `${row.name} is lent until ${row.due}`);"},{"line":34,"text":"require(days.days <= LONGEST, \"shelf.long\", \"that is too long\");"},{"line":35,"text":"let price = FEE * days;"},{"line":36,"text":"let share = half(price);"},{"line":37,"text":"ledger.transfer(\"escrow:\" + caller.account, \"escrow:\" + row.owner, share);"},{"line":38,"text":"ledger.transfer(\"escrow:\" + caller.account, \"fees\", price - share);"},{"line":39,"text":"loans.insert(#{ thing: thing, from: block.time, by: caller.account, paid: price });"},{"line":40,"text":"things.update(thing, #{ due: block.time + days.days });"},{"line":41,"text":"emit(\"lent\", #{ thing: thing, to: caller.account, price: price });"},{"line":42,"text":"price"},{"line":46,"text":"price.times(50.percent, \"floor\")"},{"line":52,"text":"let days_late = (block.time - row.due).days;"},{"line":53,"text":"if days_late > 60 {"},{"line":54,"text":"things.update(row.id, #{ due: () });"},{"line":56,"text":"effect(\"mail.remind\", #{ thing: row.id, days_late: days_late });"},{"line":63,"text":"loans.sum_by(\"by\", \"paid\").sorted(\"paid\").reversed()"}],"missed_branches":[{"line":51,"column":5,"never":"entered","text":"for row in things.where(\"due\", \"<=\", block.time).order(\"due\").rows() {"},{"line":53,"column":9,"never":"true","text":"if days_late > 60 {"},{"line":53,"column":9,"never":"false","text":"if days_late > 60 {"}]}]}
        exit 1
    "#]].assert_eq(&folder.test(&["--threshold", "90", "--json"]));
}

#[test]
fn all_files_of_a_policy_count_for_its_coverage() {
    let folder =
        Folder::with_tests("tests of shelf\ntest \"a\" { act(\"g1\", \"!!shelf.offer name:x\") }");
    folder.write(
        "more.test.3script",
        "tests of shelf\ntest \"b\" { ask(\"shelf.ranking\") }",
    );
    let both = folder.test(&["--coverage"]);
    expect!["policy.3script: 15% (3 of 20) of the lines, 0% (0 of 4) of the branches"].assert_eq(
        both.lines()
            .find(|line| line.contains("of the lines"))
            .unwrap(),
    );
}

#[test]
fn programs_read_results_as_json() {
    let folder = Folder::with_tests(
        r#"tests of shelf
test "it holds" { expect(1, 1); }
property "it does not" (n: int from 0 to 9) { expect(n < 3, true); }
"#,
    );
    expect![[r#"
        {"files":[{"file":"shelf.test.3script","faults":[],"tests":[{"name":"it holds","line":2,"passed":true},{"name":"it does not","line":3,"passed":false,"cases":3,"failure":{"code":"test.expect","place":{"file":"shelf.test.3script","line":3,"column":47,"text":"property \"it does not\" (n: int from 0 to 9) { expect(n < 3, true); }"},"reason":"the values differ","differences":["expected true","  actual false"]},"counterexample":{"case":3,"inputs":[["n","3"]],"shrinks":1}}]}],"passed":1,"failed":1,"seed":0}
        exit 1
    "#]].assert_eq(&folder.test(&["--json", "--cases", "10"]));
}

#[test]
fn equal_seeds_give_equal_inputs_and_others_give_others() {
    let folder = Folder::with_tests(
        r#"tests of shelf
property "all kinds" (
    flag: bool, number: int, id: id, dec: decimal, share: percent, money: amount from 1 TFT to 5 TFT,
    span: duration, when: time, name: text, raw: bytes from 1 to 4 bytes, pick: one_of("a", 1 TFT),
    who: account(farmer), list: list(int from 1 to 3) from 2 to 4 items
) {
    expect([flag, number, id, dec, share, money, span, when, name, raw, pick, who, list], ());
}
"#,
    );
    let seed = |seed: &str| folder.test(&["--seed", seed, "--cases", "1"]);
    assert_eq!(seed("7"), seed("7"));
    assert_ne!(seed("7"), seed("8"));
    // Nothing can be simpler than this and still fail.
    expect![[r#"
        shelf.test.3script
          FAIL  all kinds
                case 1, made simpler 10 times: flag = false, number = 0, id = 1, dec = dec("0"), share = 0.percent, money = amount("1 TFT"), span = 0.seconds, when = time("2026-01-01 00:00:00"), name = "", raw = bytes("76"), pick = "a", who = account("farmer1"), list = [1, 1]
                shelf.test.3script:7:5: the values differ [test.expect]
                  expected ()
                    actual [false, 0, 1, dec("0"), 0.percent, amount("1 TFT"), 0.seconds, time("2026-01-01 00:00:00"), "", bytes("76"), "a", account("farmer1"), [1, 1]] (list instead of unit)
                7 |     expect([flag, number, id, dec, share, money, span, when, name, raw, pick, who, list], ());
                  |     ^
        0 passed, 1 failed, 1 file, seed 7
        exit 1
    "#]].assert_eq(&seed("7"));
}

#[test]
fn inputs_of_properties_stay_within_their_bounds() {
    let folder = Folder::with_tests(
        r#"tests of shelf
property "bounds" (
    number: int from -5 to 7, dec: decimal from 0.5 to 1.25, share: percent from 1% to 2%,
    money: amount from 1 USDC to 5 USDC, span: duration from 1.hours to 2.hours, name: text from 2 to 3 characters,
    raw: bytes from 1 to 4 bytes, pick: one_of(1, 2), list: list(list(int from 1 to 3)) from 2 to 4 items, who: account
) {
    expect(number >= -5 && number <= 7, true);
    expect(dec >= dec("0.5") && dec <= dec("1.25"), true);
    expect(share >= 1.percent && share <= 2.percent, true);
    expect(money >= 1.of("USDC") && money <= 5.of("USDC"), true);
    expect(span >= 1.hours && span <= 2.hours, true);
    expect(name.len() >= 2 && name.len() <= 3, true);
    expect(raw.hex.len() >= 2 && raw.hex.len() <= 8, true);
    expect(pick == 1 || pick == 2, true);
    expect(list.len() >= 2 && list.len() <= 4, true);
    for items in list { for item in items { expect(item >= 1 && item <= 3, true); } }
    act(who, "!!shelf.borrow thing:1");
}
"#,
    );
    let output = folder.test(&["--cases", "200"]);
    // All bounds hold, and the account is registered: only the thing is missing.
    assert!(output.contains("row_not_found"), "{output}");
}

#[test]
fn payouts_can_be_planned_from_a_wallet_with_a_key() {
    let folder = Folder::with_tests(
        r#"tests of shelf
test "without a key" {
    account("bob", "farmer");
    fund("payable:bob", 5.of("TFT"));
    expect(payouts(), []);
}
test "with a key" {
    account("bob", "farmer");
    fund("payable:bob", 5.of("TFT"));
    wallet("main");
    treasury.plan("main", [#{ account: "bob", amount: 3.of("TFT") }]);
    expect(payouts(), [#{ id: 1, wallet: "main", account: "bob", amount: 3.of("TFT") }]);
    expect(balances(), #{ "payable:bob": 2.of("TFT"), "payout:main": 3.of("TFT") });
}
test "another wallet" {
    account("bob", "farmer");
    fund("payable:bob", 5.of("TFT"));
    wallet("side");
    treasury.plan("side", [#{ account: "bob", amount: 5.of("TFT") }]);
    expect(payouts().len(), 1);
}
"#,
    );
    expect![[r#"
        shelf.test.3script
          ok    without a key
          ok    with a key
          ok    another wallet
        3 passed, 0 failed, 1 file, seed 0
        exit 0
    "#]]
    .assert_eq(&folder.test(&[]));
}

#[test]
fn ious_are_signed_and_taken() {
    let folder = Folder::with_tests(
        r#"tests of shelf
test "ious" {
    account("bob", "farmer");
    account("alice", "consumer");
    let one = #{ farmer: "bob", consumer: "alice", from: now(), to: now() + 1.hours, amount: 5.of("TFT") };
    let later = one;
    later.from = now() + 1.hours;
    later.to = now() + 2.hours;
    later.usage = #{ "CU": dec("1.5") };
    wait(2.hours);
    let admitted = iou.admit(ious([one, later]), #{});
    expect(admitted, #{ accepted: 2, rejected: [] });
    ious([#{ farmer: "bob" }]);
}
"#,
    );
    expect![[r#"
        shelf.test.3script
          FAIL  ious
                shelf.test.3script:13:5: `consumer` of an IOU is the name of an account [iou.entry]
                13 |     ious([#{ farmer: "bob" }]);
                   |     ^
        0 passed, 1 failed, 1 file, seed 0
        exit 1
    "#]]
    .assert_eq(&folder.test(&[]));
}

#[test]
fn credentials_are_signed_by_their_issuer() {
    let folder = Folder::with_tests(
        r#"tests of shelf
test "credentials" {
    let token = credential(#{ iss: "did:web:kyc.example", sub: "alice", exp: time("2027-01-01 00:00:00") });
    let parts = token.split(".");
    expect(parts.len(), 3);
    expect(key_of("did:web:kyc.example") == key_of("alice"), false);
    expect(sign("alice", bytes("00")) == sign("alice", bytes("01")), false);
    credential(#{ sub: "alice" });
}
"#,
    );
    expect![[r#"
        shelf.test.3script
          FAIL  credentials
                shelf.test.3script:8:5: a credential says in `iss` who issued it [credential.iss]
                8 |     credential(#{ sub: "alice" });
                  |     ^
        0 passed, 1 failed, 1 file, seed 0
        exit 1
    "#]]
    .assert_eq(&folder.test(&[]));
}

#[test]
fn a_schedule_that_fails_is_not_overlooked() {
    let folder = Folder::with_tests("tests of clock\ntest \"a day\" { wait(1.days); }");
    folder.write(
        "policy.3script",
        "policy clock version 1\ntable t { id: id key }\nevery 1.days tick() { t.get(7) }\n",
    );
    expect![[r#"
        shelf.test.3script
          FAIL  a day
                shelf.test.3script:2:16: the schedule clock.tick failed: the table `t` has no row with this key [row_not_found]
                2 | test "a day" { wait(1.days); }
                  |                ^
                refused at policy.3script:3:25
                3 | every 1.days tick() { t.get(7) }
                  |                         ^
        0 passed, 1 failed, 1 file, seed 0
        exit 1
    "#]].assert_eq(&folder.test(&[]));
}

#[test]
fn a_test_that_does_not_end_is_ended() {
    let folder = Folder::with_tests("tests of shelf\ntest \"for ever\" { loop { } }");
    expect![[r#"
        shelf.test.3script
          FAIL  for ever
                shelf.test.3script:2:24: the run took more than 100000000 operations [limit.operations]
                2 | test "for ever" { loop { } }
                  |                        ^
                = do less at a time, or let a query do it
        0 passed, 1 failed, 1 file, seed 0
        exit 1
    "#]].assert_eq(&folder.test(&[]));
}

#[test]
fn other_policies_are_found_beside_the_tested_one() {
    let folder = Folder::with_tests("");
    std::fs::remove_file(folder.path("shelf.test.3script")).unwrap();
    std::fs::remove_file(folder.path("policy.3script")).unwrap();
    folder.write(
        "one/policy.3script",
        "policy one version 1\naction say() by anyone { emit(\"said\", #{}) }",
    );
    folder.write(
        "two/two.3script",
        "policy two version 1\naction say() by anyone { 2 }",
    );
    folder.write(
        "two/two.test.3script",
        "tests of two\nwith one\ntest \"both\" { act(\"g1\", \"!!one.say\"); expect_event(\"one.said\"); expect(act(\"g1\", \"two.say\"), 2); }",
    );
    expect![[r#"
        two/two.test.3script
          ok    both
        1 passed, 0 failed, 1 file, seed 0
        exit 0
    "#]]
    .assert_eq(&folder.test(&[]));
}

#[test]
fn watching_runs_the_tests_again_when_a_file_changes() {
    let folder = Folder::with_tests("tests of shelf\ntest \"first\" {}");
    let output = std::thread::scope(|scope| {
        let watching = scope.spawn(|| folder.test(&["--watch", "--rounds", "2"]));
        // Changed as often as it takes, because nobody can tell when the first round is over.
        let mut round = 0;
        while !watching.is_finished() {
            round += 1;
            let names = "x".repeat(round);
            // Moved into its place, as editors do: a file that is being written is half a file.
            let source = format!("tests of shelf\ntest \"first {names}\" {{}}");
            folder.write("shelf.new", &source);
            let (new, place) = (folder.path("shelf.new"), folder.path("shelf.test.3script"));
            std::fs::rename(new, place).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        watching.join().unwrap()
    });
    assert_eq!(output.matches("1 passed, 0 failed").count(), 2, "{output}");
    assert!(output.ends_with("exit 0\n"), "{output}");
}
