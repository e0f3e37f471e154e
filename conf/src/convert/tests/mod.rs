//! What is converted decides as the original: every example, random
//! specifications, and a handful word for word.

mod asking;
mod golden;
mod istio;
mod matchers;
mod random;

use crate::{Environment, Problem, Snapshot, SourceFile, compile, convert};

fn environment() -> Environment {
    Environment {
        pod_name: Some("istio-egressgateway-747b6764b8-44rrh".to_owned()),
        hostname: "node-1".to_owned(),
        ..Environment::default()
    }
}

fn told(problems: Vec<Problem>) -> String {
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    told.join("\n")
}

#[track_caller]
fn compiled(files: &[SourceFile]) -> Snapshot {
    compile(files, &environment()).map_err(told).unwrap()
}

#[track_caller]
fn converted(files: &[SourceFile]) -> String {
    convert(files, &environment()).map_err(told).unwrap().text
}

/// A configuration and what is made of it decide alike whatever is asked. For
/// files of any kind: one line for each list of them.
#[track_caller]
fn assert_converts(files: &[SourceFile]) {
    let text = converted(files);
    let (original, again) = (
        compiled(files),
        compiled(&[SourceFile::new("converted.yaml", text.as_str())]),
    );
    if let Err(difference) = asking::compare(original.admission(), again.admission(), 3_000) {
        panic!("{difference}\n{text}");
    }
}

#[test]
fn every_example_decides_the_same_when_it_is_converted() {
    for (name, text) in [
        (
            "minimal.yaml",
            include_str!("../../../examples/minimal.yaml"),
        ),
        (
            "document-004.yaml",
            include_str!("../../../examples/document-004.yaml"),
        ),
        (
            "realistic.yaml",
            include_str!("../../../examples/realistic.yaml"),
        ),
        (
            "forward-proxy.yaml",
            include_str!("../../../examples/forward-proxy.yaml"),
        ),
    ] {
        assert_converts(&[SourceFile::new(name, text)]);
    }
}

#[test]
fn what_is_converted_converts_to_itself() {
    let text = include_str!("../../../examples/realistic.yaml");
    let plain = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        lines.collect::<Vec<_>>().join("\n")
    };
    let once = converted(&[SourceFile::new("etc/realistic.yaml", text)]);
    let twice = converted(&[SourceFile::new("converted.yaml", once.as_str())]);
    assert_eq!(plain(&once), plain(&twice));
}

#[test]
fn what_is_wrong_with_the_original_is_told_at_its_place() {
    let file = SourceFile::new(
        "a.yaml",
        "version: 1\nlisteners: [{ port: 1 }]\npolicies: [{ alow: { host: a } }]\n",
    );
    let problems = convert(&[file], &environment()).unwrap_err();
    assert!(
        problems
            .iter()
            .all(|p| p.origin.line == 3 && &*p.origin.file == "a.yaml"),
        "{problems:?}"
    );
}
