//! Columns of integers in as few bytes as their range needs: a base and 0, 1, 2, 4, 8 or 16 bytes
//! per value. The same form in memory and on disk (where it is compressed as well).
//!
//! Invariant: `get(i)` is exactly what was packed; a column of one repeated value takes no bytes
//! per line.

use crate::codec::{DecodeError, Reader, Writer};

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    base: i128,
    /// The greatest value.
    greatest: i128,
    offsets: Offsets,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Offsets {
    Same(usize),
    One(Vec<u8>),
    Two(Vec<u16>),
    Four(Vec<u32>),
    Eight(Vec<u64>),
    Sixteen(Vec<u128>),
}

/// A number that a column can hold.
pub trait Number: Copy + Ord + Into<i128> {
    /// Its low 64 bits, sign-extended.
    fn low(self) -> u64;
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Number for $number {
            fn low(self) -> u64 {
                self as u64
            }
        })*
    };
}

numbers!(u8, u16, u32, u64, i32, i64);

impl Number for i128 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low bits are asked for"
    )]
    fn low(self) -> u64 {
        self as u64
    }
}

impl Packed {
    /// Packs a slice.
    pub fn new<T: Number>(values: &[T]) -> Self {
        let (Some(least), Some(greatest)) = (values.iter().min(), values.iter().max()) else {
            return Self {
                base: 0,
                greatest: 0,
                offsets: Offsets::Same(0),
            };
        };
        let (base, greatest): (i128, i128) = ((*least).into(), (*greatest).into());
        // The difference of two i128 fits a u128, whatever their signs.
        let range = greatest.wrapping_sub(base).cast_unsigned();
        let low = least.low();
        // Exact whenever the range fits 64 bits.
        let offset = |value: &T| value.low().wrapping_sub(low);
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        let offsets = if range == 0 {
            Offsets::Same(values.len())
        } else if range <= u128::from(u8::MAX) {
            Offsets::One(values.iter().map(|value| offset(value) as u8).collect())
        } else if range <= u128::from(u16::MAX) {
            Offsets::Two(values.iter().map(|value| offset(value) as u16).collect())
        } else if range <= u128::from(u32::MAX) {
            Offsets::Four(values.iter().map(|value| offset(value) as u32).collect())
        } else if range <= u128::from(u64::MAX) {
            Offsets::Eight(values.iter().map(offset).collect())
        } else {
            let wide = |value: &T| (*value).into().wrapping_sub(base).cast_unsigned();
            Offsets::Sixteen(values.iter().map(wide).collect())
        };
        Self {
            base,
            greatest,
            offsets,
        }
    }

    /// `count` times the same value.
    #[must_use]
    pub fn same(value: i128, count: usize) -> Self {
        Self {
            base: value,
            greatest: value,
            offsets: Offsets::Same(count),
        }
    }

    /// How many values.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.offsets {
            Offsets::Same(count) => *count,
            Offsets::One(values) => values.len(),
            Offsets::Two(values) => values.len(),
            Offsets::Four(values) => values.len(),
            Offsets::Eight(values) => values.len(),
            Offsets::Sixteen(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes per value in memory.
    #[must_use]
    pub fn width(&self) -> usize {
        match &self.offsets {
            Offsets::Same(_) => 0,
            Offsets::One(_) => 1,
            Offsets::Two(_) => 2,
            Offsets::Four(_) => 4,
            Offsets::Eight(_) => 8,
            Offsets::Sixteen(_) => 16,
        }
    }

    /// One value; panics beyond the end, like a slice.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> i128 {
        let offset = match &self.offsets {
            Offsets::Same(count) => {
                assert!(index < *count, "index {index} of {count}");
                0
            }
            Offsets::One(values) => u128::from(values[index]),
            Offsets::Two(values) => u128::from(values[index]),
            Offsets::Four(values) => u128::from(values[index]),
            Offsets::Eight(values) => u128::from(values[index]),
            Offsets::Sixteen(values) => values[index],
        };
        self.base.wrapping_add(offset.cast_signed())
    }

    /// The value of every line, if all lines have the same one.
    #[must_use]
    pub fn constant(&self) -> Option<i128> {
        matches!(self.offsets, Offsets::Same(_)).then_some(self.base)
    }

    /// Whether every value is one of `0 .. count`: for columns of codes.
    #[must_use]
    pub fn is_below(&self, count: usize) -> bool {
        self.is_empty() || (self.base >= 0 && self.greatest < count as i128)
    }

