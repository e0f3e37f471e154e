//! Names become addresses: by us, asynchronously, and only names an operator
//! configured.
//!
//! Nothing a caller sends is resolved unless a wildcard destination admits the
//! name. Answers live as long as their TTL says; when the servers fail, the
//! last good answer serves for a bounded time. INVARIANT(vetted): the address
//! dialled is an address checked; [`VettedAddress`] comes only from [`vet`].

mod own;
mod servers;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use conf::snapshot::Dns;
use policy::destination::Reach;
use policy::refusal::{Failure, Refusal};
use tokio::sync::watch;

use own::OwnSockets;
use servers::{Found as Looked, Servers};

/// Most addresses kept of one answer.
const MAX_ADDRESSES: usize = 32;
/// An answer is kept at least this long, whatever its TTL.
const MIN_TTL: Duration = Duration::from_secs(1);
/// A failure is believed for this long.
const NEGATIVE_TTL: Duration = Duration::from_secs(5);
/// Names remembered; wildcard destinations let callers choose names.
const MAX_NAMES: usize = 10_000;

/// An address that may be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VettedAddress(SocketAddr);

impl VettedAddress {
    /// The address.
    #[must_use]
    pub fn get(self) -> SocketAddr {
        self.0
    }
}

/// Why there is no address to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAddress {
    /// Every address is forbidden.
    Refused(Refusal),
    /// The name has none, or could not be asked for.
    Failed(Failure),
}

/// Those of `addresses` that `reach` admits, in order.
///
/// # Errors
/// When there are none, or none is admitted: rebinding to a private address is
/// refused here, on every request.
pub fn vet(addresses: &[SocketAddr], reach: &Reach) -> Result<Vec<VettedAddress>, NoAddress> {
    if addresses.is_empty() {
        return Err(NoAddress::Failed(Failure::NoAddress));
    }
    let admitted = addresses.iter().filter(|a| reach.admits(a.ip()));
    let vetted: Vec<_> = admitted.copied().map(VettedAddress).collect();
    if vetted.is_empty() {
        return Err(NoAddress::Refused(Refusal::AddressDenied));
    }
    Ok(vetted)
}

/// Addresses, and how long they may be believed.
#[derive(Debug)]
pub struct Found {
    /// Not vetted yet.
    pub addresses: Vec<SocketAddr>,
    /// By their TTL.
    pub fresh_until: Instant,
}

/// See the module.
#[derive(Debug)]
pub struct Resolver {
    /// `None`: there are no servers to ask.
    servers: Option<Servers>,
    stale: Duration,
    names: Mutex<HashMap<Box<str>, Entry>>,
    own: OwnSockets,
}

#[derive(Clone, Debug)]
struct Entry {
    answer: Result<Arc<[IpAddr]>, Failure>,
    fresh_until: Instant,
    /// The last good answer and until when it may stand in.
    last_good: Option<(Arc<[IpAddr]>, Instant)>,
    /// A look-up is under way; its end is told here.
    pending: Option<watch::Receiver<()>>,
}

type Answer = Result<(Arc<[IpAddr]>, Instant), Failure>;

impl Resolver {
    /// A resolver by the operator's settings. Without servers it still serves
    /// upstreams whose addresses are given.
    #[must_use]
    pub fn new(dns: &Dns) -> Self {
        let servers = Servers::new(dns)
            .inspect_err(|error| tracing::warn!("no name can be resolved: {error}"))
            .ok();
        Self {
            servers,
            stale: dns.stale,
            names: Mutex::default(),
            own: OwnSockets::default(),
        }
    }

    /// Says which sockets are the process's own, once they are bound.
    pub(crate) fn own_sockets(&self, sockets: Vec<SocketAddr>) {
        self.own.are(sockets);
    }

    /// Those of `addresses` that do not lead back to this process.
    ///
    /// # Errors
    /// When all do.
    pub(crate) fn elsewhere(
        &self,
        addresses: Arc<[VettedAddress]>,
    ) -> Result<Arc<[VettedAddress]>, NoAddress> {
        let leads_back = |address: &VettedAddress| self.own.include(address.get());
        if !addresses.iter().any(leads_back) {
            return Ok(addresses);
        }
        let elsewhere = addresses.iter().filter(|address| !leads_back(address));
        let elsewhere: Arc<[_]> = elsewhere.copied().collect();
        match elsewhere.is_empty() {
            true => Err(NoAddress::Refused(Refusal::AddressDenied)),
            false => Ok(elsewhere),
        }
    }

