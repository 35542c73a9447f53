//! What can be wrong with a catalogue's text.
//!
//! Invariant: a message says what was found and what is expected, in words familiar to a person who
//! edits the text; line and column come first.

use crate::decimal::ParseDecimalError;
use crate::time::CalendarError;

/// What is wrong with a catalogue's text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct CatalogError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The problem at that position.
    pub problem: Problem,
}

/// What can be wrong with a catalogue's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A line begins with an unknown word.
    #[error(
        "unknown statement '{0}' (edition, product, unit, sku, included and multipliers are known, \
         and what stands under them: alias, report, price, free, for, worth, times, covers, plan, \
         seat, model and prefix)"
    )]
    UnknownStatement(String),
    /// A word that the statement needs is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A word that the statement does not take.
    #[error("unexpected '{0}'")]
    Unexpected(String),
    /// A quoted text does not end on its line.
    #[error("the text that begins here has no closing quote")]
    OpenQuote,
    /// Something directly follows a closing quote.
    #[error("white space is needed after a closing quote")]
    NoSpaceAfterQuote,
    /// An id is not made of lower-case letters, digits, '_' and '-'.
    #[error("'{0}' is not an id: lower-case letters, digits, '_' and '-' are allowed")]
    InvalidId(String),
    /// A name that another entry has.
    #[error("'{0}' already names another {1}")]
    Duplicate(String, &'static str),
    /// A statement names a product, unit or SKU that is not defined above it.
    #[error("there is no {1} '{0}' above this line")]
    Undefined(String, &'static str),
    /// A line with no entry above it to describe.
    #[error("'{0}' must follow the {1} that it is about")]
    Orphan(String, &'static str),
    /// The report is neither of the two, besides detailed and summarized, that a SKU can be in.
    #[error("'{0}' must be premium_request or ai_credit")]
    InvalidReport(String),
    /// The SKU already has a report line.
    #[error("the SKU already has a report")]
    SecondReport,
    /// The price is not a decimal number.
    #[error("the price '{0}' {1}")]
    InvalidPrice(String, ParseDecimalError),
    /// The price is below zero.
    #[error("the price '{0}' is negative")]
    NegativePrice(String),
    /// The day is not a date.
    #[error("'{0}' is not a day: {1}")]
    InvalidDay(String, CalendarError),
    /// A price without a day, or with an earlier one, below another price.
    #[error("prices must stand in the order of their days")]
    PriceOrder,
    /// A plan, seat or multiplier without a day, or with an earlier one, below another of its kind.
    #[error("the lines of '{0}' must stand in the order of their days")]
    DayOrder(String),
    /// Not a decimal number.
    #[error("'{0}' {1}")]
    InvalidNumber(String, ParseDecimalError),
    /// A number below zero.
    #[error("'{0}' is negative")]
    NegativeNumber(String),
    /// Not a whole number of at least 1.
    #[error("'{0}' must be a whole number of at least 1")]
    InvalidCount(String),
    /// No plan has this name.
    #[error("'{0}' must be free, pro, team or enterprise")]
    InvalidPlan(String),
    /// No kind of account has this name.
    #[error("'{0}' must be enterprise, organization or user")]
    InvalidKind(String),
    /// Two pools would cover one account's usage of a SKU.
    #[error("'{0}' is covered by '{1}' already")]
    Covered(String, String),
    /// Two tables of multipliers would apply to one SKU.
    #[error("'{0}' has multipliers already")]
    Multiplied(String),
    /// A `for` line below a `covers` line, which was checked without it.
    #[error("'for' must stand above the first 'covers'")]
    LateKinds,
    /// A site's own text states an edition.
    #[error("only a catalogue by itself has an edition, a text over another one does not")]
    EditionOfOwn,
}
