//! testssl.sh: protocols, ciphers and known weaknesses of TLS, as anyone without
//! a certificate sees them.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use integration_tests::peers;
use serde_json::Value;

use crate::door::{Door, NAMED};
use crate::findings::Outcome;
use crate::program::{reports, run, version};

/// Severities that are findings. The others are what is well, what it tells, and
/// what it could not try without a certificate or with this machine's openssl.
const FINDINGS: [&str; 4] = ["LOW", "MEDIUM", "HIGH", "CRITICAL"];
const WELL: [&str; 2] = ["OK", "INFO"];

/// Everything it looks at.
pub(crate) fn attack() -> Outcome {
    let door = Door::open("");
    let program = peers::testssl();
    let report = reports().join("testssl.json");
    let _ = fs::remove_file(&report);
    let mut command = Command::new(&program);
    command.current_dir(door.mesh.egret.dir());
    command.args(["--quiet", "--warnings", "off", "--color", "0", "--fast"]);
    command.args(["--openssl-timeout", "10", "--ip", "127.0.0.1", "--jsonfile"]);
    command.arg(&report);
    command.arg(format!("{NAMED}:{}", door.gateway().port()));
    let said = run("testssl", command, Duration::from_secs(900));
    let text = fs::read_to_string(&report).unwrap_or_else(|e| panic!("{e}:\n{said}"));
    let entries: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(entries.len() > 50, "it looked at little:\n{said}");
    let among = |severities: &'static [&str]| {
        let is = move |entry: &&Value| severities.contains(&field(entry, "severity"));
        entries.iter().filter(is)
    };
    let told = |entry: &Value| {
        let words = format!("{}: {}", field(entry, "severity"), field(entry, "finding"));
        (field(entry, "id").to_owned(), words)
    };
    let findings: BTreeMap<_, _> = among(&FINDINGS).map(told).collect();
    Outcome {
        suite: "testssl",
        version: version(&program, "--version", "testssl"),
        passed: among(&WELL).count(),
        findings,
    }
}

fn field<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name].as_str().unwrap_or_default()
}
