//! The files of one import side by side: what is stated twice, and what is a part.

use tallybook_core::catalog::Catalog;
use tallybook_core::ledger::builder::{FileOverlap, ImportBuilder, ImportScope, Most, TooMuch};
use tallybook_core::money::{Amount, Quantity};
use tallybook_core::report::{Line, ReportKind};
use tallybook_core::time::Day;

/// Day of January 2026, SKU, organization, repository, gross in billionths.
type Usage = (i32, &'static str, &'static str, &'static str, i128);

fn builder(files: &[(ReportKind, &[Usage])]) -> ImportBuilder {
    let mut builder = ImportBuilder::new(ImportScope::Enterprise);
    for (kind, lines) in files {
        builder.begin_file();
        for (day, sku, organization, repository, gross) in *lines {
            let first = Day::new(2026, 1, 1).unwrap();
            let line = Line {
                hour: Day::from_index(first.index() + day - 1).first_hour(),
                product: "actions",
                sku,
                unit: "minutes",
                organization,
                repository,
                quantity: Quantity::from_nanos(*gross),
                gross: Amount::from_nanos(*gross),
                ..Line::default()
            };
            let full = builder.push(*kind, &line, |_| Ok(())).unwrap();
            assert!(full.is_none());
        }
    }
    builder
}

fn overlaps(files: &[(ReportKind, &[Usage])]) -> Vec<FileOverlap> {
    builder(files).overlaps(&Catalog::parse(Catalog::BUILTIN).unwrap())
}

/// First file, later file, days, and the gross of both.
fn told(overlaps: &[FileOverlap]) -> Vec<(usize, usize, usize, i128, i128)> {
    let tell = |one: &FileOverlap| {
        let gross = [one.first_sum, one.again_sum].map(|sum| sum.totals.gross.nanos());
        (one.first, one.again, one.days, gross[0], gross[1])
    };
    overlaps.iter().map(tell).collect()
}

const DETAILED: ReportKind = ReportKind::Detailed;

#[test]
fn days_that_two_files_state_are_told_with_both_totals() {
    let found = overlaps(&[
        (
            DETAILED,
            &[
                (1, "a", "octo", "x", 1),
                (2, "a", "octo", "x", 2),
                (2, "b", "octo", "", 4),
            ],
        ),
        (
            DETAILED,
            &[
                (2, "a", "octo", "x", 8),
                (3, "a", "octo", "x", 16),
                (2, "b", "octo", "", 32),
            ],
        ),
    ]);
    assert_eq!(told(&found), [(0, 1, 1, 6, 40)]);
    let day = Day::new(2026, 1, 2).unwrap();
    assert_eq!((found[0].first_day, found[0].last_day), (day, day));
    assert_eq!((found[0].first_sum.lines, found[0].again_sum.lines), (2, 2));
}

#[test]
fn names_are_compared_as_everywhere() {
    let found = overlaps(&[
        (DETAILED, &[(1, "actions_linux", "octo", "x", 1)]),
        (DETAILED, &[(1, "Actions Linux", "Octo", "X", 2)]),
    ]);
    assert_eq!(told(&found), [(0, 1, 1, 1, 2)]);
}

#[test]
fn parts_by_day_sku_organization_and_repository_are_no_overlap() {
    for (left, right) in [
        ((1, "a", "octo", "x", 1), (2, "a", "octo", "x", 1)),
        ((1, "a", "octo", "x", 1), (1, "b", "octo", "x", 1)),
        ((1, "a", "octo", "x", 1), (1, "a", "acme", "x", 1)),
        ((1, "a", "octo", "x", 1), (1, "a", "octo", "y", 1)),
    ] {
        let found = overlaps(&[(DETAILED, &[left]), (DETAILED, &[right])]);
        assert_eq!(found, [], "{left:?} {right:?}");
    }
    let usage = (1, "a", "octo", "x", 1);
    let found = overlaps(&[(DETAILED, &[usage]), (ReportKind::Summarized, &[usage])]);
    assert_eq!(found, [], "reports of two kinds hide each other");
}

/// A repository of one part that is also in the other: nothing tells parts from copies.
#[test]
fn parts_by_repository_have_no_repository_in_common() {
    let found = overlaps(&[
        (
            DETAILED,
            &[(1, "a", "octo", "x", 1), (2, "a", "octo", "z", 1)],
        ),
        (
            DETAILED,
            &[(1, "a", "octo", "y", 2), (3, "a", "octo", "z", 2)],
        ),
    ]);
    assert_eq!(told(&found), [(0, 1, 1, 1, 2)]);
}

#[test]
fn each_file_is_compared_with_the_first_that_states_the_same() {
    let found = overlaps(&[
        (DETAILED, &[(1, "a", "octo", "x", 1)]),
        (ReportKind::AiCredit, &[(1, "a", "octo", "", 2)]),
        (DETAILED, &[(1, "a", "octo", "y", 4)]),
        (DETAILED, &[(1, "a", "octo", "y", 8)]),
        (DETAILED, &[(1, "a", "octo", "x", 16)]),
    ]);
    assert_eq!(told(&found), [(2, 3, 1, 4, 8), (0, 4, 1, 1, 16)]);
}

#[test]
fn an_import_may_hold_so_many_names_and_sums() {
    let usage: &[Usage] = &[(1, "a", "octo", "x", 1), (2, "a", "octo", "y", 1)];
    let check = |names: usize, sums: usize| {
        let mut builder = builder(&[(DETAILED, usage)]);
        builder.limit(Most { names, sums });
        builder.check_size()
    };
    // A product, a SKU, a unit, an organization and two repositories; two days and two repositories.
    assert_eq!(check(6, 4), Ok(()));
    assert_eq!(check(5, 4), Err(TooMuch::Names(5)));
    assert_eq!(check(6, 3), Err(TooMuch::Sums(3)));
}
