//! What is known of a tunnel so far; at its end, the record.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use policy::door::Door;
use policy::refusal::{Failure, Refusal};
use policy::rule::Effect;
use policy::{Marks, RawTunnel, RuleId, To, Tunnel, TunnelPlan};
use tokio::time::{Instant, interval_at};

use super::Stop;
use crate::clock::Moment;
use crate::connection::Connection;
use crate::intake::proxy::Connect;
use crate::live::Seen;
use crate::record::{Decision, Record, Reservation, RuleName, TunnelPart};
use crate::relay::{End, Traffic};
use crate::reply::Reply;

/// Envoy's word for a session of TCP that was idle for too long.
const IDLE: &str = "tcp_session_idle_timeout";
/// Envoy's word for one that stood too long, and its flags.
const EXPIRED: &str = "max_connection_duration_reached";
const DURATION_TIMEOUT: &str = "DT";
/// Ours for one that is still open.
const OPEN: &str = "tunnel_open";
/// Istio's time between two reports of a connection it does not look into.
const REPORT: Duration = Duration::from_secs(5);
/// Ours for one that outlived the process.
const DRAINED: &str = "drained";

/// What policy was asked about.
struct Asked {
    host: Box<str>,
    door: Door,
    by: By,
}

/// By what the tunnel goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Name,
    Port,
    Authority,
}

