//! An account's log: its settings, its imports and its usage events.
//!
//! Invariant: [`Account`] is a pure fold of the account's batches; a reverted import leaves no
//! trace in anything that answers show. Look next: [`record`] for what an import is, [`chunk`] for
//! its lines, [`owners`] for which import owns which usage, [`events`] and [`metered`] for usage
//! reported by events.

pub mod builder;
pub mod chunk;
pub mod events;
pub mod metered;
pub mod owners;
pub mod record;
pub mod unknown;
pub mod unlisted;

use crate::account::{AccountName, Plan, Visibility};
use crate::batch::{Batch, Entry, GENESIS};
use crate::codec::{DecodeError, Reader, Writer};
use crate::discount::NegotiatedDiscount;
use crate::ids::{Digest, ImportId, LogId, Seq};
use crate::name::Name;
use crate::names::codec::{read_name, write_name};
use crate::names::{Dictionary, Draft};
use crate::setting::Setting;
use crate::time::{Instant, Month};
use metered::Metered;
use record::ImportRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a batch of an account's log may say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountEntry {
    /// A setting that can change a number; it holds from the batch's time on.
    Setting(Setting),
    /// Usage reports became part of the account's usage.
    Import(Box<ImportRecord>),
    /// An import no longer counts.
    Revert(ImportId),
    /// Usage events that are new to the log.
    Events(Vec<events::Admitted>),
}

/// A repository's visibility over time, oldest first.
pub type VisibilityHistory = Vec<(Instant, Visibility)>;

/// What an account's log says, up to one batch.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its log.
    pub log: LogId,
    /// The account.
    pub name: AccountName,
    /// The newest batch folded.
    pub seq: Seq,
    /// Its hash.
    pub head: Digest,
    /// When it was committed; `None` before the first.
    pub at: Option<Instant>,
    /// The names that its batches use.
    pub dictionary: Dictionary,
    /// Plans with the time from which each holds, oldest first.
    pub plans: Vec<(Instant, Plan)>,
    /// Visibility by (owner, repository), with the time from which each value holds, oldest first.
    pub repositories: Arc<BTreeMap<(Name, Name), VisibilityHistory>>,
    /// The negotiated discounts.
    pub discounts: Vec<NegotiatedDiscount>,
    /// Every import, in the order of their batches.
    pub imports: Vec<Arc<Import>>,
    /// The batches that hold anything but events.
    pub settings: Arc<Vec<Seq>>,
    /// Usage from events.
    pub metered: Metered,
}

/// An import and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// What was imported.
    pub record: ImportRecord,
    /// The batch that recorded it; a greater number is newer.
    pub seq: Seq,
    /// When.
    pub at: Instant,
    /// When it was reverted; `None` while it is live.
    pub reverted_at: Option<Instant>,
}

impl Import {
    /// Whether it counts.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.reverted_at.is_none()
    }

    /// The months that have a line of it.
    #[must_use]
    pub fn months(&self) -> BTreeSet<Month> {
        let chunks = self.record.parts.iter().flat_map(|part| &part.chunks);
        chunks.map(|chunk| chunk.month).collect()
    }
}

const PLAN: u8 = 1;
const REPOSITORY: u8 = 2;
const IMPORT: u8 = 3;
const REVERT: u8 = 4;
/// The tag of a batch's usage events.
pub const EVENTS: u8 = 5;
const DISCOUNTS: u8 = 6;

impl AccountEntry {
    /// Encodes the entry, with name ids from `names`.
    pub fn encode(&self, names: &mut Draft<'_>) -> Entry {
        let mut out = Writer::new();
        let tag = match self {
            Self::Setting(Setting::Plan(plan)) => {
                out.text(plan.as_str());
                PLAN
            }
            Self::Setting(Setting::Repository {
                owner,
                name,
                visibility,
            }) => {
                write_name(&mut out, names, owner.as_str());
                write_name(&mut out, names, name.as_str());
                out.text(visibility.as_str());
                REPOSITORY
            }
            Self::Setting(Setting::Discounts(discounts)) => {
                out.count(discounts.len());
                discounts
                    .iter()
                    .for_each(|discount| discount.encode(&mut out));
                DISCOUNTS
            }
            Self::Import(record) => {
                record.encode(&mut out, names);
                IMPORT
            }
            Self::Revert(import) => {
                out.raw(&import.0);
                REVERT
            }
            Self::Events(events) => {
                return Entry {
                    tag: EVENTS,
                    payload: events::encode(events, names),
                };
            }
        };
        Entry {
            tag,
            payload: out.finish(),
        }
    }

