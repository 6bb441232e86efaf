use super::*;
use crate::action::Mark;
use expect_test::{Expect, expect};
use proptest::prelude::*;

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

fn tft(units: i64) -> Amount {
    Amount::new(units, AssetCode::new("TFT").unwrap())
}

fn bytes_of(value: &Value) -> Vec<u8> {
    borsh::to_vec(value).unwrap()
}

fn shown<T: ToString>(result: Result<T, ValueError>) -> String {
    match result {
        Ok(value) => value.to_string(),
        Err(error) => format!("{}: {error}", error.code()),
    }
}

#[test]
fn a_decimal_has_one_form_however_it_is_written() {
    for (text, form) in [
        ("12.50", "12.5"),
        ("-0.10", "-0.1"),
        ("0.000", "0"),
        ("100", "100"),
        ("0.000000000000000001000", "0.000000000000000001"),
        (
            "170141183460469231731687303715884105727",
            "170141183460469231731687303715884105727",
        ),
        (
            "-170141183460469231731687303715884105727",
            "-170141183460469231731687303715884105727",
        ),
    ] {
        assert_eq!(shown(Decimal::parse(text)), form, "{text}");
    }
    assert_eq!(decimal("1.20"), decimal("1.2"));
    assert_eq!(
        (decimal("1.20").mantissa(), decimal("1.20").scale()),
        (12, 1)
    );
}

#[test]
fn what_is_no_decimal_is_refused_with_a_mend() {
    let check = |text: &str, expected: Expect| expected.assert_eq(&shown(Decimal::parse(text)));
    check(
        "",
        expect![
            "malformed_value: `` is not a decimal; write digits with at most one point, as in 12.50"
        ],
    );
    check(
        ".5",
        expect![
            "malformed_value: `.5` is not a decimal; write digits with at most one point, as in 12.50"
        ],
    );
    check(
        "5.",
        expect![
            "malformed_value: `5.` is not a decimal; write digits after the point, as in 12.50"
        ],
    );
    check(
        "1e5",
        expect![
            "malformed_value: `1e5` is not a decimal; write digits with at most one point, as in 12.50"
        ],
    );
    check(
        "1.2.3",
        expect![
            "malformed_value: `1.2.3` is not a decimal; write digits with at most one point, as in 12.50"
        ],
    );
    check(
        "--1",
        expect![
            "malformed_value: `--1` is not a decimal; write digits with at most one point, as in 12.50"
        ],
    );
    check(
        "+1",
        expect![
            "malformed_value: `+1` is not a decimal; write digits with at most one point, as in 12.50"
        ],
    );
    check(
        "1_000",
        expect![
            "malformed_value: `1_000` is not a decimal; write digits with at most one point, as in 12.50"
        ],
    );
    check(
        "٣",
        expect![
            "malformed_value: `٣` is not a decimal; write digits with at most one point, as in 12.50"
        ],
    );
    check(
        "007",
        expect!["malformed_value: `007` is not a decimal; leave out the leading zeros"],
    );
    check(
        "-0",
        expect!["malformed_value: `-0` is not a decimal; write zero without a sign"],
    );
    check(
        "0.1234567890123456789",
        expect![
            "malformed_value: `0.1234567890123456789` is not a decimal; write at most 18 decimals"
        ],
    );
    check(
        "170141183460469231731687303715884105728",
        expect![
            "overflow: `170141183460469231731687303715884105728` does not fit into its type; use a smaller number"
        ],
    );
}

