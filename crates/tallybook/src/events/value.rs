//! Values of an event's members, from the text of their JSON.
//!
//! Invariant: a text is accepted exactly as sent or refused, never trimmed or shortened; a quantity
//! is read from its digits. Each function's error is only the reason.

use std::borrow::Cow;
use tallybook_core::money::Quantity;
use tallybook_core::time::Timestamp;

/// The longest text in `data`: a path of a workflow, a model, a SKU.
const MOST_TEXT: usize = 1024;

/// The largest count of tokens: sums of 2^13 of them still fit in 64 bits.
const MOST_TOKENS: u64 = 1_000_000_000_000_000;

type Reason = Cow<'static, str>;

/// The text of a JSON string.
pub(super) fn string(json: &str) -> Result<Cow<'_, str>, Reason> {
    let inner = json
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match inner {
        None => Err("must be a string".into()),
        Some(text) if text.contains('\\') => {
            let text: String = serde_json::from_str(json)
                .map_err(|error| Reason::from(format!("is not JSON: {error}")))?;
            Ok(text.into())
        }
        Some(text) => Ok(text.into()),
    }
}

/// A string that names something: not empty, without control characters or spaces around it.
pub(super) fn text(json: &str) -> Result<Cow<'_, str>, Reason> {
    let text = string(json)?;
    check_text(&text, MOST_TEXT)?;
    Ok(text)
}

fn check_text(text: &str, most: usize) -> Result<(), Reason> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    if text.len() > most {
        return Err(format!("has more than {most} bytes").into());
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err("begins or ends with a space".into());
    }
    if text.contains(char::is_control) {
        return Err("has a control character".into());
    }
    Ok(())
}

/// An `id`: any text.
pub(super) fn id(json: &str, most: usize) -> Result<Box<str>, Reason> {
    let text = string(json)?;
    check_length(&text, most)?;
    check_text(&text, usize::MAX)?;
    Ok(text.into())
}

/// A `source`: a URI reference, by its characters (RFC 3986).
pub(super) fn source(json: &str, most: usize) -> Result<Box<str>, Reason> {
    let text = string(json)?;
    if text.is_empty() {
        return Err("is empty".into());
    }
    check_length(&text, most)?;
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    if text.bytes().all(allowed) {
        Ok(text.into())
    } else {
        Err(
            "is not a URI reference: it has a space or another character that needs escaping"
                .into(),
        )
    }
}

fn check_length(text: &str, most: usize) -> Result<(), Reason> {
    if text.len() > most {
        let flag = crate::config::EventLimits::EVENT_NAME_BYTES;
        return Err(format!("has more than {most} bytes ({flag})").into());
    }
    Ok(())
}

/// A quantity: a JSON number, or its text in a string.
///
/// Noise of an IEEE double after the ninth decimal is rounded away (0.07200000000000001); other
/// digits there are refused, and so is a nonzero number that would round to zero.
pub(super) fn quantity(json: &str) -> Result<Quantity, Reason> {
    let text = match json.as_bytes() {
        [b'"', ..] => string(json)?,
        [b'-' | b'0'..=b'9', ..] => json.into(),
        _ => return Err("must be a number or a decimal string".into()),
    };
    if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return Err("is not a decimal number".into());
    }
    let quantity = Quantity::parse(&text).map_err(|error| Reason::from(error.to_string()))?;
    if quantity < Quantity::ZERO {
        return Err("is negative; a correction is an event of type void or amend".into());
    }
    if quantity.is_zero() && has_value(&text) {
        return Err("is smaller than a billionth, the smallest quantity that is counted".into());
    }
    Ok(quantity)
}

/// Whether a number has a nonzero digit before its exponent.
fn has_value(number: &str) -> bool {
    let mut mantissa = number
        .bytes()
        .take_while(|byte| !matches!(byte, b'e' | b'E'));
    mantissa.any(|byte| matches!(byte, b'1'..=b'9'))
}

/// A count of tokens: a whole number.
pub(super) fn count(json: &str) -> Result<u64, Reason> {
    let digits = !json.is_empty() && json.bytes().all(|byte| byte.is_ascii_digit());
    let count = json.parse().ok().filter(|_| digits);
    count
        .filter(|count| *count <= MOST_TOKENS)
        .ok_or_else(|| format!("must be a whole number of at most {MOST_TOKENS}").into())
}

/// A `time`: RFC 3339, with its offset from UTC.
pub(super) fn time(json: &str) -> Result<Timestamp, Reason> {
    let text = string(json)?;
    if !is_rfc_3339(text.as_bytes()) {
        return Err("is not a time with an offset, such as 2026-10-02T13:00:00Z".into());
    }
    Timestamp::parse(&text)
        .map_err(|error| format!("{error}: a time from the year 2000 to 9999 is needed").into())
}

/// Whether a text has the form of RFC 3339, because the date parser accepts many other forms.
fn is_rfc_3339(text: &[u8]) -> bool {
    const DATE_AND_TIME: &[u8] = b"0000-00-00T00:00:00";
    const OFFSET: &[u8] = b"+00:00";
    let matches = |text: &[u8], form: &[u8]| {
        text.len() == form.len()
            && text.iter().zip(form).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                b'+' => matches!(byte, b'+' | b'-'),
                b'T' => matches!(byte, b'T' | b't'),
                _ => byte == form,
            })
    };
    let Some((start, rest)) = text.split_at_checked(DATE_AND_TIME.len()) else {
        return false;
    };
    let offset = match rest {
        [b'.', digits @ ..] => {
            let count = digits.iter().take_while(|it| it.is_ascii_digit()).count();
            if count == 0 {
                return false;
            }
            &digits[count..]
        }
        _ => rest,
    };
    matches(start, DATE_AND_TIME) && (matches!(offset, b"Z" | b"z") || matches(offset, OFFSET))
}
