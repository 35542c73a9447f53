//! `GET /openapi.json`: our own API, described by its handlers.

use super::{catalog, corrections, events, imports, site, tokens};
use crate::http::github::reports;
use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// The document.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Tallybook",
        description = "Events, imports, tokens and administration of a Tallybook server. Errors, \
                       versions and paging follow the conventions of GitHub's REST API."
    ),
    paths(
        events::create::create,
        corrections::list,
        imports::create::create,
        imports::list::list,
        imports::get::get,
        imports::revert::revert,
        catalog::get::get,
        catalog::put::put,
        catalog::versions::versions,
        tokens::create::create,
        tokens::list::list,
        tokens::revoke::revoke,
        site::apply::apply,
        site::verify::verify,
        site::backup::backup,
        reports::download::download,
    ),
    security(("token" = [])),
    modifiers(&Security)
)]
pub struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// The document as JSON.
pub async fn get() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}
