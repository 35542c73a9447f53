//! Who may do what: one pure function over one table.
//!
//! Invariant: nothing is allowed that the table does not allow. Whether the account exists is
//! answered before; an account that the viewer has nothing to do with is answered as one that does
//! not exist. The table is what GitHub documents for its billing endpoints, and our own rules.

use super::credential::Viewer;
use super::grants::{Grants, Level, Permission, Scope};
use tallybook_core::account::AccountKind;
pub use tallybook_core::site::directory::Relation;

/// What the bearer of a token is to the account that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The token acts as a user, who is this to the account.
    User(Relation),
    /// The token acts as no user, and was made for this account, or for who pays for it.
    Named,
    /// Nothing.
    None,
}

/// Endpoints that are guarded alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndpointFamily {
    /// Reads an enterprise's billing.
    EnterpriseBilling,
    /// Reads an organization's billing.
    OrganizationBilling,
    /// Reads a user's billing.
    UserBilling,
    /// Looks at an account's imports.
    Imports(AccountKind),
    /// Imports into an account, reverts its imports.
    WriteImports(AccountKind),
    /// Sends usage events; for which accounts, the events' payers are held against the token.
    Events,
    /// Tokens, apply, verify, backup.
    Site,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The account is answered as one that does not exist: 404.
    #[error("Not Found")]
    NotFound,
    /// A member without a role in billing: 403, in GitHub's words.
    #[error("No access to billing usage data.")]
    NoBillingRole,
    /// The role is right, the kind of token or its permissions are not: 403.
    #[error("Resource not accessible by personal access token")]
    TokenKind,
    /// The role is right, the token's scopes are not: 403.
    #[error("Your token has not been granted the required scopes: {}", .0.join(" or "))]
    MissingScope(&'static [&'static str]),
    /// The role and the token let read, and reading is not writing: 403.
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

    /// Classic scopes of which any opens the family (`X-Accepted-OAuth-Scopes`).
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
    /// fine-grained tokens do not work.
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

/// Whether `viewer`, whose `standing` to the account this is, may use an endpoint of `family`.
///
/// First the role, then the token: a wrong token is only told to somebody with the right role.
pub fn authorize(
    family: EndpointFamily,
    viewer: &Viewer,
    standing: Standing,
) -> Result<(), Denied> {
    if viewer.is_site_admin() {
        return Ok(());
    }
    match (family, family.account_kind()) {
        // Whose usage it is no role decides: only a token that was made for sending, and a site
        // administrator's, may say what somebody is billed for.
        (EndpointFamily::Events, _) => match viewer.grants {
            Grants::Sender(_) => Ok(()),
            _ => Err(Denied::TokenKind),
        },
        // The same holds for what is imported.
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

/// Whether the role and the grants of the user as whom the token acts open `family`.
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
        // They act as no user.
        Grants::Sender(_) | Grants::Importer { .. } => Err(Denied::NotFound),
        Grants::Classic { scopes, .. } => check_scopes(family, relation, scopes),
        Grants::FineGrained { permissions, .. } => match family.accepted_permission() {
            Some((needed, level)) if permissions.get(&needed).is_some_and(|l| *l >= level) => {
                Ok(())
            }
            _ => Err(Denied::TokenKind),
        },
    };
    // GitHub answers a user's endpoints 404 whatever is wrong with the token.
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
    // Whose role is the enterprise's reads its organizations by the enterprise's scope too.
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
