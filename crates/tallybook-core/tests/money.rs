//! Money and decimals against slow, obvious oracles: `bigdecimal` and big integers.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode, Zero};
use proptest::prelude::*;
use std::str::FromStr;
use tallybook_core::decimal::{self, Buffer, ParseDecimalError};
use tallybook_core::money::{
    Amount, LIMIT_UNITS, Price, Quantity, checked_discount_quantity, discount_quantity,
};

/// What the parser promises, computed with arbitrary precision.
fn oracle(text: &str, digits: u32) -> Result<i128, ParseDecimalError> {
    let value = BigDecimal::from_str(text).expect("the test's text is a decimal");
    let rounded = value.with_scale_round(i64::from(digits), RoundingMode::HalfEven);
    if rounded.abs() > LIMIT_UNITS {
        return Err(ParseDecimalError::TooLarge);
    }
    if !is_noise(&value, &(&value - &rounded).abs(), digits) {
        return Err(ParseDecimalError::Inexact(digits));
    }
    let scaled = rounded * power_of_ten(i64::from(digits));
    Ok(integer(&scaled).try_into().expect("within the limit"))
}

/// Whether a value may be a multiple of 10^-`digits` that is `distance` away.
fn is_noise(value: &BigDecimal, distance: &BigDecimal, digits: u32) -> bool {
    let unit = power_of_ten(-i64::from(digits));
    let ulp = ulp(&value.abs());
    let is_near = |ulps: u32| *distance <= &ulp * BigDecimal::from(ulps);
    let is_within_a_quarter = distance * BigDecimal::from(4) <= unit;
    distance * BigDecimal::from(1000) <= unit
        || (is_long(value, digits) && (is_near(64) || (is_near(4096) && is_within_a_quarter)))
}

/// Whether a sum of doubles may be written so.
fn is_long(value: &BigDecimal, digits: u32) -> bool {
    let (mantissa, decimals) = value.normalized().into_bigint_and_exponent();
    match mantissa.magnitude().to_string().len() {
        ..15 => false,
        15 => decimals != i64::from(digits) + 1,
        16.. => true,
    }
}

/// 2^(floor(log2 v) - 52); nothing for values below one, where a thousandth of the ninth decimal
/// is more than thousands of them.
fn ulp(value: &BigDecimal) -> BigDecimal {
    let whole = integer(value);
    if whole.is_zero() {
        return BigDecimal::zero();
    }
    let exponent = i64::try_from(whole.bits()).expect("small") - 1 - 52;
    let power = BigDecimal::from(BigInt::from(1u8) << exponent.unsigned_abs());
    if exponent < 0 {
        BigDecimal::from(1) / power
    } else {
        power
    }
}

fn power_of_ten(exponent: i64) -> BigDecimal {
    BigDecimal::new(BigInt::from(1u8), -exponent)
}

fn integer(value: &BigDecimal) -> BigInt {
    let whole = value.with_scale_round(0, RoundingMode::Down);
    whole.into_bigint_and_exponent().0
}

/// a x b / c rounded half to even, by big integers.
fn ratio_half_even(a: i128, b: i128, c: i128) -> BigInt {
    let numerator = BigInt::from(a) * BigInt::from(b);
    let denominator = BigInt::from(c);
    let negative = (a < 0) ^ (b < 0) ^ (c < 0);
    let (numerator, denominator) = (numerator.magnitude(), denominator.magnitude());
    let (quotient, remainder) = (numerator / denominator, numerator % denominator);
    let twice = remainder * 2u8;
    let up = twice > *denominator || (twice == *denominator && quotient.bit(0));
    let magnitude = BigInt::from(quotient) + i32::from(up);
    if negative { -magnitude } else { magnitude }
}

#[track_caller]
fn check(text: &str, digits: u32, expected: Result<i128, ParseDecimalError>) {
    assert_eq!(decimal::parse(text.as_bytes(), digits), expected, "{text}");
}

