use super::*;
use crate::value::{Amount, AssetCode, Assets, MAX_DEPTH, Value};
use expect_test::expect;

pub(super) fn declared(title: &str, params: &[(&str, Type, Option<Value>)]) -> Signature {
    let name = title.trim_start_matches('!');
    let mark = [Mark::Ask, Mark::Act, Mark::World][title.len() - name.len() - 1];
    let (actor, name) = name.split_once('.').unwrap();
    let params = params.iter().map(|(name, ty, default)| ParamDecl {
        name: (*name).to_owned(),
        ty: ty.clone(),
        default: default.clone(),
        doc: String::new(),
    });
    Signature {
        mark,
        actor: actor.to_owned(),
        name: name.to_owned(),
        params: params.collect(),
    }
}

fn choices() -> Type {
    Type::OneOf(["yes", "no", "abstain"].map(str::to_owned).into())
}

pub(super) fn list_of(item: Type) -> Type {
    Type::List(Box::new(item))
}

pub(super) fn declarations() -> Vec<Signature> {
    let empty = || Some(Value::Text(String::new()));
    vec![
        declared(
            "!!vote.cast",
            &[
                ("proposal", Type::Id, None),
                ("choice", choices(), None),
                ("reason", Type::Text, empty()),
            ],
        ),
        declared(
            "!!vote.propose",
            &[
                ("title", Type::Text, None),
                ("script", Type::Script, None),
                ("closes", Type::Duration, Some(Value::Duration(604_800))),
            ],
        ),
        declared(
            "!!treasury.pay",
            &[
                ("to", Type::Account, None),
                ("amount", Type::Amount, None),
                ("memo", Type::Text, empty()),
            ],
        ),
        declared(
            "!!demo.every",
            &[
                ("urgent", Type::Bool, None),
                ("quiet", Type::Bool, Some(Value::Bool(true))),
                ("int", Type::Int, Some(Value::Int(0))),
                (
                    "decimal",
                    Type::Decimal,
                    Some(Value::Decimal(crate::value::Decimal::ZERO)),
                ),
                (
                    "percent",
                    Type::Percent,
                    Some(Value::Percent(crate::value::Decimal::ZERO)),
                ),
                (
                    "amount",
                    Type::Amount,
                    Some(Value::Amount(Amount::new(
                        0,
                        AssetCode::new("TFT").unwrap(),
                    ))),
                ),
                ("duration", Type::Duration, Some(Value::Duration(0))),
                ("time", Type::Time, Some(Value::Time(0))),
                ("size", Type::Size, Some(Value::Int(0))),
                ("text", Type::Text, empty()),
                ("bytes", Type::Bytes, Some(Value::Bytes(Vec::new()))),
                (
                    "account",
                    Type::Account,
                    Some(Value::Account("circle".into())),
                ),
                ("row", Type::Id, Some(Value::Id(0))),
                ("choice", choices(), Some(Value::Text("abstain".into()))),
                ("texts", list_of(Type::Text), Some(Value::List(Vec::new()))),
                (
                    "amounts",
                    list_of(Type::Amount),
                    Some(Value::List(Vec::new())),
                ),
                ("any", Type::Any, empty()),
                ("script", Type::Script, Some(Value::Script(Vec::new()))),
            ],
        ),
    ]
}

pub(super) fn actions(text: &str) -> Result<Vec<Action>, ActionError> {
    read(text, &declarations(), &Assets::standard())
}

/// The canonical text of what was read, or why it is refused. The canonical text must read back as the same actions.
fn check(text: &str, expected: Expect) {
    let assets = Assets::standard();
    let shown = match actions(text) {
        Ok(read) => {
            let rendered = render(&read, &assets);
            assert_eq!(actions(&rendered).as_ref(), Ok(&read), "{rendered}");
            rendered
        }
        Err(error) => format!("[{}] {error}", error.code),
    };
    expected.assert_eq(&shown);
}

