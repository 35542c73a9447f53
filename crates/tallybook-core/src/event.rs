//! Usage events: what a producer says happened, once and for all.
//!
//! Invariant: `(source, id)` names an event within its account. Two deliveries of one name are the
//! same event when their contents are equal; the time is not part of the content, so a redelivery
//! with a new timestamp is a duplicate. Look next: [`crate::ledger::events`] for how events are
//! recorded, [`crate::ledger::metered`] for what they add up to.

use crate::codec::Writer;
use crate::ids::LogId;
use crate::money::Quantity;
use crate::name::Name;
use crate::time::Timestamp;

/// One event as sent, validated on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: EventName,
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    pub body: EventBody,
}

/// An event's name within its account: the `source` and `id` of `CloudEvents`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName {
    /// Who sent it, as a URI reference.
    pub source: Box<str>,
    /// Its id, unique within the source.
    pub id: Box<str>,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventBody {
    /// Something was used.
    Usage(Usage),
    /// A usage event never happened.
    Void(EventName),
    /// Replaces everything that a usage event said except its time and who pays.
    Amend(EventName, Usage),
}

/// What was used, by whom, where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// The SKU, by any of its names.
    pub sku: Box<str>,
    /// How much, in the SKU's unit; never negative.
    pub quantity: Quantity,
    /// In which organization.
    pub organization: Option<Name>,
    /// In which of its repositories: the bare name.
    pub repository: Option<Name>,
    /// Who acted.
    pub user: Option<Name>,
    /// Which AI model.
    pub model: Option<Name>,
    /// Which workflow: its path, case-sensitive.
    pub workflow: Option<Box<str>>,
    /// Tokens processed by the model; recorded, not priced.
    pub tokens: Tokens,
}

/// Counts of tokens; `None` where the event does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Read by the model.
    pub input: Option<u64>,
    /// Written by the model.
    pub output: Option<u64>,
    /// Of the input, taken from a cache.
    pub cache_read: Option<u64>,
    /// Put into a cache.
    pub cache_write: Option<u64>,
}

impl Tokens {
    /// From all four, in the order of the fields.
    #[must_use]
    pub fn of([input, output, cache_read, cache_write]: [Option<u64>; 4]) -> Self {
        Self {
            input,
            output,
            cache_read,
            cache_write,
        }
    }

    /// All four, in the order of the fields.
    #[must_use]
    pub fn counts(&self) -> [Option<u64>; 4] {
        [self.input, self.output, self.cache_read, self.cache_write]
    }
}

/// An event's name as 128 bits of a cryptographic hash, by which duplicates are recognised.
///
/// A hostile sender cannot construct two names with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(pub [u8; 16]);

impl EventKey {
    /// The key of a name within an account's log.
    #[must_use]
    pub fn new(log: LogId, source: &str, id: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&log.0.to_le_bytes());
        // The length distinguishes ("ab", "c") from ("a", "bc").
        hasher.update(&(source.len() as u64).to_le_bytes());
        hasher.update(source.as_bytes());
        hasher.update(id.as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(key)
    }
}

impl EventName {
    /// Its key within an account's log.
    #[must_use]
    pub fn key(&self, log: LogId) -> EventKey {
        EventKey::new(log, &self.source, &self.id)
    }
}

/// `source id`, for messages.
impl std::fmt::Display for EventName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.source, self.id)
    }
}

impl Event {
    /// A 64-bit hash of the content: everything but name and time, with names folded and the
    /// quantity as a number.
    #[must_use]
    pub fn content(&self) -> u64 {
        let mut out = Writer::new();
        match &self.body {
            EventBody::Usage(usage) => {
                out.byte(1);
                write_usage(&mut out, usage);
            }
            EventBody::Void(target) => {
                out.byte(2);
                write_target(&mut out, target);
            }
            EventBody::Amend(target, usage) => {
                out.byte(3);
                write_target(&mut out, target);
                write_usage(&mut out, usage);
            }
        }
        let hash = blake3::hash(out.written());
        let mut short = [0; 8];
        short.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_le_bytes(short)
    }

    /// Whether it corrects another event.
    #[must_use]
    pub fn is_correction(&self) -> bool {
        !matches!(self.body, EventBody::Usage(_))
    }

    /// The event that it corrects.
    #[must_use]
    pub fn target(&self) -> Option<&EventName> {
        match &self.body {
            EventBody::Usage(_) => None,
            EventBody::Void(target) | EventBody::Amend(target, _) => Some(target),
        }
    }

    /// The usage that it states, if any.
    #[must_use]
    pub fn usage(&self) -> Option<&Usage> {
        match &self.body {
            EventBody::Usage(usage) | EventBody::Amend(_, usage) => Some(usage),
            EventBody::Void(_) => None,
        }
    }
}

fn write_target(out: &mut Writer, target: &EventName) {
    out.text(&target.source);
    out.text(&target.id);
}

fn write_usage(out: &mut Writer, usage: &Usage) {
    out.text(&usage.sku.to_ascii_lowercase());
    out.signed(usage.quantity.nanos());
    let names = [
        &usage.organization,
        &usage.repository,
        &usage.user,
        &usage.model,
    ];
    for name in names {
        out.text(&name.as_ref().map(Name::folded).unwrap_or_default());
    }
    out.text(usage.workflow.as_deref().unwrap_or_default());
    for count in usage.tokens.counts() {
        out.byte(u8::from(count.is_some()));
        out.varint(count.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sku: &str, organization: &str, time: &str) -> Event {
        Event {
            name: EventName {
                source: "/ci".into(),
                id: "1".into(),
            },
            time: Timestamp::parse(time).unwrap(),
            body: EventBody::Usage(Usage {
                sku: sku.into(),
                quantity: Quantity::parse("1.50").unwrap(),
                organization: Some(organization.into()),
                ..Usage::default()
            }),
        }
    }

    #[test]
    fn time_and_case_are_no_part_of_the_content() {
        let one = event("actions_linux", "octo", "2026-01-01T00:00:00Z");
        let same = event("Actions_Linux", "OCTO", "2026-02-01T00:00:00.5+01:00");
        let other = event("actions_windows", "octo", "2026-01-01T00:00:00Z");
        assert_eq!(one.content(), same.content());
        assert_ne!(one.content(), other.content());
    }

    #[test]
    fn keys_tell_accounts_sources_and_ids_apart() {
        let key = EventKey::new(LogId(1), "ab", "c");
        assert_eq!(key, EventKey::new(LogId(1), "ab", "c"));
        assert_ne!(key, EventKey::new(LogId(2), "ab", "c"));
        assert_ne!(key, EventKey::new(LogId(1), "a", "bc"));
    }

    #[test]
    fn no_count_is_not_a_count_of_zero() {
        let mut zero = event("actions_linux", "octo", "2026-01-01T00:00:00Z");
        let none = zero.content();
        if let EventBody::Usage(usage) = &mut zero.body {
            usage.tokens.input = Some(0);
        }
        assert_ne!(zero.content(), none);
    }
}
