use super::typed::declarations;
use super::*;
use crate::value::{Amount, AssetCode, Assets, Decimal, Value, is_account};
use proptest::prelude::*;

/// Texts made of the pieces that matter to the parser, so that many are accepted and most are nearly accepted.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop::sample::select(vec![
        "!",
        "!!",
        "!!a.b",
        "!!a.b x:1",
        "\n!!c.d ",
        "x",
        "y:",
        "z: ",
        "k:'",
        "l:\"",
        "'",
        "\"",
        "\\",
        "\\'",
        ",",
        ", ",
        " ",
        "  ",
        "\n",
        "\n  ",
        "\n    ",
        "\r\n",
        "//",
        ":",
        "é",
        "$",
        "@",
        "> ",
        "<BR>",
        "word",
        "10:30",
        "\t",
        "\u{202e}",
        "![",
        "id:1",
        "n",
    ]);
    prop::collection::vec(scrap, 0..24).prop_map(|scraps| scraps.concat())
}

/// Values as people write them, with all that is hard to quote.
fn hard_text() -> impl Strategy<Value = String> {
    let scrap = prop::sample::select(vec![
        "a", "B", "é", "7", " ", "  ", "'", "\"", "\\", "\\n", ",", "//", ":", "k:", "!", "!!a.b",
        "$", "$x", "@", "@x", ">", "> ", "%", "\n", "\n", "\n  ", "<BR>", "-",
    ]);
    prop_oneof![
        prop::collection::vec(scrap, 0..10).prop_map(|scraps| scraps.concat()),
        "[a-z0-9]{0,8}",
        any::<String>()
    ]
}

/// Without positions, and in the order of the rendering.
fn meaning(mut statements: Vec<Statement>) -> Vec<String> {
    for statement in &mut statements {
        statement.position = Position { line: 0, column: 0 };
        statement
            .params
            .sort_by(|left, right| left.key.cmp(&right.key));
        statement
            .flags
            .sort_by(|left, right| left.name.cmp(&right.name));
    }
    statements.iter().map(line_of).collect()
}

fn any_raw() -> impl Strategy<Value = Raw> {
    prop_oneof![
        hard_text()
            .prop_filter("a text without form", |text| writable::text(text).is_ok())
            .prop_map(Raw::One),
        prop::collection::vec(list_item(), 2..5).prop_map(Raw::Many),
    ]
}

fn list_item() -> impl Strategy<Value = String> {
    let has_form =
        |item: &String| writable::text(item).is_ok() && writable::list_item(item).is_ok();
    hard_text().prop_filter("an item without form", has_form)
}

fn any_statement() -> impl Strategy<Value = Statement> {
    let mark = prop_oneof![Just(Mark::Ask), Just(Mark::Act), Just(Mark::World)];
    let params = prop::collection::btree_map("[a-h][a-z0-9_]{0,6}", any_raw(), 0..5);
    let flags = prop::collection::btree_set("[j-z][a-z0-9_]{0,6}", 0..3);
    (mark, params, flags).prop_map(|(mark, params, flags)| {
        let position = Position { line: 0, column: 0 };
        let params = params.into_iter().map(|(key, value)| Param {
            key,
            value,
            position,
            value_positions: Vec::new(),
        });
        let flags = flags.into_iter().map(|name| Flag { name, position });
        Statement {
            mark,
            actor: "actor".into(),
            name: "name".into(),
            params: params.collect(),
            flags: flags.collect(),
            position,
        }
    })
}

/// A value of a type that a text could give.
fn value_of(ty: &Type) -> BoxedStrategy<Value> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::Int => any::<i64>().prop_map(Value::Int).boxed(),
        Type::Decimal => any_decimal().prop_map(Value::Decimal).boxed(),
        Type::Amount => any_amount().boxed(),
        Type::Percent => any_decimal().prop_map(Value::Percent).boxed(),
        Type::Duration => any::<i64>().prop_map(Value::Duration).boxed(),
        Type::Time => (-62_135_596_800i64..=253_402_300_799)
            .prop_map(Value::Time)
            .boxed(),
        Type::Size => (0..=i64::MAX).prop_map(Value::Int).boxed(),
        Type::Text => writable_text().boxed(),
        Type::Bytes => any::<Vec<u8>>().prop_map(Value::Bytes).boxed(),
        Type::Account => {
            let account = prop_oneof!["[a-z0-9][a-z0-9_.-]{0,20}", "[0-9a-f]{64}"];
            account
                .prop_filter("an account", |name| is_account(name))
                .prop_map(Value::Account)
                .boxed()
        }
        Type::Id => any::<u64>().prop_map(Value::Id).boxed(),
        Type::OneOf(options) => prop::sample::select(options.clone())
            .prop_map(Value::Text)
            .boxed(),
        Type::List(item) if **item == Type::Text => prop::collection::vec(list_item(), 0..4)
            .prop_filter("an only item without form", |items| {
                items.len() != 1 || writable::only_item(&items[0]).is_ok()
            })
            .prop_map(|items| Value::List(items.into_iter().map(Value::Text).collect()))
            .boxed(),
        Type::List(item) => prop::collection::vec(value_of(item), 0..4)
            .prop_map(Value::List)
            .boxed(),
        Type::Any => prop_oneof![
            writable_text(),
            prop::collection::vec(list_item(), 2..4)
                .prop_map(|items| Value::List(items.into_iter().map(Value::Text).collect())),
        ]
        .boxed(),
        // Scripts hold actions without scripts here; deeper nesting has a test of its own.
        Type::Script => prop::collection::vec(prop_oneof![action_of(0), action_of(2)], 0..3)
            .prop_map(Value::Script)
            .boxed(),
        Type::Map => unreachable!("no declaration has a map"),
    }
}

