//! What cannot be honoured.

use super::backend_tls::backend_tls;
use super::*;

#[test]
fn what_cannot_be_honoured_is_refused_at_its_place() {
    let filter =
        |filter: &str| http_route("r", &format!("  - filters: [{filter}]\n    {TO_CNN}\n"));
    let hostname = "{ group: networking.istio.io, kind: Hostname, name: edition.cnn.com }";
    for (object, place, expected) in [
        (
            filter("{ type: RequestMirror, requestMirror: { backendRef: { name: x } } }"),
            "36:38",
            "`requestMirror` cannot be honoured",
        ),
        (
            filter("{ type: CORS, cors: {} }"),
            "36:29",
            "`cors` cannot be honoured",
        ),
        (
            filter("{ type: ExternalAuth, externalAuth: {} }"),
            "36:37",
            "`externalAuth` cannot be honoured",
        ),
        (
            filter("{ type: ExtensionRef, extensionRef: {} }"),
            "36:37",
            "`extensionRef` cannot be honoured",
        ),
        (
            filter("{ type: URLRewrite }"),
            "36:15",
            "is written under `urlRewrite`: write it",
        ),
        (filter("{ type: Other }"), "36:23", "unknown word `Other`"),
        (
            filter(
                "{ type: RequestRedirect, requestRedirect: { path: { type: ReplacePrefixMatch, replacePrefixMatch: /x } } }",
            ),
            "36:65",
            "not supported yet: `ReplacePrefixMatch` of a redirection",
        ),
        (
            filter("{ type: RequestRedirect, requestRedirect: {} }"),
            "37:5",
            "`backendRefs` and `RequestRedirect` exclude each other",
        ),
        (
            filter(
                "{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: host, value: x }] } }",
            ),
            "36:85",
            "`host` is no field to change",
        ),
        (
            http_route(
                "r",
                &format!(
                    "  - matches: [{{ path: {{ type: Exact, value: /x }} }}]\n    filters: [{{ type: URLRewrite, urlRewrite: {{ path: {{ type: ReplacePrefixMatch, replacePrefixMatch: /y }} }} }}]\n    {TO_CNN}\n"
                ),
            ),
            "36:15",
            "needs a match of type `PathPrefix`",
        ),
        (
            http_route(
                "r",
                &format!(
                    "  - matches: [{{ path: {{ type: RegularExpression, value: '(?=x)' }} }}]\n    {TO_CNN}\n"
                ),
            ),
            "36:58",
            "look-ahead",
        ),
        (
            http_route(
                "r",
                &format!(
                    "  - matches: [{{ headers: [{{ name: Host, value: x }}] }}]\n    {TO_CNN}\n"
                ),
            ),
            "36:35",
            "`Host` is no header to match, since callers may write it in many ways: write `hostnames`",
        ),
        (
            http_route("r", &format!("  - match: []\n    {TO_CNN}\n")),
            "36:5",
            "unknown field `match`: write `",
        ),
        (
            http_route(
                "r",
                &format!("  - sessionPersistence: {{}}\n    {TO_CNN}\n"),
            ),
            "36:5",
            "`sessionPersistence` cannot be honoured",
        ),
        (
            backend_tls(hostname, "{ hostname: a.example }"),
            "34:15",
            "whom to trust is missing",
        ),
        (
            backend_tls(
                hostname,
                "{ hostname: a.example, caCertificateRefs: [{ kind: Secret, name: ca }] }",
            ),
            "34:58",
            "there is no Secret `ca` in `default` that holds `ca.crt`",
        ),
        (
            backend_tls(
                hostname,
                "{ hostname: a.example, wellKnownCACertificates: System, subjectAltNames: [{ type: URI, uri: 'spiffe://x' }] }",
            ),
            "34:102",
            "identity of a workload",
        ),
        (
            backend_tls(
                "{ group: apps, kind: Deployment, name: x }",
                "{ hostname: a.example, wellKnownCACertificates: System }",
            ),
            "33:16",
            "a `Deployment` of `apps` is no upstream",
        ),
    ] {
        let problems = compiled(&format!("{GATEWAY}{object}")).unwrap_err();

        let found = problems
            .iter()
            .any(|p| p.starts_with(&format!("{place} error: ")) && p.contains(expected));
        assert!(found, "{place} {expected}: {problems:#?}");
    }
}
