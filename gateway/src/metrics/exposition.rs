//! Prometheus' text format, version 0.0.4.
//!
//! Knows the format, and no metric. Label values may hold any text: quotes,
//! backslashes and line endings are escaped.

use crate::record::scalar;

use super::histogram::{BOUNDS, Total};

/// What kind of metric a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The text under construction.
#[derive(Debug, Default)]
pub(super) struct Exposition(Vec<u8>);

/// Rendered labels, without braces.
#[derive(Debug, Default)]
pub(super) struct Labels(Vec<u8>);

impl Labels {
    pub(super) fn of(pairs: &[(&str, &[u8])]) -> Self {
        let mut labels = Self::default();
        for (name, value) in pairs {
            labels.push(name, value);
        }
        labels
    }

    fn push(&mut self, name: &str, value: &[u8]) {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"=\"");
        for byte in value {
            match byte {
                b'"' => self.0.extend_from_slice(b"\\\""),
                b'\\' => self.0.extend_from_slice(b"\\\\"),
                b'\n' => self.0.extend_from_slice(b"\\n"),
                other => self.0.push(*other),
            }
        }
        self.0.push(b'"');
    }
}

impl Exposition {
    /// Begins a metric: its samples follow.
    pub(super) fn metric(&mut self, name: &str, kind: Kind, help: &str) {
        for part in [
            "# HELP ",
            name,
            " ",
            help,
            "\n# TYPE ",
            name,
            " ",
            kind.as_str(),
            "\n",
        ] {
            self.0.extend_from_slice(part.as_bytes());
        }
    }

    /// A sample with a whole number.
    pub(super) fn sample(&mut self, name: &str, labels: &Labels, value: u64) {
        self.decimal(name, labels, value, 0);
    }

    /// A sample with a number in units of 10^-`places`.
    pub(super) fn decimal(&mut self, name: &str, labels: &Labels, value: u64, places: u32) {
        self.0.extend_from_slice(name.as_bytes());
        if !labels.0.is_empty() {
            self.0.push(b'{');
            self.0.extend_from_slice(&labels.0);
            self.0.push(b'}');
        }
        self.0.push(b' ');
        scalar::fractional(&mut self.0, value, places, "\n");
    }

    /// The samples of a histogram.
    pub(super) fn histogram(&mut self, name: &str, labels: &Labels, total: &Total) {
        let bucket = format!("{name}_bucket");
        let bounds = BOUNDS.iter().map(|(_, exposed)| *exposed).chain(["+Inf"]);
        let mut count = 0;
        for (bound, more) in bounds.zip(total.buckets) {
            count += more;
            let mut labels = Labels(labels.0.clone());
            labels.push("le", bound.as_bytes());
            self.sample(&bucket, &labels, count);
        }
        self.decimal(&format!("{name}_sum"), labels, total.sum, 3);
        self.sample(&format!("{name}_count"), labels, count);
    }

    /// The text. Labels were text, but a defect there must not cost the scrape.
    pub(super) fn into_text(self) -> String {
        String::from_utf8(self.0)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}
