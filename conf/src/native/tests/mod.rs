//! The native format, section by section: what it means, and every mistake with
//! its place and its words.

mod authorisers;
mod destinations;
mod doors;
mod lists;
mod logs;
mod passthrough;
mod patterns;
mod resilience;
mod routes;
mod rules;
mod settings;
mod tcp;
mod via;

use policy::Admission;

use crate::snapshot::Settings;
use crate::{Environment, Snapshot, SourceFile, compile};

fn environment() -> Environment {
    Environment {
        pod_name: None,
        hostname: "node-1".to_owned(),
        namespace: None,
        lists: Default::default(),
    }
}

/// A document with a listener, which `text` completes from line 3 on.
fn document(text: &str) -> SourceFile {
    SourceFile::new(
        "etc/egress.yaml",
        format!("version: 1\nlisteners: [{{ port: 8443 }}]\n{text}"),
    )
}

fn compiled(files: &[SourceFile]) -> Result<Snapshot, Vec<String>> {
    compile(files, &environment()).map_err(|problems| {
        let told = problems.iter().map(|p| {
            format!(
                "{}:{} {}: {}",
                p.origin.line, p.origin.column, p.severity, p.message
            )
        });
        told.collect()
    })
}

fn snapshot(text: &str) -> Snapshot {
    compiled(&[document(text)]).unwrap()
}

fn settings(text: &str) -> Settings {
    snapshot(text).settings().clone()
}

fn admission(text: &str) -> Admission {
    snapshot(text).admission
}

/// Every problem of a document, as `line:column severity: message`.
fn problems(text: &str) -> Vec<String> {
    match compiled(&[document(text)]) {
        Err(problems) => problems,
        Ok(snapshot) => {
            let told = snapshot.warnings().iter().map(|p| {
                format!(
                    "{}:{} {}: {}",
                    p.origin.line, p.origin.column, p.severity, p.message
                )
            });
            told.collect()
        }
    }
}

/// The one problem of a document.
#[track_caller]
fn problem(text: &str) -> String {
    let problems = problems(text);
    assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
    problems.into_iter().next().unwrap()
}
