//! RBAC of 2018.

use super::policies::entry;
use super::*;

const SLEEP: &str = "sa:default/sleep GET http://edition.cnn.com/health";
const OTHER: &str = "sa:default/other GET http://edition.cnn.com/health";
const ELSEWHERE: &str = "sa:default/other GET http://a.example/";

fn object(kind: &str, name: &str, spec: &str) -> String {
    let spec = spec.replace('\n', "\n  ");
    format!(
        "---\napiVersion: rbac.istio.io/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name}, namespace: istio-system }}\nspec:\n  {spec}\n"
    )
}

fn config(spec: &str) -> String {
    object("ClusterRbacConfig", "default", spec)
}

fn role(rule: &str) -> String {
    object("ServiceRole", "cnn", &format!("rules: [{{ {rule} }}]"))
}

fn binding(subject: &str) -> String {
    object(
        "ServiceRoleBinding",
        "sleep",
        &format!("subjects: [{{ {subject} }}]\nroleRef: {{ kind: ServiceRole, name: cnn }}"),
    )
}

const CNN: &str = "services: ['*.cnn.com'], methods: [GET], paths: [/health, '/sport*']";
const SLEEPS: &str = "user: cluster.local/ns/default/sa/sleep";

#[test]
fn a_binding_allows_its_subjects_what_its_role_says_and_nothing_else_goes() {
    let objects = format!("{}{}{}", role(CNN), binding(SLEEPS), config("mode: 'ON'"));
    decides(
        &objects,
        &[
            SLEEP,
            "sa:default/sleep GET http://edition.cnn.com/sport/x?y",
            "old.example/ns/default/sa/sleep GET http://edition.cnn.com/health",
        ],
        &[
            OTHER,
            ELSEWHERE,
            "sa:default/sleep GET http://edition.cnn.com/politics",
            "sa:default/sleep POST http://edition.cnn.com/health",
            "sa:default/sleep GET http://cnn.com/health",
            "anonymous GET http://edition.cnn.com/health",
        ],
    );
    let (_, rule) = verdict(&snapshot(&objects), &question(SLEEP));
    assert_eq!(
        rule.as_deref(),
        Some("ns[istio-system]-policy[sleep]-rule[0]")
    );
}

#[test]
fn without_a_word_roles_do_nothing() {
    let roles = format!("{}{}", role(CNN), binding(SLEEPS));
    for off in [
        "",
        &config("mode: 'OFF'"),
        &config("{}"),
        &config("mode: ON_WITH_EXCLUSION\nexclusion: { services: ['*'] }"),
        &config("mode: ON_WITH_EXCLUSION\nexclusion: { namespaces: [istio-system] }"),
        &config("mode: ON_WITH_INCLUSION\ninclusion: { namespaces: [shop] }"),
    ] {
        let objects = format!("{roles}{off}");
        decides(&objects, &[SLEEP, OTHER, ELSEWHERE], &[]);
        assert_eq!(problems(&objects).len(), 2, "{:?}", problems(&objects));
    }
    decides(&config("mode: ON"), &[], &[SLEEP, ELSEWHERE]);
}

#[test]
fn what_is_not_included_stays_open_and_what_is_excluded_too() {
    let roles = format!("{}{}", role(CNN), binding(SLEEPS));
    let included =
        config("mode: ON_WITH_INCLUSION\ninclusion: { services: ['*.cnn.com', b.example] }");
    decides(
        &format!("{roles}{included}"),
        &[SLEEP, ELSEWHERE],
        &[OTHER, "sa:default/sleep GET http://b.example/"],
    );
    let excluded = config(
        "mode: ON_WITH_EXCLUSION\nexclusion: { services: ['*.example'], namespaces: [default] }",
    );
    decides(
        &format!("{roles}{excluded}"),
        &[SLEEP, ELSEWHERE],
        &[OTHER, "sa:default/sleep GET http://a.test/"],
    );
    let ours = config(
        "mode: ON_WITH_INCLUSION\ninclusion: { services: [istio-egressgateway.istio-system.svc.cluster.local] }",
    );
    decides(&format!("{roles}{ours}"), &[SLEEP], &[OTHER, ELSEWHERE]);
    let namespace = config("mode: ON_WITH_INCLUSION\ninclusion: { namespaces: [istio-system] }");
    decides(
        &format!("{roles}{namespace}"),
        &[SLEEP],
        &[OTHER, ELSEWHERE],
    );
    // The hosts of a namespace are those its entries name.
    let shop = entry("a", "edition.cnn.com").replace("namespace: istio-system", "namespace: shop");
    let namespace = config("mode: ON_WITH_INCLUSION\ninclusion: { namespaces: [shop] }");
    decides(
        &format!("{roles}{namespace}{shop}"),
        &[SLEEP, ELSEWHERE],
        &[OTHER],
    );
}

