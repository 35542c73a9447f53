//! Reads the statements under `included` and `multipliers`.
//!
//! Invariant: an account's usage of a SKU has at most one pool, and a SKU at most one table of
//! multipliers. Look next: `catalog/included.rs` for what they mean.

use super::Catalog;
use super::line::{Line, Word};
use super::problem::{CatalogError, Problem};
use crate::account::{AccountKind, Plan};
use crate::catalog::included::{Cover, Worth};
use crate::catalog::{Layer, Pool};

/// One statement under a pool.
pub(super) fn pool_statement(
    catalog: &mut Catalog,
    place: usize,
    statement: &Word<'_>,
    line: &mut Line<'_>,
) -> Result<(), CatalogError> {
    let layer = catalog.layer;
    match statement.text {
        "for" => kinds(catalog, place, statement, line),
        "worth" => worth(catalog, place, line),
        "times" => {
            catalog.pools.entries[place].times = line.count("the factor")?;
            Ok(())
        }
        "covers" => covers(catalog, place, line),
        "plan" => plan(&mut catalog.pools.entries[place], layer, line),
        _ => seat(catalog, place, line),
    }
}

/// One statement under a table of multipliers.
pub(super) fn multipliers_statement(
    catalog: &mut Catalog,
    place: usize,
    statement: &Word<'_>,
    line: &mut Line<'_>,
) -> Result<(), CatalogError> {
    if statement.text == "covers" {
        return multiplied(catalog, place, line);
    }
    let layer = catalog.layer;
    let table = &mut catalog.multipliers.entries[place];
    let name = line.word("the model's name")?;
    let value = line.number("the multiplier")?;
    let from = line.since()?;
    let in_order = match statement.text {
        "model" => table.add_model(name.text, from, layer, value),
        _ => table.add_prefix(name.text, from, layer, value),
    };
    in_order_of_days(in_order, &name, line)
}

fn kinds(
    catalog: &mut Catalog,
    place: usize,
    statement: &Word<'_>,
    line: &mut Line<'_>,
) -> Result<(), CatalogError> {
    let mut skus = catalog.skus.entries.iter();
    if skus.any(|sku| sku.covers.iter().any(|cover| cover.pool == place)) {
        return Err(line.error(statement, Problem::LateKinds));
    }
    let mut word = line.word("the kind of account")?;
    loop {
        let kinds = [
            AccountKind::Enterprise,
            AccountKind::Organization,
            AccountKind::User,
        ];
        let kind = kinds.into_iter().find(|kind| kind.as_str() == word.text);
        let invalid = || line.error(&word, Problem::InvalidKind(word.text.to_owned()));
        let kind = kind.ok_or_else(invalid)?;
        catalog.pools.entries[place].kinds.push(kind);
        match line.next() {
            Some(next) => word = next,
            None => return Ok(()),
        }
    }
}

fn worth(catalog: &mut Catalog, place: usize, line: &mut Line<'_>) -> Result<(), CatalogError> {
    let word = line.word("'dollars' or a SKU")?;
    catalog.pools.entries[place].worth = match word.text {
        "dollars" => Worth::Dollars,
        _ => Worth::Sku(sku(catalog, &word, line)?),
    };
    Ok(())
}

fn covers(catalog: &mut Catalog, place: usize, line: &mut Line<'_>) -> Result<(), CatalogError> {
    let mut words = vec![line.word("the SKU")?];
    let mut weight = 1;
    while !line.is_at_end() {
        if line.next_is("weight") {
            weight = line.count("the weight")?;
            break;
        }
        words.push(line.word("the SKU")?);
    }
    for word in &words {
        let covered = sku(catalog, word, line)?;
        let mine = &catalog.pools.entries[place];
        let others = catalog.skus.entries[covered].covers.iter();
        let mut others = others.map(|cover| &catalog.pools.entries[cover.pool]);
        if let Some(other) = others.find(|other| overlap(mine, other)) {
            let problem = Problem::Covered(word.text.to_owned(), other.id.clone());
            return Err(line.error(word, problem));
        }
        let cover = Cover {
            pool: place,
            weight,
        };
        catalog.skus.entries[covered].covers.push(cover);
    }
    Ok(())
}

/// Whether some kind of account has both pools.
fn overlap(left: &Pool, right: &Pool) -> bool {
    let kinds = [
        AccountKind::Enterprise,
        AccountKind::Organization,
        AccountKind::User,
    ];
    kinds
        .into_iter()
        .any(|kind| left.is_for(kind) && right.is_for(kind))
}

fn plan(pool: &mut Pool, layer: Layer, line: &mut Line<'_>) -> Result<(), CatalogError> {
    let word = line.word("the plan")?;
    let invalid = || line.error(&word, Problem::InvalidPlan(word.text.to_owned()));
    let plan = Plan::parse(word.text).ok_or_else(invalid)?;
    let granted = line.number("what the plan includes")?;
    let from = line.since()?;
    let in_order = pool
        .plans
        .entry(plan)
        .or_default()
        .add(from, layer, granted);
    in_order_of_days(in_order, &word, line)
}

fn seat(catalog: &mut Catalog, place: usize, line: &mut Line<'_>) -> Result<(), CatalogError> {
    let word = line.word("the seat's SKU")?;
    let seat = sku(catalog, &word, line)?;
    let granted = line.number("what the seat includes")?;
    let from = line.since()?;
    let seat = &mut catalog.skus.entries[seat];
    seat.is_seat = true;
    let history = catalog.pools.entries[place].seats.entry(seat.id.clone());
    let in_order = history.or_default().add(from, catalog.layer, granted);
    in_order_of_days(in_order, &word, line)
}

fn multiplied(
    catalog: &mut Catalog,
    place: usize,
    line: &mut Line<'_>,
) -> Result<(), CatalogError> {
    let mut word = line.word("the SKU")?;
    loop {
        let covered = sku(catalog, &word, line)?;
        let table = &mut catalog.skus.entries[covered].multipliers;
        if *table.get_or_insert(place) != place {
            return Err(line.error(&word, Problem::Multiplied(word.text.to_owned())));
        }
        match line.next() {
            Some(next) => word = next,
            None => return Ok(()),
        }
    }
}

/// The index of the SKU with this id.
fn sku(catalog: &Catalog, word: &Word<'_>, line: &Line<'_>) -> Result<usize, CatalogError> {
    let mut skus = catalog.skus.entries.iter();
    let place = skus.position(|sku| sku.id == word.text);
    place.ok_or_else(|| line.error(word, Problem::Undefined(word.text.to_owned(), "SKU")))
}

fn in_order_of_days(in_order: bool, word: &Word<'_>, line: &Line<'_>) -> Result<(), CatalogError> {
    if in_order {
        Ok(())
    } else {
        Err(line.error(word, Problem::DayOrder(word.text.to_owned())))
    }
}