    /// Reads an entry back.
    pub fn decode(entry: &Entry, names: &Dictionary) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&entry.payload);
        let decoded = match entry.tag {
            PLAN => {
                let plan = Plan::parse(reader.text("plan")?);
                Self::Setting(Setting::Plan(plan.ok_or_else(|| reader.invalid("plan"))?))
            }
            REPOSITORY => {
                let owner = read_name(&mut reader, names)?;
                let name = read_name(&mut reader, names)?;
                let visibility = Visibility::parse(reader.text("visibility")?)
                    .ok_or_else(|| reader.invalid("visibility"))?;
                Self::Setting(Setting::Repository {
                    owner,
                    name,
                    visibility,
                })
            }
            DISCOUNTS => {
                let count = reader.count(4, "discounts")?;
                let discounts = (0..count).map(|_| NegotiatedDiscount::decode(&mut reader));
                let discounts = discounts.collect::<Result<Vec<_>, _>>()?;
                if !discounts.is_sorted_by(|left, right| left < right) {
                    return Err(reader.invalid("order of discounts"));
                }
                Self::Setting(Setting::Discounts(discounts))
            }
            IMPORT => Self::Import(Box::new(ImportRecord::decode(&mut reader, names)?)),
            REVERT => Self::Revert(ImportId(reader.array("import")?)),
            EVENTS => {
                let recorded = events::decode(&entry.payload, names)?;
                let admitted = recorded.iter().map(|event| event.admitted(names));
                let admitted: Option<_> = admitted.collect();
                return admitted
                    .map(Self::Events)
                    .ok_or_else(|| reader.invalid("name of an event"));
            }
            _ => {
                return Err(DecodeError::Invalid {
                    what: "account entry tag",
                    at: 0,
                });
            }
        };
        reader.finish("account entry")?;
        Ok(decoded)
    }
}

impl Account {
    /// The account before its first batch.
    #[must_use]
    pub fn new(log: LogId, name: AccountName) -> Self {
        Self {
            log,
            name,
            seq: Seq(0),
            head: GENESIS,
            at: None,
            dictionary: Dictionary::default(),
            plans: Vec::new(),
            repositories: Arc::default(),
            discounts: Vec::new(),
            imports: Vec::new(),
            settings: Arc::default(),
            metered: Metered::default(),
        }
    }

    /// Folds the next batch; its names must already be in the dictionary.
    pub fn fold(&mut self, batch: &Batch, digest: Digest) -> Result<(), DecodeError> {
        self.fold_events(batch)?;
        self.fold_settings(batch)?;
        self.seq = batch.seq;
        self.head = digest;
        self.at = Some(batch.at);
        Ok(())
    }

    /// Folds only the events of a batch.
    pub fn fold_events(&mut self, batch: &Batch) -> Result<(), DecodeError> {
        // There are many: they are folded as codes, without their texts.
        for entry in batch.entries.iter().filter(|entry| entry.tag == EVENTS) {
            let events = events::decode(&entry.payload, &self.dictionary)?;
            self.metered.fold(self.log, batch.seq, &events);
        }
        Ok(())
    }

    /// Folds everything but the events of a batch, for accounts whose metered usage comes from a
    /// checkpoint.
    pub fn fold_settings(&mut self, batch: &Batch) -> Result<(), DecodeError> {
        let mut any = false;
        for entry in batch.entries.iter().filter(|entry| entry.tag != EVENTS) {
            any = true;
            self.fold_entry(AccountEntry::decode(entry, &self.dictionary)?, batch)?;
        }
        if any {
            Arc::make_mut(&mut self.settings).push(batch.seq);
        }
        Ok(())
    }

    fn fold_entry(&mut self, entry: AccountEntry, batch: &Batch) -> Result<(), DecodeError> {
        let invalid = |what| DecodeError::Invalid { what, at: 0 };
        match entry {
            AccountEntry::Setting(setting) => self.set(setting, batch.at),
            AccountEntry::Import(record) => self.imports.push(Arc::new(Import {
                record: *record,
                seq: batch.seq,
                at: batch.at,
                reverted_at: None,
            })),
            AccountEntry::Revert(id) => {
                let mut imports = self.imports.iter_mut();
                let import = imports.find(|import| import.record.id == id);
                let import = import.ok_or_else(|| invalid("the import that a batch reverts"))?;
                Arc::make_mut(import).reverted_at = Some(batch.at);
            }
            AccountEntry::Events(_) => return Err(invalid("an entry of events")),
        }
        Ok(())
    }

    /// Puts a setting in force from `at` on, as its batch would, to answer hypothetical questions.
    pub fn set(&mut self, setting: Setting, at: Instant) {
        match setting {
            Setting::Plan(plan) => self.plans.push((at, plan)),
            Setting::Repository {
                owner,
                name,
                visibility,
            } => {
                Arc::make_mut(&mut self.repositories)
                    .entry((owner, name))
                    .or_default()
                    .push((at, visibility));
            }
            Setting::Discounts(discounts) => self.discounts = discounts,
        }
    }

    /// Whether a setting is already in force.
    #[must_use]
    pub fn has(&self, setting: &Setting) -> bool {
        match setting {
            Setting::Plan(plan) => self.plans.last().is_some_and(|(_, known)| known == plan),
            Setting::Repository {
                owner,
                name,
                visibility,
            } => self
                .repositories
                .get(&(owner.clone(), name.clone()))
                .and_then(|history| history.last())
                .is_some_and(|(_, known)| known == visibility),
            Setting::Discounts(discounts) => self.discounts == *discounts,
        }
    }

    /// Imports that count, oldest first.
    pub fn live_imports(&self) -> impl Iterator<Item = &Arc<Import>> {
        self.imports.iter().filter(|import| import.is_live())
    }

    /// The import with this id.
    #[must_use]
    pub fn import(&self, id: ImportId) -> Option<&Arc<Import>> {
        self.imports.iter().find(|import| import.record.id == id)
    }
}
