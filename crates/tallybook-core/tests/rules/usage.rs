//! What the model is about: lines, imports and rows, in the plainest types.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode, Zero};
use std::collections::BTreeMap;
use tallybook_core::account::AccountKind;
use tallybook_core::report::ReportKind;
use tallybook_core::time::Hour;

/// One line of a report, owned. Numbers count billionths; the price counts trillionths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) hour: Hour,
    pub(crate) product: &'static str,
    pub(crate) sku: &'static str,
    pub(crate) unit: &'static str,
    /// Organization, repository, user, model, workflow, cost center.
    pub(crate) names: [String; 6],
    pub(crate) price: i128,
    pub(crate) quantity: i128,
    pub(crate) gross: i128,
    pub(crate) discount: i128,
}

/// What is imported by one command: lines by kind, for the whole account or one organization.
#[derive(Debug, Clone)]
pub(crate) struct Import {
    pub(crate) organization: Option<&'static str>,
    pub(crate) parts: BTreeMap<ReportKind, Vec<Line>>,
    pub(crate) live: bool,
}

/// A row of an answer: start, rate, shown names, and quantity, discount quantity, gross, discount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) start: Hour,
    pub(crate) product: String,
    pub(crate) sku: String,
    pub(crate) unit: String,
    pub(crate) price: i128,
    pub(crate) organization: String,
    pub(crate) repository: String,
    pub(crate) model: String,
    pub(crate) sums: [BigInt; 4],
}

impl Import {
    /// Of an account of `kind` called `octo`: a line of no organization is the one's that the import
    /// is for, and a repository's owner is told apart from its name.
    pub(crate) fn placed(&self, kind: AccountKind) -> Self {
        let mut import = self.clone();
        let own = (kind == AccountKind::Organization).then_some("octo");
        for line in import.parts.values_mut().flatten() {
            if let (true, Some(login)) = (line.names[0].is_empty(), import.organization.or(own)) {
                login.clone_into(&mut line.names[0]);
            }
            let user = (kind == AccountKind::User).then_some("octo");
            let owner = user.unwrap_or(&line.names[0]);
            let (prefix, name) = line.names[1].split_once('/').unwrap_or(("none", ""));
            if prefix.eq_ignore_ascii_case(owner) {
                line.names[1] = name.to_owned();
            }
        }
        import
    }
}

pub(crate) fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// quantity x discount / gross, rounded half to even to a billionth; nothing where gross is zero.
pub(crate) fn discount_quantity(line: &Line) -> BigInt {
    if line.gross == 0 {
        return BigInt::zero();
    }
    let product = BigInt::from(line.quantity) * BigInt::from(line.discount);
    let gross = BigInt::from(line.gross);
    // Twice the divisor's digits beyond the point tell a half from what is nearly a half.
    let ratio = BigDecimal::from(product) / BigDecimal::from(gross);
    let rounded = ratio.with_scale_round(0, RoundingMode::HalfEven);
    rounded.into_bigint_and_exponent().0
}
