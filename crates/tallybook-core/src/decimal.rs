//! Decimal text to fixed-point integers and back.
//!
//! Invariant: no float is ever created. Parsing accepts what real usage reports contain: plain
//! decimals, exponents (`9.4086E-05`) and the tails that summing IEEE doubles leaves behind
//! (`0.07200000000000001`). Printing gives the shortest plain decimal. Look next: [`append_nanos`],
//! which prints the millions of amounts in answers.

mod nanos;

use crate::wide::widening_mul;

pub use nanos::append_nanos;

/// Why a text is not an exact decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseDecimalError {
    /// The field holds nothing.
    #[error("is empty, a number is needed")]
    Empty,
    /// The text is not a decimal number.
    #[error("is not a decimal number")]
    Malformed,
    /// The value has more decimals than can be kept, and they are not float noise.
    #[error("has digits beyond the {0}th decimal that are not float noise")]
    Inexact(u32),
    /// The magnitude is beyond the limit.
    #[error("is larger than {LIMIT_UNITS} units")]
    TooLarge,
}

/// The largest magnitude of one parsed or computed value, in whole units (dollars, minutes, ...).
pub const LIMIT_UNITS: i128 = 1_000_000_000_000_000;

/// How many significant digits are kept; of the rest, only whether any was nonzero. A double's
/// shortest form has 17, and 38 fit in 128 bits with room for a sign.
const MANTISSA_DIGITS: u32 = 38;

/// Parses `text` into a count of 10^-`digits`.
///
/// A number close to a multiple of 10^-`digits` may be the result of summing IEEE doubles: float
/// noise, which is rounded to the nearest multiple. For quantities and amounts (multiples of 1e-9)
/// noise is
///
/// - any number at most 1e-12 away, however it is written;
/// - a number with 15 or more significant digits at most 4,096 ulp away, which covers the sum of
///   some thousand doubles. For values above about 512 that would reach the midpoint between two
///   multiples, where either could be meant, so the distance is capped at a quarter: 2.5e-10. But
///   64 ulp are always noise. For values above 65,536 even these reach the midpoint: a sum of that
///   size has lost its ninth decimal, and means no more than the nearest multiple.
///
/// For prices (multiples of 1e-12) the two distances are 1e-15 and 2.5e-13. Anything else that
/// would lose digits is refused, including a 15-digit number with one decimal too many: a double
/// preserves 15 digits, so the extra decimal is intended.
pub fn parse(text: &[u8], digits: u32) -> Result<i128, ParseDecimalError> {
    if let Some(value) = parse_short(text, digits) {
        return Ok(value);
    }
    let scientific = Scientific::read(text)?;
    let magnitude = scientific.round_to(digits)?;
    Ok(if scientific.negative {
        -magnitude
    } else {
        magnitude
    })
}

/// The powers of ten that fit in 64 bits.
const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut index = 1;
    while index < powers.len() {
        powers[index] = powers[index - 1] * 10;
        index += 1;
    }
    powers
};

/// The common case, without 128-bit division: at most 15 bytes, no exponent, nothing to round.
/// Fifteen digits are below [`LIMIT_UNITS`], so there is no limit to check.
fn parse_short(text: &[u8], digits: u32) -> Option<i128> {
    let (negative, body) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if body.is_empty() || body.len() > 15 {
        return None;
    }
    let mut mantissa = 0u64;
    let mut decimals = None;
    for (index, &byte) in body.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + u64::from(byte - b'0'),
            b'.' if decimals.is_none() && index > 0 && index + 1 < body.len() => {
                decimals = Some(body.len() - index - 1);
            }
            _ => return None,
        }
    }
    let missing = digits.checked_sub(u32::try_from(decimals.unwrap_or(0)).ok()?)?;
    let factor = *POWERS.get(usize::try_from(missing).ok()?)?;
    let value = i128::from(mantissa) * i128::from(factor);
    Some(if negative { -value } else { value })
}

/// mantissa x 10^exponent, with its sign apart, and whether nonzero digits were cut off.
struct Scientific {
    negative: bool,
    mantissa: u128,
    exponent: i32,
    cut: bool,
}

