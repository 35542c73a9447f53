//! Which organizations and users live imports name, and how they spell them.
//!
//! Invariant: a name is known exactly as long as a live import names it; withdrawing an import
//! leaves everything as it was before. Copies share unchanged data, because every commit to the
//! site's log makes one.

use crate::ids::{ImportId, LogId};
use crate::layered::Layered;
use crate::name::Name;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What live imports name.
#[derive(Debug, Clone, Default)]
pub(super) struct Sightings {
    /// `None` for an import that was withdrawn.
    imports: Layered<ImportId, Option<Arc<Sighting>>>,
    organizations: Layered<Name, Spellings>,
    users: Layered<Name, Spellings>,
    /// The first of the live imports that name an organization.
    first_imports: Layered<Name, Option<ImportId>>,
    /// How many imports were ever recorded.
    recorded: u64,
}

#[derive(Debug)]
struct Sighting {
    /// Its index among all imports.
    place: u64,
    log: LogId,
    organizations: Vec<Name>,
    users: Vec<Name>,
}

/// The spellings of one name, and the number of live imports that use each; empty when none does
/// any more.
#[derive(Debug, Clone, Default)]
struct Spellings(Vec<(Name, u32)>);

impl Spellings {
    /// The bytewise smallest one, so that the order of imports does not matter.
    fn least(&self) -> Option<&Name> {
        let spellings = self.0.iter().map(|(spelling, _)| spelling);
        spellings.min_by_key(|spelling| spelling.as_str())
    }

    fn find(&self, name: &Name) -> Option<usize> {
        // Names compare ignoring case, spellings do not.
        let is_same = |(spelling, _): &(Name, u32)| spelling.as_str() == name.as_str();
        self.0.iter().position(is_same)
    }
}

impl Sightings {
    /// Records the organizations and users that a live import names.
    pub(super) fn record(
        &mut self,
        import: ImportId,
        log: LogId,
        organizations: Vec<Name>,
        users: Vec<Name>,
    ) {
        for name in &organizations {
            add(&mut self.organizations, name);
            if self.first_imports.get(name).copied().flatten().is_none() {
                self.first_imports.insert(name.clone(), Some(import));
            }
        }
        users.iter().for_each(|name| add(&mut self.users, name));
        let sighting = Sighting {
            place: self.recorded,
            log,
            organizations,
            users,
        };
        self.recorded += 1;
        self.imports.insert(import, Some(Arc::new(sighting)));
    }

    /// Removes an import that is no longer live.
    pub(super) fn withdraw(&mut self, import: ImportId) {
        let Some(sighting) = self.imports.get(&import).cloned().flatten() else {
            return;
        };
        self.imports.insert(import, None);
        let organizations = sighting.organizations.iter();
        organizations.for_each(|name| remove(&mut self.organizations, name));
        let users = sighting.users.iter();
        users.for_each(|name| remove(&mut self.users, name));
        self.replace_first_import(import, &sighting.organizations);
    }

    /// Finds the next import that names the organizations of which `import` was the first.
    fn replace_first_import(&mut self, import: ImportId, organizations: &[Name]) {
        let was_first = |name: &&Name| self.first_imports.get(name) == Some(&Some(import));
        let mut next: BTreeMap<Name, Option<(u64, ImportId)>> = organizations
            .iter()
            .filter(was_first)
            .map(|name| (name.clone(), None))
            .collect();
        if next.is_empty() {
            return;
        }
        for (id, sighting) in self.imports.iter() {
            let Some(sighting) = sighting else { continue };
            for name in &sighting.organizations {
                if let Some(first) = next.get_mut(name)
                    && first.is_none_or(|(place, _)| sighting.place < place)
                {
                    *first = Some((sighting.place, *id));
                }
            }
        }
        for (name, first) in next {
            self.first_imports.insert(name, first.map(|(_, id)| id));
        }
    }

    /// Every live import with its account's log.
    pub(super) fn imports(&self) -> impl Iterator<Item = (ImportId, LogId)> {
        let imports = self.imports.iter();
        imports.filter_map(|(id, sighting)| Some((*id, sighting.as_ref()?.log)))
    }

    /// The account and the first of the live imports that name an organization.
    pub(super) fn importer(&self, organization: &Name) -> Option<(LogId, ImportId)> {
        let import = (*self.first_imports.get(organization)?)?;
        let sighting = self.imports.get(&import)?.as_ref()?;
        Some((sighting.log, import))
    }

