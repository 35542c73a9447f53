//! An event's members as raw JSON, before they are interpreted.
//!
//! Invariant: each value is the text as sent, so that numbers are exact; a duplicate member is
//! refused, because readers could disagree on which one counts. `null` means absent, as in
//! `CloudEvents`. Look next: [`super::check`].

use super::Fault;
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

/// The most members that one object may have; real events have a dozen.
const MOST_MEMBERS: usize = 64;

macro_rules! members {
    (
        $(#[$doc:meta])*
        $name:ident { $($field:ident = $key:literal),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(super) struct $name<'a> { $(pub(super) $field: Option<&'a str>),* }

        impl<'a> Members<'a> for $name<'a> {
            fn slot(&mut self, key: &str) -> Option<&mut Option<&'a str>> {
                match key { $($key => Some(&mut self.$field),)* _ => None }
            }
        }
    };
}

members! {
    /// The attributes of an event that mean something here.
    Attributes {
        specversion = "specversion",
        id = "id",
        source = "source",
        kind = "type",
        time = "time",
        content_type = "datacontenttype",
        base64 = "data_base64",
        data = "data",
    }
}

members! {
    /// The members of `data`.
    Data {
        sku = "sku",
        quantity = "quantity",
        organization = "organization",
        repository = "repository",
        user = "user",
        model = "model",
        workflow = "workflow_path",
        enterprise = "enterprise",
        tokens = "tokens",
        target = "target",
    }
}

members! {
    /// The members of `data.tokens`.
    TokenCounts {
        input = "input",
        output = "output",
        cache_read = "cache_read",
        cache_write = "cache_write",
    }
}

members! {
    /// The members of `data.target`.
    Target {
        source = "source",
        id = "id",
    }
}

/// A set of known members, each with a slot for its value.
pub(super) trait Members<'a>: Default {
    /// The slot for the value of a key; `None` when the key is unknown.
    fn slot(&mut self, key: &str) -> Option<&mut Option<&'a str>>;
}

/// What to do with an unknown member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Ignore,
    Refuse,
}

/// The attributes of an event.
pub(super) fn read(text: &str) -> Result<Attributes<'_>, Fault> {
    object("", text, Unknown::Ignore)
}

/// The members of an object that is itself the member `path`; unknown members are refused.
pub(super) fn read_object<'a, M: Members<'a>>(path: &str, text: &'a str) -> Result<M, Fault> {
    object(path, text, Unknown::Refuse)
}

fn object<'a, M: Members<'a>>(path: &str, text: &'a str, unknown: Unknown) -> Result<M, Fault> {
    let fault = RefCell::new(None);
    let seed = Object {
        members: M::default(),
        path,
        unknown,
        fault: &fault,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = seed.deserialize(&mut json);
    let read = read.and_then(|members| json.end().map(|()| members));
    read.map_err(|error| {
        fault.take().unwrap_or_else(|| match error.classify() {
            Category::Data => Fault::new(path, "must be an object"),
            _ => Fault::new(path, format!("is not JSON: {error}")),
        })
    })
}

struct Object<'f, M> {
    members: M,
    path: &'f str,
    unknown: Unknown,
    /// The fault found, because serde's error cannot carry it.
    fault: &'f RefCell<Option<Fault>>,
}

impl<M> Object<'_, M> {
    fn fail<E: Error>(&self, key: &str, reason: &str) -> E {
        let member = match self.path {
            "" => key.to_owned(),
            path if key.is_empty() => path.to_owned(),
            path => format!("{path}.{key}"),
        };
        *self.fault.borrow_mut() = Some(Fault::new(member, reason));
        E::custom("refused")
    }
}

impl<'de, M: Members<'de>> DeserializeSeed<'de> for Object<'_, M> {
    type Value = M;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<M, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de, M: Members<'de>> Visitor<'de> for Object<'_, M> {
    type Value = M;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<M, A::Error> {
        let mut seen: u32 = 0;
        let mut others: Vec<Cow<'de, str>> = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            seen += 1;
            if seen as usize > MOST_MEMBERS {
                return Err(self.fail("", &format!("has more than {MOST_MEMBERS} members")));
            }
            let Some(slot) = self.members.slot(&key) else {
                if self.unknown == Unknown::Refuse {
                    let reason = "is not a member that is known here";
                    return Err(self.fail(&shown(&key), reason));
                }
                if others.contains(&key) {
                    return Err(self.fail(&shown(&key), "is given twice"));
                }
                map.next_value::<serde::de::IgnoredAny>()?;
                others.push(key);
                continue;
            };
            if slot.is_some() {
                return Err(self.fail(&key, "is given twice"));
            }
            *slot = Some(map.next_value::<&RawValue>()?.get());
        }
        Ok(self.members)
    }
}

/// A key, made safe to repeat in a message.
fn shown(key: &str) -> String {
    let short: String = key.chars().take(40).collect();
    short.escape_debug().to_string()
}

/// A key, borrowed where it has no escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(text.to_owned())))
    }
}
