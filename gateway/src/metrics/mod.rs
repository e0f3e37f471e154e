//! Metrics: Istio's own, with its names, labels and buckets, so that its
//! dashboards go on working; and `egret_*`, which say what Istio's cannot: who
//! called, and which rule decided.
//!
//! The request path takes no lock and allocates nothing (see `family`).

mod exposition;
mod family;
mod histogram;
mod render;
mod upstreams;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use conf::snapshot::GatewayName;
use http::StatusCode;

use crate::record::{Decision, Record, TunnelPart};
use family::{Family, Key, Share};
use histogram::{Count, Histogram};

pub use render::CONTENT_TYPE;
pub use upstreams::UpstreamState;

/// Bound on Istio's series: each is three histograms, 67 lines of a scrape.
const EXCHANGES: usize = 2_000;
/// Of one destination: an origin chooses among statuses.
const OF_DESTINATION: usize = 100;
/// Bound on series of one line.
const COUNTERS: usize = 10_000;

/// The last status a gRPC server may send; what is beyond is `UNKNOWN`, as
/// gRPC's own libraries read it.
const GRPC_LAST: u16 = 16;
const GRPC_UNKNOWN: u16 = 2;

/// Istio's word for what it does not know.
const UNKNOWN: &str = "unknown";

/// How a reload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The new configuration is in use.
    Applied,
    /// It has problems; the last good one goes on.
    Refused,
}

/// Every metric of the process.
#[derive(Debug)]
pub struct Metrics {
    /// Tells this registry's shares from those of another one in one thread.
    id: u64,
    gateway: GatewayName,
    started: SystemTime,
    exchanges: Family<Exchange>,
    tunnels: Family<Tunnels>,
    attempts: Family<Count>,
    failures: Family<Count>,
    handshakes: Family<Count>,
    cuts: Family<Count>,
    authorisations: Family<Count>,
    connections: Arc<AtomicU64>,
    websockets: Arc<AtomicU64>,
    websockets_opened: AtomicU64,
    upstream_connections: AtomicU64,
    reloads_applied: AtomicU64,
    reloads_refused: AtomicU64,
    memory: MemorySeen,
    snapshot: Mutex<Box<str>>,
    lists: Mutex<BTreeMap<Box<str>, List>>,
}

/// What was last seen of the process's memory.
#[derive(Debug, Default)]
struct MemorySeen {
    resident: AtomicU64,
    /// 0: none is known.
    limit: AtomicU64,
    pressure: AtomicU64,
}

/// How a remote list fares.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    last_success: Option<SystemTime>,
    failures: u64,
}

/// What Istio measures of an exchange. Its number of requests is the number of
/// durations.
#[derive(Debug, Default)]
struct Exchange {
    duration: Histogram,
    request_bytes: Histogram,
    response_bytes: Histogram,
}

/// What Istio measures of connections it does not look into, at their beginning,
/// every now and then, and at their end.
#[derive(Debug, Default)]
struct Tunnels {
    begun: Count,
    ended: Count,
    received: Count,
    sent: Count,
}

/// One thread's share of all families.
#[derive(Debug, Default)]
struct Shares {
    key: Key,
    exchanges: Share<Exchange>,
    tunnels: Share<Tunnels>,
    attempts: Share<Count>,
    failures: Share<Count>,
    handshakes: Share<Count>,
    cuts: Share<Count>,
    authorisations: Share<Count>,
}

thread_local! {
    static SHARES: RefCell<Vec<(u64, Shares)>> = const { RefCell::new(Vec::new()) };
}

