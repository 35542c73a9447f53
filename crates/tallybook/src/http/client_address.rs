//! The address that a request comes from, even behind a proxy.
//!
//! Invariant: `X-Forwarded-For` is trusted only when sent by a trusted proxy. Look next:
//! [`crate::config::TrustedProxies`] for the rule.

use crate::config::TrustedProxies;
use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderValue;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address; `None` when the request did not come over a connection.
pub(super) fn client_address(request: &Request, proxies: &TrustedProxies) -> Option<IpAddr> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    let headers = request.headers().get_all(X_FORWARDED_FOR).iter();
    // A value that is not text ends the chain, like any other unreadable one.
    let values = headers.map(|value: &HeaderValue| value.to_str().unwrap_or("unreadable"));
    let hops: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
    Some(proxies.client(peer.ip(), hops.into_iter()))
}

/// The addresses that one client may use: its own, or in IPv6 its /64.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn several_headers_are_one_list() {
        let proxies = TrustedProxies::parse("10.0.0.0/8").expect("a list");
        let mut request = Request::builder()
            .header(X_FORWARDED_FOR, "1.1.1.1, 203.0.113.9")
            .header(X_FORWARDED_FOR, "10.0.0.2")
            .body(Body::empty())
            .expect("a request");
        assert_eq!(client_address(&request, &proxies), None);
        let peer = SocketAddr::from(([10, 0, 0, 1], 4711));
        request.extensions_mut().insert(ConnectInfo(peer));
        let address = client_address(&request, &proxies).map(|it| it.to_string());
        assert_eq!(address.as_deref(), Some("203.0.113.9"));
        let stranger = client_address(&request, &TrustedProxies::default());
        assert_eq!(stranger, Some(peer.ip()));
    }
}