#[test]
fn decimal_arithmetic_is_exact_or_says_why_not() {
    let largest = decimal("170141183460469231731687303715884105727");
    let finest = decimal("0.000000000000000001");
    assert_eq!(shown(decimal("0.1").checked_add(decimal("0.2"))), "0.3");
    assert_eq!(shown(decimal("0.95").checked_add(decimal("0.05"))), "1");
    assert_eq!(
        shown(decimal("1").checked_sub(finest)),
        "0.999999999999999999"
    );
    assert_eq!(shown(decimal("1.5").checked_mul(decimal("-0.4"))), "-0.6");
    assert_eq!(
        shown(decimal("0.000000001").checked_mul(decimal("0.000000001"))),
        "0.000000000000000001"
    );
    assert_eq!(
        shown(finest.checked_mul(decimal("0.1"))),
        "inexact: the result of a decimal product needs more than 18 decimals; name a rounding"
    );
    assert_eq!(
        shown(largest.checked_add(decimal("1"))),
        "overflow: a decimal sum does not fit into its type; use a smaller number"
    );
    assert_eq!(
        shown(largest.checked_add(finest)),
        "overflow: a decimal sum does not fit into its type; use a smaller number"
    );
    assert_eq!(
        shown(largest.checked_mul(largest)),
        "overflow: a decimal product does not fit into its type; use a smaller number"
    );
    assert_eq!(
        shown(Decimal::mul_div(
            largest,
            largest,
            largest,
            0,
            Rounding::Floor
        )),
        largest.to_string()
    );
    assert_eq!(
        shown(Decimal::mul_div(
            largest,
            finest,
            finest,
            18,
            Rounding::Floor
        )),
        "overflow: the result of mul_div does not fit into its type; use a smaller number"
    );
    assert_eq!(
        shown(Decimal::mul_div(
            largest,
            finest,
            Decimal::ZERO,
            18,
            Rounding::Floor
        )),
        "division_by_zero: division by zero; check the divisor first"
    );
    assert!(decimal("-1.5") < decimal("-1.49") && decimal("2") > decimal("1.999999999999999999"));
}

#[test]
fn each_rounding_goes_its_way() {
    use Rounding::*;
    let rows = [
        ("2.5", "2", "3", "2", "2"),
        ("3.5", "3", "4", "3", "4"),
        ("-2.5", "-3", "-3", "-2", "-2"),
        ("2.51", "2", "3", "3", "3"),
        ("-2.51", "-3", "-3", "-3", "-3"),
        ("-0.4", "-1", "0", "0", "0"),
        ("7", "7", "7", "7", "7"),
    ];
    for (number, floor, half_up, half_down, half_even) in rows {
        let rounded = [Floor, HalfUp, HalfDown, HalfEven]
            .map(|way| decimal(number).round(0, way).unwrap().to_string());
        assert_eq!(rounded, [floor, half_up, half_down, half_even], "{number}");
    }
}

#[test]
fn amounts_are_read_and_written_in_coins_and_kept_in_units() {
    let assets = Assets::standard();
    for (text, units, form) in [
        ("100 TFT", 1_000_000_000, "100 TFT"),
        ("100TFT", 1_000_000_000, "100 TFT"),
        ("-0.5TFT", -5_000_000, "-0.5 TFT"),
        ("12.5000000 TFT", 125_000_000, "12.5 TFT"),
        ("0.0000001 TFT", 1, "0.0000001 TFT"),
        (
            "922337203685.4775807 TFT",
            i64::MAX,
            "922337203685.4775807 TFT",
        ),
        (
            "-922337203685.4775808 TFT",
            i64::MIN,
            "-922337203685.4775808 TFT",
        ),
    ] {
        let amount = assets.parse_amount(text).unwrap();
        assert_eq!(amount, tft(units), "{text}");
        assert_eq!(assets.render_amount(&amount).unwrap(), form);
    }
}

#[test]
fn what_is_no_amount_is_refused_with_a_mend() {
    let check = |text: &str, expected: Expect| {
        let assets = Assets::standard();
        expected.assert_eq(&shown(
            assets
                .parse_amount(text)
                .map(|amount| format!("{amount:?}")),
        ));
    };
    check(
        "100",
        expect![
            "malformed_value: `100` is not an amount; write a number and an asset, as in '12.50 TFT'"
        ],
    );
    check(
        "TFT",
        expect![
            "malformed_value: `TFT` is not an amount; write digits with at most one point, as in 12.50"
        ],
    );
    check(
        "1  TFT",
        expect![
            "malformed_value: `1  TFT` is not an amount; write a number and an asset, as in '12.50 TFT'"
        ],
    );
    check(
        "1 tft",
        expect![
            "malformed_value: `1 tft` is not an amount; write a number and an asset, as in '12.50 TFT'"
        ],
    );
    check(
        "1 EUR",
        expect!["unknown_asset: the asset EUR is not known here; use one of: TFT, USDC"],
    );
    check(
        "1.00000001 TFT",
        expect!["too_fine: `1.00000001 TFT` has more than the 7 decimals of TFT; round it to 7"],
    );
    check(
        "922337203685.4775808 TFT",
        expect![
            "overflow: `922337203685.4775808 TFT` does not fit into its type; use a smaller number"
        ],
    );
}

