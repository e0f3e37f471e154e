//! Every mistake, at its place, with what to write instead.

use super::*;

#[test]
fn every_mistake_is_told_at_its_place() {
    let mut wrong = Vec::new();
    for (spec, expected) in [
        (
            "action: ALOW",
            "5:11 error: unknown word `ALOW`: did you mean `ALLOW`?",
        ),
        (
            "action: deny",
            "5:11 error: unknown word `deny`: did you mean `DENY`?",
        ),
        (
            "rules: [{ to: [{ operation: { hosts: ['https://a.example/x'] } }] }]",
            "5:41 error: `https://a.example/x` is a URL, and a host has neither scheme nor path: write `a.example`",
        ),
        (
            "rules:\n- from:\n  - source:\n    principals: [a]",
            "8:7 error: `principals` stands beside `source`, which holds nothing: indent it below `source:`",
        ),
        (
            "rules:\n- to:\n  - operation:\n    paths: [/a]",
            "8:7 error: `paths` stands beside `operation`, which holds nothing: indent it below `operation:`",
        ),
        (
            "action: 4",
            "5:11 error: unknown word `4`: write `ALLOW`, `DENY`, `AUDIT` or `CUSTOM`",
        ),
        (
            "rule: [{}]",
            "5:3 error: unknown field `rule`: did you mean `rules`?",
        ),
        (
            "provider: { name: x }",
            "5:3 error: only `action: CUSTOM` has a `provider`: delete it",
        ),
        (
            "rules: [{ form: [] }]",
            "5:13 error: unknown field `form`: did you mean `from`?",
        ),
        (
            "rules: [{ from: [] }]",
            "5:13 error: `from` is an empty list: write an entry, or delete the key",
        ),
        (
            "rules: [{ from: [{}] }]",
            "5:20 error: `source` is missing: write such as `source: { … }`",
        ),
        (
            "rules: [{ from: [{ source: {} }] }]",
            "5:30 error: an empty `source`: write whom you mean, or delete `from` for everybody",
        ),
        (
            "rules: [{ to: [{ operation: {} }] }]",
            "5:31 error: an empty `operation`: write what you mean, or delete `to` for everything",
        ),
        (
            "rules: [{ from: [{ source: { principal: [a] } }] }]",
            "5:32 error: unknown field `principal`: did you mean `principals`?",
        ),
        (
            "rules: [{ from: [{ source: { principals: a } }] }]",
            "5:44 error: found a single value where a list belongs: write `- ` before it",
        ),
        (
            "rules: [{ from: [{ source: { principals: [''] } }] }]",
            "5:45 error: an empty text matches nothing: write a value, or `*` for any",
        ),
        (
            "rules: [{ from: [{ source: { principals: ['a*b'] } }] }]",
            "5:45 error: `a*b` has a `*` inside, where it is no wildcard: write it first, last or alone",
        ),
        (
            "rules: [{ from: [{ source: { principals: ['spiffe://a/ns/b/sa/c'] } }] }]",
            "5:45 error: a principal has no scheme: write `a/ns/b/sa/c`",
        ),
        (
            "rules: [{ from: [{ source: { principals: [sleep] } }] }]",
            "5:45 warning: `sleep` is nobody's name: write such as `cluster.local/ns/default/sa/sleep`",
        ),
        (
            "rules: [{ from: [{ source: { namespaces: ['a/b'] } }] }]",
            "5:45 error: `a/b` is no namespace: write such as `default`",
        ),
        (
            "rules: [{ from: [{ source: { serviceAccounts: ['a/*'] } }] }]",
            "5:50 error: `a/*` is no service account: write `NAMESPACE/NAME` or `NAME`, without wildcards",
        ),
        (
            "rules: [{ from: [{ source: { serviceAccounts: [a], namespaces: [b] } }] }]",
            "5:32 error: `serviceAccounts` does not stand beside `namespaces`: write one of them",
        ),
        (
            "rules: [{ from: [{ source: { trustDomains: [A] } }] }]",
            "5:47 error: `A` is no trust domain: write such as `cluster.local`, in lower case",
        ),
        (
            "rules: [{ from: [{ source: { ipBlocks: [10.0.0.0/33] } }] }]",
            "5:43 error: `10.0.0.0/33` is no range of addresses: write such as `10.0.0.0/8` or `192.0.2.1`",
        ),
        (
            "rules: [{ from: [{ source: { ipBlocks: ['::ffff:10.0.0.0/104'] } }] }]",
            "5:43 error: `::ffff:10.0.0.0/104` is no range of addresses: write such as `10.0.0.0/8` or `192.0.2.1`",
        ),
        (
            "rules: [{ to: [{ operation: { methods: [PUT] } }], when: [{ key: 'request.headers[:method]', values: [GET] }] }]",
            "5:11 warning: this rule never matches: what it asks excludes each other",
        ),
        (
            "rules: [{ from: [{ source: { remoteIpBlocks: [10.0.0.0/8] } }] }]",
            "5:32 note: `remoteIpBlocks` is the address of the peer here: `X-Forwarded-For` is what callers claim",
        ),
        (
            "rules: [{ from: [{ source: { requestPrincipals: [a] } }] }]",
            "5:32 warning: a request principal is never here, since tokens are not verified: the rule never matches",
        ),
        (
            "action: DENY\nrules: [{ from: [{ source: { requestPrincipals: [a] } }] }]",
            "6:32 error: a request principal cannot be honoured, since tokens are not verified: decide by principals",
        ),
        (
            "rules: [{ to: [{ operation: { hosts: ['a.example:x'] } }] }]",
            "5:41 error: `x` is no port: write `a.example` for the host at any port, or such as `a.example:443`",
        ),
        (
            "rules: [{ to: [{ operation: { hosts: ['a.*.b'] } }] }]",
            "5:41 error: `*` stands first in a host, `*.b` or `*b`, or alone",
        ),
        (
            "rules: [{ to: [{ operation: { hosts: ['a/*'] } }] }]",
            "5:41 error: no host begins with `a/`: write letters, digits, `-` and `.`, and `*` behind them",
        ),
        (
            "rules: [{ to: [{ operation: { ports: ['0'] } }] }]",
            "5:41 error: `0` is no number from 1 to 65535: write one",
        ),
        (
            "rules: [{ to: [{ operation: { methods: [get] } }] }]",
            "5:43 error: `get` is no method: write `GET`",
        ),
        (
            "rules: [{ to: [{ operation: { methods: ['p*'] } }] }]",
            "5:43 error: `p` is no method: write `P`",
        ),
        (
            "rules: [{ to: [{ operation: { paths: [a] } }] }]",
            "5:41 error: a path begins with `/`; write `/a`, or `*a` for every path that ends so",
        ),
        (
            "rules: [{ to: [{ operation: { paths: ['/a?b'] } }] }]",
            "5:44 error: a path has no query: delete `?` and what follows it",
        ),
        (
            "rules: [{ to: [{ operation: { paths: ['/a/../b'] } }] }]",
            "5:41 error: `/a/../b`: the path holds a `.` or `..` segment: send the resolved path",
        ),
        (
            "rules: [{ to: [{ operation: { paths: ['/a/*/b'] } }] }]",
            "5:45 error: `*` is no segment of a template; write `{*}` for one whole segment, `{**}` for the rest",
        ),
        (
            "rules: [{ to: [{ operation: { paths: ['/{**}/{*}'] } }] }]",
            "5:48 error: no operator may follow `{**}`; write `{*}` for single segments",
        ),
        (
            "rules: [{ when: [{ values: [a] }] }]",
            "5:20 error: `key` is missing: write such as `key: source.ip`",
        ),
        (
            "rules: [{ when: [{ key: source.ip }] }]",
            "5:20 error: a condition without values: write `values` or `notValues`",
        ),
        (
            "rules: [{ when: [{ key: destination.ip, values: [a] }] }]",
            "5:27 error: `destination.ip` is not known before the request is decided upon: write `hosts`",
        ),
        (
            "rules: [{ when: [{ key: 'request.headers[a b]', values: [a] }] }]",
            "5:27 error: `a b` is no name of a header: write such as `request.headers[User-Agent]`",
        ),
        (
            "rules: [{ when: [{ key: 'request.headers[:path]', values: [a] }] }]",
            "5:27 error: `:path` is no header: write `paths` of an `operation`",
        ),
        (
            "rules: [{ when: [{ key: 'request.auth.audiences', values: [a] }] }]",
            "5:53 warning: `request.auth.audiences` is never here, since tokens are not verified: the rule never matches",
        ),
        (
            "action: DENY\nrules: [{ when: [{ key: 'request.auth.claims[a]', values: [a] }] }]",
            "6:53 error: `request.auth.claims[a]` cannot be honoured, since tokens are not verified: decide by principals",
        ),
        (
            "action: DENY",
            "3:19 warning: this policy has no `rules` and does nothing: write some, `- {}` for every request",
        ),
        (
            "selector: { matchLabels: {} }\ntargetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: istio-egressgateway }]\nrules: [{}]",
            "6:3 error: `targetRefs` and `selector` exclude each other: delete one",
        ),
        (
            "targetRefs: [{ group: networking.istio.io, kind: ServiceEntry, name: x }]",
            "5:16 error: there is no ServiceEntry `x` with hosts in namespace `istio-system`: write one",
        ),
        (
            "targetRefs: [{ kind: Service }]",
            "5:16 error: `name` is missing: write such as `name: egress`",
        ),
        (
            "action: CUSTOM\nprovider: { name: opa }\nrules: [{}]",
            "6:3 error: there is no authoriser `opa`: write `authorisers: { opa: { grpc: { url: … } } }` in a native document, or define it under `extensionProviders` of MeshConfig",
        ),
        (
            "action: CUSTOM\nrules: [{}]",
            "5:3 error: `provider` is missing: write such as `provider: { name: … }`",
        ),
    ] {
        let told = problems(&policy(spec));
        if told != [expected] {
            wrong.push(format!("{spec}\n  {told:?}\n  {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_unknown_key_of_a_condition_is_told_what_there_is() {
    for key in [
        "source.user",
        "experimental.envoy.filters.network.mysql_proxy[db.t]",
    ] {
        let problems = problems(&policy(&format!(
            "rules: [{{ when: [{{ key: '{key}', values: [a] }}] }}]"
        )));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("5:27 error: ") && problems[0].contains("`source.principal`"),
            "{problems:?}"
        );
    }
}

#[test]
fn an_annotation_is_a_word_of_go() {
    let object = policy("rules: [{}]").replace(
        "namespace: istio-system",
        "namespace: istio-system, annotations: { istio.io/dry-run: 'yes' }",
    );
    assert_eq!(
        problems(&object),
        ["3:80 error: unknown word `yes`: write `true` or `false`"]
    );
}

#[test]
fn a_dry_run_of_a_permission_is_remarked_upon() {
    let object = policy("rules: [{}]").replace(
        "namespace: istio-system",
        "namespace: istio-system, annotations: { istio.io/dry-run: 'true' }",
    );
    assert_eq!(
        problems(&object),
        [
            "3:19 note: a dry run of ALLOW allows nothing and refuses nothing: what it would allow is told as `audit_rule`"
        ]
    );
}

/// What does not concern this gateway may ask what it cannot do.
#[test]
fn a_policy_of_others_is_not_judged() {
    let object = policy(
        "selector: { matchLabels: { app: other } }\naction: CUSTOM\nprovider: { name: opa }\nrules: [{ when: [{ key: destination.ip, values: [a] }] }]",
    );
    let problems = problems(&object);
    assert!(
        matches!(&*problems, [only] if only.contains(" note: ")),
        "{problems:?}"
    );
}

#[test]
fn too_many_ways_are_refused() {
    let ports = |n: usize| {
        (1..=n)
            .map(|port| format!("'a.example:{port}'"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let spec = |n: usize| {
        policy(&format!(
            "rules: [{{ to: [{{ operation: {{ hosts: [{}] }} }}] }}]",
            ports(n)
        ))
    };
    assert!(compiled(&spec(1000)).is_ok());
    assert_eq!(
        problems(&spec(1001)),
        ["5:11 error: this holds in more than 1000 ways: write several rules"]
    );
}

/// Istio deploys the Gateway `egress` as `egress-istio`, which we may be without
/// its object being here.
#[test]
fn a_policy_of_the_gateway_we_are_deployed_for_is_ours() {
    let gateway = |name: &str| format!("---\nversion: 1\ngateway: {{ name: {name} }}\n");
    let deny = |gateway: &str| {
        policy(&format!(
            "action: DENY\ntargetRefs: [{{ group: gateway.networking.k8s.io, kind: Gateway, name: {gateway} }}]\nrules: [{{}}]"
        ))
    };
    let get = "sa:default/sleep GET http://a.example/";
    for (name, target, refused) in [
        ("egress-istio", "egress", true),
        ("egress-istio", "egress-istio", true),
        ("egress-istio", "other", false),
        ("egress", "egress-istio", false),
    ] {
        let snapshot = snapshot(&(deny(target) + &gateway(name)));
        assert_eq!(!goes(&snapshot, get), refused, "{name} {target}");
    }
}
