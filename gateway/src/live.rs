//! What the gateway runs on right now: one snapshot and everything made from
//! files for it. Replaced whole; a request keeps the one it began with.

mod contexts;

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use conf::Snapshot;
use conf::remote::RemoteList;
use conf::snapshot::{Listener, TrustDomain};
use policy::destination::{Upstream, UpstreamRef};
use policy::origin::Origin;
use policy::principal::Principal;
use policy::refusal::Refusal;
use policy::source::Caller;

use crate::identity::{Acceptor, IdentityError, Shown};
use crate::metrics::UpstreamState;
use crate::record::{Loggers, SinkError, Sinks};
use crate::upstream::{CredentialsError, Target, TlsError};
use contexts::Contexts;

/// See the module.
#[derive(Debug)]
pub struct Live {
    snapshot: Arc<Snapshot>,
    digest: String,
    reporter_uid: String,
    credentials: Arc<Credentials>,
    loggers: Loggers,
    /// What the process's sockets serve, in the order they were bound in.
    served: Vec<Arc<Listener>>,
    trust: u64,
}

/// Why a snapshot cannot be run on.
#[derive(Debug)]
pub enum LiveError {
    /// The gateway's own identity.
    Identity(IdentityError),
    /// TLS is to be spoken to the mesh, and no identity is configured.
    NoIdentity,
    /// An upstream's TLS.
    Upstream(Arc<Origin>, TlsError),
    /// What a proxy is shown.
    Credentials(Arc<Origin>, CredentialsError),
    /// A sink of a log.
    Sink(SinkError),
}

impl fmt::Display for LiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(error) => write!(f, "error: identity: {error}"),
            Self::NoIdentity => f.write_str(
                "error: a listener speaks TLS, but there is no `identity:`; \
                 write `identity: {files: {chain: …, key: …, roots: …}}`",
            ),
            Self::Upstream(origin, error) => {
                let Origin { file, line, column } = &**origin;
                write!(f, "{file}:{line}:{column}: error: {error}")
            }
            Self::Credentials(origin, error) => {
                let Origin { file, line, column } = &**origin;
                write!(f, "{file}:{line}:{column}: error: {error}")
            }
            Self::Sink(error) => write!(f, "error: logs: {error}"),
        }
    }
}

impl std::error::Error for LiveError {}

impl Live {
    /// Reads every certificate a snapshot names and opens every log.
    ///
    /// # Errors
    /// Every file that is missing or not what it should be.
    pub fn load(snapshot: Snapshot, sinks: &Sinks) -> Result<Self, Vec<LiveError>> {
        Self::read(Arc::new(snapshot), sinks)
    }

    fn read(snapshot: Arc<Snapshot>, sinks: &Sinks) -> Result<Self, Vec<LiveError>> {
        let (credentials, mut errors) = Credentials::read(&snapshot);
        match sinks.loggers(&snapshot.settings().logs) {
            Ok(loggers) if errors.is_empty() => {
                return Ok(Self::new(snapshot, Arc::new(credentials), loggers));
            }
            Ok(_) => {}
            Err(error) => errors.push(LiveError::Sink(error)),
        }
        Err(errors)
    }

    /// A snapshot of the same files, in which only lists have changed: what was
    /// made of certificates serves it too. So a list can be given up while a
    /// certificate is broken.
    ///
    /// # Errors
    /// A log that cannot be opened.
    pub(crate) fn again(&self, snapshot: Snapshot, sinks: &Sinks) -> Result<Self, Vec<LiveError>> {
        let loggers = sinks.loggers(&snapshot.settings().logs);
        let loggers = loggers.map_err(|error| vec![LiveError::Sink(error)])?;
        let credentials = Arc::clone(&self.credentials);
        Ok(Self::new(Arc::new(snapshot), credentials, loggers))
    }

    /// The same snapshot, with what its certificates have become: the other way
    /// round. So nobody whose certificate was revoked goes on for a mistake in the
    /// configuration.
    ///
    /// # Errors
    /// Every file that is missing or not what it should be.
    pub(crate) fn renewed(&self, sinks: &Sinks) -> Result<Self, Vec<LiveError>> {
        Self::read(Arc::clone(&self.snapshot), sinks)
    }

