//! A new configuration under load: how soon it is in force, and what callers feel.

use std::thread;
use std::time::{Duration, Instant};

use integration_tests::sidecar::Protocol::Http1;
use integration_tests::wait::within;

use super::Scenario;
use crate::bench::Bench;
use crate::figure::{Figure, Findings, Measure};
use crate::gateways::{Gateway, Running};
use crate::load::{Dialer, Pace, Request, Runner, Shape};
use crate::measure::{self, Load, Unit};
use crate::setup::{OPENED, Setup};
use crate::trouble::Trouble;

/// Nobody takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const ALL: &[&dyn Scenario] = &[&Reload];

#[derive(Debug)]
struct Reload;

impl Scenario for Reload {
    fn name(&self) -> &'static str {
        "reload"
    }

    fn about(&self) -> &'static str {
        "100 hosts × 20 routes × 100 callers, replaced under load"
    }

    fn setup(&self) -> Setup {
        Setup {
            hosts: 100,
            routes: 20,
            callers: 100,
            reloads: true,
            ..Setup::PLAIN
        }
    }

    fn anew(&self) -> bool {
        true
    }

    fn suits(&self, kind: &dyn Gateway) -> bool {
        kind.decides()
    }

    fn measure(&self, bench: &Bench, gateway: &mut Running) -> Result<Findings, Trouble> {
        let load = Load {
            protocol: Http1,
            request: Request::get("/sport/1024"),
            shape: Shape::kept(Http1),
            pace: Pace::Fixed(bench.rate / 4.0),
        };
        let quiet = measure::run(bench, gateway, &load, Unit::Request)?;
        let before = quiet.figures.iter().find(|f| f.measure == Measure::P99);
        let before = before.map(|f| Figure::new(Measure::P99Before, f.value));
        let change = gateway.change();
        let opened = Setup {
            opened: true,
            ..self.setup()
        };
        let (applied, findings) = thread::scope(|scope| {
            let applying = scope.spawn(|| {
                thread::sleep(bench.duration / 3);
                change.apply(&bench.tools, opened)?;
                in_force(change.dialer()?)
            });
            let findings = measure::run(bench, gateway, &load, Unit::Request);
            let applied = applying.join();
            let failed = |_| Trouble::WrongAnswer("the reload broke off".to_owned());
            (applied.map_err(failed).flatten(), findings)
        });
        let mut findings = findings?;
        findings.figures.extend(before);
        let took = applied?.as_secs_f64() * 1e3;
        findings.figures.push(Figure::new(Measure::Reload, took));
        Ok(findings)
    }
}

/// How long it takes until a new connection meets the new configuration.
fn in_force(dialer: Dialer) -> Result<Duration, Trouble> {
    let began = Instant::now();
    let found = within(PATIENCE, || {
        let status = Runner::ask(dialer.clone(), Request::get(OPENED));
        status.is_ok_and(|status| status == 200).then_some(())
    });
    let never = || Trouble::WrongAnswer("the new configuration never came into force".to_owned());
    found.map(|()| began.elapsed()).ok_or_else(never)
}
