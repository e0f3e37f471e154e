//! Access logs as compiled: which attempts, which line, whither.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use policy::LogFilter;
use policy::expr::Expr;
use policy::origin::Origin;

use crate::text_format::TextFormat;

/// One access log.
#[derive(Clone, Debug)]
pub struct Log {
    /// In messages and metrics.
    pub name: Arc<str>,
    /// Which attempts it tells.
    pub filter: LogFilter,
    /// The line.
    pub layout: Layout,
    /// `level` of the line, where the layout has one.
    pub level: Level,
    /// Where lines go.
    pub sink: Sink,
    /// What happens when the sink does not keep up.
    pub overflow: Overflow,
    /// How often it tells of a tunnel that is still open; `None`: at its end alone.
    pub open_tunnels: Option<Duration>,
    /// Where it was written; the log that nobody wrote was nowhere.
    pub origin: Option<Arc<Origin>>,
}

/// The form of a line.
#[derive(Clone, Debug)]
pub enum Layout {
    /// Istio's 24 JSON keys and Egret's own.
    Json,
    /// Mixer's JSON: `level`, `time`, `instance`, then the fields by name.
    Mixer {
        /// `egress-access.logentry.istio-system`.
        instance: Arc<str>,
        /// Name and value; sorted by name.
        fields: Arc<[(Box<str>, Expr)]>,
    },
    /// Text with Envoy's command operators.
    Text(TextFormat),
    /// JSON of the operator's own keys; names and values, sorted by name.
    Labels(Arc<[(Box<str>, TextFormat)]>),
}

/// `level` of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `info`
    Info,
    /// `warn`
    Warn,
    /// `error`
    Error,
}

impl Level {
    /// As Mixer and Istio write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Where lines go. Two logs to one sink share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sink {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file.
    File {
        /// Its path; opened again on SIGHUP.
        path: PathBuf,
        /// Rotation by the gateway.
        rotate: Option<Rotate>,
    },
}

/// Rotation by the gateway itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rotate {
    /// Size in bytes at which a new file begins.
    pub size: u64,
    /// Old files kept.
    pub keep: u32,
}

/// What happens when a sink does not keep up with its bounded queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Overflow {
    /// Lines are dropped and counted exactly.
    #[default]
    DropAndCount,
    /// Requests are refused with 503 until there is room: nothing unlogged passes.
    Refuse,
}
