//! Addresses that fail are left out for a while (outlier detection, after Envoy's).
//!
//! What is known is kept by address, so that it outlives an answer of DNS, and of
//! addresses that have failed alone: while none has, a success costs one load.
//! While none is left out, a choice of addresses costs one load too.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwap;
use policy::destination::Outlier;
use policy::refusal::Failure;

use crate::metrics::UpstreamState;
use crate::resolve::VettedAddress;

/// Addresses of one upstream that are remembered: a wildcard's callers choose
/// names, and origins their addresses.
const MOST: usize = 128;

/// How an attempt ended, as far as its address is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An answer of this status.
    Answer(u16),
    /// The connection stood, and there was no whole answer.
    NoAnswer,
    /// No connection.
    NoConnection,
    /// No connection, or no answer, in time.
    TooLate,
    /// A connection.
    Connected,
    /// A tunnel.
    Open,
}

/// The addresses of an upstream.
#[derive(Debug)]
pub(super) struct Outliers {
    policy: Outlier,
    known: Arc<Known>,
}

/// What is known of them; outlives a reload.
#[derive(Debug, Default)]
struct Known {
    troubled: ArcSwap<Vec<Arc<Address>>>,
    /// How many are left out, or were when somebody last looked.
    out: AtomicU32,
    ejections: AtomicU64,
}

#[derive(Debug)]
struct Address {
    /// For a wildcard the name: one name's failures are not another's.
    name: Box<str>,
    address: SocketAddr,
    server_errors: AtomicU32,
    gateway_errors: AtomicU32,
    local_failures: AtomicU32,
    /// Until when it is left out; 0: it is not.
    until: AtomicU64,
    /// Until when it was last.
    last: AtomicU64,
    /// How often, less one for every interval since.
    times: AtomicU32,
}

impl Outliers {
    pub(super) fn new(policy: Outlier) -> Self {
        Self {
            policy,
            known: Arc::default(),
        }
    }

    /// Goes on with what another one knows.
    pub(super) fn succeed(&mut self, before: &Self) {
        self.known = Arc::clone(&before.known);
    }

    /// Those of `name`'s addresses that are not left out; all, where too few would
    /// be left to bear what comes.
    pub(super) fn left(
        &self,
        name: &str,
        addresses: Arc<[VettedAddress]>,
    ) -> Result<Arc<[VettedAddress]>, Failure> {
        if self.known.out.load(Ordering::Relaxed) == 0 {
            return Ok(addresses);
        }
        let (troubled, now) = (self.known.troubled.load(), now());
        // Each is looked at, since one that DNS names no more would never come back.
        let out: Vec<_> = troubled.iter().filter(|a| self.is_out(a, now)).collect();
        let is_in = |address: &&VettedAddress| !out.iter().any(|a| a.is(name, address.get()));
        let left: Vec<VettedAddress> = addresses.iter().filter(is_in).copied().collect();
        let is_below = |percent: u8| left.len() * 100 < usize::from(percent) * addresses.len();
        match left.len() {
            all if all == addresses.len() => Ok(addresses),
            _ if is_below(self.policy.min_healthy) => Ok(addresses),
            0 => Err(Failure::Ejected),
            _ => Ok(left.into()),
        }
    }

    /// Notes how an attempt ended at one of `choice` addresses of `name`.
    pub(super) fn observe(&self, name: &str, address: SocketAddr, outcome: Outcome, choice: usize) {
        let troubled = self.known.troubled.load();
        let known = troubled.iter().find(|a| a.is(name, address));
        match known {
            Some(known) => self.count(known, outcome, choice),
            None if self.is_failure(outcome) => {
                if let Some(new) = self.remember(name, address) {
                    self.count(&new, outcome, choice);
                }
            }
            None => {}
        }
    }

    /// The numbers as they are now.
    pub(super) fn tell(&self, state: &mut UpstreamState) {
        let (troubled, now) = (self.known.troubled.load(), now());
        let is_out = |address: &&Arc<Address>| address.until.load(Ordering::Relaxed) > now;
        let out = troubled.iter().filter(is_out).count();
        state.ejected = u64::try_from(out).unwrap_or(u64::MAX);
        state.ejections = self.known.ejections.load(Ordering::Relaxed);
    }

    fn is_failure(&self, outcome: Outcome) -> bool {
        !matches!(
            outcome,
            Outcome::Answer(..500) | Outcome::Connected | Outcome::Open
        )
    }

    /// What is not known yet; nothing where there is no room.
    fn remember(&self, name: &str, address: SocketAddr) -> Option<Arc<Address>> {
        let new = Arc::new(Address::new(name, address));
        self.known.troubled.rcu(|all| {
            let mut all = Vec::clone(all);
            if all.iter().any(|a| a.is(name, address)) {
                return all;
            }
            if all.len() >= MOST {
                // The one known longest that is not left out.
                let expendable = all
                    .iter()
                    .position(|a| a.until.load(Ordering::Relaxed) == 0);
                match expendable {
                    Some(place) => drop(all.remove(place)),
                    None => return all,
                }
            }
            all.push(Arc::clone(&new));
            all
        });
        let troubled = self.known.troubled.load();
        troubled.iter().find(|a| a.is(name, address)).cloned()
    }