#[test]
fn reads_what_real_reports_contain() {
    for (text, nanos) in [
        ("0", 0),
        ("-0", 0),
        ("9", 9_000_000_000),
        ("+1", 1_000_000_000),
        ("9.4086E-05", 94_086),
        ("0.07200000000000001", 72_000_000),
        ("1.6488000000000005E-05", 16_488),
        ("2.3999999999999997E-08", 24),
        ("3.6300000000000003", 3_630_000_000),
        ("4.219757100000001", 4_219_757_100),
        ("0.8999999999999999", 900_000_000),
        ("642.224551374", 642_224_551_374),
        ("1e3", 1_000_000_000_000),
        (".5", 500_000_000),
        ("5.", 5_000_000_000),
        ("0.000000000000001", 0),
        ("123456.78900000001", 123_456_789_000_000),
        // 12 ulp from it; a hundred and more; less than one of a number that has no tenth decimal.
        ("4989.661349999989", 4_989_661_350_000),
        ("4989.66134999989", 4_989_661_350_000),
        ("-4989.661350000011", -4_989_661_350_000),
        ("2500000.6700000004", 2_500_000_670_000_000),
        ("612345.6700000001", 612_345_670_000_000),
        ("-228.667", -228_667_000_000),
        ("1000000000000000", 1_000_000_000_000_000_000_000_000),
    ] {
        check(text, 9, Ok(nanos));
    }
    check("0.00033602", 12, Ok(336_020_000));
    check("0.06200000000000001", 12, Ok(62_000_000_000));
    check("0.062000000000000006", 12, Ok(62_000_000_000));
    check("19.000000000000004", 12, Ok(19_000_000_000_000));
}

#[test]
fn refuses_what_would_lose_digits() {
    use ParseDecimalError::{Empty, Inexact, Malformed, TooLarge};
    for (text, error) in [
        ("", Empty),
        ("0.0000000001", Inexact(9)),
        ("1.0000000005", Inexact(9)),
        ("0.0000000000015", Inexact(9)),
        // Ten decimals, with up to as many digits as a double keeps.
        ("4989.6613499999", Inexact(9)),
        ("4989.6613500001", Inexact(9)),
        ("12345.1234567891", Inexact(9)),
        ("99999.0000000001", Inexact(9)),
        // Many digits, but too far from any multiple.
        ("1.23456789012", Inexact(9)),
        ("12.3456789012345", Inexact(9)),
        ("123.456789012345", Inexact(9)),
        ("4989.661350000412", Inexact(9)),
        ("1000000000000001", TooLarge),
        ("-1e16", TooLarge),
        ("1e999", TooLarge),
        ("1e99999", Malformed),
        ("abc", Malformed),
        ("-", Malformed),
        (".", Malformed),
        ("e5", Malformed),
        ("1e", Malformed),
        ("1e+", Malformed),
        ("1.2.3", Malformed),
        ("1,000", Malformed),
        (" 1", Malformed),
        ("--1", Malformed),
        ("NaN", Malformed),
        ("inf", Malformed),
        ("0x10", Malformed),
        ("\u{661}", Malformed),
    ] {
        check(text, 9, Err(error));
    }
    check("0.0000000000001", 12, Err(Inexact(12)));
}

/// The tolerance is inclusive, and exact on both sides however small or long the number.
#[test]
fn knows_the_edges_of_noise() {
    let inexact = Err(ParseDecimalError::Inexact(9));
    check("0.000000000001", 9, Ok(0));
    check("0.0000000000010000000000000000000000000001", 9, inexact);
    check("1e-12", 9, Ok(0));
    check("1e-50", 9, Ok(0));
    check("99999999999999999999999999999999999999e-60", 9, Ok(0));
    check("99999999999999999999999999999999999999e-50", 9, Ok(0));
    check("10000000000000000000000000000000000000e-49", 9, Ok(0));
    check("10000000000000000000000000000000000001e-49", 9, inexact);
    check("9e-9999", 9, Ok(0));
    // The exact value of the double nearest to 0.1, all 55 digits of it.
    let tenth = "0.1000000000000000055511151231257827021181583404541015625";
    check(tenth, 9, Ok(100_000_000));
    check(&format!("0.1000000005{}", "0".repeat(50)), 9, inexact);
    check(&format!("0.5{}", "0".repeat(5000)), 9, Ok(500_000_000));
    check(&format!("{}1", "0".repeat(5000)), 9, Ok(1_000_000_000));
}