/// See the module.
pub(super) struct Trace<'c> {
    pub(super) connection: &'c Connection,
    pub(super) seen: Arc<Seen>,
    pub(super) begun: Moment,
    pub(super) traffic: Traffic,
    pub(super) upstream: Option<SocketAddr>,
    pub(super) upstream_local: Option<SocketAddr>,
    pub(super) cluster: Option<String>,
    /// How long it may stand by the word of its upstream.
    pub(super) age: Option<Duration>,
    pub(super) transport_failure: Option<String>,
    /// The server name of TLS within, as sent.
    pub(super) inner: Option<Box<str>>,
    /// Of the answer to CONNECT.
    pub(super) status: u16,
    connect: Option<Connect>,
    plan: Option<TunnelPlan>,
    asked: Option<Asked>,
    rule: Option<RuleId>,
    marks: Marks,
    refusal: Option<Refusal>,
    failure: Option<Failure>,
    details: Option<&'static str>,
    /// Room in logs that would rather refuse than drop.
    reservation: Option<Reservation>,
    opened: bool,
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
            age: None,
            transport_failure: None,
            inner: None,
            status: 0,
            connect: None,
            plan: None,
            asked: None,
            rule: None,
            marks: Marks::default(),
            refusal: None,
            failure: None,
            details: None,
            reservation: None,
            opened: false,
            closed: false,
        }
    }

    /// Of a tunnel that CONNECT asks for.
    pub(super) fn asked_for(connection: &'c Connection, connect: Connect, begun: Moment) -> Self {
        let mut trace = Self::new(connection, begun);
        trace.connect = Some(connect);
        trace
    }

    /// What CONNECT names, as sent.
    pub(super) fn authority(&self) -> Box<str> {
        let connect = self.connect.as_ref();
        connect.map_or_else(Box::default, |connect| connect.authority.clone())
    }

    /// Makes sure that what passes can be recorded.
    pub(super) fn reserve(&mut self) -> Result<(), Refusal> {
        let room = self.seen.live.loggers().reserve();
        self.reservation = Some(room.map_err(|_| Refusal::LogUnavailable)?);
        Ok(())
    }

    pub(super) fn asked(&mut self, tunnel: &Tunnel<'_>) {
        self.asked = Some(Asked {
            host: tunnel.host().into(),
            door: tunnel.door(),
            by: match tunnel.to() {
                To::ServerName(_) => By::Name,
                To::Port { .. } => By::Port,
                To::Authority(_) => By::Authority,
            },
        });
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

    pub(super) fn stopped(&mut self, stop: &Stop) {
        match stop {
            Stop::Refused(refusal) => self.refused(*refusal),
            Stop::Failed(failure) => self.failed(*failure),
        }
    }

    /// What a caller is told who waits for an answer.
    pub(super) fn reply(&self, stop: &Stop) -> Reply {
        let refusal = match stop {
            Stop::Refused(refusal) => *refusal,
            Stop::Failed(failure) => return Reply::failure(*failure),
        };
        let admission = self.seen.live.snapshot().admission();
        let rule = self.rule.and_then(|id| admission.rule(id));
        match (refusal, rule.map(|rule| &rule.effect), self.tunnel()) {
            (Refusal::Denied, Some(Effect::Deny(answer)), Some(tunnel)) => {
                Reply::denial(answer, &tunnel)
            }
            _ => Reply::refusal(refusal),
        }
    }

    pub(super) fn ended(&mut self, end: End) {
        match end {
            End::Finished => {}
            End::Idle => self.details = Some(IDLE),
            End::Expired => self.details = Some(EXPIRED),
            End::Broken(failure) => self.failed(failure),
            End::Lost(refusal) => self.refused(refusal),
        }
    }

    /// Bytes are about to move: from now on the tunnel is counted.
    pub(super) fn opened(&mut self) {
        self.opened = true;
        self.tell_open(
            TunnelPart {
                begins: true,
                ..TunnelPart::default()
            },
            None,
        );
    }

    /// Tells of the tunnel while it is open.
    pub(super) async fn tell_in_between(&self) -> Infallible {
        let every = self.seen.live.loggers().open_tunnels();
        let every = every.map_or(REPORT, |every| every.min(REPORT));
        let mut ticks = interval_at(Instant::now() + every, every);
        let mut before = self.traffic.age();
        loop {
            ticks.tick().await;
            let now = self.traffic.age();
            let (received, sent) = self.traffic.untold();
            let part = TunnelPart {
                received,
                sent,
                ..TunnelPart::default()
            };
            self.tell_open(part, Some((before, now)));
            before = now;
        }
    }

    fn tell_open(&self, part: TunnelPart, ages: Option<(Duration, Duration)>) {
        let live = &self.seen.live;
        let mut record = self.connection.record(live, self.begun);
        self.fill(&mut record);
        record.tunnel = Some(part);
        record.response_code_details = Some(OPEN.into());
        let gateway = &self.connection.gateway;
        gateway.observe_open_tunnel(&record, self.tunnel(), live, ages);
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
        let (received, sent) = self.traffic.untold();
        record.tunnel = Some(TunnelPart {
            begins: !self.opened,
            ends: true,
            received,
            sent,
        });
        let gateway = &self.connection.gateway;
        gateway.observe_tunnel(&record, self.tunnel(), live, reservation);
    }

    /// What is asked of policy, and of the filters of logs.
    pub(super) fn raw<'a>(&self, seen: &'a Seen, to: To<'a>) -> RawTunnel<'a> {
        let listener = &self.connection.listener;
        RawTunnel {
            to,
            caller: &seen.caller,
            view: listener.view,
            port: listener.port,
            time: self.begun.nanos,
        }
    }

    /// By the port, and by the server name of the mutual TLS around.
    pub(super) fn to_port(&self) -> To<'c> {
        To::Port {
            server_name: self.connection.server_name.host(),
        }
    }

    /// What policy was asked about, once it was.
    fn tunnel(&self) -> Option<Tunnel<'_>> {
        let Asked { host, door, by } = self.asked.as_ref()?;
        let to = match by {
            By::Name => To::ServerName(host),
            By::Port => self.to_port(),
            By::Authority => To::Authority(&self.connect.as_ref()?.authority),
        };
        let raw = RawTunnel {
            port: door.port,
            ..self.raw(&self.seen, to)
        };
        Some(Tunnel::again(raw, host))
    }

    fn fill<'a>(&'a self, record: &mut Record<'a>) {
        let admission = self.seen.live.snapshot().admission();
        let rule = |id: RuleId| {
            admission.rule(id).map(|rule| RuleName {
                name: &rule.name,
                origin: &rule.origin,
            })
        };
        record.host = self.asked.as_ref().map(|asked| &*asked.host);
        record.inner_server_name = self.inner.as_deref();
        self.fill_request(record);
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
            (None, None) if self.details == Some(EXPIRED) => DURATION_TIMEOUT.into(),
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
        record.destination = match (&self.plan, &self.asked) {
            (Some(plan), _) => admission.tunnel_destination(plan),
            (None, Some(asked)) if asked.by == By::Port => Some(&*asked.host),
            // What policy refuses has no plan; its name tells the passage.
            (None, Some(asked)) => {
                let passage = admission.find_passage(&asked.host, asked.door);
                passage.map(|passage| &*passage.name)
            }
            (None, None) => None,
        };
    }
}

/// What only CONNECT has.
impl Trace<'_> {
    fn fill_request<'a>(&'a self, record: &mut Record<'a>) {
        let Some(connect) = &self.connect else {
            return;
        };
        if connect.protocol.is_some() {
            record.method = Some("CONNECT".into());
            record.protocol = connect.protocol;
            record.response_code = self.status;
        }
        record.user_agent = connect.user_agent.as_deref();
        record.request_id = connect.request_id.as_deref();
        record.authority = Some(match &self.asked {
            Some(asked) => format!("{}:{}", asked.host, asked.door.port).into(),
            None => (&*connect.authority).into(),
        });
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
