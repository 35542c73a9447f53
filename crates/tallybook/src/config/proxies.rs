//! The proxies that are trusted to state the client's address.
//!
//! Invariant: an address in `X-Forwarded-For` counts only if every hop after it is trusted, because
//! a client can start the header with anything.

use std::net::{IpAddr, SocketAddr};

/// The networks whose `X-Forwarded-For` is trusted; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// All addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

impl TrustedProxies {
    /// Parses addresses and networks: `10.0.0.0/8,192.0.2.7,fd00::/8`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts
            .map(Network::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether this is the address of a trusted proxy.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client's address: the last one of `forwarded` that is not a trusted proxy's, or the
    /// peer's if the peer is not a trusted proxy. An unreadable hop ends the chain.
    pub fn client<'a>(
        &self,
        peer: IpAddr,
        forwarded: impl DoubleEndedIterator<Item = &'a str>,
    ) -> IpAddr {
        let mut client = peer.to_canonical();
        for hop in forwarded.rev() {
            if !self.contains(client) {
                break;
            }
            match parse_hop(hop.trim()) {
                Some(address) => client = address.to_canonical(),
                None => break,
            }
        }
        client
    }
}

/// An address with or without a port: some proxies add it.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.or_else(with_port).or_else(in_brackets)
}

impl Network {
    fn parse(text: &str) -> Result<Self, String> {
        let needed = || format!("{text} is no address or network such as 192.0.2.7 or 10.0.0.0/8");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| needed())?;
        let most = bits(address).1;
        let prefix_bits = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| needed())?,
            None => most,
        };
        if prefix_bits > most {
            return Err(needed());
        }
        Ok(Self {
            address,
            prefix_bits,
        })
    }

    fn contains(self, address: IpAddr) -> bool {
        let (own, length) = bits(self.address);
        let (other, other_length) = bits(address.to_canonical());
        let shift = length - self.prefix_bits;
        let begin = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
        length == other_length && begin(own) == begin(other)
    }
}

/// An address as a number, and its number of bits.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (v4.to_bits().into(), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn networks_contain_what_begins_alike() {
        let proxies = TrustedProxies::parse("10.0.0.0/8, 192.0.2.7,fd00::/8").expect("a list");
        for inside in ["10.255.0.1", "192.0.2.7", "fdff::1", "::ffff:10.0.0.1"] {
            assert!(proxies.contains(ip(inside)), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "fe80::1", "::1"] {
            assert!(!proxies.contains(ip(outside)), "{outside}");
        }
        let every = TrustedProxies::parse("0.0.0.0/0").expect("a list");
        assert!(every.contains(ip("203.0.113.9")) && !every.contains(ip("::1")));
        assert!(!TrustedProxies::default().contains(ip("127.0.0.1")));
        for bad in [
            "proxy.example.com",
            "10.0.0.0/33",
            "10.0.0/8",
            "::1/129",
            "1.2.3.4/-1",
        ] {
            assert!(TrustedProxies::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_client_is_the_last_hop_that_is_not_trusted() {
        let proxies = TrustedProxies::parse("10.0.0.0/8").expect("a list");
        let client = |peer: &str, hops: &[&str]| {
            let client = proxies.client(ip(peer), hops.iter().copied());
            client.to_string()
        };
        // Only a trusted proxy is believed.
        assert_eq!(client("203.0.113.9", &["1.1.1.1"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        // What the client wrote comes before what the proxy added.
        let forged = ["1.1.1.1", "203.0.113.9", "10.0.0.2"];
        assert_eq!(client("10.0.0.1", &forged), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["10.0.0.3"]), "10.0.0.3");
        assert_eq!(client("10.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "unknown"]), "10.0.0.1");
        assert_eq!(client("::ffff:10.0.0.1", &["1.1.1.1"]), "1.1.1.1");
    }
}
