//! Signed links: downloads without a token, until they expire.
//!
//! Invariant: a link states the file, the holder, the expiry and the key; the signature covers all
//! four. Each download checks whether the holder may still see the report. Keys are random, kept in
//! the store, and rotated daily; an old key is kept until the last link under it has expired.

use serde::{Deserialize, Serialize};
use tallybook_core::time::Instant;

/// How long a key is used for signing.
const KEY_SECONDS: i64 = 24 * 60 * 60;

/// The longest validity of a link.
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

/// The holder of a link: it stops working when the holder loses access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The holder's name in links.
    pub name: HolderName,
    /// A proof of identity for a holder without a row in the store; the signature covers it.
    pub proof: Option<[u8; 32]>,
}

/// The name of a link's holder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum HolderName {
    /// The token that requested the link.
    Token(String),
    /// The user that it was sent to.
    User(String),
}

impl std::fmt::Display for HolderName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(id) => write!(f, "token-{id}"),
            Self::User(login) => write!(f, "user-{login}"),
        }
    }
}

impl TryFrom<String> for HolderName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.split_once('-') {
            Some(("token", id)) => Ok(Self::Token(id.to_owned())),
            Some(("user", login)) => Ok(Self::User(login.to_owned())),
            _ => Err("a link is for a token or for a user"),
        }
    }
}

/// A link's parameters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Signed {
    /// Its holder.
    #[serde(rename = "for")]
    pub holder: HolderName,
    /// When it expires, in seconds since 1970.
    pub expires: i64,
    /// The id of the key.
    pub key: u64,
    /// The signature, in hexadecimal digits.
    pub signature: String,
}

impl Signed {
    /// The link as query parameters.
    #[must_use]
    pub fn url(&self, base: &str, job: &str, part: usize) -> String {
        let (holder, expires) = (&self.holder, self.expires);
        let (key, signature) = (self.key, &self.signature);
        format!(
            "{base}/reports/{job}/{part}?for={holder}&expires={expires}&key={key}\
             &signature={signature}"
        )
    }
}

impl Keys {
    /// Whether the newest key is due for rotation, or there is none.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        let newest = self.0.last();
        newest.is_none_or(|key| now.seconds() - key.created_at >= KEY_SECONDS)
    }

    /// The keys plus a new one, without those whose links have all expired.
    #[must_use]
    pub fn rotated(&self, secret: [u8; 32], now: Instant) -> Self {
        let id = self.0.last().map_or(1, |key| key.id + 1);
        let oldest = now.seconds() - KEY_SECONDS - MOST_LINK_SECONDS;
        let mut keys = self.0.clone();
        // A key that was replaced late signed for longer; what counts is when its successor was
        // created.
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
    pub fn sign(&self, job: &str, part: usize, holder: &Holder, expires: i64) -> Option<Signed> {
        let key = self.0.last()?;
        let signature = key.signature((job, part), holder, expires);
        Some(Signed {
            holder: holder.name.clone(),
            expires,
            key: key.id,
            signature: signature.to_hex().to_string(),
        })
    }

    /// Whether a link to a file was signed here for its holder and has not expired; `proof` is the
    /// holder's current proof.
    #[must_use]
    pub fn accepts(
        &self,
        (job, part): (&str, usize),
        signed: &Signed,
        proof: Option<[u8; 32]>,
        now: Instant,
    ) -> bool {
        let Some(key) = self.0.iter().find(|key| key.id == signed.key) else {
            return false;
        };
        let Ok(given) = blake3::Hash::from_hex(&signed.signature) else {
            return false;
        };
        let holder = Holder {
            name: signed.holder.clone(),
            proof,
        };
        // Hashes are compared in constant time.
        key.signature((job, part), &holder, signed.expires) == given
            && now.seconds() < signed.expires
    }
}

impl Key {
    fn signature(&self, (job, part): (&str, usize), holder: &Holder, expires: i64) -> blake3::Hash {
        let name = &holder.name;
        let mut text = format!("tallybook report 2\n{job}\n{part}\n{expires}\n{name}").into_bytes();
        text.extend(holder.proof.iter().flatten());
        blake3::keyed_hash(&self.secret, &text)
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

    fn monalisa() -> Holder {
        Holder {
            name: HolderName::User("monalisa".to_owned()),
            proof: None,
        }
    }

    #[test]
    fn what_is_changed_or_stale_is_refused() {
        let keys = Keys::default().rotated([7; 32], at(1000));
        let signed = keys
            .sign("job", 1, &monalisa(), START + 2000)
            .expect("a key");
        assert!(keys.accepts(("job", 1), &signed, None, at(1999)));
        assert!(!keys.accepts(("job", 1), &signed, None, at(2000)), "stale");
        assert!(
            !keys.accepts(("job", 2), &signed, None, at(1000)),
            "another part"
        );
        assert!(
            !keys.accepts(("other", 1), &signed, None, at(1000)),
            "another job"
        );
        for changed in [
            Signed {
                holder: HolderName::User("hubot".to_owned()),
                ..signed.clone()
            },
            Signed {
                holder: HolderName::Token("monalisa".to_owned()),
                ..signed.clone()
            },
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
            assert!(
                !keys.accepts(("job", 1), &changed, None, at(1000)),
                "{changed:?}"
            );
        }
    }

    #[test]
    fn a_link_ends_with_what_its_holder_is_known_by() {
        let keys = Keys::default().rotated([7; 32], at(1000));
        let admin = Holder {
            name: HolderName::Token("environment-admin".to_owned()),
            proof: Some([1; 32]),
        };
        let signed = keys.sign("job", 1, &admin, START + 2000).expect("a key");
        let accepts = |proof| keys.accepts(("job", 1), &signed, proof, at(1000));
        assert!(accepts(Some([1; 32])));
        assert!(!accepts(Some([2; 32])), "another secret");
        assert!(!accepts(None));
    }

    #[test]
    fn holders_are_read_as_they_are_written() {
        for name in [
            HolderName::Token("environment-admin".to_owned()),
            HolderName::User("mona-lisa".to_owned()),
        ] {
            assert_eq!(HolderName::try_from(name.to_string()), Ok(name));
        }
        HolderName::try_from("team-x".to_owned()).expect_err("neither");
    }

    #[test]
    fn links_outlive_their_key_s_last_day() {
        let first = Keys::default().rotated([1; 32], at(0));
        assert!(!first.is_due(at(KEY_SECONDS - 1)));
        assert!(first.is_due(at(KEY_SECONDS)));
        let signed = first
            .sign("job", 1, &monalisa(), START + KEY_SECONDS + 60)
            .expect("a key");
        let second = first.rotated([2; 32], at(KEY_SECONDS));
        assert!(second.accepts(("job", 1), &signed, None, at(KEY_SECONDS + 59)));
        assert_eq!(second.sign("job", 1, &monalisa(), 9).expect("a key").key, 2);
        let third = second.rotated([3; 32], at(2 * KEY_SECONDS));
        assert_eq!(third.0.len(), 3);
        let fourth = third.rotated([4; 32], at(4 * KEY_SECONDS));
        assert_eq!(
            fourth.0.iter().map(|key| key.id).collect::<Vec<_>>(),
            [3, 4]
        );
    }
}