/// Something that is open, such as a downstream connection; no longer when this
/// is dropped.
#[derive(Debug)]
#[must_use]
pub struct Open(Arc<AtomicU64>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// The metrics of a process that started at `started`.
    #[must_use]
    pub fn new(gateway: &GatewayName, started: SystemTime) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            gateway: gateway.clone(),
            started,
            exchanges: Family::bounded(EXCHANGES, OF_DESTINATION),
            tunnels: Family::new(COUNTERS),
            attempts: Family::new(COUNTERS),
            failures: Family::new(COUNTERS),
            handshakes: Family::new(COUNTERS),
            cuts: Family::new(COUNTERS),
            authorisations: Family::new(COUNTERS),
            connections: Arc::default(),
            websockets: Arc::default(),
            websockets_opened: AtomicU64::new(0),
            upstream_connections: AtomicU64::new(0),
            reloads_applied: AtomicU64::new(0),
            reloads_refused: AtomicU64::new(0),
            memory: MemorySeen::default(),
            snapshot: Mutex::default(),
            lists: Mutex::default(),
        }
    }

    /// Counts an attempt.
    pub fn observe(&self, record: &Record<'_>) {
        // Fails only in a thread that is ending.
        let _ = SHARES.try_with(|shares| {
            let Ok(mut shares) = shares.try_borrow_mut() else {
                return;
            };
            if let Some(own) = self.own(&mut shares) {
                self.observe_in(own, record);
            }
        });
    }

    /// Counts a downstream connection as open, until the answer is dropped.
    pub fn connection_opened(&self) -> Open {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(&self.connections))
    }

    /// Counts a WebSocket as open, until the answer is dropped.
    pub fn websocket_opened(&self) -> Open {
        self.websockets_opened.fetch_add(1, Ordering::Relaxed);
        self.websockets.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(&self.websockets))
    }

    /// Counts a connection made to an upstream.
    pub fn upstream_connected(&self) {
        self.upstream_connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a reload.
    pub fn reloaded(&self, how: Reload) {
        match how {
            Reload::Applied => self.reloads_applied.fetch_add(1, Ordering::Relaxed),
            Reload::Refused => self.reloads_refused.fetch_add(1, Ordering::Relaxed),
        };
    }

    /// Says how much memory is held, how much may be, and what follows: 0,
    /// nothing; 1, requests are refused; 2, connections are, too.
    pub fn memory_seen(&self, resident: u64, limit: Option<u64>, pressure: u8) {
        let set = |number: &AtomicU64, value| number.store(value, Ordering::Relaxed);
        set(&self.memory.resident, resident);
        set(&self.memory.limit, limit.unwrap_or(0));
        set(&self.memory.pressure, pressure.into());
    }

    /// Says which snapshot is in use.
    pub fn using_snapshot(&self, digest: &str) {
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = digest.into();
    }

    /// A remote list was fetched, or found to be what it was.
    pub fn list_fetched(&self, name: &str, when: SystemTime) {
        self.of_list(name, |list| list.last_success = Some(when));
    }

    /// A remote list could not be fetched, or what was fetched is no good.
    pub fn list_failed(&self, name: &str) {
        self.of_list(name, |list| list.failures = list.failures.saturating_add(1));
    }

    /// Forgets all lists but these.
    pub fn using_lists<'n>(&self, names: impl Iterator<Item = &'n str>) {
        let names: BTreeSet<_> = names.collect();
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|name, _| names.contains(&**name));
    }

    fn of_list(&self, name: &str, change: impl FnOnce(&mut List)) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        change(lists.entry(name.into()).or_default());
    }

    /// This registry's share in this thread.
    fn own<'s>(&self, shares: &'s mut Vec<(u64, Shares)>) -> Option<&'s mut Shares> {
        if !shares.iter().any(|(id, _)| *id == self.id) {
            shares.push((self.id, Shares::default()));
        }
        shares
            .iter_mut()
            .find(|(id, _)| *id == self.id)
            .map(|(_, shares)| shares)
    }

    fn observe_in(&self, shares: &mut Shares, record: &Record<'_>) {
        if let Some(part) = record.tunnel {
            return self.observe_tunnel(shares, record, part);
        }
        match record.refusal {
            Some(reason) if record.is_cut => {
                shares.key.begin().text(caller(record)).text(reason);
                shares
                    .cuts
                    .of(&self.cuts, &shares.key, |count| count.add(1));
            }
            // There was no request yet, and no answer.
            Some(reason) if record.protocol.is_none() && record.response_code == 0 => {
                shares.key.begin().text(reason);
                shares
                    .handshakes
                    .of(&self.handshakes, &shares.key, |count| count.add(1));
            }
            _ => self.observe_request(shares, record),
        }
    }

    fn observe_request(&self, shares: &mut Shares, record: &Record<'_>) {
        exchange_key(&mut shares.key, record);
        shares
            .exchanges
            .of(&self.exchanges, &shares.key, |exchange| {
                exchange.add(record)
            });
        self.observe_attempt(shares, record);
    }

    fn observe_tunnel(&self, shares: &mut Shares, record: &Record<'_>, part: TunnelPart) {
        if record.decision == Decision::Allow {
            let key = shares.key.begin().text(destination(record));
            key.text(&record.response_flags);
            shares.tunnels.of(&self.tunnels, &shares.key, |tunnels| {
                tunnels.begun.add(part.begins.into());
                tunnels.ended.add(part.ends.into());
                tunnels.received.add(part.received);
                tunnels.sent.add(part.sent);
            });
        }
        if part.ends {
            self.observe_attempt(shares, record);
        }
    }

    fn observe_attempt(&self, shares: &mut Shares, record: &Record<'_>) {
        attempt_key(&mut shares.key, record);
        shares
            .attempts
            .of(&self.attempts, &shares.key, |count| count.add(1));
        if let Some(failure) = record.failure {
            shares.key.begin().text(destination(record)).text(failure);
            shares
                .failures
                .of(&self.failures, &shares.key, |count| count.add(1));
        }
        if let Some(said) = record.authoriser {
            shares
                .key
                .begin()
                .text(said.authoriser)
                .text(said.verdict());
            shares
                .authorisations
                .of(&self.authorisations, &shares.key, |count| count.add(1));
        }
    }
}

