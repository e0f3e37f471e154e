//! What a decision costs among Mixer's rules, which name their hosts only in
//! expressions, and against lists of many entries: the mean of random requests
//! to every host, at 10 and at 10 000 of each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark may fail loudly"
)]

use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion};
use policy::expr::Expr;
use policy::origin::Origin;
use policy::pattern::PathPattern;
use policy::principal::Principal;
use policy::rule::{Answer, DefaultPolicy, Effect, Enforcement, Matcher, Rule, Template};
use policy::{Admission, AdmissionSpec, NoHeaders, RawRequest};

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for rules in [10, 10_000] {
        measure(&mut criterion, rules, 2);
    }
    for entries in [10, 10_000] {
        measure(&mut criterion, 1, entries);
    }
    criterion.final_summary();
}

fn measure(criterion: &mut Criterion, rules: usize, entries: usize) {
    let admission = Admission::compile(AdmissionSpec {
        default_policy: DefaultPolicy::Allow,
        rules: (0..rules).map(|host| rule(host, entries)).collect(),
        ..AdmissionSpec::default()
    })
    .unwrap();
    let sleep = Principal::from_name("cluster.local/ns/default/sa/sleep").unwrap();
    let caller = admission.caller(Some(sleep), [10, 0, 0, 1].into());
    let mut number: usize = 0;
    let name = format!("admit/{rules} rules in expressions, lists of {entries}");
    criterion.bench_function(&name, |bencher| {
        bencher.iter_batched(
            || {
                // Any odd step visits all of them in an order no cache foresees.
                number = number.wrapping_add(7_919);
                let host = format!("api-{}.example.com", number % rules);
                // One in two is on the list.
                let path = format!("/entry-{}", number % (2 * entries));
                (host, path)
            },
            |(host, path)| {
                let raw = RawRequest {
                    method: b"GET",
                    authority: host.as_bytes(),
                    target: path.as_bytes(),
                    headers: &NoHeaders,
                    caller: &caller,
                    server_name: None,
                    view: policy::door::View::Gateway,
                    port: 443,
                    time: 0,
                };
                admission.admit(raw, 7).is_ok()
            },
            BatchSize::SmallInput,
        );
    });
}

/// A list check of document 004 for one host.
fn rule(host: usize, entries: usize) -> Rule {
    let condition = format!(
        r#"request.host == "api-{host}.example.com" && source.principal != "cluster.local/ns/default/sa/politics""#
    );
    let targets = (0..entries).map(|n| PathPattern::exact(&format!("/entry-{n}")).unwrap());
    Rule {
        name: format!("check-{host}").into(),
        effect: Effect::Deny(Answer {
            status: 403,
            body: Template::default(),
        }),
        enforcement: Enforcement::Enforced,
        matchers: vec![Matcher {
            expr: Some(Arc::new(Expr::cexl(&condition).unwrap())),
            ..Matcher::default()
        }],
        unless: vec![Matcher {
            targets: targets.collect(),
            ..Matcher::default()
        }],
        origin: Arc::new(Origin::new("mixer.yaml", 1, 1)),
    }
}
