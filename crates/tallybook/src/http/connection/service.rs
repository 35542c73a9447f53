//! Converts hyper's requests to the router's, and answers back.
//!
//! Invariant: a request is being answered until the body of its answer is made or dropped.

use super::deadline::{Activity, Answering};
use super::{Client, Overload};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::ServiceExt;

/// Answers the requests of one connection.
#[derive(Debug)]
pub(super) struct RequestService {
    router: Router,
    peer: SocketAddr,
    overload: Option<Overload>,
    activity: Arc<Activity>,
}

impl RequestService {
    /// Answers by the router, which finds the peer and an overload among a request's extensions.
    pub(super) fn new(router: Router, client: &Client, activity: Arc<Activity>) -> Self {
        Self {
            router,
            peer: client.peer,
            overload: client.admitted.overload(),
            activity,
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for RequestService {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let answering = self.activity.answering();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        if let Some(overload) = self.overload {
            request.extensions_mut().insert(overload);
        }
        let answer = self.router.clone().oneshot(request);
        Box::pin(async move {
            let body = |body| AnswerBody {
                body,
                _answering: answering,
            };
            Ok(answer.await?.map(body))
        })
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(super) struct AnswerBody {
    body: Body,
    _answering: Answering,
}

impl HttpBody for AnswerBody {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
