//! The whole compiled configuration: what the gateway runs on.
//!
//! A `Snapshot` comes only from [`crate::compile`], which either makes one or
//! says every problem it found. Requests keep the snapshot they began with.

mod listener;
mod log;
mod pins;
mod room;
mod vips;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use policy::{Admission, ChosenLabels};

use crate::problem::{Problem, Severity};
use crate::remote::RemoteList;

pub use listener::{Listener, ListenerMode};
pub use log::{Layout, Level, Log, Overflow, Rotate, Sink};
pub(crate) use pins::Pin;
pub use pins::Pins;
pub use room::{LINE_BYTES, Room};
pub use vips::Vips;

/// One configuration, compiled and checked.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) digest: Digest,
    pub(crate) settings: Settings,
    pub(crate) admission: Admission,
    pub(crate) lists: Vec<RemoteList>,
    pub(crate) warnings: Vec<Problem>,
}

impl Snapshot {
    /// Names this configuration in records: equal files and lists give equal
    /// digests.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Everything that is not a decision: sockets, identity, limits, logs.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Policies, destinations and routes.
    #[must_use]
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The lists this configuration asks and does not hold.
    #[must_use]
    pub fn lists(&self) -> &[RemoteList] {
        &self.lists
    }

    /// What the operator should know although it is no error, notes included.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Of that, what is graver than a note.
    pub fn grave(&self) -> impl Iterator<Item = &Problem> {
        let all = self.warnings.iter();
        all.filter(|problem| problem.severity != Severity::Note)
    }
}

/// The first 12 hexadecimal digits of a hash over every file and remote list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest(pub(crate) Arc<str>);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the process needs beside decisions.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who this gateway is.
    pub gateway: GatewayName,
    /// Its certificate, key and roots.
    pub identity: Option<IdentityFiles>,
    /// Trust domains, the mesh's own first.
    pub trust: Vec<TrustDomain>,
    /// Sockets for the mesh.
    pub listeners: Vec<Listener>,
    /// Socket for readiness and metrics.
    pub admin: Option<SocketAddr>,
    /// Bounds on what callers may take.
    pub limits: Limits,
    /// Name resolution.
    pub dns: Dns,
    /// Addresses dialled in the place of those names resolve to.
    pub pins: Arc<Pins>,
    /// Addresses that stand for hosts where the mesh dials them.
    pub vips: Vips,
    /// How the process ends.
    pub drain: Drain,
    /// Access logs.
    pub logs: Vec<Log>,
}

/// The names of the mesh's own trust domain, which is the first: what `sa:` and
/// `ns:` speak of.
pub(crate) fn local_domains(trust: &[TrustDomain]) -> Vec<Box<str>> {
    let own = trust.first().into_iter();
    own.flat_map(|own| std::iter::once(&own.domain).chain(&own.aliases))
        .cloned()
        .collect()
}

/// Names this gateway gives itself in records and metrics.
#[derive(Clone, Debug)]
pub struct GatewayName {
    /// `istio-egressgateway`.
    pub name: Arc<str>,
    /// `istio-system`.
    pub namespace: Arc<str>,
    /// The pod; `NAME-HOSTNAME` outside Kubernetes.
    pub pod: Arc<str>,
    /// The pod's labels, which selectors of Istio's kinds ask for.
    pub labels: BTreeMap<Box<str>, Box<str>>,
    /// The namespace whose objects concern every workload.
    pub root_namespace: Arc<str>,
}

impl GatewayName {
    /// Mixer's `context.reporter.uid`: `kubernetes://POD.NAMESPACE`.
    #[must_use]
    pub fn reporter_uid(&self) -> String {
        format!("kubernetes://{}.{}", self.pod, self.namespace)
    }
}

/// PEM files of this workload's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// Leaf first, then intermediates.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Roots of the mesh's own trust domain: one or more.
    pub roots: PathBuf,
    /// Revocation list; absent: none is consulted.
    pub crl: Option<PathBuf>,
}

impl Settings {
    /// Whether a trust domain is one of those whose workloads are let in.
    #[must_use]
    pub fn trusts_domain(&self, name: &str) -> bool {
        let is_named = |trust: &TrustDomain| {
            let mut names = std::iter::once(&trust.domain).chain(&trust.aliases);
            names.any(|known| **known == *name)
        };
        self.trust.iter().any(is_named)
    }
}