#[test]
fn roles_name_hosts_and_more() {
    let all = |rule: &str| {
        format!(
            "{}{}{}",
            role(rule),
            binding("user: '*'"),
            config("mode: 'ON'")
        )
    };
    for (rule, go, refused) in [
        (
            "services: ['*']",
            &[SLEEP, ELSEWHERE, "anonymous GET http://a.example/"][..],
            &[][..],
        ),
        (
            "services: [istio-egressgateway.istio-system.svc.cluster.local]",
            &[SLEEP, ELSEWHERE],
            &[],
        ),
        ("services: [edition.cnn.com]", &[SLEEP, OTHER], &[ELSEWHERE]),
        ("services: ['edition.*']", &[SLEEP], &[ELSEWHERE]),
        (
            "services: ['*'], hosts: [a.example]",
            &[ELSEWHERE],
            &[SLEEP],
        ),
        (
            "services: ['*'], notPaths: [/health]",
            &[ELSEWHERE],
            &[SLEEP],
        ),
        (
            "services: ['*'], not_methods: [GET]",
            &["sa:a/b PUT http://a.example/"],
            &[SLEEP],
        ),
        (
            "services: ['*'], constraints: [{ key: 'request.headers[version]', values: [v1, 'v2*'] }]",
            &["sa:a/b GET http://a.example/ | version: v2.1"],
            &[SLEEP, "sa:a/b GET http://a.example/ | version: v3"],
        ),
    ] {
        decides(&all(rule), go, refused);
    }
}

#[test]
fn subjects_have_properties() {
    let of = |subject: &str| {
        format!(
            "{}{}{}",
            role("services: ['*']"),
            binding(subject),
            config("mode: 'ON'")
        )
    };
    let anonymous = "anonymous GET http://edition.cnn.com/health";
    for (subject, go, refused) in [
        ("user: '*'", &[SLEEP, OTHER, anonymous][..], &[][..]),
        (
            "properties: { source.principal: '*' }",
            &[SLEEP, OTHER],
            &[anonymous],
        ),
        (
            "properties: { source.namespace: default }",
            &[SLEEP],
            &["sa:shop/a GET http://a.example/", anonymous],
        ),
        (
            "user: '*', properties: { source.namespace: shop }",
            &["sa:shop/a GET http://a.example/"],
            &[SLEEP],
        ),
        (
            "properties: { source.ip: 10.0.0.0/8, source.namespace: default }",
            &["sa:default/a GET http://a.example/ @10.1.1.1"],
            &[SLEEP, "sa:shop/a GET http://a.example/ @10.1.1.1"],
        ),
        (
            "properties: { 'request.headers[X-Team]': red }",
            &["sa:default/a GET http://a.example/ | x-team: red"],
            &[SLEEP],
        ),
        (
            "properties: { 'request.auth.claims[iss]': x }",
            &[],
            &[SLEEP],
        ),
        (
            "names: ['*/sa/sleep'], notNamespaces: [shop], ips: [127.0.0.1]",
            &[SLEEP],
            &[OTHER, "sa:shop/sleep GET http://a.example/"],
        ),
        ("groups: [admins]", &[], &[SLEEP]),
    ] {
        decides(&of(subject), go, refused);
    }
}

