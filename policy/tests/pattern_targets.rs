//! A regular expression over path and query is in no index, yet is compiled
//! with the configuration: too large, it would permit nothing, and deny
//! everything, without a word.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use policy::origin::Origin;
use policy::pattern::PathPattern;
use policy::rule::{Effect, Enforcement, Matcher, Rule};
use policy::{Admission, AdmissionSpec};

fn target(regex: &str) -> Matcher {
    Matcher {
        targets: vec![PathPattern::regex(regex).unwrap()],
        ..Matcher::default()
    }
}

fn allow(matchers: Vec<Matcher>, unless: Vec<Matcher>) -> AdmissionSpec {
    AdmissionSpec {
        rules: vec![Rule {
            name: "rule".into(),
            effect: Effect::Allow,
            enforcement: Enforcement::Enforced,
            matchers,
            unless,
            origin: Arc::new(Origin::new("test.yaml", 7, 1)),
        }],
        ..AdmissionSpec::default()
    }
}

const LARGE: &str = "/(([a-z]{1000}){1000})?";

#[test]
fn a_target_too_large_is_refused_where_it_was_written() {
    for spec in [
        allow(vec![target(LARGE)], Vec::new()),
        allow(vec![Matcher::default()], vec![target(LARGE)]),
    ] {
        let errors = Admission::compile(spec).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].origin.to_string(), "test.yaml:7");
        assert!(errors[0].message.contains("KiB"), "{}", errors[0].message);
    }
}

#[test]
fn an_ordinary_target_is_compiled() {
    let spec = allow(vec![target("/health(\\?x=[0-9]+)?")], Vec::new());
    assert!(Admission::compile(spec).is_ok());
}