fn writable_text() -> impl Strategy<Value = Value> {
    hard_text()
        .prop_filter("a text without form", |text| writable::text(text).is_ok())
        .prop_map(Value::Text)
}

fn any_decimal() -> impl Strategy<Value = Decimal> {
    (-i128::MAX..=i128::MAX, 0u32..127, 0u8..=18)
        .prop_map(|(mantissa, shift, scale)| Decimal::new(mantissa >> shift, scale).unwrap())
}

fn any_amount() -> impl Strategy<Value = Value> {
    let asset = prop::sample::select(vec!["TFT", "USDC"]);
    (any::<i64>(), asset).prop_map(|(units, asset)| {
        Value::Amount(Amount::new(units, AssetCode::new(asset).unwrap()))
    })
}

/// An action of the declaration with this index.
fn action_of(index: usize) -> BoxedStrategy<Action> {
    let signature = declarations().remove(index);
    let values: Vec<_> = signature
        .params
        .iter()
        .map(|declared| value_of(&declared.ty))
        .collect();
    values
        .prop_map(move |values| Action {
            mark: signature.mark,
            actor: signature.actor.clone(),
            name: signature.name.clone(),
            params: signature
                .params
                .iter()
                .map(|declared| declared.name.clone())
                .zip(values)
                .collect(),
        })
        .boxed()
}

fn any_actions() -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(
        prop_oneof![action_of(0), action_of(1), action_of(2), action_of(3)],
        0..3,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Nothing that can be typed makes the parser panic, and what it accepts has one rendering that says the same.
    #[test]
    fn an_accepted_text_means_the_same_after_rendering(text in scraps()) {
        if let Ok(statements) = parse(&text) {
            let rendered = render_untyped(&statements);
            let again = parse(&rendered);
            prop_assert!(again.is_ok(), "{rendered:?} {again:?}");
            let again = again.unwrap();
            prop_assert_eq!(render_untyped(&again), rendered);
            prop_assert_eq!(meaning(again), meaning(statements));
        }
    }

    /// A refusal points at a place that exists.
    #[test]
    fn an_error_points_into_the_text(text in prop_oneof![scraps(), any::<String>()]) {
        if let Err(error) = parse(&text) {
            let line = text.split('\n').nth(error.line as usize - 1);
            prop_assert!(line.is_some(), "{error}");
            prop_assert!(error.column as usize <= line.unwrap().chars().count() + 1, "{error}");
            prop_assert!(!error.reason.is_empty() && !error.mend.is_empty());
        }
    }

    #[test]
    fn bytes_never_make_the_parser_panic(bytes: Vec<u8>) {
        let _ = parse_bytes(&bytes);
    }

    /// Every statement that the rules of writing allow is read back, whatever its values hold.
    #[test]
    fn a_rendered_statement_is_read_back(statements in prop::collection::vec(any_statement(), 0..4)) {
        let rendered = render_untyped(&statements);
        let again = parse(&rendered);
        prop_assert!(again.is_ok(), "{rendered} {again:?}");
        prop_assert_eq!(meaning(again.unwrap()), meaning(statements));
    }

    /// The rules of writing allow exactly what the parser can give.
    #[test]
    fn a_parsed_value_is_writable(text in scraps()) {
        for statement in parse(&text).unwrap_or_default() {
            for param in statement.params {
                match param.value {
                    Raw::One(value) => prop_assert_eq!(writable::text(&value), Ok(())),
                    Raw::Many(items) => for item in items {
                        prop_assert_eq!(writable::text(&item), Ok(()));
                        prop_assert_eq!(writable::list_item(&item), Ok(()));
                    }
                }
            }
        }
    }

    /// Any text, written as people quote it, is read as itself.
    #[test]
    fn a_quoted_text_is_read_as_itself(value in "[ -~é]{0,30}") {
        prop_assume!(writable::sequence_fault(&value).is_none() && !value.ends_with('\\'));
        let text = format!("!!a.b x:'{}'", value.replace('\'', "\\'").replace('"', "\\\""));
        prop_assert_eq!(parse(&text).unwrap()[0].params[0].value.clone(), Raw::One(value));
    }

    /// Typing arbitrary text neither panics nor accepts what the check of a binary action refuses.
    #[test]
    fn typed_texts_pass_the_check_of_binary_actions(value in hard_text(), key in "urgent|int|amount|text|bytes|texts|any|script|choice|time") {
        let declarations = declarations();
        let assets = Assets::standard();
        let text = format!("!!demo.every {key}:'{}'", value.replace('\'', "\\'"));
        for action in read(&text, &declarations, &assets).unwrap_or_default() {
            prop_assert_eq!(check_action(&action, &declarations[3], &declarations, &assets), Ok(()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// What is signed can be shown, and what is shown reads back as what is signed.
    #[test]
    fn a_rendered_action_is_read_back(actions in any_actions()) {
        let declarations = declarations();
        let assets = Assets::standard();
        for action in &actions {
            let signature = declarations.signature(action.mark, &action.actor, &action.name).unwrap();
            prop_assert_eq!(check_action(action, &signature, &declarations, &assets), Ok(()));
        }
        let bytes = borsh::to_vec(&actions).unwrap();
        prop_assert_eq!(&borsh::from_slice::<Vec<Action>>(&bytes).unwrap(), &actions);
        let rendered = render(&actions, &assets);
        if rendered.len() <= MAX_TEXT {
            let again = read(&rendered, &declarations, &assets);
            prop_assert_eq!(again.as_ref(), Ok(&actions), "{}", rendered);
        }
    }
}
