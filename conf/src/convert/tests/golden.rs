//! What a few configurations look like when they are written.

use super::*;

fn without_remarks(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn documents_are_written_as_a_person_would() {
    for (name, text, golden) in [
        (
            "document-004.yaml",
            include_str!("../../../examples/document-004.yaml"),
            include_str!("golden/document-004.yaml"),
        ),
        (
            "realistic.yaml",
            include_str!("../../../examples/realistic.yaml"),
            include_str!("golden/realistic.yaml"),
        ),
    ] {
        assert_eq!(converted(&[SourceFile::new(name, text)]), golden, "{name}");
    }
}

/// Every word of the format, in the form in which it is written.
#[test]
fn a_document_of_every_word_is_written_as_it_is() {
    let text = include_str!("golden/every-word.yaml");
    let written = converted(&[SourceFile::new("every-word.yaml", text)]);
    assert_eq!(without_remarks(&written), without_remarks(text));
}

#[test]
fn rules_of_one_name_are_told_apart() {
    use policy::rule::{Effect, Enforcement, Matcher, Rule};
    use std::sync::Arc;

    let rule = |name: &str| Rule {
        name: name.into(),
        effect: Effect::Audit,
        enforcement: Enforcement::Enforced,
        matchers: vec![Matcher::default()],
        unless: Vec::new(),
        origin: Arc::new(policy::origin::Origin::new("a.yaml", 1, 1)),
    };
    let spec = policy::AdmissionSpec {
        rules: vec![rule("a"), rule("a"), rule("a (2)"), rule("a")],
        ..policy::AdmissionSpec::default()
    };
    let listener = SourceFile::new("f", "version: 1\nlisteners: [{ port: 443 }]\n");
    let settings = compiled(&[listener]).settings().clone();
    let report = crate::report::Report::default();
    let text = crate::native::write(&spec, &settings, crate::native::Remarks::None, &report);
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once("name: "))
        .map(|(_, name)| name)
        .collect();
    assert_eq!(names, ["a", "a (2)", "a (2) (2)", "a (3)"]);
}

#[test]
fn a_key_that_stood_in_the_original_is_remarked_upon() {
    let pem = |kind: &str| format!("{{ pem: '-----BEGIN {kind}-----' }}");
    let text = format!(
        "version: 1\nlisteners: [{{ port: 443 }}]\ndestinations:\n  - host: a.example\n    upstream: {{ tls: {{ cert: {}, key: {} }} }}\n",
        pem("CERTIFICATE"),
        pem("PRIVATE KEY"),
    );
    let converted = convert(&[SourceFile::new("a.yaml", text)], &environment())
        .map_err(told)
        .unwrap();
    let [remark] = converted.remarks.as_slice() else {
        panic!("{:?}", converted.remarks)
    };
    assert!(
        remark.message.contains("private key") && remark.origin.line == 5,
        "{remark}"
    );
    assert!(converted.text.contains("BEGIN PRIVATE KEY"));
}
