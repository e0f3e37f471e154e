//! Other people's test suites against the gateway: `make suites`.
//!
//! Each is run by its own program against a gateway of its own; what it finds
//! must be what `integration-tests/suites` explains, no more and no less. The
//! table is written to `target/suites/results.md`.

mod door;
mod findings;
mod h2spec;
mod nghttp2;
mod program;
mod slow;
mod sslyze;
mod testssl;

use std::fs;
use std::process::ExitCode;

use findings::{Outcome, Verdict};
use time::OffsetDateTime;

/// A name, and what runs it.
type Suite = (&'static str, fn() -> Outcome);

const SUITES: [Suite; 5] = [
    ("h2spec", h2spec::attack),
    ("testssl", testssl::attack),
    ("sslyze", sslyze::attack),
    ("slowhttptest", slow::attack),
    ("nghttp2", nghttp2::attack),
];

fn main() -> ExitCode {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = chosen
        .iter()
        .find(|name| !SUITES.iter().any(|(n, _)| n == name))
    {
        let all = SUITES.map(|(name, _)| name).join(" ");
        eprintln!("suites: there is no `{unknown}`: choose from {all}");
        return ExitCode::from(2);
    }
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|c| c == name);
    let mut table = heading();
    let mut holds = true;
    for (name, attack) in SUITES.into_iter().filter(|(name, _)| is_chosen(name)) {
        eprintln!("suites: {name}");
        let verdict = Verdict::of(attack());
        eprint!("{}", verdict.words());
        holds &= verdict.holds();
        table.push_str(&verdict.row());
    }
    fs::write(program::reports().join("results.md"), &table).unwrap();
    println!("{table}");
    if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn heading() -> String {
    let date = OffsetDateTime::now_utc().date();
    format!("{date}\n\n| suite | version | passed | failed | explained |\n|---|---|---|---|---|\n")
}
