//! Rules that ask an external authoriser: when it is asked, and what follows
//! from its word.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::sync::Arc;
use std::time::Duration;

use policy::authoriser::{Authoriser, AuthoriserRef, OnError, Referral, Service, Word};
use policy::destination::{
    Action, Destination, Reach, Retries, Route, Upgrades, Upstream, UpstreamHost, UpstreamProtocol,
    UpstreamRef, UpstreamTls, Weighted,
};
use policy::door::View;
use policy::origin::Origin;
use policy::pattern::{HostPattern, PathPattern};
use policy::principal::Principal;
use policy::refusal::Refusal;
use policy::rule::{Answer, Effect, Enforcement, Matcher, Rule, Template};
use policy::source::SourcePattern;
use policy::{Admission, AdmissionSpec, Next, NoHeaders, RawRequest, Refused};

fn origin(line: u32) -> Arc<Origin> {
    Arc::new(Origin::new("egress.yaml", line, 1))
}

fn upstream() -> Upstream {
    Upstream {
        host: UpstreamHost::Requested,
        port: 443,
        addresses: Vec::new(),
        tls: UpstreamTls::Off,
        protocol: UpstreamProtocol::Http1,
        reach: Reach::default(),
        connect_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(1),
        bounds: Default::default(),
        outlier: None,
        via: None,
        origin: origin(1),
    }
}

fn authoriser(name: &str, on_error: OnError) -> Authoriser {
    Authoriser {
        name: name.into(),
        upstream: UpstreamRef(0),
        service: Service::Grpc,
        timeout: Duration::from_secs(1),
        on_error,
        told: Vec::new(),
        upstream_fields: Vec::new(),
        denial_fields: Vec::new(),
        origin: origin(2),
    }
}

fn destination() -> Destination {
    Destination {
        host: HostPattern::parse("api.example").unwrap(),
        name: "api.example".into(),
        door: None,
        ports: Vec::new(),
        profile: Default::default(),
        routes: vec![Route {
            name: "default".into(),
            matchers: Vec::new(),
            action: Action::Forward(vec![Weighted {
                upstream: UpstreamRef(0),
                weight: 1,
            }]),
            timeout: None,
            retries: Retries::default(),
            changes: None,
            upgrades: Upgrades::Refused,
            max_body: None,
            origin: origin(3),
        }],
        origin: origin(3),
    }
}

fn rule(line: u32, effect: Effect, path: &str) -> Rule {
    Rule {
        name: format!("rule-{line}").into(),
        effect,
        enforcement: Enforcement::Enforced,
        matchers: vec![Matcher {
            paths: vec![PathPattern::parse(path).unwrap()],
            ..Matcher::default()
        }],
        unless: Vec::new(),
        origin: origin(line),
    }
}

fn refer() -> Effect {
    Effect::Refer(AuthoriserRef(0))
}

fn deny() -> Effect {
    Effect::Deny(Answer {
        status: 403,
        body: Template::default(),
    })
}

fn spec(rules: Vec<Rule>, on_error: OnError) -> AdmissionSpec {
    AdmissionSpec {
        rules,
        destinations: vec![destination()],
        upstreams: vec![upstream()],
        authorisers: vec![authoriser("opa", on_error)],
        ..AdmissionSpec::default()
    }
}

fn compiled(rules: Vec<Rule>, on_error: OnError) -> Admission {
    Admission::compile(spec(rules, on_error)).unwrap()
}

fn next(admission: &Admission, host: &str, path: &str) -> Result<Next, Refusal> {
    next_for(admission, Some("td/ns/default/sa/sleep"), host, path)
}

fn next_for(
    admission: &Admission,
    name: Option<&str>,
    host: &str,
    path: &str,
) -> Result<Next, Refusal> {
    let principal = name.map(|name| Principal::from_name(name).unwrap());
    let caller = admission.caller(principal, [192, 0, 2, 1].into());
    let raw = RawRequest {
        method: b"GET",
        authority: host.as_bytes(),
        target: path.as_bytes(),
        headers: &NoHeaders,
        caller: &caller,
        server_name: None,
        view: View::Gateway,
        port: 443,
        time: 0,
    };
    let refused = |refused: Refused<'_>| refused.refusal;
    admission.admit(raw, 0).map(|a| a.next).map_err(refused)
}

fn referral(admission: &Admission, host: &str, path: &str) -> Referral {
    match next(admission, host, path) {
        Ok(Next::Ask(referral)) => referral,
        other => panic!("{host}{path} is not asked about: {other:?}"),
    }
}

