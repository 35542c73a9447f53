//! Checks whether a secret chosen by a person can be guessed.
//!
//! Invariant: secrets from [`super::secret`] and `openssl rand -hex 32` are never considered weak.

/// The fewest characters that must remain after removing everything guessable.
const FEWEST_CHARACTERS: usize = 20;

/// The fewest distinct characters among those.
const FEWEST_DIFFERENT: usize = 8;

/// Words that people put into secrets, in lower case; longer ones come before their own prefixes.
const KNOWN: [&str; 29] = [
    "0123456789",
    "1234567890",
    "12345678",
    "abcdefgh",
    "qwertyuiop",
    "123456",
    "abcdef",
    "qwerty",
    "1234",
    "administrator",
    "admin",
    "boss",
    "root",
    "user",
    "owner",
    "password",
    "passwd",
    "passw0rd",
    "p@ssw0rd",
    "secret",
    "s3cret",
    "changeme",
    "letmein",
    "default",
    "example",
    "token",
    "test",
    "tallybook",
    "billing",
];

/// Why a secret is easily guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// It is too short.
    #[error("has less than {FEWEST_CHARACTERS} characters")]
    Short,
    /// It consists mostly of commonly guessed words.
    #[error("has less than {FEWEST_CHARACTERS} characters besides words such as \"{0}\"")]
    Known(&'static str),
    /// It repeats a small set of characters.
    #[error("has less than {FEWEST_DIFFERENT} different characters")]
    Repetitive,
}

/// What is wrong with a secret, if anything is.
#[must_use]
pub fn weakness(secret: &str) -> Option<Weakness> {
    if secret.chars().count() < FEWEST_CHARACTERS {
        return Some(Weakness::Short);
    }
    let mut rest = secret.to_lowercase();
    let mut known = None;
    for word in KNOWN {
        if rest.contains(word) {
            known = known.or(Some(word));
            rest = rest.replace(word, "");
        }
    }
    if let Some(word) = known
        && rest.chars().count() < FEWEST_CHARACTERS
    {
        return Some(Weakness::Known(word));
    }
    let different: std::collections::BTreeSet<char> = secret.chars().collect();
    (different.len() < FEWEST_DIFFERENT).then_some(Weakness::Repetitive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Secret;

    #[test]
    fn what_people_choose_is_weak() {
        for (secret, expected) in [
            ("boss", Weakness::Short),
            ("correct-horse", Weakness::Short),
            ("12345678901234567890", Weakness::Known("0123456789")),
            ("Admin-Password-Tallybook-2026", Weakness::Known("admin")),
            ("s3cret-s3cret-s3cret-s3cret", Weakness::Known("s3cret")),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaa", Weakness::Repetitive),
            ("xyzxyzxyzxyzxyzxyzxyzxyzxyz", Weakness::Repetitive),
        ] {
            assert_eq!(weakness(secret), Some(expected), "{secret}");
        }
    }

    #[test]
    fn what_is_random_is_not() {
        for secret in [
            "4c1dd24fbd4e47d2b8f1c6d4e5a90b37f1de3f6a08b94c0c92ab6ea1d6b7c855",
            "7f9c24e5-8bd1-4d8c-9d24-3f2f6c3f9a01",
            "admin-4c1dd24fbd4e47d2b8f1c6d4",
        ] {
            assert_eq!(weakness(secret), None, "{secret}");
        }
        for _ in 0..100 {
            let secret = Secret::generate().unwrap();
            assert_eq!(weakness(secret.expose()), None, "{}", secret.expose());
        }
    }
}
