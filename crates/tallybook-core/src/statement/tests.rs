//! Statements with parts of their own for their lines: written, read, damaged.

use super::build::{BuilderLine, StatementBuilder};
use super::encode::LINES_APART;
use super::encode::parts_of;
use super::{Detail, Extent, Source, Statement, Table, TablePart};
use crate::codec::DecodeError;
use crate::dimension::Dimension;
use crate::money::Price;
use crate::rate::RateKey;
use crate::report::ReportKind;
use crate::sums::Totals;
use crate::time::Month;
use std::collections::BTreeMap;
use std::sync::Arc;

fn month() -> Month {
    Month::new(2026, 1).unwrap()
}

/// `lines` lines that cover all encodings: full, empty and partial shares, numbers of 8 bytes, or
/// of 16 when `wide`.
fn statement(month: Month, lines: usize, wide: bool) -> Statement {
    statement_of(month, lines, 300, wide)
}

fn statement_of(month: Month, lines: usize, repositories: usize, wide: bool) -> Statement {
    let mut builder = StatementBuilder::new(month);
    let rates = ["a", "b", "c"].map(|sku| {
        let key = RateKey {
            folded_sku: sku.to_owned(),
            sku: sku.to_owned(),
            product: "p".to_owned(),
            unit: "u".to_owned(),
            price: Price::from_picos(8_000_000_000),
        };
        builder.rate(key, (sku == "b").then_some(ReportKind::PremiumRequest))
    });
    let repositories: Vec<u32> = (0..repositories)
        .map(|number| builder.name(Dimension::Repository, &format!("repo-{number}")))
        .collect();
    let names = Dimension::ALL.map(|dimension| builder.name(dimension, "one"));
    let large = if wide { 1i128 << 90 } else { 1 << 40 };
    for line in 0..lines {
        let mut names = names;
        names[Dimension::Repository as usize] = repositories[line * 7 % repositories.len()];
        let quantity = if line % 5 == 0 { large } else { 60 } + line as i128;
        let discount = [0, quantity, quantity / 3][line % 3];
        builder.push(BuilderLine {
            hour: u16::try_from(line * 11 % 744).unwrap(),
            rate: rates[line % 3],
            names,
            quantity,
            gross: quantity,
            discount,
        });
    }
    builder.finish()
}

/// The statement, assembled from its parts, which may come in any order.
fn read(parts: &[Vec<u8>]) -> Result<Statement, DecodeError> {
    let mut source = Source::decode(&parts[0])?.unwrap();
    for detail in [Detail::Lines, Detail::Days] {
        assert!(source.lacks(detail), "a long statement's tables are apart");
        let range = parts_of(detail);
        let own = parts.iter().skip(range.start).take(range.len());
        let own = own.map(|bytes| TablePart::decode(bytes).map(|part| part.unwrap()));
        source = source.with_parts(detail, own.collect::<Result<_, _>>()?)?;
    }
    Ok(source.statement().unwrap())
}

#[test]
fn a_long_statement_is_read_back_from_its_parts() {
    for wide in [false, true] {
        let statement = statement(month(), LINES_APART, wide);
        let parts = statement.encode();
        assert_eq!(parts.len(), statement.parts());
        assert_eq!(parts.len(), parts_of(Detail::Days).end);
        assert_eq!(read(&parts).unwrap(), statement);
        let mut turned = parts.clone();
        turned[parts_of(Detail::Lines)].reverse();
        turned[parts_of(Detail::Days)].reverse();
        assert_eq!(read(&turned).unwrap(), statement);
    }
}

#[test]
fn a_short_statement_is_one_part() {
    let statement = statement(month(), LINES_APART - 1, false);
    let parts = statement.encode();
    assert_eq!(parts.len(), 1);
    assert_eq!(statement.days(), None);
    let read = Source::decode(&parts[0]).unwrap();
    assert_eq!(read.unwrap().statement(), Some(statement));
}

#[test]
fn tables_are_as_large_as_their_summary_says() {
    let statement = statement(month(), LINES_APART, false);
    let of = |detail| statement.summary().table_memory(detail);
    let (lines, days) = (statement.lines(), statement.days().unwrap());
    assert_eq!(of(Detail::Lines), Some(lines.memory()));
    assert_eq!(of(Detail::Days), Some(days.memory()));
    assert!(lines.memory() > 16 * LINES_APART);
}

