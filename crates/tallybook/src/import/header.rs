//! Interprets a header: which field is which column, and the layout of the report.
//!
//! Invariant: the layout is determined by all names of the header together, whatever their order
//! and case: of the layouts whose required columns are all present, it is the one with the most
//! columns in common with the header.

use super::fields::Fields;
use super::physical::Physical;
use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;
use tallybook_core::report::{Column, Layout};

/// The most columns of a header that no layout has.
pub(super) const MOST_UNKNOWN: usize = 32;

/// Why a header matches no known layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not a line of CSV in UTF-8.
    #[error("the header cannot be read: {0}")]
    Malformed(String),
    /// Nothing in it is known.
    #[error("this is not the header of a usage report; {}", Understood)]
    Unknown,
    /// The export of individual interactions, which states neither SKU nor price.
    #[error(
        "this is the export of premium interactions, which states no SKU, price or amount; \
         download the premium_request report instead ({})",
        Understood
    )]
    Interactions,
    /// Every layout lacks some required column.
    #[error("the header lacks columns; {0}")]
    Missing(Closest),
    /// Two columns have the same meaning.
    #[error("columns {first} and {second} have the same meaning")]
    Duplicate {
        /// The one on the left.
        first: String,
        /// The one on the right.
        second: String,
    },
    /// Too many unknown columns for a usage report.
    #[error("the header has more than {MOST_UNKNOWN} columns that no usage report has")]
    TooManyUnknown,
}

/// Displays which reports are supported.
struct Understood;

impl fmt::Display for Understood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("understood are:")?;
        for (index, layout) in Layout::ALL.into_iter().enumerate() {
            write!(f, "{} {layout}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// How many layouts are suggested for a header that matches none.
const MOST_CLOSEST: usize = 2;

/// The layouts that lack the fewest columns, likeliest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closest(Vec<(Layout, Vec<&'static str>)>);

impl fmt::Display for Closest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0[..] {
            [_] => "closest is:",
            _ => "closest are:",
        })?;
        for (index, (layout, missing)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let missing = missing.join(", ");
            write!(f, "{comma} {layout} (which also needs {missing})")?;
        }
        Ok(())
    }
}

/// A column that no layout has.
#[derive(Debug, Clone)]
pub(super) struct UnknownColumn {
    /// The field that holds it.
    pub place: usize,
    /// Its heading, which is unique.
    pub heading: Arc<str>,
}

/// Which field of a line is which column.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    places: [Option<usize>; Column::ALL.len()],
    /// The original headings.
    headers: Vec<String>,
    unknown: Vec<UnknownColumn>,
    last: Option<Column>,
    last_is_quoted: bool,
}

impl Columns {
    /// Reads a header.
    pub(super) fn read(physical: &Physical<'_>) -> Result<(Self, Layout), HeaderError> {
        let bytes = physical.bytes;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let malformed = |reason: String| HeaderError::Malformed(reason);
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8".into()))?;
        if text.chars().any(char::is_control) {
            return Err(malformed("it holds a control character".into()));
        }
        let mut fields = Fields::default();
        let split = fields.split(text);
        split.map_err(|(_, error)| malformed(error.to_string()))?;
        let mut columns = Self {
            places: [None; Column::ALL.len()],
            headers: Vec::new(),
            unknown: Vec::new(),
            last: None,
            last_is_quoted: fields.last_is_quoted(),
        };
        for index in 0..fields.len() {
            columns.add(fields.get(text, index))?;
        }
        let layout = columns.layout()?;
        Ok((columns, layout))
    }

    /// The field that holds a column.
    pub(super) fn place(&self, column: Column) -> Option<usize> {
        self.places[column as usize]
    }

    /// How many fields a line must have.
    pub(super) fn len(&self) -> usize {
        self.headers.len()
    }

    /// A field's original heading.
    pub(super) fn header(&self, index: usize) -> Option<&str> {
        self.headers.get(index).map(String::as_str)
    }

    /// The meaning of the last column, if known.
    pub(super) fn last(&self) -> Option<Column> {
        self.last
    }

    /// Whether the last heading is quoted.
    pub(super) fn last_is_quoted(&self) -> bool {
        self.last_is_quoted
    }

    /// The columns that no layout has.
    pub(super) fn unknown(&self) -> &[UnknownColumn] {
        &self.unknown
    }

    fn add(&mut self, header: &str) -> Result<(), HeaderError> {
        self.last = Column::of_heading(header);
        match self.last {
            None => self.add_unknown(header)?,
            Some(column) => {
                let place = &mut self.places[column as usize];
                if let Some(first) = place.replace(self.headers.len()) {
                    return Err(HeaderError::Duplicate {
                        first: self.headers[first].clone(),
                        second: header.to_owned(),
                    });
                }
            }
        }
        self.headers.push(header.to_owned());
        Ok(())
    }

    fn add_unknown(&mut self, header: &str) -> Result<(), HeaderError> {
        if self.unknown.len() == MOST_UNKNOWN {
            return Err(HeaderError::TooManyUnknown);
        }
        let is_new = |heading: &String| self.unknown.iter().all(|it| *it.heading != **heading);
        let numbered = (2..).map(|number| format!("{header} ({number})"));
        let heading = std::iter::once(header.to_owned())
            .chain(numbered)
            .find(is_new);
        self.unknown.push(UnknownColumn {
            place: self.headers.len(),
            heading: heading.unwrap_or_default().into(),
        });
        Ok(())
    }

    fn layout(&self) -> Result<Layout, HeaderError> {
        let has = |column| self.place(column).is_some();
        let written = |name: &str| {
            self.headers
                .iter()
                .any(|h| h.trim().eq_ignore_ascii_case(name))
        };
        if written("Requests Used") {
            return Err(HeaderError::Interactions);
        }
        if !has(Column::Product) && !has(Column::Sku) && !has(Column::Quantity) {
            return Err(HeaderError::Unknown);
        }
        let mut fits = Layout::ALL.map(|layout| (layout, self.missing(layout)));
        // A stable sort: of two that fit equally well, the first stays first.
        fits.sort_by_key(|(layout, missing)| (missing.len(), Reverse(self.known_to(*layout))));
        let (best, fewest) = (fits[0].0, fits[0].1.len());
        if fewest == 0 {
            return Ok(best);
        }
        let closest = fits
            .into_iter()
            .filter(|(_, missing)| missing.len() == fewest);
        Err(HeaderError::Missing(Closest(
            closest.take(MOST_CLOSEST).collect(),
        )))
    }

    /// The current names of the required columns that the header lacks.
    fn missing(&self, layout: Layout) -> Vec<&'static str> {
        let has = |column: Column| {
            // An instant includes the day.
            let instead = column == Column::Date && self.place(Column::UsedAt).is_some();
            self.place(column).is_some() || instead
        };
        let missing = layout.required().filter(|column| !has(*column));
        missing.map(Column::name).collect()
    }

    /// How many columns of the header a layout has.
    fn known_to(&self, layout: Layout) -> usize {
        let known = self
            .headers
            .iter()
            .filter_map(|header| Column::of_heading(header));
        known.filter(|column| layout.has(*column)).count()
    }
}
