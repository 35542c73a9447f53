//! How the names of an account's live usage are shown.
//!
//! Invariant: as declared, else in the bytewise smallest spelling, so neither the order of imports
//! nor that of accounts matters.

use crate::dimension::Dimension;
use crate::ids::NameId;
use crate::ledger::{Account, Import};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How the names of one account's live usage are shown.
#[derive(Debug, Clone, Default)]
pub struct Spellings {
    names: [HashMap<Box<str>, Spelling>; 6],
}

#[derive(Debug, Clone)]
struct Spelling {
    shown: Arc<str>,
    is_declared: bool,
}

impl Spelling {
    /// Whether this is shown rather than `other`.
    fn precedes(&self, other: &Self) -> bool {
        (!self.is_declared, &*self.shown) < (!other.is_declared, &*other.shown)
    }
}

impl Spellings {
    /// The spellings of everything live in `account`, and of all its events.
    #[must_use]
    pub fn new(account: &Account) -> Self {
        let mut spellings = Self::default();
        account
            .live_imports()
            .for_each(|import| spellings.add(import));
        for dimension in Dimension::ALL {
            for id in account.metered.names(dimension) {
                if let Some(text) = account.dictionary.get(NameId(id)) {
                    spellings.note(dimension, text);
                }
            }
        }
        spellings
    }

    fn add(&mut self, import: &Import) {
        for dimension in Dimension::ALL {
            for text in &import.record.tables.names[dimension as usize] {
                self.note(dimension, text);
            }
        }
    }

    fn note(&mut self, dimension: Dimension, text: &Arc<str>) {
        let folded = dimension.fold(text).into_boxed_str();
        let known = self.names[dimension as usize].entry(folded);
        let known = known.or_insert_with(|| Spelling {
            shown: Arc::clone(text),
            is_declared: false,
        });
        if **text < *known.shown {
            known.shown = Arc::clone(text);
        }
    }

    /// Makes a declared spelling the one shown.
    pub fn declare(&mut self, dimension: Dimension, spelling: &str) {
        let names = &mut self.names[dimension as usize];
        if let Some(known) = names.get_mut(dimension.fold(spelling).as_str()) {
            *known = Spelling {
                shown: spelling.into(),
                is_declared: true,
            };
        }
    }

    /// Whether live usage has the name, and how it is shown.
    #[must_use]
    pub fn find(&self, dimension: Dimension, text: &str) -> Option<&Arc<str>> {
        MergedSpellings::from(self).find(dimension, text)
    }

    /// Every name of a dimension in its display spelling, ordered by folded name, without the
    /// absent name.
    #[must_use]
    pub fn all(&self, dimension: Dimension) -> Vec<Arc<str>> {
        MergedSpellings::from(self).all(dimension)
    }

    fn of_folded(&self, dimension: Dimension, folded: &str) -> Option<&Spelling> {
        self.names[dimension as usize].get(folded)
    }
}

/// The spellings of one or several accounts, treated as one.
#[derive(Debug, Clone, Copy)]
pub enum MergedSpellings<'a> {
    /// Of one account.
    One(&'a Spellings),
    /// Of several.
    Several(&'a [Arc<Spellings>]),
}

impl<'a> From<&'a Spellings> for MergedSpellings<'a> {
    fn from(spellings: &'a Spellings) -> Self {
        Self::One(spellings)
    }
}

impl<'a> MergedSpellings<'a> {
    /// How a folded name is shown; the name itself when no live usage has it.
    #[must_use]
    pub fn show(self, dimension: Dimension, folded: &'a str) -> &'a str {
        self.of_folded(dimension, folded)
            .map_or(folded, |shown| shown)
    }

    /// Whether live usage has the name, and how it is shown.
    #[must_use]
    pub fn find(self, dimension: Dimension, text: &str) -> Option<&'a Arc<str>> {
        self.of_folded(dimension, dimension.fold(text).as_str())
    }

    /// [`Self::find`] for an already folded name.
    #[must_use]
    pub fn of_folded(self, dimension: Dimension, folded: &str) -> Option<&'a Arc<str>> {
        match self {
            Self::One(spellings) => spellings.of_folded(dimension, folded),
            Self::Several(all) => {
                let known = all.iter();
                let known = known.filter_map(|one| one.of_folded(dimension, folded));
                known.reduce(|best, other| if other.precedes(best) { other } else { best })
            }
        }
        .map(|spelling| &spelling.shown)
    }

    /// Every name of a dimension in its display spelling, ordered by folded name, without the
    /// absent name.
    #[must_use]
    pub fn all(self, dimension: Dimension) -> Vec<Arc<str>> {
        let mut sorted: BTreeMap<&str, &Arc<str>> = BTreeMap::new();
        for spellings in self.each() {
            let names = spellings.names[dimension as usize].keys();
            for folded in names.filter(|folded| !folded.is_empty()) {
                if let Some(shown) = self.of_folded(dimension, folded) {
                    sorted.insert(folded, shown);
                }
            }
        }
        sorted.into_values().map(Arc::clone).collect()
    }

    fn each(self) -> impl Iterator<Item = &'a Spellings> {
        let (one, several) = match self {
            Self::One(spellings) => (Some(spellings), &[][..]),
            Self::Several(all) => (None, all),
        };
        one.into_iter().chain(several.iter().map(Arc::as_ref))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_spelling_goes_before_the_least_one() {
        let spelled = |texts: &[&str]| {
            let mut spellings = Spellings::default();
            for text in texts {
                spellings.note(Dimension::Repository, &Arc::from(*text));
            }
            spellings
        };
        let (mut first, second) = (spelled(&["api", "web"]), spelled(&["API", "Docs"]));
        let shown = |first: &Spellings, second: &Spellings| {
            let both = [Arc::new(first.clone()), Arc::new(second.clone())];
            let texts = MergedSpellings::Several(&both).all(Dimension::Repository);
            texts.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(shown(&first, &second), ["API", "Docs", "web"]);
        assert_eq!(shown(&second, &first), ["API", "Docs", "web"]);
        first.declare(Dimension::Repository, "api");
        assert_eq!(shown(&first, &second), ["api", "Docs", "web"]);
        assert_eq!(shown(&second, &first), ["api", "Docs", "web"]);
    }
}
