//! The account that a path names: find it, and authorize the caller.
//!
//! Invariant: an unknown name and a name that the viewer may not know about are answered alike,
//! with 404.

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
    /// As written in the path.
    pub name: AccountName,
    /// What the name refers to.
    pub found: Found,
}

/// The kinds of path, as types: a route states which one it is.
pub trait PathKind: Send + Sync + 'static {
    /// The kind of account.
    const KIND: AccountKind;
    /// The access rules of its billing.
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

    /// Checks that the caller may use an endpoint of `family` on it.
    pub fn authorize(
        &self,
        app: &App,
        family: EndpointFamily,
        context: &RequestContext,
    ) -> Result<(), ApiError> {
        Ok(self.authorize_viewer(app, family, context.viewer()?)?)
    }

    /// Checks that the bearer of a token may use an endpoint of `family` on it.
    pub fn authorize_viewer(
        &self,
        app: &App,
        family: EndpointFamily,
        viewer: &Viewer,
    ) -> Result<(), Denied> {
        authorize(family, viewer, self.standing(&app.engine.site(), viewer))
    }

    /// The relation of a token's bearer to the account.
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

    /// The current state of the paying account.
    pub async fn view(&self, app: &App) -> Result<Arc<View>, ApiError> {
        Ok(app.engine.view(&self.found).await?)
    }

    /// The current snapshot of what the name refers to: for an organization, this includes the
    /// accounts that paid for it before.
    pub async fn snapshot(&self, app: &App) -> Result<(Found, Snapshot), ApiError> {
        let found = app.engine.snapshot(&self.name).await?;
        found.ok_or_else(ApiError::not_found)
    }
}
