use super::*;
use proptest::prelude::*;

/// Values of every kind, as the state may hold them.
fn any_value() -> impl Strategy<Value = Value> {
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
        "[A-Za-z0-9][A-Za-z0-9_.-]{0,10}".prop_map(Value::Account),
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
fn any_decimal() -> impl Strategy<Value = Decimal> {
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
