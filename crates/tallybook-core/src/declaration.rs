//! What `tallybook apply` declares: who exists, who pays, who may look, plans, discounts, and the
//! site's own catalogue.
//!
//! A `None` field leaves the current value as it is; a `Some` replaces it entirely. Leaving
//! something out of a file never removes it. The difference from the current state is computed in
//! [`crate::site`].

use crate::account::{Plan, Visibility};
use crate::discount::NegotiatedDiscount;
use crate::name::Name;

/// One thing that a billing file declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declaration {
    /// An enterprise.
    Enterprise(EnterpriseDeclaration),
    /// An organization, inside an enterprise or standing alone.
    Organization(OrganizationDeclaration),
    /// A user.
    User(UserDeclaration),
    /// A repository.
    Repository(RepositoryDeclaration),
    /// The site's own catalogue, its whole text; an empty text removes it.
    Catalogue(String),
}

/// An enterprise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnterpriseDeclaration {
    /// The slug in paths.
    pub slug: Name,
    /// The display name; the slug until one is declared.
    pub name: Option<String>,
    /// Its plan.
    pub plan: Option<Plan>,
    /// Every discount that it has negotiated.
    pub discounts: Option<Vec<NegotiatedDiscount>>,
    /// Users who own it.
    pub owners: Option<Vec<Name>>,
    /// Users who manage its billing.
    pub billing_managers: Option<Vec<Name>>,
    /// Organizations for which it pays; those not named here stay as they are.
    pub organizations: Option<Vec<Name>>,
}

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationDeclaration {
    /// Its login.
    pub login: Name,
    /// Whether it is declared to pay for itself. If not, the payer stays as it is: the organization
    /// itself, unless a declaration or a report names another.
    pub standalone: bool,
    /// Its plan; only one that pays for itself has one.
    pub plan: Option<Plan>,
    /// Every discount that it has negotiated; only one that pays for itself has any.
    pub discounts: Option<Vec<NegotiatedDiscount>>,
    /// Users who own it.
    pub owners: Option<Vec<Name>>,
    /// Users who manage its billing.
    pub billing_managers: Option<Vec<Name>>,
    /// Members who have no billing role.
    pub members: Option<Vec<Name>>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserDeclaration {
    /// Their login.
    pub login: Name,
    /// Where mail goes.
    pub email: Option<String>,
    /// Their personal plan.
    pub plan: Option<Plan>,
    /// Every discount that they have negotiated.
    pub discounts: Option<Vec<NegotiatedDiscount>>,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryDeclaration {
    /// The organization or user that owns it.
    pub owner: Name,
    /// Its own name.
    pub name: Name,
    /// Who can see it.
    pub visibility: Option<Visibility>,
}
