//! The bodies of `/metering/v1/.../corrections`.

use serde::Serialize;
use tallybook_core::event::EventName;
use tallybook_core::ledger::Account;
use tallybook_core::ledger::events::{AmendFailure, Codes};
use tallybook_core::ledger::metered::corrections::OpenCorrection;
use tallybook_core::time::Hour;
use utoipa::ToSchema;

/// Corrections that do not act.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CorrectionList {
    /// In the order of their times, sources and ids.
    pub corrections: Vec<CorrectionAnswer>,
}

/// A correction whose usage event has not come, or that has failed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CorrectionAnswer {
    /// `void` or `amend`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its source.
    pub source: String,
    /// Its id.
    pub id: String,
    /// Its time.
    pub time: String,
    /// The usage event that it is about.
    pub target: TargetAnswer,
    /// `pending` while the usage event has not come; `failed` when what an amend says could not be
    /// priced as the usage event came, which then counts as it is.
    pub state: &'static str,
    /// Why it failed, for programs: `unknown_sku`, `no_price` or `overflow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Why it failed, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A usage event by its name.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TargetAnswer {
    /// Its source.
    pub source: String,
    /// Its id.
    pub id: String,
}

impl CorrectionAnswer {
    /// Of a correction of `account`.
    #[must_use]
    pub fn new(open: &OpenCorrection, account: &Account) -> Self {
        let EventName { source, id } = &open.name;
        let target = TargetAnswer {
            source: open.target.source.to_string(),
            id: open.target.id.to_string(),
        };
        let reason = (open.failed.zip(open.amend))
            .map(|((hour, failure), codes)| reason(failure, hour, &codes, account));
        Self {
            kind: if open.amend.is_some() {
                "amend"
            } else {
                "void"
            },
            source: source.to_string(),
            id: id.to_string(),
            time: open.time.to_string(),
            target,
            state: state(open),
            code: open.failed.map(|(_, failure)| code(failure)),
            reason,
        }
    }
}

/// `pending` or `failed`.
#[must_use]
pub fn state(open: &OpenCorrection) -> &'static str {
    match open.failed {
        None => "pending",
        Some(_) => "failed",
    }
}

const fn code(failure: AmendFailure) -> &'static str {
    match failure {
        AmendFailure::UnknownSku => "unknown_sku",
        AmendFailure::NoPrice => "no_price",
        AmendFailure::Overflow => "overflow",
    }
}

fn reason(failure: AmendFailure, hour: Hour, codes: &Codes, account: &Account) -> String {
    let usage = codes.usage(&account.dictionary).unwrap_or_default();
    let (sku, quantity, day) = (usage.sku, usage.quantity, hour.day());
    match failure {
        AmendFailure::UnknownSku => {
            format!("data.sku: the catalogue had no SKU {sku:?} when the usage event of {day} came")
        }
        AmendFailure::NoPrice => {
            format!("data.sku: {sku} had no price on {day}, the day of the usage event")
        }
        AmendFailure::Overflow => {
            format!("data.quantity: {quantity} of {sku} on {day} is beyond what can be counted")
        }
    }
}
