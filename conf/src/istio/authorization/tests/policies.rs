//! Which policies apply, in which order, under which names.

use super::*;

pub(super) const SLEEP: &str = "sa:default/sleep GET http://a.example/a";
const OTHER: &str = "sa:default/other GET http://a.example/a";
const ELSEWHERE: &str = "sa:default/sleep GET http://b.example/a";

const FROM_SLEEP: &str =
    "{ from: [{ source: { principals: [cluster.local/ns/default/sa/sleep] } }] }";

/// A policy of some name and namespace.
pub(super) fn named(name: &str, namespace: &str, annotations: &str, spec: &str) -> String {
    let spec = spec.replace('\n', "\n  ");
    format!(
        "---\napiVersion: security.istio.io/v1beta1\nkind: AuthorizationPolicy\nmetadata: {{ name: {name}, namespace: {namespace}, annotations: {{ {annotations} }} }}\nspec:\n  {spec}\n"
    )
}

pub(super) fn entry(name: &str, hosts: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{ name: {name}, namespace: istio-system }}\nspec: {{ hosts: [{hosts}], resolution: DNS, ports: [{{ number: 443, name: https, protocol: HTTPS }}] }}\n"
    )
}

#[test]
fn nothing_said_is_nothing_refused() {
    decides(
        &policy("action: DENY"),
        &[SLEEP, "anonymous GET http://a.example/"],
        &[],
    );
}

#[test]
fn a_policy_that_allows_refuses_the_rest() {
    decides(
        &policy(&format!("rules: [{FROM_SLEEP}]")),
        &[SLEEP, ELSEWHERE],
        &[OTHER],
    );
    decides(&policy("{}"), &[], &[SLEEP]);
    decides(&policy("rules: []"), &[], &[SLEEP]);
    decides(
        &policy("action: 0\nrules: [{}]"),
        &[SLEEP, OTHER, "anonymous GET http://a.example/"],
        &[],
    );
    decides(
        &policy("action: DENY\nrules: [{}]"),
        &[],
        &[SLEEP, "anonymous GET http://a.example/"],
    );
}

#[test]
fn denials_come_first_whatever_the_order() {
    let allow = named("a", "istio-system", "", &format!("rules: [{FROM_SLEEP}]"));
    let deny = named(
        "d",
        "istio-system",
        "",
        "action: DENY\nrules: [{ to: [{ operation: { hosts: [b.example] } }] }]",
    );
    for objects in [format!("{allow}{deny}"), format!("{deny}{allow}")] {
        decides(&objects, &[SLEEP], &[OTHER, ELSEWHERE]);
    }
}

#[test]
fn sources_operations_and_rules_are_alternatives_and_conditions_are_not() {
    let objects = policy(
        "rules:
- from: [{ source: { namespaces: [default] } }, { source: { namespaces: [shop], notPrincipals: ['*/sa/bad'] } }]
  to: [{ operation: { hosts: [a.example], notPaths: [/x] } }, { operation: { hosts: [b.example] } }]
  when: [{ key: 'request.headers[x]', values: ['1'] }, { key: source.ip, values: [127.0.0.0/8] }]
- to: [{ operation: { hosts: [c.example] } }]",
    );
    decides(
        &objects,
        &[
            "sa:default/a GET http://a.example/ | x: 1",
            "sa:default/a GET http://b.example/x | x: 1",
            "sa:shop/a GET http://a.example/ | x: 1",
            "sa:nowhere/a GET http://c.example/",
        ],
        &[
            "sa:default/a GET http://a.example/x | x: 1",
            "sa:default/a GET http://a.example/ | x: 2",
            "sa:default/a GET http://a.example/ @10.0.0.1 | x: 1",
            "sa:shop/bad GET http://a.example/ | x: 1",
            "sa:shop/bad GET http://b.example/ | x: 1",
            "sa:nowhere/a GET http://a.example/ | x: 1",
        ],
    );
}

