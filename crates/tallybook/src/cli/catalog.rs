//! `tallybook catalog`: show, check and put the site's own catalogue.
//!
//! Invariant: what `show` prints is what `put` takes, byte for byte.

use super::apply::{apply_to, print, read};
use super::arguments::{Catalog as Command, Trial};
use super::client::Client;
use super::open::{WhenEmpty, open};
use super::output::table;
use super::place::Place;
use crate::wire::catalog::{CatalogAnswer, CatalogVersionAnswer, CatalogVersions};
use crate::wire::site::Changes;
use anyhow::{Context, anyhow};
use clap::ArgMatches;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use tallybook_core::catalog::Catalog;
use tallybook_core::declaration::Declaration;
use tallybook_core::site::Site;
use tallybook_core::site::declare::Change;
use tallybook_core::time::Instant;

/// Runs one of the commands.
pub(crate) fn run(command: Command, matches: &ArgMatches, now: Instant) -> anyhow::Result<()> {
    match command {
        Command::Show { json, place } => show(json, place.resolve(matches)?, now),
        Command::Versions { place } => versions(place.resolve(matches)?, now),
        Command::Check { file } => check(&file),
        Command::Put { file, trial, place } => put(&file, &trial, place.resolve(matches)?, now),
    }
}

fn site(directory: &Path, now: Instant) -> anyhow::Result<Arc<Site>> {
    super::runtime()?.block_on(async {
        let opened = open(directory, WhenEmpty::Refuse, now).await?;
        Ok(opened.engine.site())
    })
}

fn show(json: bool, place: Place, now: Instant) -> anyhow::Result<()> {
    let text = match place {
        Place::Directory(directory) => {
            let site = site(&directory, now)?;
            let own = site.catalogue.own();
            if json {
                let version = site.catalogue.version().0;
                in_json(&CatalogAnswer::new(version, own, &site.catalog))?
            } else {
                own.to_owned()
            }
        }
        Place::Server { url, token } => {
            let client = Client::new(url, &token);
            if json {
                in_json(&client.get::<CatalogAnswer>("catalog")?)?
            } else {
                client.text("catalog")?
            }
        }
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    if text.is_empty() {
        eprintln!("The site has no catalogue of its own: the built-in one holds.");
    }
    Ok(())
}

fn in_json(answer: &CatalogAnswer) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(answer)? + "\n")
}

fn versions(place: Place, now: Instant) -> anyhow::Result<()> {
    let versions = match place {
        Place::Directory(directory) => {
            let site = site(&directory, now)?;
            let versions = site.catalogue.versions().iter().rev();
            versions.map(CatalogVersionAnswer::from).collect()
        }
        Place::Server { url, token } => {
            let list: CatalogVersions = Client::new(url, &token).get("catalog/versions")?;
            list.versions
        }
    };
    let rows: Vec<Vec<String>> = versions.into_iter().map(version_row).collect();
    let head = ["VERSION", "CREATED", "CHANGED", "BY"];
    table(&mut io::stdout().lock(), &head, &rows)?;
    Ok(())
}

fn version_row(version: CatalogVersionAnswer) -> Vec<String> {
    let changed = match version.edition {
        Some(day) => format!("edition {day}"),
        None => version.changed,
    };
    vec![
        version.version.to_string(),
        version.created_at,
        changed,
        version.by.unwrap_or_default(),
    ]
}

fn check(file: &Path) -> anyhow::Result<()> {
    let text = read(file)?;
    let builtin = Catalog::parse(Catalog::BUILTIN).context("the built-in catalogue")?;
    let layered = builtin.layered(&text);
    let layered = layered.map_err(|error| anyhow!("{}: {error}", file.display()))?;
    let facts = builtin.difference(&layered).into_iter();
    let changes = Changes {
        dry_run: true,
        changes: facts.map(|fact| Change::from(fact).into()).collect(),
        catalog_version: 0,
        what_if: None,
    };
    let nothing = "The text can be read, and says nothing that the built-in catalogue does not.";
    print(&mut io::stdout().lock(), &changes, nothing)?;
    Ok(())
}

fn put(file: &Path, trial: &Trial, place: Place, now: Instant) -> anyhow::Result<()> {
    let text = read(file)?;
    let changes = match place {
        Place::Directory(directory) => {
            let declarations = [Declaration::Catalogue(text)];
            apply_to(
                &directory,
                "catalog put",
                &declarations,
                &trial.options(),
                now,
            )?
        }
        Place::Server { url, token } => {
            let path = format!("catalog?{}", trial.parameters().trim_start_matches('&'));
            Client::new(url, &token).put(&path, &text)?
        }
    };
    let nothing = "That is the site's own catalogue already; nothing changes.";
    print(&mut io::stdout().lock(), &changes, nothing)?;
    Ok(())
}
