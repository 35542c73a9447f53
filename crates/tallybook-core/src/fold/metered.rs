//! From a month's sums of events to rated lines.
//!
//! Invariant: names and SKUs are compared by their folded texts and catalogue ids, and lines are
//! rated in the order of the statement, so that neither dictionary codes nor the order of arrival
//! can change an amount.

use crate::catalog::{Catalog, Sku};
use crate::dimension::Dimension;
use crate::hash::QuickMap;
use crate::ids::NameId;
use crate::ledger::metered::rows::MeteredRow;
use crate::money::{Price, Quantity};
use crate::names::Dictionary;
use crate::rate::RateKey;
use crate::rating::seats::Seats;
use crate::rating::terms::Terms;
use crate::rating::{Rater, RatingError, UsageLine};
use crate::statement::build::{BuilderLine, StatementBuilder};
use crate::time::{Hour, Month};

/// Why a month's events have no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unrated {
    /// The catalogue no longer has a SKU that events were admitted for.
    #[error("the catalogue has no SKU {0:?}, of which there is usage")]
    UnknownSku(String),
    /// An amount could not be computed.
    #[error("usage of {sku} in the hour {hour}: {error}", hour = hour.start())]
    Rating {
        /// The SKU's id.
        sku: String,
        /// The hour of use.
        hour: Hour,
        /// The cause.
        error: RatingError,
    },
    /// A row has a code that the dictionary lacks.
    #[error("usage names a text that the dictionary lacks")]
    ForeignCode,
}

/// Adds the rated lines of a month's counting rows to a statement under construction.
pub(super) fn rate(
    month: Month,
    usage: &[&MeteredRow],
    names: &Dictionary,
    catalog: &Catalog,
    terms: &Terms,
    builder: &mut StatementBuilder,
) -> Result<(), Unrated> {
    let texts = Texts::new(usage, names, catalog)?;
    let lines = lines(usage, &texts);
    let mut seats = Seats::new();
    for line in &lines {
        let sku = texts.skus[line.key.1 as usize];
        let user = &texts.names[Dimension::User as usize].sorted[line.key.4 as usize];
        seats.add(sku, user, Quantity::from_nanos(line.quantity));
    }
    let overflow = |error| Unrated::Rating {
        sku: String::new(),
        hour: month.first_day().first_hour(),
        error: RatingError::Overflow(error),
    };
    let mut rater = Rater::new(month, catalog, terms, seats).map_err(overflow)?;
    let mut codes = BuilderCodes::new(&texts, builder);
    for line in &lines {
        push(month, line, &texts, &mut rater, &mut codes, builder)?;
    }
    Ok(())
}

/// Hour, SKU, organization, repository, user, model and workflow: the SKU and names as indexes into
/// the sorted lists of [`Texts`], so that keys sort like the lines of a statement.
type Key = (u16, u32, u32, u32, u32, u32, u32);

struct Line {
    key: Key,
    quantity: i128,
}

/// What the codes of a month's rows stand for, sorted.
struct Texts<'a> {
    /// In the order of their folded ids.
    skus: Vec<&'a Sku>,
    /// By dictionary code, the index into `skus`; `u32::MAX` for other names.
    sku_of: Vec<u32>,
    /// By dimension; events have no cost centers.
    names: [Names; 5],
}

#[derive(Default)]
struct Names {
    sorted: Vec<String>,
    /// By dictionary code, the index into the list.
    place_of: Vec<u32>,
}

impl<'a> Texts<'a> {
    fn new(
        usage: &[&MeteredRow],
        dictionary: &Dictionary,
        catalog: &'a Catalog,
    ) -> Result<Self, Unrated> {
        let codes_end = dictionary.next_id().0 as usize + 1;
        let used = used(usage, codes_end)?;
        let text = |code: u32| match code.checked_sub(1) {
            None => Ok(""),
            Some(id) => {
                let text = dictionary.get(NameId(id)).ok_or(Unrated::ForeignCode)?;
                Ok(&**text)
            }
        };
        let [skus, names @ ..] = &used;
        let mut by_id = Vec::new();
        for code in codes(skus) {
            let text = text(code)?;
            let sku = catalog.sku(text);
            let sku = sku.ok_or_else(|| Unrated::UnknownSku(text.to_owned()))?;
            by_id.push((sku.id.to_ascii_lowercase(), code, sku));
        }
        by_id.sort_by(|left, right| (&left.0, left.1).cmp(&(&right.0, right.1)));
        let mut sku_of = vec![u32::MAX; codes_end];
        let mut sorted: Vec<(&str, &'a Sku)> = Vec::new();
        for (id, code, sku) in &by_id {
            if sorted.last().is_none_or(|(last, _)| last != id) {
                sorted.push((id, sku));
            }
            sku_of[*code as usize] = place(sorted.len() - 1);
        }
        let skus = sorted.into_iter().map(|(_, sku)| sku).collect();
        let mut lists: [Names; 5] = Default::default();
        for (dimension, (list, used)) in Dimension::ALL.into_iter().zip(lists.iter_mut().zip(names))
        {
            *list = Names::new(dimension, used, &text)?;
        }
        Ok(Self {
            skus,
            sku_of,
            names: lists,
        })
    }

    fn key(&self, row: &MeteredRow) -> Key {
        let [sku, names @ ..] = row.names;
        let name = |dimension: usize| self.names[dimension].place_of[names[dimension] as usize];
        let sku = self.sku_of[sku as usize];
        (row.hour, sku, name(0), name(1), name(2), name(3), name(4))
    }
}

impl Names {
    fn new<'t>(
        dimension: Dimension,
        used: &[bool],
        text: &impl Fn(u32) -> Result<&'t str, Unrated>,
    ) -> Result<Self, Unrated> {
        let mut folded = Vec::new();
        for code in codes(used) {
            folded.push((dimension.fold(text(code)?), code));
        }
        folded.sort();
        let mut names = Self {
            sorted: Vec::with_capacity(folded.len()),
            place_of: vec![u32::MAX; used.len()],
        };
        for (text, code) in folded {
            if names.sorted.last() != Some(&text) {
                names.sorted.push(text);
            }
            names.place_of[code as usize] = place(names.sorted.len() - 1);
        }
        Ok(names)
    }
}

