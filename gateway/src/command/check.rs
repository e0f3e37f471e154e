//! `egret check`: every problem of a configuration, with its place.

use std::process::ExitCode;

use super::ConfigArgs;
use crate::live::Live;
use crate::load::compile;

pub(super) fn check(args: &ConfigArgs) -> ExitCode {
    let snapshot = match compile(&args.config) {
        Ok(loaded) => loaded.value,
        Err(error) => {
            eprint!("{error}");
            let count = error.count();
            eprintln!(
                "{count} {}",
                if count == 1 { "problem" } else { "problems" }
            );
            return ExitCode::FAILURE;
        }
    };
    for warning in snapshot.warnings() {
        eprintln!("{warning}");
    }
    let admission = snapshot.admission();
    println!(
        "configuration {}: {} listeners, {} destinations, {} rules, {} authorisers, {} warnings",
        snapshot.digest(),
        snapshot.settings().listeners.len(),
        admission.destinations().count(),
        admission.rules().len(),
        admission.authorisers().len(),
        snapshot.warnings().len(),
    );
    // Certificates live where the gateway runs; here their absence is news, no error.
    for error in Live::check(&snapshot) {
        let news = error.to_string().replacen("error:", "not checked:", 1);
        eprintln!("{news}");
    }
    ExitCode::SUCCESS
}