#[test]
fn amounts_of_different_assets_never_mix() {
    let usdc = Amount::new(1, AssetCode::new("USDC").unwrap());
    let mismatch = "asset_mismatch: TFT and USDC are different assets; convert one of them first";
    let text = |result: Result<Amount, ValueError>| shown(result.map(|amount| amount.units));
    assert_eq!(text(tft(1).checked_add(&usdc)), mismatch);
    assert_eq!(text(tft(1).checked_sub(&usdc)), mismatch);
    assert_eq!(
        shown(tft(1).compare(&usdc).map(|order| format!("{order:?}"))),
        mismatch
    );
    assert_eq!(text(tft(7).checked_sub(&tft(9))), "-2");
    assert_eq!(
        text(tft(i64::MAX).checked_add(&tft(1))),
        "overflow: a sum of amounts does not fit into its type; use a smaller number"
    );
    assert_eq!(
        text(tft(1001).percent(decimal("12.5"), Rounding::Floor)),
        "125"
    );
    assert_eq!(
        text(tft(1001).scaled(decimal("0.5"), Rounding::HalfEven)),
        "500"
    );
    assert_eq!(
        text(tft(i64::MAX).mul_div(i128::MAX, i128::MAX, Rounding::Floor)),
        i64::MAX.to_string()
    );
    assert_eq!(text(tft(5).checked_mul(-3)), "-15");
}

#[test]
fn durations_sizes_percentages_and_times_have_one_rendering() {
    for (text, seconds, form) in [
        ("7d", 604_800, "7d"),
        ("24h", 86_400, "1d"),
        ("90m", 5_400, "90m"),
        ("90s", 90, "90s"),
        ("0h", 0, "0s"),
        ("-36h", -129_600, "-36h"),
    ] {
        assert_eq!(parse_duration(text), Ok(seconds), "{text}");
        assert_eq!(render_duration(seconds), form);
    }
    for (text, bytes, form) in [
        ("4GB", 4 << 30, "4GB"),
        ("1024MB", 1 << 30, "1GB"),
        ("1500", 1500, "1500B"),
        ("0B", 0, "0B"),
        ("3PB", 3 << 50, "3PB"),
    ] {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
        assert_eq!(render_size(bytes), form);
    }
    assert_eq!(shown(parse_percent("35%")), "35");
    assert_eq!(shown(parse_percent("-12.50%")), "-12.5");
    for (text, seconds, form) in [
        ("1970-01-01 00:00:00", 0, "1970-01-01 00:00:00"),
        ("2024-02-01 00:00:00", 1_706_745_600, "2024-02-01 00:00:00"),
        ("2024-02-29", 1_709_164_800, "2024-02-29 00:00:00"),
        ("1969-12-31 23:59:59", -1, "1969-12-31 23:59:59"),
        ("0001-01-01", -62_135_596_800, "0001-01-01 00:00:00"),
        (
            "9999-12-31 23:59:59",
            253_402_300_799,
            "9999-12-31 23:59:59",
        ),
    ] {
        assert_eq!(parse_time(text), Ok(seconds), "{text}");
        assert_eq!(render_time(seconds).as_deref(), Some(form));
    }
    assert_eq!(render_time(253_402_300_800), None);
    assert_eq!(render_time(i64::MIN), None);
}

