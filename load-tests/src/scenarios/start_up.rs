//! From nothing to the first answer.

use super::Scenario;
use crate::bench::Bench;
use crate::figure::{Figure, Findings, Measure};
use crate::gateways::{Gateway, Running};
use crate::setup::Setup;
use crate::trouble::Trouble;

pub(super) const ALL: &[&dyn Scenario] = &[&StartUp];

#[derive(Debug)]
struct StartUp;

impl Scenario for StartUp {
    fn name(&self) -> &'static str {
        "start"
    }

    fn about(&self) -> &'static str {
        "from start to the first answer"
    }

    fn setup(&self) -> Setup {
        Setup::PLAIN
    }

    fn anew(&self) -> bool {
        true
    }

    fn suits(&self, kind: &dyn Gateway) -> bool {
        kind.name() != "none"
    }

    fn measure(&self, _: &Bench, gateway: &mut Running) -> Result<Findings, Trouble> {
        let took = gateway.start_up.as_secs_f64() * 1e3;
        Ok(Findings {
            figures: vec![Figure::new(Measure::StartUp, took)],
            limited: None,
        })
    }
}
