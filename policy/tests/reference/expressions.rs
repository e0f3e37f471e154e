//! Random expressions over what the index hoists, what it must not, and what
//! is absent.

use std::sync::Arc;

use policy::expr::Expr;
use proptest::prelude::*;

/// Written alike in both languages.
const TERMS: &[&str] = &[
    r#"request.host == "a.x""#,
    r#"request.host != "a.x""#,
    r#"request.host.endsWith(".x")"#,
    r#"request.host.endsWith(".b.x")"#,
    r#"request.host.endsWith("b.x")"#,
    r#"request.host.endsWith("")"#,
    r#"request.host.startsWith("b")"#,
    r#"destination.service.host == "c.b.x""#,
    r#"(request.host == "a.x" || request.host.endsWith(".b.x"))"#,
    r#"(request.host == "a.x" || request.method == "GET")"#,
    r#"(request.useragent == "x" && request.host == "a.x" || request.host == "b.x")"#,
    r#"source.principal == "td/ns/default/sa/sleep""#,
    r#"source.principal != "td/ns/default/sa/politics""#,
    r#"source.principal.startsWith("td/ns/d")"#,
    r#"source.principal.endsWith("sa/sleep")"#,
    r#"source.namespace == "finance""#,
    r#"source.serviceAccount == "sleep""#,
    r#"(source.user == "td/ns/finance/sa/batch" || source.namespace == "default")"#,
    r#"(source.namespace == "finance" || request.host == "a.x")"#,
    r#"request.path == "/a""#,
    r#"request.path == "/A""#,
    r#"request.path == "/a?x=1""#,
    r#"request.path.startsWith("/politics")"#,
    r#"request.path.startsWith("/Pol")"#,
    r#"request.path.startsWith("/a?x")"#,
    r#"request.url_path == "/health""#,
    r#"request.url_path.startsWith("/a")"#,
    r#"request.url_path.endsWith("c")"#,
    r#"(request.path == "/a" || request.url_path.startsWith("/po"))"#,
    r#"request.path == "/caf%C3%A9""#,
    r#"request.path.startsWith("/a%3F")"#,
    r#"request.path == "/a%3Fx""#,
    r#"request.url_path == "/Politics""#,
    r#"(request.query_params["x"] == "1" || request.headers["x-team"] == "blue")"#,
    r#"request.method == "GET""#,
    r#"request.useragent == "x""#,
    r#"request.headers["x-team"] == "red""#,
    "!(request.method == \"GET\")",
];

const CEXL: &[&str] = &[
    r#"match(request.host, "*.b.x")"#,
    r#"(request.host | "none") == "b.x""#,
    r#"(source.principal | "none") == "td/ns/default/sa/sleep""#,
    r#"(source.principal | "none") == "none""#,
    r#"(source.principal | source.namespace) == "finance""#,
    r#"(source.namespace | "fin").startsWith("fin")"#,
    r#"(request.headers["x-team"] | "") == """#,
    r#"match(request.path, "/politics*")"#,
];

const CEL: &[&str] = &[
    r#"request.host in ["a.x", "zz.b.x"]"#,
    r#"request.path in ["/a", "/health", "/a/b"]"#,
    r#"request.path in ["/a", "/a?x=1"]"#,
    r#"source.principal in ["td/ns/default/sa/sleep", "other/ns/default/sa/sleep"]"#,
    r#"(has(source.principal) ? source.principal : "none") == "none""#,
];

/// One to three terms that must all hold.
pub(crate) fn expression() -> impl Strategy<Value = Arc<Expr>> {
    let terms = |own: &'static [&'static str]| {
        let all: Vec<&str> = TERMS.iter().chain(own).copied().collect();
        proptest::collection::vec(proptest::sample::select(all), 1..4)
    };
    let cexl = terms(CEXL).prop_map(|terms| Expr::cexl(&terms.join(" && ")).unwrap());
    let cel = terms(CEL).prop_map(|terms| Expr::cel(&terms.join(" && ")).unwrap());
    prop_oneof![cexl, cel].prop_map(Arc::new)
}
