//! The account that a path names: find it, and authorize whoever asks for it.
//!
//! Invariant: a name that nobody knows and a name that is none of the viewer's business are
//! answered alike, 404.

use super::app::App;
use super::context::RequestContext;
use super::error::ApiError;
use super::pages::{self, UsagePages};
use crate::auth::{Denied, EndpointFamily, Grants, Standing, Viewer, authorize};
use crate::engine::View;
use crate::engine::snapshot::Snapshot;
use std::sync::Arc;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::name::Name;
use tallybook_core::site::Site;
use tallybook_core::site::directory::Found;

/// A path's account.
#[derive(Debug)]
pub struct NamedAccount {
    /// As the path says it.
    pub name: AccountName,
    /// What that stands for.
    pub found: Found,
}

/// The kinds of path, as types: a route says which it is.
pub trait PathKind: Send + Sync + 'static {
    /// The kind of account.
    const KIND: AccountKind;
    /// How its billing is guarded.
    const FAMILY: EndpointFamily;
    /// Where its usage is documented.
    const PAGES: UsagePages;
}

/// `/enterprises/{enterprise}`.
#[derive(Debug)]
pub struct Enterprise;
/// `/organizations/{org}`.
#[derive(Debug)]
pub struct Organization;
/// `/users/{username}`.
#[derive(Debug)]
pub struct User;

impl PathKind for Enterprise {
    const KIND: AccountKind = AccountKind::Enterprise;
    const FAMILY: EndpointFamily = EndpointFamily::EnterpriseBilling;
    const PAGES: UsagePages = pages::ENTERPRISE;
}

impl PathKind for Organization {
    const KIND: AccountKind = AccountKind::Organization;
    const FAMILY: EndpointFamily = EndpointFamily::OrganizationBilling;
    const PAGES: UsagePages = pages::ORGANIZATION;
}

impl PathKind for User {
    const KIND: AccountKind = AccountKind::User;
    const FAMILY: EndpointFamily = EndpointFamily::UserBilling;
    const PAGES: UsagePages = pages::USER;
}

impl NamedAccount {
    /// Finds the account of a name in a path.
    pub fn find(app: &App, kind: AccountKind, name: &str) -> Result<Self, ApiError> {
        let name = AccountName::new(kind, name);
        let found = app.engine.site().directory.find(&name);
        let found = found.ok_or_else(ApiError::not_found)?;
        Ok(Self { name, found })
    }

    /// Whether whoever asks may use an endpoint of `family` on it.
    pub fn authorize(
        &self,
        app: &App,
        family: EndpointFamily,
        context: &RequestContext,
    ) -> Result<(), ApiError> {
        Ok(self.authorize_viewer(app, family, context.viewer()?)?)
    }

    /// Whether the bearer of a token may use an endpoint of `family` on it.
    pub fn authorize_viewer(
        &self,
        app: &App,
        family: EndpointFamily,
        viewer: &Viewer,
    ) -> Result<(), Denied> {
        authorize(family, viewer, self.standing(&app.engine.site(), viewer))
    }

    /// What the bearer of a token is to the account.
    fn standing(&self, site: &Site, viewer: &Viewer) -> Standing {
        if let Grants::Importer { accounts } = &viewer.grants {
            let named = accounts.contains(&self.name) || accounts.contains(&self.found.payer);
            return if named {
                Standing::Named
            } else {
                Standing::None
            };
        }
        viewer.grants.user().map_or(Standing::None, |login| {
            let user = Name::from(login);
            Standing::User(site.directory.relation(&user, &self.name))
        })
    }

    /// The account that pays, as it is now.
    pub async fn view(&self, app: &App) -> Result<Arc<View>, ApiError> {
        Ok(app.engine.view(&self.found).await?)
    }

    /// Everything that the name stands for, as it is now: for an organization, also the accounts
    /// that paid for it before.
    pub async fn snapshot(&self, app: &App) -> Result<(Found, Snapshot), ApiError> {
        let found = app.engine.snapshot(&self.name).await?;
        found.ok_or_else(ApiError::not_found)
    }
}
