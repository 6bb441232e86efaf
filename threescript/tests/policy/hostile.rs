//! Policies that attack the node: each ends with a code that does not depend on the build, soon, and in little memory.

use crate::support::*;
use expect_test::expect;
use std::fmt::Write;
use std::time::{Duration, Instant};
use threescript::engine::*;
use threescript::policy::compile;

/// One run must stay below this. The limits aim at half a second on an idle core; a test machine is busy.
const LONGEST: Duration = Duration::from_secs(10);
/// The peak of the whole test process, which runs other tests at the same time.
const MOST_KIB: u64 = 512 * 1024;

/// The code that a file ends with: of the first fault, or of the run.
fn code(source: &str) -> String {
    let start = Instant::now();
    // The checker must do with the stack of a test's thread, which is 2 MiB.
    let code = match compile(source, "test.3script", &catalog(), &Limits::default()) {
        Err(faults) => format!("check: {}", faults[0].code),
        Ok(policy) => big(move || {
            let (_, result) = policy.run(Entry::Action("x"), Vec::new(), Memory::new());
            result.map_or_else(
                |error| error.code,
                |execution| format!("ok, {} operations", execution.usage.operations),
            )
        }),
    };
    assert!(
        start.elapsed() < LONGEST,
        "{} took {:?}",
        &source[..source.len().min(200)],
        start.elapsed()
    );
    code
}

fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn text_of(doublings: usize) -> String {
    format!("let s = \"0123456789abcdef\"; for i in 0..{doublings} {{ s += s; }}")
}

