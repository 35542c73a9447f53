//! Who may do what: one pure function over one table.
//!
//! Invariant: nothing is allowed that the table does not allow. Whether the account exists is
//! decided beforehand; an account unrelated to the viewer is treated as nonexistent. The table is
//! what GitHub documents for its billing endpoints, and our own rules.

use super::credential::Viewer;
use super::grants::{Grants, Level, Permission, Scope};
use tallybook_core::account::AccountKind;
pub use tallybook_core::site::directory::Relation;

/// The relation of a token's bearer to the account that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The token acts as a user with this relation to the account.
    User(Relation),
    /// The token acts as no user, and was made for this account or its payer.
    Named,
    /// No relation.
    None,
}

/// Endpoints that share access rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndpointFamily {
    /// Reads an enterprise's billing.
    EnterpriseBilling,
    /// Reads an organization's billing.
    OrganizationBilling,
    /// Reads a user's billing.
    UserBilling,
    /// Reads an account's imports.
    Imports(AccountKind),
    /// Imports into an account, reverts its imports.
    WriteImports(AccountKind),
    /// Sends usage events; the events' payers are checked against the token's accounts.
    Events,
    /// Tokens, apply, verify, backup.
    Site,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The account is treated as nonexistent: 404.
    #[error("Not Found")]
    NotFound,
    /// A member without a role in billing: 403, in GitHub's words.
    #[error("No access to billing usage data.")]
    NoBillingRole,
    /// The role suffices, but the kind of token or its permissions do not: 403.
    #[error("Resource not accessible by personal access token")]
    TokenKind,
    /// The role suffices, but the token's scopes do not: 403.
    #[error("Your token has not been granted the required scopes: {}", .0.join(" or "))]
    MissingScope(&'static [&'static str]),
    /// The role and the token allow reading but not writing: 403.
    #[error(
        "Imports and reverts need a token that was made for them \
         (tallybook token create --import --account KIND/NAME) or a site administrator's."
    )]
    NeedsImportToken,
    /// Only a site administrator may: 403.
    #[error("Must be a site administrator.")]
    NotSiteAdmin,
}

impl EndpointFamily {
    /// The kind of account that its paths name; `None` when they name none.
    #[must_use]
    pub const fn account_kind(self) -> Option<AccountKind> {
        match self {
            Self::EnterpriseBilling => Some(AccountKind::Enterprise),
            Self::OrganizationBilling => Some(AccountKind::Organization),
            Self::UserBilling => Some(AccountKind::User),
            Self::Imports(kind) | Self::WriteImports(kind) => Some(kind),
            Self::Events | Self::Site => None,
        }
    }

    /// Classic scopes, any of which grants access to the family (`X-Accepted-OAuth-Scopes`).
    #[must_use]
    pub const fn accepted_scopes(self) -> &'static [&'static str] {
        match self {
            Self::EnterpriseBilling | Self::Imports(AccountKind::Enterprise) => {
                &["manage_billing:enterprise"]
            }
            Self::OrganizationBilling | Self::Imports(AccountKind::Organization) => {
                &["admin:org", "read:org"]
            }
            Self::UserBilling | Self::Imports(AccountKind::User) => &["user"],
            Self::WriteImports(_) | Self::Events | Self::Site => &[],
        }
    }

    /// Permissions of fine-grained tokens (`X-Accepted-GitHub-Permissions`); `None` where
    /// fine-grained tokens are not accepted.
    #[must_use]
    pub const fn accepted_permission(self) -> Option<(Permission, Level)> {
        match self {
            Self::OrganizationBilling | Self::Imports(AccountKind::Organization) => {
                Some((Permission::OrganizationAdministration, Level::Read))
            }
            Self::UserBilling | Self::Imports(AccountKind::User) => {
                Some((Permission::Plan, Level::Read))
            }
            Self::EnterpriseBilling
            | Self::Imports(AccountKind::Enterprise)
            | Self::WriteImports(_)
            | Self::Events
            | Self::Site => None,
        }
    }
}