/// A trust domain whose workloads are let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustDomain {
    /// `cluster.local`.
    pub domain: Box<str>,
    /// Former names, verified by the same roots.
    pub aliases: Vec<Box<str>>,
    /// Its own roots; `None`: the identity's (only for the mesh's own domain).
    pub roots: Option<PathBuf>,
}

/// Bounds on what callers may take. Zero is no bound only where it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections of all callers.
    pub connections: u32,
    /// Open connections of one principal.
    pub connections_per_principal: u32,
    /// Open connections of one source address.
    pub connections_per_source: u32,
    /// TLS handshakes of one source in a second, on average.
    pub handshakes_per_source: u32,
    /// How many of them may come at once.
    pub handshake_burst: u32,
    /// Time for the TLS handshake.
    pub handshake_timeout: Duration,
    /// Time for a request head, from its first byte to its last.
    pub head_timeout: Duration,
    /// Time between requests of one connection.
    pub idle_timeout: Duration,
    /// How long nothing may move in a tunnel.
    pub tunnel_idle_timeout: Duration,
    /// How long a tunnel may stand; `None`: no bound.
    pub tunnel_timeout: Option<Duration>,
    /// Longest pause within a body, and longest wait for a reader.
    pub body_idle_timeout: Duration,
    /// Size of a request head in bytes.
    pub head_bytes: u32,
    /// Fields of a request head.
    pub fields: u32,
    /// Length of a request target in bytes.
    pub target_bytes: u32,
    /// Concurrent streams of one HTTP/2 connection.
    pub streams: u32,
    /// Largest request body in bytes; 0: no bound.
    pub body_bytes: u64,
    /// Bytes a second at which a body must come, over each time of
    /// `body_idle_timeout` that it is waited for; 0: no bound.
    pub body_rate: u64,
    /// Frames a second that carry neither requests nor bodies, of one HTTP/2
    /// connection.
    pub control_frames: u32,
    /// Streams of one HTTP/2 connection that a caller may open and soon reset,
    /// if fewer are served.
    pub early_resets: u32,
    /// Labels a caller may choose of a host that only a wildcard admits.
    pub wildcard_labels: u32,
    /// Different hosts a caller may ask for in a minute, of those that only
    /// wildcards admit.
    pub wildcard_names: u32,
    /// Memory the process may hold, in bytes; `None`: what its cgroup may.
    pub memory: Option<u64>,
}

impl Limits {
    /// Handshakes of a source that may come at once, unless that is said: those
    /// of four seconds.
    pub(crate) fn usual_burst(handshakes_per_source: u32) -> u32 {
        handshakes_per_source.saturating_mul(4)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_principal: 2_000,
            connections_per_source: 2_000,
            handshakes_per_source: 1_000,
            handshake_burst: Self::usual_burst(1_000),
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(3600),
            tunnel_idle_timeout: Duration::from_secs(3600),
            tunnel_timeout: None,
            body_idle_timeout: Duration::from_secs(30),
            head_bytes: 64 * 1024,
            fields: 100,
            target_bytes: 8 * 1024,
            streams: 100,
            body_bytes: 0,
            body_rate: 1024,
            control_frames: 1000,
            early_resets: 500,
            wildcard_labels: ChosenLabels::default().0,
            wildcard_names: 256,
            memory: None,
        }
    }
}

/// Name resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Servers; empty: those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
    /// Time for one look-up.
    pub timeout: Duration,
    /// How long the last good answer serves after failures.
    pub stale: Duration,
    /// Which families are asked for.
    pub families: Families,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(5),
            stale: Duration::from_secs(60),
            families: Families::Both,
        }
    }
}

/// Address families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// A and AAAA.
    Both,
    /// A only.
    V4,
    /// AAAA only.
    V6,
}

/// How the process ends on SIGTERM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long it goes on serving new connections while not ready.
    pub serve: Duration,
    /// How long requests in flight have after that.
    pub finish: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            serve: Duration::from_secs(5),
            finish: Duration::from_secs(20),
        }
    }
}