    /// The addresses of `host`, with `port`.
    ///
    /// # Errors
    /// When the name cannot be resolved in time, or has no address.
    pub async fn addresses(self: &Arc<Self>, host: &str, port: u16) -> Result<Found, NoAddress> {
        if let Ok(literal) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Found {
                addresses: vec![SocketAddr::new(literal, port)],
                fresh_until: Instant::now() + NEGATIVE_TTL,
            });
        }
        let (ips, fresh_until) = self.lookup(host).await.map_err(NoAddress::Failed)?;
        Ok(Found {
            addresses: ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect(),
            fresh_until,
        })
    }

    /// One look-up at a time for a name; the others wait for its answer.
    async fn lookup(self: &Arc<Self>, name: &str) -> Answer {
        loop {
            match self.known(name) {
                Known::Fresh(answer) => return answer,
                Known::Pending(mut end) => {
                    // An error means the look-up ended without a word: look again.
                    let _ = end.changed().await;
                }
                Known::Asked(done) => {
                    let resolver = Arc::clone(self);
                    let name: Box<str> = name.into();
                    // Its own task, so that a caller who leaves abandons nobody.
                    let task = tokio::spawn(async move { resolver.ask(&name, done).await });
                    return task.await.unwrap_or(Err(Failure::Internal));
                }
            }
        }
    }

    fn known(&self, name: &str) -> Known {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(entry) = names.get(name) {
            if entry.fresh_until > now {
                return Known::Fresh(entry.answer());
            }
            if let Some(pending) = entry.asked() {
                return Known::Pending(pending.clone());
            }
        } else if names.len() >= MAX_NAMES {
            make_room(&mut names, now);
            if names.len() >= MAX_NAMES {
                return Known::Fresh(Err(Failure::Overflow));
            }
        }
        let (done, end) = watch::channel(());
        names
            .entry(name.into())
            .or_insert_with(|| Entry::asked_first(now))
            .pending = Some(end);
        Known::Asked(done)
    }

    async fn ask(&self, name: &str, done: watch::Sender<()>) -> Answer {
        let found = match &self.servers {
            Some(servers) => servers.look_up(name).await,
            None => None,
        };
        let answer = self.remember(name, found);
        drop(done);
        answer
    }

    fn remember(&self, name: &str, found: Option<Looked>) -> Answer {
        let now = Instant::now();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = names
            .entry(name.into())
            .or_insert_with(|| Entry::asked_first(now));
        entry.pending = None;
        match found {
            Some((addresses, valid_until)) if !addresses.is_empty() => {
                let addresses: Arc<[IpAddr]> = addresses.into();
                entry.fresh_until = valid_until.max(now + MIN_TTL);
                entry.last_good = Some((Arc::clone(&addresses), entry.fresh_until + self.stale));
                entry.answer = Ok(addresses);
            }
            Some(_) => {
                entry.fresh_until = now + NEGATIVE_TTL;
                entry.last_good = None;
                entry.answer = Err(Failure::NoAddress);
            }
            None => {
                entry.fresh_until = now + NEGATIVE_TTL;
                let stands_in = entry.last_good.as_ref().filter(|(_, until)| *until > now);
                entry.answer =
                    stands_in.map_or(Err(Failure::Dns), |(good, _)| Ok(Arc::clone(good)));
            }
        }
        entry.answer()
    }
}

/// Forgets what is stale; if that is not enough, half of the rest by lot, lest
/// callers who fill the table keep others from being answered. Look-ups under
/// way stay.
fn make_room(names: &mut HashMap<Box<str>, Entry>, now: Instant) {
    names.retain(|_, entry| entry.fresh_until > now || entry.asked().is_some());
    if names.len() >= MAX_NAMES {
        names.retain(|_, entry| entry.asked().is_some() || fastrand::bool());
    }
}

enum Known {
    Fresh(Answer),
    Pending(watch::Receiver<()>),
    Asked(watch::Sender<()>),
}

impl Entry {
    /// The look-up under way, if there is one.
    fn asked(&self) -> Option<&watch::Receiver<()>> {
        self.pending.as_ref().filter(|p| p.has_changed().is_ok())
    }

    fn answer(&self) -> Answer {
        self.answer.clone().map(|ips| (ips, self.fresh_until))
    }

    fn asked_first(now: Instant) -> Self {
        Self {
            answer: Err(Failure::Dns),
            fresh_until: now,
            last_good: None,
            pending: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|t| t.parse().unwrap()).collect()
    }

    #[test]
    fn only_public_addresses_of_a_mixed_answer_are_dialled() {
        let answer = addresses(&["10.0.0.1:443", "93.184.216.34:443", "[::1]:443"]);
        let vetted = vet(&answer, &Reach::default()).unwrap();
        assert_eq!(
            vetted,
            [VettedAddress("93.184.216.34:443".parse().unwrap())]
        );
    }

    #[test]
    fn an_answer_of_forbidden_addresses_is_a_refusal_and_none_a_failure() {
        let answer = addresses(&["169.254.169.254:80", "[::ffff:10.0.0.1]:80"]);
        assert_eq!(
            vet(&answer, &Reach::default()),
            Err(NoAddress::Refused(Refusal::AddressDenied))
        );
        assert_eq!(
            vet(&[], &Reach::default()),
            Err(NoAddress::Failed(Failure::NoAddress))
        );
    }

    #[test]
    fn the_operator_admits_a_range_and_refuses_another() {
        let reach = Reach {
            allowed: vec!["127.0.0.0/8".parse().unwrap()],
            denied: vec!["93.184.0.0/16".parse().unwrap()],
            ..Reach::default()
        };
        let answer = addresses(&["127.0.0.1:443", "93.184.216.34:443"]);
        let vetted = vet(&answer, &reach).unwrap();
        assert_eq!(vetted, [VettedAddress("127.0.0.1:443".parse().unwrap())]);
    }
}
