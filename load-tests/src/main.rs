//! `load-tests [ROUNDS]`: the same work through Egret and through Envoy set up
//! as istio-egressgateway, side by side in one run, one worker each.
//!
//! The main figure is processor time of the gateway's own process for each
//! request, which a busy machine disturbs little. A missed limit is said in
//! words and fails nothing; a wrong answer or a missing program does.

mod check;
mod gateway;
mod generator;
mod idle;
mod part;
mod report;
mod rig;
mod rounds;
mod spread;
mod tools;
mod trouble;
mod usage;

use std::env;
use std::process::ExitCode;

use crate::gateway::Gateway;
use crate::report::{Footprint, Report};
use crate::rig::Rig;
use crate::rounds::Summary;
use crate::tools::Tools;
use crate::trouble::Trouble;

const ROUNDS: u32 = 3;

fn main() -> ExitCode {
    match rounds_asked_for().and_then(run) {
        Ok(report) => {
            conclude(&report);
            ExitCode::SUCCESS
        }
        Err(trouble) => {
            eprintln!("load-tests: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn rounds_asked_for() -> Result<u32, Trouble> {
    let Some(given) = env::args().nth(1) else {
        return Ok(ROUNDS);
    };
    let rounds = given.parse().ok().filter(|rounds| *rounds > 0);
    rounds.ok_or(Trouble::Usage(given))
}

fn run(rounds: u32) -> Result<Report, Trouble> {
    let tools = Tools::find()?;
    println!("egret: {}", tools.egret.display());
    if tools.egret_is_unoptimised() {
        println!("this is a debug build: its figures mean nothing; `make build` makes another");
    }
    let rig = Rig::start(&tools)?;
    check::answers(&rig)?;
    println!("both gateways answer as they must; measuring idle connections");
    let idle = rig
        .gateways
        .iter()
        .map(|gateway| idle::kib_per_connection(&rig, gateway));
    let idle = idle.collect::<Result<Vec<_>, _>>()?;
    let summaries = rounds::summarise(&rounds::run(&tools, &rig, rounds)?);
    let footprints = rig.gateways.iter().zip(idle);
    let footprints = footprints.map(|(gateway, kib)| footprint(gateway, kib, &summaries));
    Ok(Report {
        gateways: footprints.collect::<Result<_, _>>()?,
        summaries,
    })
}

fn footprint(gateway: &Gateway, kib: f64, summaries: &[Summary]) -> Result<Footprint, Trouble> {
    let ours = summaries
        .iter()
        .filter(|summary| summary.kind == gateway.kind);
    let before = check::REQUESTS + idle::REQUESTS;
    let answered = ours.map(|summary| summary.requests).sum::<u64>() + before as u64;
    Ok(Footprint {
        kind: gateway.kind,
        idle_kib: kib,
        start_up: gateway.start_up,
        answered,
        logged: check::logged(gateway, answered)?,
    })
}

fn conclude(report: &Report) {
    println!("\n{}\n", report.tables());
    let missed = report.missed();
    if missed.is_empty() {
        println!("every limit is kept, and every request is in its log");
    }
    for sentence in missed {
        println!("MISSED: {sentence}");
    }
}
