//! `load-tests`: the same work through Egret, Envoy set up as
//! istio-egressgateway, nginx, HAProxy, a bare proxy on Pingora and no gateway
//! at all, side by side in one run, one worker each.
//!
//! The main figure is processor time of the gateway's own process for each
//! request, which a busy machine disturbs little. `README.md` beside this crate
//! says how to run it and what each figure means.

mod arguments;
mod bench;
mod check;
mod figure;
mod gateways;
mod load;
mod measure;
mod origin;
mod part;
mod processor;
mod progress;
mod report;
mod scenarios;
mod setup;
mod site;
mod soak;
mod spread;
mod summary;
mod tools;
mod trouble;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Asked, Part};
use crate::bench::Bench;
use crate::progress::Progress;
use crate::report::{Machine, Report};
use crate::summary::Summary;
use crate::tools::Tools;
use crate::trouble::Trouble;

fn main() -> ExitCode {
    let Arguments { part, asked } = Arguments::parse();
    let done = match part {
        Some(Part::Origin(place)) => origin::serve(&place),
        Some(Part::Soak(much)) => soak::run(&much, &asked),
        Some(Part::BarePingora(place)) => gateways::serve_bare(place),
        None if asked.list => list(),
        None => run(&asked),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("\nload-tests: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> Result<(), Trouble> {
    for gateway in gateways::ALL {
        println!("gateway   {}", gateway.name());
    }
    for scenario in scenarios::ALL.iter().copied().flatten() {
        let main = if scenario.is_main() {
            ""
        } else {
            " (only by name)"
        };
        println!(
            "scenario  {:16} {}{main}",
            scenario.name(),
            scenario.about()
        );
    }
    Ok(())
}

fn run(asked: &Asked) -> Result<(), Trouble> {
    let (scenarios, gateways) = (asked.scenarios()?, asked.gateways()?);
    let tools = Tools::find()?;
    println!("egret: {}", tools.egret.display());
    if tools.egret_is_unoptimised() {
        println!("this is a debug build: its figures mean nothing; `make build` makes another");
    }
    processor::pin_generator()?;
    let mut report = Report {
        machine: Machine::look(&tools, &gateways),
        summaries: Vec::new(),
    };
    let target = tools.target();
    let bench = Bench::start(tools, asked)?;
    let mut progress = Progress::new(scenarios.len());
    let mut failed = Vec::new();
    for scenario in scenarios {
        match bench.run(scenario, &gateways, asked.rounds, &mut progress) {
            Ok(samples) => {
                report.summaries.push(Summary::of(scenario, &samples));
                // Written each time: a run that is broken off leaves what it has.
                report.write(&target)?;
            }
            Err(trouble) => failed.push(format!("{}: {trouble}", scenario.name())),
        }
    }
    progress.end();
    println!("\n{}", report.table());
    println!("written: {}", report.write(&target)?.display());
    if failed.is_empty() {
        return Ok(());
    }
    Err(Trouble::WrongAnswer(failed.join("\n")))
}
