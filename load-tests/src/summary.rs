//! All rounds of a scenario and gateway, summed up.

use crate::bench::Sample;
use crate::figure::Measure;
use crate::gateways::REFERENCE;
use crate::scenarios::Scenario;
use crate::spread::Spread;

/// One scenario.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// One gateway in it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) gateway: &'static str,
    /// By measure, in their order.
    pub(crate) figures: Vec<(Measure, Spread)>,
    /// Why figures may say more of the generator, if they did in most rounds.
    pub(crate) limited: Option<String>,
}

impl Summary {
    pub(crate) fn of(scenario: &dyn Scenario, samples: &[Sample]) -> Self {
        let ours = samples.iter().filter(|s| s.scenario == scenario.name());
        let mut gateways: Vec<_> = ours.map(|sample| sample.gateway).collect();
        let mut seen = Vec::new();
        gateways.retain(|name| {
            let new = !seen.contains(name);
            seen.push(*name);
            new
        });
        let row = |gateway| {
            let ours = samples.iter();
            let ours = ours.filter(|s| s.scenario == scenario.name() && s.gateway == gateway);
            Row::of(gateway, &ours.collect::<Vec<_>>())
        };
        Self {
            name: scenario.name(),
            about: scenario.about(),
            rows: gateways.into_iter().map(row).collect(),
        }
    }

    /// Measures that any gateway has, in their order.
    pub(crate) fn measures(&self) -> Vec<Measure> {
        let mut all: Vec<_> = self
            .rows
            .iter()
            .flat_map(|row| row.figures.iter().map(|(measure, _)| *measure))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// A gateway's median, of the reference's.
    pub(crate) fn ratio(&self, row: &Row, measure: Measure) -> Option<f64> {
        let reference = self.rows.iter().find(|row| row.gateway == REFERENCE)?;
        let (ours, theirs) = (row.spread(measure)?, reference.spread(measure)?);
        (theirs.median > 0.0).then(|| ours.median / theirs.median)
    }
}

impl Row {
    fn of(gateway: &'static str, samples: &[&Sample]) -> Self {
        let figures = samples.iter().flat_map(|s| &s.findings.figures);
        let mut measures: Vec<_> = figures.map(|figure| figure.measure).collect();
        measures.sort_unstable();
        measures.dedup();
        let values = |measure: Measure| {
            let all = samples.iter().flat_map(|s| &s.findings.figures);
            let all = all.filter(|figure| figure.measure == measure);
            Spread::of(&all.map(|figure| figure.value).collect::<Vec<_>>())
        };
        let figures = measures.into_iter();
        let limited: Vec<_> = samples
            .iter()
            .filter_map(|s| s.findings.limited.clone())
            .collect();
        let often = limited.len() * 2 > samples.len();
        Self {
            gateway,
            figures: figures.filter_map(|m| Some((m, values(m)?))).collect(),
            limited: limited.into_iter().next().filter(|_| often),
        }
    }

    pub(crate) fn spread(&self, measure: Measure) -> Option<Spread> {
        let found = self.figures.iter().find(|(one, _)| *one == measure);
        found.map(|(_, spread)| *spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Figure, Findings};
    use crate::scenarios;

    fn sample(gateway: &'static str, value: f64, limited: bool) -> Sample {
        Sample {
            scenario: "h1-1k",
            gateway,
            findings: Findings {
                figures: vec![Figure::new(Measure::CpuPerRequest, value)],
                limited: limited.then(|| "generator".to_owned()),
            },
        }
    }

    #[test]
    fn sums_up_each_gateway_alone_and_compares_medians() {
        let samples = [
            sample("envoy", 70.0, true),
            sample("egret", 30.0, false),
            sample("envoy", 80.0, true),
            sample("egret", 30.0, true),
            sample("envoy", 90.0, false),
        ];
        let scenario = scenarios::ALL.iter().flat_map(|all| all.iter());
        let scenario = scenario.copied().find(|one| one.name() == "h1-1k").unwrap();
        let summary = Summary::of(scenario, &samples);
        let [envoy, egret] = summary.rows.as_slice() else {
            panic!("{summary:?}")
        };
        assert_eq!((envoy.gateway, egret.gateway), ("envoy", "egret"));
        assert_eq!(envoy.spread(Measure::CpuPerRequest).unwrap().median, 80.0);
        assert_eq!(summary.ratio(egret, Measure::CpuPerRequest), Some(0.375));
        assert_eq!(summary.ratio(egret, Measure::Rate), None);
        assert!(envoy.limited.is_some() && egret.limited.is_none());
    }
}
