//! Prometheus' text format, version 0.0.4.
//!
//! Knows the format, and no metric. Label values may hold any text: quotes,
//! backslashes and line endings are escaped.

use std::io::{self, Write};

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

/// Bytes handed on together.
const PIECE: usize = 64 * 1024;

/// The text under construction. What is done is handed on: a large text is
/// nowhere as a whole, however long its reader takes.
pub(super) struct Exposition<'w> {
    piece: Vec<u8>,
    to: &'w mut dyn Write,
    handed_on: io::Result<()>,
}

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
        // Labels were text, but a defect there must not cost the scrape.
        for byte in String::from_utf8_lossy(value).as_bytes() {
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

impl<'w> Exposition<'w> {
    pub(super) fn new(to: &'w mut dyn Write) -> Self {
        Self {
            piece: Vec::new(),
            to,
            handed_on: Ok(()),
        }
    }

    /// Once the reader has gone, nothing more is told.
    fn hand_on(&mut self) {
        if self.handed_on.is_ok() {
            self.handed_on = self.to.write_all(&self.piece);
        }
        self.piece.clear();
    }

    /// The last piece.
    ///
    /// # Errors
    /// The first of the writer's.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.hand_on();
        self.handed_on
    }

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
            self.piece.extend_from_slice(part.as_bytes());
        }
    }

    /// A sample with a whole number.
    pub(super) fn sample(&mut self, name: &str, labels: &Labels, value: u64) {
        self.decimal(name, labels, value, 0);
    }

    /// A sample with a number in units of 10^-`places`.
    pub(super) fn decimal(&mut self, name: &str, labels: &Labels, value: u64, places: u32) {
        if self.handed_on.is_err() {
            return;
        }
        let piece = &mut self.piece;
        piece.extend_from_slice(name.as_bytes());
        if !labels.0.is_empty() {
            piece.push(b'{');
            piece.extend_from_slice(&labels.0);
            piece.push(b'}');
        }
        piece.push(b' ');
        scalar::fractional(piece, value, places, "\n");
        if piece.len() >= PIECE {
            self.hand_on();
        }
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
}
