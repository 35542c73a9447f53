//! The texts of the site's catalogue: the built-in edition in force, the site's own text, and the
//! version history.
//!
//! Invariant: a version is identified by the batch of the site's log that made it. The catalogue in
//! force is the site's own text layered over the edition; only a batch ever changes either.

use crate::batch::Batch;
use crate::catalog::{Catalog, CatalogError};
use crate::ids::{Digest, Seq};
use crate::time::{Day, Instant};
use std::sync::Arc;

/// The texts in force and their history.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    base: Arc<Catalog>,
    base_text: Arc<str>,
    own: Arc<str>,
    versions: Vec<Version>,
}

/// One change of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The number of the site's batch that made it.
    pub seq: Seq,
    /// When.
    pub at: Instant,
    /// What changed.
    pub change: VersionChange,
}

/// What a version changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionChange {
    /// A new version of the program brought a built-in edition.
    Edition(Option<Day>),
    /// The site's own text was replaced.
    Own {
        /// A token's id or a command.
        by: String,
    },
}

impl Catalogue {
    /// The site's own text; empty when it has none.
    #[must_use]
    pub fn own(&self) -> &str {
        &self.own
    }

    /// The text of the built-in edition in force; empty before the first.
    #[must_use]
    pub fn builtin(&self) -> &str {
        &self.base_text
    }

    /// Every version, oldest first.
    #[must_use]
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The newest version's number; 0 before the first.
    #[must_use]
    pub fn version(&self) -> Seq {
        self.versions.last().map_or(Seq(0), |version| version.seq)
    }

    /// The edition in force with `own` over it.
    pub fn layered(&self, own: &str) -> Result<Arc<Catalog>, CatalogError> {
        if own.is_empty() {
            Ok(Arc::clone(&self.base))
        } else {
            self.base.layered(own).map(Arc::new)
        }
    }

    /// The hash of the edition in force with `own` over it.
    #[must_use]
    pub fn digest_with(&self, own: &str) -> Digest {
        Catalog::digest(&self.base_text, (!own.is_empty()).then_some(own))
    }

    pub(super) fn digest(&self) -> Digest {
        self.digest_with(&self.own)
    }

    pub(super) fn fold_builtin(&mut self, text: String, batch: &Batch) -> Result<(), CatalogError> {
        let base = Catalog::parse(&text)?;
        self.changed(batch, VersionChange::Edition(base.edition()));
        self.base = Arc::new(base);
        self.base_text = text.into();
        Ok(())
    }

    pub(super) fn fold_own(&mut self, text: &str, by: String, batch: &Batch) {
        self.own = text.into();
        self.changed(batch, VersionChange::Own { by });
    }

    fn changed(&mut self, batch: &Batch, change: VersionChange) {
        let (seq, at) = (batch.seq, batch.at);
        self.versions.push(Version { seq, at, change });
    }
}
