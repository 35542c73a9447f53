//! Errors as GitHub words them: a status, a message and a documentation link.
//!
//! Invariant: the cause of a failure goes to the log with the request's id, never to the client. A
//! handler's error travels as an extension of an empty response; [`crate::http::frame`] writes the
//! body, because it knows the route, and therefore the documentation's address.

use crate::auth::{Denied, Unauthenticated};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;

/// An error: the part for the client, and the part for the log.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// The status.
    pub status: StatusCode,
    /// GitHub's `message`.
    pub message: String,
    /// Overrides the route's documentation address.
    pub documentation_url: Option<&'static str>,
    /// Invalid fields of a body (status 422).
    pub fields: Vec<FieldError>,
    /// Seconds after which a retry may be worthwhile (`Retry-After`).
    pub retry_after: Option<u32>,
    /// For the log only.
    pub cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// One fault of a body, in the shape of GitHub's `validation-error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The kind of resource.
    pub resource: &'static str,
    /// Which field.
    pub field: String,
    /// `missing`, `missing_field`, `invalid`, `already_exists`, `unprocessable` or `custom`.
    pub code: &'static str,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    documentation_url: &'a str,
    // A string, as at GitHub.
    status: &'a str,
}

impl ApiError {
    /// Any status and message.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            documentation_url: None,
            fields: Vec::new(),
            retry_after: None,
            cause: None,
        }
    }

    /// 400: a parameter or the body's form is wrong.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: there is no such thing, or none that the viewer may know of.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    /// 409: the request conflicts with the current state.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 422: the body can be read, but cannot be carried out.
    pub fn validation(message: impl Into<String>, fields: Vec<FieldError>) -> Self {
        Self {
            fields,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
        }
    }

    /// 500 without detail; the cause is logged.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            cause: Some(Arc::from(cause.into())),
            ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Server Error")
        }
    }

    /// 503: a retry may work later; the cause is logged.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            retry_after: Some(1),
            cause: Some(Arc::from(cause.into())),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable")
        }
    }

    /// 503: too many concurrent requests. Nothing failed, so there is nothing to log.
    pub fn busy(message: impl Into<String>) -> Self {
        Self {
            retry_after: Some(5),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
        }
    }

    /// Overrides the route's documentation link.
    #[must_use]
    pub fn documented_at(self, url: &'static str) -> Self {
        Self {
            documentation_url: Some(url),
            ..self
        }
    }

    /// The body, with the route's documentation unless the error has its own.
    #[must_use]
    pub fn body(&self, documentation_url: &str) -> Vec<u8> {
        let body = Body {
            message: &self.message,
            errors: &self.fields,
            documentation_url: self.documentation_url.unwrap_or(documentation_url),
            status: self.status.as_str(),
        };
        // Texts and a list of texts always serialize; an empty body would still carry the status.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let status = match denied {
            Denied::NotFound => StatusCode::NOT_FOUND,
            Denied::NoBillingRole
            | Denied::TokenKind
            | Denied::MissingScope(_)
            | Denied::NeedsImportToken
            | Denied::NotSiteAdmin => StatusCode::FORBIDDEN,
        };
        Self::new(status, denied.to_string())
    }
}

impl From<Unauthenticated> for ApiError {
    fn from(why: Unauthenticated) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, why.to_string())
            .documented_at("https://docs.github.com/rest")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(axum::body::Body::from(
            self.body("https://docs.github.com/rest"),
        ));
        *response.status_mut() = self.status;
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static(super::JSON),
        );
        if let Some(seconds) = self.retry_after {
            let seconds = header::HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(error: &ApiError) -> String {
        String::from_utf8(error.body("https://docs.github.com/rest/x")).unwrap()
    }

    #[test]
    fn bodies_are_github_s_with_the_status_as_a_string() {
        let expected = concat!(
            r#"{"message":"Not Found","documentation_url":"https://docs.github.com/rest/x","#,
            r#""status":"404"}"#,
        );
        assert_eq!(text(&ApiError::not_found()), expected);
    }

    #[test]
    fn validation_errors_name_their_fields() {
        let field = FieldError {
            resource: "Token",
            field: "scopes".to_owned(),
            code: "invalid",
            message: None,
        };
        let error = ApiError::validation("Validation Failed", vec![field]);
        let expected = concat!(
            r#"{"message":"Validation Failed","errors":[{"resource":"Token","field":"scopes","#,
            r#""code":"invalid"}],"documentation_url":"https://docs.github.com/rest/x","#,
            r#""status":"422"}"#,
        );
        assert_eq!(text(&error), expected);
    }

    #[test]
    fn causes_stay_inside() {
        let error = ApiError::internal("disk on fire at /var/lib");
        assert!(error.cause.is_some());
        assert!(!text(&error).contains("fire"));
        assert!(text(&error).contains(r#""message":"Server Error""#));
    }

    #[test]
    fn denials_have_github_s_statuses() {
        let cases = [
            (Denied::NotFound, 404),
            (Denied::NoBillingRole, 403),
            (Denied::TokenKind, 403),
            (Denied::MissingScope(&["user"]), 403),
            (Denied::NeedsImportToken, 403),
            (Denied::NotSiteAdmin, 403),
        ];
        for (denied, status) in cases {
            assert_eq!(ApiError::from(denied).status.as_u16(), status, "{denied}");
        }
        assert_eq!(ApiError::from(Unauthenticated::Absent).status.as_u16(), 401);
    }
}