    fn new(snapshot: Arc<Snapshot>, credentials: Arc<Credentials>, loggers: Loggers) -> Self {
        let listeners = snapshot.settings().listeners.iter().cloned();
        let served: Vec<_> = listeners.map(Arc::new).collect();
        Self {
            trust: trust(&snapshot, &credentials, &served),
            served,
            digest: snapshot.digest().to_string(),
            reporter_uid: snapshot.settings().gateway.reporter_uid(),
            credentials,
            loggers,
            snapshot,
        }
    }

    /// What is wrong with the certificates a snapshot names; opens no log.
    #[must_use]
    pub fn check(snapshot: &Snapshot) -> Vec<LiveError> {
        Credentials::read(snapshot).1
    }

    /// The configuration.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Its name in records.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub(crate) fn reporter_uid(&self) -> &str {
        &self.reporter_uid
    }

    pub(crate) fn loggers(&self) -> &Loggers {
        &self.loggers
    }

    pub(crate) fn target(&self, upstream: UpstreamRef) -> Option<&Target> {
        self.credentials
            .targets
            .get(usize::try_from(upstream.0).ok()?)
    }

    /// The server of a list.
    pub(crate) fn list(&self, list: &RemoteList) -> Option<&Target> {
        let source = list.source();
        let mut lists = self.snapshot.lists().iter().zip(&self.credentials.lists);
        lists
            .find(|(list, _)| list.source() == source)
            .map(|(_, target)| target)
    }

    /// Takes over the sockets, and what is counted of upstreams that are what they
    /// were. What a socket served it goes on serving where nothing is said of it any
    /// more, and as long with what its callers are verified by.
    pub(crate) fn succeed(&mut self, before: &Self) {
        let listeners = &self.snapshot.settings().listeners;
        let now = |served: &Arc<Listener>| {
            let now = listeners.iter().find(|now| now.shares_socket_with(served));
            now.map_or_else(|| Arc::clone(served), |now| Arc::new(now.clone()))
        };
        self.served = before.served.iter().map(now).collect();
        let verifies = self.served.iter().any(|served| served.verifies_callers());
        // Credentials that are shared are those of `before`.
        if let Some(credentials) = Arc::get_mut(&mut self.credentials) {
            credentials.succeed(&before.credentials);
            if verifies && credentials.acceptor.is_none() {
                credentials
                    .acceptor
                    .clone_from(&before.credentials.acceptor);
            }
        }
        self.trust = trust(&self.snapshot, &self.credentials, &self.served);
    }

    /// What the socket of this number serves.
    pub(crate) fn served(&self, number: usize) -> Option<&Arc<Listener>> {
        self.served.get(number)
    }

    /// Listeners that differ from what sockets there are: without one, and then
    /// those whose sockets are served although nothing is said of them.
    pub(crate) fn misplaced(&self) -> (Vec<&Listener>, Vec<&Listener>) {
        let said = || self.snapshot.settings().listeners.iter();
        let served = || self.served.iter().map(|served| &**served);
        let is_served = |said: &&Listener| served().any(|s| s.shares_socket_with(said));
        let is_said = |served: &&Listener| said().any(|s| s.shares_socket_with(served));
        let unbound = said().filter(|said| !is_served(said));
        let forgotten = served().filter(|served| !is_said(served));
        (unbound.collect(), forgotten.collect())
    }

    /// The upstreams of which anything is counted, by Envoy's name.
    pub(crate) fn watched(&self) -> impl Iterator<Item = (String, UpstreamState)> {
        let watched = self.credentials.targets.iter().filter(|t| t.is_watched());
        watched.map(|target| (target.cluster(target.host("*")), target.state()))
    }

    pub(crate) fn acceptor(&self) -> Option<&Acceptor> {
        self.credentials.acceptor.as_deref()
    }

    /// Differs whenever a caller may be vouched for no more.
    pub(crate) fn trust(&self) -> u64 {
        self.trust
    }

    /// Whether a caller would be let in now who once showed this.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn judge(&self, shown: &Shown, principal: &Principal) -> Result<(), Refusal> {
        let acceptor = self.acceptor().ok_or(Refusal::CertificateUntrusted)?;
        acceptor.judge(shown, principal)
    }

    /// Whether a peer would be believed now who once introduced this caller at the
    /// socket of `listener`.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn believe(
        &self,
        peer: IpAddr,
        listener: &Listener,
        caller: Option<&Principal>,
    ) -> Result<(), Refusal> {
        let mut served = self.served.iter();
        let now = served.find(|now| now.shares_socket_with(listener));
        if !now.is_some_and(|now| now.believes(peer)) {
            return Err(Refusal::UntrustedPeer);
        }
        let settings = self.snapshot.settings();
        let is_ours = |caller: &Principal| settings.trusts_domain(caller.trust_domain());
        match caller.is_none_or(is_ours) {
            true => Ok(()),
            false => Err(Refusal::TrustDomain),
        }
    }
}

