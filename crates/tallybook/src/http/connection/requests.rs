//! The requests of one connection: counted until their answers are made.
//!
//! Invariant: a request is under way from the moment in which the HTTP library has its head, until
//! its answer's body is made or dropped. Look next: [`super::activity`] for what that is good for.

use super::activity::Activity;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, Version};
use axum::response::IntoResponse;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::{Service, ServiceExt};

/// What answers requests: a router, one clone for each.
pub trait Application:
    Service<Request<Body>, Response: IntoResponse, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + Unpin
    + 'static
{
}

impl<S> Application for S where
    S: Service<Request<Body>, Response: IntoResponse, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + Unpin
        + 'static
{
}

/// A service that counts its requests until their answers are made.
#[derive(Debug, Clone)]
pub(super) struct Counted<S> {
    inner: S,
    client: SocketAddr,
    activity: Arc<Activity>,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<CountedBody>, Infallible>> + Send>>;

impl<S> Counted<S> {
    /// Counts what `inner` answers to the client at an address.
    pub(super) fn new(inner: S, client: SocketAddr, activity: Arc<Activity>) -> Self {
        Self {
            inner,
            client,
            activity,
        }
    }

    pub(super) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }
}

impl<S: Application> Counted<S> {
    /// Answers a request. It is under way from now on, also when this is not polled yet.
    pub(super) fn answer<B>(&self, request: Request<B>) -> Answering
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let under_way = UnderWay::begin(&self.activity, &request);
        let mut request = request.map(|body| {
            if body.is_end_stream() {
                return Body::empty();
            }
            let activity = Arc::clone(&self.activity);
            Body::new(WatchedBody {
                body,
                activity,
                broken: false,
            })
        });
        request.extensions_mut().insert(ConnectInfo(self.client));
        let answering = self.inner.clone().oneshot(request);
        Box::pin(async move {
            let response = answering.await?.into_response();
            Ok(response.map(|body| CountedBody {
                body,
                _under_way: under_way,
            }))
        })
    }
}

impl<S: Application> hyper::service::Service<Request<Incoming>> for Counted<S> {
    type Response = Response<CountedBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        self.answer(request)
    }
}

/// A request under way.
struct UnderWay(Arc<Activity>);

impl UnderWay {
    fn begin<B: HttpBody>(activity: &Arc<Activity>, request: &Request<B>) -> Self {
        activity.begin(!request.body().is_end_stream());
        if request.version() == Version::HTTP_2 {
            activity.multiplexes();
        }
        Self(Arc::clone(activity))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A request's body that says when it is at its end.
struct WatchedBody<B> {
    body: B,
    activity: Arc<Activity>,
    /// An error came: what is said afterwards is no end.
    broken: bool,
}

impl<B> HttpBody for WatchedBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        let is_at_end = match &polled {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(_))) => this.body.is_end_stream(),
            Poll::Ready(Some(Err(_))) => {
                this.broken = true;
                false
            }
            Poll::Pending => false,
        };
        if is_at_end && !this.broken {
            this.activity.body_ended();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body whose request is under way until it is dropped.
pub(super) struct CountedBody {
    body: Body,
    _under_way: UnderWay,
}

impl HttpBody for CountedBody {
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
