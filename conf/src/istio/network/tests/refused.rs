//! What cannot be honoured, and what does not apply.

use super::*;

#[test]
fn what_cannot_be_honoured_is_refused_at_its_place() {
    for (http, expected) in [
        (format!("  - {{ {TO_CNN}, mirror: {{ host: x.example }} }}"), "`mirror` cannot be honoured"),
        (format!("  - {{ {TO_CNN}, rewrite: {{ uriRegexRewrite: {{}} }} }}"), "`uriRegexRewrite` cannot be honoured"),
        (format!("  - {{ {TO_CNN}, headers: {{ request: {{ set: {{ x: '%REQ(y)%' }} }} }} }}"), "holds `%`"),
        (format!("  - {{ {TO_CNN}, match: [{{ headers: {{ Host: {{ exact: x }} }} }}] }}"), "write `authority`"),
        (format!("  - {{ {TO_CNN}, math: [] }}"), "unknown field `math`: did you mean `match`?"),
        ("  - { match: [{ uri: { regex: '(?=x)' } }] }".to_owned(), "ECMAScript look-ahead"),
        ("  - { match: [{ uri: { exact: /a, prefix: /b } }] }".to_owned(), "exclude each other"),
        ("  - { route: [{ destination: { host: istio-egressgateway.istio-system.svc.cluster.local, port: { number: 443 } } }] }".to_owned(), "leads from the gateway to the gateway itself"),
    ] {
        let problems = compiled(&routed(&format!("{http}\n"))).unwrap_err();
        assert!(problems.iter().any(|p| p.contains(expected) && p.contains("error")), "{http}: {problems:?}");
    }
}

#[test]
fn keys_come_in_both_spellings_and_each_once() {
    let snake = routed(&format!(
        "  - {{ {TO_CNN}, direct_response: {{ status: 418 }} }}\n"
    ));
    let problems = compiled(&snake).unwrap_err();
    assert!(
        problems
            .iter()
            .any(|p| p.contains("`route` and `directResponse` exclude each other")),
        "{problems:?}"
    );
    let both = routed(&format!(
        "  - {{ {TO_CNN}, match: [{{ ignore_uri_case: true, ignoreUriCase: true }}] }}\n"
    ));
    let problems = compiled(&both).unwrap_err();
    assert!(
        problems
            .iter()
            .any(|p| p.contains("are one field: delete one of them")),
        "{problems:?}"
    );
}

#[test]
fn verification_cannot_be_turned_off() {
    let rule = format!(
        "{}\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{ name: r }}\nspec:\n  host: edition.cnn.com\n  trafficPolicy: {{ tls: {{ mode: SIMPLE, insecureSkipVerify: true }} }}\n",
        routed(&format!("  - {{ {TO_CNN} }}"))
    );
    let problems = compiled(&rule).unwrap_err();
    assert!(
        problems.iter().any(|p| p.contains("always verified")),
        "{problems:?}"
    );
}

#[test]
fn objects_that_do_not_apply_are_told_why() {
    let objects = format!(
        "{}---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{ name: other }}
spec:
  selector: {{ istio: ingressgateway }}
  servers: [{{ port: {{ number: 80, name: http, protocol: HTTP }}, hosts: ['*'] }}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: ingress }}
spec: {{ hosts: [shop.example], gateways: [other], http: [{{ route: [{{ destination: {{ host: shop }} }}] }}] }}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: hidden, namespace: elsewhere }}
spec: {{ hosts: [hidden.example], exportTo: ['.'], ports: [{{ number: 80, name: http, protocol: HTTP }}], resolution: DNS }}
",
        routed(&format!("  - {{ {TO_CNN} }}\n"))
    );
    let snapshot = snapshot(&objects);
    let notes: Vec<_> = snapshot
        .warnings()
        .iter()
        .map(|p| p.message.clone())
        .collect();
    for expected in [
        "this Gateway is another one's: it selects `istio: ingressgateway`, which is no label of ours",
        "VirtualService ingress.default names the gateways `other`, none of which is this one: passed over",
        "this ServiceEntry is not exported to `istio-system`, the gateway's namespace: passed over",
    ] {
        assert!(
            notes.iter().any(|note| note == expected),
            "{expected}: {notes:?}"
        );
    }
}

