use super::typed::{actions, declarations, declared, list_of};
use super::*;
use crate::value::{Amount, AssetCode, Assets, Value};
use expect_test::expect;

/// A decoded action, changed in one place, against its declaration.
#[test]
fn a_binary_action_is_held_to_the_same_rules_as_a_text() {
    let declarations = declarations();
    let check = |change: &dyn Fn(&mut Action), expected: Expect| {
        let text = "!!demo.every script:'!!treasury.pay to:bob amount:5TFT'";
        let mut action = actions(text).unwrap().remove(0);
        change(&mut action);
        let result = check_action(
            &action,
            &declarations[3],
            &declarations,
            &Assets::standard(),
        );
        expected.assert_eq(&match result {
            Ok(()) => "fine".to_owned(),
            Err(fault) => format!("[{}] {}; {}", fault.code, fault.reason, fault.mend),
        });
    };
    let set = |name: &'static str, value: Value| {
        move |action: &mut Action| {
            let param = action
                .params
                .iter_mut()
                .find(|(key, _)| key == name)
                .unwrap();
            param.1 = value.clone();
        }
    };
    let text = |text: &str| Value::Text(text.to_owned());
    check(&|_| (), expect!["fine"]);
    check(
        &|action| action.mark = Mark::World,
        expect![
            "[wrong_action] `!!!demo.every` where `!!demo.every` is declared; use the declaration of the action"
        ],
    );
    check(
        &|action| action.params.swap(0, 1),
        expect![
            "[wrong_parameters] the parameters of `!!demo.every` are not the declared ones in the declared order; make the action from a text, by the declaration that is active now"
        ],
    );
    check(
        &|action| drop(action.params.pop()),
        expect![
            "[wrong_parameters] the parameters of `!!demo.every` are not the declared ones in the declared order; make the action from a text, by the declaration that is active now"
        ],
    );
    check(
        &set("int", Value::Id(1)),
        expect![
            "[wrong_type] `int` of `!!demo.every`: a value of the kind id that is not an int; give an int, as in 42"
        ],
    );
    check(
        &set("size", Value::Int(-1)),
        expect![
            "[wrong_type] `size` of `!!demo.every`: a value of the kind int that is not a size; give a size, as in 4GB"
        ],
    );
    check(
        &set("choice", text("maybe")),
        expect![
            "[wrong_type] `choice` of `!!demo.every`: a value of the kind text that is not one of yes, no, abstain; give one of yes, no, abstain, as in yes"
        ],
    );
    check(
        &set("account", Value::Account("b b".into())),
        expect![
            "[wrong_type] `account` of `!!demo.every`: a value of the kind account that is not an account; give an account, as in alice"
        ],
    );
    check(
        &set(
            "amount",
            Value::Amount(Amount::new(1, AssetCode::new("EUR").unwrap())),
        ),
        expect![
            "[unknown_asset] `amount` of `!!demo.every`: the asset EUR is not known here; use one of: TFT, USDC"
        ],
    );
    check(
        &set("time", Value::Time(i64::MAX)),
        expect![
            "[out_of_range] `time` of `!!demo.every`: the time 9223372036854775807 s since 1970; stay within the years 0001 to 9999"
        ],
    );
    check(
        &set("text", text("a\u{202e}b")),
        expect![
            "[bidirectional_override] `text` of `!!demo.every`: the character U+202E, which changes the order in which text is shown; remove it"
        ],
    );
    check(
        &set("text", text("a\n!!vote.cast")),
        expect![
            "[mark_in_value] `text` of `!!demo.every`: a line starting with `!` inside a value, where other readers of 3Script begin an action; put `> ` before it, or move it away from the start of the line"
        ],
    );
    check(
        &set("text", text("  a\n  b")),
        expect![
            "[text_without_form] `text` of `!!demo.every`: a value of several lines that all begin with spaces; remove those spaces"
        ],
    );
    check(
        &set("text", text("$HOME")),
        expect![
            "[substitution] `text` of `!!demo.every`: `$` before a name, which other readers of 3Script replace by something from outside; write out what is meant; nothing outside the text may change its meaning"
        ],
    );
    check(
        &set("any", Value::Int(1)),
        expect![
            "[wrong_type] `any` of `!!demo.every`: a value of the kind int that is not a text or a list of texts; give a text or a list of texts, as in 'a text'"
        ],
    );
    check(
        &set("any", Value::List(vec![text("a")])),
        expect![
            "[wrong_type] `any` of `!!demo.every`: a value of the kind list that is not a text or a list of texts; give a text or a list of texts, as in 'a text'"
        ],
    );
    check(
        &set("texts", Value::List(vec![text("a"), text("")])),
        expect![
            "[empty_item] `texts` of `!!demo.every`: an empty item in a list, which other readers of 3Script drop; remove the item"
        ],
    );
    check(
        &set("texts", Value::List(vec![text("a, b")])),
        expect![
            "[quoted_list] `texts` of `!!demo.every`: a quoted value with a comma as a list, which other readers of 3Script split into several items; quote each item on its own: a, b, 'c d'"
        ],
    );
    check(
        &set("texts", Value::List(vec![text("a"), Value::Int(1)])),
        expect![
            "[wrong_type] `texts` of `!!demo.every`: a value of the kind list that is not a list of text; give a list of text, as in 'a text', 'a text'"
        ],
    );
    let inner = |change: &dyn Fn(&mut Action)| {
        let mut pay = actions("!!treasury.pay to:bob amount:5TFT")
            .unwrap()
            .remove(0);
        change(&mut pay);
        Value::Script(vec![pay])
    };
    check(
        &set("script", inner(&|pay| pay.name = "steal".into())),
        expect![
            "[unknown_action] `script` of `!!demo.every`: nobody declares `!!treasury.steal`; use an action that an active policy declares"
        ],
    );
    check(
        &set("script", inner(&|pay| pay.params[2].1 = text("a\tb"))),
        expect![
            "[control_character] `script` of `!!demo.every`: `memo` of `!!treasury.pay`: a tab, which readers show with different widths; use spaces"
        ],
    );
}

