//! Compares the files of one import: usage that two of them state would count twice.
//!
//! Two files of a kind overlap where both have lines of the same day, SKU and organization, unless
//! they were split by repository: if the files have no repository of that organization in common,
//! no line can be in both. Names are compared as usual: ignoring case, and SKUs by their catalogue
//! ids.

use super::intern::{Interner, SkuInterner};
use super::part::PartBuilder;
use crate::catalog::Catalog;
use crate::hash::{QuickHasher, QuickMap};
use crate::ledger::owners::{CellSum, CellSums, sku_id};
use crate::report::ReportKind;
use crate::sums::Totals;
use crate::time::Day;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::BuildHasherDefault;

type QuickSet<T> = HashSet<T, BuildHasherDefault<QuickHasher>>;

/// What one file states, by day, SKU and organization.
#[derive(Debug)]
pub(super) struct FileSums {
    /// Its index among the import's files.
    pub(super) file: usize,
    pub(super) cells: CellSums,
    /// (Organization, repository) of its lines; code 0 is a line without one.
    repositories: QuickSet<(u32, u32)>,
    last_repository: Option<(u32, u32)>,
}

impl FileSums {
    pub(super) fn new(file: usize) -> Self {
        Self {
            file,
            cells: CellSums::default(),
            repositories: QuickSet::default(),
            last_repository: None,
        }
    }

    /// Adds a line, and returns how many new sums it created.
    pub(super) fn add(
        &mut self,
        (day, sku, organization): (Day, u32, u32),
        repository: u32,
        totals: Totals,
    ) -> usize {
        let before = self.cells.len() + self.repositories.len();
        self.cells.add(day, sku, organization, totals);
        let place = Some((organization, repository));
        if self.last_repository != place {
            self.repositories.extend(place);
            self.last_repository = place;
        }
        self.cells.len() + self.repositories.len() - before
    }
}

/// Usage of the same days, SKUs and organizations in two files of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOverlap {
    /// The kind of both files.
    pub kind: ReportKind,
    /// The earlier file's index.
    pub first: usize,
    /// The later file's index.
    pub again: usize,
    /// The first day in both.
    pub first_day: Day,
    /// The last day in both.
    pub last_day: Day,
    /// The number of days in both.
    pub days: usize,
    /// What the earlier file states of the shared usage.
    pub first_sum: CellSum,
    /// What the later file states of it.
    pub again_sum: CellSum,
}

/// Codes that are equal for names that differ only in spelling.
struct Folded {
    skus: Vec<u32>,
    organizations: Vec<u32>,
    repositories: Vec<u32>,
}

impl Folded {
    fn new(
        skus: &SkuInterner,
        organizations: &Interner,
        repositories: &Interner,
        catalog: &Catalog,
    ) -> Self {
        let lower = |interner: &Interner| {
            let names = interner.values.iter();
            codes(names.map(|name| name.to_ascii_lowercase()))
        };
        Self {
            skus: codes(skus.values.iter().map(|raw| sku_id(catalog, raw))),
            organizations: lower(organizations),
            repositories: lower(repositories),
        }
    }
}

fn codes(texts: impl Iterator<Item = String>) -> Vec<u32> {
    let mut known: HashMap<String, u32> = HashMap::new();
    let code = |text| {
        let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
        *known.entry(text).or_insert(next)
    };
    texts.map(code).collect()
}

/// Running totals of what two files have in common.
#[derive(Default)]
struct Common {
    days: BTreeSet<Day>,
    first: CellSum,
    again: CellSum,
}

/// Every overlap of two files, in the order of the files. Usage in more than two files is compared
/// with the first of them.
pub(super) fn overlaps(
    parts: &[PartBuilder],
    skus: &SkuInterner,
    (organizations, repositories): (&Interner, &Interner),
    catalog: &Catalog,
) -> Vec<FileOverlap> {
    let mut found = Vec::new();
    if parts.iter().all(|part| part.files.len() < 2) {
        return found;
    }
    let folded = Folded::new(skus, organizations, repositories, catalog);
    for part in parts.iter().filter(|part| part.files.len() > 1) {
        for ((first, again), common) in of_part(&part.files, &folded) {
            let (Some(first_day), Some(last_day)) = (common.days.first(), common.days.last())
            else {
                continue;
            };
            found.push(FileOverlap {
                kind: part.kind,
                first,
                again,
                first_day: *first_day,
                last_day: *last_day,
                days: common.days.len(),
                first_sum: common.first,
                again_sum: common.again,
            });
        }
    }
    found.sort_by_key(|overlap| (overlap.again, overlap.first));
    found
}

fn of_part(files: &[FileSums], folded: &Folded) -> BTreeMap<(usize, usize), Common> {
    let mut pairs: BTreeMap<(usize, usize), Common> = BTreeMap::new();
    let mut stated: QuickMap<(Day, u32, u32), Vec<(usize, CellSum)>> = QuickMap::default();
    let mut using: QuickMap<(u32, u32), Vec<usize>> = QuickMap::default();
    for (place, file) in files.iter().enumerate() {
        let sharing = sharing_files(place, file, &mut using, folded);
        for ((day, sku, organization), sum) in folded_cells(file, folded) {
            let earlier = stated.entry((day, sku, organization)).or_default();
            let shares = sharing.get(&organization);
            let first =
                shares.and_then(|files| earlier.iter().find(|(place, _)| files.contains(place)));
            if let Some((first, first_sum)) = first {
                let common = pairs.entry((files[*first].file, file.file)).or_default();
                common.days.insert(day);
                common.first.add(first_sum);
                common.again.add(&sum);
            }
            earlier.push((place, sum));
        }
    }
    pairs
}

/// By organization, the earlier files that have one of the file's repositories.
fn sharing_files(
    place: usize,
    file: &FileSums,
    using: &mut QuickMap<(u32, u32), Vec<usize>>,
    folded: &Folded,
) -> QuickMap<u32, BTreeSet<usize>> {
    let mut sharing: QuickMap<u32, BTreeSet<usize>> = QuickMap::default();
    for (organization, repository) in &file.repositories {
        let organization = folded.organizations[*organization as usize];
        let repository = folded.repositories[*repository as usize];
        let files = using.entry((organization, repository)).or_default();
        let earlier = files.iter().copied().filter(|other| *other < place);
        sharing.entry(organization).or_default().extend(earlier);
        if files.last() != Some(&place) {
            files.push(place);
        }
    }
    sharing
}

fn folded_cells(file: &FileSums, folded: &Folded) -> QuickMap<(Day, u32, u32), CellSum> {
    let mut cells: QuickMap<(Day, u32, u32), CellSum> = QuickMap::default();
    for ((day, sku, organization), sum) in file.cells.iter() {
        let sku = folded.skus[*sku as usize];
        let organization = folded.organizations[*organization as usize];
        cells.entry((*day, sku, organization)).or_default().add(sum);
    }
    cells
}
