//! Answers' numbers as decimals, read from their text: never through a float.

use crate::answer::Answer;
use bigdecimal::{BigDecimal, RoundingMode};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// Quantity, gross, discount and net by SKU, as answers call it.
pub(crate) type Sums = BTreeMap<String, [BigDecimal; 4]>;

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "usageItems")]
    items: Vec<Item>,
}

/// One item of any of the four endpoints.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    sku: String,
    price_per_unit: Box<RawValue>,
    #[serde(alias = "grossQuantity")]
    quantity: Box<RawValue>,
    gross_amount: Box<RawValue>,
    discount_amount: Box<RawValue>,
    net_amount: Box<RawValue>,
    #[serde(default)]
    discount_quantity: Option<Box<RawValue>>,
    #[serde(default)]
    net_quantity: Option<Box<RawValue>>,
}

impl Item {
    /// Every number of the item, as it is written.
    pub(crate) fn numbers(&self) -> Vec<String> {
        let always = [
            &self.price_per_unit,
            &self.quantity,
            &self.gross_amount,
            &self.discount_amount,
            &self.net_amount,
        ];
        let sometimes = [&self.discount_quantity, &self.net_quantity];
        let all = always.into_iter().chain(sometimes.into_iter().flatten());
        all.map(|number| number.get().to_owned()).collect()
    }
}

/// The items of an answer.
pub(crate) fn items(answer: &Answer) -> Vec<Item> {
    serde_json::from_slice::<Body>(&answer.body).unwrap().items
}

impl Item {
    /// Quantity, gross, discount and net; that net is the difference is checked, exactly.
    fn values(&self) -> [BigDecimal; 4] {
        for number in self.numbers() {
            assert!(is_plain(&number), "{number} in {self:?}");
        }
        let decimal = |number: &RawValue| BigDecimal::from_str(number.get()).unwrap();
        let quantity = decimal(&self.quantity);
        let (gross, discount) = (decimal(&self.gross_amount), decimal(&self.discount_amount));
        let net = decimal(&self.net_amount);
        assert_eq!(&gross - &discount, net, "{self:?}");
        if let (Some(discounted), Some(net)) = (&self.discount_quantity, &self.net_quantity) {
            assert_eq!(&quantity - decimal(discounted), decimal(net), "{self:?}");
        }
        [quantity, gross, discount, net]
    }
}

/// Adds an answer's items up.
pub(crate) fn add(sums: &mut Sums, answer: &Answer) {
    for item in items(answer) {
        let values = item.values();
        let sum = sums.entry(item.sku).or_default();
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += value;
        }
    }
}

/// Whether a number is written in the shortest plain form, with at most 12 decimals.
fn is_plain(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "1"));
    let only_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    only_digits(whole)
        && only_digits(fraction)
        && (whole == "0" || !whole.starts_with('0'))
        && !fraction.ends_with('0')
        && fraction.len() <= 12
        && number != "-0"
}

/// What a report adds up to, by the SKUs that it writes; each value rounded to 1e-9.
pub(crate) fn stated(report: &[u8]) -> Sums {
    Stated::read(report).sums(|_| true)
}

/// A report as a CSV reader and decimals understand it that have nothing to do with ours.
pub(crate) struct Stated {
    lines: Vec<(BTreeMap<String, String>, [BigDecimal; 4])>,
}

impl Stated {
    pub(crate) fn read(report: &[u8]) -> Self {
        let text = std::str::from_utf8(report).unwrap();
        let text = text.trim_start_matches('\u{feff}');
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let line = |fields: BTreeMap<String, String>| {
            let columns = ["quantity", "gross_amount", "discount_amount", "net_amount"];
            let values = columns.map(|column| {
                let value = BigDecimal::from_str(&fields[column]).unwrap();
                value.with_scale_round(9, RoundingMode::HalfEven)
            });
            (fields, values)
        };
        let lines = reader.deserialize().map(|fields| line(fields.unwrap()));
        Self {
            lines: lines.collect(),
        }
    }

    /// What those lines add up to that `keep` keeps, by SKU.
    pub(crate) fn sums(&self, keep: impl Fn(&BTreeMap<String, String>) -> bool) -> Sums {
        let mut sums = Sums::new();
        for (fields, values) in self.lines.iter().filter(|(fields, _)| keep(fields)) {
            let sum = sums.entry(fields["sku"].clone()).or_default();
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum += value;
            }
        }
        sums
    }

    /// The different values of a column that are not empty.
    pub(crate) fn values(&self, column: &str) -> BTreeSet<&str> {
        let pairs = self.pairs(column, column).into_iter();
        pairs.map(|(value, _)| value).collect()
    }

    /// The different pairs of values of two columns, of which neither is empty.
    pub(crate) fn pairs(&self, left: &str, right: &str) -> BTreeSet<(&str, &str)> {
        let lines = self.lines.iter();
        let pairs = lines.map(|(line, _)| (line[left].as_str(), line[right].as_str()));
        pairs
            .filter(|(left, right)| !left.is_empty() && !right.is_empty())
            .collect()
    }
}

/// Both together.
pub(crate) fn joined(mut left: Sums, right: Sums) -> Sums {
    for (sku, values) in right {
        let sum = left.entry(sku).or_default();
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += value;
        }
    }
    left
}

/// The same sums, not caring how a zero's decimals are counted.
pub(crate) fn normal(sums: &Sums) -> BTreeMap<&str, [String; 4]> {
    let normal = |values: &[BigDecimal; 4]| {
        values
            .clone()
            .map(|value| value.normalized().to_plain_string())
    };
    sums.iter()
        .map(|(sku, values)| (sku.as_str(), normal(values)))
        .collect()
}