    fn count(&self, address: &Address, outcome: Outcome, choice: usize) {
        let one_more = |counter: &AtomicU32| counter.fetch_add(1, Ordering::Relaxed) + 1;
        let none = |counter: &AtomicU32| {
            // Most of the time it is none: then nobody writes what others read.
            if counter.load(Ordering::Relaxed) > 0 {
                counter.store(0, Ordering::Relaxed);
            }
            0
        };
        let is_split = self.policy.local_failures.is_some();
        let status = match outcome {
            Outcome::NoConnection | Outcome::TooLate if is_split => {
                let failures = one_more(&address.local_failures);
                if self
                    .policy
                    .local_failures
                    .is_some_and(|most| failures >= most.get())
                {
                    self.eject(address, choice, "local failures");
                }
                return;
            }
            Outcome::Connected => {
                none(&address.local_failures);
                return;
            }
            Outcome::Open => 0,
            Outcome::Answer(status) => status,
            Outcome::NoAnswer => 500,
            Outcome::NoConnection => 503,
            Outcome::TooLate => 504,
        };
        none(&address.local_failures);
        let server_errors = match status {
            500.. => one_more(&address.server_errors),
            _ => none(&address.server_errors),
        };
        let gateway_errors = match status {
            502..=504 => one_more(&address.gateway_errors),
            _ => none(&address.gateway_errors),
        };
        let is_reached = |most: Option<std::num::NonZeroU32>, errors: u32| {
            most.is_some_and(|most| errors >= most.get())
        };
        if is_reached(self.policy.gateway_errors, gateway_errors) {
            self.eject(address, choice, "errors of gateways");
        } else if is_reached(self.policy.server_errors, server_errors) {
            self.eject(address, choice, "errors of the server");
        }
    }

    fn eject(&self, address: &Address, choice: usize, why: &'static str) {
        let now = now();
        if address.until.load(Ordering::Relaxed) > now || !self.may_eject(address, choice, now) {
            return;
        }
        let times = address.next_times(now, millis(self.policy.interval));
        let longest = Outlier::LONGEST.max(self.policy.ejection);
        let time = self.policy.ejection.saturating_mul(times).min(longest);
        let until = now.saturating_add(millis(time));
        // Of several who count the last failure, one does it.
        let was = address.until.swap(until, Ordering::Relaxed);
        if was > now {
            return;
        }
        if was == 0 {
            self.known.out.fetch_add(1, Ordering::Relaxed);
        }
        address.times.store(times, Ordering::Relaxed);
        address.last.store(until, Ordering::Relaxed);
        address.forget_errors();
        self.known.ejections.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            event = "ejected",
            upstream = &*address.name,
            address = %address.address,
            seconds = time.as_secs_f64(),
            "address left out after {why} in a row"
        );
    }

    /// Whether the share of those left out allows for one more, as Envoy counts
    /// it: of those that are, without it.
    fn may_eject(&self, address: &Address, choice: usize, now: u64) -> bool {
        let troubled = self.known.troubled.load();
        let is_out = |other: &&Arc<Address>| {
            other.name == address.name && other.until.load(Ordering::Relaxed) > now
        };
        let out = troubled.iter().filter(is_out).count();
        let all = out.saturating_add(choice).max(1);
        out * 100 < usize::from(self.policy.max_ejected) * all
    }

    /// Whether it is left out; one whose time is over comes back.
    fn is_out(&self, address: &Address, now: u64) -> bool {
        let until = address.until.load(Ordering::Relaxed);
        if until == 0 || until > now {
            return until > now;
        }
        let back = address
            .until
            .compare_exchange(until, 0, Ordering::Relaxed, Ordering::Relaxed);
        if back.is_ok() {
            self.known.out.fetch_sub(1, Ordering::Relaxed);
            address.forget_errors();
            tracing::info!(
                event = "returned",
                upstream = &*address.name,
                address = %address.address,
                "address is used again"
            );
        }
        false
    }
}

impl Address {
    fn new(name: &str, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            address,
            server_errors: AtomicU32::new(0),
            gateway_errors: AtomicU32::new(0),
            local_failures: AtomicU32::new(0),
            until: AtomicU64::new(0),
            last: AtomicU64::new(0),
            times: AtomicU32::new(0),
        }
    }

    fn is(&self, name: &str, address: SocketAddr) -> bool {
        self.address == address && *self.name == *name
    }

    fn forget_errors(&self) {
        for counter in [
            &self.server_errors,
            &self.gateway_errors,
            &self.local_failures,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// How often it has been left out, this time included; each interval since the
    /// last time takes one away.
    fn next_times(&self, now: u64, interval: u64) -> u32 {
        let quiet = now.saturating_sub(self.last.load(Ordering::Relaxed));
        let intervals = quiet.checked_div(interval).unwrap_or(0);
        let intervals = u32::try_from(intervals).unwrap_or(u32::MAX);
        let times = self.times.load(Ordering::Relaxed);
        times.saturating_sub(intervals).saturating_add(1)
    }
}

/// Milliseconds since the first call, and one.
fn now() -> u64 {
    static BASE: OnceLock<Instant> = OnceLock::new();
    millis(BASE.get_or_init(Instant::now).elapsed()).saturating_add(1)
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "outliers_tests.rs"]
mod tests;
