//! Secrets of tokens: random, shown once, stored as a hash.
//!
//! Invariant: a secret is `tally_` and 40 letters and digits, 238 bits of the operating system's
//! randomness, so storing a plain hash is sufficient. Look next: [`super::credential`].

use std::fmt;

/// The prefix of every secret, by which scanners recognise a leaked one.
pub const PREFIX: &str = "tally_";

const RANDOM_CHARACTERS: usize = 40;
const ID_CHARACTERS: usize = 12;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A token's secret in clear text, shown only once, to its creator.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Makes a new one; fails only when the operating system provides no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        random_text(RANDOM_CHARACTERS).map(|text| Self(format!("{PREFIX}{text}")))
    }

    /// The text, to be shown only once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The hash that is stored and looked up in its place.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

/// Hides the text, so that no log can show it by accident.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({PREFIX}...)")
    }
}

/// The BLAKE3 hash under which a secret is stored.
#[must_use]
pub fn hash(secret: &str) -> [u8; 32] {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

/// A new token's public id: short and random.
pub fn generate_id() -> Result<String, getrandom::Error> {
    random_text(ID_CHARACTERS)
}

/// `length` random letters and digits, each equally likely.
fn random_text(length: usize) -> Result<String, getrandom::Error> {
    let mut text = String::with_capacity(length);
    let mut bytes = [0u8; 64];
    while text.len() < length {
        getrandom::fill(&mut bytes)?;
        // Bytes from 248 on are discarded: 248 is the largest multiple of 62 in a byte, and without
        // this the first letters would be more frequent.
        let letters = bytes.iter().filter(|byte| **byte < 248);
        let letters = letters.map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
        text.extend(letters.take(length - text.len()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_have_the_documented_form_and_differ() {
        let (one, other) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        assert_ne!(one, other);
        let random = one.expose().strip_prefix(PREFIX).unwrap();
        assert_eq!(random.len(), 40);
        assert!(random.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(one.hash(), hash(one.expose()));
        assert_ne!(one.hash(), other.hash());
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let secret = Secret::generate().unwrap();
        assert!(!format!("{secret:?}").contains(&secret.expose()[PREFIX.len()..]));
    }
}
