//! h2spec: conformance with RFC 7540 and RFC 7541, frame by frame.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use integration_tests::peers;

use crate::door::{Door, HOST};
use crate::findings::Outcome;
use crate::program::{reports, run, version};

/// All of it, through mutual TLS.
pub(crate) fn attack() -> Outcome {
    let door = Door::open("");
    let program = peers::h2spec();
    let report = reports().join("h2spec.xml");
    let mut command = Command::new(&program);
    command.args(["--host", HOST, "--port", &door.h2().to_string()]);
    command.args(["--timeout", "3", "--strict", "--junit-report"]);
    command.arg(&report);
    let said = run("h2spec", command, Duration::from_secs(600));
    let xml = std::fs::read_to_string(&report).unwrap_or_else(|e| panic!("{e}:\n{said}"));
    let cases: Vec<Case<'_>> = xml.split("<testcase ").skip(1).map(Case::read).collect();
    assert!(cases.len() > 100, "only {} cases:\n{said}", cases.len());
    let served = door.mesh.egret.records_where(|r| r["response_code"] == 200);
    assert!(
        !served.is_empty(),
        "no case was served:\n{}",
        door.mesh.egret.said()
    );
    let failed: BTreeMap<_, _> = cases
        .iter()
        .filter(|case| case.failed)
        .map(|case| {
            (
                format!("{} {}", case.section, case.title),
                "failed".to_owned(),
            )
        })
        .collect();
    Outcome {
        suite: "h2spec",
        version: version(&program, "--version", "Version:"),
        passed: cases.iter().filter(|case| !case.failed).count(),
        findings: failed,
    }
}

struct Case<'a> {
    section: &'a str,
    title: String,
    failed: bool,
}

impl<'a> Case<'a> {
    /// From what follows `<testcase `.
    fn read(text: &'a str) -> Self {
        let attribute = |name: &str| {
            let (_, rest) = text.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let title = attribute("classname").unwrap_or_default();
        Self {
            section: attribute("package").unwrap_or_default(),
            title: title.replace("&#39;", "'").replace("&#34;", "\""),
            // What was skipped has not passed.
            failed: text.contains("<failure")
                || text.contains("<error")
                || text.contains("<skipped"),
        }
    }
}
