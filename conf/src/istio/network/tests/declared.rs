//! Declared hosts: their endpoints, and how rules say they are spoken to.

use std::net::IpAddr;

use policy::door::Door;

use super::{ask, snapshot, told};
use crate::Snapshot;

/// `a.example` of a namespace, with what else its ServiceEntry says.
fn entry(namespace: &str, more: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: a, namespace: {namespace} }}
spec:
  hosts: [a.example]
  ports: [{{ number: 80, name: http, protocol: HTTP }}]
  {more}
---
"
    )
}

/// A DestinationRule for `a.example`.
fn rule(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{ name: {name} }}
spec: {{ host: a.example, {spec} }}
---
"
    )
}

/// Warnings, without notes.
fn warnings(snapshot: &Snapshot) -> Vec<String> {
    let told = snapshot.warnings().iter().map(told);
    told.filter(|told| told.contains(" warning: ")).collect()
}

#[test]
fn private_endpoints_are_the_operators_to_open() {
    let admits = |namespace: &str, address: &str| {
        let endpoints = format!(
            "resolution: STATIC
  endpoints: [{{ address: '{address}' }}]"
        );
        let snapshot = snapshot(&entry(namespace, &endpoints));
        let address: IpAddr = address.parse().unwrap();
        let upstream = &snapshot.admission().upstreams()[0];
        assert_eq!(upstream.addresses[0].ip(), address);
        (upstream.reach.admits(address), warnings(&snapshot))
    };
    for address in ["10.0.0.1", "fd00::1", "100.64.0.1"] {
        assert_eq!(admits("istio-system", address), (true, vec![]), "{address}");
        let told = format!(
            "8:15 warning: different on purpose: `{address}` is private, and is not dialled because a ServiceEntry of `shop` says so: write `defaults: {{ addresses: {{ allow: [{address}] }} }}` in a native document, or keep the ServiceEntry in `istio-system`"
        );
        assert_eq!(admits("shop", address), (false, vec![told]));
    }
    assert_eq!(admits("shop", "93.184.215.14"), (true, vec![]));
    for namespace in ["istio-system", "shop"] {
        let told = "8:15 warning: `127.0.0.1` is loopback and not dialled: write `defaults: { addresses: { allow: [127.0.0.1] } }` in a native document";
        let expected = (false, vec![told.to_owned()]);
        assert_eq!(admits(namespace, "127.0.0.1"), expected);
    }
}

#[test]
fn of_two_destination_rules_the_first_speaks_and_the_second_adds() {
    let declared = entry("default", "resolution: DNS");
    let tls = |mode: &str| format!("trafficPolicy: {{ tls: {{ mode: {mode} }} }}");
    let subsets = |mode: &str| {
        format!("subsets: [{{ name: s, trafficPolicy: {{ tls: {{ mode: {mode} }} }} }}]")
    };
    let asked = |rules: &str| {
        let snapshot = snapshot(&format!("{declared}{rules}"));
        let asked = ask(&snapshot, Door::mesh(80), "a.example", "/");
        (asked, warnings(&snapshot))
    };
    let told = "16:19 warning: the DestinationRule at istio.yaml:11 is for the same host and speaks first; this one adds what that does not say: make them one";
    let cases = [
        (
            rule("one", &tls("DISABLE")) + &rule("two", &tls("SIMPLE")),
            "http://a.example:80",
        ),
        (
            rule("one", &tls("SIMPLE")) + &rule("two", &tls("DISABLE")),
            "https://a.example:80",
        ),
        (
            rule("one", &subsets("DISABLE")) + &rule("two", &tls("SIMPLE")),
            "https://a.example:80",
        ),
    ];
    for (rules, expected) in cases {
        let (asked, warnings) = asked(&rules);
        assert_eq!(asked, expected, "{rules}");
        assert_eq!(warnings, [told], "{rules}");
    }
    let other = rule("two", &tls("SIMPLE")).replace("a.example", "b.example");
    let (_, warnings) = asked(&(rule("one", &tls("DISABLE")) + &other));
    assert_eq!(warnings, [""; 0]);

    // Subsets of both are there, and of one name the first.
    let to_subset = "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: v }
spec: { hosts: [a.example], http: [{ route: [{ destination: { host: a.example, subset: s } }] }] }
";
    for (one, two, expected) in [
        (tls("DISABLE"), subsets("SIMPLE"), "https://a.example:80"),
        (subsets("DISABLE"), subsets("SIMPLE"), "http://a.example:80"),
    ] {
        let rules = rule("one", &one) + &rule("two", &two) + to_subset;
        assert_eq!(asked(&rules).0, expected, "{rules}");
    }
}

#[test]
fn addresses_stand_for_their_host_and_networks_for_nobody() {
    let text = [
        entry(
            "default",
            "addresses: [240.240.0.1, 240.241.0.0/16, '2001:db8::1']",
        ),
        entry("shop", "addresses: [240.240.0.2]").replace("a.example", "'*.b.example'"),
        // Of two hosts of an address the first is meant.
        entry("late", "addresses: [240.240.0.1]").replace("a.example", "late.example"),
    ];
    let snapshot = snapshot(&text.concat());
    let find = |address: &str| snapshot.settings().vips.find(address.parse().unwrap());
    assert_eq!(find("240.240.0.1"), Some("a.example"));
    assert_eq!(find("2001:db8::1"), Some("a.example"));
    assert_eq!(find("240.240.0.2"), None);
    assert_eq!(find("240.241.0.7"), None);
}