#[test]
fn a_permissive_binding_allows_nobody() {
    let permissive = binding(SLEEPS).replace("  roleRef", "  mode: PERMISSIVE\n  roleRef");
    let objects = format!("{}{permissive}{}", role(CNN), config("mode: 'ON'"));
    decides(&objects, &[], &[SLEEP]);
    // And a permissive configuration refuses nobody.
    let objects = format!(
        "{}{}{}",
        role(CNN),
        binding(SLEEPS),
        config("mode: 'ON'\nenforcement_mode: PERMISSIVE")
    );
    decides(&objects, &[SLEEP, OTHER, ELSEWHERE], &[]);
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let mut wrong = Vec::new();
    let on = config("mode: 'ON'");
    let role_of = |rule: &str| format!("{}{on}", role(rule));
    let bound = |subject: &str| format!("{}{}{on}", binding(subject), role(CNN));
    for (objects, expected) in [
        (
            config("mode: SOMETIMES"),
            "6:9 error: unknown word `SOMETIMES`: write `OFF`, `ON`, `ON_WITH_INCLUSION` or `ON_WITH_EXCLUSION`",
        ),
        (
            config("mode: 'ON'\nexclusion: { services: [a.example] }"),
            "7:3 error: `exclusion` has no effect in this mode: delete it",
        ),
        (
            config("mode: ON_WITH_INCLUSION"),
            "6:3 error: `inclusion` is missing: write such as `inclusion: { services: […] }`",
        ),
        (
            config("mode: ON_WITH_INCLUSION\ninclusion: { services: ['a.*'] }"),
            "7:27 error: `*` stands first in a host, `*.b` or `*b`, or alone",
        ),
        (
            config("mode: 'ON'").replace("name: default", "name: x"),
            "4:19 error: there is one such object, and it is named `default`: write that",
        ),
        (
            format!("{on}{}", object("RbacConfig", "default", "mode: 'OFF'")),
            "10:19 error: the ClusterRbacConfig at policies.yaml:4 has the last word: delete this one",
        ),
        (
            role_of("methods: [GET]"),
            "6:11 error: `services` is missing: write such as `services: ['*']`",
        ),
        (
            role_of(
                "services: ['*'], constraints: [{ key: 'destination.labels[v]', values: [a] }]",
            ),
            "6:51 error: `destination.labels[v]` is of workloads, and what lies behind this gateway is none: write `services`",
        ),
        (
            role_of("services: ['*'], path: [/a]"),
            "6:30 error: unknown field `path`: did you mean `paths`?",
        ),
        (
            bound("{ }").replace("[{ { } }]", "[{}]"),
            "6:14 error: an empty subject: write such as `user: cluster.local/ns/default/sa/sleep`, or `user: \"*\"` for everybody",
        ),
        (
            bound("group: a"),
            "6:16 error: `group` cannot be honoured: tokens are not verified: name a `user`",
        ),
        (
            bound("properties: { source.uid: a }"),
            "6:30 error: unknown key `source.uid`: write `request.headers[NAME]`, `source.ip`, `source.namespace`, `source.principal`, `source.serviceAccount`, `source.trustDomain`, `remote.ip`, `destination.port` or `connection.sni`",
        ),
        (
            bound(SLEEPS).replace("name: cnn }", "name: bbc }"),
            "7:39 error: there is no ServiceRole `bbc` in namespace `istio-system`: write one",
        ),
        (
            role(CNN).replace("istio-system", "default") + &on,
            "4:19 note: this does not concern this gateway: it is of namespace `default` and this gateway of `istio-system`",
        ),
    ] {
        let told = problems(&objects);
        if told != [expected] {
            wrong.push(format!("{objects}\n  {told:?}\n  {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Istio would let the newer kind open what the older one closes.
#[test]
fn the_two_ages_do_not_mix() {
    let objects = format!(
        "{}{}",
        config("mode: 'ON'"),
        policy("action: DENY\nrules: [{}]").replacen("api", "---\napi", 1)
    );
    let problems = problems(&objects);
    assert!(
        matches!(&*problems, [only] if only.starts_with("4:19 error: an AuthorizationPolicy")),
        "{problems:?}"
    );
}
