//! Where bytes go of which nobody says what they are: by the port they come to.

use std::sync::Arc;

use crate::door::Door;
use crate::origin::Origin;
use crate::pattern::HostPattern;
use crate::source::SourcePattern;

use super::UpstreamRef;

/// A way for connections of TCP. The first that applies serves.
#[derive(Clone, Debug)]
pub struct TcpRoute {
    /// The way to it.
    pub door: Door,
    /// Server names of the mutual TLS around it that lead here; empty: any, and
    /// none.
    pub server_names: Vec<HostPattern>,
    /// Callers it is for; empty: everybody.
    pub from: Vec<SourcePattern>,
    /// Where to, by weight.
    pub leads: Vec<TcpLead>,
    /// Where it was written.
    pub origin: Arc<Origin>,
}

/// One of the hosts a TCP route leads to.
#[derive(Clone, Debug)]
pub struct TcpLead {
    /// Its canonical name: the host that rules are asked about.
    pub host: Arc<str>,
    /// What is let through to it.
    pub carries: Carries,
    /// The server behind the name.
    pub upstream: UpstreamRef,
    /// Its share of the sum of weights.
    pub weight: u32,
}

/// What a TCP route lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Carries {
    /// Any bytes, from either side first.
    #[default]
    Bytes,
    /// TLS of the application's own, opened for the host and no other.
    Tls,
}
