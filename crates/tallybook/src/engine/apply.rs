//! Applying declarations: plan, leave out what is already so, commit once.

use super::commit::{Actor, Changes, Committed, Turn};
use super::{Engine, EngineError};
use tallybook_core::account::AccountName;
use tallybook_core::declaration::Declaration;
use tallybook_core::ids::LogId;
use tallybook_core::ledger::discount::NegotiatedDiscount;
use tallybook_core::ledger::{Account, AccountEntry, Setting};
use tallybook_core::site::Site;
use tallybook_core::site::declare::{Change, DeclareError, Planned, plan};
use tallybook_core::site::entry::SiteEntry;
use tallybook_core::time::Instant;

/// Why declarations were not applied; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// They cannot be.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Engine {
    /// Applies declarations, all or none, and gives the differences; a dry run only gives them.
    pub async fn apply(
        &self,
        now: Instant,
        actor: &Actor,
        declarations: &[Declaration],
        dry_run: bool,
    ) -> Result<Vec<Change>, ApplyError> {
        let turn = self.turn().await;
        for _ in 0..Turn::ATTEMPTS {
            let site = self.site();
            let planned = plan(&site, declarations)?;
            let (mut changes, differences) = self.differences(&site, planned).await?;
            if dry_run || differences.is_empty() && changes.site.is_empty() {
                return Ok(differences);
            }
            let detail = format!("{{\"changes\":{}}}", differences.len());
            changes.audit(now, actor, "apply", detail);
            if let Committed::Done = turn.commit(now, changes).await? {
                return Ok(differences);
            }
        }
        Err(EngineError::Contention(Turn::ATTEMPTS).into())
    }

    /// What is not yet so.
    async fn differences(
        &self,
        site: &Site,
        planned: Planned,
    ) -> Result<(Changes, Vec<Change>), EngineError> {
        let mut differences = planned.changes;
        let mut changes = Changes::default();
        for (name, setting) in planned.settings {
            let known = site.directory.log_of(&name);
            let log = known.or_else(|| opened(&planned.entries, &name));
            let log = log.ok_or_else(|| EngineError::System(format!("{name} has no log")))?;
            let account = match known {
                Some(log) => self.view_of(log, &name).await?.account.as_ref().clone(),
                None => Account::new(log, name.clone()),
            };
            if account.has(&setting) {
                continue;
            }
            differences.push(difference(&account, &setting));
            match changes
                .accounts
                .iter_mut()
                .find(|(known, _, _)| *known == log)
            {
                Some((_, _, entries)) => entries.push(AccountEntry::Setting(setting)),
                None => changes
                    .accounts
                    .push((log, name, vec![AccountEntry::Setting(setting)])),
            }
        }
        changes.site = planned.entries;
        Ok((changes, differences))
    }
}

fn opened(entries: &[SiteEntry], name: &AccountName) -> Option<LogId> {
    entries.iter().find_map(|entry| match entry {
        SiteEntry::OpenAccount { log, account } if account == name => Some(*log),
        _ => None,
    })
}

fn difference(account: &Account, setting: &Setting) -> Change {
    match setting {
        Setting::Plan(plan) => Change {
            subject: account.name.to_string(),
            field: "plan",
            before: account
                .plans
                .last()
                .map(|(_, known)| known.as_str().to_owned()),
            after: plan.as_str().to_owned(),
        },
        Setting::Repository {
            owner,
            name,
            visibility,
        } => {
            let known = account.repositories.get(&(owner.clone(), name.clone()));
            let known = known.and_then(|history| history.last());
            Change {
                subject: format!("repository {owner}/{name}"),
                field: "visibility",
                before: known.map(|(_, known)| known.as_str().to_owned()),
                after: visibility.as_str().to_owned(),
            }
        }
        Setting::Discounts(discounts) => Change {
            subject: account.name.to_string(),
            field: "discounts",
            before: (!account.discounts.is_empty()).then(|| listed(&account.discounts)),
            after: listed(discounts),
        },
    }
}

/// Discounts as a person reads them: `12.5% on sku actions_linux from 2026-01-01`.
fn listed(discounts: &[NegotiatedDiscount]) -> String {
    let texts: Vec<String> = discounts.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
