//! `GET /openapi.json`: our own API, described by its handlers, and the operations of GitHub's that
//! are answered here.

use super::{audit, catalog, corrections, events, imports, site, tokens};
use crate::http::error::ApiError;
use crate::http::github::{self, reports};
use axum::http::header;
use axum::response::IntoResponse;
use bytes::Bytes;
use std::sync::OnceLock;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// The document.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Tallybook",
        description = "GitHub's billing REST API as a Tallybook server answers it, and under \
                       `/metering/v1` its own: events, imports, tokens and administration. Errors, \
                       versions and paging follow the conventions of GitHub's REST API. Everything \
                       of GitHub's is answered under `/api/v3`, too."
    ),
    paths(
        events::create::create,
        corrections::list,
        imports::create::create,
        imports::list::list,
        imports::get::get,
        imports::revert::revert,
        audit::list,
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
        super::reports::delete::delete,
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
        github::openapi::add_to(document);
    }
}

/// The document as JSON. It is generated once, and all answers share its bytes.
pub async fn get() -> Result<impl IntoResponse, ApiError> {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let document = match DOCUMENT.get() {
        Some(document) => document.clone(),
        None => {
            let made = Document::openapi().to_json().map_err(ApiError::internal)?;
            DOCUMENT.get_or_init(|| made.into()).clone()
        }
    };
    Ok(([(header::CONTENT_TYPE, crate::http::JSON)], document))
}
