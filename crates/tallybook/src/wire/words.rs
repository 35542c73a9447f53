//! Vocabularies: how a product, an SKU and a unit are called on which endpoint.
//!
//! Invariant: this is the only file that knows of dialects' words. The documented dialect is what
//! GitHub's documents show; the observed one is what GitHub was seen to send where that differs,
//! which is on `usage` only.

/// Whose shape answers have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// What GitHub's documents show.
    #[default]
    Documented,
    /// What GitHub was seen to send.
    Observed,
}

impl Dialect {
    /// `documented` or `observed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Observed => "observed",
        }
    }

    /// The dialect of a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Documented, Self::Observed]
            .into_iter()
            .find(|dialect| dialect.as_str() == text)
    }
}

/// Every word that the catalogue has for one rate's product, SKU and unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words<'a> {
    /// `actions`.
    pub product_id: &'a str,
    /// `Actions`.
    pub product_display: &'a str,
    /// `actions_linux`.
    pub sku_id: &'a str,
    /// `Actions Linux`.
    pub sku_display: &'a str,
    /// `gigabyte-hours`.
    pub unit_id: &'a str,
    /// `GigabyteHours`.
    pub unit_pascal: &'a str,
}

/// The three words that one endpoint shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown<'a> {
    pub(super) product: &'a str,
    pub(super) sku: &'a str,
    pub(super) unit: &'a str,
}

/// Endpoints with a vocabulary of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vocabulary {
    /// `usage`.
    Usage(Dialect),
    /// `usage/summary`.
    Summary,
    /// `premium_request/usage` and `ai_credit/usage`.
    Requests,
}

impl<'a> Words<'a> {
    pub(super) const fn shown(&self, vocabulary: Vocabulary) -> Shown<'a> {
        let (product, sku, unit) = match vocabulary {
            Vocabulary::Usage(Dialect::Documented) | Vocabulary::Requests => {
                (self.product_display, self.sku_display, self.unit_id)
            }
            Vocabulary::Usage(Dialect::Observed) => {
                (self.product_id, self.sku_display, self.unit_pascal)
            }
            Vocabulary::Summary => (self.product_display, self.sku_id, self.unit_id),
        };
        Shown { product, sku, unit }
    }
}
