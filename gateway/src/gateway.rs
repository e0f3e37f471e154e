//! What all connections share: the running snapshot and the parts that outlive
//! it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use policy::{LogFilter, Outcome, RawRequest, Tunnel};

use crate::drain::Teller;
use crate::limits::Connections;
use crate::live::Live;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::record::{Decision, Record, Reservation, Sinks};
use crate::resolve::Resolver;
use crate::upstream::Dialler;
use crate::wildcards::Wildcards;

/// See the module.
pub struct Gateway {
    live: ArcSwap<Live>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) dialler: Dialler,
    pub(crate) connections: Arc<Connections>,
    pub(crate) wildcards: Wildcards,
    pub(crate) memory: Memory,
    pub(crate) metrics: Metrics,
    pub(crate) sinks: Arc<Sinks>,
    /// What connections are told.
    pub(crate) teller: Teller,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("snapshot", &self.live().digest())
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway that runs on `live`, with `threads` worker threads.
    #[must_use]
    pub fn new(live: Live, sinks: Arc<Sinks>, threads: usize) -> Self {
        let settings = live.snapshot().settings();
        let resolver = Arc::new(Resolver::new(&settings.dns));
        let metrics = Metrics::new(&settings.gateway, SystemTime::now());
        metrics.using_snapshot(live.digest());
        let teller = Teller::default();
        teller.trust(live.trust(), || ());
        Self {
            resolver,
            metrics,
            dialler: Dialler::new(threads),
            connections: Arc::default(),
            wildcards: Wildcards::default(),
            memory: Memory::default(),
            sinks,
            teller,
            live: ArcSwap::from_pointee(live),
        }
    }

    /// What the gateway runs on now.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Whether `live` is what the gateway runs on; costs no shared counter.
    pub(crate) fn runs_on(&self, live: &Arc<Live>) -> bool {
        Arc::ptr_eq(&self.live.load(), live)
    }

    /// Replaces what the gateway runs on. Requests under way keep theirs.
    pub fn swap(&self, mut live: Live) {
        live.succeed(&self.live());
        self.metrics.using_snapshot(live.digest());
        let live = Arc::new(live);
        self.teller
            .trust(live.trust(), || self.live.store(Arc::clone(&live)));
    }

    /// One record: its lines and its metrics.
    pub(crate) fn observe(
        &self,
        record: &Record<'_>,
        raw: Option<RawRequest<'_>>,
        live: &Live,
        reservation: Option<Reservation>,
    ) {
        let admission = live.snapshot().admission();
        self.tell(record, live, reservation, |filter, outcome| {
            let raw = raw.filter(|_| filter.asks_request());
            let request = raw.and_then(|raw| admission.canonicalise(raw).ok());
            filter.selects(request.as_ref(), outcome, record)
        });
    }

    /// The same for a tunnel.
    pub(crate) fn observe_tunnel(
        &self,
        record: &Record<'_>,
        tunnel: Option<Tunnel<'_>>,
        live: &Live,
        reservation: Option<Reservation>,
    ) {
        self.tell(record, live, reservation, |filter, outcome| {
            filter.selects_tunnel(tunnel.as_ref(), outcome, record)
        });
    }

    /// Of a tunnel that is still open, between two ages of it; `None`: its
    /// beginning, which no log tells.
    pub(crate) fn observe_open_tunnel(
        &self,
        record: &Record<'_>,
        tunnel: Option<Tunnel<'_>>,
        live: &Live,
        ages: Option<(Duration, Duration)>,
    ) {
        self.metrics.observe(record);
        let Some(ages) = ages else { return };
        let outcome = outcome(record);
        live.loggers().write_open(record, ages, |filter| {
            filter.selects_tunnel(tunnel.as_ref(), outcome, record)
        });
    }

    fn tell(
        &self,
        record: &Record<'_>,
        live: &Live,
        reservation: Option<Reservation>,
        selects: impl Fn(&LogFilter, Outcome) -> bool,
    ) {
        self.metrics.observe(record);
        let outcome = outcome(record);
        let selects = |filter: &LogFilter| selects(filter, outcome);
        match reservation {
            None => live.loggers().write(record, selects),
            Some(room) => live.loggers().write_reserved(room, record, selects),
        }
    }
}

/// What filters of logs ask of an attempt.
fn outcome(record: &Record<'_>) -> Outcome {
    Outcome {
        status: record.response_code,
        allowed: record.decision == Decision::Allow,
        shadow_denied: record.shadow_rule.is_some(),
        audited: record.audit_rule.is_some(),
    }
}