#[test]
fn malformed_quantities_are_refused_with_a_mend() {
    let check =
        |result: Result<String, ValueError>, expected: Expect| expected.assert_eq(&shown(result));
    let int = |text| parse_int(text).map(|number| number.to_string());
    check(
        int("12.5"),
        expect!["malformed_value: `12.5` is not an int; write digits only, as in 42"],
    );
    check(
        int("042"),
        expect!["malformed_value: `042` is not an int; write digits only, as in 42"],
    );
    check(
        int("9223372036854775808"),
        expect!["overflow: `9223372036854775808` does not fit into its type; use a smaller number"],
    );
    check(
        int(&"9".repeat(80)),
        expect![
            "overflow: `9999999999999999999999999999999999999999999999999999999999999999…` does not fit into its type; use a smaller number"
        ],
    );
    let id = |text| parse_id(text).map(|number| number.to_string());
    check(id("18446744073709551615"), expect!["18446744073709551615"]);
    check(
        id("-1"),
        expect!["malformed_value: `-1` is not an id; write digits only, as in 7"],
    );
    let duration = |text| parse_duration(text).map(|number| number.to_string());
    check(
        duration("60"),
        expect![
            "malformed_value: `60` is not a duration; write a whole number and one unit out of d, h, m, s, as in 24h"
        ],
    );
    check(
        duration("1d12h"),
        expect![
            "malformed_value: `1d12h` is not a duration; write a whole number and one unit out of d, h, m, s, as in 24h"
        ],
    );
    check(
        duration("7д"),
        expect![
            "malformed_value: `7д` is not a duration; write a whole number and one unit out of d, h, m, s, as in 24h"
        ],
    );
    check(
        duration("9223372036854775807d"),
        expect![
            "overflow: `9223372036854775807d` does not fit into its type; use a smaller number"
        ],
    );
    let size = |text| parse_size(text).map(|number| number.to_string());
    check(
        size("4gb"),
        expect![
            "malformed_value: `4gb` is not a size; write a whole number and one unit out of B, KB, MB, GB, TB, PB, as in 4GB"
        ],
    );
    check(
        size("-4GB"),
        expect![
            "malformed_value: `-4GB` is not a size; write a whole number and one unit out of B, KB, MB, GB, TB, PB, as in 4GB"
        ],
    );
    check(
        size("9223372036854775807PB"),
        expect![
            "overflow: `9223372036854775807PB` does not fit into its type; use a smaller number"
        ],
    );
    let percent = |text| parse_percent(text).map(|number| number.to_string());
    check(
        percent("35"),
        expect![
            "malformed_value: `35` is not a percentage; write a number and a percent sign, as in 12.5%"
        ],
    );
    check(
        percent("x%"),
        expect![
            "malformed_value: `x%` is not a percentage; write digits with at most one point, as in 12.50"
        ],
    );
    let time = |text| parse_time(text).map(|number| number.to_string());
    check(
        time("2023-02-29"),
        expect!["malformed_value: `2023-02-29` is not a time; write a day that the calendar has"],
    );
    check(
        time("2024-02-01 24:00:00"),
        expect![
            "malformed_value: `2024-02-01 24:00:00` is not a time; write a time of day from 00:00:00 to 23:59:59"
        ],
    );
    check(
        time("2024-02-01T00:00:00Z"),
        expect![
            "malformed_value: `2024-02-01T00:00:00Z` is not a time; write the time in UTC, as in '2024-02-01 00:00:00'"
        ],
    );
    check(
        time("01/02/2024"),
        expect![
            "malformed_value: `01/02/2024` is not a time; write the time in UTC, as in '2024-02-01 00:00:00'"
        ],
    );
}

#[test]
fn accounts_are_names_or_keys() {
    let key = "0123456789abcdef".repeat(4);
    for good in [
        "alice",
        "a",
        "farm-1",
        "bob.smith",
        "circle",
        "3bot",
        &key,
        &"a".repeat(63),
    ] {
        assert!(is_account(good), "{good}");
    }
    for bad in [
        "",
        "Alice",
        "-a",
        "_a",
        ".a",
        "a b",
        "a/b",
        "ä",
        &key.to_uppercase(),
        &"z".repeat(64),
        &"a".repeat(65),
    ] {
        assert!(!is_account(bad), "{bad}");
    }
}

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
        &with(&[9], &[&5u32.to_le_bytes(), b"Alice"]),
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

/// Values of every kind, as the state may hold them.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any_decimal().prop_map(Value::Decimal),
        any::<i64>().prop_map(|units| Value::Amount(tft(units))),
        any_decimal().prop_map(Value::Percent),
        any::<i64>().prop_map(Value::Duration),
        any::<i64>().prop_map(Value::Time),
        any::<String>().prop_map(Value::Text),
        any::<Vec<u8>>().prop_map(Value::Bytes),
        "[a-z0-9][a-z0-9_.-]{0,10}".prop_map(Value::Account),
        any::<u64>().prop_map(Value::Id),
        Just(Value::Unit),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(Value::Map),
        ]
    })
}

