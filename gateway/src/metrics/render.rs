//! What a scrape shows, metric by metric.

use std::io::{self, Write};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use crate::record::SinkStats;

use super::exposition::{Exposition, Kind, Labels};
use super::family::{Family, Row};
use super::histogram::{Count, Histogram, Total};
use super::upstreams::{UpstreamState, upstreams};
use super::{Exchange, Metrics, Tunnels, UNKNOWN};

/// `Content-Type` of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A series of [`Exchange`], added up.
struct Exchanged {
    labels: Labels,
    duration: Total,
    request_bytes: Total,
    response_bytes: Total,
}

/// A histogram: its name, its help, and what it reads.
type Distribution = (&'static str, &'static str, fn(&Exchanged) -> &Total);

/// A counter: its name, its help, and what it reads.
type OfTunnels = (&'static str, &'static str, fn(&Tunnels) -> &Count);

impl Metrics {
    /// Everything, in Prometheus' text format, version 0.0.4, in pieces.
    ///
    /// # Errors
    /// The writer's; nothing more is written then.
    pub fn render(
        &self,
        sinks: &[SinkStats],
        states: impl IntoIterator<Item = (String, UpstreamState)>,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        let mut out = Exposition::new(to);
        self.istio(&mut out);
        self.istio_tcp(&mut out);
        self.attempts(&mut out);
        self.connections(&mut out);
        upstreams(&mut out, states);
        logs(&mut out, sinks);
        self.lists(&mut out);
        self.memory(&mut out);
        self.process(&mut out);
        out.end()
    }

    fn istio(&self, out: &mut Exposition<'_>) {
        let rows = self.exchanges.rows();
        let rows: Vec<Exchanged> = rows.iter().map(|row| self.exchanged(row)).collect();
        let name = "istio_requests_total";
        out.metric(name, Kind::Counter, "Requests, as Istio counts them.");
        for row in &rows {
            out.sample(name, &row.labels, row.duration.count());
        }
        let distributions: [Distribution; 3] = [
            (
                "istio_request_duration_milliseconds",
                "Duration of requests.",
                |row| &row.duration,
            ),
            (
                "istio_request_bytes",
                "Size of requests with their heads.",
                |row| &row.request_bytes,
            ),
            (
                "istio_response_bytes",
                "Size of responses with their heads.",
                |row| &row.response_bytes,
            ),
        ];
        for (name, help, of) in distributions {
            out.metric(name, Kind::Histogram, help);
            for row in &rows {
                out.histogram(name, &row.labels, of(row));
            }
        }
    }

    fn exchanged(&self, row: &Row<Exchange>) -> Exchanged {
        let total = |of: fn(&Exchange) -> &Histogram| {
            let mut total = Total::default();
            row.shares.iter().for_each(|share| total.add(of(share)));
            total
        };
        Exchanged {
            labels: self.exchange_labels(row),
            duration: total(|share| &share.duration),
            request_bytes: total(|share| &share.request_bytes),
            response_bytes: total(|share| &share.response_bytes),
        }
    }

    fn istio_tcp(&self, out: &mut Exposition<'_>) {
        let metrics: [OfTunnels; 4] = [
            (
                "istio_tcp_connections_opened_total",
                "Connections passed through that have begun.",
                |tunnels| &tunnels.begun,
            ),
            (
                "istio_tcp_connections_closed_total",
                "Connections passed through that have ended.",
                |tunnels| &tunnels.ended,
            ),
            (
                "istio_tcp_received_bytes_total",
                "Bytes from callers, passed through.",
                |tunnels| &tunnels.received,
            ),
            (
                "istio_tcp_sent_bytes_total",
                "Bytes to callers, passed through.",
                |tunnels| &tunnels.sent,
            ),
        ];
        let rows = self.tunnels.rows();
        for (name, help, of) in metrics {
            out.metric(name, Kind::Counter, help);
            for row in &rows {
                let [destination, flags] = row.labels();
                let last = [
                    ("request_protocol", &b"tcp"[..]),
                    ("response_flags", flags),
                    ("connection_security_policy", UNKNOWN.as_bytes()),
                ];
                let labels = self.istio_labels(destination, &last);
                let total = row.shares.iter().map(|share| of(share).read()).sum();
                out.sample(name, &labels, total);
            }
        }
    }

