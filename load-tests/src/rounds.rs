//! The rounds: every way through the rig in turn, again and again, so that
//! what disturbs the machine disturbs all alike.

use std::net::SocketAddr;

use integration_tests::sidecar::Protocol;

use crate::gateway::{Gateway, Kind};
use crate::generator;
use crate::rig::Rig;
use crate::spread::Spread;
use crate::tools::Tools;
use crate::trouble::Trouble;
use crate::usage::processor_time;

/// One gateway under load for a few seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) kind: Kind,
    pub(crate) protocol: Protocol,
    pub(crate) requests: u32,
    /// Of the gateway's own process, for each request.
    pub(crate) micros: f64,
}

/// What all runs of one gateway and protocol came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub(crate) kind: Kind,
    pub(crate) protocol: Protocol,
    pub(crate) requests: u64,
    pub(crate) micros: Spread,
}

/// As it is written in tables.
pub(crate) fn name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http1 => "HTTP/1.1",
        Protocol::Http2 => "HTTP/2",
    }
}

/// Does `rounds` rounds, saying how far it is.
pub(crate) fn run(tools: &Tools, rig: &Rig, rounds: u32) -> Result<Vec<Run>, Trouble> {
    let mut runs = Vec::new();
    for round in 1..=rounds {
        for (gateway, protocol, relay) in rig.ways() {
            let run = measure(tools, gateway, protocol, relay)?;
            let (who, how) = (gateway.kind.name(), name(protocol));
            println!(
                "round {round} of {rounds}: {who} {how}, {:.1} µs a request",
                run.micros
            );
            runs.push(run);
        }
    }
    Ok(runs)
}

fn measure(
    tools: &Tools,
    gateway: &Gateway,
    protocol: Protocol,
    relay: SocketAddr,
) -> Result<Run, Trouble> {
    let before = processor_time(gateway.id())?;
    let count = generator::run(tools, protocol, relay)?;
    let spent = processor_time(gateway.id())?.saturating_sub(before);
    let (who, how) = (gateway.kind.name(), name(protocol));
    if count.bad > 0 || count.good == 0 {
        let what = format!("under load by {how}, {who} answered {count:?}");
        return Err(Trouble::WrongAnswer(what));
    }
    let micros = spent.as_secs_f64() * 1e6 / f64::from(count.good);
    Ok(Run {
        kind: gateway.kind,
        protocol,
        requests: count.good,
        micros,
    })
}

/// A summary for each protocol and gateway that ran.
pub(crate) fn summarise(runs: &[Run]) -> Vec<Summary> {
    let pairs = Protocol::ALL
        .into_iter()
        .flat_map(|p| Kind::ALL.map(|kind| (kind, p)));
    pairs
        .filter_map(|(kind, protocol)| summary(runs, kind, protocol))
        .collect()
}

fn summary(runs: &[Run], kind: Kind, protocol: Protocol) -> Option<Summary> {
    let ours = || {
        runs.iter()
            .filter(|run| run.kind == kind && run.protocol == protocol)
    };
    let micros: Vec<f64> = ours().map(|run| run.micros).collect();
    let requests = ours().map(|run| u64::from(run.requests)).sum();
    Some(Summary {
        kind,
        protocol,
        requests,
        micros: Spread::of(&micros)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_up_each_gateway_and_protocol_alone() {
        let run = |kind, protocol, micros| Run {
            kind,
            protocol,
            requests: 10,
            micros,
        };
        let runs = [
            run(Kind::Envoy, Protocol::Http1, 70.0),
            run(Kind::Egret, Protocol::Http1, 30.0),
            run(Kind::Envoy, Protocol::Http1, 80.0),
            run(Kind::Egret, Protocol::Http2, 20.0),
        ];
        let summaries = summarise(&runs);
        let medians: Vec<f64> = summaries.iter().map(|s| s.micros.median).collect();
        assert_eq!(medians, [75.0, 30.0, 20.0]);
        assert_eq!(summaries.first().map(|s| s.requests), Some(20));
    }
}
