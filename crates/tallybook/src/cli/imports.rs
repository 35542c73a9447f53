//! `tallybook imports list` and `imports revert`.

use super::arguments::usage_error;
use super::client::Client;
use super::open::{WhenEmpty, open};
use super::place::Place;
use super::summary::{account_path, print_list, print_revert};
use crate::engine::Engine;
use crate::engine::commit::Actor;
use crate::importing::answer;
use crate::wire::imports::{ImportAnswer, ImportList};
use anyhow::bail;
use std::io;
use tallybook_core::account::AccountName;
use tallybook_core::ids::ImportId;
use tallybook_core::name::Name;
use tallybook_core::time::Instant;

/// Lists the imports of an account, or of every account of a directory.
pub(crate) fn list(account: Option<AccountName>, place: Place, now: Instant) -> anyhow::Result<()> {
    let imports = match place {
        Place::Directory(directory) => super::runtime()?.block_on(async {
            let opened = open(&directory, WhenEmpty::Refuse, now).await?;
            list_directory(&opened.engine, account.as_ref()).await
        })?,
        Place::Server { url, token } => {
            let path = format!("{}/imports", account_path(&needed(account)?));
            let list: ImportList = Client::new(url, &token).get(&path)?;
            list.imports
        }
    };
    print_list(&mut io::stdout().lock(), &imports)?;
    Ok(())
}

/// Reverts an import.
pub(crate) fn revert(
    id: ImportId,
    account: Option<AccountName>,
    place: Place,
    now: Instant,
) -> anyhow::Result<()> {
    let reverted = match place {
        Place::Directory(directory) => super::runtime()?.block_on(async {
            let opened = open(&directory, WhenEmpty::Refuse, now).await?;
            revert_directory(&opened.engine, id, account.as_ref(), now).await
        })?,
        Place::Server { url, token } => {
            let path = format!("{}/imports/{id}", account_path(&needed(account)?));
            Client::new(url, &token).delete(&path)?
        }
    };
    print_revert(&mut io::stdout().lock(), &reverted)?;
    Ok(())
}

/// Fails without an account, which a server's paths require.
fn needed(account: Option<AccountName>) -> anyhow::Result<AccountName> {
    account.ok_or_else(|| {
        usage_error("--url needs the account: --enterprise, --organization or --user").into()
    })
}

/// The accounts that a name refers to, including those of an organization's past payers, and the
/// organization that each is limited to.
fn payers(
    engine: &Engine,
    account: Option<&AccountName>,
) -> anyhow::Result<Vec<(AccountName, Option<Name>)>> {
    let site = engine.site();
    match account {
        None => {
            let all = site.directory.accounts();
            Ok(all.map(|(_, name)| (name.clone(), None)).collect())
        }
        Some(account) => match site.directory.find(account) {
            Some(found) => {
                let past = found.past.into_iter();
                let past = past.map(|past| (past.account, past.only));
                let now = std::iter::once((found.payer, found.only));
                Ok(now.chain(past).collect())
            }
            None => bail!("there is no {account}"),
        },
    }
}

async fn list_directory(
    engine: &Engine,
    account: Option<&AccountName>,
) -> anyhow::Result<Vec<ImportAnswer>> {
    let mut imports = Vec::new();
    for (payer, only) in payers(engine, account)? {
        let Some(log) = engine.site().directory.log_of(&payer) else {
            continue;
        };
        let view = engine.view_of(log, &payer).await?;
        let newest_first = view.account.imports.iter().rev();
        let wanted = newest_first.filter(|it| only.is_none() || it.record.organization == only);
        imports.extend(wanted.map(|import| answer::import(&payer, import, &[])));
    }
    Ok(imports)
}

async fn revert_directory(
    engine: &Engine,
    id: ImportId,
    account: Option<&AccountName>,
    now: Instant,
) -> anyhow::Result<ImportAnswer> {
    for (payer, only) in payers(engine, account)? {
        let Some(log) = engine.site().directory.log_of(&payer) else {
            continue;
        };
        let view = engine.view_of(log, &payer).await?;
        let found = view.account.import(id);
        if found.is_some_and(|it| only.is_none() || it.record.organization == only) {
            let actor = Actor::command("imports revert");
            let outcome = engine.revert_import(&payer, id, &actor, now).await?;
            return Ok(answer::import(&payer, &outcome.import, &outcome.overlaps));
        }
    }
    bail!("there is no import {id}")
}
