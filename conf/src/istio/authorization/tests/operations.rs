//! Every field of an operation, in every form of text, in both directions.

use super::*;

#[test]
fn fields_of_an_operation() {
    let to = |operation: &str| format!("[{{ to: [{{ operation: {{ {operation} }} }}] }}]");
    let get = |url: &str| format!("sa:default/sleep GET {url}");
    let method = |method: &str| format!("sa:default/sleep {method} http://a.example/");
    for (operation, matching, others) in [
        (
            "hosts: [a.example]",
            vec![
                get("http://a.example/"),
                get("http://A.EXAMPLE:80/"),
                get("http://a.example./"),
            ],
            vec![get("http://b.example/"), get("http://x.a.example/")],
        ),
        (
            "hosts: [A.Example]",
            vec![get("http://a.example/")],
            vec![get("http://b.example/")],
        ),
        (
            "hosts: ['a.example:*']",
            vec![get("http://a.example/"), get("http://a.example:8443/")],
            vec![get("http://b.example/")],
        ),
        (
            "hosts: ['*.example']",
            vec![get("http://a.example/"), get("http://x.a.example/")],
            vec![get("http://example/"), get("http://a.test/")],
        ),
        (
            "hosts: ['*a.example']",
            vec![get("http://a.example/"), get("http://xa.example/")],
            vec![get("http://b.example/")],
        ),
        (
            "hosts: ['a.*', B.*]",
            vec![get("http://a.example/"), get("http://b.test:81/")],
            vec![get("http://c.a.example/")],
        ),
        ("hosts: ['*']", vec![get("http://a.example/")], vec![]),
        (
            "hosts: [c.example, 'a.*']",
            vec![get("http://a.example/"), get("http://c.example/")],
            vec![get("http://d.example/")],
        ),
        (
            "notHosts: [a.example]",
            vec![get("http://b.example/")],
            vec![get("http://a.example/"), get("http://a.example:81/")],
        ),
        (
            "notHosts: ['a.*']",
            vec![get("http://b.example/")],
            vec![get("http://a.example/")],
        ),
        ("methods: [GET]", vec![method("GET")], vec![method("POST")]),
        (
            "methods: [GET, PROPFIND]",
            vec![method("GET")],
            vec![method("POST")],
        ),
        (
            "methods: ['P*']",
            vec![method("POST"), method("PUT")],
            vec![method("GET")],
        ),
        (
            "methods: ['*ET', HEAD]",
            vec![method("GET"), method("HEAD")],
            vec![method("PUT")],
        ),
        (
            "methods: ['*']",
            vec![method("GET"), method("DELETE")],
            vec![],
        ),
        (
            "notMethods: [GET, 'P*']",
            vec![method("DELETE")],
            vec![method("GET"), method("PATCH")],
        ),
        (
            "ports: ['443']",
            vec![get("http://a.example/"), get("http://a.example:80/")],
            vec![],
        ),
        (
            "ports: [80, 8080]",
            vec![],
            vec![get("http://a.example/"), get("http://a.example:80/")],
        ),
        ("notPorts: [80]", vec![get("http://a.example:80/")], vec![]),
        (
            "paths: [/a]",
            vec![get("http://a.example/a"), get("http://a.example/a?x=/b")],
            vec![get("http://a.example/ab"), get("http://a.example/b?/a")],
        ),
        (
            "paths: ['/a*']",
            vec![get("http://a.example/a"), get("http://a.example/ab/c")],
            vec![get("http://a.example/b")],
        ),
        (
            "paths: ['*/c']",
            vec![get("http://a.example/c"), get("http://a.example/a/c")],
            vec![get("http://a.example/c/d")],
        ),
        ("paths: ['*']", vec![get("http://a.example/")], vec![]),
        (
            "paths: ['/a/{*}/c']",
            vec![get("http://a.example/a/b/c")],
            vec![
                get("http://a.example/a/b/b/c"),
                get("http://a.example/a//c"),
            ],
        ),
        (
            "paths: ['/a/{**}']",
            vec![get("http://a.example/a/"), get("http://a.example/a/b/c")],
            vec![get("http://a.example/b")],
        ),
        (
            "paths: ['/a/{**}/c']",
            vec![get("http://a.example/a/b/b/c")],
            vec![get("http://a.example/a/b")],
        ),
        (
            "notPaths: [/a, '/b*']",
            vec![get("http://a.example/c")],
            vec![get("http://a.example/a"), get("http://a.example/bc")],
        ),
        (
            "paths: ['/a*'], notPaths: [/ab], methods: [GET]",
            vec![get("http://a.example/a")],
            vec![get("http://a.example/ab"), get("http://a.example/c")],
        ),
    ] {
        let (matching, others): (Vec<&str>, Vec<&str>) = (
            matching.iter().map(String::as_str).collect(),
            others.iter().map(String::as_str).collect(),
        );
        // Duplicate slashes are not canonical: such a request is malformed.
        let others: Vec<&str> = others
            .into_iter()
            .filter(|text| !text.contains("a//c"))
            .collect();
        matches_both_ways(&to(operation), &matching, &others);
    }
}

