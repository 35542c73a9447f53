//! Statements with parts of their own for their lines: written, read, damaged.

use super::build::{BuilderLine, RateKey, StatementBuilder};
use super::encode::LINES_APART;
use super::{LinesPart, Source, Statement, Summary};
use crate::codec::DecodeError;
use crate::ledger::record::Dimension;
use crate::money::Price;
use crate::time::Month;
use std::sync::Arc;

fn month() -> Month {
    Month::new(2026, 1).unwrap()
}

/// `lines` lines that have something of everything: shares of all, of nothing and of a part,
/// numbers of 8 bytes, or of 16 when `wide`.
fn statement(month: Month, lines: usize, wide: bool) -> Statement {
    let mut builder = StatementBuilder::new(month);
    let rates = ["a", "b", "c"].map(|sku| {
        let key = RateKey {
            folded_sku: sku.to_owned(),
            sku: sku.to_owned(),
            product: "p".to_owned(),
            unit: "u".to_owned(),
            price: Price::from_picos(8_000_000_000),
        };
        builder.rate(key, sku == "b", false)
    });
    let repositories: Vec<u32> = (0..300)
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

/// What part 0 says of a long statement.
fn summary(parts: &[Vec<u8>]) -> Arc<Summary> {
    match Source::decode(&parts[0]).unwrap() {
        Some(Source::Summary(summary)) => summary,
        other => panic!("a long statement's first part has no lines: {other:?}"),
    }
}

fn read(parts: &[Vec<u8>]) -> Result<Statement, DecodeError> {
    let lines = parts[1..].iter();
    let lines = lines.map(|bytes| LinesPart::decode(bytes).map(|part| part.unwrap()));
    summary(parts).with_parts(lines.collect::<Result<_, _>>()?)
}

#[test]
fn a_long_statement_is_read_back_from_its_parts() {
    for wide in [false, true] {
        let statement = statement(month(), LINES_APART, wide);
        let parts = statement.encode();
        assert_eq!(parts.len(), statement.parts());
        assert!(parts.len() > 1);
        assert_eq!(read(&parts).unwrap(), statement);
        // In whatever order they come.
        let mut turned = parts.clone();
        turned[1..].reverse();
        assert_eq!(read(&turned).unwrap(), statement);
    }
}

#[test]
fn a_short_statement_is_one_part() {
    let statement = statement(month(), LINES_APART - 1, false);
    let parts = statement.encode();
    assert_eq!(parts.len(), 1);
    let read = Source::decode(&parts[0]).unwrap();
    assert_eq!(read, Some(Source::Whole(statement)));
}

#[test]
fn lines_are_as_large_as_their_summary_says() {
    let statement = statement(month(), LINES_APART, false);
    assert_eq!(
        statement.lines().memory(),
        statement.summary().lines_memory()
    );
    assert!(statement.lines().memory() > 16 * LINES_APART);
}

#[test]
fn parts_of_another_statement_are_refused() {
    let parts = statement(month(), LINES_APART, false).encode();
    let of_another_month = statement(month().plus(2), LINES_APART, false).encode();
    let of_more_lines = statement(month(), LINES_APART + 1, false).encode();
    for place in 1..parts.len() {
        for other in [&of_another_month, &of_more_lines] {
            let mut mixed = parts.clone();
            mixed[place].clone_from(&other[place]);
            assert!(read(&mixed).is_err(), "part {place}");
        }
        let mut missing = parts.clone();
        missing.remove(place);
        assert!(read(&missing).is_err(), "without part {place}");
        let mut twice = parts.clone();
        let again = 1 + place % (parts.len() - 1);
        twice[place].clone_from(&parts[again]);
        assert!(read(&twice).is_err(), "part {again} in place of {place}");
    }
}

#[test]
fn a_part_is_not_the_summary_nor_the_other_way_round() {
    let parts = statement(month(), LINES_APART, false).encode();
    assert!(Source::decode(&parts[1]).is_err());
    assert!(LinesPart::decode(&parts[0]).is_err());
}

#[test]
fn parts_of_other_rules_or_formats_are_not_read() {
    let parts = statement(month(), LINES_APART, false).encode();
    for part in &parts[1..] {
        for place in [3, 4] {
            let mut other = part.clone();
            other[place] += 1;
            assert!(LinesPart::decode(&other).unwrap().is_none());
        }
    }
}

#[test]
fn a_torn_part_is_an_error() {
    let parts = statement(month(), LINES_APART, false).encode();
    for part in &parts[1..] {
        for length in [0, 3, 5, 8, 20, part.len() / 2, part.len() - 1] {
            assert!(
                LinesPart::decode(&part[..length]).is_err(),
                "{length} bytes"
            );
        }
        assert!(
            LinesPart::decode(&[part, &[0][..]].concat()).is_err(),
            "longer"
        );
    }
}
