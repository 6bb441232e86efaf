use super::*;
use expect_test::expect;

#[test]
fn the_mark_says_what_an_action_does() {
    check(
        "!iou.balance consumer:alice",
        expect![[r#"1:1 !iou.balance consumer="alice""#]],
    );
    check(
        "!!vote.cast proposal:7 choice:yes",
        expect![[r#"1:1 !!vote.cast proposal="7" choice="yes""#]],
    );
    check(
        "!!!stellar.pay to:bob",
        expect![[r#"1:1 !!!stellar.pay to="bob""#]],
    );
    check("!!a2_x.b_3", expect!["1:1 !!a2_x.b_3"]);
}

#[test]
fn parameters_keep_their_written_order_and_flags_stand_anywhere() {
    check(
        "!!a.b z:1 urgent a:2 dry_run m:3",
        expect![[r#"1:1 !!a.b z="1" a="2" m="3" +urgent +dry_run"#]],
    );
    check(
        "!!a.b   x:1    y:2   ",
        expect![[r#"1:1 !!a.b x="1" y="2""#]],
    );
}

#[test]
fn parameters_go_on_in_lines_indented_by_two_spaces_or_more() {
    check(
        "!!a.b x:1\n  y:2 urgent\n      z:3\n!!c.d\n  x:4",
        expect![[r#"
            1:1 !!a.b x="1" y="2" z="3" +urgent
            4:1 !!c.d x="4""#]],
    );
}

#[test]
fn what_lies_between_actions_means_nothing() {
    check(
        "# A heading\n\nSome prose with x:1, 'quotes and !! marks.\n\n!!a.b x:1\nmore prose\n\n// a comment\n![an image](x.png)\n!!c.d\n// !!e.f\n",
        expect![[r#"
            5:1 !!a.b x="1"
            10:1 !!c.d"#]],
    );
    check("", expect![[""]]);
    check("\n \n   \nprose", expect![[""]]);
}

#[test]
fn a_space_may_follow_the_colon() {
    check(
        "!!a.b x: 1 y:  two z: 'three four'",
        expect![[r#"1:1 !!a.b x="1" y="two" z="three four""#]],
    );
    check(
        "!!a.b at: 10:30 host: [::1]:80",
        expect![[r#"1:1 !!a.b at="10:30" host="[::1]:80""#]],
    );
}

#[test]
fn a_bare_value_is_any_word() {
    check(
        "!!a.b x:TFT y:12.50 z:35% u:100TFT v:-7 w:Zürich",
        expect![[r#"1:1 !!a.b x="TFT" y="12.50" z="35%" u="100TFT" v="-7" w="Zürich""#]],
    );
    check(
        "!!a.b time:10:30 a:b:1 path:/etc/x dir:C:\\new price:5$ mail:bob@example.com",
        expect![[
            r#"1:1 !!a.b time="10:30" a="b:1" path="/etc/x" dir="C:\\new" price="5$" mail="bob@example.com""#
        ]],
    );
}

#[test]
fn a_quoted_value_holds_what_a_bare_one_may_not() {
    check(
        "!!a.b x:'a b' y:\"c d\" z:'https://x/y' l:'a, b' e:'' f:\"\"",
        expect![[r#"1:1 !!a.b x="a b" y="c d" z="https://x/y" l="a, b" e="" f="""#]],
    );
    check(
        r#"!!a.b x:'it\'s' y:"it's" z:'say "hi"' u:"say \"hi\"" v:'C:\new'"#,
        expect![[r#"1:1 !!a.b x="it's" y="it's" z="say \"hi\"" u="say \"hi\"" v="C:\\new""#]],
    );
    check(
        "!!a.b x:' padded ' y:'!!c.d e:1' z:'// no comment' k:'b:1'",
        expect![[r#"1:1 !!a.b x=" padded " y="!!c.d e:1" z="// no comment" k="b:1""#]],
    );
}

#[test]
fn a_list_has_commas_outside_of_quotes() {
    check(
        "!!a.b x:a, b, 'c d' y:1,2,3 z:\"a, b\",c flag",
        expect![[r#"1:1 !!a.b x=["a", "b", "c d"] y=["1", "2", "3"] z=["a, b", "c"] +flag"#]],
    );
    check("!!a.b x: a,  b", expect![[r#"1:1 !!a.b x=["a", "b"]"#]]);
}

#[test]
fn a_value_of_several_lines_loses_its_common_indentation() {
    check(
        "!!vote.propose\n  title:'\n    Raise the price\n      of storage\n    '\n  closes:7d",
        expect![[r#"1:1 !!vote.propose title="Raise the price\n  of storage" closes="7d""#]],
    );
    check(
        "!!a.b text:'\n  one\n\n  three  \n'\n  x:1",
        expect![[r#"1:1 !!a.b text="one\n\nthree  " x="1""#]],
    );
    check(
        "!!a.b x:1 text: \"\n  it's \\n 'quoted', // and: so on\n  \"",
        expect![[r#"1:1 !!a.b x="1" text="it's \\n 'quoted', // and: so on""#]],
    );
    check(
        "!!a.b text:'\nat the margin\n'\nprose",
        expect![[r#"1:1 !!a.b text="at the margin""#]],
    );
    check(
        "!!a.b x:'\n  '\n  y:'\n\n  '\n  z:'\n\n\n  '",
        expect![[r#"1:1 !!a.b x="" y="" z="\n""#]],
    );
}

#[test]
fn lines_end_with_lf_or_cr_lf() {
    check(
        "!!a.b x:1\r\n  y:'\r\n  one\r\n  two\r\n  '\r\nprose\r\n",
        expect![[r#"1:1 !!a.b x="1" y="one\ntwo""#]],
    );
}

#[test]
fn letters_of_all_languages_and_joined_emoji_are_text() {
    check(
        "!!a.b x:'日本 فارسی می‌خواهم 👩‍👩‍👧'",
        expect![[r#"1:1 !!a.b x="日本 فارسی می\u{200c}خواهم 👩\u{200d}👩\u{200d}👧""#]],
    );
}

#[test]
fn positions_count_characters() {
    let statements = parse("\n!!a.b ü:1").unwrap_err();
    assert_eq!((statements.line, statements.column), (2, 7));
    let statements =
        parse("é\n!!a.b x:'ééé' y:a, 'b c' flag\n  z:'\n     one\n    two\n  '").unwrap();
    let Statement { params, flags, .. } = &statements[0];
    let at = |line, column| Position { line, column };
    assert_eq!(params[0].value_positions, [at(2, 10)]);
    assert_eq!(params[1].position, at(2, 15));
    assert_eq!(params[1].value_positions, [at(2, 17), at(2, 21)]);
    assert_eq!(flags[0].position, at(2, 26));
    assert_eq!(params[2].position, at(3, 3));
    assert_eq!(params[2].value_position(), at(4, 5));
}

#[test]
fn a_text_may_have_64_kib() {
    let fill = |length: usize| {
        let start = "!!a.b x:'";
        format!("{start}{}'", "é".repeat((length - start.len() - 1) / 2))
    };
    assert_eq!(fill(MAX_TEXT).len(), MAX_TEXT);
    assert!(parse(&fill(MAX_TEXT)).is_ok());
    assert_eq!(parse(&fill(MAX_TEXT + 2)).unwrap_err().code, "too_long");
}

#[test]
fn statements_have_one_rendering() {
    let check = |text: &str, expected: Expect| {
        let rendered = render_untyped(&parse(text).unwrap());
        expected.assert_eq(&rendered);
        assert_eq!(render_untyped(&parse(&rendered).unwrap()), rendered);
    };
    check(
        "prose\n!!a.b  z:\"1\" urgent x: 'a b'  dry y:q,  \"r\", 's t'\n\n!c.d",
        expect![[r#"
            !!a.b x:'a b' y:q, r, 's t' z:1 dry urgent
            !c.d
        "#]],
    );
    check(
        r#"!!a.b a:'it\'s' b:"say \"hi\"" c:'https://x' d:'' e:a/b f:C:\new g:'C:\new x' h:back\"#,
        expect![[r#"
            !!a.b a:'it\'s' b:'say \"hi\"' c:'https://x' d:'' e:'a/b' f:'C:\new' g:'C:\new x' h:back\
        "#]],
    );
    check(
        "!!a.b note:'\n  ends with \\\n  '\n  x:1",
        expect![[r#"
        !!a.b
          note:'
            ends with \
            '
          x:1
    "#]],
    );
}

#[test]
fn a_long_action_or_one_of_several_lines_has_a_line_for_each_parameter() {
    let check =
        |text: &str, expected: Expect| expected.assert_eq(&render_untyped(&parse(text).unwrap()));
    check(
        "!!a.b text:\"\n one\n\n   two\n\"\n  x:1 flag",
        expect![[r#"
            !!a.b
              text:'
                one

                  two
                '
              x:1
              flag
        "#]],
    );
    let long = format!("!!a.b x:{} y:1", "x".repeat(86));
    check(
        &long,
        expect![[r#"
        !!a.b x:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx y:1
    "#]],
    );
    check(
        &(long + "2"),
        expect![[r#"
        !!a.b x:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx y:12
    "#]],
    );
}