    /// The first of an account's live imports that name an organization. Scans all of them.
    pub(super) fn import_of(&self, log: LogId, organization: &Name) -> Option<ImportId> {
        let imports = self.imports.iter();
        let live = imports.filter_map(|(id, sighting)| Some((id, sighting.as_ref()?)));
        let naming = live.filter(|(_, sighting)| {
            sighting.log == log && sighting.organizations.contains(organization)
        });
        let first = naming.min_by_key(|(_, sighting)| sighting.place);
        first.map(|(id, _)| *id)
    }

    /// The spelling of an organization named by a live import.
    pub(super) fn organization(&self, name: &Name) -> Option<&Name> {
        self.organizations.get(name)?.least()
    }

    /// The spelling of a user named by a live import.
    pub(super) fn user(&self, name: &Name) -> Option<&Name> {
        self.users.get(name)?.least()
    }
}

fn add(names: &mut Layered<Name, Spellings>, name: &Name) {
    let mut spellings = names.get(name).cloned().unwrap_or_default();
    match spellings.find(name) {
        Some(place) => spellings.0[place].1 += 1,
        None => spellings.0.push((name.clone(), 1)),
    }
    names.insert(name.clone(), spellings);
}

fn remove(names: &mut Layered<Name, Spellings>, name: &Name) {
    let Some(mut spellings) = names.get(name).cloned() else {
        return;
    };
    if let Some(place) = spellings.find(name) {
        spellings.0[place].1 -= 1;
        if spellings.0[place].1 == 0 {
            spellings.0.swap_remove(place);
        }
    }
    names.insert(name.clone(), spellings);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn import(number: u8) -> ImportId {
        ImportId([number; 16])
    }

    fn names(texts: &[&str]) -> Vec<Name> {
        texts.iter().map(|text| Name::from(*text)).collect()
    }

    /// With 100,000 users, a commit that names one more copies only what it changes.
    #[test]
    fn a_copy_shares_what_it_does_not_change() {
        let mut before = Sightings::default();
        let users: Vec<Name> = (0..100_000).map(|n| Name::new(format!("u{n}"))).collect();
        before.record(import(1), LogId(1), Vec::new(), users);
        let mut after = before.clone();
        after.record(import(2), LogId(1), Vec::new(), names(&["newcomer", "U7"]));
        assert!(after.users.shared_with(&before.users) >= 100_000);
        assert_eq!(before.user(&Name::from("newcomer")), None);
        let seven = after.user(&Name::from("u7")).map(Name::as_str);
        assert_eq!(seven, Some("U7"), "the least spelling");
    }

    proptest! {
        /// Whatever is recorded and withdrawn, the result matches a plain list of the live imports.
        #[test]
        fn it_is_what_the_list_of_live_imports_says(
            steps in prop::collection::vec(
                (any::<bool>(), 0u8..12, prop::collection::vec("[abAB]", 0..4)), 0..40
            )
        ) {
            let mut sightings = Sightings::default();
            let mut live: Vec<(ImportId, Vec<Name>)> = Vec::new();
            for (records, number, texts) in steps {
                let copy = sightings.clone();
                let id = import(number);
                let was_live = live.iter().any(|(other, _)| *other == id);
                if records && !was_live {
                    let named: Vec<Name> = texts.into_iter().map(Name::new).collect();
                    sightings.record(id, LogId(number.into()), named.clone(), named.clone());
                    live.push((id, named));
                } else if !records {
                    sightings.withdraw(id);
                    live.retain(|(other, _)| *other != id);
                }
                drop(copy);
                for name in ["a", "b"].map(Name::from) {
                    let naming = |(_, named): &&(ImportId, Vec<Name>)| named.contains(&name);
                    let first = live.iter().find(naming).map(|(id, _)| *id);
                    prop_assert_eq!(sightings.importer(&name).map(|(_, id)| id), first);
                    let spellings = live.iter().flat_map(|(_, named)| named);
                    let least = spellings.filter(|one| **one == name).map(Name::as_str).min();
                    prop_assert_eq!(sightings.user(&name).map(Name::as_str), least);
                    prop_assert_eq!(sightings.organization(&name).map(Name::as_str), least);
                }
                prop_assert_eq!(sightings.imports().count(), live.len());
            }
        }
    }
}