#[test]
fn rules_are_called_as_istio_calls_them_and_denials_answer_as_envoy_does() {
    use policy::rule::{Effect, TemplatePart};
    let objects = named(
        "d",
        "istio-system",
        "",
        "action: DENY\nrules:\n- to: [{ operation: { hosts: [b.example] } }]\n- to: [{ operation: { hosts: [a.example], notPaths: [/b] } }]",
    );
    let snapshot = snapshot(&objects);
    let (goes, rule) = verdict(&snapshot, &question(SLEEP));
    assert_eq!(
        (goes, rule.as_deref()),
        (false, Some("ns[istio-system]-policy[d]-rule[1]"))
    );
    let rules = snapshot.admission().rules();
    assert_eq!(
        rules
            .iter()
            .map(|r| (r.origin.line, r.origin.column))
            .collect::<Vec<_>>(),
        [(8, 5), (9, 5)]
    );
    let Effect::Deny(answer) = &rules[0].effect else {
        panic!()
    };
    assert_eq!(answer.status, 403);
    let [TemplatePart::Text(body)] = &*answer.body.0 else {
        panic!()
    };
    assert_eq!((&**body, body.len()), ("RBAC: access denied", 19));
}

#[test]
fn which_policies_speak_of_this_gateway() {
    let deny = |rest: &str| format!("action: DENY\nrules: [{{}}]\n{rest}");
    for (namespace, rest) in [
        ("istio-system", ""),
        (
            "istio-system",
            "selector: { matchLabels: { istio: egressgateway } }",
        ),
        ("istio-system", "selector: {}"),
        ("istio-system", "selector: { match_labels: {} }"),
        (
            "istio-system",
            "targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: istio-egressgateway }]",
        ),
        (
            "istio-system",
            "targetRef: { group: gateway.networking.k8s.io, kind: Gateway, name: istio-egressgateway }",
        ),
        (
            "istio-system",
            "targetRefs: [{ kind: Service, name: x }, { group: gateway.networking.k8s.io, kind: Gateway, name: istio-egressgateway }]",
        ),
    ] {
        decides(&named("d", namespace, "", &deny(rest)), &[], &[SLEEP]);
    }
    for (namespace, rest, why) in [
        (
            "default",
            "",
            "it is of namespace `default` and this gateway of `istio-system`",
        ),
        (
            "istio-system",
            "selector: { matchLabels: { istio: ingressgateway } }",
            "its `selector` asks for labels this gateway has not",
        ),
        (
            "istio-system",
            "selector: { matchLabels: { istio: egressgateway, x: y } }",
            "its `selector` asks for labels this gateway has not",
        ),
        (
            "istio-system",
            "targetRefs: [{ kind: Service, name: x }]",
            "its target is the Service `x`, which is not this gateway",
        ),
        (
            "istio-system",
            "targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: x }]",
            "its target is the Gateway `x`, which is not this gateway",
        ),
        (
            "istio-system",
            "targetRefs: [{ group: gateway.networking.k8s.io, kind: GatewayClass, name: istio }]",
            "its target is the GatewayClass `istio`, which is not this gateway",
        ),
    ] {
        let objects = named("d", namespace, "", &deny(rest));
        decides(&objects, &[SLEEP], &[]);
        assert_eq!(
            problems(&objects),
            [format!(
                "4:19 note: this policy does not concern this gateway: {why}"
            )]
        );
    }
    // The namespace and the root namespace need not be one.
    let away = "---\nversion: 1\ngateway: { namespace: egress, rootNamespace: root }\n";
    decides(
        &format!("{}{away}", named("d", "egress", "", &deny(""))),
        &[],
        &[SLEEP],
    );
    decides(
        &format!("{}{away}", named("d", "root", "", &deny(""))),
        &[],
        &[SLEEP],
    );
    decides(
        &format!("{}{away}", named("d", "istio-system", "", &deny(""))),
        &[SLEEP],
        &[],
    );
}

