//! What is printed at the end: the figures, and in words which limits they miss.

use std::time::Duration;

use integration_tests::sidecar::Protocol;

use crate::gateway::Kind;
use crate::rounds::{Summary, name};

/// Processor time a request of HTTP/1.1, of Envoy's.
const RATIO: f64 = 0.55;
/// Resident KiB for an idle connection.
const IDLE_KIB: f64 = 40.0;
/// From start to ready.
const START_UP: Duration = Duration::from_secs(1);

/// All that a run measured.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) summaries: Vec<Summary>,
    pub(crate) gateways: Vec<Footprint>,
}

/// A gateway's figures that no protocol divides.
#[derive(Debug)]
pub(crate) struct Footprint {
    pub(crate) kind: Kind,
    pub(crate) idle_kib: f64,
    pub(crate) start_up: Duration,
    /// Requests that were answered from start to end, and lines in the access log.
    pub(crate) answered: u64,
    pub(crate) logged: u64,
}

impl Report {
    /// The tables, for people.
    pub(crate) fn tables(&self) -> String {
        let mut lines = vec![format!(
            "{:8} {:9} {:>9}  {:28} {}",
            "gateway", "protocol", "requests", "CPU µs/request (min–max)", "ratio to Envoy"
        )];
        lines.extend(self.summaries.iter().map(|summary| self.row(summary)));
        lines.push(String::new());
        lines.push(format!(
            "{:8} {:>24} {:>12}",
            "gateway", "KiB per idle connection", "start, ms"
        ));
        lines.extend(self.gateways.iter().map(|footprint| {
            let (who, kib) = (footprint.kind.name(), footprint.idle_kib);
            format!("{who:8} {kib:>24.1} {:>12}", footprint.start_up.as_millis())
        }));
        lines.join("\n")
    }

    fn row(&self, summary: &Summary) -> String {
        let (who, how) = (summary.kind.name(), name(summary.protocol));
        let (requests, micros) = (summary.requests, summary.micros.to_string());
        let ratio = self
            .ratio(summary)
            .map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        format!("{who:8} {how:9} {requests:>9}  {micros:28} {ratio}")
    }

    /// Of medians.
    fn ratio(&self, summary: &Summary) -> Option<f64> {
        let mut all = self.summaries.iter();
        let envoy = all.find(|s| s.kind == Kind::Envoy && s.protocol == summary.protocol)?;
        Some(summary.micros.median / envoy.micros.median)
    }

    /// A sentence for each limit that is missed.
    pub(crate) fn missed(&self) -> Vec<String> {
        let ours = self.summaries.iter().filter(|s| s.kind == Kind::Egret);
        let ratios = ours
            .filter(|s| s.protocol == Protocol::Http1)
            .filter_map(|s| self.ratio(s));
        let slow = ratios.filter(|ratio| *ratio > RATIO).map(|ratio| {
            format!("Egret takes {ratio:.2} × Envoy's CPU for HTTP/1.1; the limit is {RATIO} ×")
        });
        slow.chain(self.gateways.iter().flat_map(Footprint::missed))
            .collect()
    }
}

impl Footprint {
    fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        let (who, kib, start) = (self.kind.name(), self.idle_kib, self.start_up.as_millis());
        if self.logged < self.answered {
            let (lines, requests) = (self.logged, self.answered);
            missed.push(format!(
                "{who} logged {lines} lines for {requests} requests"
            ));
        }
        if self.kind == Kind::Egret && kib > IDLE_KIB {
            missed.push(format!(
                "{who} holds {kib:.1} KiB for an idle connection; the limit is {IDLE_KIB} KiB"
            ));
        }
        if self.kind == Kind::Egret && self.start_up > START_UP {
            missed.push(format!(
                "{who} took {start} ms to be ready; the limit is one second"
            ));
        }
        missed
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