/// By column of names, then by dictionary code, whether a row has it.
fn used(usage: &[&MeteredRow], codes_end: usize) -> Result<[Vec<bool>; 6], Unrated> {
    let mut used: [Vec<bool>; 6] = std::array::from_fn(|_| vec![false; codes_end]);
    for row in usage {
        for (used, code) in used.iter_mut().zip(row.names) {
            *used.get_mut(code as usize).ok_or(Unrated::ForeignCode)? = true;
        }
    }
    Ok(used)
}

/// The codes that are used, in order.
fn codes(used: &[bool]) -> impl Iterator<Item = u32> {
    let codes = (0..).zip(used);
    codes.filter_map(|(code, used)| used.then_some(code))
}

fn place(index: usize) -> u32 {
    // A dictionary has fewer than 2^32 names.
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The lines in the order of the statement, one for each key.
fn lines(usage: &[&MeteredRow], texts: &Texts<'_>) -> Vec<Line> {
    let mut lines = by_hour(usage, texts);
    for of_hour in lines.chunk_by_mut(|left, right| left.key.0 == right.key.0) {
        of_hour.sort_unstable_by_key(|line| line.key);
    }
    lines.dedup_by(|next, kept| {
        let same = next.key == kept.key;
        if same {
            kept.quantity += next.quantity;
        }
        same
    });
    lines
}

/// A line for each row, in order of hour: there are few hours, so a counting sort is quick and
/// leaves only short runs to sort.
fn by_hour(usage: &[&MeteredRow], texts: &Texts<'_>) -> Vec<Line> {
    let mut ends = Vec::new();
    for row in usage {
        let hour = usize::from(row.hour);
        if ends.len() <= hour {
            ends.resize(hour + 1, 0usize);
        }
        ends[hour] += 1;
    }
    let mut next = 0;
    for end in &mut ends {
        next += std::mem::replace(end, next);
    }
    let mut order = vec![0u32; usage.len()];
    for (row, number) in usage.iter().zip(0..) {
        let place = &mut ends[usize::from(row.hour)];
        order[*place] = number;
        *place += 1;
    }
    let line = |number: u32| {
        let row = usage[number as usize];
        Line {
            key: texts.key(row),
            quantity: row.quantity,
        }
    };
    order.into_iter().map(line).collect()
}

/// The builder's codes, looked up once per name.
struct BuilderCodes {
    names: [Vec<u32>; 5],
    no_cost_center: u32,
    /// By index of the SKU, and price.
    rates: QuickMap<(u32, Price), u32>,
}

impl BuilderCodes {
    fn new(texts: &Texts<'_>, builder: &mut StatementBuilder) -> Self {
        let names = std::array::from_fn(|dimension| {
            let sorted = texts.names[dimension].sorted.iter();
            sorted
                .map(|text| builder.name(Dimension::ALL[dimension], text))
                .collect()
        });
        Self {
            names,
            no_cost_center: builder.name(Dimension::CostCenter, ""),
            rates: QuickMap::default(),
        }
    }

    fn rate(&mut self, of: (u32, Price), sku: &Sku, builder: &mut StatementBuilder) -> u32 {
        *self.rates.entry(of).or_insert_with(|| {
            let key = RateKey {
                folded_sku: sku.id.to_ascii_lowercase(),
                sku: sku.id.clone(),
                product: sku.product.clone(),
                unit: sku.unit.clone(),
                price: of.1,
            };
            builder.rate(key, sku.report())
        })
    }
}

fn push(
    month: Month,
    line: &Line,
    texts: &Texts<'_>,
    rater: &mut Rater<'_>,
    codes: &mut BuilderCodes,
    builder: &mut StatementBuilder,
) -> Result<(), Unrated> {
    let (hour, sku, organization, repository, user, model, workflow) = line.key;
    let sku = texts.skus[sku as usize];
    let name = |dimension: Dimension, place: u32| {
        texts.names[dimension as usize].sorted[place as usize].as_str()
    };
    let at = Hour::from_index(month.first_day().first_hour().index() + i32::from(hour));
    let usage = UsageLine {
        hour: at,
        sku,
        organization: name(Dimension::Organization, organization),
        repository: name(Dimension::Repository, repository),
        user: name(Dimension::User, user),
        model: name(Dimension::Model, model),
        quantity: Quantity::from_nanos(line.quantity),
    };
    let rated = rater.rate(&usage).map_err(|error| Unrated::Rating {
        sku: sku.id.clone(),
        hour: at,
        error,
    })?;
    let rate = codes.rate((line.key.1, rated.price), sku, builder);
    let places = [organization, repository, user, model, workflow];
    let name = |dimension: usize| match places.get(dimension) {
        Some(place) => codes.names[dimension][*place as usize],
        None => codes.no_cost_center,
    };
    builder.push(BuilderLine {
        hour,
        rate,
        names: std::array::from_fn(name),
        quantity: rated.quantity.nanos(),
        gross: rated.gross.nanos(),
        discount: rated.discount.nanos(),
    });
    Ok(())
}