/// Differs whenever anything differs by which a caller was let in.
fn trust(snapshot: &Snapshot, credentials: &Credentials, served: &[Arc<Listener>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    let acceptor = credentials.acceptor.as_deref().map(Acceptor::trust);
    acceptor.hash(&mut hasher);
    for TrustDomain {
        domain, aliases, ..
    } in &snapshot.settings().trust
    {
        (domain, aliases).hash(&mut hasher);
    }
    for listener in served {
        listener.peers.hash(&mut hasher);
    }
    hasher.finish()
}

/// What is made of keys and certificates.
#[derive(Debug)]
struct Credentials {
    acceptor: Option<Arc<Acceptor>>,
    targets: Vec<Target>,
    /// The servers of remote lists, in the order of the snapshot's lists.
    lists: Vec<Target>,
}

impl Credentials {
    fn read(snapshot: &Snapshot) -> (Self, Vec<LiveError>) {
        let mut errors = Vec::new();
        let acceptor = load_acceptor(snapshot).unwrap_or_else(|error| {
            errors.push(error);
            None
        });
        let mut contexts = Contexts::default();
        let pins = &snapshot.settings().pins;
        let mut targets = |upstreams: &mut dyn Iterator<Item = &Upstream>| {
            let mut targets = Vec::new();
            for upstream in upstreams {
                match contexts.target(upstream, pins) {
                    Ok(target) => targets.push(target),
                    Err(error) => errors.push(error),
                }
            }
            targets
        };
        let credentials = Self {
            acceptor: acceptor.map(Arc::new),
            targets: targets(&mut snapshot.admission().upstreams().iter()),
            lists: targets(&mut snapshot.lists().iter().map(|list| &list.upstream)),
        };
        (credentials, errors)
    }

    fn succeed(&mut self, before: &Self) {
        let mut known: HashMap<_, Vec<&Target>> = HashMap::new();
        // The first comes last, to be taken first.
        for target in before.targets.iter().rev().filter(|t| t.is_watched()) {
            let Upstream { host, port, .. } = target.upstream();
            known.entry((host.clone(), *port)).or_default().push(target);
        }
        for target in self.targets.iter_mut().filter(|t| t.is_watched()) {
            let Upstream { host, port, .. } = target.upstream();
            let same = known.get_mut(&(host.clone(), *port)).and_then(|known| {
                let is_same = |other: &&Target| other.upstream().is_server_of(target.upstream());
                known.iter().rposition(is_same).map(|at| known.remove(at))
            });
            if let Some(same) = same {
                target.succeed(same);
            }
        }
    }
}

fn load_acceptor(snapshot: &Snapshot) -> Result<Option<Acceptor>, LiveError> {
    let settings = snapshot.settings();
    let mut listeners = settings.listeners.iter();
    if !listeners.any(|l| l.verifies_callers()) {
        return Ok(None);
    }
    let files = settings.identity.as_ref().ok_or(LiveError::NoIdentity)?;
    let acceptor = Acceptor::load(files, settings).map_err(LiveError::Identity)?;
    Ok(Some(acceptor))
}

/// A caller as a snapshot sees him, kept for the snapshot's time.
#[derive(Debug)]
pub struct Seen {
    /// The snapshot.
    pub live: Arc<Live>,
    /// The caller.
    pub caller: Caller,
    /// Why he would be refused now.
    pub lost: Option<Refusal>,
}

impl Seen {
    /// Looks at a caller through `live`.
    #[must_use]
    pub fn new(live: Arc<Live>, principal: Option<Principal>, address: std::net::IpAddr) -> Self {
        let caller = live.snapshot.admission().caller(principal, address);
        let lost = None;
        Self { live, caller, lost }
    }
}
