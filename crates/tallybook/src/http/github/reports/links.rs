//! Holders of links to files, and whether they may still see the files.
//!
//! Invariant: a link gives access only to what its holder could request at that moment.

use crate::auth::{AdminToken, Relation, Viewer};
use crate::engine::audit::Actor;
use crate::http::account::{Enterprise, NamedAccount, PathKind};
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::jobs::keys::{Holder, HolderName};
use tallybook_core::account::AccountName;
use tallybook_core::name::Name;
use tallybook_core::time::Instant;

/// The holder of links that `viewer` asks for.
pub(super) fn holder(app: &App, viewer: &Viewer) -> Holder {
    let name = HolderName::Token(viewer.token_id.clone());
    let proof = proof(app, &name);
    Holder { name, proof }
}

/// The proof of a holder without a row in the store: the configured administrator's token.
pub(super) fn proof(app: &App, name: &HolderName) -> Option<[u8; 32]> {
    match name {
        HolderName::Token(id) if id == AdminToken::ID => {
            app.frame.admin_token.as_ref().map(AdminToken::proof)
        }
        HolderName::Token(_) | HolderName::User(_) => None,
    }
}

/// Whether a link's holder may see an enterprise's reports at `now`.
pub(super) fn may_see(app: &App, name: &HolderName, account: &AccountName, now: Instant) -> bool {
    let site = app.engine.site();
    let id = match name {
        HolderName::User(login) => {
            let relation = site
                .directory
                .relation(&Name::from(login.as_str()), account);
            return relation == Relation::EnterpriseBilling;
        }
        HolderName::Token(id) if id == AdminToken::ID => return app.frame.admin_token.is_some(),
        HolderName::Token(id) => id,
    };
    let row = app.engine.token_with_id(id);
    let viewer = row.and_then(|row| Viewer::of(&row, now).ok());
    let account = NamedAccount::find(app, Enterprise::KIND, account.name.as_str()).ok();
    let may_see = |account: NamedAccount| {
        let allowed = account.authorize_viewer(app, Enterprise::FAMILY, viewer.as_ref()?);
        allowed.ok()
    };
    account.and_then(may_see).is_some()
}

/// The actor of a download by link, for the audit log.
pub(super) fn actor(app: &App, name: &HolderName, context: &RequestContext) -> Actor {
    let (name, user) = match name {
        HolderName::User(login) => (format!("user {login}"), Some(login.clone())),
        HolderName::Token(id) => {
            let row = app.engine.token_with_id(id);
            let viewer = row.and_then(|row| Viewer::of(&row, context.now).ok());
            let user = viewer.and_then(|viewer| viewer.grants.user().map(str::to_owned));
            (format!("token {id}"), user)
        }
    };
    Actor {
        name,
        user,
        address: context.address.map(|address| address.to_string()),
        is_site_admin: false,
    }
}
