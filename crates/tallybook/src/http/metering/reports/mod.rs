//! `/metering/v1/enterprises/{name}/reports`: what GitHub's endpoints for usage reports lack.

pub mod delete;

use crate::auth::EndpointFamily;
use tallybook_core::account::AccountKind;

/// Reports are an enterprise's; the path exists for other accounts only as a name that is wrong.
#[must_use]
pub const fn family(kind: AccountKind) -> EndpointFamily {
    match kind {
        AccountKind::Enterprise => EndpointFamily::EnterpriseBilling,
        other => EndpointFamily::WriteImports(other),
    }
}
