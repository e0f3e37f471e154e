//! External servers: their addresses, their TLS, their connections.

mod breaker;
mod budget;
mod connect;
mod dial;
mod farewell;
mod framing;
mod http2;
mod lease;
mod offer;
mod outliers;
mod pool;
mod proxy;
mod session;
mod tenure;
mod tls;
mod waiting;

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use conf::snapshot::Pins;
use policy::destination::{Upstream, UpstreamHost};
use policy::refusal::Refusal;

use crate::metrics::UpstreamState;
use crate::resolve::{NoAddress, Resolver, VettedAddress, vet};

use breaker::{Breaker, Place};
use budget::RetryBudget;
pub use connect::DialError;
pub(crate) use connect::{Connected, connect};
pub(crate) use dial::{Dialler, Freshness};
use offer::Offer;
pub(crate) use offer::Wanted;
pub(crate) use outliers::Outcome;
use outliers::Outliers;
pub use pool::{Pool, PoolKey, Search};
pub use proxy::{CredentialsError, Proxy};
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
    /// What stands before it.
    proxy: Option<Arc<Proxy>>,
    /// Where it is bounded.
    breaker: Option<Breaker>,
    /// Where addresses that fail are left out.
    outliers: Option<Outliers>,
}

/// One more attempt, under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Retry(#[expect(dead_code, reason = "only its end matters")] Option<Place>);

#[derive(Debug)]
struct Answer {
    addresses: Arc<[VettedAddress]>,
    fresh_until: Instant,
}