impl Scientific {
    fn read(text: &[u8]) -> Result<Self, ParseDecimalError> {
        use ParseDecimalError::{Empty, Malformed};
        let (negative, body) = match text {
            [] => return Err(Empty),
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let split = body
            .iter()
            .position(|b| matches!(b, b'e' | b'E'))
            .unwrap_or(body.len());
        let (number, exponent) = body.split_at(split);
        let mut read = Self {
            negative,
            mantissa: 0,
            exponent: match exponent {
                [] => 0,
                [_, digits @ ..] => read_exponent(digits)?,
            },
            cut: false,
        };
        let (mut seen_point, mut seen_digit, mut significant) = (false, false, 0);
        for &byte in number {
            match byte {
                b'.' if !seen_point => seen_point = true,
                b'0'..=b'9' => {
                    seen_digit = true;
                    significant += u32::from(read.mantissa != 0 || byte != b'0');
                    let kept = significant <= MANTISSA_DIGITS;
                    if kept {
                        read.mantissa = read.mantissa * 10 + u128::from(byte - b'0');
                    } else {
                        read.cut |= byte != b'0';
                    }
                    let shift = i32::from(!kept) - i32::from(seen_point);
                    read.exponent = read.exponent.checked_add(shift).ok_or(Malformed)?;
                }
                _ => return Err(Malformed),
            }
        }
        if seen_digit { Ok(read) } else { Err(Malformed) }
    }

    fn round_to(&self, digits: u32) -> Result<i128, ParseDecimalError> {
        use ParseDecimalError::{Inexact, TooLarge};
        if self.mantissa == 0 {
            return Ok(0);
        }
        let limit = LIMIT_UNITS.unsigned_abs() * 10u128.pow(digits);
        let shift = i64::from(self.exponent) + i64::from(digits);
        if shift >= 0 {
            // Digits are cut off only after 38 of them, so such a value is beyond the limit here.
            let factor = u32::try_from(shift)
                .ok()
                .and_then(|shift| 10u128.checked_pow(shift))
                .ok_or(TooLarge)?;
            let value = self.mantissa.checked_mul(factor).filter(|v| *v <= limit);
            return value.and_then(|v| i128::try_from(v).ok()).ok_or(TooLarge);
        }
        let places = u32::try_from(shift.unsigned_abs()).unwrap_or(u32::MAX);
        let nearest = Nearest::find(self.mantissa, places, self.cut);
        if nearest.whole > limit {
            return Err(TooLarge);
        }
        let is_noise = nearest.is_tiny() || (self.may_be_a_sum(places) && nearest.is_noise(digits));
        if !is_noise {
            return Err(Inexact(digits));
        }
        i128::try_from(nearest.whole).map_err(|_| TooLarge)
    }

    /// Whether this may be a sum of doubles, given `places` digits beyond those kept: it must have
    /// all the digits that a double preserves, and more than one beyond those kept.
    fn may_be_a_sum(&self, places: u32) -> bool {
        let (mut mantissa, mut places) = (self.mantissa, places);
        while let (tenth, 0) = divide(mantissa, 10)
            && places > 0
        {
            (mantissa, places) = (tenth, places - 1);
        }
        let significant = mantissa.ilog10() + 1;
        self.cut || significant > DOUBLE_DIGITS || (significant == DOUBLE_DIGITS && places > 1)
    }
}

/// The digits that a double always preserves.
const DOUBLE_DIGITS: u32 = 15;

fn read_exponent(text: &[u8]) -> Result<i32, ParseDecimalError> {
    let digits = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    // Four digits are beyond any double (1e-324 to 1e308) and far from overflow.
    if digits.is_empty() || digits.len() > 4 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ParseDecimalError::Malformed);
    }
    let value = digits
        .iter()
        .fold(0i32, |sum, b| sum * 10 + i32::from(b - b'0'));
    Ok(if text[0] == b'-' { -value } else { value })
}

/// The whole number nearest to mantissa / 10^places, and how far away it is.
struct Nearest {
    whole: u128,
    /// The value without its fraction, from which its ulp is derived.
    floor: u128,
    /// distance / denominator is the distance, rounded up where digits were cut off.
    distance: u128,
    denominator: u128,
}

/// The largest power of ten in 128 bits.
const LARGEST_POWER: u32 = 38;

impl Nearest {
    /// `cut` says that the mantissa lost nonzero digits at its end.
    fn find(mantissa: u128, places: u32, cut: bool) -> Self {
        let excess = places.saturating_sub(LARGEST_POWER);
        if excess > 0 {
            // The mantissa is below 10^38 and the divisor at least 10^39: the nearest is 0. Scaling
            // both by 10^excess, upwards, is exact where it matters: the tolerance below one unit
            // is 10^35 of this denominator, and ceil(m / 10^e) <= 10^35 iff m <= 10^(35 + e).
            let scale = 10u128.checked_pow(excess).unwrap_or(u128::MAX);
            return Self {
                whole: 0,
                floor: 0,
                distance: mantissa.div_ceil(scale) + u128::from(cut),
                denominator: 10u128.pow(LARGEST_POWER),
            };
        }
        let denominator = 10u128.pow(places);
        let (floor, remainder) = divide(mantissa, denominator);
        let above = denominator - remainder;
        let up = remainder > above || (remainder == above && (cut || floor % 2 == 1));
        Self {
            whole: floor + u128::from(up),
            floor,
            // The digits cut off add less than 1/denominator to the remainder.
            distance: if up {
                above
            } else {
                remainder + u128::from(cut)
            },
            denominator,
        }
    }

