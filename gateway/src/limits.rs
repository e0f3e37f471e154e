//! How many connections there are, in all, by source and by principal, and how
//! often they come.
//!
//! Counted when a connection comes and goes, never on a request.

pub(crate) mod descriptors;
mod handshakes;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use conf::snapshot::Limits;
use policy::principal::Principal;
use policy::refusal::Refusal;

use handshakes::Handshakes;

/// The open connections of the process.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    counts: Mutex<Counts>,
    handshakes: Handshakes,
}

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    sources: HashMap<IpAddr, u32>,
    principals: HashMap<Principal, u32>,
}

/// The right to one connection; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    connections: Arc<Connections>,
    source: IpAddr,
    principal: Option<Principal>,
}

impl Connections {
    /// Lets in a connection from `source`.
    pub(crate) fn admit(
        self: &Arc<Self>,
        source: IpAddr,
        limits: &Limits,
    ) -> Result<Permit, Refusal> {
        let mut counts = self.lock();
        let from_source = counts.sources.get(&source).copied().unwrap_or(0);
        if counts.all >= limits.connections || from_source >= limits.connections_per_source {
            return Err(Refusal::TooManyConnections);
        }
        counts.all += 1;
        *counts.sources.entry(source).or_default() += 1;
        Ok(Permit {
            connections: Arc::clone(self),
            source,
            principal: None,
        })
    }

    /// How many there are.
    pub(crate) fn open(&self) -> u32 {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// The same, for a connection that begins with a TLS handshake.
    pub(crate) fn for_handshake(self, limits: &Limits) -> Result<Self, Refusal> {
        let handshakes = &self.connections.handshakes;
        match handshakes.take(self.source, limits, Instant::now()) {
            true => Ok(self),
            false => Err(Refusal::TooManyHandshakes),
        }
    }

    /// The same, once it is known who calls.
    pub(crate) fn of_principal(
        mut self,
        principal: Option<&Principal>,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let Some(principal) = principal else {
            return Ok(self);
        };
        let mut counts = self.connections.lock();
        let count = counts.principals.entry(principal.clone()).or_default();
        if *count >= limits.connections_per_principal {
            return Err(Refusal::TooManyConnections);
        }
        *count += 1;
        drop(counts);
        self.principal = Some(principal.clone());
        Ok(self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.connections.lock();
        counts.all = counts.all.saturating_sub(1);
        release(&mut counts.sources, &self.source);
        if let Some(principal) = &self.principal {
            release(&mut counts.principals, principal);
        }
    }
}

fn release<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            connections: 3,
            connections_per_source: 2,
            connections_per_principal: 1,
            ..Limits::default()
        }
    }

    #[test]
    fn counts_all_sources_and_principals() {
        let connections = Arc::new(Connections::default());
        let limits = limits();
        let (a, b): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let sleep = Principal::from_name("td/ns/default/sa/sleep").unwrap();
        let first = connections.admit(a, &limits).unwrap();
        let first = first.of_principal(Some(&sleep), &limits).unwrap();
        let second = connections.admit(a, &limits).unwrap();
        assert!(
            connections.admit(a, &limits).is_err(),
            "third of one source"
        );
        assert!(
            second.of_principal(Some(&sleep), &limits).is_err(),
            "second of one principal"
        );
        assert_eq!(connections.open(), 1);
        let _others = [connections.admit(b, &limits), connections.admit(b, &limits)];
        assert!(connections.admit(a, &limits).is_err(), "fourth of all");
        drop(first);
        assert!(connections.admit(a, &limits).is_ok());
    }
}
