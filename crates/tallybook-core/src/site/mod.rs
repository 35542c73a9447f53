//! The site's log: who exists, who pays, who may look, and the catalogue.
//!
//! Invariant: [`Site`] is a pure fold of the site's batches. Look next: [`entry`] for what a batch
//! may say, [`directory`] for accounts and people, [`catalogue`] for what things cost, [`declare`]
//! for `tallybook apply`.

pub mod catalogue;
pub mod declare;
pub mod directory;
pub mod entry;
mod sightings;

use crate::batch::{Batch, GENESIS};
use crate::catalog::{Catalog, CatalogError};
use crate::codec::DecodeError;
use crate::ids::{Digest, LogId, Seq};
use crate::names::Dictionary;
use catalogue::Catalogue;
use directory::Directory;
use entry::SiteEntry;
use std::sync::Arc;

/// What the site's log says, up to one batch.
#[derive(Debug, Clone)]
pub struct Site {
    /// The newest batch folded.
    pub seq: Seq,
    /// Its hash.
    pub head: Digest,
    /// The names that its batches use.
    pub dictionary: Dictionary,
    /// Who exists, who pays, who may look.
    pub directory: Directory,
    /// What things are called and cost: the built-in catalogue with the site's own text over it.
    pub catalog: Arc<Catalog>,
    /// The hash of both texts; zeros before the first.
    pub catalog_digest: Digest,
    /// The texts and their version history.
    pub catalogue: Catalogue,
}

/// Why a site batch could not be folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SiteError {
    /// The bytes are not valid.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A catalogue that does not parse was committed.
    #[error("the catalogue: {0}")]
    Catalog(#[from] CatalogError),
}

impl Default for Site {
    fn default() -> Self {
        Self {
            seq: Seq(0),
            head: GENESIS,
            dictionary: Dictionary::default(),
            directory: Directory::default(),
            catalog: Arc::new(Catalog::default()),
            catalog_digest: GENESIS,
            catalogue: Catalogue::default(),
        }
    }
}

impl Site {
    /// Folds the next batch; its names must already be in the dictionary.
    pub fn fold(&mut self, batch: &Batch, digest: Digest) -> Result<(), SiteError> {
        for entry in &batch.entries {
            match SiteEntry::decode(entry, &self.dictionary)? {
                SiteEntry::Catalogue(text) => {
                    self.catalogue.fold_builtin(text, batch)?;
                    self.layer()?;
                }
                SiteEntry::OwnCatalogue { text, by } => {
                    self.catalogue.fold_own(&text, by, batch);
                    self.layer()?;
                }
                change => self.directory.fold(change, batch.at),
            }
        }
        self.seq = batch.seq;
        self.head = digest;
        Ok(())
    }

    fn layer(&mut self) -> Result<(), SiteError> {
        self.catalog = self.catalogue.layered(self.catalogue.own())?;
        self.catalog_digest = self.catalogue.digest();
        Ok(())
    }

    /// The number that the next new account's log gets.
    #[must_use]
    pub fn next_log(&self) -> LogId {
        LogId(self.directory.newest_log().0 + 1)
    }
}
