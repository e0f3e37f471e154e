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

/// Handshakes of one source that may be under way where memory is tight: of whoever
/// shows certificates, and not yet that they are his own, each holds 250 KiB at most.
const HANDSHAKES_WHEN_TIGHT: u32 = 128;

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
    /// Of those, in their handshake.
    handshakes: HashMap<IpAddr, u32>,
    principals: HashMap<Principal, u32>,
}

/// The right to one connection; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    connections: Arc<Connections>,
    /// `None`: a peer that brings those of many others.
    source: Option<IpAddr>,
    /// Whose handshake is under way.
    handshake: Option<IpAddr>,
    principal: Option<Principal>,
}

impl Connections {
    /// Lets in a connection from `source`.
    pub(crate) fn admit(
        self: &Arc<Self>,
        source: IpAddr,
        limits: &Limits,
    ) -> Result<Permit, Refusal> {
        self.admit_peer(limits)?.of_source(source, limits)
    }

    /// Lets in a connection of a peer who will say whose it is.
    pub(crate) fn admit_peer(self: &Arc<Self>, limits: &Limits) -> Result<Permit, Refusal> {
        let mut counts = self.lock();
        if counts.all >= limits.connections {
            return Err(Refusal::TooManyConnections);
        }
        counts.all += 1;
        Ok(Permit {
            connections: Arc::clone(self),
            source: None,
            handshake: None,
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
    /// The same, once it is known where it comes from.
    pub(crate) fn of_source(mut self, source: IpAddr, limits: &Limits) -> Result<Self, Refusal> {
        let mut counts = self.connections.lock();
        let count = counts.sources.entry(source).or_default();
        if *count >= limits.connections_per_source {
            return Err(Refusal::TooManyConnections);
        }
        *count += 1;
        drop(counts);
        self.source = Some(source);
        Ok(self)
    }

    /// The same, for a connection that begins with a TLS handshake.
    pub(crate) fn for_handshake(mut self, limits: &Limits, tight: bool) -> Result<Self, Refusal> {
        let Some(source) = self.source.map(handshakes::network) else {
            return Ok(self);
        };
        let handshakes = &self.connections.handshakes;
        if !handshakes.take(source, limits, Instant::now()) {
            return Err(Refusal::TooManyHandshakes);
        }
        let mut counts = self.connections.lock();
        let count = counts.handshakes.entry(source).or_default();
        if tight && *count >= HANDSHAKES_WHEN_TIGHT {
            return Err(Refusal::TooManyHandshakes);
        }
        *count += 1;
        drop(counts);
        self.handshake = Some(source);
        Ok(self)
    }

    /// Its handshake is over.
    pub(crate) fn shaken(&mut self) {
        if let Some(source) = self.handshake.take() {
            release(&mut self.connections.lock().handshakes, &source);
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
        self.shaken();
        let mut counts = self.connections.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(source) = &self.source {
            release(&mut counts.sources, source);
        }
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

    #[test]
    fn a_source_has_few_handshakes_under_way_where_memory_is_tight() {
        let connections = Arc::new(Connections::default());
        let limits = Limits::default();
        let begin = |source: [u8; 4], tight| {
            let permit = connections.admit(source.into(), &limits)?;
            permit.for_handshake(&limits, tight)
        };
        let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let mut under_way: Vec<_> = (0..HANDSHAKES_WHEN_TIGHT)
            .map(|_| begin(a, false).unwrap())
            .collect();
        assert!(begin(a, true).is_err());
        assert!(begin(a, false).is_ok() && begin(b, true).is_ok());
        under_way[0].shaken();
        assert!(begin(a, true).is_ok(), "and over with");
        let _again = begin(a, true).unwrap();
        assert!(begin(a, true).is_err());
        drop(under_way);
        assert!(begin(a, true).is_ok());
    }
}