    /// Whether the distance is at most a thousandth of the last kept decimal.
    fn is_tiny(&self) -> bool {
        // With a denominator of 10 or 100, only a distance of zero is within a thousandth.
        self.distance <= self.denominator / 1000
    }

    /// Whether the distance, in units of 10^-digits, is at most 64 ulp of a double, or 4,096 and a
    /// quarter of the last kept decimal.
    fn is_noise(&self, digits: u32) -> bool {
        let is_within_a_quarter = self.distance <= self.denominator / 4;
        let exponent = if is_within_a_quarter { 12 } else { 6 };
        // 2^n ulp of v is 2^(floor(log2 v) - 52 + n); below one whole unit every sum of doubles
        // is within a thousandth of its ninth decimal.
        let scale = 10u128.pow(digits);
        let units = self.floor / scale;
        if units == 0 {
            return false;
        }
        // distance / denominator <= 2^-shift x 10^digits, compared as 256-bit products.
        let shift = (52 - exponent) - units.ilog2().min(52 - exponent);
        widening_mul(self.distance, 1 << shift) <= widening_mul(self.denominator, scale)
    }
}

/// Quotient and remainder, in 64-bit arithmetic where possible: ten times faster.
fn divide(value: u128, by: u128) -> (u128, u128) {
    match (u64::try_from(value), u64::try_from(by)) {
        (Ok(value), Ok(by)) => (u128::from(value / by), u128::from(value % by)),
        _ => (value / by, value % by),
    }
}

/// A buffer to print one number into without allocating.
#[derive(Debug)]
pub struct Buffer {
    bytes: [u8; 64],
}

impl Default for Buffer {
    fn default() -> Self {
        Self::new()
    }
}

impl Buffer {
    /// An empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; 64] }
    }

    /// `value` x 10^-`digits` (at most 18) as the shortest plain decimal.
    pub fn format(&mut self, value: i128, digits: u32) -> &str {
        std::str::from_utf8(self.format_bytes(value, digits)).expect("only ASCII was written")
    }

    /// [`Self::format`], for writers of bytes.
    pub fn format_bytes(&mut self, value: i128, digits: u32) -> &[u8] {
        let mut at = match u64::try_from(value.unsigned_abs()) {
            Ok(magnitude) => self.write_narrow(magnitude, digits),
            Err(_) => self.write_wide(value.unsigned_abs(), digits),
        };
        if value < 0 {
            at -= 1;
            self.bytes[at] = b'-';
        }
        &self.bytes[at..]
    }

    /// Nearly every number: answers print millions, so 128-bit division would be noticeable.
    fn write_narrow(&mut self, magnitude: u64, digits: u32) -> usize {
        let unit = 10u64.pow(digits);
        let (mut whole, mut fraction) = (magnitude / unit, magnitude % unit);
        let mut at = self.bytes.len();
        if fraction != 0 {
            let mut places = digits;
            if fraction.is_multiple_of(1_000_000) {
                fraction /= 1_000_000;
                places -= 6;
            }
            while fraction.is_multiple_of(10) {
                fraction /= 10;
                places -= 1;
            }
            for _ in 0..places {
                at -= 1;
                self.bytes[at] = digit((fraction % 10).into());
                fraction /= 10;
            }
            at -= 1;
            self.bytes[at] = b'.';
        }
        loop {
            at -= 1;
            self.bytes[at] = digit((whole % 10).into());
            whole /= 10;
            if whole == 0 {
                return at;
            }
        }
    }

    fn write_wide(&mut self, magnitude: u128, digits: u32) -> usize {
        let (whole, fraction) = divide(magnitude, 10u128.pow(digits));
        let mut at = self.bytes.len();
        if fraction != 0 {
            at = self.write_fraction(fraction, digits);
        }
        self.write_whole(whole, at)
    }

    fn write_fraction(&mut self, mut fraction: u128, digits: u32) -> usize {
        let mut places = digits;
        let mut ten = divide(fraction, 10);
        while ten.1 == 0 {
            fraction = ten.0;
            places -= 1;
            ten = divide(fraction, 10);
        }
        let mut at = self.bytes.len();
        for _ in 0..places {
            at -= 1;
            let (rest, last) = divide(fraction, 10);
            self.bytes[at] = digit(last);
            fraction = rest;
        }
        at -= 1;
        self.bytes[at] = b'.';
        at
    }

    fn write_whole(&mut self, mut whole: u128, mut at: usize) -> usize {
        loop {
            at -= 1;
            let (rest, last) = divide(whole, 10);
            self.bytes[at] = digit(last);
            whole = rest;
            if whole == 0 {
                return at;
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the remainder of ten fits a byte"
)]
fn digit(value: u128) -> u8 {
    b'0' + value as u8
}
