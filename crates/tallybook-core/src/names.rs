//! A log's dictionary of names: batches hold ids; the names are stored outside the chain.
//!
//! Each batch commits to the names that it introduces by a salted hash, so a changed name is
//! detected, yet a person's name can be redacted (its salt and text deleted) without breaking the
//! chain. Invariant: ids are dense and never reused; a text has one id.

pub(crate) mod codec;

use crate::hash::QuickHasher;
use crate::ids::NameId;
use crate::layered::Layered;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

/// A batch's commitment to a name: a hash of its salt and text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commitment(pub [u8; 16]);

impl Commitment {
    /// Commits to `text`.
    #[must_use]
    pub fn new(salt: [u8; 16], text: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&salt);
        hasher.update(text.as_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(short)
    }
}

/// The names of a log, by id and by text. Copies share unchanged entries.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    count: u32,
    texts: Layered<u32, Arc<str>, BuildHasherDefault<QuickHasher>>,
    ids: Layered<Arc<str>, NameId>,
}

impl Dictionary {
    /// The name; `None` for an id that no batch has introduced.
    #[must_use]
    pub fn get(&self, id: NameId) -> Option<&Arc<str>> {
        self.texts.get(&id.0)
    }

    /// The id of a text.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<NameId> {
        self.ids.get(text).copied()
    }

    /// The id that the next new name gets.
    #[must_use]
    pub fn next_id(&self) -> NameId {
        NameId(self.count)
    }

    /// Adds a name under [`Self::next_id`]. `None` stands for a redacted one.
    pub fn push(&mut self, text: Option<Arc<str>>) -> NameId {
        let id = self.next_id();
        let text = text.unwrap_or_else(|| format!("redacted-{}", id.0).into());
        if self.ids.get(&*text).is_none() {
            self.ids.insert(Arc::clone(&text), id);
        }
        self.texts.insert(id.0, text);
        self.count = self.count.saturating_add(1);
        id
    }
}

/// Names for a batch under construction: those known, and those it will introduce.
#[derive(Debug)]
pub struct Draft<'a> {
    known: &'a Dictionary,
    new: Vec<Arc<str>>,
    /// The id of every name looked up so far.
    ids: HashMap<Arc<str>, NameId>,
}

impl<'a> Draft<'a> {
    /// Starts from the known names.
    #[must_use]
    pub fn new(known: &'a Dictionary) -> Self {
        Self {
            known,
            new: Vec::new(),
            ids: HashMap::new(),
        }
    }

    /// The id of `text`, new if need be.
    pub fn id(&mut self, text: &str) -> NameId {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        // A batch repeats the same few names: each is looked up only once.
        if let Some(id) = self.known.find(text) {
            self.ids.insert(text.into(), id);
            return id;
        }
        let new = u32::try_from(self.new.len()).unwrap_or(u32::MAX);
        let id = NameId(self.known.next_id().0.saturating_add(new));
        let text: Arc<str> = text.into();
        self.ids.insert(Arc::clone(&text), id);
        self.new.push(text);
        id
    }

    /// The new names, in the order of their ids.
    #[must_use]
    pub fn into_new(self) -> Vec<Arc<str>> {
        self.new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(names: &[&str]) -> Dictionary {
        let mut dictionary = Dictionary::default();
        for name in names {
            dictionary.push(Some((*name).into()));
        }
        dictionary
    }

    #[test]
    fn a_draft_knows_old_names_and_numbers_new_ones_in_order() {
        let dictionary = known(&["octo", "Octo"]);
        let mut draft = Draft::new(&dictionary);
        let ids = ["new", "Octo", "octo", "newer", "new"].map(|name| draft.id(name).0);
        assert_eq!(ids, [2, 1, 0, 3, 2], "spellings are names of their own");
        let new = draft.into_new();
        assert_eq!(new, ["new".into(), "newer".into()]);
        assert_eq!(dictionary.next_id(), NameId(2), "a draft changes nothing");
    }

    #[test]
    fn a_redacted_name_keeps_its_id() {
        let mut dictionary = known(&["octo"]);
        let id = dictionary.push(None);
        dictionary.push(Some("acme".into()));
        assert_eq!(&**dictionary.get(id).unwrap(), "redacted-1");
        assert_eq!(dictionary.find("acme"), Some(NameId(2)));
        assert_eq!(dictionary.get(NameId(3)), None);
    }

    /// A person's name may equal the placeholder of a redacted name: the first one keeps the id.
    #[test]
    fn a_text_has_one_id() {
        let mut dictionary = known(&["redacted-1"]);
        dictionary.push(None);
        assert_eq!(dictionary.find("redacted-1"), Some(NameId(0)));
    }

    #[test]
    fn a_commitment_depends_on_salt_and_text() {
        let commitment = Commitment::new([1; 16], "octo");
        assert_eq!(commitment, Commitment::new([1; 16], "octo"));
        assert_ne!(commitment, Commitment::new([2; 16], "octo"));
        assert_ne!(commitment, Commitment::new([1; 16], "Octo"));
    }
}