/// Whether `viewer`, with this `standing` towards the account, may use an endpoint of `family`.
///
/// The role is checked before the token: only a user with the right role learns that the token is
/// wrong.
pub fn authorize(
    family: EndpointFamily,
    viewer: &Viewer,
    standing: Standing,
) -> Result<(), Denied> {
    if viewer.is_site_admin() {
        return Ok(());
    }
    match (family, family.account_kind()) {
        // No role allows stating usage: only a token made for sending events, or a site
        // administrator's, may determine what an account is billed for.
        (EndpointFamily::Events, _) => match viewer.grants {
            Grants::Sender(_) => Ok(()),
            _ => Err(Denied::TokenKind),
        },
        // The same holds for imports.
        (EndpointFamily::WriteImports(kind), _) => {
            authorize(EndpointFamily::Imports(kind), viewer, standing)?;
            if is_importer(viewer) {
                Ok(())
            } else {
                Err(Denied::NeedsImportToken)
            }
        }
        (EndpointFamily::Imports(_), _) if is_importer(viewer) && standing == Standing::Named => {
            Ok(())
        }
        (_, Some(kind)) => authorize_user(family, kind, viewer, standing),
        (_, None) => Err(Denied::NotSiteAdmin),
    }
}

const fn is_importer(viewer: &Viewer) -> bool {
    matches!(viewer.grants, Grants::Importer { .. })
}

/// Whether the role and the grants of the user that the token acts as allow access to `family`.
fn authorize_user(
    family: EndpointFamily,
    kind: AccountKind,
    viewer: &Viewer,
    standing: Standing,
) -> Result<(), Denied> {
    let Standing::User(relation) = standing else {
        return Err(Denied::NotFound);
    };
    check_role(kind, relation)?;
    let granted = match &viewer.grants {
        Grants::SiteAdmin => Ok(()),
        // These act as no user.
        Grants::Sender(_) | Grants::Importer { .. } => Err(Denied::NotFound),
        Grants::Classic { scopes, .. } => check_scopes(family, relation, scopes),
        Grants::FineGrained { permissions, .. } => match family.accepted_permission() {
            Some((needed, level)) if permissions.get(&needed).is_some_and(|l| *l >= level) => {
                Ok(())
            }
            _ => Err(Denied::TokenKind),
        },
    };
    // GitHub answers 404 on a user's endpoints, whatever is wrong with the token.
    granted.map_err(|denied| match kind {
        AccountKind::User => Denied::NotFound,
        AccountKind::Enterprise | AccountKind::Organization => denied,
    })
}

fn check_role(kind: AccountKind, relation: Relation) -> Result<(), Denied> {
    use Relation::{EnterpriseBilling, Member, OrganizationBilling, Same};
    match (kind, relation) {
        (AccountKind::Enterprise, EnterpriseBilling)
        | (AccountKind::Organization, OrganizationBilling | EnterpriseBilling)
        | (AccountKind::User, Same) => Ok(()),
        (AccountKind::Enterprise, Member | OrganizationBilling)
        | (AccountKind::Organization, Member) => Err(Denied::NoBillingRole),
        _ => Err(Denied::NotFound),
    }
}

fn check_scopes(
    family: EndpointFamily,
    relation: Relation,
    scopes: &[Scope],
) -> Result<(), Denied> {
    let has = |needed: Scope| scopes.iter().any(|scope| scope.includes(needed));
    let accepted = family.accepted_scopes();
    let named = accepted
        .iter()
        .filter_map(|name| Scope::parse(name))
        .any(has);
    // A user with a role in the enterprise may also read its organizations with the enterprise's
    // scope.
    let by_enterprise = family.account_kind() == Some(AccountKind::Organization)
        && relation == Relation::EnterpriseBilling
        && has(Scope::ManageBillingEnterprise);
    if named || by_enterprise {
        Ok(())
    } else {
        Err(Denied::MissingScope(accepted))
    }
}

#[cfg(test)]
mod tests;
