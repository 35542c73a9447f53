//! The site's catalogue: the built-in edition, the site's own text over it, and earlier versions.
//!
//! Invariant: a catalogue is put in force only if the site's own text can be layered over the
//! edition, and if it prices all metered usage. Look next: [`super::apply`], which puts a site's
//! own text in force.

use super::apply::ApplyError;
use super::commit::{Changes, Committed, Turn};
use super::{Engine, EngineError};
use std::sync::Arc;
use tallybook_core::batch::Batch;
use tallybook_core::catalog::{Catalog, CatalogError, LostPrice};
use tallybook_core::ids::{LogId, NameId, Seq};
use tallybook_core::ledger::Account;
use tallybook_core::ledger::metered::rows::MeteredRow;
use tallybook_core::site::Site;
use tallybook_core::site::catalogue::VersionChange;
use tallybook_core::site::entry::SiteEntry;
use tallybook_core::time::{Day, Hour, Instant, Month};

/// The catalogue as it was at one version.
#[derive(Debug, Clone)]
pub struct CatalogueVersion {
    /// The batch of the site's log that made it.
    pub version: Seq,
    /// The site's own text; empty when it had none.
    pub own: String,
    /// The edition with the site's own text over it.
    pub catalog: Arc<Catalog>,
}

impl Engine {
    /// Adopts the built-in catalogue, unless the site has this edition or a newer one.
    pub(super) async fn adopt_builtin_catalog(&self, now: Instant) -> Result<(), EngineError> {
        self.adopt_catalog(Catalog::BUILTIN, now).await
    }

    /// Adopts an edition of the built-in catalogue, unless the site has this one or a newer one.
    ///
    /// An edition that is incompatible with the site's own text is skipped, with a warning: the
    /// current edition stays in force until the text is changed.
    pub async fn adopt_catalog(&self, text: &str, now: Instant) -> Result<(), EngineError> {
        let builtin = Catalog::parse(text)
            .map_err(|error| EngineError::System(format!("the built-in catalogue: {error}")))?;
        let turn = self.turn().await;
        for _ in 0..Turn::ATTEMPTS {
            let site = self.site();
            // An edition is a day; an empty site has none, which is less than every day.
            if site.catalog.edition() >= builtin.edition() {
                return Ok(());
            }
            if let Err(clash) = self.check_edition(&site, &builtin).await? {
                let day = |edition: Option<Day>| {
                    edition.map_or_else(|| "none".to_owned(), |day| day.to_string())
                };
                tracing::warn!(
                    in_force = day(site.catalog.edition()),
                    left_alone = day(builtin.edition()),
                    clash,
                    "the built-in catalogue's new edition does not go with the site's own \
                     catalogue, and is not used: change the own catalogue, then start again"
                );
                return Ok(());
            }
            let mut changes = Changes::default();
            changes.site.push(SiteEntry::Catalogue(text.to_owned()));
            if let Committed::Done = turn.commit(now, changes).await? {
                return Ok(());
            }
        }
        Err(EngineError::Contention(Turn::ATTEMPTS))
    }

    /// Whether an edition is compatible with the site's own text and prices all usage; else why
    /// not.
    async fn check_edition(
        &self,
        site: &Site,
        builtin: &Catalog,
    ) -> Result<Result<(), String>, EngineError> {
        let own = site.catalogue.own();
        let next = if own.is_empty() {
            Ok(builtin.clone())
        } else {
            builtin.layered(own)
        };
        let next = match next {
            Ok(next) => next,
            Err(error) => return Ok(Err(clash(&error))),
        };
        match self.check_priced(site, &next).await {
            Ok(()) => Ok(Ok(())),
            Err(ApplyError::Engine(error)) => Err(error),
            Err(in_use) => Ok(Err(in_use.to_string())),
        }
    }

    /// Refuses a catalogue with which some metered usage could no longer be priced.
    pub(super) async fn check_priced(&self, site: &Site, next: &Catalog) -> Result<(), ApplyError> {
        let lost = site.catalog.lost_prices(next);
        if lost.is_empty() {
            return Ok(());
        }
        for (log, name) in site.directory.accounts() {
            let view = self.view_of(log, name).await?;
            for (month, usage) in view.account.metered.months() {
                let stored = match usage.stored() {
                    Some(stored) => self.stored_rows(&view.account, month, stored).await?,
                    None => Vec::new(),
                };
                check_rows(&view.account, month, &usage.counting(&stored), next)?;
            }
            check_awaited(&view.account, &lost)?;
        }
        Ok(())
    }