    fn exchange_labels(&self, row: &Row<Exchange>) -> Labels {
        let [destination, protocol, code, grpc_status, flags] = row.labels();
        self.istio_labels(
            destination,
            &[
                ("request_protocol", protocol),
                ("response_code", code),
                ("grpc_response_status", grpc_status),
                ("response_flags", flags),
                ("connection_security_policy", UNKNOWN.as_bytes()),
            ],
        )
    }

    /// Istio's labels in Istio's order. To Istio the gateway itself is the
    /// source, and the origin's side of the connection is unknown.
    fn istio_labels(&self, destination: &[u8], last: &[(&str, &[u8])]) -> Labels {
        let name = self.gateway.name.as_bytes();
        let unknown = UNKNOWN.as_bytes();
        let first: [(&str, &[u8]); 20] = [
            ("reporter", b"source"),
            ("source_workload", name),
            ("source_canonical_service", name),
            ("source_canonical_revision", b"latest"),
            (
                "source_workload_namespace",
                self.gateway.namespace.as_bytes(),
            ),
            ("source_principal", unknown),
            ("source_app", name),
            ("source_version", b""),
            ("source_cluster", b"Kubernetes"),
            ("destination_workload", unknown),
            ("destination_workload_namespace", unknown),
            ("destination_principal", unknown),
            ("destination_app", unknown),
            ("destination_version", unknown),
            ("destination_service", destination),
            ("destination_canonical_service", unknown),
            ("destination_canonical_revision", b"latest"),
            ("destination_service_name", destination),
            ("destination_service_namespace", unknown),
            ("destination_cluster", unknown),
        ];
        Labels::of(&[&first[..], last].concat())
    }

    fn attempts(&self, out: &mut Exposition<'_>) {
        let names = [
            "source_principal",
            "destination",
            "decision",
            "rule",
            "refusal",
            "response_code",
        ];
        let help = "Requests and tunnels by caller, configured destination and deciding rule.";
        counters(out, "egret_requests_total", help, names, &self.attempts);
        let help = "Requests let go on that no upstream answered well, by reason.";
        counters(
            out,
            "egret_failures_total",
            help,
            ["destination", "failure"],
            &self.failures,
        );
        let help = "Connections refused before there was a request, by reason.";
        let name = "egret_handshake_refusals_total";
        counters(out, name, help, ["reason"], &self.handshakes);
        let help = "Connections cut for what their caller did on them, by reason.";
        let name = "egret_connections_cut_total";
        counters(out, name, help, ["source_principal", "reason"], &self.cuts);
        let help = "Requests an authoriser was asked about, by its word.";
        let name = "egret_authorisations_total";
        let names = ["authoriser", "verdict"];
        counters(out, name, help, names, &self.authorisations);
    }

    fn connections(&self, out: &mut Exposition<'_>) {
        let none = Labels::default();
        let name = "egret_connections";
        out.metric(name, Kind::Gauge, "Open downstream connections.");
        out.sample(name, &none, read(&self.connections));
        let name = "egret_upstream_connections_total";
        out.metric(name, Kind::Counter, "Connections made to upstreams.");
        out.sample(name, &none, read(&self.upstream_connections));
        let name = "egret_websockets";
        out.metric(name, Kind::Gauge, "Open WebSockets.");
        out.sample(name, &none, read(&self.websockets));
        let name = "egret_websockets_total";
        out.metric(name, Kind::Counter, "WebSockets opened.");
        out.sample(name, &none, read(&self.websockets_opened));
    }

