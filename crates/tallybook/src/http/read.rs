//! Answers to reads that fit in memory: JSON with `ETag` and as-of, or 304.

use super::app::App;
use super::conditional::{ETag, Identity};
use super::context::RequestContext;
use super::error::ApiError;
use super::github::usage::read::with_as_of;
use crate::engine::View;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What an answer to a read needs besides its body.
#[derive(Debug)]
pub struct Read<'a> {
    app: &'a App,
    context: &'a RequestContext,
    headers: &'a HeaderMap,
    view: &'a View,
}

impl<'a> Read<'a> {
    /// A read over `view`.
    #[must_use]
    pub fn of(
        app: &'a App,
        context: &'a RequestContext,
        headers: &'a HeaderMap,
        view: &'a View,
    ) -> Self {
        Self {
            app,
            context,
            headers,
            view,
        }
    }

    /// The answer with this body.
    pub fn json<T: Serialize>(&self, body: &T) -> Result<Response, ApiError> {
        self.bytes(serde_json::to_vec(body).map_err(ApiError::internal)?)
    }

    /// The answer with these bytes of JSON.
    pub fn bytes(&self, body: Vec<u8>) -> Result<Response, ApiError> {
        let as_of = self.view.as_of_text();
        let digest = blake3::hash(&body).to_hex();
        let etag = ETag::of(&Identity {
            as_of,
            state: self.view.state(),
            question: digest.as_str(),
            dialect: self.context.dialect(self.app),
            version: self.context.version,
        });
        let response = if etag.matches(self.headers) {
            etag.not_modified()
        } else {
            let json = (header::CONTENT_TYPE, HeaderValue::from_static(super::JSON));
            ([json, (header::ETAG, etag.header())], body).into_response()
        };
        Ok(with_as_of(response, as_of))
    }
}