    /// Whether every value fits an `i64`.
    #[must_use]
    pub fn fits_i64(&self) -> bool {
        i64::try_from(self.base).is_ok() && i64::try_from(self.greatest).is_ok()
    }

    /// One value without its high bits: for columns of codes, whose values are known to fit.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "codes fit 32 bits by construction"
    )]
    #[must_use]
    #[inline]
    pub fn code(&self, index: usize) -> u32 {
        let offset = match &self.offsets {
            Offsets::Same(_) => 0,
            Offsets::One(values) => u32::from(values[index]),
            Offsets::Two(values) => u32::from(values[index]),
            Offsets::Four(values) => values[index],
            Offsets::Eight(values) => values[index] as u32,
            Offsets::Sixteen(values) => values[index] as u32,
        };
        (self.base as u32).wrapping_add(offset)
    }

    /// One more than the greatest value: for columns of codes.
    #[must_use]
    pub fn code_count(&self) -> usize {
        usize::try_from(self.greatest).unwrap_or(0) + 1
    }

    /// The first index from `start` to `end` for whose code `is_before` is false, or `end`; codes
    /// for which it is true must come first.
    pub fn partition_point(
        &self,
        (start, end): (usize, usize),
        is_before: impl Fn(u32) -> bool,
    ) -> usize {
        let (mut low, mut high) = (start, end);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(self.code(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Copies `out.len()` values from `start` on into `out`, without their high bits: for columns
    /// of codes, whose values are known to fit.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "codes fit 32 bits by construction"
    )]
    pub fn read_codes(&self, start: usize, out: &mut [u32]) {
        let base = self.base as u32;
        let end = start + out.len();
        match &self.offsets {
            Offsets::Same(_) => out.fill(base),
            Offsets::One(values) => {
                shift(&values[start..end], out, |v| base.wrapping_add(v.into()))
            }
            Offsets::Two(values) => {
                shift(&values[start..end], out, |v| base.wrapping_add(v.into()))
            }
            Offsets::Four(values) => shift(&values[start..end], out, |v| base.wrapping_add(v)),
            Offsets::Eight(values) => {
                shift(&values[start..end], out, |v| base.wrapping_add(v as u32));
            }
            Offsets::Sixteen(values) => {
                shift(&values[start..end], out, |v| base.wrapping_add(v as u32));
            }
        }
    }

    /// Copies `out.len()` values from `start` on; only for columns that [`Self::fits_i64`].
    #[expect(
        clippy::cast_possible_truncation,
        reason = "only called when every value fits"
    )]
    pub fn read_i64(&self, start: usize, out: &mut [i64]) {
        let base = self.base as i64;
        let end = start + out.len();
        match &self.offsets {
            Offsets::Same(_) => out.fill(base),
            Offsets::One(values) => {
                shift(&values[start..end], out, |v| base.wrapping_add(v.into()))
            }
            Offsets::Two(values) => {
                shift(&values[start..end], out, |v| base.wrapping_add(v.into()))
            }
            Offsets::Four(values) => {
                shift(&values[start..end], out, |v| base.wrapping_add(v.into()));
            }
            Offsets::Eight(values) => {
                shift(&values[start..end], out, |v| {
                    base.wrapping_add(v.cast_signed())
                });
            }
            Offsets::Sixteen(values) => {
                shift(&values[start..end], out, |v| base.wrapping_add(v as i64));
            }
        }
    }

    fn greatest_offset(&self) -> u128 {
        match &self.offsets {
            Offsets::Same(_) => 0,
            Offsets::One(values) => values.iter().copied().max().unwrap_or(0).into(),
            Offsets::Two(values) => values.iter().copied().max().unwrap_or(0).into(),
            Offsets::Four(values) => values.iter().copied().max().unwrap_or(0).into(),
            Offsets::Eight(values) => values.iter().copied().max().unwrap_or(0).into(),
            Offsets::Sixteen(values) => values.iter().copied().max().unwrap_or(0),
        }
    }

    /// Every value, unpacked.
    #[must_use]
    pub fn values(&self) -> Vec<i128> {
        let base = self.base;
        let add = |offset: u128| base.wrapping_add(offset.cast_signed());
        match &self.offsets {
            Offsets::Same(count) => vec![base; *count],
            Offsets::One(values) => values.iter().map(|v| add((*v).into())).collect(),
            Offsets::Two(values) => values.iter().map(|v| add((*v).into())).collect(),
            Offsets::Four(values) => values.iter().map(|v| add((*v).into())).collect(),
            Offsets::Eight(values) => values.iter().map(|v| add((*v).into())).collect(),
            Offsets::Sixteen(values) => values.iter().map(|v| add(*v)).collect(),
        }
    }

    /// Every value, in order.
    pub fn iter(&self) -> impl Iterator<Item = i128> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Bytes held in memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.len() * self.width()
    }

    /// Writes the column.
    pub fn encode(&self, writer: &mut Writer) {
        writer.count(self.len());
        writer.signed(self.base);
        #[expect(clippy::cast_possible_truncation, reason = "a width is at most 16")]
        writer.byte(self.width() as u8);
        match &self.offsets {
            Offsets::Same(_) => {}
            Offsets::One(values) => writer.raw(values),
            Offsets::Two(values) => write(writer, values, u16::to_le_bytes),
            Offsets::Four(values) => write(writer, values, u32::to_le_bytes),
            Offsets::Eight(values) => write(writer, values, u64::to_le_bytes),
            Offsets::Sixteen(values) => write(writer, values, u128::to_le_bytes),
        }
    }

    /// Reads a column of exactly `count` values.
    pub fn decode_exactly(reader: &mut Reader<'_>, count: usize) -> Result<Self, DecodeError> {
        let column = Self::decode(reader, count)?;
        if column.len() == count {
            Ok(column)
        } else {
            Err(reader.invalid("column length"))
        }
    }

    /// Reads a column of at most `most` values.
    pub fn decode(reader: &mut Reader<'_>, most: usize) -> Result<Self, DecodeError> {
        const WHAT: &str = "column";
        let count = usize::try_from(reader.varint(WHAT)?).map_err(|_| reader.invalid(WHAT))?;
        if count > most {
            return Err(reader.invalid(WHAT));
        }
        let base = reader.signed(WHAT)?;
        let width = usize::from(reader.byte(WHAT)?);
        let size = count
            .checked_mul(width)
            .ok_or_else(|| reader.invalid(WHAT))?;
        let bytes = reader.raw(size, WHAT)?;
        let offsets = match width {
            0 => Offsets::Same(count),
            1 => Offsets::One(bytes.to_vec()),
            2 => Offsets::Two(chunks(bytes, u16::from_le_bytes)),
            4 => Offsets::Four(chunks(bytes, u32::from_le_bytes)),
            8 => Offsets::Eight(chunks(bytes, u64::from_le_bytes)),
            16 => Offsets::Sixteen(chunks(bytes, u128::from_le_bytes)),
            _ => return Err(reader.invalid("column width")),
        };
        let mut column = Self {
            base,
            greatest: base,
            offsets,
        };
        let greatest = column.greatest_offset();
        column.greatest = base.wrapping_add(greatest.cast_signed());
        if column.greatest < base {
            return Err(reader.invalid("column range"));
        }
        Ok(column)
    }
}

