//! Sockets for the mesh, and what is spoken there.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use policy::door::View;
use policy::origin::Origin;
use policy::pattern::HostPattern;

/// RFC 9110, section 4.2.1.
const HTTP: u16 = 80;

/// A socket for the mesh.
#[derive(Clone, Debug)]
pub struct Listener {
    /// In records and messages.
    pub name: Arc<str>,
    /// Where it binds. Port 0: any free one.
    pub bind: SocketAddr,
    /// The port callers mean: of the Service, of Istio's Gateway server.
    pub port: u16,
    /// Whose part it takes.
    pub view: View,
    /// What is spoken.
    pub mode: ListenerMode,
    /// Where the peers are whose word on callers is taken: of the PROXY protocol
    /// alone.
    pub peers: Vec<IpNet>,
    /// Server names accepted; empty: any, and none.
    pub hosts: Vec<HostPattern>,
    /// Where it was written.
    pub origin: Arc<Origin>,
}

impl Listener {
    /// Whether both are of one socket, whatever else they say.
    #[must_use]
    pub fn shares_socket_with(&self, other: &Self) -> bool {
        self.name == other.name && self.bind == other.bind
    }

    /// Whether callers show a certificate here.
    #[must_use]
    pub fn verifies_callers(&self) -> bool {
        self.mode.is_mutual()
    }

    /// Whether it is known who calls, by what he shows or by a peer's word.
    #[must_use]
    pub fn knows_callers(&self) -> bool {
        self.verifies_callers() || self.mode == ListenerMode::ProxyProtocol
    }

    /// Whether the word of a peer at this address is taken on who calls.
    #[must_use]
    pub fn believes(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.peers.iter().any(|peers| peers.contains(&peer))
    }

    /// The port meant by who names none: the one he comes to; where nobody comes
    /// for its own sake, that of `http`.
    #[must_use]
    pub fn unnamed_port(&self) -> u16 {
        match self.mode.names_ports() {
            true => HTTP,
            false => self.port,
        }
    }
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerMode {
    /// Mutual TLS with HTTP inside.
    MutualTls,
    /// Plain HTTP: no principal, so rules on principals fail closed. In the
    /// mesh's view also TLS, which passes through.
    Plaintext,
    /// TLS that passes through untouched, by its server name: no principal.
    Passthrough,
    /// Mutual TLS, and within it TLS that applications bring, by its server name.
    InnerTls,
    /// Mutual TLS, and within it bytes, which go where the port leads.
    Tcp,
    /// Bytes, which go where the port leads: no principal.
    PlainTcp,
    /// Mutual TLS, and within it a forward proxy's clients: requests for
    /// `http://` URLs, and CONNECT.
    Proxy,
    /// The same without TLS: no principal.
    PlainProxy,
    /// HBONE, as ztunnel brings it: mutual TLS 1.3, and within it HTTP/2 whose
    /// every stream is a CONNECT with a connection of an application's inside.
    Hbone,
    /// What a trusted ztunnel has taken out of HBONE, introduced by the PROXY
    /// protocol.
    ProxyProtocol,
}

impl ListenerMode {
    /// Whether callers prove who they are.
    #[must_use]
    pub fn is_mutual(self) -> bool {
        matches!(
            self,
            Self::MutualTls | Self::InnerTls | Self::Tcp | Self::Proxy | Self::Hbone
        )
    }

    /// Whether callers name ports of the world, and so come in the sidecars' view.
    #[must_use]
    pub fn names_ports(self) -> bool {
        self.is_proxy() || self.is_ambient()
    }

    /// Whether ztunnel brings what comes.
    #[must_use]
    pub fn is_ambient(self) -> bool {
        matches!(self, Self::Hbone | Self::ProxyProtocol)
    }

    /// Whether what comes is passed on, whatever it is.
    #[must_use]
    pub fn passes_on(self) -> bool {
        matches!(
            self,
            Self::Passthrough | Self::InnerTls | Self::Tcp | Self::PlainTcp
        )
    }

    /// Whether its callers know it for a forward proxy.
    #[must_use]
    pub fn is_proxy(self) -> bool {
        matches!(self, Self::Proxy | Self::PlainProxy)
    }

    /// Whether a server name is shown before anything is said. ztunnel shows none.
    #[must_use]
    pub fn has_server_name(self) -> bool {
        (self.is_mutual() && self != Self::Hbone) || self == Self::Passthrough
    }
}