impl Target {
    /// Prepares an upstream; `tls` is its policy's context, `proxy` what stands
    /// before it. Addresses that stand with the upstream itself come before those
    /// that stand with its name.
    #[must_use]
    pub fn new(
        upstream: Upstream,
        tls: Option<Arc<UpstreamTls>>,
        proxy: Option<Arc<Proxy>>,
        pins: Arc<Pins>,
    ) -> Self {
        let (name, port, given, reach) = match &upstream.via {
            None => {
                let name = match &upstream.host {
                    UpstreamHost::Named(name) => Some(name),
                    UpstreamHost::Requested => None,
                };
                (name, upstream.port, &upstream.addresses, &upstream.reach)
            }
            Some(via) => (Some(&via.host), via.port, &via.addresses, &via.reach),
        };
        let given = Some(given.clone()).filter(|given| !given.is_empty());
        let given = given.or_else(|| pins.find(name?, port));
        let fixed = given.map(|given| vet(&given, reach).map(Arc::<[_]>::from));
        Self {
            breaker: Breaker::new(upstream.bounds),
            outliers: upstream.outlier.map(Outliers::new),
            upstream,
            tls,
            proxy,
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
        count: impl Fn(&str) -> Result<(), Refusal>,
    ) -> Result<Arc<[VettedAddress]>, NoAddress> {
        self.budget.deposit();
        let addresses = self.all_addresses(resolver, host, count).await?;
        let addresses = resolver.elsewhere(addresses)?;
        match &self.outliers {
            None => Ok(addresses),
            Some(outliers) => outliers.left(host, addresses).map_err(NoAddress::Failed),
        }
    }

    async fn all_addresses(
        &self,
        resolver: &Arc<Resolver>,
        host: &str,
        count: impl Fn(&str) -> Result<(), Refusal>,
    ) -> Result<Arc<[VettedAddress]>, NoAddress> {
        let (host, port, reach) = match &self.upstream.via {
            None => (host, self.upstream.port, &self.upstream.reach),
            Some(via) => {
                self.vet_for_proxy(host)?;
                // The proxy looks it up in our stead.
                if self.upstream.host == UpstreamHost::Requested {
                    count(host).map_err(NoAddress::Refused)?;
                }
                (&*via.host, via.port, &via.reach)
            }
        };
        if let Some(fixed) = &self.fixed {
            return fixed.clone();
        }
        // The proxy has a name of its own, whatever was requested.
        let named =
            self.upstream.via.is_some() || matches!(self.upstream.host, UpstreamHost::Named(_));
        if named
            && let Some(answer) = &*self.answer.load()
            && answer.fresh_until > Instant::now()
        {
            return Ok(Arc::clone(&answer.addresses));
        }
        if !named && let Some(pinned) = self.pins.find(host, port) {
            return Ok(vet(&pinned, reach)?.into());
        }
        if !named {
            count(host).map_err(NoAddress::Refused)?;
        }
        let found = resolver.addresses(host, port).await?;
        let addresses: Arc<[_]> = vet(&found.addresses, reach)?.into();
        if named {
            self.answer.store(Some(Arc::new(Answer {
                addresses: Arc::clone(&addresses),
                fresh_until: found.fresh_until,
            })));
        }
        Ok(addresses)
    }

    /// A proxy resolves names by itself, but an address in the place of a name is
    /// one the upstream may lie at, or not: callers choose it under a wildcard.
    fn vet_for_proxy(&self, host: &str) -> Result<(), NoAddress> {
        let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() else {
            return Ok(());
        };
        let address = SocketAddr::new(address, self.upstream.port);
        vet(&[address], &self.upstream.reach).map(|_| ())
    }

    /// Under which key connections to `address` for `host` are kept: all that
    /// they are made with. A bounded upstream's are its own, since each is counted.
    fn pool_key(&self, host: &str, address: SocketAddr, offer: Offer) -> PoolKey {
        static KEYS: OnceLock<RandomState> = OnceLock::new();
        let mut hasher = KEYS.get_or_init(RandomState::new).build_hasher();
        address.hash(&mut hasher);
        offer.hash(&mut hasher);
        if let Some(proxy) = &self.proxy {
            // The address is the proxy's, and leads to many.
            proxy.hash(&mut hasher);
            (host, self.upstream.port).hash(&mut hasher);
        }
        if let Some(breaker) = &self.breaker {
            Arc::as_ptr(breaker.load()).hash(&mut hasher);
        }
        match &self.tls {
            None => "plaintext".hash(&mut hasher),
            Some(tls) => (tls.fingerprint, tls.server_name(host)).hash(&mut hasher),
        }
        PoolKey(hasher.finish())
    }

    /// One more attempt, if it is within the budget and the bounds.
    pub(crate) fn retry(&self) -> Option<Retry> {
        if !self.budget.withdraw() {
            return None;
        }
        match &self.breaker {
            None => Some(Retry(None)),
            Some(breaker) => breaker.retry().map(|place| Retry(Some(place))),
        }
    }

    /// Notes how an attempt for `host` ended at one of `choice` addresses.
    pub(crate) fn observe(&self, host: &str, address: SocketAddr, outcome: Outcome, choice: usize) {
        if let Some(outliers) = &self.outliers {
            outliers.observe(host, address, outcome, choice);
        }
    }

    /// Goes on counting where `before`, the same upstream of another snapshot, stands.
    pub(crate) fn succeed(&mut self, before: &Self) {
        if let (Some(own), Some(before)) = (&mut self.breaker, &before.breaker) {
            own.succeed(before);
        }
        if let (Some(own), Some(before)) = (&mut self.outliers, &before.outliers) {
            own.succeed(before);
        }
    }

    /// Whether requests may have to wait for a connection.
    pub(crate) fn is_bounded(&self) -> bool {
        self.breaker.is_some()
    }

    /// Whether anything is counted of it.
    pub(crate) fn is_watched(&self) -> bool {
        self.breaker.is_some() || self.outliers.is_some()
    }

    /// What is open to it, and what became of its addresses.
    pub(crate) fn state(&self) -> UpstreamState {
        let mut state = UpstreamState::default();
        if let Some(breaker) = &self.breaker {
            breaker.tell(&mut state);
        }
        if let Some(outliers) = &self.outliers {
            outliers.tell(&mut state);
        }
        state
    }

    fn offer(&self, wanted: Wanted) -> Offer {
        Offer::new(self.upstream.protocol, wanted)
    }
}