fn write<T: Copy, const N: usize>(writer: &mut Writer, values: &[T], bytes: fn(T) -> [u8; N]) {
    // In steps, to avoid a second copy of a long column.
    for values in values.chunks(4096) {
        let bytes: Vec<[u8; N]> = values.iter().map(|value| bytes(*value)).collect();
        writer.raw(bytes.as_flattened());
    }
}

/// Converts offsets to values. Callers know that the values fit, so nothing is checked: checks
/// would prevent vectorization.
fn shift<T: Copy, U>(offsets: &[T], out: &mut [U], value: impl Fn(T) -> U) {
    for (to, offset) in out.iter_mut().zip(offsets) {
        *to = value(*offset);
    }
}

fn chunks<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|chunk| read(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_column_keeps_its_values(
            scale in 0u32..126,
            seeds in proptest::collection::vec(any::<i128>(), 0..50),
        ) {
            let values: Vec<i128> = seeds.iter().map(|v| v >> scale).collect();
            let column = Packed::new(&values);
            prop_assert_eq!(column.iter().collect::<Vec<_>>(), values.clone());
            let mut writer = Writer::new();
            column.encode(&mut writer);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(&Packed::decode(&mut reader, 50).unwrap(), &column);
            if column.fits_i64() {
                let mut out = vec![0; values.len()];
                column.read_i64(0, &mut out);
                prop_assert!(out.iter().zip(&values).all(|(a, b)| i128::from(*a) == *b));
            }
        }
    }

    #[test]
    fn a_constant_column_takes_no_bytes_a_line() {
        let column = Packed::new(&[7u32; 1000]);
        assert_eq!(column.width(), 0);
        assert_eq!(column.get(999), 7);
    }
}
