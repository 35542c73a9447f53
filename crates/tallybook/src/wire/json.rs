//! Writing JSON straight into bytes, for answers of millions of items.
//!
//! Invariant: what is written is valid JSON whatever the names contain, and a number is the
//! shortest plain decimal of its exact value: no exponent, no `.0`, never a float.

use tallybook_core::decimal::{Buffer, append_nanos};
use tallybook_core::money::{Amount, Price, Quantity};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` as a JSON string.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_escaped(out, text);
    out.push(b'"');
}

/// Appends `text` escaped for the inside of a JSON string.
pub fn push_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
        return;
    }
    let mut copied = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if !needs_escape(byte) {
            continue;
        }
        out.extend_from_slice(&bytes[copied..index]);
        push_escape(out, byte);
        copied = index + 1;
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// Whether nothing needs an escape. Names are rarely longer than a few times eight bytes, so wider
/// comparisons would mostly process the remainder.
fn is_plain(bytes: &[u8]) -> bool {
    let (eights, _) = bytes.as_chunks::<8>();
    match bytes.last_chunk::<8>() {
        // The remainder is checked together with the bytes before it.
        Some(last) => eights.iter().chain([last]).all(|eight| are_plain(*eight)),
        None => !bytes.iter().any(|&byte| needs_escape(byte)),
    }
}

/// [`is_plain`] of eight bytes at once.
const fn are_plain(eight: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let eight = u64::from_le_bytes(eight);
    let quotes = eight ^ (ONES * b'"' as u64);
    let backslashes = eight ^ (ONES * b'\\' as u64);
    // An ASCII byte's high bit becomes set if the byte is less than the value subtracted.
    let escapes = eight.wrapping_sub(ONES * 0x20) & !eight
        | quotes.wrapping_sub(ONES) & !quotes
        | backslashes.wrapping_sub(ONES) & !backslashes;
    escapes & HIGH == 0
}

/// Appends `"key":"text"`; the key must need no escape.
pub fn push_text_field(out: &mut Vec<u8>, key: &str, text: &str) {
    push_key(out, key);
    push_string(out, text);
}

/// Appends `"key":`; the key must need no escape.
pub fn push_key(out: &mut Vec<u8>, key: &str) {
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends a whole number.
pub fn push_integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(Buffer::new().format_bytes(i128::from(value), 0));
}

/// Values that are written as decimal numbers.
pub trait JsonNumber {
    /// Appends the value.
    fn push(self, out: &mut Vec<u8>);
}

impl JsonNumber for Quantity {
    fn push(self, out: &mut Vec<u8>) {
        append_nanos(out, self.nanos());
    }
}

impl JsonNumber for Amount {
    fn push(self, out: &mut Vec<u8>) {
        append_nanos(out, self.nanos());
    }
}

impl JsonNumber for Price {
    fn push(self, out: &mut Vec<u8>) {
        out.extend_from_slice(Buffer::new().format_bytes(self.picos(), 12));
    }
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => Some(byte),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\t' => Some(b't'),
        _ => None,
    };
    match short {
        Some(letter) => out.extend_from_slice(&[b'\\', letter]),
        None => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        push_string(&mut out, text);
        out
    }

    proptest! {
        #[test]
        fn any_text_reads_back_as_itself(text in any::<String>()) {
            let read: String = serde_json::from_slice(&written(&text)).unwrap();
            prop_assert_eq!(read, text);
        }

        #[test]
        fn an_escape_is_found_wherever_it_stands(
            text in "[a-zé~]{0,40}", escape in r#"[\x00-\x1f"\\]"#, at: prop::sample::Index,
        ) {
            let at = at.index(text.chars().count() + 1);
            let (before, after): (Vec<_>, Vec<_>) =
                text.chars().enumerate().partition(|(index, _)| *index < at);
            let part = |part: Vec<(usize, char)>| -> String {
                part.into_iter().map(|(_, letter)| letter).collect()
            };
            let text = format!("{}{escape}{}", part(before), part(after));
            let written = written(&text);
            prop_assert!(written.len() > text.len() + 2);
            let read: String = serde_json::from_slice(&written).unwrap();
            prop_assert_eq!(read, text);
        }
    }

    #[test]
    fn controls_and_quotes_are_escaped() {
        assert_eq!(
            written("a\"b\\c\n\u{1}é"),
            "\"a\\\"b\\\\c\\n\\u0001é\"".as_bytes()
        );
    }

    #[test]
    fn numbers_are_shortest_plain_decimals() {
        let mut out = Vec::new();
        Quantity::from_nanos(100_000_000_000).push(&mut out);
        out.push(b' ');
        Amount::from_nanos(-1).push(&mut out);
        out.push(b' ');
        Price::from_picos(336_020_000).push(&mut out);
        out.push(b' ');
        Amount::ZERO.push(&mut out);
        assert_eq!(out, b"100 -0.000000001 0.00033602 0");
    }
}
