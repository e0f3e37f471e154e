//! What is known of a tunnel so far; at its end, the record.

use std::net::SocketAddr;
use std::sync::Arc;

use policy::door::Door;
use policy::refusal::{Failure, Refusal};
use policy::{Marks, RawTunnel, RuleId, Tunnel, TunnelPlan};

use super::relay::{End, Traffic};
use crate::clock::Moment;
use crate::connection::Connection;
use crate::live::Seen;
use crate::record::{Decision, Record, Reservation, RuleName};

/// Envoy's word for a session of TCP that was idle for too long.
const IDLE: &str = "tcp_session_idle_timeout";
/// Ours for one that outlived the process.
const DRAINED: &str = "drained";

/// See the module.
pub(super) struct Trace<'c> {
    pub(super) connection: &'c Connection,
    pub(super) seen: Arc<Seen>,
    pub(super) begun: Moment,
    pub(super) traffic: Traffic,
    pub(super) upstream: Option<SocketAddr>,
    pub(super) upstream_local: Option<SocketAddr>,
    pub(super) cluster: Option<String>,
    pub(super) transport_failure: Option<String>,
    plan: Option<TunnelPlan>,
    asked: Option<(Box<str>, Door)>,
    rule: Option<RuleId>,
    marks: Marks,
    refusal: Option<Refusal>,
    failure: Option<Failure>,
    details: Option<&'static str>,
    /// Room in logs that would rather refuse than drop.
    reservation: Option<Reservation>,
    closed: bool,
}

impl<'c> Trace<'c> {
    pub(super) fn new(connection: &'c Connection, begun: Moment) -> Self {
        Self {
            connection,
            seen: connection.seen(),
            begun,
            traffic: Traffic::new(),
            upstream: None,
            upstream_local: None,
            cluster: None,
            transport_failure: None,
            plan: None,
            asked: None,
            rule: None,
            marks: Marks::default(),
            refusal: None,
            failure: None,
            details: None,
            reservation: None,
            closed: false,
        }
    }

    /// Makes sure that what passes can be recorded.
    pub(super) fn reserve(&mut self) -> Result<(), Refusal> {
        let room = self.seen.live.loggers().reserve();
        self.reservation = Some(room.map_err(|_| Refusal::LogUnavailable)?);
        Ok(())
    }

    pub(super) fn asked(&mut self, tunnel: &Tunnel<'_>) {
        self.asked = Some((tunnel.host().into(), tunnel.door()));
    }

    pub(super) fn marked(&mut self, rule: Option<RuleId>, marks: Marks) {
        self.rule = rule;
        self.marks = marks;
    }

    pub(super) fn admitted(&mut self, tunnel: &Tunnel<'_>, plan: TunnelPlan) {
        self.asked(tunnel);
        self.marked(plan.grant().rule(), plan.grant().marks());
        self.plan = Some(plan);
    }

    pub(super) fn refused(&mut self, refusal: Refusal) {
        self.refusal = Some(refusal);
        self.details = Some(refusal.details());
    }

    pub(super) fn failed(&mut self, failure: Failure) {
        self.failure = Some(failure);
        self.details = Some(failure.details());
    }

    pub(super) fn ended(&mut self, end: End) {
        match end {
            End::Finished => {}
            End::Idle => self.details = Some(IDLE),
            End::Broken(failure) => self.failed(failure),
        }
    }

    /// Ends the tunnel: one line, one set of metrics.
    pub(super) fn close(mut self) {
        self.tell();
    }

    fn tell(&mut self) {
        if self.closed {
            return;
        }
        self.closed = true;
        let reservation = self.reservation.take();
        let live = &self.seen.live;
        let mut record = self.connection.record(live, self.begun);
        self.fill(&mut record);
        let gateway = &self.connection.gateway;
        let raw = raw(self.connection, &self.seen, self.begun);
        gateway.observe_tunnel(&record, raw, live, reservation);
    }

    fn fill<'a>(&'a self, record: &mut Record<'a>) {
        let admission = self.seen.live.snapshot().admission();
        let rule = |id: RuleId| {
            admission.rule(id).map(|rule| RuleName {
                name: &rule.name,
                origin: &rule.origin,
            })
        };
        record.is_tunnel = true;
        record.host = self.asked.as_ref().map(|(host, _)| &**host);
        record.rule = self.rule.and_then(rule);
        record.shadow_rule = self.marks.shadow.and_then(rule);
        record.audit_rule = self.marks.audit.and_then(rule);
        record.refusal = self.refusal.map(Refusal::code);
        record.failure = self.failure.map(Failure::code);
        record.decision = match self.refusal {
            None => Decision::Allow,
            Some(Refusal::Denied | Refusal::NotAllowed) => Decision::Deny,
            Some(_) => Decision::Refuse,
        };
        record.response_flags = match (self.refusal, self.failure) {
            (Some(refusal), _) => refusal.flags().into(),
            (None, Some(failure)) => failure.flags().into(),
            (None, None) => "-".into(),
        };
        record.response_code_details = self.details.map(Into::into);
        record.connection_termination_details = self.details.map(Into::into);
        record.bytes_received = self.traffic.up();
        record.bytes_sent = self.traffic.down();
        record.upstream_host = self.upstream;
        record.upstream_local_address = self.upstream_local;
        record.upstream_cluster = self.cluster.as_deref().map(Into::into);
        record.upstream_transport_failure_reason =
            self.transport_failure.as_deref().map(Into::into);
        let passage = match (self.plan, &self.asked) {
            (Some(plan), _) => admission.passage(plan.passage()),
            // What policy refuses has no plan; its name tells the passage.
            (None, Some((host, door))) => admission.find_passage(host, *door),
            (None, None) => None,
        };
        record.destination = passage.map(|passage| &*passage.name);
    }
}

/// Dropped before its end: the process ends while the tunnel is open, or a
/// panic has passed. It is recorded like every other.
impl Drop for Trace<'_> {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        if std::thread::panicking() {
            self.failed(Failure::Internal);
        } else {
            self.details = Some(DRAINED);
        }
        self.tell();
    }
}

/// What is asked of policy, and of the filters of logs.
pub(super) fn raw<'a>(connection: &'a Connection, seen: &'a Seen, begun: Moment) -> RawTunnel<'a> {
    RawTunnel {
        server_name: connection
            .requested_server_name
            .as_deref()
            .unwrap_or_default(),
        caller: &seen.caller,
        view: connection.listener.view,
        port: connection.listener.port,
        time: begun.nanos,
    }
}