fn decimal_text() -> impl Strategy<Value = String> {
    let plain = ("-?[0-9]{1,20}", proptest::option::of("\\.[0-9]{1,18}"))
        .prop_map(|(whole, fraction)| whole + &fraction.unwrap_or_default());
    let scientific = ("-?[0-9]\\.[0-9]{1,30}", -45i32..25).prop_map(|(m, e)| format!("{m}E{e}"));
    let tail = "[09]{0,6}[0-9]{0,3}";
    let near =
        (any::<bool>(), 0i64..1_000_000_000_000_000, tail).prop_map(|(negative, nanos, tail)| {
            let sign = if negative { "-" } else { "" };
            let (whole, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
            format!("{sign}{whole}.{fraction:09}{tail}")
        });
    prop_oneof![plain, scientific, near]
}

/// What doubles that look like those of reports add up to, exactly and as doubles do.
#[derive(Debug)]
struct Sums {
    nanos: i128,
    double: f64,
}

/// Up to 4,000 prices, amounts or quantities with up to nine decimals, in any order; many of them
/// are the same, as prices are.
fn sums_of_doubles() -> impl Strategy<Value = Sums> {
    let distinct = proptest::collection::vec(1u32..1_000_000, 1..20);
    let terms = distinct.prop_flat_map(|distinct| {
        proptest::collection::vec(proptest::sample::select(distinct), 1..4000)
    });
    (terms, 0u32..10).prop_map(|(terms, places)| {
        let nanos: i128 = terms.iter().map(|term| i128::from(*term)).sum();
        let scale = 10f64.powi(places.cast_signed());
        Sums {
            nanos: nanos * 10i128.pow(9 - places),
            double: terms.iter().map(|term| f64::from(*term) / scale).sum(),
        }
    })
}

/// A double with 15, 16 and 17 digits, and in its shortest form.
fn written(double: f64) -> [String; 4] {
    [
        format!("{double}"),
        format!("{double:.14e}"),
        format!("{double:.15E}"),
        format!("{double:.16e}"),
    ]
}

const LIMIT_NANOS: i128 = LIMIT_UNITS * 1_000_000_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn parses_like_the_oracle(text in decimal_text(), price: bool) {
        let digits = if price { 12 } else { 9 };
        let expected = oracle(&text, digits);
        prop_assert_eq!(decimal::parse(text.as_bytes(), digits), expected, "{}", text);
    }

    #[test]
    fn ten_decimals_are_not_noise(tenths in 1i64..1_000_000_000_000_000) {
        prop_assume!(tenths % 10 != 0);
        let (whole, fraction) = (tenths / 10_000_000_000, tenths % 10_000_000_000);
        check(&format!("{whole}.{fraction:010}"), 9, Err(ParseDecimalError::Inexact(9)));
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60),
                    text in "[-+0-9.eE]{0,60}") {
        for digits in [9, 12] {
            let _ = decimal::parse(&bytes, digits);
            let _ = decimal::parse(text.as_bytes(), digits);
        }
    }

    #[test]
    fn prints_what_it_parses(nanos in -LIMIT_NANOS..=LIMIT_NANOS, shift in 0u32..80) {
        let nanos = nanos >> shift;
        let text = Quantity::from_nanos(nanos).to_string();
        prop_assert_eq!(Quantity::parse(&text), Ok(Quantity::from_nanos(nanos)));
        let value = BigDecimal::from(nanos) * power_of_ten(-9);
        prop_assert_eq!(&text, &value.normalized().to_plain_string());
        let price = Price::from_picos(nanos);
        prop_assert_eq!(Price::parse(&price.to_string()), Ok(price));
    }

    #[test]
    fn prints_any_integer(value: i128) {
        let exact = BigDecimal::from(value) * power_of_ten(-12);
        let expected = exact.normalized().to_plain_string();
        let mut buffer = Buffer::new();
        prop_assert_eq!(buffer.format(value, 12), expected);
    }

    #[test]
    fn appends_what_it_prints(
        value: i128, shift in 0u32..120, zeros in 0u32..12, before in "[a-z]{0,3}",
    ) {
        let power = 10i128.pow(zeros);
        for nanos in [value >> shift, (value >> shift) / power * power] {
            let mut out = before.clone().into_bytes();
            decimal::append_nanos(&mut out, nanos);
            let expected = format!("{before}{}", Buffer::new().format(nanos, 9));
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn gross_rounds_half_even(
        quantity in -LIMIT_NANOS..LIMIT_NANOS, price in -10i128.pow(15)..10i128.pow(15),
        shifts in (0u32..80, 0u32..50),
    ) {
        let (quantity, price) = (quantity >> shifts.0, price >> shifts.1);
        let expected = ratio_half_even(quantity, price, 10i128.pow(12));
        let gross = Price::from_picos(price).gross_of(Quantity::from_nanos(quantity));
        if expected.magnitude() > BigInt::from(LIMIT_NANOS).magnitude() {
            prop_assert!(gross.is_err());
        } else {
            prop_assert_eq!(gross.map(|gross| BigInt::from(gross.nanos())), Ok(expected));
        }
    }

    #[test]
    fn discounts_the_quantity_half_even(
        quantity in -LIMIT_NANOS..LIMIT_NANOS, discount in -LIMIT_NANOS..LIMIT_NANOS,
        gross in -LIMIT_NANOS..LIMIT_NANOS, shifts in (0u32..80, 0u32..80, 0u32..80),
    ) {
        let (quantity, discount, gross) =
            (quantity >> shifts.0, discount >> shifts.1, gross >> shifts.2);
        let expected = match gross {
            0 => BigInt::zero(),
            _ => ratio_half_even(quantity, discount, gross),
        };
        let (quantity, discount, gross) =
            (Quantity::from_nanos(quantity), Amount::from_nanos(discount), Amount::from_nanos(gross));
        let checked = checked_discount_quantity(quantity, discount, gross);
        if expected.magnitude() > BigInt::from(LIMIT_NANOS).magnitude() {
            prop_assert!(checked.is_err());
        } else {
            prop_assert_eq!(checked.map(|value| BigInt::from(value.nanos())), Ok(expected));
            prop_assert_eq!(checked, Ok(discount_quantity(quantity, discount, gross)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Below 512 the exact sum is always told; above, whatever is read is the exact sum where that
    /// is the nearest multiple.
    #[test]
    fn sums_of_doubles_are_read_exactly(sums in sums_of_doubles()) {
        let exact = BigDecimal::from(sums.nanos) * power_of_ten(-9);
        for text in written(sums.double) {
            let value = BigDecimal::from_str(&text).expect("a number");
            let off = (&value - &exact).abs();
            let parsed = decimal::parse(text.as_bytes(), 9);
            prop_assert_eq!(parsed, oracle(&text, 9), "{}", text);
            let is_nearest = &off * BigDecimal::from(2) < power_of_ten(-9);
            let is_told = integer(&value) < BigInt::from(512) || is_noise(&value, &off, 9);
            let is_short = !is_long(&value, 9) && parsed.is_err();
            if is_told && is_nearest && !is_short {
                prop_assert_eq!(parsed, Ok(sums.nanos), "{}", text);
            } else if let Ok(nanos) = parsed {
                prop_assert!(!is_nearest || nanos == sums.nanos, "{}", text);
            } else {
                prop_assert_eq!(parsed, Err(ParseDecimalError::Inexact(9)), "{}", text);
            }
        }
    }
}

#[test]
fn half_goes_to_the_even_neighbour() {
    let half_dollar = Price::parse("0.5").expect("a price");
    for (nanos, expected) in [(1, 0), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2)] {
        let gross = half_dollar.gross_of(Quantity::from_nanos(nanos));
        assert_eq!(gross, Ok(Amount::from_nanos(expected)), "{nanos}");
    }
}

#[test]
fn a_full_discount_pays_for_the_whole_quantity() {
    let quantity = Quantity::from_nanos(642_224_551_374);
    let gross = Amount::from_nanos(215_800_020);
    let zero = Amount::ZERO;
    assert_eq!(discount_quantity(quantity, gross, gross), quantity);
    assert_eq!(discount_quantity(quantity, zero, gross), Quantity::ZERO);
    assert_eq!(discount_quantity(quantity, gross, zero), Quantity::ZERO);
}

#[test]
fn billionths_at_the_edges_of_what_is_looked_up() {
    let unit = 10i128.pow(9);
    let wholes = [
        0,
        9,
        10,
        99,
        100,
        999,
        1000,
        1001,
        999_999,
        1_000_000,
        999_999_999,
        10i128.pow(9),
    ];
    let fractions = [
        0,
        1,
        10,
        100,
        999,
        1000,
        1_000_000,
        100_000_000,
        120_000_000,
        999_999_999,
    ];
    for (whole, fraction) in wholes.into_iter().flat_map(|w| fractions.map(|f| (w, f))) {
        for nanos in [whole * unit + fraction, -(whole * unit + fraction)] {
            let mut out = Vec::new();
            decimal::append_nanos(&mut out, nanos);
            let expected = Buffer::new().format(nanos, 9).to_owned();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