#[test]
fn the_word_decides_and_no_word_is_no_unless_the_operator_says_otherwise() {
    let strict = || vec![rule(5, Effect::Allow, "*"), rule(6, refer(), "*")];
    let unavailable = Err(Refusal::AuthoriserUnavailable);
    for (on_error, word, expected) in [
        (OnError::Deny(403), Word::Yes, Ok(())),
        (OnError::Deny(403), Word::No, Err(Refusal::AuthoriserDenied)),
        (OnError::Deny(503), Word::Nothing, unavailable),
        (OnError::Allow, Word::Yes, Ok(())),
        (OnError::Allow, Word::No, Err(Refusal::AuthoriserDenied)),
        (OnError::Allow, Word::Nothing, Ok(())),
    ] {
        let admission = compiled(strict(), on_error);
        let referral = referral(&admission, "api.example", "/a");
        let grant = referral.grant();
        assert_eq!(grant.referring(), Some(referral.rule()));
        let name = |id| admission.rule(id).unwrap().name.to_string();
        assert_eq!(grant.rule().map(name).unwrap(), "rule-5");
        assert_eq!(name(referral.rule()), "rule-6");
        let answered = referral.answered(word).map(|_| ());
        assert_eq!(answered, expected, "{on_error:?} {word:?}");
    }
}

#[test]
fn what_rules_refuse_is_not_asked_about() {
    let rules = vec![
        rule(5, refer(), "*"),
        rule(6, Effect::Allow, "/a*"),
        rule(7, deny(), "/a/secret"),
    ];
    let admission = compiled(rules, OnError::Allow);
    let refused = |path| next(&admission, "api.example", path).unwrap_err();
    assert_eq!(refused("/a/secret"), Refusal::Denied);
    assert_eq!(refused("/b"), Refusal::NotAllowed);
    let _ = referral(&admission, "api.example", "/a");
}

#[test]
fn only_what_a_rule_refers_is_asked_about_and_in_doubt_it_is() {
    let workload = SourcePattern::parse("sa:default/sleep", &["td".into()]).unwrap();
    let mut of_sleep = rule(6, refer(), "/politics*");
    of_sleep.matchers[0].from = workload.into();
    let admission = compiled(
        vec![rule(5, Effect::Allow, "*"), of_sleep],
        OnError::Deny(403),
    );
    let asked = |name: Option<&str>, path: &str| {
        let next = next_for(&admission, name, "api.example", path).unwrap();
        matches!(next, Next::Ask(_))
    };
    let (sleep, other) = (
        Some("td/ns/default/sa/sleep"),
        Some("td/ns/default/sa/other"),
    );
    assert!(asked(sleep, "/politics"));
    assert!(!asked(sleep, "/sport"));
    assert!(!asked(other, "/politics"));
    // As a lenient origin might read it, and for a caller nobody can name.
    assert!(asked(sleep, "/POLITICS;x"));
    assert!(asked(None, "/politics"));
}

#[test]
fn an_unknown_host_shows_only_after_a_yes() {
    let rules = || vec![rule(5, Effect::Allow, "*"), rule(6, refer(), "*")];
    let admission = compiled(rules(), OnError::Deny(403));
    let asked = || referral(&admission, "unknown.example", "/");
    let no = asked().answered(Word::No);
    assert_eq!(no.unwrap_err(), Refusal::AuthoriserDenied);
    let yes = asked().answered(Word::Yes);
    assert_eq!(yes.unwrap_err(), Refusal::UnknownHost);
}

#[test]
fn what_cannot_be_asked_does_not_compile() {
    let mistake = |spec: AdmissionSpec| {
        let errors = Admission::compile(spec).unwrap_err();
        let [error] = errors.as_slice() else {
            panic!("{errors:?}")
        };
        (error.origin.line, error.message.clone())
    };
    let nobody = rule(6, Effect::Refer(AuthoriserRef(7)), "*");
    let (line, message) = mistake(spec(vec![nobody], OnError::Allow));
    assert_eq!(line, 6);
    assert!(message.contains("does not exist"), "{message}");

    let mut shadow = rule(7, refer(), "*");
    shadow.enforcement = Enforcement::Shadow;
    let (line, message) = mistake(spec(vec![shadow], OnError::Allow));
    assert_eq!(line, 7);
    assert!(message.contains("in shadow"), "{message}");

    let other = rule(9, Effect::Refer(AuthoriserRef(1)), "*");
    let mut two = spec(vec![rule(8, refer(), "*"), other], OnError::Allow);
    two.authorisers.push(authoriser("other", OnError::Allow));
    let (line, message) = mistake(two);
    assert_eq!(line, 9);
    assert!(message.contains("egress.yaml:8"), "{message}");

    let mut lost = spec(Vec::new(), OnError::Allow);
    lost.authorisers[0].upstream = UpstreamRef(5);
    let (line, message) = mistake(lost);
    assert_eq!(line, 2);
    assert!(message.contains("upstream"), "{message}");
}