#[test]
fn what_cannot_be_read_back_is_shown_without_hiding_anything() {
    let text = |text: &str| Value::Text(text.to_owned());
    let map = |entries: &[(&str, Value)]| {
        Value::Map(
            entries
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect(),
        )
    };
    let tft = |units| Value::Amount(Amount::new(units, AssetCode::new("TFT").unwrap()));
    let line = |to: &str, units| {
        map(&[
            ("to", Value::Account(to.to_owned())),
            ("amount", tft(units)),
        ])
    };
    let params = [
        (
            "lines",
            Value::List(vec![line("bob", 50_000_000), line("carol", 1)]),
        ),
        (
            "limits",
            map(&[("day", tft(10_000_000)), ("odd key\n", Value::Unit)]),
        ),
        ("hidden", text("a\u{202e}b\n'!!vote.cast\\")),
        (
            "nested",
            Value::List(vec![
                Value::List(vec![Value::Int(1), Value::Int(2)]),
                text("a\tb"),
                text("plain"),
            ]),
        ),
        (
            "foreign",
            Value::Amount(Amount::new(7, AssetCode::new("EUR").unwrap())),
        ),
        ("far", Value::Time(i64::MAX)),
        ("nothing", Value::Unit),
    ];
    let params = params.map(|(key, value)| (key.to_owned(), value)).into();
    let action = Action {
        mark: Mark::World,
        actor: "stellar".into(),
        name: "pay".into(),
        params,
    };
    expect![[r#"
        !!!stellar.pay
          lines:'
            > - amount:'5 TFT' to:bob
            > - amount:'0.0000001 TFT' to:carol
            '
          limits:'
            > - day:'1 TFT' 'odd key\u{a}':''
            '
          hidden:'a\u{202e}b\u{a}\'!!vote.cast\u{5c}'
          nested:'
            > > 1
            > > 2
            > 'a\u{9}b'
            > plain
            '
          foreign:'7 units of EUR'
          far:'9223372036854775807 s since 1970'
          nothing:''
    "#]]
    .assert_eq(&render(&[action], &Assets::standard()));
}

#[test]
fn declarations_are_checked_before_texts_are_read_by_them() {
    let check = |params: &[(&str, Type, Option<Value>)], expected: Expect| {
        let result = declared("!!a.b", params).check(&Assets::standard());
        expected.assert_eq(&match result {
            Ok(()) => "fine".to_owned(),
            Err(error) => format!("[{}] {error}", error.code()),
        });
    };
    for signature in declarations() {
        assert_eq!(signature.check(&Assets::standard()), Ok(()));
    }
    check(
        &[("id", Type::Id, None)],
        expect![
            "[reserved_name] a parameter may not be called `id`, which other readers of 3Script drop; say whose id it is, as in `proposal`"
        ],
    );
    check(
        &[("Key", Type::Id, None)],
        expect![
            "[malformed_name] `Key` is no name; begin with a letter a-z and use a-z, 0-9 and _"
        ],
    );
    check(
        &[("x", Type::Id, None), ("x", Type::Int, None)],
        expect!["[duplicate_parameter] the parameter `x` is declared twice; rename one"],
    );
    check(
        &[("x", Type::Map, None)],
        expect![
            "[type_without_text] the parameter `x` is of the type map, which cannot be written in an action; use a list, a script or several parameters"
        ],
    );
    check(
        &[("x", list_of(list_of(Type::Int)), None)],
        expect![
            "[type_without_text] the parameter `x` is of the type list of list of int, which cannot be written in an action; use a list, a script or several parameters"
        ],
    );
    check(
        &[("x", Type::OneOf(vec!["a\tb".into()]), None)],
        expect![[
            r#"[type_without_text] the parameter `x` is of the type one_of("a\tb"), which cannot be written in an action; use a list, a script or several parameters"#
        ]],
    );
    check(
        &[("x", Type::Int, Some(Value::Id(1)))],
        expect![
            "[bad_default] the default of `x` is not an int: a value of the kind id that is not an int; change the default or the type"
        ],
    );
    check(
        &[("x", Type::Text, Some(Value::Text("$HOME".into())))],
        expect![
            "[bad_default] the default of `x` is not text: `$` before a name, which other readers of 3Script replace by something from outside; change the default or the type"
        ],
    );
}
