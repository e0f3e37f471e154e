//! Random matchers: every key, and every spelling of each.

use std::sync::Arc;

use policy::canonical::MethodSet;
use policy::expr::{Attribute, Expr, Value};
use policy::pattern::{HostPattern, PathPattern, ValuePattern};
use policy::rule::{Matcher, NamedPattern};
use policy::source::{NamePattern, SourcePattern};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::random::uid;

fn name_pattern() -> impl Strategy<Value = NamePattern> {
    select(vec!["*", "default", "fin*", "*-prod", "sleep"]).prop_map(NamePattern::parse)
}

fn source() -> impl Strategy<Value = SourcePattern> {
    let domain = select(vec![
        "cluster.local",
        "old.local",
        "far.example",
        "*",
        "*.example",
    ]);
    prop_oneof![
        Just(SourcePattern::Any),
        Just(SourcePattern::Anonymous),
        Just(SourcePattern::Address("10.0.0.0/8".parse().unwrap())),
        select(vec![
            "cluster.local/ns/*",
            "*/sa/sleep",
            "cluster.local/ns/default/sa/sleep",
            "*"
        ])
        .prop_map(|name| SourcePattern::Name(NamePattern::parse(name))),
        (domain, name_pattern(), name_pattern()).prop_map(|(domain, namespace, account)| {
            SourcePattern::Workload {
                trust_domain: NamePattern::parse(domain),
                namespace,
                service_account: account,
            }
        }),
    ]
}

/// Sources, among them workloads under both names of the mesh's own domain.
fn sources() -> impl Strategy<Value = Vec<SourcePattern>> {
    let local: [Box<str>; 2] = ["cluster.local".into(), "old.local".into()];
    let spelled = select(vec!["sa:default/sleep", "ns:fin*", "ns:*-prod"]);
    let local = spelled.prop_map(move |text| SourcePattern::parse(text, &local).unwrap());
    prop_oneof![
        3 => prop::collection::vec(source(), 0..3),
        1 => local,
    ]
}

fn path() -> impl Strategy<Value = PathPattern> {
    let text = select(vec![
        "/",
        "/a",
        "/a/b",
        "/a*b",
        "/x**",
        "/politics",
        "/a?b",
        "/%41",
        "/a b",
        "a",
    ]);
    prop_oneof![
        Just(PathPattern::Any),
        text.clone()
            .prop_map(|text| PathPattern::Exact(text.into())),
        text.clone()
            .prop_map(|text| PathPattern::Prefix(text.into())),
        text.prop_map(|text| PathPattern::Suffix(text.into())),
        select(vec!["/v1", "/a/b"]).prop_map(|text| PathPattern::segment_prefix(text).unwrap()),
        select(vec!["/a|/b", "/po.*", "/[a-c]{2,}", ".*: #x"])
            .prop_map(|text| PathPattern::regex(text).unwrap()),
        select(vec!["/a/{*}", "/a/{**}/z"]).prop_map(|text| PathPattern::template(text).unwrap()),
    ]
}

fn value() -> impl Strategy<Value = ValuePattern> {
    let text = || {
        select(vec![
            "", "red", "present", "a*b", "*", "yes", "1.0", "a: b", "\"q\"", " x ",
        ])
    };
    let leaf = prop_oneof![
        Just(ValuePattern::Present),
        Just(ValuePattern::NonEmpty),
        Just(ValuePattern::Absent),
        text().prop_map(|text| ValuePattern::Exact(text.into())),
        text().prop_map(|text| ValuePattern::Prefix(text.into())),
        text().prop_map(|text| ValuePattern::Suffix(text.into())),
        select(vec!["r.*", "a|b"]).prop_map(|text| ValuePattern::regex(text).unwrap()),
    ];
    leaf.prop_recursive(2, 4, 1, |inner| {
        inner.prop_map(|v| ValuePattern::Not(Box::new(v)))
    })
}

fn named() -> impl Strategy<Value = Vec<NamedPattern>> {
    let one = (select(vec!["x-team", "x-a"]), value()).prop_map(|(name, pattern)| NamedPattern {
        name: name.into(),
        pattern,
    });
    prop::collection::vec(one, 0..3)
}

fn expr() -> impl Strategy<Value = Option<Arc<Expr>>> {
    let expr = select(vec![
        Expr::cel(r#"request.method == "POST""#),
        Expr::cel(r#"request.headers["x-team"].startsWith('re') && source.namespace == "default""#),
        Expr::cexl(r#"(request.headers["x-team"] | "") == "red" && request.path.startsWith("/a")"#),
        Expr::cexl(r#"source.labels["app"] == "sleep""#),
        Expr::cexl(r#"context.reporter.uid == "x" || request.method == "GET""#),
    ]);
    let expr = expr.prop_map(|expr| {
        let uid = Value::String(uid().into());
        let expr = expr
            .unwrap()
            .specialise(Attribute::ContextReporterUid, &uid);
        Arc::new(expr)
    });
    prop::option::weighted(0.2, expr)
}

pub(super) fn some<T: Clone + std::fmt::Debug + 'static>(
    all: Vec<T>,
    most: usize,
) -> impl Strategy<Value = Vec<T>> {
    let most = most.min(all.len());
    prop_oneof![2 => Just(Vec::new()), 1 => subsequence(all, 0..=most)]
}

fn hosts() -> impl Strategy<Value = Vec<HostPattern>> {
    let all = ["a.x", "*.x", "*b.x", "*", "b.x"].map(|text| HostPattern::parse(text).unwrap());
    some(all.to_vec(), 2)
}

prop_compose! {
    pub(super) fn matcher()(
        from in prop_oneof![1 => Just(Vec::new()), 1 => sources()],
        hosts in hosts(),
        paths in prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(path(), 0..3)],
        targets in prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(path(), 0..3)],
        methods in some(vec!["GET", "POST", "PURGE"], 2),
        ports in some(vec![80, 443], 1),
        host_ports in some(vec![80, 8443], 1),
        listener_ports in some(vec![443, 8443], 1),
        server_names in prop_oneof![4 => Just(Vec::new()), 1 => self::hosts()],
        headers in prop_oneof![2 => Just(Vec::new()), 1 => named()],
        query in prop_oneof![4 => Just(Vec::new()), 1 => named()],
        expr in expr(),
    ) -> Matcher {
        let methods = (!methods.is_empty()).then(|| MethodSet::parse(methods).unwrap());
        Matcher { from: from.into(), hosts, paths, targets, methods, ports, host_ports, listener_ports, server_names, headers, query, expr }
    }
}