impl Exchange {
    fn add(&self, record: &Record<'_>) {
        let micros = u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX);
        self.duration.observe(micros);
        self.request_bytes
            .observe(record.request_bytes.saturating_mul(1000));
        self.response_bytes
            .observe(record.response_bytes.saturating_mul(1000));
    }
}

/// `destination_service`, `request_protocol`, `response_code`,
/// `grpc_response_status`, `response_flags`.
fn exchange_key(key: &mut Key, record: &Record<'_>) {
    key.begin()
        .text(destination(record))
        .text(if record.grpc { "grpc" } else { "http" });
    status(key, record.response_code);
    match record.grpc_status {
        Some(status @ ..=GRPC_LAST) => key.number(status.into()),
        Some(_) => key.number(GRPC_UNKNOWN.into()),
        None => key.text(""),
    };
    key.text(&record.response_flags);
}

/// `source_principal`, `destination`, `decision`, `rule`, `refusal`,
/// `response_code`.
fn attempt_key(key: &mut Key, record: &Record<'_>) {
    key.begin()
        .text(caller(record))
        .text(destination(record))
        .text(record.decision.as_str())
        .text(record.rule.map_or("", |rule| rule.name))
        .text(record.refusal.unwrap_or(""));
    status(key, record.response_code);
}

/// A status that somebody has given a meaning, 0 (none) among them. Origins may
/// answer with any number: of the others only the class is told.
fn status(key: &mut Key, code: u16) {
    let registered = StatusCode::from_u16(code).is_ok_and(|c| c.canonical_reason().is_some());
    match code {
        // Those of nginx and of Cloudflare.
        0 | 499 | 520..=530 => key.number(code.into()),
        _ if registered => key.number(code.into()),
        100..200 => key.text("1xx"),
        200..300 => key.text("2xx"),
        300..400 => key.text("3xx"),
        400..500 => key.text("4xx"),
        500..600 => key.text("5xx"),
        _ => key.text("other"),
    };
}

fn caller<'r>(record: &Record<'r>) -> &'r str {
    let principal = record.source_principal;
    principal.map_or(UNKNOWN, |principal| principal.as_str())
}

/// The destination as configured, never as a caller spelt it.
fn destination<'r>(record: &Record<'r>) -> &'r str {
    record.destination.unwrap_or(UNKNOWN)
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
