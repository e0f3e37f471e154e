//! External servers: their addresses, their TLS, their connections.

mod budget;
mod dial;
mod framing;
mod http2;
mod pool;
mod session;
mod tls;

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use conf::snapshot::Pins;
use policy::destination::{Upstream, UpstreamHost, UpstreamProtocol};
use policy::refusal::Refusal;

use crate::resolve::{NoAddress, Resolver, VettedAddress, vet};

use budget::RetryBudget;
pub use dial::DialError;
pub(crate) use dial::{Connected, Dialler, Freshness, connect};
pub use pool::{Pool, PoolKey};
pub(crate) use session::{Part, Reusable, UpstreamSession};
pub use tls::{TlsError, UpstreamTls};

/// An upstream of the running snapshot, with all that is made once for it.
#[derive(Debug)]
pub struct Target {
    upstream: Upstream,
    tls: Option<Arc<UpstreamTls>>,
    /// Names that are not looked up.
    pins: Arc<Pins>,
    /// Addresses the operator gave, vetted.
    fixed: Option<Result<Arc<[VettedAddress]>, NoAddress>>,
    /// The answer for a named upstream, so that a request takes no lock.
    answer: ArcSwapOption<Answer>,
    budget: RetryBudget,
}

#[derive(Debug)]
struct Answer {
    addresses: Arc<[VettedAddress]>,
    fresh_until: Instant,
}

impl Target {
    /// Prepares an upstream; `tls` is its policy's context. Addresses that stand
    /// with the upstream itself come before those that stand with its name.
    #[must_use]
    pub fn new(upstream: Upstream, tls: Option<Arc<UpstreamTls>>, pins: Arc<Pins>) -> Self {
        let given = Some(upstream.addresses.clone()).filter(|given| !given.is_empty());
        let given = given.or_else(|| match &upstream.host {
            UpstreamHost::Named(name) => pins.find(name, upstream.port),
            UpstreamHost::Requested => None,
        });
        let fixed = given.map(|given| vet(&given, &upstream.reach).map(Arc::<[_]>::from));
        Self {
            upstream,
            tls,
            pins,
            fixed,
            answer: ArcSwapOption::empty(),
            budget: RetryBudget::default(),
        }
    }

    /// What the operator wrote.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The upstream's name for a request to canonical host `requested`.
    #[must_use]
    pub fn host<'a>(&'a self, requested: &'a str) -> &'a str {
        match &self.upstream.host {
            UpstreamHost::Named(name) => name,
            UpstreamHost::Requested => requested,
        }
    }

    /// Envoy's name for it, by which dashboards group.
    pub(crate) fn cluster(&self, host: &str) -> String {
        format!("outbound|{}||{host}", self.upstream.port)
    }

    /// The addresses that may be dialled for `host`, vetted. `count` is asked
    /// about a host that is to be looked up because a caller named it.
    ///
    /// # Errors
    /// When there is none, or `count` says no.
    pub async fn addresses(
        &self,
        resolver: &Arc<Resolver>,
        host: &str,
        count: impl FnOnce(&str) -> Result<(), Refusal>,
    ) -> Result<Arc<[VettedAddress]>, NoAddress> {
        self.budget.deposit();
        if let Some(fixed) = &self.fixed {
            return fixed.clone();
        }
        let named = matches!(self.upstream.host, UpstreamHost::Named(_));
        if named
            && let Some(answer) = &*self.answer.load()
            && answer.fresh_until > Instant::now()
        {
            return Ok(Arc::clone(&answer.addresses));
        }
        if !named && let Some(pinned) = self.pins.find(host, self.upstream.port) {
            return Ok(vet(&pinned, &self.upstream.reach)?.into());
        }
        if !named {
            count(host).map_err(NoAddress::Refused)?;
        }
        let found = resolver.addresses(host, self.upstream.port).await?;
        let addresses: Arc<[_]> = vet(&found.addresses, &self.upstream.reach)?.into();
        if named {
            self.answer.store(Some(Arc::new(Answer {
                addresses: Arc::clone(&addresses),
                fresh_until: found.fresh_until,
            })));
        }
        Ok(addresses)
    }

    /// Under which key connections to `address` for `host` are kept: all that
    /// they are made with.
    fn pool_key(&self, host: &str, address: SocketAddr) -> PoolKey {
        static KEYS: OnceLock<RandomState> = OnceLock::new();
        let mut hasher = KEYS.get_or_init(RandomState::new).build_hasher();
        address.hash(&mut hasher);
        self.upstream.protocol.hash(&mut hasher);
        match &self.tls {
            None => "plaintext".hash(&mut hasher),
            Some(tls) => (tls.fingerprint, tls.server_name(host)).hash(&mut hasher),
        }
        PoolKey(hasher.finish())
    }

    /// Whether one more attempt is within the budget.
    pub(crate) fn retry_allowed(&self) -> bool {
        self.budget.withdraw()
    }

    fn speaks_http2(&self) -> bool {
        self.upstream.protocol == UpstreamProtocol::Http2
    }
}
