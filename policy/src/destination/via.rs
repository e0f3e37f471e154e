//! HTTP proxies that stand before external servers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::upstream::{Reach, UpstreamTls};
use crate::origin::Origin;

/// A proxy that opens a tunnel to an upstream (CONNECT, RFC 9110, section 9.3.6).
/// It resolves the upstream's name; what is dialled, and vetted, is the proxy.
#[derive(Clone, Debug)]
pub struct Via {
    /// Its name.
    pub host: Arc<str>,
    /// Its port.
    pub port: u16,
    /// Its addresses, when the operator gives them instead of DNS.
    pub addresses: Vec<SocketAddr>,
    /// Which addresses of the proxy may be dialled.
    pub reach: Reach,
    /// TLS with the proxy itself, around all that is said to it.
    pub tls: UpstreamTls,
    /// The file of what we show it: one line, `user:password`.
    pub credentials: Option<PathBuf>,
    /// Where it was written.
    pub origin: Arc<Origin>,
}

/// Where it was written does not matter.
impl PartialEq for Via {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            host,
            port,
            addresses,
            reach,
            tls,
            credentials,
            origin: _,
        } = self;
        *host == other.host
            && *port == other.port
            && *addresses == other.addresses
            && *reach == other.reach
            && *tls == other.tls
            && *credentials == other.credentials
    }
}