#[test]
fn an_action_is_shown_in_declared_order_with_its_defaults() {
    check(
        "!!vote.cast choice:yes proposal:7",
        expect![[r#"
        !!vote.cast proposal:7 choice:yes reason:''
    "#]],
    );
    check(
        "!!treasury.pay amount:100TFT to:bob memo:\"for \\\"May\\\"\"",
        expect![[r#"
            !!treasury.pay to:bob amount:'100 TFT' memo:'for \"May\"'
        "#]],
    );
}

#[test]
fn each_type_has_its_form() {
    check(
        "!!demo.every urgent quiet:false int:-42 decimal:12.50 percent:35.0% amount:'0.10 USDC' duration:48h\n  time:2024-02-01 size:4GB \
         text:'a b' bytes:00FF account:alice row:7 choice:no texts:a, 'b c', \"d,e\" amounts:1TFT,'2 USDC' any:x, y script:''",
        expect![[r#"
            !!demo.every
              urgent
              quiet:false
              int:-42
              decimal:12.5
              percent:35%
              amount:'0.1 USDC'
              duration:2d
              time:'2024-02-01 00:00:00'
              size:4294967296
              text:'a b'
              bytes:00ff
              account:alice
              row:7
              choice:no
              texts:a, 'b c', 'd,e'
              amounts:'1 TFT', '2 USDC'
              any:x, y
              script:''
        "#]],
    );
}

#[test]
fn a_bool_is_a_flag_or_says_false() {
    let flags = |text: &str| {
        let action = actions(text).unwrap().remove(0);
        (
            action.param("urgent").cloned().unwrap(),
            action.param("quiet").cloned().unwrap(),
        )
    };
    assert_eq!(
        flags("!!demo.every"),
        (Value::Bool(false), Value::Bool(true))
    );
    assert_eq!(
        flags("!!demo.every urgent quiet"),
        (Value::Bool(true), Value::Bool(true))
    );
    assert_eq!(
        flags("!!demo.every urgent:true quiet:false"),
        (Value::Bool(true), Value::Bool(false))
    );
}

#[test]
fn a_list_of_one_is_written_like_one_value() {
    let texts = |text: &str| actions(text).unwrap()[0].param("texts").cloned().unwrap();
    let list = |items: &[&str]| {
        Value::List(
            items
                .iter()
                .map(|item| Value::Text((*item).to_owned()))
                .collect(),
        )
    };
    assert_eq!(texts("!!demo.every texts:a"), list(&["a"]));
    assert_eq!(texts("!!demo.every texts:''"), list(&[]));
    assert_eq!(texts("!!demo.every texts:a,'b, c'"), list(&["a", "b, c"]));
    check(
        "!!demo.every texts:'a, b'",
        expect![
            "[quoted_list] line 1, column 21: a quoted value with a comma as a list, which other readers of 3Script split into several items; quote each item on its own: a, b, 'c d'"
        ],
    );
}

#[test]
fn a_script_is_actions_behind_greater_signs() {
    let one = "!!vote.propose title:'Pay Bob' script:'!!treasury.pay to:bob amount:\"5 TFT\"'";
    let lines = "!!vote.propose title:'Pay Bob'\n  script:'\n    > !!treasury.pay\n    >   to:bob amount:'5 TFT'\n    '";
    assert_eq!(actions(one), actions(lines));
    check(
        one,
        expect![[r#"
        !!vote.propose
          title:'Pay Bob'
          script:'
            > !!treasury.pay to:bob amount:'5 TFT' memo:''
            '
          closes:7d
    "#]],
    );
    check(
        "!!vote.propose title:Nested closes:1d script:'\n  > !!vote.propose title:Inner\n  >   script:'\n  >     > !!treasury.pay to:bob amount:5TFT\n  >     >   memo:'\n  >     >     two\n  >     >\n  >     >       lines\n  >     >   '\n  >   '\n  > !!vote.cast proposal:1 choice:no\n  '",
        expect![[r#"
            !!vote.propose
              title:Nested
              script:'
                > !!vote.propose
                >   title:Inner
                >   script:'
                >     > !!treasury.pay
                >     >   to:bob
                >     >   amount:'5 TFT'
                >     >   memo:'
                >     >     two
                >     >
                >     >       lines
                >     >     '
                >     '
                >   closes:7d
                > !!vote.cast proposal:1 choice:no reason:''
                '
              closes:1d
        "#]],
    );
}

#[test]
fn errors_inside_a_script_point_into_the_text() {
    check(
        "!!vote.propose title:x\n  script:'\n    > !!treasury.pay to:bob amount:5TFT\n    > !!vote.cast proposal:1 choice:maybe\n    '",
        expect![
            "[malformed_value] line 4, column 37: `maybe` is not one of yes, no, abstain; write one of: yes, no, abstain"
        ],
    );
    check(
        "!!vote.propose title:x\n  script:'\n    > !!vote.cast proposal:1 choice:'yes\n    '",
        expect![
            "[unterminated_quote] line 3, column 37: a quote that is not closed; close the quote on the same line; for several lines, end the line with choice:'"
        ],
    );
    check(
        "!!vote.propose title:x script:'!!vote.cast proposal:x choice:yes'",
        expect![
            "[malformed_value] line 1, column 53: `x` is not an id; write digits only, as in 7"
        ],
    );
    check(
        "!!vote.propose title:x script:'vote.cast proposal:1'",
        expect![
            "[malformed_script] line 1, column 32: a line of a script without `>`; write each line of a script behind `> `, as in > !!vote.cast proposal:7 choice:yes"
        ],
    );
    check(
        "!!vote.propose title:x script:'> vote.cast proposal:1'",
        expect![
            "[prose_in_script] line 1, column 34: a line that is no action; begin each action of a script with its mark, as in !!vote.cast"
        ],
    );
    check(
        "!!vote.propose title:x\n  script:'\n    > !!vote.cast proposal:1 choice:yes\n    and more\n    '",
        expect![
            "[malformed_script] line 4, column 5: a line of a script without `>`; write each line of a script behind `> `, as in > !!vote.cast proposal:7 choice:yes"
        ],
    );
}

#[test]
fn what_the_declaration_does_not_allow_is_refused_with_a_mend() {
    check(
        "!!vote.cats proposal:7",
        expect![
            "[unknown_action] line 1, column 1: nobody declares `!!vote.cats`; did you mean `!!vote.cast`?"
        ],
    );
    check(
        "!vote.cast proposal:7",
        expect![
            "[unknown_action] line 1, column 1: nobody declares `!vote.cast`; did you mean `!!vote.cast`?"
        ],
    );
    check(
        "!!stellar.merge",
        expect![
            "[unknown_action] line 1, column 1: nobody declares `!!stellar.merge`; use an action that an active policy declares"
        ],
    );
    check(
        "!!vote.cast proposal:7",
        expect![
            "[missing_parameter] line 1, column 1: `!!vote.cast` needs `choice`, which is one of yes, no, abstain; add choice:yes"
        ],
    );
    check(
        "!!vote.cast proposal:7 choise:yes",
        expect![
            "[unknown_parameter] line 1, column 24: `!!vote.cast` has no parameter `choise`; did you mean `choice`?"
        ],
    );
    check(
        "!!vote.cast proposal:7 choice:yes weather:fine",
        expect![
            "[unknown_parameter] line 1, column 35: `!!vote.cast` has no parameter `weather`; use one of: proposal, choice, reason"
        ],
    );
    check(
        "!!vote.cast proposal choice:yes",
        expect![
            "[flag_for_value] line 1, column 13: `proposal` without a value; it takes an id; write proposal:7"
        ],
    );
    check(
        "!!vote.cast proposal:7 choice:yess",
        expect![
            "[malformed_value] line 1, column 31: `yess` is not one of yes, no, abstain; did you mean `yes`?"
        ],
    );
    check(
        "!!vote.cast proposal:7 choice:certainly",
        expect![
            "[malformed_value] line 1, column 31: `certainly` is not one of yes, no, abstain; write one of: yes, no, abstain"
        ],
    );
    check(
        "!!vote.cast proposal:seven choice:yes",
        expect![
            "[malformed_value] line 1, column 22: `seven` is not an id; write digits only, as in 7"
        ],
    );
    check(
        "!!vote.cast proposal:7 choice:yes reason:cheap, good",
        expect![
            "[unexpected_list] line 1, column 42: a list for `reason`, which takes text; give one value, and quote a comma inside it, as in reason:'a, b'"
        ],
    );
    check(
        "!!treasury.pay to:b+b amount:5TFT",
        expect![
            "[malformed_value] line 1, column 19: `b+b` is not an account; write a name of A-Z, a-z, 0-9, `_`, `-` and `.`, or a key of 64 hexadecimal digits in lower case"
        ],
    );
    check(
        "!!treasury.pay to:bob amount:5",
        expect![
            "[malformed_value] line 1, column 30: `5` is not an amount; write a number and an asset, as in '12.50 TFT'"
        ],
    );
    check(
        "!!treasury.pay to:bob amount:'5 EUR'",
        expect![
            "[unknown_asset] line 1, column 31: the asset EUR is not known here; use one of: TFT, USDC"
        ],
    );
    check(
        "!!treasury.pay to:bob amount:'0.00000001 TFT'",
        expect![
            "[too_fine] line 1, column 31: `0.00000001 TFT` has more than the 7 decimals of TFT; round it to 7"
        ],
    );
    check(
        "!!treasury.pay to:bob amount:'1,000 TFT'",
        expect![
            "[malformed_value] line 1, column 31: `1,000 TFT` is not an amount; write digits with at most one point, as in 12.50"
        ],
    );
    check(
        "!!demo.every urgent:maybe",
        expect![
            "[malformed_value] line 1, column 21: `maybe` is not a bool; write true or false, or only the name for true"
        ],
    );
    check(
        "!!demo.every bytes:0",
        expect![
            "[malformed_value] line 1, column 20: `0` is not bytes; write two hexadecimal digits per byte, as in 00ff"
        ],
    );
    check(
        "!!demo.every amounts:1TFT, 2",
        expect![
            "[malformed_value] line 1, column 28: `2` is not an amount; write a number and an asset, as in '12.50 TFT'"
        ],
    );
    check(
        "!!demo.every time:'2024-02-30 00:00:00'",
        expect![
            "[malformed_value] line 1, column 20: `2024-02-30 00:00:00` is not a time; write a day that the calendar has"
        ],
    );
    check(
        "!!demo.every size:4gb",
        expect![
            "[malformed_value] line 1, column 19: `4gb` is not a size; write a whole number and one unit out of B, KB, MB, GB, TB, PB, as in 4GB"
        ],
    );
    check(
        "!!demo.every duration:7",
        expect![
            "[malformed_value] line 1, column 23: `7` is not a duration; write a whole number and one unit out of d, h, m, s, as in 24h"
        ],
    );
    check(
        "!!demo.every percent:35",
        expect![
            "[malformed_value] line 1, column 22: `35` is not a percentage; write a number and a percent sign, as in 12.5%"
        ],
    );
    check(
        "!!demo.every decimal:1e3",
        expect![
            "[malformed_value] line 1, column 22: `1e3` is not a decimal; write digits with at most one point, as in 12.50"
        ],
    );
    check(
        "!!demo.every int:99999999999999999999",
        expect![
            "[overflow] line 1, column 18: `99999999999999999999` does not fit into its type; use a smaller number"
        ],
    );
}

#[test]
fn scripts_are_nested_no_deeper_than_values_may_be() {
    let nested = |levels: usize| {
        (1..levels).fold(
            "!!vote.cast proposal:1 choice:yes\n".to_owned(),
            |inner, _| {
                let quoted: String = inner
                    .lines()
                    .map(|line| format!("    > {line}\n"))
                    .collect();
                format!("!!vote.propose title:x\n  script:'\n{quoted}    '\n")
            },
        )
    };
    let deepest = actions(&nested(MAX_DEPTH)).unwrap();
    assert_eq!(
        borsh::from_slice::<Vec<Action>>(&borsh::to_vec(&deepest).unwrap()).unwrap(),
        deepest
    );
    assert_eq!(
        actions(&nested(MAX_DEPTH + 1)).unwrap_err().code,
        "too_deep"
    );
}

#[test]
fn golden_bytes_of_actions() {
    let read =
        actions("!!vote.cast proposal:7 choice:yes\n!!treasury.pay to:bob amount:5TFT memo:May")
            .unwrap();
    let bytes = borsh::to_vec(&read).unwrap();
    assert_eq!(borsh::from_slice::<Vec<Action>>(&bytes).unwrap(), read);
    expect!["020000000104000000766f74650400000063617374030000000800000070726f706f73616c0a07000000000000000600000063686f696365070300000079657306000000726561736f6e070000000001080000007472656173757279030000007061790300000002000000746f0903000000626f6206000000616d6f756e740380f0fa020000000003000000544654040000006d656d6f07030000004d6179"].assert_eq(&hex::encode(bytes));
}
