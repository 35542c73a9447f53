//! Printing billionths, which answers and reports do millions of times.
//!
//! Invariant: the text is that of [`Buffer::format_bytes`]. Digits are looked up three at a time
//! and written in place, and the number of significant ones is computed without a branch, because
//! the number of decimals of the next amount is unpredictable.

use super::Buffer;

/// Space for each number that [`put_nanos`] writes, including bytes past its end.
const NANOS_ROOM: usize = 32;

const UNIT: u64 = 1_000_000_000;

/// Appends `nanos` x 10^-9 as the shortest plain decimal.
#[inline]
pub fn append_nanos(out: &mut Vec<u8>, nanos: i128) {
    // Growing by a fixed length needs no call; the excess is truncated.
    let start = out.len();
    out.extend_from_slice(&[b'0'; NANOS_ROOM]);
    let room = out[start..].first_chunk_mut();
    match room.and_then(|room| put_nanos(room, nanos)) {
        Some(length) => out.truncate(start + length),
        None => {
            out.truncate(start);
            out.extend_from_slice(Buffer::new().format_bytes(nanos, 9));
        }
    }
}

/// Writes `nanos` x 10^-9 as the shortest plain decimal to the beginning of `text`, and returns its
/// length; the bytes after it are undefined. `None` from a thousand million units on: use
/// [`append_nanos`] then.
#[inline]
fn put_nanos(text: &mut [u8; NANOS_ROOM], nanos: i128) -> Option<usize> {
    let nanos = i64::try_from(nanos).ok()?;
    let magnitude = nanos.unsigned_abs();
    let (whole, fraction) = (magnitude / UNIT, magnitude % UNIT);
    text[0] = b'-';
    let sign = usize::from(nanos < 0);
    let leading = usize::try_from(whole)
        .ok()
        .and_then(|whole| LEADING.get(whole));
    let digits = match leading {
        Some(three) => put_leading(&mut text[sign..], *three),
        None if whole < UNIT => put_whole(&mut text[sign..], whole),
        None => return None,
    };
    let length = sign + digits;
    let decimals = text[length..].first_chunk_mut()?;
    Some(length + put_fraction(decimals, fraction))
}

/// Three digits, and how many of them are significant.
type Three = [u8; 4];

/// The digits of each number below a thousand, and how many there are without trailing zeros: none
/// for zero.
#[expect(clippy::cast_possible_truncation, reason = "single digits")]
const DIGITS: [Three; 1000] = {
    let mut table = [[0; 4]; 1000];
    let mut number = 0;
    while number < table.len() {
        let [a, b, c] = [number / 100, number / 10 % 10, number % 10];
        let used = match (a, b, c) {
            (0, 0, 0) => 0,
            (_, 0, 0) => 1,
            (_, _, 0) => 2,
            _ => 3,
        };
        table[number] = [b'0' + a as u8, b'0' + b as u8, b'0' + c as u8, used];
        number += 1;
    }
    table
};

/// The same without leading zeros, and how many digits are left.
const LEADING: [Three; 1000] = {
    let mut table = DIGITS;
    let mut number = 0;
    while number < table.len() {
        let [a, b, c, _] = table[number];
        table[number] = match number {
            0..10 => [c, b'0', b'0', 1],
            10..100 => [b, c, b'0', 2],
            _ => [a, b, c, 3],
        };
        number += 1;
    }
    table
};

/// The length of a point and nine decimals without trailing zeros, indexed by the last bytes of
/// [`DIGITS`] for the three groups, two bits each; zero when all digits are zero.
#[expect(clippy::cast_possible_truncation, reason = "indices below 64")]
const FRACTION_LENGTHS: [u8; 64] = {
    let mut table = [0; 64];
    let mut index = 0;
    while index < table.len() {
        let used = [index as u8 & 3, index as u8 >> 2 & 3, index as u8 >> 4];
        table[index] = match used {
            [0, 0, 0] => 0,
            [a, 0, 0] => 1 + a,
            [_, b, 0] => 4 + b,
            [_, _, c] => 7 + c,
        };
        index += 1;
    }
    table
};

/// A nine-digit number as three groups of three.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a number below a thousand million fits 32 bits"
)]
#[inline(always)]
fn threes(number: u64) -> [usize; 3] {
    let number = number as u32;
    let thousands = number / 1000;
    [thousands / 1000, thousands % 1000, number % 1000].map(|three| three as usize)
}

/// Writes an entry of [`LEADING`], and returns its number of digits.
#[inline(always)]
fn put_leading(text: &mut [u8], [a, b, c, length]: Three) -> usize {
    text[..4].copy_from_slice(&[a, b, c, length]);
    usize::from(length)
}

/// Writes a nine-digit number without leading zeros, and returns the number of digits.
#[cold]
fn put_whole(text: &mut [u8], number: u64) -> usize {
    let threes = threes(number);
    let first = threes.iter().position(|three| *three > 0).unwrap_or(2);
    let mut length = put_leading(text, LEADING[threes[first]]);
    for three in &threes[first + 1..] {
        text[length..length + 4].copy_from_slice(&DIGITS[*three]);
        length += 3;
    }
    length
}

/// Writes the point and nine decimals, and returns their length without trailing zeros: zero for a
/// whole number.
#[inline(always)]
fn put_fraction(text: &mut [u8; 12], fraction: u64) -> usize {
    let [a, b, c] = threes(fraction).map(|three| DIGITS[three]);
    text[0] = b'.';
    text[1..5].copy_from_slice(&a);
    text[4..8].copy_from_slice(&b);
    text[7..11].copy_from_slice(&c);
    let used = a[3] | b[3] << 2 | c[3] << 4;
    usize::from(FRACTION_LENGTHS[usize::from(used & 63)])
}