#[test]
fn every_attack_ends_with_its_code() {
    let many = |count: usize, item: &str| item.repeat(count);
    let maps = format!("[{}]", many(1000, "#{a:1},"));
    let literals: String = (0..8)
        .map(|index| format!("let x{index} = {maps}; "))
        .collect();
    let copies: String = (0..100)
        .map(|index| format!("let x{index} = l; "))
        .collect();
    let variables: String = (0..300)
        .map(|index| format!("let v{index} = {index}; "))
        .collect();
    let functions: String = (0..300)
        .map(|index| format!("fn f{index}() {{}}\n"))
        .collect();
    let rows = "for i in 0..100 { rows.insert(#{ n: i }); }";
    let bodies = [
        ("loop", "loop {}".to_owned()),
        ("while", "let x = 0; while true { x += 1; }".to_owned()),
        ("for over all ints", "for i in 0..9223372036854775807 {}".to_owned()),
        ("doubling a text with +", "let s = \"ab\"; loop { s = s + s; }".to_owned()),
        ("doubling a text with +=", "let s = \"ab\"; loop { s += s; }".to_owned()),
        ("doubling a text by interpolation", "let s = \"ab\"; loop { s = `${s}${s}`; }".to_owned()),
        ("replace with itself", "let s = \"aaaaaaaa\"; loop { s = s.replace(\"a\", s); }".to_owned()),
        ("join", format!("{} let l = s.split(\"a\"); loop {{ l.join(s); }}", text_of(9))),
        ("split", format!("{} loop {{ s.split(\"0\"); }}", text_of(10))),
        ("search a text", format!("{} loop {{ s.contains(\"zz\"); }}", text_of(10))),
        ("index a text", format!("{} loop {{ let c = s[16000]; }}", text_of(10))),
        ("slice a text", format!("{} loop {{ let t = s[1..16000]; }}", text_of(10))),
        ("slice a text in a row", format!("{} rows.insert(#{{ n: 1 }}); let r = rows.get(1); r.s = s; loop {{ let t = r.s[1..16000]; }}", text_of(10))),
        ("compare texts", format!("{} let t = s + \"\"; loop {{ s == t; }}", text_of(9))),
        ("interpolate a text", format!("{} loop {{ `${{s}}`; }}", text_of(10))),
        ("doubling a list with +", "let a = [1]; loop { a = a + a; }".to_owned()),
        ("doubling a list with +=", "let a = [1]; loop { a += a; }".to_owned()),
        ("push for ever", "let a = []; loop { a.push(1); }".to_owned()),
        ("insert for ever", "let a = []; loop { a.insert(0, 1); }".to_owned()),
        ("push a list for ever", "let l = [1,2,3,4,5,6,7,8]; let a = []; loop { a.push(l); }".to_owned()),
        ("three copies of itself", "let a = [1]; loop { a = [a, a, a]; }".to_owned()),
        ("nested ever deeper", "let a = []; loop { a = [a]; }".to_owned()),
        ("maps nested ever deeper", "let m = #{}; loop { m = #{ a: m }; }".to_owned()),
        ("two copies of itself in a map", "let m = #{ a: 1 }; loop { m = #{ a: m, b: m }; }".to_owned()),
        ("keys for ever", "let m = #{}; let i = 0; loop { m[`k${i}`] = i; i += 1; }".to_owned()),
        ("keys of a row for ever", "rows.insert(#{ n: 1 }); let m = rows.get(1); let i = 0; loop { m[`k${i}`] = i; i += 1; }".to_owned()),
        ("copy a list for ever", "let l = []; for i in 0..1000 { l.push(i); } loop { let x = l; }".to_owned()),
        ("walk over maps for ever", "let l = []; for i in 0..1000 { l.push(#{ a: i }); } loop { for x in l { break; } }".to_owned()),
        ("sort for ever", "let l = []; for i in 0..1000 { l.push(1000 - i); } loop { l.sorted(); }".to_owned()),
        ("sum for ever", "let l = []; for i in 0..1000 { l.push(i); } loop { l.sum(); }".to_owned()),
        ("allocate for ever", "loop { allocate(100, [1, 2, 3]); }".to_owned()),
        ("literals for ever", format!("loop {{ let x = {maps}; }}")),
        ("decimals for ever", "let x = dec(\"1.000000001\"); loop { x.times(dec(\"1.000000001\"), \"half_up\"); }".to_owned()),
        ("huge powers", "let x = 3; loop { x = x ** 40; }".to_owned()),
        ("huge shift", "1 << 9223372036854775807".to_owned()),
        ("rows for ever", "loop { rows.insert(#{ n: 1 }); }".to_owned()),
        ("read rows for ever", format!("{rows} loop {{ rows.where(\"n\", \">\", 3).rows(); }}")),
        ("sum rows for ever", format!("{rows} loop {{ rows.sum(\"n\"); }}")),
        ("group rows for ever", format!("{rows} loop {{ rows.sum_by(\"id\", \"n\"); }}")),
        ("order rows for ever", format!("{rows} loop {{ rows.order(\"who\").first(); }}")),
        ("build queries for ever", "loop { rows.where(\"n\", 1); }".to_owned()),
        ("conditions for ever", "let q = rows; loop { q = q.where(\"n\", 1); }".to_owned()),
        ("look up for ever", "loop { rows.exists(1); }".to_owned()),
        ("count for ever", "loop { rows.count(); }".to_owned()),
        ("events for ever", "loop { emit(\"x\", #{}); }".to_owned()),
        ("large events for ever", format!("{} loop {{ emit(\"x\", #{{ s: s }}); }}", text_of(10))),
        ("effects for ever", "loop { effect(\"a.b\", #{}); }".to_owned()),
        ("call the circle for ever", "loop { circle.guardians(); }".to_owned()),
        ("print for ever", "loop { print(\"x\"); }".to_owned()),
        ("many variables", variables),
        ("a large text", format!("let s = \"{}\";", many(20_000, "a"))),
        ("a large list", format!("let s = [{}];", many(20_000, "1,"))),
        ("parentheses", format!("{}1{}", many(5_000, "("), many(5_000, ")"))),
        ("brackets", format!("{}1{}", many(5_000, "["), many(5_000, "]"))),
        ("blocks", format!("{}1{}", many(5_000, "if true {"), many(5_000, "}"))),
        ("negations", format!("{}true", many(5_000, "!"))),
        ("a long sum", format!("1{}", many(5_000, "+1"))),
        ("a long chain", format!("let x = #{{}}; x{}", many(5_000, ".a"))),
        ("a long else if", format!("if false {{}} {}", many(5_000, "else if false {} "))),
        ("texts in texts", format!("{}{}", many(30, "`${"), many(30, "}`"))),
        ("a large file", many(70_000, " ")),
    ];
    let files = [
        (
            "recursion",
            "fn f(n) { f(n + 1) }\naction x() by anyone { f(0) }".to_owned(),
        ),
        (
            "two functions",
            "fn f(n) { g(n) }\nfn g(n) { f(n) }\naction x() by anyone { f(0) }".to_owned(),
        ),
        (
            "a tree of calls",
            "fn f(n) { if n > 0 { f(n - 1); f(n - 1); } }\naction x() by anyone { f(22) }"
                .to_owned(),
        ),
        (
            "literals in every frame",
            format!(
                "fn f(n) {{ {literals} if n > 0 {{ f(n - 1) }} else {{ loop {{}} }} }}\naction x() by anyone {{ f(22) }}"
            ),
        ),
        (
            "copies in every frame",
            format!(
                "fn f(n, l) {{ {copies} if n > 0 {{ f(n - 1, l) }} else {{ loop {{}} }} }}\naction x() by anyone {{ let l = []; for i in 0..200 {{ l.push(#{{ a: i }}); }} f(22, l) }}"
            ),
        ),
        (
            "many functions",
            format!("{functions}action x() by anyone {{}}"),
        ),
    ];
    let bodies = bodies.into_iter().map(|(name, body)| (name, around(&body)));
    let files = files
        .into_iter()
        .map(|(name, file)| (name, format!("policy test version 1\n{file}\n")));
    let mut log = String::new();
    for (name, source) in bodies.chain(files) {
        writeln!(log, "{name}: {}", code(&source)).unwrap();
    }
    expect![[r#"
        loop: limit.operations
        while: limit.operations
        for over all ints: limit.operations
        doubling a text with +: limit.size
        doubling a text with +=: limit.size
        doubling a text by interpolation: limit.size
        replace with itself: limit.size
        join: limit.size
        split: limit.memory
        search a text: limit.operations
        index a text: limit.operations
        slice a text: limit.operations
        slice a text in a row: limit.operations
        compare texts: limit.operations
        interpolate a text: limit.operations
        doubling a list with +: limit.size
        doubling a list with +=: limit.size
        push for ever: limit.size
        insert for ever: limit.size
        push a list for ever: limit.size
        three copies of itself: limit.size
        nested ever deeper: limit.operations
        maps nested ever deeper: limit.operations
        two copies of itself in a map: limit.size
        keys for ever: limit.operations
        keys of a row for ever: limit.memory
        copy a list for ever: limit.operations
        walk over maps for ever: limit.operations
        sort for ever: limit.operations
        sum for ever: limit.operations
        allocate for ever: limit.operations
        literals for ever: limit.operations
        decimals for ever: limit.operations
        huge powers: overflow
        huge shift: overflow
        rows for ever: limit.writes
        read rows for ever: limit.memory
        sum rows for ever: limit.operations
        group rows for ever: limit.memory
        order rows for ever: limit.operations
        build queries for ever: limit.memory
        conditions for ever: bad_query
        look up for ever: limit.operations
        count for ever: limit.operations
        events for ever: limit.events
        large events for ever: limit.memory
        effects for ever: limit.effects
        call the circle for ever: limit.operations
        print for ever: limit.operations
        many variables: limit.variables
        a large text: check: limit.literal
        a large list: check: limit.literal
        parentheses: check: limit.expression
        brackets: check: limit.expression
        blocks: check: limit.expression
        negations: check: limit.expression
        a long sum: check: limit.expression
        a long chain: check: limit.expression
        a long else if: check: limit.source
        texts in texts: check: too_deep
        a large file: check: limit.source
        recursion: limit.depth
        two functions: limit.depth
        a tree of calls: limit.operations
        literals in every frame: limit.operations
        copies in every frame: limit.operations
        many functions: check: limit.declarations
    "#]]
    .assert_eq(&log);
    if let Some(peak) = peak_kib() {
        assert!(peak < MOST_KIB, "the tests took {peak} KiB");
    }
}