    /// Where there are no remote lists, nothing is told of them.
    fn lists(&self, out: &mut Exposition<'_>) {
        let lists = self
            .lists
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if lists.is_empty() {
            return;
        }
        let name = "egret_list_last_success_seconds";
        let help = "When a remote list was last fetched, in seconds since 1970.";
        out.metric(name, Kind::Gauge, help);
        for (list, when) in lists.iter().filter_map(|(n, l)| Some((n, l.last_success?))) {
            let since = when.duration_since(UNIX_EPOCH).unwrap_or_default();
            let millis = u64::try_from(since.as_millis()).unwrap_or(0);
            out.decimal(name, &label("list", list), millis, 3);
        }
        let name = "egret_list_failures_total";
        let help = "Failed attempts to fetch a remote list, and contents refused.";
        out.metric(name, Kind::Counter, help);
        for (list, of) in &lists {
            out.sample(name, &label("list", list), of.failures);
        }
    }

    fn memory(&self, out: &mut Exposition<'_>) {
        let gauges = [
            (
                "process_resident_memory_bytes",
                "Memory held by the process.",
                &self.memory.resident,
            ),
            (
                "egret_memory_limit_bytes",
                "Memory it may hold; 0 where no bound is known.",
                &self.memory.limit,
            ),
            (
                "egret_memory_pressure",
                "0: memory is free; 1: requests are refused; 2: connections, too.",
                &self.memory.pressure,
            ),
        ];
        for (name, help, gauge) in gauges {
            out.metric(name, Kind::Gauge, help);
            out.sample(name, &Labels::default(), read(gauge));
        }
    }

    fn process(&self, out: &mut Exposition<'_>) {
        let name = "egret_reloads_total";
        out.metric(
            name,
            Kind::Counter,
            "Reloads of the configuration, by result.",
        );
        out.sample(
            name,
            &label("result", "applied"),
            read(&self.reloads_applied),
        );
        out.sample(
            name,
            &label("result", "refused"),
            read(&self.reloads_refused),
        );
        let digest = self
            .snapshot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let name = "egret_snapshot_info";
        out.metric(name, Kind::Gauge, "The snapshot in use, by its digest.");
        out.sample(name, &label("digest", &digest), 1);
        let name = "istio_build";
        out.metric(
            name,
            Kind::Gauge,
            "The version, where Istio's dashboards look for it.",
        );
        let tag = env!("CARGO_PKG_VERSION").as_bytes();
        out.sample(
            name,
            &Labels::of(&[("component", b"proxy"), ("tag", tag)]),
            1,
        );
        let started = self
            .started
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let name = "process_start_time_seconds";
        out.metric(
            name,
            Kind::Gauge,
            "When the process started, in seconds since 1970.",
        );
        out.decimal(
            name,
            &Labels::default(),
            u64::try_from(started).unwrap_or(0),
            3,
        );
    }
}

/// A metric of plain counters.
fn counters<const N: usize>(
    out: &mut Exposition<'_>,
    name: &str,
    help: &str,
    labels: [&str; N],
    family: &Family<Count>,
) {
    out.metric(name, Kind::Counter, help);
    for row in family.rows() {
        let values: [&[u8]; N] = row.labels();
        let pairs: Vec<_> = labels.into_iter().zip(values).collect();
        let total = row.shares.iter().map(|share| share.read()).sum();
        out.sample(name, &Labels::of(&pairs), total);
    }
}

/// A metric of sinks: its name, its help, and what it reads.
type OfSink = (&'static str, &'static str, fn(&SinkStats) -> u64);

fn logs(out: &mut Exposition<'_>, sinks: &[SinkStats]) {
    let metrics: [OfSink; 3] = [
        (
            "egret_log_lines_total",
            "Access log lines written.",
            |sink| sink.written,
        ),
        (
            "egret_log_lines_dropped_total",
            "Access log lines lost for lack of room.",
            |sink| sink.dropped,
        ),
        (
            "egret_log_errors_total",
            "Failed attempts to write an access log.",
            |sink| sink.errors,
        ),
    ];
    for (name, help, of) in metrics {
        out.metric(name, Kind::Counter, help);
        for sink in sinks {
            out.sample(name, &label("sink", &sink.sink), of(sink));
        }
    }
}

fn label(name: &str, value: &str) -> Labels {
    Labels::of(&[(name, value.as_bytes())])
}

fn read(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}
