//! What bodies mean: values, operators, functions. One line per expression, so that a change is one line in a diff.

use crate::support::run_body;
use expect_test::{Expect, expect};

/// Runs each line as a body of its own.
fn check(lines: &str, expected: Expect) {
    let results = lines
        .lines()
        .map(|line| format!("{}  =>  {}\n", line.trim(), run_body(line)));
    expected.assert_eq(&results.collect::<String>());
}

#[test]
fn integers_are_checked() {
    check(
        "7 / 2 + -7 / 2
         -7 % 3
         2 ** 62
         2 ** 63
         9223372036854775807 + 1
         let x = 9223372036854775807; x += 1; x
         let x = 1; x <<= 64; x
         1 << 62
         1 << 63
         1 << 64
         1 << -1
         1 >> 64
         -(-9223372036854775807 - 1)
         abs(-9223372036854775807 - 1)
         1 / 0
         1 % 0
         mul_div(7, 1, 2, \"half_up\")
         mul_div(9223372036854775807, 3, 2, \"floor\")
         min(3, 4) + max(5, 2)
         1 == \"1\"
         1 < \"1\"
         1 + true
         () == 1",
        expect![[r#"
            7 / 2 + -7 / 2  =>  0
            -7 % 3  =>  -1
            2 ** 62  =>  4611686018427387904
            2 ** 63  =>  test.3script:4:12: 2 ** 63 does not fit into an int [overflow]; use smaller numbers
            9223372036854775807 + 1  =>  test.3script:4:30: 9223372036854775807 + 1 does not fit into an int [overflow]; use smaller numbers
            let x = 9223372036854775807; x += 1; x  =>  test.3script:4:41: 9223372036854775807 + 1 does not fit into an int [overflow]; use smaller numbers
            let x = 1; x <<= 64; x  =>  test.3script:4:23: 1 << 64 does not fit into an int [overflow]; use smaller numbers
            1 << 62  =>  4611686018427387904
            1 << 63  =>  test.3script:4:12: 1 << 63 does not fit into an int [overflow]; use smaller numbers
            1 << 64  =>  test.3script:4:12: 1 << 64 does not fit into an int [overflow]; use smaller numbers
            1 << -1  =>  test.3script:4:12: 1 << -1 does not fit into an int [overflow]; use smaller numbers
            1 >> 64  =>  test.3script:4:12: 1 >> 64 does not fit into an int [overflow]; use smaller numbers
            -(-9223372036854775807 - 1)  =>  test.3script:4:10: 0 - -9223372036854775808 does not fit into an int [overflow]; use smaller numbers
            abs(-9223372036854775807 - 1)  =>  test.3script:4:10: 0 - -9223372036854775808 does not fit into an int [overflow]; use smaller numbers
            1 / 0  =>  test.3script:4:12: division by zero [division_by_zero]; check the divisor first
            1 % 0  =>  test.3script:4:12: division by zero [division_by_zero]; check the divisor first
            mul_div(7, 1, 2, "half_up")  =>  4
            mul_div(9223372036854775807, 3, 2, "floor")  =>  test.3script:4:10: the result does not fit into an int [overflow]
            min(3, 4) + max(5, 2)  =>  8
            1 == "1"  =>  test.3script:4:12: int and text cannot be compared [type]; make an int of the text: int(text)
            1 < "1"  =>  test.3script:4:12: int and text cannot be compared [type]; make an int of the text: int(text)
            1 + true  =>  test.3script:4:12: int + bool has no meaning [type]
            () == 1  =>  false
        "#]],
    );
}

#[test]
fn decimals_percentages_and_amounts_are_exact() {
    check(
        "dec(\"0.1\") + dec(\"0.2\") == dec(\"0.3\")
         dec(\"1.5\") * 2 - 1
         dec(\"1\") / 3
         dec(\"1\").div(3, 4, \"half_up\")
         dec(\"2.5\").round(0, \"half_even\")
         int(dec(\"3\"))
         int(dec(\"3.5\"))
         35.percent + dec(\"0.5\").percent
         200.times(dec(\"12.5\").percent, \"floor\")
         amount(\"12.5 TFT\") + 1.of(\"TFT\")
         amount(\"1 TFT\") + amount(\"1 USDC\")
         amount(\"1 TFT\") < amount(\"1 USDC\")
         amount(\"1 TFT\") == amount(\"1 USDC\")
         amount(\"1 TFT\") + 1
         100.of(\"TFT\") * 3
         100.of(\"TFT\") / 3
         100.of(\"TFT\").times(35.percent, \"half_up\")
         mul_div(100.of(\"TFT\"), 1, 3, \"floor\")
         mul_div(100.of(\"TFT\"), dec(\"0.5\"), dec(\"1.5\"), \"half_up\")
         mul_div(100.of(\"TFT\"), 90.minutes, 1.hours, \"floor\")
         amount(\"1 TFT\").units
         units(5, \"TFT\")
         amount(\"12.5 TFT\").number
         amount(\"0.00000001 TFT\")
         amount(\"1 XYZ\")
         mul_div(1, 1, 3, \"up\")
         units(9223372036854775807, \"TFT\") + units(1, \"TFT\")",
        expect![[r#"
            dec("0.1") + dec("0.2") == dec("0.3")  =>  true
            dec("1.5") * 2 - 1  =>  dec 2
            dec("1") / 3  =>  test.3script:4:19: decimal / int has no meaning [type]; name the rounding: a.times(b, "half_up"), a.div(b, 6, "half_up") or mul_div(a, b, c, "half_up")
            dec("1").div(3, 4, "half_up")  =>  dec 0.3333
            dec("2.5").round(0, "half_even")  =>  dec 2
            int(dec("3"))  =>  3
            int(dec("3.5"))  =>  test.3script:4:10: this decimal is not whole [inexact]; use round(0, "half_up") first
            35.percent + dec("0.5").percent  =>  35.5%
            200.times(dec("12.5").percent, "floor")  =>  25
            amount("12.5 TFT") + 1.of("TFT")  =>  13.5 TFT
            amount("1 TFT") + amount("1 USDC")  =>  test.3script:4:26: TFT and USDC are different assets [asset_mismatch]; convert one of them first
            amount("1 TFT") < amount("1 USDC")  =>  test.3script:4:26: TFT and USDC are different assets [asset_mismatch]; convert one of them first
            amount("1 TFT") == amount("1 USDC")  =>  test.3script:4:26: TFT and USDC are different assets [asset_mismatch]; convert one of them first
            amount("1 TFT") + 1  =>  test.3script:4:26: amount + int has no meaning [type]; say which asset: 1.of("TFT")
            100.of("TFT") * 3  =>  300 TFT
            100.of("TFT") / 3  =>  test.3script:4:24: amount / int has no meaning [type]; name the rounding: a.times(b, "half_up"), a.div(b, 6, "half_up") or mul_div(a, b, c, "half_up")
            100.of("TFT").times(35.percent, "half_up")  =>  35 TFT
            mul_div(100.of("TFT"), 1, 3, "floor")  =>  33.3333333 TFT
            mul_div(100.of("TFT"), dec("0.5"), dec("1.5"), "half_up")  =>  33.3333333 TFT
            mul_div(100.of("TFT"), 90.minutes, 1.hours, "floor")  =>  150 TFT
            amount("1 TFT").units  =>  10000000
            units(5, "TFT")  =>  0.0000005 TFT
            amount("12.5 TFT").number  =>  dec 12.5
            amount("0.00000001 TFT")  =>  test.3script:4:10: `0.00000001 TFT` has more than the 7 decimals of TFT [too_fine]; round it to 7
            amount("1 XYZ")  =>  test.3script:4:10: the asset XYZ is not known here [unknown_asset]; use one of: TFT, USDC
            mul_div(1, 1, 3, "up")  =>  test.3script:4:27: "up" is not the name of a rounding [bad_rounding]; known here: floor, half_down, half_even, half_up
            units(9223372036854775807, "TFT") + units(1, "TFT")  =>  test.3script:4:44: a sum of amounts does not fit into its type [overflow]; use a smaller number
        "#]],
    );
}

#[test]
fn allocation_sums_to_the_whole() {
    check(
        "allocate(100.of(\"TFT\"), [1, 1, 1])
         allocate(100, #{ c: 1, a: 1, b: 1 })
         allocate(10, [dec(\"0.5\"), dec(\"0.25\"), dec(\"0.25\")])
         allocate(1000, [10.percent, 5.percent, 50.percent, 35.percent])
         allocate(-100, [1, 1, 1])
         allocate(5, [0, 0, 7])
         allocate(7, [3.hours, 4.hours])
         allocate(100, [])
         allocate(100, [0])
         allocate(100, [1, -1])
         allocate(100, [1.of(\"TFT\"), 1.of(\"USDC\")])
         allocate(9223372036854775807, [9223372036854775807, 9223372036854775807])",
        expect![[r#"
            allocate(100.of("TFT"), [1, 1, 1])  =>  [33.3333334 TFT, 33.3333333 TFT, 33.3333333 TFT]
            allocate(100, #{ c: 1, a: 1, b: 1 })  =>  {a: 34, b: 33, c: 33}
            allocate(10, [dec("0.5"), dec("0.25"), dec("0.25")])  =>  [5, 3, 2]
            allocate(1000, [10.percent, 5.percent, 50.percent, 35.percent])  =>  [100, 50, 500, 350]
            allocate(-100, [1, 1, 1])  =>  [-34, -33, -33]
            allocate(5, [0, 0, 7])  =>  [0, 0, 5]
            allocate(7, [3.hours, 4.hours])  =>  [3, 4]
            allocate(100, [])  =>  test.3script:4:10: the weights sum to zero [bad_weights]; use ints, decimals, percentages, durations or amounts of one asset, none of them negative
            allocate(100, [0])  =>  test.3script:4:10: the weights sum to zero [bad_weights]; use ints, decimals, percentages, durations or amounts of one asset, none of them negative
            allocate(100, [1, -1])  =>  test.3script:4:10: a weight is no number or negative [bad_weights]; use ints, decimals, percentages, durations or amounts of one asset, none of them negative
            allocate(100, [1.of("TFT"), 1.of("USDC")])  =>  test.3script:4:10: the weights are amounts of different assets [bad_weights]; use ints, decimals, percentages, durations or amounts of one asset, none of them negative
            allocate(9223372036854775807, [9223372036854775807, 9223372036854775807])  =>  [4611686018427387904, 4611686018427387903]
        "#]],
    );
}

#[test]
fn times_and_durations_have_units() {
    check(
        "7.days + 3.hours
         90.minutes.hours
         (7.days / 2).hours
         7.days / 1.hours
         block.time
         block.time + 1.days - 1.seconds
         (block.time - time(\"2024-01-01\")).days
         block.time.floor(1.weeks)
         time(\"2024-02-30\")
         block.time + 1
         block.time + block.time
         block.height
         1.days > 23.hours",
        expect![[r#"
            7.days + 3.hours  =>  171h
            90.minutes.hours  =>  1
            (7.days / 2).hours  =>  84
            7.days / 1.hours  =>  168
            block.time  =>  2024-02-01 00:00:00
            block.time + 1.days - 1.seconds  =>  2024-02-01 23:59:59
            (block.time - time("2024-01-01")).days  =>  31
            block.time.floor(1.weeks)  =>  2024-02-01 00:00:00
            time("2024-02-30")  =>  test.3script:4:10: `2024-02-30` is not a time [malformed_value]; write a day that the calendar has
            block.time + 1  =>  test.3script:4:21: time + int has no meaning [type]; say which unit, as in 3.days
            block.time + block.time  =>  test.3script:4:21: time + time has no meaning [type]; a time and a duration make a time; two times have a difference
            block.height  =>  1
            1.days > 23.hours  =>  true
        "#]],
    );
}

#[test]
fn texts_accounts_and_bytes() {
    check(
        "\"a\" + 1 + caller.account + 5.days
         `${caller.account} pays ${1.of(\"TFT\")} at ${35.percent}`
         \"héllo\".len()
         \"Hello\".to_upper() + \"É\".to_lower()
         \" x \".trim()
         \"hello\".sub(1, 3)
         \"a,b,c\".split(\",\")
         [1, \"b\", 3].join(\"-\")
         \"banana\".replace(\"an\", \"\")
         \"banana\".contains(\"nan\") && \"nan\" in \"banana\"
         \"banana\".starts_with(\"ba\") && \"banana\".ends_with(\"na\")
         account(\"bob\") == \"bob\"
         account(\"Bob!\")
         caller.account == account(\"alice\")
         caller.has(\"guardian\") && !caller.has(\"farmer\")
         caller.roles
         bytes(\"00ff\").hex
         bytes(\"00ff\").len()
         bytes(\"0\")
         let s = \"abc\"; s[1]
         text(7)
         int(\"42\")
         id(7) == 7",
        expect![[r#"
            "a" + 1 + caller.account + 5.days  =>  "a1alice5d"
            `${caller.account} pays ${1.of("TFT")} at ${35.percent}`  =>  "alice pays 1 TFT at 35%"
            "héllo".len()  =>  5
            "Hello".to_upper() + "É".to_lower()  =>  "HELLOÉ"
            " x ".trim()  =>  "x"
            "hello".sub(1, 3)  =>  "ell"
            "a,b,c".split(",")  =>  ["a", "b", "c"]
            [1, "b", 3].join("-")  =>  "1-b-3"
            "banana".replace("an", "")  =>  "ba"
            "banana".contains("nan") && "nan" in "banana"  =>  true
            "banana".starts_with("ba") && "banana".ends_with("na")  =>  true
            account("bob") == "bob"  =>  true
            account("Bob!")  =>  test.3script:4:10: "Bob!" cannot be an account [malformed_value]; write a name such as "alice"
            caller.account == account("alice")  =>  true
            caller.has("guardian") && !caller.has("farmer")  =>  true
            caller.roles  =>  ["guardian"]
            bytes("00ff").hex  =>  "00ff"
            bytes("00ff").len()  =>  2
            bytes("0")  =>  test.3script:4:10: these are not bytes [malformed_value]; write pairs of hexadecimal digits
            let s = "abc"; s[1]  =>  "b"
            text(7)  =>  "7"
            int("42")  =>  42
            id(7) == 7  =>  true
        "#]],
    );
}

#[test]
fn lists_and_maps() {
    check(
        "let a = [3, 1, 2]; a.push(0); a.insert(0, 9); a.remove(1); [a, a.sorted(), a.len(), a.first(), a.last(), a.pop()]
         [1, 2].at(-1)
         let a = [1, 2]; a[-1]
         let a = [1, 2]; a[2]
         let a = [1, 2, 3, 4]; a.slice(1, 2) + a.reversed()
         2 in [1, 2] && 3 in 0..10 && !(10 in 0..10) && \"a\" in #{ a: 1 }
         [1, 2, 3].sum() + [].sum(0)
         [].sum()
         [#{ n: 2 }, #{ n: 1 }].sorted(\"n\")
         [1, \"a\"].sorted()
         let m = #{ a: 1 }; m.b = 2; m[\"c\"] = 3; m.a += 10; m.remove(\"b\"); [m, m.keys(), m.values(), m.len(), m.has(\"a\")]
         let m = #{ a: 1 }; m.b
         let m = #{ a: 1 }; [m.get(\"a\"), m.get(\"b\"), m.get(\"b\", 5)]
         let m = #{ a: #{ b: [1, 2] } }; m.a.b[1] = 7; m.a.b.push(8); m
         [1, [2, #{ a: 3 }]] == [1, [2, #{ a: 3 }]]
         let total = 0; for (x, i) in [10, 20] { total += x * i; } total
         let n = 0; while n < 10 { n += 3; if n == 6 { break; } } n
         let d = []; for i in 0..20 { d = [d]; } d",
        expect![[r#"
            let a = [3, 1, 2]; a.push(0); a.insert(0, 9); a.remove(1); [a, a.sorted(), a.len(), a.first(), a.last(), a.pop()]  =>  [[9, 1, 2, 0], [0, 1, 2, 9], 4, 9, 0, 0]
            [1, 2].at(-1)  =>  test.3script:4:17: the place -1 is outside, the length is 2 [index]; check len() first
            let a = [1, 2]; a[-1]  =>  test.3script:4:27: an index cannot be negative [negative_index]; count from the start: list[list.len() - 1], or list.last()
            let a = [1, 2]; a[2]  =>  test.3script:4:28: the index 2 is outside, the length is 2 [index]; check len() first
            let a = [1, 2, 3, 4]; a.slice(1, 2) + a.reversed()  =>  [2, 3, 4, 3, 2, 1]
            2 in [1, 2] && 3 in 0..10 && !(10 in 0..10) && "a" in #{ a: 1 }  =>  true
            [1, 2, 3].sum() + [].sum(0)  =>  6
            [].sum()  =>  test.3script:4:13: the sum of no items is not known [empty_sum]; give the sum to start from: list.sum(0)
            [#{ n: 2 }, #{ n: 1 }].sorted("n")  =>  [{n: 1}, {n: 2}]
            [1, "a"].sorted()  =>  test.3script:4:19: int and text cannot be sorted together [type]
            let m = #{ a: 1 }; m.b = 2; m["c"] = 3; m.a += 10; m.remove("b"); [m, m.keys(), m.values(), m.len(), m.has("a")]  =>  [{a: 11, c: 3}, ["a", "c"], [11, 3], 2, true]
            let m = #{ a: 1 }; m.b  =>  test.3script:4:31: this map has no `b` [unknown_field]; did you mean `a`?
            let m = #{ a: 1 }; [m.get("a"), m.get("b"), m.get("b", 5)]  =>  [1, (), 5]
            let m = #{ a: #{ b: [1, 2] } }; m.a.b[1] = 7; m.a.b.push(8); m  =>  {a: {b: [1, 7, 8]}}
            [1, [2, #{ a: 3 }]] == [1, [2, #{ a: 3 }]]  =>  true
            let total = 0; for (x, i) in [10, 20] { total += x * i; } total  =>  20
            let n = 0; while n < 10 { n += 3; if n == 6 { break; } } n  =>  6
            let d = []; for i in 0..20 { d = [d]; } d  =>  test.3script:3:8: values are nested deeper than 16 levels [too_deep]; flatten them
        "#]],
    );
}

#[test]
fn require_fail_emit_and_effect() {
    check(
        "require(1 < 2, \"no\"); \"yes\"
         require(1 > 2, \"one is not larger\")
         require(false, \"my.code\", \"a text\")
         require(1, \"no\")
         fail(\"a text\")
         fail(\"my.code\", \"a text\")
         fail(\"My Code\", \"a text\")
         emit(\"paid\", #{ to: caller.account, amount: 5.of(\"TFT\") }); 1
         emit(\"Paid\", #{})
         emit(\"paid\", [1])
         effect(\"stellar.pay\", #{ amount: 5.of(\"TFT\") })
         effect(\"stellar\", #{})
         print(1); debug(2)
         circle.guardians() + 1
         circle.enact(1)
         rows",
        expect![[r#"
            require(1 < 2, "no"); "yes"  =>  "yes"
            require(1 > 2, "one is not larger")  =>  test.3script:4:10: one is not larger [require]
            require(false, "my.code", "a text")  =>  test.3script:4:10: a text [my.code]
            require(1, "no")  =>  test.3script:4:18: `condition` of `require` is a bool, int is given [type]
            fail("a text")  =>  test.3script:4:10: a text [fail]
            fail("my.code", "a text")  =>  test.3script:4:10: a text [my.code]
            fail("My Code", "a text")  =>  test.3script:4:15: "My Code" has not the form of a code [bad_code]; use words of a-z, 0-9 and _, joined by points, as in "vote.closed"
            emit("paid", #{ to: caller.account, amount: 5.of("TFT") }); 1  =>  1; event paid {amount: 5 TFT, to: @alice}
            emit("Paid", #{})  =>  test.3script:4:15: "Paid" cannot be the name of an event [bad_name]; use words of a-z, 0-9 and _, joined by points
            emit("paid", [1])  =>  test.3script:4:23: `data` of `emit` is a map, list is given [type]
            effect("stellar.pay", #{ amount: 5.of("TFT") })  =>  (); effect stellar.pay {amount: 5 TFT}
            effect("stellar", #{})  =>  test.3script:4:17: "stellar" cannot be the name of an effect [bad_name]; write the actor and the action, as in "stellar.pay"
            print(1); debug(2)  =>  ()
            circle.guardians() + 1  =>  4
            circle.enact(1)  =>  test.3script:4:23: `script` of circle.enact: script is wanted, int is given [type]
            rows  =>  ()
        "#]],
    );
}

#[test]
fn what_the_interpreter_may_not_do() {
    check(
        "eval(\"1\")
         let f = Fn(\"x\");
         let f = |x| x + 1;
         \"x\".call(1)
         \"x\".curry(1)
         this
         try { 1 / 0 } catch { 2 }
         throw 1
         switch 1 { 1 => 2, _ => 3 }
         type_of(1)
         is_def_var(\"x\")
         import \"x\" as y;
         export let x = 1;
         timestamp()
         sleep(1)
         rand()
         parse_json(\"1\")
         blob(100)
         [1].map(1)
         \"x\".pad(50000000, \"b\")
         12.5
         if 1 { 2 }
         \"abc\"[0]
         #{ t: \"abc\" }.t[0]
         let rows = 1;
         for block in 0..1 {}
         fn inner() { 1 }
         exit(1)",
        expect![[r#"
            eval("1")  =>  test.3script:4:1: policies have no `eval` [banned]; write the code where it is needed
            let f = Fn("x");  =>  test.3script:4:18: policies have no `Fn` [banned]; call the function by its name
            let f = |x| x + 1;  =>  test.3script:4:18: Unexpected '|' [syntax]
            "x".call(1)  =>  test.3script:4:14: policies have no `call` [banned]; call the function by its name
            "x".curry(1)  =>  test.3script:4:14: policies have no `curry` [banned]; call the function by its name
            this  =>  test.3script:4:10: policies have no `this` [banned]; pass the value as an argument
            try { 1 / 0 } catch { 2 }  =>  test.3script:4:10: policies have no `try` [banned]; let the action fail: everything it wrote is undone
            throw 1  =>  test.3script:4:10: policies have no `throw` [banned]; use fail("code", "text")
            switch 1 { 1 => 2, _ => 3 }  =>  test.3script:4:10: policies have no `switch` [banned]; use if and else: switch compares hashes
            type_of(1)  =>  test.3script:4:10: policies have no `type_of` [banned]; declare what the value is
            is_def_var("x")  =>  test.3script:4:10: policies have no `is_def_var` [banned]; variables are known when the policy is checked
            import "x" as y;  =>  test.3script:4:10: policies have no `import` [banned]; a policy is one file
            export let x = 1;  =>  test.3script:4:10: policies have no `export` [banned]; a policy is one file
            timestamp()  =>  test.3script:4:10: there is no function `timestamp` [unknown_function]
            sleep(1)  =>  test.3script:4:10: there is no function `sleep` [unknown_function]
            rand()  =>  test.3script:4:10: there is no function `rand` [unknown_function]; did you mean `find`?
            parse_json("1")  =>  test.3script:4:10: there is no function `parse_json` [unknown_function]
            blob(100)  =>  test.3script:4:10: there is no function `blob` [unknown_function]
            [1].map(1)  =>  test.3script:4:14: there is no method `map` [unknown_function]; did you mean `max`?
            "x".pad(50000000, "b")  =>  test.3script:4:14: there is no method `pad` [unknown_function]
            12.5  =>  test.3script:4:13: Expecting name of a property [decimal_literal]; write dec("12.5"), or 12.5% as dec("12.5").percent
            if 1 { 2 }  =>  test.3script:4:13: a boolean expression is wanted, not a number [type]
            "abc"[0]  =>  test.3script:4:15: this value cannot be indexed where it is made [index_value]; put it into a variable first: let x = …; x[i]
            #{ t: "abc" }.t[0]  =>  test.3script:4:23: this value cannot be indexed where it is made [index_value]; put it into a variable first: let x = …; x.part[i]
            let rows = 1;  =>  test.3script:4:10: `rows` is already the name of something in this file or of a module [reserved_name]; take another name for the variable
            for block in 0..1 {}  =>  test.3script:4:14: `block` is already the name of something in this file or of a module [reserved_name]; take another name for the variable
            fn inner() { 1 }  =>  test.3script:4:21: `inner` is declared inside a body [nested_function]; move it out of the body, to the top of the file
            exit(1)  =>  test.3script:4:10: there is no function `exit` [unknown_function]; did you mean `emit`?
        "#]],
    );
}
