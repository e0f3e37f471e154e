//! nghttp2's tools: a crowd over HTTP/2, trailers, priorities, and large fields.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use integration_tests::peers;

use crate::door::{Door, HOST, NAMED};
use crate::findings::Outcome;
use crate::program::{run, version};

/// A case: what is wrong, if anything.
type Case = (&'static str, fn(&Door) -> Result<(), String>);

const CASES: [Case; 6] = [
    ("a crowd", crowd),
    ("a crowd with small windows", small_windows),
    ("large bodies", large_bodies),
    ("trailers", trailers),
    ("priorities", priorities),
    ("large fields", large_fields),
];

/// All of them.
pub(crate) fn attack() -> Outcome {
    let door = Door::open("");
    let findings: BTreeMap<_, _> = CASES
        .iter()
        .filter_map(|(name, case)| Some(((*name).to_owned(), case(&door).err()?)))
        .collect();
    Outcome {
        suite: "nghttp2",
        version: version(&peers::h2load(), "--version", "nghttp2/"),
        passed: CASES.len() - findings.len(),
        findings,
    }
}

fn crowd(door: &Door) -> Result<(), String> {
    // No more at once than nginx takes connections.
    load(
        door,
        "/sport",
        &["-n", "20000", "-c", "20", "-m", "20"],
        20_000,
    )
}

fn small_windows(door: &Door) -> Result<(), String> {
    // 2^10 bytes for a stream and 2^12 for a connection.
    load(
        door,
        "/large",
        &["-n", "4", "-c", "2", "-m", "2", "-w", "10", "-W", "12"],
        4,
    )
}

fn large_bodies(door: &Door) -> Result<(), String> {
    load(door, "/large", &["-n", "40", "-c", "4", "-m", "4"], 40)
}

fn load(door: &Door, target: &str, how: &[&str], number: usize) -> Result<(), String> {
    let mut command = Command::new(peers::h2load());
    let url = format!("http://{HOST}:{}{target}", door.h2());
    command.args(how).arg(url);
    let said = run("h2load", command, Duration::from_secs(120));
    holds(
        &said,
        &format!("{number} succeeded, 0 failed, 0 errored, 0 timeout"),
    )?;
    holds(&said, &format!("status codes: {number} 2xx"))
}

fn trailers(door: &Door) -> Result<(), String> {
    let body = door.mesh.egret.configuration();
    let said = nghttp(
        door,
        &["--trailer", "x-end: yes", "--data", &body.to_string_lossy()],
    );
    holds(&said, ":status: 200")
}

fn priorities(door: &Door) -> Result<(), String> {
    let said = nghttp(
        door,
        &["--multiply", "50", "--weight", "256", "--get-assets"],
    );
    let answers = said.matches(":status: 200").count();
    if answers == 50 {
        Ok(())
    } else {
        Err(format!("{answers} of 50 answered"))
    }
}

fn large_fields(door: &Door) -> Result<(), String> {
    let field = |length| format!("x-large: {}", "a".repeat(length));
    holds(&nghttp(door, &["--header", &field(15_000)]), ":status: 200")?;
    // Over the bound in all: refused, and the connection's others go on.
    let many: Vec<String> = (0..5)
        .flat_map(|_| ["--header".to_owned(), field(15_000)])
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let said = nghttp(door, &many);
    if said.contains(":status: 200") {
        Err("75 kB of fields were taken".to_owned())
    } else {
        Ok(())
    }
}

/// A request straight to the gateway, with a certificate.
fn nghttp(door: &Door, how: &[&str]) -> String {
    let who = door.mesh.pki.workload("sleep");
    let mut command = Command::new(peers::nghttp());
    command.arg(format!("--cert={}", who.chain.display()));
    command.arg(format!("--key={}", who.key.display()));
    command
        .args([
            "--verbose",
            "--null-out",
            "--no-verify-peer",
            "--timeout=20",
        ])
        .args(how);
    command.arg("--header").arg(format!(":authority: {NAMED}"));
    command.arg(format!("https://{}/sport", door.gateway()));
    run("nghttp", command, Duration::from_secs(60))
}

fn holds(said: &str, words: &str) -> Result<(), String> {
    if said.contains(words) {
        return Ok(());
    }
    let lines: Vec<&str> = said.lines().collect();
    let from = lines.len().saturating_sub(12);
    Err(format!("no `{words}` in: {}", lines[from..].join(" / ")))
}
