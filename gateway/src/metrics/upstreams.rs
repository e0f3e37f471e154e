//! What is told of upstreams that are bounded, or whose addresses are watched. It
//! is read at a scrape; nothing is counted here.

use std::collections::BTreeMap;

use super::exposition::{Exposition, Kind, Labels};

/// An upstream at a scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpstreamState {
    /// Connections open to it.
    pub connections: u64,
    /// Requests that wait for one.
    pub pending: u64,
    /// Requests under way.
    pub requests: u64,
    /// Requests refused because a bound was reached.
    pub overflows: u64,
    /// Addresses left out now.
    pub ejected: u64,
    /// How often one has been.
    pub ejections: u64,
}

/// A series: its name, kind and help, and what it reads.
type Series = (&'static str, Kind, &'static str, fn(&UpstreamState) -> u64);

const SERIES: [Series; 6] = [
    (
        "egret_upstream_open_connections",
        Kind::Gauge,
        "Open connections to bounded upstreams.",
        |state| state.connections,
    ),
    (
        "egret_upstream_pending_requests",
        Kind::Gauge,
        "Requests that wait for a connection to a bounded upstream.",
        |state| state.pending,
    ),
    (
        "egret_upstream_active_requests",
        Kind::Gauge,
        "Requests under way to bounded upstreams.",
        |state| state.requests,
    ),
    (
        "egret_upstream_overflows_total",
        Kind::Counter,
        "Requests and tunnels refused because a bound of their upstream was reached.",
        |state| state.overflows,
    ),
    (
        "egret_upstream_ejected_addresses",
        Kind::Gauge,
        "Addresses of upstreams left out now because they failed.",
        |state| state.ejected,
    ),
    (
        "egret_upstream_ejections_total",
        Kind::Counter,
        "How often an address was left out.",
        |state| state.ejections,
    ),
];

/// Where there is none of them, nothing is told. Upstreams of one name are told
/// together.
pub(super) fn upstreams(
    out: &mut Exposition<'_>,
    states: impl IntoIterator<Item = (String, UpstreamState)>,
) {
    let mut all: BTreeMap<String, UpstreamState> = BTreeMap::new();
    for (name, state) in states {
        all.entry(name).or_default().add(state);
    }
    if all.is_empty() {
        return;
    }
    for (name, kind, help, of) in SERIES {
        out.metric(name, kind, help);
        for (cluster, state) in &all {
            let labels = Labels::of(&[("upstream_cluster", cluster.as_bytes())]);
            out.sample(name, &labels, of(state));
        }
    }
}

impl UpstreamState {
    fn add(&mut self, other: Self) {
        let Self {
            connections,
            pending,
            requests,
            overflows,
            ejected,
            ejections,
        } = self;
        for (sum, more) in [
            (connections, other.connections),
            (pending, other.pending),
            (requests, other.requests),
            (overflows, other.overflows),
            (ejected, other.ejected),
            (ejections, other.ejections),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}
