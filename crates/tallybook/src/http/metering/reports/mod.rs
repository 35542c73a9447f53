//! `/metering/v1/enterprises/{name}/reports`: what GitHub's endpoints for usage reports lack.

pub mod delete;

use crate::auth::EndpointFamily;
use tallybook_core::account::AccountKind;

/// Only enterprises have reports; for other accounts the path is answered with 404.
#[must_use]
pub const fn family(kind: AccountKind) -> EndpointFamily {
    match kind {
        AccountKind::Enterprise => EndpointFamily::EnterpriseBilling,
        other => EndpointFamily::WriteImports(other),
    }
}