    /// The catalogue at one of its versions; `None` when there never was such a version.
    pub async fn catalogue_at(
        &self,
        version: Seq,
    ) -> Result<Option<CatalogueVersion>, EngineError> {
        let site = self.site();
        let versions = site.catalogue.versions();
        if !versions.iter().any(|known| known.seq == version) {
            return Ok(None);
        }
        let (mut edition, mut own) = (None, None);
        for known in versions.iter().filter(|known| known.seq <= version) {
            match known.change {
                VersionChange::Edition(_) => edition = Some(known.seq),
                VersionChange::Own { .. } => own = Some(known.seq),
            }
        }
        let damaged = |error: CatalogError| EngineError::damaged("the catalogue", error);
        let mut catalog = Catalog::default();
        if let Some(seq) = edition {
            let text = self.catalogue_text(&site, seq, false).await?;
            catalog = Catalog::parse(&text).map_err(damaged)?;
        }
        let mut text = String::new();
        if let Some(seq) = own {
            text = self.catalogue_text(&site, seq, true).await?;
        }
        if !text.is_empty() {
            catalog = catalog.layered(&text).map_err(damaged)?;
        }
        Ok(Some(CatalogueVersion {
            version,
            own: text,
            catalog: Arc::new(catalog),
        }))
    }

    /// The catalogue's text in a batch of the site's log.
    async fn catalogue_text(
        &self,
        site: &Site,
        seq: Seq,
        is_own: bool,
    ) -> Result<String, EngineError> {
        let damaged = |detail: String| {
            EngineError::damaged(format!("batch {} of the site's log", seq.0), detail)
        };
        let before = Seq(seq.0.saturating_sub(1));
        let rows = self.store.read_log(LogId::SITE, before, 1).await?;
        let row = rows.first().filter(|row| row.seq == seq);
        let row = row.ok_or_else(|| damaged("missing".to_owned()))?;
        let (batch, _) = Batch::decode(&row.batch).map_err(|error| damaged(error.to_string()))?;
        for entry in &batch.entries {
            let decoded = SiteEntry::decode(entry, &site.dictionary);
            match decoded.map_err(|error| damaged(error.to_string()))? {
                SiteEntry::Catalogue(text) if !is_own => return Ok(text),
                SiteEntry::OwnCatalogue { text, .. } if is_own => return Ok(text),
                _ => {}
            }
        }
        Err(damaged("it has no catalogue".to_owned()))
    }
}

fn clash(error: &CatalogError) -> String {
    format!("the own catalogue, {error}")
}

/// Checks that every sum of a month's events has a price.
fn check_rows(
    account: &Account,
    month: Month,
    rows: &[&MeteredRow],
    next: &Catalog,
) -> Result<(), ApplyError> {
    let first = month.first_day().first_hour().index();
    for row in rows {
        let sku = sku_text(account, row.names[0])?;
        let day = Hour::from_index(first + i32::from(row.hour)).day();
        if let Some(what) = missing_price(next, &sku, day) {
            let account = account.name.clone();
            return Err(ApplyError::InUse {
                account,
                sku,
                day,
                what,
            });
        }
    }
    Ok(())
}

/// Checks that no waiting amend loses its price on any day: its event may be of any day.
fn check_awaited(account: &Account, lost: &[LostPrice]) -> Result<(), ApplyError> {
    for codes in account.metered.awaited() {
        let sku = sku_text(account, codes.names[0])?;
        let lost = lost
            .iter()
            .find(|lost| lost.name.eq_ignore_ascii_case(&sku));
        if let Some(lost) = lost {
            let account = account.name.clone();
            let what = match lost.until {
                Some(from) => format!("no price for it before {from}"),
                None => "no price for it".to_owned(),
            };
            return Err(ApplyError::Awaited { account, sku, what });
        }
    }
    Ok(())
}

/// The name of a SKU as events spell it.
fn sku_text(account: &Account, code: u32) -> Result<String, EngineError> {
    let id = code.checked_sub(1).map(NameId);
    let text = id.and_then(|id| account.dictionary.get(id));
    let text = text.ok_or_else(|| {
        EngineError::damaged(format!("log {}", account.log.0), "a SKU has no name")
    })?;
    Ok(text.to_string())
}

/// What a catalogue lacks to price a SKU on a day.
fn missing_price(catalog: &Catalog, sku: &str, day: Day) -> Option<String> {
    match catalog.sku(sku) {
        None => Some("no such SKU".to_owned()),
        Some(sku) if sku.price_on(day).is_none() => Some(match sku.prices().next() {
            Some((Some(from), _)) => format!("no price for it before {from}"),
            _ => "no price for it".to_owned(),
        }),
        Some(_) => None,
    }
}