/// Decimals of all sizes.
pub(crate) fn any_decimal() -> impl Strategy<Value = Decimal> {
    (-i128::MAX..=i128::MAX, 0u32..127, 0u8..=18)
        .prop_map(|(mantissa, shift, scale)| Decimal::new(mantissa >> shift, scale).unwrap())
}

fn any_rounding() -> impl Strategy<Value = Rounding> {
    prop_oneof![
        Just(Rounding::Floor),
        Just(Rounding::HalfUp),
        Just(Rounding::HalfDown),
        Just(Rounding::HalfEven)
    ]
}

proptest! {
    #[test]
    fn every_value_is_read_back_from_its_bytes(value in any_value()) {
        prop_assert_eq!(borsh::from_slice::<Value>(&bytes_of(&value)).unwrap(), value);
    }

    /// Whatever bytes are accepted are the ones that would be written: no second encoding of any value.
    #[test]
    fn accepted_bytes_are_the_canonical_ones(value in any_value(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = bytes_of(&value);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(other) = borsh::from_slice::<Value>(&bytes) {
            prop_assert_eq!(bytes_of(&other), bytes);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        if let Ok(value) = borsh::from_slice::<Value>(&bytes) {
            prop_assert_eq!(bytes_of(&value), bytes);
        }
    }

    #[test]
    fn a_decimal_is_read_back_from_its_text(number in any_decimal()) {
        prop_assert_eq!(Decimal::parse(&number.to_string()), Ok(number));
    }

    #[test]
    fn adding_and_taking_away_gives_the_same(a in any_decimal(), b in any_decimal()) {
        if let Ok(sum) = a.checked_add(b) {
            prop_assert_eq!(sum.checked_sub(b), Ok(a));
            prop_assert_eq!(b.checked_add(a), Ok(sum));
        }
    }

    /// Against plain arithmetic where that is wide enough.
    #[test]
    fn mul_div_agrees_with_plain_arithmetic(a: i32, b: i32, c: i32, rounding in any_rounding()) {
        prop_assume!(c != 0);
        let (a, b, c) = (i128::from(a), i128::from(b), i128::from(c));
        let result = mul_div(a, b, c, rounding).unwrap();
        // The distance to the exact result, in parts of |c|, tells the rounding.
        let error = (result * c - a * b) * c.signum();
        let part = c.abs();
        let right = match rounding {
            Rounding::Floor => -part < error && error <= 0,
            _ => 2 * error.abs() <= part,
        };
        prop_assert!(right, "{a} * {b} / {c} = {result}");
        if 2 * error.abs() == part {
            let exact_sign = a.signum() * b.signum() * c.signum();
            let away = error.signum() == exact_sign;
            match rounding {
                Rounding::Floor => {}
                Rounding::HalfUp => prop_assert!(away),
                Rounding::HalfDown => prop_assert!(!away),
                Rounding::HalfEven => prop_assert!(result % 2 == 0),
            }
        }
    }

    #[test]
    fn quantities_are_read_back_from_their_text(number: i64, seconds in -62_135_596_800i64..=253_402_300_799) {
        prop_assert_eq!(parse_int(&number.to_string()), Ok(number));
        prop_assert_eq!(parse_duration(&render_duration(number)), Ok(number));
        if number >= 0 {
            prop_assert_eq!(parse_size(&render_size(number)), Ok(number));
        }
        let assets = Assets::standard();
        prop_assert_eq!(assets.parse_amount(&assets.render_amount(&tft(number)).unwrap()), Ok(tft(number)));
        prop_assert_eq!(parse_time(&render_time(seconds).unwrap()), Ok(seconds));
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in ".{0,30}|[0-9.TFd %:-]{0,24}") {
        let _ = Decimal::parse(&text);
        let _ = Assets::standard().parse_amount(&text);
        let _ = (parse_int(&text), parse_id(&text), parse_duration(&text), parse_size(&text), parse_percent(&text), parse_time(&text));
    }
}