#[test]
fn a_policy_for_a_service_entry_speaks_of_its_hosts_alone() {
    let target = "targetRefs: [{ group: networking.istio.io, kind: ServiceEntry, name: a }]";
    let entries = format!(
        "{}{}",
        entry("a", "a.example, '*.a.example'"),
        entry("b", "b.example")
    );
    let deny = named(
        "d",
        "istio-system",
        "",
        &format!("action: DENY\n{target}\nrules: [{FROM_SLEEP}]"),
    );
    decides(
        &format!("{deny}{entries}"),
        &[ELSEWHERE, OTHER],
        &[SLEEP, "sa:default/sleep GET http://x.a.example/"],
    );
    let allow = named(
        "a",
        "istio-system",
        "",
        &format!("{target}\nrules: [{FROM_SLEEP}]"),
    );
    decides(
        &format!("{allow}{entries}"),
        &[SLEEP, ELSEWHERE, "sa:default/other GET http://b.example/"],
        &[
            OTHER,
            "sa:default/other GET http://x.a.example/",
            "anonymous GET http://a.example/",
        ],
    );
    // Its own exceptions hold.
    let excepting = named(
        "a",
        "istio-system",
        "",
        &format!(
            "{target}\nrules: [{{ to: [{{ operation: {{ hosts: ['*.example', c.test], notPaths: [/a] }} }}] }}]"
        ),
    );
    decides(
        &format!("{excepting}{entries}"),
        &[
            "sa:default/sleep GET http://a.example/b",
            ELSEWHERE,
            "sa:default/sleep GET http://c.test/a",
        ],
        &[SLEEP],
    );
    // A policy for the whole gateway closes the rest.
    let whole = named(
        "w",
        "istio-system",
        "",
        "rules: [{ to: [{ operation: { paths: [/b] } }] }]",
    );
    decides(
        &format!("{allow}{whole}{entries}"),
        &[
            SLEEP,
            "sa:default/other GET http://b.example/b",
            "sa:default/other GET http://a.example/b",
        ],
        &[OTHER, ELSEWHERE],
    );
    // Nobody may: the rest stays open.
    let nobody = named("n", "istio-system", "", target);
    decides(&format!("{nobody}{entries}"), &[ELSEWHERE], &[SLEEP, OTHER]);
}

/// Where the operator's own word is to refuse, no object opens anything but
/// what it allows.
#[test]
fn what_is_open_without_policies_stays_closed_under_a_closed_default() {
    let target = "targetRefs: [{ group: networking.istio.io, kind: ServiceEntry, name: a }]";
    let allow = named(
        "a",
        "istio-system",
        "",
        &format!("{target}\nrules: [{FROM_SLEEP}]"),
    );
    let text = format!(
        "version: 1\nlisteners: [{{ port: 443 }}]\n{allow}{}",
        entry("a", "a.example")
    );
    let snapshot = compile(&[SourceFile::new("f", text)], &Environment::default()).unwrap();
    assert!(goes(&snapshot, SLEEP));
    assert!(!goes(&snapshot, OTHER) && !goes(&snapshot, ELSEWHERE));
}

/// A Gateway of the Gateway API, which Istio deploys as the Service
/// `NAME-istio`, or whose addresses name one.
fn served(name: &str, addresses: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{ name: {name}, namespace: istio-system }}
spec: {{ gatewayClassName: istio, {addresses} listeners: [{{ name: a, port: 443, protocol: TLS, tls: {{ mode: Passthrough }} }}] }}
---
"
    )
}

#[test]
fn a_policy_for_the_gateway_that_is_served_here_holds() {
    let deny = |gateway: &str| {
        named(
            "d",
            "istio-system",
            "",
            &format!(
                "action: DENY\nrules: [{{}}]\ntargetRefs: [{{ group: gateway.networking.k8s.io, kind: Gateway, name: {gateway} }}]"
            ),
        )
    };
    let ours = "addresses: [{ value: istio-egressgateway.istio-system.svc.cluster.local }],";
    let theirs = "addresses: [{ value: other.istio-system.svc.cluster.local }],";
    let away = "---\nversion: 1\ngateway: { name: out-istio }\n";
    let holds = format!("{}{}", served("out", ours), deny("out"));
    decides(&holds, &[], &[SLEEP]);
    let deployed = format!("{}{}{away}", served("out", ""), deny("out"));
    decides(&deployed, &[], &[SLEEP]);
    for other in [
        format!("{}{}", served("out", theirs), deny("out")),
        format!("{}{}", served("out", ""), deny("out")),
        format!("{}{}", served("out", ours), deny("in")),
    ] {
        decides(&other, &[SLEEP], &[]);
    }
}
