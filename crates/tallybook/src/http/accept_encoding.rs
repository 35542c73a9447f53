//! Which encodings of an answer a client accepts.
//!
//! Invariant: every client accepts unencoded answers. A client that refuses them would get 406 from
//! the compression layer, after the handler has already done its work.

use axum::extract::Request;
use axum::http::{HeaderValue, header};

/// The encoding of last resort: the first entry of an encoding counts, so appending it overrides
/// nothing.
const AS_IT_IS: &[u8] = b"identity;q=0.001";

/// A request whose `Accept-Encoding`, if it has one, accepts answers that are not encoded.
pub(super) async fn accept_identity(mut request: Request) -> Request {
    let accepted = request.headers().get_all(header::ACCEPT_ENCODING);
    let mut list = AS_IT_IS.to_vec();
    for value in accepted {
        list.extend_from_slice(b", ");
        list.extend_from_slice(value.as_bytes());
    }
    // Joining valid values gives a valid value.
    if list.len() > AS_IT_IS.len()
        && let Ok(value) = HeaderValue::from_bytes(&list)
    {
        request.headers_mut().insert(header::ACCEPT_ENCODING, value);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::map_request;
    use axum::routing::get;
    use tower::ServiceExt;
    use tower_http::compression::CompressionLayer;

    /// The status, and whether the answer was compressed.
    async fn encoding(accepted: &[&str]) -> (u16, bool) {
        let router = Router::new()
            .route("/", get(async || "x".repeat(10_000)))
            .layer(CompressionLayer::new())
            .layer(map_request(accept_identity));
        let mut request = Request::builder().uri("/");
        for value in accepted {
            request = request.header(header::ACCEPT_ENCODING, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let encoding = response.headers().get(header::CONTENT_ENCODING);
        (response.status().as_u16(), encoding.is_some())
    }

    #[tokio::test]
    async fn what_cannot_be_negotiated_is_sent_as_it_is() {
        for accepted in [
            &["br, *;q=0"][..],
            &["identity;q=0"],
            &["identity;q=0, *;q=0"],
            &["gzip;q=0, identity;q=0"],
            &["br", "*;q=0"],
            &[],
            &["identity"],
            &[""],
        ] {
            assert_eq!(encoding(accepted).await, (200, false), "{accepted:?}");
        }
        for accepted in [
            "gzip",
            "br, gzip;q=0.1",
            "*",
            "gzip, *;q=0",
            "identity;q=0, gzip",
        ] {
            assert_eq!(encoding(&[accepted]).await, (200, true), "{accepted}");
        }
    }
}
