//! External servers: their names, addresses and TLS.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::resilience::{Bounds, Outlier};
use super::via::Via;
use crate::address::{AddressClass, classify, embedded_v4};
use crate::origin::Origin;

/// An external server.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name.
    pub host: UpstreamHost,
    /// Its port.
    pub port: u16,
    /// Its addresses, when the operator gives them instead of DNS.
    pub addresses: Vec<SocketAddr>,
    /// TLS, or plain text.
    pub tls: UpstreamTls,
    /// HTTP version.
    pub protocol: UpstreamProtocol,
    /// Which addresses may be dialled.
    pub reach: Reach,
    /// Time to connect, TLS included.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// What may be open to it at once.
    pub bounds: Bounds,
    /// Whether addresses that fail are left out for a while.
    pub outlier: Option<Outlier>,
    /// The proxy before it; then none of its own addresses is dialled.
    pub via: Option<Arc<Via>>,
    /// Where it was written.
    pub origin: Arc<Origin>,
}

impl Upstream {
    /// Whether `other` is the same server, reached in the same way: what has been
    /// learnt of one holds for the other.
    #[must_use]
    pub fn is_server_of(&self, other: &Self) -> bool {
        self.host == other.host
            && self.port == other.port
            && self.addresses == other.addresses
            && self.tls == other.tls
            && self.protocol == other.protocol
            && self.via == other.via
    }
}

/// The name of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamHost {
    /// This one.
    Named(Arc<str>),
    /// The canonical host of the request, which a wildcard destination admits.
    Requested,
}

/// HTTP towards an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum UpstreamProtocol {
    /// HTTP/1.1; no ALPN, as Istio's TLS origination.
    #[default]
    Http1,
    /// HTTP/2 by ALPN (or prior knowledge in plain text).
    Http2,
    /// Whichever the server chooses by ALPN; HTTP/1.1 in plain text.
    Auto,
    /// The version the caller speaks, as Istio's `useClientProtocol`.
    Caller,
}

/// TLS towards an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamTls {
    /// Plain text: only by the operator's word.
    Off,
    /// Verified, chain and name, always.
    On(TlsPolicy),
}

/// How an upstream proves itself, and how we do.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TlsPolicy {
    /// Roots; `None`: the system's.
    pub ca: Option<Pem>,
    /// Server name sent; `None`: the host requested of the upstream.
    pub server_name: Option<Box<str>>,
    /// Names of which the certificate must have one; empty: the server name.
    pub names: Vec<Box<str>>,
    /// Oldest version accepted.
    pub min_version: TlsVersion,
    /// Our certificate and key.
    pub client: Option<ClientCertificate>,
}

/// Versions of TLS an upstream may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// A certificate we show an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Leaf first.
    pub chain: Pem,
    /// Its key.
    pub key: Pem,
}

/// Certificates or a key, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// In this file.
    File(PathBuf),
    /// This text, which a Kubernetes Secret or ConfigMap holds.
    Text(Arc<str>),
}

impl Pem {
    /// The file, if it is in one.
    #[must_use]
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Text(_) => None,
        }
    }
}

/// Never shows a key.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text"),
        }
    }
}

/// Which addresses of an upstream may be dialled.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Reach {
    /// Ranges the operator admits although they are special.
    pub allowed: Vec<IpNet>,
    /// Ranges the operator refuses although they are public, or within one that is
    /// allowed.
    pub denied: Vec<IpNet>,
    /// Classes refused likewise.
    pub denied_classes: Vec<AddressClass>,
}

impl Reach {
    /// Whether `address` may be dialled. The last word on every connection,
    /// each retry included.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        if self.denies(address) {
            return false;
        }
        let Some((inner, prefix)) = embedded_v4(address) else {
            return self.allows(address) || classify(address).is_public();
        };
        // Where it leads is the address within: a range of all that a translator
        // takes says nothing of that one.
        let inner = IpAddr::from(inner);
        let mut naming = self.allowed.iter().filter(|range| range.contains(&address));
        naming.any(|range| range.prefix_len() > prefix)
            || self.allows(address) && (self.allows(inner) || classify(inner).is_public())
    }

    /// Whether the operator refuses `address`, or the IPv4 address within it,
    /// whatever is allowed.
    #[must_use]
    pub fn denies(&self, address: IpAddr) -> bool {
        let inner = embedded_v4(address).map(|(inner, _)| IpAddr::from(inner));
        self.denies_plainly(address) || inner.is_some_and(|inner| self.denies_plainly(inner))
    }

    fn denies_plainly(&self, address: IpAddr) -> bool {
        self.denied.iter().any(|range| range.contains(&address))
            || self.denied_classes.contains(&classify(address))
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|range| range.contains(&address))
    }
}
