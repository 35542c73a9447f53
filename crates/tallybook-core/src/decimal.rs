//! Decimal text to fixed-point integers and back.
//!
//! Invariant: no float is ever made. Parsing accepts what real usage reports contain: plain
//! decimals, exponents (`9.4086E-05`) and the tails that summing IEEE doubles leaves behind
//! (`0.07200000000000001`). Printing gives the shortest plain decimal.

use crate::money::LIMIT_UNITS;

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

/// The most mantissa digits that are read; a double's shortest form has 17.
const MANTISSA_DIGITS: u32 = 38;

/// Parses `text` into a count of 10^-`digits`.
///
/// A value within max(1e-12, 8 ulp of a double) of a multiple of 10^-`digits` is float noise and is
/// rounded to it; for prices (12 decimals) the tolerance is max(1e-15, 8 ulp). Anything else that
/// would lose digits is refused: all noise in real reports is below 1e-12 (DESIGN section 5).
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

/// The common case, without 128-bit division: up to 18 digits in all, no exponent, no noise.
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
    let value = i128::from(mantissa) * 10i128.pow(missing);
    Some(if negative { -value } else { value })
}

/// mantissa x 10^exponent, with its sign apart.
struct Scientific {
    negative: bool,
    mantissa: u128,
    exponent: i32,
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
        let mut exponent = if exponent.is_empty() {
            0
        } else {
            read_exponent(&exponent[1..])?
        };
        let point = number.iter().position(|b| *b == b'.');
        let digits = number.iter().filter(|b| **b != b'.');
        if number.len() == usize::from(point.is_some()) {
            return Err(Malformed);
        }
        let (mut mantissa, mut significant) = (0u128, 0);
        for &byte in digits {
            if !byte.is_ascii_digit() {
                return Err(Malformed);
            }
            significant += u32::from(mantissa != 0 || byte != b'0');
            if significant > MANTISSA_DIGITS {
                return Err(Malformed);
            }
            mantissa = mantissa * 10 + u128::from(byte - b'0');
        }
        if let Some(point) = point {
            let decimals = number.len() - point - 1;
            exponent -= i32::try_from(decimals).map_err(|_| Malformed)?;
        }
        Ok(Self {
            negative,
            mantissa,
            exponent,
        })
    }

    fn round_to(&self, digits: u32) -> Result<i128, ParseDecimalError> {
        use ParseDecimalError::{Inexact, TooLarge};
        if self.mantissa == 0 {
            return Ok(0);
        }
        let limit = LIMIT_UNITS.unsigned_abs() * 10u128.pow(digits);
        let shift = self.exponent + i32::try_from(digits).map_err(|_| TooLarge)?;
        if shift >= 0 {
            let factor = 10u128.checked_pow(shift.unsigned_abs()).ok_or(TooLarge)?;
            let value = self.mantissa.checked_mul(factor).filter(|v| *v <= limit);
            return value.and_then(|v| i128::try_from(v).ok()).ok_or(TooLarge);
        }
        let places = shift.unsigned_abs();
        let (whole, distance, denominator) = nearest(self.mantissa, places);
        if whole > limit {
            return Err(TooLarge);
        }
        if !is_noise(whole, distance, denominator, digits) {
            return Err(Inexact(digits));
        }
        i128::try_from(whole).map_err(|_| TooLarge)
    }
}

fn read_exponent(text: &[u8]) -> Result<i32, ParseDecimalError> {
    let digits = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    // Four digits are beyond any double (1e-324 to 1e308) and keep the arithmetic far from overflow.
    if digits.is_empty() || digits.len() > 4 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ParseDecimalError::Malformed);
    }
    let value = digits
        .iter()
        .fold(0i32, |sum, b| sum * 10 + i32::from(b - b'0'));
    Ok(if text[0] == b'-' { -value } else { value })
}

/// mantissa / 10^places as (nearest whole number, distance to it, denominator of the distance).
fn nearest(mantissa: u128, places: u32) -> (u128, u128, u128) {
    let Some(denominator) = 10u128.checked_pow(places) else {
        // A mantissa has at most 38 digits, so 10^39 and more divide it to below one tenth.
        return (0, 1, if places > 60 { 1 << 100 } else { 10 });
    };
    let (whole, remainder) = (mantissa / denominator, mantissa % denominator);
    if remainder > denominator - remainder {
        (whole + 1, denominator - remainder, denominator)
    } else {
        (whole, remainder, denominator)
    }
}

/// Whether distance / denominator (in units of 10^-digits) is within the tolerance for a value of
/// about `whole` x 10^-digits: a thousandth of the last kept decimal, or 8 ulp of a double.
fn is_noise(whole: u128, distance: u128, denominator: u128, digits: u32) -> bool {
    if distance <= denominator / 1000 {
        return true;
    }
    // 8 ulp of v is 2^(floor(log2 v) - 49); below one unit it is smaller than 1e-14.
    let units = whole / 10u128.pow(digits);
    if units == 0 {
        return false;
    }
    let shift = 49 - units.ilog2().min(49);
    // distance / denominator <= 10^digits / 2^shift, with both sides kept inside 128 bits.
    let scale = 10u128.pow(digits);
    let (mut distance, mut denominator) = (distance, denominator);
    while denominator > 1 << 80 {
        distance = distance.div_ceil(2);
        denominator /= 2;
    }
    match distance
        .checked_shl(shift)
        .filter(|v| v >> shift == distance)
    {
        Some(left) => left <= scale.saturating_mul(denominator),
        None => false,
    }
}

/// A place to print one number into, without allocating.
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

    /// `value` x 10^-`digits` as the shortest plain decimal.
    pub fn format(&mut self, value: i128, digits: u32) -> &str {
        let unit = 10u128.pow(digits);
        let magnitude = value.unsigned_abs();
        let mut at = self.bytes.len();
        let fraction = magnitude % unit;
        if fraction != 0 {
            at = self.write_fraction(fraction, digits);
        }
        at = self.write_whole(magnitude / unit, at);
        if value < 0 {
            at -= 1;
            self.bytes[at] = b'-';
        }
        // Only ASCII digits, a point and a minus were written.
        std::str::from_utf8(&self.bytes[at..]).unwrap_or_default()
    }

    fn write_fraction(&mut self, mut fraction: u128, digits: u32) -> usize {
        let mut places = digits;
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            places -= 1;
        }
        let mut at = self.bytes.len();
        for _ in 0..places {
            at -= 1;
            self.bytes[at] = digit(fraction % 10);
            fraction /= 10;
        }
        at -= 1;
        self.bytes[at] = b'.';
        at
    }

    fn write_whole(&mut self, mut whole: u128, mut at: usize) -> usize {
        loop {
            at -= 1;
            self.bytes[at] = digit(whole % 10);
            whole /= 10;
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
