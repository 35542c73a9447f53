//! Signed links: what may be downloaded without a token, and until when.
//!
//! Invariant: a link says which file, until when, and under which key; the signature covers all
//! three. Keys are random, kept in the store, and replaced each day; one that was replaced is kept
//! until the last link under it is stale.

use serde::{Deserialize, Serialize};
use tallybook_core::time::Instant;

/// For how long a key signs.
const KEY_SECONDS: i64 = 24 * 60 * 60;

/// The longest that a link is good for.
pub const MOST_LINK_SECONDS: i64 = 24 * 60 * 60;

/// One key.
#[derive(Clone, Serialize, Deserialize)]
struct Key {
    id: u64,
    created_at: i64,
    secret: [u8; 32],
}

/// The keys, oldest first.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Keys(Vec<Key>);

/// Hides the secrets, so that no log can show them by accident.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

/// A link's parameters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Signed {
    /// The second from which it is stale.
    pub expires: i64,
    /// Which key.
    pub key: u64,
    /// The signature, in hexadecimal digits.
    pub signature: String,
}

impl Signed {
    /// The link itself.
    #[must_use]
    pub fn url(&self, base: &str, job: &str, part: usize) -> String {
        let (expires, key, signature) = (self.expires, self.key, &self.signature);
        format!("{base}/reports/{job}/{part}?expires={expires}&key={key}&signature={signature}")
    }
}

impl Keys {
    /// Whether the newest key has signed for long enough, or there is none.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        let newest = self.0.last();
        newest.is_none_or(|key| now.seconds() - key.created_at >= KEY_SECONDS)
    }

    /// The keys with a new one, without those under which no link is good any more.
    #[must_use]
    pub fn rotated(&self, secret: [u8; 32], now: Instant) -> Self {
        let id = self.0.last().map_or(1, |key| key.id + 1);
        let oldest = now.seconds() - KEY_SECONDS - MOST_LINK_SECONDS;
        let mut keys = self.0.clone();
        // One that was replaced late signed for longer; what counts is when the next one came.
        let replaced_at: Vec<i64> = keys.iter().skip(1).map(|key| key.created_at).collect();
        let mut replaced_at = replaced_at.into_iter();
        keys.retain(|_| replaced_at.next().is_none_or(|at| at > oldest));
        keys.push(Key {
            id,
            created_at: now.seconds(),
            secret,
        });
        Self(keys)
    }

    /// Signs a file's link; `None` when there is no key yet.
    #[must_use]
    pub fn sign(&self, job: &str, part: usize, expires: i64) -> Option<Signed> {
        let key = self.0.last()?;
        Some(Signed {
            expires,
            key: key.id,
            signature: key.signature(job, part, expires).to_hex().to_string(),
        })
    }

    /// Whether a link to a file was made here and is not stale.
    #[must_use]
    pub fn accepts(&self, job: &str, part: usize, signed: &Signed, now: Instant) -> bool {
        let Some(key) = self.0.iter().find(|key| key.id == signed.key) else {
            return false;
        };
        let Ok(given) = blake3::Hash::from_hex(&signed.signature) else {
            return false;
        };
        // Hashes are compared in constant time.
        key.signature(job, part, signed.expires) == given && now.seconds() < signed.expires
    }
}

impl Key {
    fn signature(&self, job: &str, part: usize, expires: i64) -> blake3::Hash {
        let text = format!("tallybook report 1\n{job}\n{part}\n{expires}");
        blake3::keyed_hash(&self.secret, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the tests begin, in seconds since 1970.
    const START: i64 = 1_700_000_000;

    fn at(seconds: i64) -> Instant {
        Instant::from_seconds(START + seconds).expect("an instant")
    }

    #[test]
    fn what_is_changed_or_stale_is_refused() {
        let keys = Keys::default().rotated([7; 32], at(1000));
        let signed = keys.sign("job", 1, START + 2000).expect("a key");
        assert!(keys.accepts("job", 1, &signed, at(1999)));
        assert!(!keys.accepts("job", 1, &signed, at(2000)), "stale");
        assert!(!keys.accepts("job", 2, &signed, at(1000)), "another part");
        assert!(!keys.accepts("other", 1, &signed, at(1000)), "another job");
        for changed in [
            Signed {
                expires: START + 3000,
                ..signed.clone()
            },
            Signed {
                key: 2,
                ..signed.clone()
            },
            Signed {
                signature: "00".repeat(32),
                ..signed.clone()
            },
            Signed {
                signature: String::new(),
                ..signed.clone()
            },
        ] {
            assert!(!keys.accepts("job", 1, &changed, at(1000)), "{changed:?}");
        }
    }

    #[test]
    fn links_outlive_their_key_s_last_day() {
        let first = Keys::default().rotated([1; 32], at(0));
        assert!(!first.is_due(at(KEY_SECONDS - 1)));
        assert!(first.is_due(at(KEY_SECONDS)));
        let signed = first
            .sign("job", 1, START + KEY_SECONDS + 60)
            .expect("a key");
        let second = first.rotated([2; 32], at(KEY_SECONDS));
        assert!(second.accepts("job", 1, &signed, at(KEY_SECONDS + 59)));
        assert_eq!(second.sign("job", 1, 9).expect("a key").key, 2);
        let third = second.rotated([3; 32], at(2 * KEY_SECONDS));
        assert_eq!(third.0.len(), 3);
        let fourth = third.rotated([4; 32], at(4 * KEY_SECONDS));
        assert_eq!(
            fourth.0.iter().map(|key| key.id).collect::<Vec<_>>(),
            [3, 4]
        );
    }
}