#[test]
fn where_istio_verifies_less_is_told_at_the_object() {
    let rule = |tls: &str| {
        format!(
            "{}---\napiVersion: networking.istio.io/v1alpha3\nkind: DestinationRule\nmetadata: {{ name: r }}\nspec:\n  host: edition.cnn.com\n  trafficPolicy:\n    tls: {tls}\n",
            routed(&format!("  - {{ {TO_CNN} }}\n"))
        )
    };
    let none = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: { name: s }\nspec: { hosts: [a.example], ports: [{ number: 80, name: http, protocol: HTTP }] }\n";
    let egress = "apiVersion: config.istio.io/v1alpha2\nkind: EgressRule\nmetadata: { name: e }\nspec: { destination: { service: a.example }, ports: [{ port: 443, protocol: https }] }\n";
    for (objects, expected) in [
        (rule("{ mode: SIMPLE }"), Some("without `caCertificates`")),
        (rule("{ mode: SIMPLE }").replace("v1alpha3", "v1"), None),
        (
            routed(&format!("  - {{ {TO_CNN} }}\n")),
            Some("the port of `edition.cnn.com` is declared as one of TLS"),
        ),
        (
            rule("{ mode: SIMPLE, sni: x.example }"),
            Some("must be for `x.example`"),
        ),
        (rule("{ mode: SIMPLE, caCertificates: /ca.pem }"), None),
        (rule("{ mode: DISABLE }"), None),
        (none.to_owned(), Some("`resolution: NONE`")),
        (none.replace("spec: {", "spec: { resolution: DNS,"), None),
        (
            egress.to_owned(),
            Some("`https` was encrypted without verifying"),
        ),
        (egress.replace("https", "http"), None),
    ] {
        let snapshot = snapshot(&objects);
        let remarks = snapshot.warnings().iter().map(told);
        let purposes: Vec<_> = remarks
            .filter(|r| r.contains("different on purpose"))
            .collect();
        match expected {
            None => assert_eq!(purposes, [""; 0], "{objects}"),
            Some(expected) => assert!(
                matches!(purposes.as_slice(), [only] if only.contains(expected)),
                "{objects}: {purposes:?}"
            ),
        }
    }
}

#[test]
fn a_known_kind_of_an_unknown_group_is_an_error() {
    let object = |version: &str, kind: &str| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{ name: p }}\nspec: {{ action: DENY, rules: [{{}}] }}\n"
        )
    };
    for (version, kind, expected) in [
        (
            "security.istio.oi/v1",
            "AuthorizationPolicy",
            "`AuthorizationPolicy` is no kind of `security.istio.oi`: write `security.istio.io/…` in `apiVersion`",
        ),
        (
            "security.isto.io/v1",
            "AuthorizationPolicy",
            "`AuthorizationPolicy` is no kind of `security.isto.io`: write `security.istio.io/…` in `apiVersion`",
        ),
        (
            "v1",
            "AuthorizationPolicy",
            "`AuthorizationPolicy` is no kind of Kubernetes itself: write `security.istio.io/…` in `apiVersion`",
        ),
        (
            "gateway.networking.x-k8s.io/v1",
            "HTTPRoute",
            "`HTTPRoute` is no kind of `gateway.networking.x-k8s.io`: write `gateway.networking.k8s.io/…` in `apiVersion`",
        ),
    ] {
        let problems = compiled(&object(version, kind)).unwrap_err();
        assert_eq!(problems, [format!("2:7 error: {expected}")]);
    }
    // Others have kinds of that name.
    compiled(&object("kyverno.io/v1", "Policy")).unwrap();
}

/// As with kubectl, so that a policy is not nobody's.
#[test]
fn an_empty_namespace_is_none() {
    let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: p, namespace: '' }\nspec: { action: DENY, rules: [{}] }\n";
    let files = [
        SourceFile::new("native.yaml", NATIVE),
        SourceFile::new("istio.yaml", policy),
    ];
    let environment = Environment {
        namespace: Some("istio-system".to_owned()),
        ..Environment::default()
    };
    let snapshot = compile(&files, &environment).unwrap();
    let told = ask(&snapshot, Door::gateway(443), "edition.cnn.com", "/");
    assert_eq!(told, "denied");
}
