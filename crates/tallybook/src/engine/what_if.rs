//! What a month would cost if a billing file were applied.
//!
//! Invariant: nothing is written and nothing is cached: hypothetical statements bypass the cache.
//! They are computed by the same rules from the same usage as real ones.

use super::apply::{ApplyError, Prepared};
use super::{Engine, EngineError, View};
use std::collections::BTreeMap;
use std::sync::Arc;
use tallybook_core::account::AccountName;
use tallybook_core::ids::LogId;
use tallybook_core::ledger::{Account, AccountEntry};
use tallybook_core::query::run::answer;
use tallybook_core::query::{Filter, Grain, Group, Query, Totals};
use tallybook_core::site::Site;
use tallybook_core::statement::Source;
use tallybook_core::time::{Hour, Instant, Month};

/// The question of what a month would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhatIf {
    /// The month.
    pub month: Month,
    /// The account; if none is named, every account with metered usage in the month. An
    /// organization that moved stands for all accounts that have paid for it.
    pub account: Option<AccountName>,
}

/// What an account's month costs, and would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountDifference {
    /// The account.
    pub account: AccountName,
    /// By SKU, in the order of their ids.
    pub skus: Vec<SkuDifference>,
    /// The current total.
    pub before: Totals,
    /// The hypothetical total.
    pub after: Totals,
}

/// What usage of a SKU costs, and would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuDifference {
    /// The SKU's id.
    pub sku: String,
    /// The current sums.
    pub before: Totals,
    /// The hypothetical sums.
    pub after: Totals,
}

type Sums = BTreeMap<String, Totals>;

impl Engine {
    /// What a month of one or of all accounts costs, and would cost.
    pub(super) async fn what_if(
        &self,
        now: Instant,
        prepared: &Prepared,
        asked: &WhatIf,
    ) -> Result<Vec<AccountDifference>, ApplyError> {
        let mut site = Site::clone(&prepared.site);
        if let Some(new) = &prepared.catalogue {
            site.catalog = Arc::clone(&new.catalog);
            site.catalog_digest = site.catalogue.digest_with(&new.text);
        }
        let (before, after) = (Arc::clone(&prepared.site), Arc::new(site));
        let accounts: Vec<(LogId, AccountName)> = match &asked.account {
            Some(name) => {
                let found = before.directory.find(name);
                let found = found.ok_or_else(|| ApplyError::NoAccount(name.clone()))?;
                let now = found.log.map(|log| (log, found.payer));
                let past = found.past.into_iter().map(|past| (past.log, past.account));
                now.into_iter().chain(past).collect()
            }
            None => {
                let accounts = before.directory.accounts();
                accounts.map(|(log, name)| (log, name.clone())).collect()
            }
        };
        let mut differences = Vec::new();
        // Of several accounts, only those with metered usage in the month.
        let all = asked.account.is_some() && accounts.len() == 1;
        for (log, name) in accounts {
            let view = self.view_of(log, &name).await?;
            if !all && view.account.metered.month(asked.month).is_none() {
                continue;
            }
            let account = assumed(&view.account, prepared, now);
            let assumed = View::new(Arc::clone(&after), Arc::new(account));
            let before = self.month_sums(&view, asked.month).await?;
            let after = self.month_sums(&assumed, asked.month).await?;
            differences.push(difference(name, before, after));
        }
        differences.sort_by(|left, right| left.account.cmp(&right.account));
        Ok(differences)
    }

    /// Sums by SKU, from the ledger alone: a hypothetical view must leave no trace.
    async fn month_sums(&self, view: &View, month: Month) -> Result<Sums, ApplyError> {
        let statement = self.fold(view, &view.plan(month)).await;
        let statement = statement.map_err(|error| match error {
            EngineError::Unrated(unrated) => ApplyError::Unrated(unrated),
            other => other.into(),
        })?;
        let from = month.first_day().first_hour();
        let hours = i32::try_from(month.hours()).unwrap_or(i32::MAX);
        let query = Query {
            from,
            to: Hour::from_index(from.index().saturating_add(hours)),
            grain: Grain::Whole,
            filter: Filter::default(),
            group: Group::default(),
        };
        let mut sums = Sums::new();
        if statement.is_empty() {
            return Ok(sums);
        }
        let sources = [Source::from(statement)];
        for period in query.periods() {
            let answered = answer(&query, period, &sources, view.context());
            let answered = answered.map_err(|error| EngineError::System(error.to_string()))?;
            for row in answered.rows() {
                *sums.entry(row.rate.sku.to_string()).or_default() += row.totals;
            }
        }
        Ok(sums)
    }
}

/// The account as it would be.
fn assumed(account: &Account, prepared: &Prepared, now: Instant) -> Account {
    let mut assumed = account.clone();
    let changes = prepared.changes.accounts.iter();
    let mine = changes.filter(|(log, _, _)| *log == account.log);
    for entry in mine.flat_map(|(_, _, entries)| entries) {
        if let AccountEntry::Setting(setting) = entry {
            assumed.set(setting.clone(), now);
        }
    }
    assumed
}

fn difference(account: AccountName, before: Sums, mut after: Sums) -> AccountDifference {
    let mut skus: Vec<SkuDifference> = before
        .into_iter()
        .map(|(sku, before)| SkuDifference {
            after: after.remove(&sku).unwrap_or_default(),
            sku,
            before,
        })
        .collect();
    // Usage appears under a different id when a name is reassigned to another SKU.
    skus.extend(after.into_iter().map(|(sku, after)| SkuDifference {
        sku,
        before: Totals::default(),
        after,
    }));
    skus.sort_by(|left, right| left.sku.cmp(&right.sku));
    let sum = |of: fn(&SkuDifference) -> Totals| {
        let mut sum = Totals::default();
        skus.iter().for_each(|sku| sum += of(sku));
        sum
    };
    AccountDifference {
        account,
        before: sum(|sku| sku.before),
        after: sum(|sku| sku.after),
        skus,
    }
}
