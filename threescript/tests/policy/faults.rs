//! Diagnostics: every fault of a file with its place, the source line and the mend.

use crate::support::catalog;
use expect_test::{Expect, expect};
use threescript::engine::Limits;
use threescript::policy::{Diagnostic, compile};

fn check(source: &str, expected: Expect) {
    let faults = compile(source, "test.3script", &catalog(), &Limits::default())
        .expect_err("the file has faults");
    let faults: Vec<String> = faults.iter().map(Diagnostic::to_string).collect();
    expected.assert_eq(&(faults.join("\n") + "\n"));
}

#[test]
fn declarations_are_checked() {
    check(
        r#"policy test version 1
tabel a { id: id key }
table b { id: id }
table c { id: id key, x: nonsense }
table d { id: id key, id: text }
table e { price: decimal key }
table f { id: id? key }
const A = 5 XYZ
const B = 7.dayz
const C: percent = 5
const block = 1
action p(a: int = "q") by anyone { }
action q(id: id) by anyone { }
action r(m: map) by anyone { }
action s() by somebody { }
action t() { }
action u(a: text) by account(a) { }
action v(a: int, a: int) by anyone { }
action w() by anyone { }
action w() by anyone { }
action x(c: int) by anyone { }
every 1.seconds y() { }
every 1.hours z(a: int) { }
fn abs(a) { }
fn var() { }
"#,
        expect![[r#"
            test.3script:2:1: `tabel` declares nothing [syntax]
              |
            2 | tabel a { id: id key }
              | ^
              = did you mean `table`?
            test.3script:3:7: the table `b` has no key [bad_key]
              |
            3 | table b { id: id }
              |       ^
              = mark one column or several with `key`, as in `id: id key`
            test.3script:4:26: there is no type `nonsense` [unknown_type]
              |
            4 | table c { id: id key, x: nonsense }
              |                          ^
              = the types are bool, int, decimal, amount, percent, duration, time, size, text, bytes, account, id, map, script, any, one_of, list
            test.3script:5:23: the column `id` is declared twice [duplicate]
              |
            5 | table d { id: id key, id: text }
              |                       ^
              = give each column its own name
            test.3script:6:11: a column of type decimal cannot be a key or an index [bad_key]
              |
            6 | table e { price: decimal key }
              |           ^
              = use bool, int, id, time, duration, text, bytes, account or one_of
            test.3script:7:11: a key column cannot be optional [bad_key]
              |
            7 | table f { id: id? key }
              |           ^
              = take the `?` away
            test.3script:8:11: the asset XYZ is not known here [unknown_asset]
              |
            8 | const A = 5 XYZ
              |           ^
              = use one of: TFT, USDC
            test.3script:9:13: there is no unit `dayz` [unknown_unit]
              |
            9 | const B = 7.dayz
              |             ^
              = did you mean `days`?
            test.3script:10:20: percent is wanted, int is given [type]
               |
            10 | const C: percent = 5
               |                    ^
               = write a literal of type percent
            test.3script:11:7: `block` is there in every body [reserved_name]
               |
            11 | const block = 1
               |       ^
               = take another name
            test.3script:12:19: int is wanted, text is given [type]
               |
            12 | action p(a: int = "q") by anyone { }
               |                   ^
               = write a literal of type int
            test.3script:13:8: a parameter may not be called `id`, which other readers of 3Script drop [reserved_name]
               |
            13 | action q(id: id) by anyone { }
               |        ^
               = say whose id it is, as in `proposal`
            test.3script:14:8: the parameter `m` is of the type map, which cannot be written in an action [type_without_text]
               |
            14 | action r(m: map) by anyone { }
               |        ^
               = use a list, a script or several parameters
            test.3script:15:15: `somebody` cannot run an action [bad_caller]
               |
            15 | action s() by somebody { }
               |               ^
               = say who may run it: by guardian, role(name), account(parameter), anyone or circle
            test.3script:16:12: `by` is wanted, not `{` [syntax]
               |
            16 | action t() { }
               |            ^
               = say who may run it: by guardian, role(name), account(parameter), anyone or circle
            test.3script:17:30: there is no parameter `a` of type account [bad_caller]
               |
            17 | action u(a: text) by account(a) { }
               |                              ^
            test.3script:18:18: the parameter `a` is declared twice [duplicate]
               |
            18 | action v(a: int, a: int) by anyone { }
               |                  ^
               = give each parameter its own name
            test.3script:20:8: `w` is already declared in line 19 [duplicate]
               |
            20 | action w() by anyone { }
               |        ^
               = give it another name
            test.3script:22:7: this period is too short [bad_period]
               |
            22 | every 1.seconds y() { }
               |       ^
               = write a duration of at least a minute, as in `every 1.hours`
            test.3script:23:15: a schedule has no parameters [bad_params]
               |
            23 | every 1.hours z(a: int) { }
               |               ^
               = keep what it needs in a table
            test.3script:24:4: `abs` is a function of the library [reserved_name]
               |
            24 | fn abs(a) { }
               |    ^
               = take another name
            test.3script:25:4: `var` is a word of the language [reserved_name]
               |
            25 | fn var() { }
               |    ^
               = take another name
        "#]],
    );
}

#[test]
fn a_file_begins_with_its_title() {
    check(
        "",
        expect![[r#"
        test.3script:1:1: `policy` is wanted, not the end of the file [no_title]
          |
        1 | 
          | ^
          = begin the file with `policy NAME version N`
    "#]],
    );
    check(
        "policy Test version 1",
        expect![[r#"
        test.3script:1:8: the name of a policy is wanted, not `Test` [bad_name]
          |
        1 | policy Test version 1
          |        ^
          = names are a-z, 0-9 and _, begin with a letter and have at most 48 characters
    "#]],
    );
    check(
        "policy test version 0",
        expect![[r#"
        test.3script:1:21: a version is a whole number from 1 [bad_version]
          |
        1 | policy test version 0
          |                     ^
          = begin the file with `policy NAME version N`
    "#]],
    );
    check(
        "action x() by anyone {}",
        expect![[r#"
        test.3script:1:1: `policy` is wanted, not `action` [no_title]
          |
        1 | action x() by anyone {}
          | ^
          = begin the file with `policy NAME version N`
    "#]],
    );
    check(
        "policy test version 1\r\n",
        expect![[r#"
        test.3script:1:22: the character \u{d} cannot be seen [character]
          |
        1 | policy test version 1�
          |                      ^
          = remove it; lines end with a line feed only
    "#]],
    );
    check(
        "policy test version 1 // \u{202e}",
        expect![[r#"
        test.3script:1:26: the character \u{202e} cannot be seen [character]
          |
        1 | policy test version 1 // �
          |                          ^
          = remove it; lines end with a line feed only
    "#]],
    );
}

#[test]
fn bodies_are_checked_against_what_is_declared() {
    check(
        r#"policy test version 1
const LIMIT = 5
table votes { proposal: id key, voter: account key, choice: text index }
fn helper(a, b) { a + b + missing }
fn shadow(votes) { votes }
action x(proposal: id) by guardian {
    let count = vote.where("proposal", proposal).count();
    votes.wher("choice", 1);
    votes.where("chioce", 1).rows();
    votes.where("choice", "yes").order("voterr").rows();
    votes.insert(#{ proposal: proposal, voter: caller.account, choise: "yes" });
    votes.sum_by("choice");
    votes.choice;
    helper(1);
    helpr(1, 2);
    1.helper(2);
    let f = helper;
    circle.enct(1);
    circle.enact();
    block.tme;
    LIMIT.foo();
    let votes = 1;
}
ask y() {
    votes.insert(#{});
    emit("x", #{});
    circle.enact(());
}
"#,
        expect![[r#"
            test.3script:4:27: there is no variable `missing` [unknown_variable]
              |
            4 | fn helper(a, b) { a + b + missing }
              |                           ^
              = known here: LIMIT, a, b, block, caller, circle, votes
            test.3script:5:4: the parameter `votes` has the name of a table [duplicate]
              |
            5 | fn shadow(votes) { votes }
              |    ^
              = give it another name
            test.3script:7:17: there is no variable `vote` [unknown_variable]
              |
            7 |     let count = vote.where("proposal", proposal).count();
              |                 ^
              = did you mean `votes`?
            test.3script:8:11: a table has no `wher` [unknown_function]
              |
            8 |     votes.wher("choice", 1);
              |           ^
              = did you mean `where`?
            test.3script:9:17: the table `votes` has no column `chioce` [unknown_column]
              |
            9 |     votes.where("chioce", 1).rows();
              |                 ^
              = did you mean `choice`?
            test.3script:10:40: the table `votes` has no column `voterr` [unknown_column]
               |
            10 |     votes.where("choice", "yes").order("voterr").rows();
               |                                        ^
               = did you mean `voter`?
            test.3script:11:64: the table `votes` has no column `choise` [unknown_column]
               |
            11 |     votes.insert(#{ proposal: proposal, voter: caller.account, choise: "yes" });
               |                                                                ^
               = did you mean `choice`?
            test.3script:12:11: `sum_by` takes 2 arguments, 1 given [arguments]
               |
            12 |     votes.sum_by("choice");
               |           ^
            test.3script:13:11: a table has no `choice` [unknown_field]
               |
            13 |     votes.choice;
               |           ^
               = get a row first: table.get(key)
            test.3script:14:5: `helper` takes 2 arguments, 1 given [arguments]
               |
            14 |     helper(1);
               |     ^
            test.3script:15:5: there is no function `helpr` [unknown_function]
               |
            15 |     helpr(1, 2);
               |     ^
               = did you mean `helper`?
            test.3script:16:7: `helper` is a function and not a method [method_call]
               |
            16 |     1.helper(2);
               |       ^
               = write helper(x) instead of x.helper()
            test.3script:17:13: there is no variable `helper` [unknown_variable]
               |
            17 |     let f = helper;
               |             ^
               = known here: LIMIT, block, caller, circle, count, f, proposal, votes
            test.3script:17:13: the function `helper` is not a value [function_value]
               |
            17 |     let f = helper;
               |             ^
               = call it: helper(…)
            test.3script:18:12: there is no function `circle.enct` [unknown_function]
               |
            18 |     circle.enct(1);
               |            ^
               = did you mean `enact`?
            test.3script:19:12: `enact` takes 1 argument, 0 given [arguments]
               |
            19 |     circle.enact();
               |            ^
            test.3script:20:11: `block` has no `tme` [unknown_field]
               |
            20 |     block.tme;
               |           ^
               = did you mean `time`?
            test.3script:21:11: there is no method `foo` [unknown_function]
               |
            21 |     LIMIT.foo();
               |           ^
               = did you mean `floor`?
            test.3script:22:5: `votes` is already the name of something in this file or of a module [reserved_name]
               |
            22 |     let votes = 1;
               |     ^
               = take another name for the variable
            test.3script:25:11: a question cannot `insert` [read_only]
               |
            25 |     votes.insert(#{});
               |           ^
               = make it an action
            test.3script:26:5: a question cannot `emit` [read_only]
               |
            26 |     emit("x", #{});
               |     ^
               = make it an action
            test.3script:27:12: a question cannot `circle.enact` [read_only]
               |
            27 |     circle.enact(());
               |            ^
               = make it an action
        "#]],
    );
    check(
        "policy test version 1\nfn helper(a) { a + missing }\naction x() by guardian {\n    let coutn = 1;\n    count + 1\n}\n",
        expect![[r#"
            test.3script:2:20: there is no variable `missing` [unknown_variable]
              |
            2 | fn helper(a) { a + missing }
              |                    ^
              = known here: a, block, caller, circle
            test.3script:5:5: there is no variable `count` [unknown_variable]
              |
            5 |     count + 1
              |     ^
              = did you mean `coutn`?
        "#]],
    );
}

#[test]
fn places_are_places_of_the_file() {
    check(
        "policy test version 1\n/* é ü */ action x() by anyone { let a = ; }\n",
        expect![[r#"
        test.3script:2:42: Unexpected ';' [syntax]
          |
        2 | /* é ü */ action x() by anyone { let a = ; }
          |                                          ^
    "#]],
    );
    check(
        "policy test version 1\naction x() by anyone {\n\tlet a = \"} {\"; // } not the end\n\tlet b = '}';\n\tlet c = `}${ #{ a: `}` }.a }`;\n\t/* } /* } */ */ nothing\n}\n",
        expect![[r#"
            test.3script:6:18: there is no variable `nothing` [unknown_variable]
              |
            6 | 	/* } /* } */ */ nothing
              | 	                ^
              = known here: a, b, block, c, caller, circle
        "#]],
    );
    check(
        "policy test version 1\naction x() by anyone {\n    let a = 1\n    let b = 2;\n}\n",
        expect![[r#"
        test.3script:4:5: Expecting ';' to terminate this statement [syntax]
          |
        4 |     let b = 2;
          |     ^
    "#]],
    );
    check(
        "policy test version 1\naction x() by anyone {\n    let a = \"open;\n}\n",
        expect![[r#"
        test.3script:3:13: this text does not end [unterminated]
          |
        3 |     let a = "open;
          |             ^
          = close it with `"`
    "#]],
    );
    check(
        "policy test version 1\naction x() by anyone {\n    let a = (1 + 2;\n",
        expect![[r#"
        test.3script:2:22: the block that opens here does not end [unterminated]
          |
        2 | action x() by anyone {
          |                      ^
          = close it with `}`
    "#]],
    );
    check(
        &format!(
            "policy test version 1\naction x() by anyone {{ {}missing }}\n",
            "let a = 1; ".repeat(30)
        ),
        expect![[r#"
            test.3script:2:354: there is no variable `missing` [unknown_variable]
              |
            2 | … 1; let a = 1; let a = 1; let a = 1; let a = 1; let a = 1; let a = 1; missing }
              |                                                                        ^
              = known here: a, block, caller, circle
        "#]],
    );
}
