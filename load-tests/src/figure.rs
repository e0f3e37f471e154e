//! What is measured: each measure's name, and a value of it.

use crate::trouble::Trouble;

/// A kind of figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measure {
    /// Of the gateway's own process: user and system time, in µs.
    CpuPerRequest,
    /// The same for a GiB of bodies, in seconds.
    CpuPerGib,
    Rate,
    /// When twice [`Measure::Rate`] is asked for, in percent of it.
    Served,
    P50,
    P99,
    P999,
    /// In MiB.
    MemoryAtRest,
    /// In KiB.
    MemoryPerConnection,
    /// In ms.
    StartUp,
    /// In ms, from the new configuration's being written until a request met it.
    Reload,
    /// Of [`Measure::P99`] before a reload, or before there was too much, in µs.
    P99Before,
}

impl Measure {
    /// In tables and files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CpuPerRequest => "CPU µs/request",
            Self::CpuPerGib => "CPU s/GiB",
            Self::Rate => "requests/s",
            Self::Served => "served of twice, %",
            Self::P50 => "p50 µs",
            Self::P99 => "p99 µs",
            Self::P999 => "p99.9 µs",
            Self::MemoryAtRest => "MiB at rest",
            Self::MemoryPerConnection => "KiB/idle connection",
            Self::StartUp => "start ms",
            Self::Reload => "reload ms",
            Self::P99Before => "p99 µs before",
        }
    }

    /// Whether less is better.
    pub(crate) fn is_cost(self) -> bool {
        !matches!(self, Self::Rate | Self::Served)
    }
}

/// A value of a measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) measure: Measure,
    pub(crate) value: f64,
}

impl Figure {
    pub(crate) fn new(measure: Measure, value: f64) -> Self {
        Self { measure, value }
    }
}

/// What one round of one gateway gave.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) figures: Vec<Figure>,
    /// Why the figures may say more of the generator than of the gateway.
    pub(crate) limited: Option<String>,
}

impl Findings {
    /// One of them.
    pub(crate) fn value(&self, measure: Measure) -> Result<f64, Trouble> {
        let found = self.figures.iter().find(|f| f.measure == measure);
        let missing = || Trouble::WrongAnswer(format!("nothing was measured of {measure:?}"));
        found.map(|figure| figure.value).ok_or_else(missing)
    }
}
