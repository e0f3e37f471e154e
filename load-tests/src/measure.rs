//! One run of load on one gateway, and what it used meanwhile.

use std::time::Duration;

use integration_tests::sidecar::Protocol;

use crate::bench::Bench;
use crate::figure::{Figure, Findings, Measure};
use crate::gateways::Running;
use crate::load::{Outcome, Pace, Request, Runner, Shape};
use crate::trouble::Trouble;
use crate::usage::{own_processor_time, processor_time};

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
/// Of a processor; more, and it is full.
const FULL: f64 = 0.92;
/// A share of the latencies that the generator's own lateness may make up.
const LATE: f64 = 0.5;

/// What is asked, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) protocol: Protocol,
    pub(crate) request: Request,
    pub(crate) shape: Shape,
    pub(crate) pace: Pace,
}

/// What a request is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Request,
    Gib,
}

/// Runs `load` and gives its figures.
pub(crate) fn run(
    bench: &Bench,
    gateway: &Running,
    load: &Load,
    unit: Unit,
) -> Result<Findings, Trouble> {
    rated(bench, gateway, load, unit).map(|(findings, _)| findings)
}

/// The same, with how many requests were answered in a second, whatever the pace.
pub(crate) fn rated(
    bench: &Bench,
    gateway: &Running,
    load: &Load,
    unit: Unit,
) -> Result<(Findings, f64), Trouble> {
    let mut runner = Runner::open(gateway.dialer(load.protocol)?, load.request, load.shape)?;
    let before = Used::by(bench, gateway)?;
    let outcome = runner
        .run(load.pace, bench.duration)?
        .good(gateway.name())?;
    let used = Used::by(bench, gateway)?.since(before);
    let findings = Findings {
        figures: figures(&outcome, used.gateway, load.pace, unit),
        limited: limit(&outcome, &used, load.pace),
    };
    Ok((findings, outcome.rate()))
}

/// Processor time of everything that takes part.
#[derive(Clone, Copy, Debug)]
struct Used {
    gateway: Option<Duration>,
    generator: Duration,
    origin: Duration,
}

impl Used {
    fn by(bench: &Bench, gateway: &Running) -> Result<Self, Trouble> {
        Ok(Self {
            gateway: gateway.processor_time()?,
            generator: own_processor_time()?,
            origin: processor_time(bench.origin.id())?,
        })
    }

    fn since(self, before: Self) -> Self {
        let gateway = self.gateway.zip(before.gateway);
        Self {
            gateway: gateway.map(|(now, then)| now.saturating_sub(then)),
            generator: self.generator.saturating_sub(before.generator),
            origin: self.origin.saturating_sub(before.origin),
        }
    }
}

fn figures(outcome: &Outcome, used: Option<Duration>, pace: Pace, unit: Unit) -> Vec<Figure> {
    let mut figures = Vec::new();
    if let Some(used) = used {
        let used = used.as_secs_f64();
        figures.push(match unit {
            Unit::Request => {
                let each = used * 1e6 / outcome.requests as f64;
                Figure::new(Measure::CpuPerRequest, each)
            }
            Unit::Gib => {
                let each = used * GIB / outcome.bytes as f64;
                Figure::new(Measure::CpuPerGib, each)
            }
        });
    }
    if matches!(pace, Pace::Closed) {
        figures.push(Figure::new(Measure::Rate, outcome.rate()));
    }
    if let Some([p50, p99, p999]) = outcome.latencies.percentiles([0.5, 0.99, 0.999]) {
        figures.push(Figure::new(Measure::P50, p50));
        figures.push(Figure::new(Measure::P99, p99));
        figures.push(Figure::new(Measure::P999, p999));
    }
    figures
}

/// Whether the generator, and not the gateway, was what could do no more.
fn limit(outcome: &Outcome, used: &Used, pace: Pace) -> Option<String> {
    let share = |time: Duration| time.as_secs_f64() / outcome.elapsed.as_secs_f64();
    let (load, origin) = (share(used.generator), share(used.origin));
    let gateway = used.gateway.map_or(0.0, share);
    match pace {
        Pace::Closed => {
            // On two processors the origin shares the generator's.
            let busy = if crate::processor::count() > 2 {
                load
            } else {
                load + origin
            };
            (busy > FULL && gateway < FULL).then(|| {
                format!(
                    "generator {:.0} % and origin {:.0} % of a processor, gateway {:.0} %",
                    load * 100.0,
                    origin * 100.0,
                    gateway * 100.0
                )
            })
        }
        Pace::Fixed(_) => {
            let [late] = outcome.lateness.percentiles([0.99])?;
            let [p99] = outcome.latencies.percentiles([0.99])?;
            (late > p99 * LATE).then(|| format!("the generator itself was {late:.0} µs late (p99)"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(gateway: u64, generator: u64, origin: u64) -> Used {
        Used {
            gateway: Some(Duration::from_millis(gateway)),
            generator: Duration::from_millis(generator),
            origin: Duration::from_millis(origin),
        }
    }

    fn second() -> Outcome {
        Outcome {
            elapsed: Duration::from_secs(1),
            requests: 1000,
            bytes: 1 << 30,
            ..Outcome::default()
        }
    }

    #[test]
    fn says_when_the_generator_was_full_and_the_gateway_was_not() {
        let limited = |used| limit(&second(), &used, Pace::Closed).is_some();
        assert!(limited(used(500, 990, 0)));
        assert!(!limited(used(990, 990, 0)));
        assert!(!limited(used(500, 500, 100)));
    }

    #[test]
    fn says_when_a_schedule_was_not_kept() {
        let mut outcome = second();
        outcome.latencies.push(Duration::from_micros(100));
        outcome.lateness.push(Duration::from_micros(10));
        let limited = |outcome: &Outcome| limit(outcome, &used(1, 1, 1), Pace::Fixed(1.0));
        assert_eq!(limited(&outcome), None);
        outcome.lateness.push(Duration::from_micros(90));
        assert!(limited(&outcome).is_some());
    }

    #[test]
    fn counts_a_request_in_microseconds_and_a_gib_in_seconds() {
        let of = |unit| {
            let used = Some(Duration::from_millis(50));
            let figures = figures(&second(), used, Pace::Closed, unit);
            figures.first().map(|figure| figure.value)
        };
        assert_eq!(of(Unit::Request), Some(50.0));
        assert_eq!(of(Unit::Gib), Some(0.05));
    }
}
