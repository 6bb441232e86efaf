use super::*;
use crate::action::Mark;
use expect_test::{Expect, expect};

/// One value of every kind; their bytes are signed and hashed, so they never change.
#[test]
fn golden_bytes_of_every_kind() {
    let action = Action {
        mark: Mark::Act,
        actor: "vote".into(),
        name: "cast".into(),
        params: vec![("proposal".into(), Value::Id(7))],
    };
    let values = [
        Value::Bool(true),
        Value::Int(-2),
        Value::Decimal(decimal("12.50")),
        Value::Amount(tft(10_000_000)),
        Value::Percent(decimal("35")),
        Value::Duration(86_400),
        Value::Time(1_706_745_600),
        Value::Text("hé".into()),
        Value::Bytes(vec![0, 255]),
        Value::Account("alice".into()),
        Value::Id(7),
        Value::List(vec![Value::Int(1), Value::Unit]),
        Value::Map(
            [
                ("a".to_owned(), Value::Int(1)),
                ("b".to_owned(), Value::Unit),
            ]
            .into(),
        ),
        Value::Script(vec![action]),
        Value::Unit,
    ];
    let mut lines = String::new();
    for value in &values {
        let bytes = bytes_of(value);
        assert_eq!(borsh::from_slice::<Value>(&bytes).unwrap(), *value);
        lines += &format!("{} {}\n", value.kind(), hex::encode(bytes));
    }
    lines += &format!(
        "assets {}\n",
        hex::encode(borsh::to_vec(&Assets::standard()).unwrap())
    );
    expect![[r#"
        bool 0001
        int 01feffffffffffffff
        decimal 027d00000000000000000000000000000001
        amount 03809698000000000003000000544654
        percent 042300000000000000000000000000000000
        duration 058051010000000000
        time 0600dfba6500000000
        text 070300000068c3a9
        bytes 080200000000ff
        account 0905000000616c696365
        id 0a0700000000000000
        list 0b020000000101000000000000000e
        map 0c02000000010000006101010000000000000001000000620e
        script 0d010000000104000000766f74650400000063617374010000000800000070726f706f73616c0a0700000000000000
        unit 0e
        assets 020000000300000054465407040000005553444307
    "#]].assert_eq(&lines);
}

#[test]
fn bytes_that_are_not_canonical_are_refused() {
    let check = |bytes: &[u8], expected: Expect| {
        expected.assert_eq(&borsh::from_slice::<Value>(bytes).unwrap_err().to_string());
    };
    let with = |start: &[u8], rest: &[&[u8]]| [start, &rest.concat()].concat();
    let twelve_fifty = with(&[2], &[&1250i128.to_le_bytes(), &[2]]);
    check(
        &twelve_fifty,
        expect![
            "a decimal that is not in its one normal form; encode the value with its canonical borsh form"
        ],
    );
    check(
        &with(&[2], &[&i128::MIN.to_le_bytes(), &[0]]),
        expect![
            "a decimal that is not in its one normal form; encode the value with its canonical borsh form"
        ],
    );
    check(
        &with(&[2], &[&1i128.to_le_bytes(), &[19]]),
        expect![
            "a decimal that is not in its one normal form; encode the value with its canonical borsh form"
        ],
    );
    check(&[0, 2], expect!["Invalid bool representation: 2"]);
    check(
        &[15],
        expect!["a value of the unknown kind 15; encode the value with its canonical borsh form"],
    );
    check(&[14, 0], expect!["Not all bytes read"]);
    check(
        &with(&[3], &[&1i64.to_le_bytes(), &3u32.to_le_bytes(), b"tft"]),
        expect![
            "`tft` is not an asset; write 1 to 12 characters out of A-Z and 0-9, as in TFT; encode the value with its canonical borsh form"
        ],
    );
    check(
        &with(&[7], &[&1u32.to_le_bytes(), &[0xff]]),
        expect!["invalid utf-8 sequence of 1 bytes from index 0"],
    );
    check(
        &with(&[9], &[&5u32.to_le_bytes(), b"al ce"]),
        expect![
            "an account that is neither a name nor a key; encode the value with its canonical borsh form"
        ],
    );
    let entry = |key: &[u8]| with(&1u32.to_le_bytes(), &[key, &[14]]);
    check(
        &with(&[12], &[&2u32.to_le_bytes(), &entry(b"b"), &entry(b"a")]),
        expect!["a map whose keys do not rise; encode the value with its canonical borsh form"],
    );
    check(
        &with(&[12], &[&2u32.to_le_bytes(), &entry(b"a"), &entry(b"a")]),
        expect!["a map whose keys do not rise; encode the value with its canonical borsh form"],
    );
    check(
        &with(&[11], &[&u32::MAX.to_le_bytes()]),
        expect!["Unexpected length of input"],
    );
    let name = |text: &str| with(&(text.len() as u32).to_le_bytes(), &[text.as_bytes()]);
    check(
        &with(
            &[13],
            &[
                &1u32.to_le_bytes(),
                &[1],
                &name("Vote"),
                &name("cast"),
                &0u32.to_le_bytes(),
            ],
        ),
        expect![
            "a name with other characters than a-z, 0-9 and _; encode the value with its canonical borsh form"
        ],
    );
    check(
        &with(
            &[13],
            &[
                &1u32.to_le_bytes(),
                &[3],
                &name("vote"),
                &name("cast"),
                &0u32.to_le_bytes(),
            ],
        ),
        expect!["Unexpected variant tag: 3"],
    );
    let param = with(&name("a"), &[&[14]]);
    check(
        &with(
            &[13],
            &[
                &1u32.to_le_bytes(),
                &[1],
                &name("vote"),
                &name("cast"),
                &2u32.to_le_bytes(),
                &param,
                &param,
            ],
        ),
        expect![
            "an action that gives a parameter twice; encode the value with its canonical borsh form"
        ],
    );
}

#[test]
fn nesting_is_bounded_in_lists_maps_and_scripts() {
    let nested = |wrap: fn(Value) -> Value, levels: usize| {
        (1..levels).fold(Value::Unit, |value, _| wrap(value))
    };
    let wraps: [fn(Value) -> Value; 3] = [
        |value| Value::List(vec![value]),
        |value| Value::Map([("a".to_owned(), value)].into()),
        |value| {
            let params = vec![("a".to_owned(), value)];
            Value::Script(vec![Action {
                mark: Mark::Act,
                actor: "a".into(),
                name: "b".into(),
                params,
            }])
        },
    ];
    for wrap in wraps {
        let deepest = nested(wrap, MAX_DEPTH);
        assert_eq!(deepest.check_depth(), Ok(()));
        assert_eq!(
            borsh::from_slice::<Value>(&bytes_of(&deepest)).unwrap(),
            deepest
        );
        let deeper = nested(wrap, MAX_DEPTH + 1);
        assert_eq!(deeper.check_depth(), Err(ValueError::TooDeep));
        assert!(borsh::from_slice::<Value>(&bytes_of(&deeper)).is_err());
    }
    // A long chain of list tags must not recurse with the input.
    assert!(borsh::from_slice::<Value>(&[11, 1, 0, 0, 0].repeat(100_000)).is_err());
}
