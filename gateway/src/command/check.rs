//! `egret check`: everything there is to say about a configuration, with its
//! place. Notes too: they tell which objects do not apply here, and why.

use std::process::ExitCode;

use super::ConfigArgs;
use crate::live::Live;
use crate::load::{Counts, compile};

pub(super) fn check(args: &ConfigArgs) -> ExitCode {
    let snapshot = match compile(&args.source()) {
        Ok(loaded) => loaded.value,
        Err(error) => {
            for problem in error.problems() {
                eprintln!("{problem}");
            }
            eprintln!("{}", Counts::of(error.problems()));
            return ExitCode::FAILURE;
        }
    };
    for problem in snapshot.warnings() {
        eprintln!("{problem}");
    }
    let admission = snapshot.admission();
    println!(
        "configuration {}: {} listeners, {} destinations, {} passages, {} TCP routes, {} rules, {} authorisers, {}",
        snapshot.digest(),
        snapshot.settings().listeners.len(),
        admission.destinations().count(),
        admission.passages().len(),
        admission.tcp_routes().len(),
        admission.rules().len(),
        admission.authorisers().len(),
        Counts::of(snapshot.warnings()),
    );
    // Certificates live where the gateway runs; here their absence is news, no error.
    for error in Live::check(&snapshot) {
        let news = error.to_string().replacen("error:", "not checked:", 1);
        eprintln!("{news}");
    }
    ExitCode::SUCCESS
}
