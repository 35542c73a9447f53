//! Prints imports for people; the figures are those of `wire::imports`, whatever their source.

use super::output::table;
use crate::wire::imports::{
    AlsoMeteredAnswer, AmountSum, CreatedAnswer, ImportAnswer, JoinedFilesAnswer, JoinedSide,
    MeteredSide, OverlapAnswer, ReadingAnswer,
};
use std::io::{self, Write};
use tallybook_core::account::{AccountKind, AccountName};

/// How many created names of a kind are listed; the rest are counted.
const NAMES_LISTED: usize = 20;

/// The path of an account under `/metering/v1`.
pub(crate) fn account_path(account: &AccountName) -> String {
    let kind = match account.kind {
        AccountKind::Enterprise => "enterprises",
        AccountKind::Organization => "organizations",
        AccountKind::User => "users",
    };
    format!("{kind}/{}", account.name)
}

/// Prints what an import added.
pub(crate) fn print_import(out: &mut dyn Write, answer: &ImportAnswer) -> io::Result<()> {
    let repeated = answer
        .reading
        .as_ref()
        .is_some_and(|reading| reading.repeated);
    let what = if repeated {
        "Already imported"
    } else {
        "Imported"
    };
    let (kind, name) = (&answer.account.kind, &answer.account.name);
    writeln!(out, "{what} for {kind} {name}: import {}", answer.id)?;
    if repeated {
        writeln!(out, "The same files are live already; nothing was changed.")?;
    }
    if let Some(organization) = &answer.organization {
        writeln!(out, "Only usage of organization {organization}.")?;
    }
    for file in &answer.files {
        let skipped = match file.skipped_lines {
            0 => String::new(),
            count => format!(", {count} left out"),
        };
        writeln!(
            out,
            "  {}: {}, {} lines{skipped}",
            file.name, file.kind, file.lines
        )?;
    }
    if let (Some(first), Some(last)) = (&answer.first_day, &answer.last_day) {
        writeln!(out, "Days from {first} to {last}.")?;
    }
    print_sums(out, answer)?;
    for overlap in &answer.overlaps {
        print_overlap(out, &answer.id, overlap)?;
    }
    if let Some(reading) = &answer.reading {
        print_reading(out, answer.lines, reading)?;
    }
    Ok(())
}

/// Prints imports, one per line.
pub(crate) fn print_list(out: &mut dyn Write, imports: &[ImportAnswer]) -> io::Result<()> {
    let row = |import: &ImportAnswer| {
        let mut kinds: Vec<&str> = import.files.iter().map(|file| file.kind.as_str()).collect();
        kinds.dedup();
        vec![
            import.id.clone(),
            format!("{} {}", import.account.kind, import.account.name),
            import.organization.clone().unwrap_or_default(),
            import.state.clone(),
            import.created_at.clone(),
            import.first_day.clone().unwrap_or_default(),
            import.last_day.clone().unwrap_or_default(),
            import.lines.to_string(),
            kinds.join(","),
        ]
    };
    let rows: Vec<_> = imports.iter().map(row).collect();
    table(
        out,
        &[
            "ID",
            "ACCOUNT",
            "ONLY",
            "STATE",
            "IMPORTED",
            "FIRST DAY",
            "LAST DAY",
            "LINES",
            "KINDS",
        ],
        &rows,
    )
}

/// Prints what a revert restored.
pub(crate) fn print_revert(out: &mut dyn Write, answer: &ImportAnswer) -> io::Result<()> {
    let (id, lines) = (&answer.id, answer.lines);
    let (kind, name) = (&answer.account.kind, &answer.account.name);
    writeln!(
        out,
        "Reverted import {id} of {kind} {name}: its {lines} lines no longer count."
    )?;
    for overlap in answer
        .overlaps
        .iter()
        .filter(|overlap| overlap.counted.import == *id)
    {
        let (import, totals) = (&overlap.hidden.import, &overlap.hidden.totals);
        writeln!(
            out,
            "Import {import} ({}) had {} lines hidden by it, net {}; they count again unless \
             another import hides them.",
            overlap.hidden.kind, totals.lines, totals.net_amount
        )?;
    }
    Ok(())
}

fn amounts(totals: &AmountSum) -> [String; 3] {
    let sums = [
        &totals.gross_amount,
        &totals.discount_amount,
        &totals.net_amount,
    ];
    sums.map(ToString::to_string)
}

