//! Request ids: what a client quotes and the log is searched for.
//!
//! Invariant: the form is GitHub's (`B646:3E30C6:703151:87B13E:69A9546A`): four random groups and
//! the time of the request in seconds, all in upper-case hexadecimal digits.

use tallybook_core::time::Instant;

/// A new id.
pub fn generate(now: Instant) -> Result<String, getrandom::Error> {
    let mut random = [0u8; 11];
    getrandom::fill(&mut random)?;
    let group = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02X}")).collect() };
    Ok(format!(
        "{}:{}:{}:{}:{:08X}",
        group(&random[..2]),
        group(&random[2..5]),
        group(&random[5..8]),
        group(&random[8..]),
        now.seconds()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_github_s_form_and_differ() {
        let now = Instant::parse("2026-03-05T10:00:00Z").unwrap();
        let (one, other) = (generate(now).unwrap(), generate(now).unwrap());
        assert_ne!(one, other);
        let lengths: Vec<_> = one.split(':').map(str::len).collect();
        assert_eq!(lengths, [4, 6, 6, 6, 8]);
        assert!(
            one.bytes()
                .all(|b| b == b':' || b.is_ascii_digit() || b.is_ascii_uppercase())
        );
        assert!(one.ends_with(&format!("{:08X}", now.seconds())));
    }
}
