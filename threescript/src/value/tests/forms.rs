use super::*;
use expect_test::{Expect, expect};

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
        "al ce",
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
