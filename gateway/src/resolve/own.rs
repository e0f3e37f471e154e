//! The process's own sockets, which it never dials: an operator may admit a range
//! in which he forgets that the gateway lies, and a request that comes back in
//! comes back for ever.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::OnceLock;

/// Known once they are bound.
#[derive(Debug, Default)]
pub(super) struct OwnSockets(OnceLock<Box<[SocketAddr]>>);

impl OwnSockets {
    /// Says which they are; once.
    pub(super) fn are(&self, sockets: Vec<SocketAddr>) {
        let _ = self.0.set(sockets.into());
    }

    /// Whether to dial `address` is to call ourselves.
    pub(super) fn include(&self, address: SocketAddr) -> bool {
        let own = self.0.get().map_or(&[][..], |own| own);
        own.iter().any(|bound| leads_to(address, *bound))
    }
}

fn leads_to(address: SocketAddr, bound: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    // Most ports are none of ours, which costs a comparison.
    address.port() == bound.port()
        // By no address at all Linux connects to loopback.
        && (ip.is_unspecified()
            || ip == bound.ip().to_canonical()
            || bound.ip().is_unspecified() && is_ours(ip))
}

/// Whether an address is one of this host's: to reach it the kernel would begin at
/// the very address. Nothing is sent.
fn is_ours(ip: IpAddr) -> bool {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let begins = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((ip, 1))?;
        socket.local_addr()
    };
    ip.is_unspecified() || ip.is_loopback() || begins().is_ok_and(|local| local.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(sockets: &[&str]) -> OwnSockets {
        let own = OwnSockets::default();
        own.are(sockets.iter().map(|s| s.parse().unwrap()).collect());
        own
    }

    #[test]
    fn a_socket_of_ours_is_known_by_every_address_it_has() {
        let own = own(&["127.0.0.1:8443", "0.0.0.0:8080"]);
        for (address, ours) in [
            ("127.0.0.1:8443", true),
            ("[::ffff:127.0.0.1]:8443", true),
            ("127.0.0.2:8443", false),
            ("0.0.0.0:8443", true),
            ("[::]:8443", true),
            ("[::ffff:0.0.0.0]:8443", true),
            ("0.0.0.0:443", false),
            ("127.0.0.1:8080", true),
            ("127.0.0.2:8080", true),
            ("0.0.0.0:8080", true),
            ("192.0.2.1:8080", false),
            ("127.0.0.1:443", false),
        ] {
            assert_eq!(own.include(address.parse().unwrap()), ours, "{address}");
        }
    }

    #[test]
    fn before_they_are_bound_there_are_none() {
        let own = OwnSockets::default();
        assert!(!own.include("127.0.0.1:8443".parse().unwrap()));
    }
}