fn print_sums(out: &mut dyn Write, answer: &ImportAnswer) -> io::Result<()> {
    let sku = |sum: &crate::wire::imports::SkuSumAnswer| {
        let start = [
            sum.sku.clone(),
            sum.totals.lines.to_string(),
            sum.quantity.to_string(),
        ];
        let row = start.into_iter().chain([sum.unit.clone()]);
        row.chain(amounts(&sum.totals)).collect::<Vec<_>>()
    };
    let skus: Vec<_> = answer.skus.iter().map(sku).collect();
    writeln!(out)?;
    table(
        out,
        &[
            "SKU", "LINES", "QUANTITY", "UNIT", "GROSS", "DISCOUNT", "NET",
        ],
        &skus,
    )?;
    let product = |sum: &crate::wire::imports::ProductSum| {
        let start = [sum.product.clone(), sum.totals.lines.to_string()];
        start
            .into_iter()
            .chain(amounts(&sum.totals))
            .collect::<Vec<_>>()
    };
    let products: Vec<_> = answer.products.iter().map(product).collect();
    writeln!(out)?;
    table(
        out,
        &["PRODUCT", "LINES", "GROSS", "DISCOUNT", "NET"],
        &products,
    )?;
    writeln!(out)
}

fn print_overlap(out: &mut dyn Write, own: &str, overlap: &OverlapAnswer) -> io::Result<()> {
    let (hidden, counted) = (&overlap.hidden, &overlap.counted);
    let side = |import: &str| {
        if import == own {
            "this one".to_owned()
        } else {
            import.to_owned()
        }
    };
    writeln!(
        out,
        "Both hold the same usage: {} ({}, net {}) counts; {} ({}, net {}) is hidden.",
        side(&counted.import),
        counted.kind,
        counted.totals.net_amount,
        side(&hidden.import),
        hidden.kind,
        hidden.totals.net_amount,
    )
}

fn print_reading(out: &mut dyn Write, lines: u64, reading: &ReadingAnswer) -> io::Result<()> {
    print_created(out, &reading.created)?;
    print_also_metered(out, &reading.also_metered)?;
    print_joined(out, &reading.joined)?;
    for line in &reading.skipped {
        writeln!(out, "Left out: {line}")?;
    }
    if !reading.unknown_columns.is_empty() {
        let columns = reading.unknown_columns.join(", ");
        writeln!(
            out,
            "Kept with the lines, but in no sum: columns that no known report has: {columns}"
        )?;
    }
    if reading.adjusted_nets > 0 {
        let count = reading.adjusted_nets;
        writeln!(
            out,
            "The net of {count} lines was not exactly gross - discount; now it is."
        )?;
    }
    let (milliseconds, rate) = (reading.milliseconds, reading.lines_per_second);
    let seconds = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
    writeln!(out, "{lines} lines in {seconds} s ({rate} lines/s)")
}

fn print_also_metered(out: &mut dyn Write, both: &[AlsoMeteredAnswer]) -> io::Result<()> {
    if both.is_empty() {
        return Ok(());
    }
    let row = |both: &AlsoMeteredAnswer| {
        let days = format!("{} from {} to {}", both.days, both.first_day, both.last_day);
        let net = |side: &MeteredSide| side.totals.net_amount.to_string();
        let quantity = |side: &MeteredSide| side.quantity.to_string();
        vec![
            both.sku.clone(),
            days,
            quantity(&both.imported),
            net(&both.imported),
            quantity(&both.metered),
            net(&both.metered),
        ]
    };
    writeln!(
        out,
        "Events have reported usage of the same days and SKUs, too, and both count; revert the \
         import if it is the same usage:"
    )?;
    let head = ["SKU", "DAYS", "IMPORTED", "NET", "EVENTS", "NET"];
    table(out, &head, &both.iter().map(row).collect::<Vec<_>>())?;
    writeln!(out)
}

fn print_joined(out: &mut dyn Write, joined: &[JoinedFilesAnswer]) -> io::Result<()> {
    for both in joined {
        let side = |side: &JoinedSide| {
            let (file, totals) = (&side.file, &side.totals);
            format!("{file} ({} lines, net {})", totals.lines, totals.net_amount)
        };
        writeln!(
            out,
            "Joined as parts of one report, both count: {} and {} on {} days from {} to {}.",
            side(&both.first),
            side(&both.again),
            both.days,
            both.first_day,
            both.last_day
        )?;
    }
    Ok(())
}

fn print_created(out: &mut dyn Write, created: &CreatedAnswer) -> io::Result<()> {
    if let Some(account) = &created.account {
        writeln!(out, "New: {} {}", account.kind, account.name)?;
    }
    let lists = [
        ("organizations", &created.organizations),
        ("repositories", &created.repositories),
        ("users", &created.users),
        ("cost centers", &created.cost_centers),
        ("products that the catalogue lacks", &created.products),
        ("SKUs that the catalogue lacks", &created.skus),
        ("units that the catalogue lacks", &created.units),
    ];
    for (what, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
        let listed = names
            .iter()
            .take(NAMES_LISTED)
            .map(String::as_str)
            .collect::<Vec<_>>();
        let more = match names.len().saturating_sub(NAMES_LISTED) {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        writeln!(
            out,
            "New {what} ({}): {}{more}",
            names.len(),
            listed.join(", ")
        )?;
    }
    Ok(())
}