/// A port that is written narrows a permission. Callers choose what they write,
/// so a refusal holds whatever they write.
#[test]
fn a_host_with_a_port_falls_to_the_closed_side() {
    let to = |operation: &str| format!("rules: [{{ to: [{{ operation: {{ {operation} }} }}] }}]");
    let (plain, meant, other) = (
        "sa:default/sleep GET http://a.example/",
        "sa:default/sleep GET http://a.example:443/",
        "sa:default/sleep GET http://a.example:8443/",
    );
    let elsewhere = "sa:default/sleep GET http://b.example/";
    let allow = |operation: &str| policy(&format!("action: ALLOW\n{}", to(operation)));
    let deny = |operation: &str| policy(&format!("action: DENY\n{}", to(operation)));
    decides(
        &allow("hosts: ['a.example:443']"),
        &[plain, meant],
        &[other, elsewhere],
    );
    decides(
        &deny("hosts: ['a.example:443']"),
        &[elsewhere],
        &[plain, meant, other],
    );
    decides(
        &allow("notHosts: ['a.example:443']"),
        &[elsewhere],
        &[plain, meant, other],
    );
    decides(
        &deny("notHosts: ['a.example:443']"),
        &[plain, meant],
        &[other, elsewhere],
    );
    decides(
        &allow("hosts: ['*:8443']"),
        &[other],
        &[plain, meant, elsewhere],
    );
    decides(
        &deny("hosts: ['*:443']"),
        &[],
        &[plain, meant, other, elsewhere],
    );
    decides(
        &deny("hosts: ['*:80']"),
        &[plain, meant, other],
        &["sa:default/sleep GET http://a.example:80/"],
    );
}

/// Istio's `ports` are those of sockets: a refusal takes the number either way.
#[test]
fn a_port_is_the_one_that_callers_mean_or_to_a_refusal_the_sockets() {
    let get = "sa:default/sleep GET http://a.example/";
    // The listener binds 8443, and callers mean 443.
    let rules = |field: &str| format!("rules: [{{ to: [{{ operation: {{ {field} }} }}] }}]");
    let deny = |field: &str| policy(&format!("action: DENY\n{}", rules(field)));
    decides(&deny("ports: ['8443']"), &[], &[get]);
    decides(&deny("ports: ['443']"), &[], &[get]);
    decides(&deny("ports: ['80']"), &[get], &[]);
    decides(&policy(&rules("ports: ['8443']")), &[], &[get]);
    decides(&policy(&rules("notPorts: ['8443']")), &[], &[get]);
    for (port, expected) in [
        (
            "8443",
            vec![
                "5:41 warning: no listener has the port 8443: callers of that socket mean port 443, and a permission asks for that one: write `443`",
            ],
        ),
        (
            "80",
            vec!["5:41 warning: no listener has the port 80: write one of theirs: 443"],
        ),
        ("443", vec![]),
    ] {
        let told = problems(&policy(&rules(&format!("ports: [{port}]"))));
        assert_eq!(told, expected);
    }
}

/// What Istio's ALLOW of hosts never lets through.
#[test]
fn hosts_that_open_tunnels_are_told() {
    let passage = "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: a }
spec: { hosts: [a.example], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: DNS }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: istio-egressgateway }
spec: { selector: { istio: egressgateway }, servers: [{ port: { number: 443, name: tls, protocol: TLS }, hosts: [a.example], tls: { mode: PASSTHROUGH } }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: a }
spec: { hosts: [a.example], gateways: [istio-egressgateway], tls: [{ match: [{ port: 443, sniHosts: [a.example] }], route: [{ destination: { host: a.example } }] }] }
";
    let told = |operation: &str, more: &str| {
        let rules = format!("rules: [{{ to: [{{ operation: {{ {operation} }} }}] }}]");
        let told = problems(&(policy(&rules) + more));
        let on_purpose = told
            .iter()
            .filter(|told| told.contains("TLS that passes through too"));
        on_purpose.count()
    };
    assert_eq!(told("hosts: [a.example]", passage), 1);
    assert_eq!(told("hosts: [a.example], paths: ['/*']", passage), 0);
    assert_eq!(told("ports: ['443']", passage), 0);
    assert_eq!(told("hosts: [a.example]", ""), 0);
}