#[test]
fn days_are_kept_where_they_are_far_fewer_than_lines() {
    let long = statement(month(), LINES_APART, false);
    // 300 repositories, each with one SKU, used on each of 31 days.
    assert_eq!(long.days().unwrap().len(), 300 * 31);
    let without = |lines_a_row| {
        let mut statement = long.clone();
        Arc::make_mut(&mut statement.summary).days = None;
        statement.days = None;
        statement.with_days(lines_a_row).days().is_none()
    };
    let lines_a_row = LINES_APART / (300 * 31);
    assert!(!without(lines_a_row));
    assert!(without(lines_a_row + 1));
}

/// Sums of rows, by day, rate, organization, repository and cost center.
fn summed(table: &Table, extent: &Extent) -> BTreeMap<[u32; 5], Totals> {
    let mut sums = BTreeMap::new();
    for (run, rows) in extent.rows_by_run() {
        for row in rows {
            let rate = table.rate.code(row);
            assert!(
                (run.rates.0..run.rates.1).contains(&rate),
                "{run:?}: {rate}"
            );
            let code = |dimension: Dimension| {
                let column = table.names[dimension as usize].as_ref().unwrap();
                column.code(row)
            };
            let [organization, repository, center] = super::days::DIMENSIONS.map(code);
            let key = [
                u32::from(run.hour / 24),
                rate,
                organization,
                repository,
                center,
            ];
            *sums.entry(key).or_default() += table.sums::<Totals>(row);
        }
    }
    sums
}

#[test]
fn days_are_the_sums_of_the_lines() {
    for wide in [false, true] {
        let statement = statement(month(), LINES_APART, wide);
        let summary = statement.summary();
        let lines = summed(statement.lines(), &summary.lines);
        let (table, extent) = (statement.days().unwrap(), summary.days.as_ref().unwrap());
        let days = summed(table, extent);
        assert_eq!(days.len(), table.len(), "each is there once");
        assert_eq!(days, lines);
    }
}

#[test]
fn parts_of_another_statement_are_refused() {
    let parts = statement(month(), LINES_APART, false).encode();
    let of_another_month = statement(month().plus(2), LINES_APART, false).encode();
    let of_more_rows = statement_of(month(), LINES_APART + 1, 301, false).encode();
    for place in 1..parts.len() {
        for other in [&of_another_month, &of_more_rows] {
            let mut mixed = parts.clone();
            mixed[place].clone_from(&other[place]);
            assert!(read(&mixed).is_err(), "part {place}");
        }
        let mut missing = parts.clone();
        missing.remove(place);
        assert!(read(&missing).is_err(), "without part {place}");
        let mut twice = parts.clone();
        // The next part, of the same table or of the other.
        let again = 1 + place % (parts.len() - 1);
        twice[place].clone_from(&parts[again]);
        assert!(read(&twice).is_err(), "part {again} in place of {place}");
    }
}

#[test]
fn a_part_is_not_the_summary_nor_the_other_way_round() {
    let parts = statement(month(), LINES_APART, false).encode();
    assert!(Source::decode(&parts[1]).is_err());
    assert!(TablePart::decode(&parts[0]).is_err());
}

#[test]
fn parts_of_other_rules_or_formats_are_not_read() {
    let parts = statement(month(), LINES_APART, false).encode();
    for part in &parts[1..] {
        for place in [3, 4] {
            let mut other = part.clone();
            other[place] += 1;
            assert!(TablePart::decode(&other).unwrap().is_none());
        }
    }
}

#[test]
fn a_torn_part_is_an_error() {
    let parts = statement(month(), LINES_APART, false).encode();
    for part in &parts[1..] {
        for length in [0, 3, 5, 8, 20, part.len() / 2, part.len() - 1] {
            assert!(
                TablePart::decode(&part[..length]).is_err(),
                "{length} bytes"
            );
        }
        assert!(
            TablePart::decode(&[part, &[0][..]].concat()).is_err(),
            "longer"
        );
    }
}
