//! `exportTo` and Sidecars, in the sidecars' place.

use policy::door::Door;
use policy::principal::Principal;
use policy::{NoHeaders, RawRequest};

use super::{compiled, snapshot, told};
use crate::Snapshot;

fn entry(namespace: &str, protocol: &str, more: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: a, namespace: {namespace} }}
spec: {{ hosts: [a.example], ports: [{{ number: 80, name: p, protocol: {protocol} }}], resolution: DNS, {more} }}
---
"
    )
}

fn routed(more: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: v, namespace: istio-system }}
spec: {{ hosts: [a.example], {more} }}
---
"
    )
}

/// Whether a workload of a namespace reaches `a.example` by a sidecar.
fn reaches(snapshot: &Snapshot, namespace: &str) -> bool {
    let admission = snapshot.admission();
    let name = format!("cluster.local/ns/{namespace}/sa/a");
    let principal = Principal::from_name(&name).unwrap();
    let caller = admission.caller(Some(principal), [10, 0, 0, 1].into());
    let raw = RawRequest {
        method: b"GET",
        authority: b"a.example",
        target: b"/",
        headers: &NoHeaders,
        caller: &caller,
        server_name: None,
        view: Door::mesh(80).view,
        port: 80,
        time: 0,
    };
    admission.admit(raw, 0).is_ok()
}

#[test]
fn what_is_exported_to_a_namespace_is_for_its_callers_in_the_sidecars_view() {
    const TO_A: &str = "http: [{ route: [{ destination: { host: a.example } }] }]";
    const OWN: &str = "exportTo: ['.']";
    let entry = |more: &str| entry("istio-system", "HTTP", more);
    let both = ["istio-system", "shop"];
    for (objects, expected) in [
        (entry(""), [true, true]),
        (entry("exportTo: ['*']"), [true, true]),
        (entry(OWN), [true, false]),
        (entry("exportTo: [istio-system, shop]"), [true, true]),
        (entry(OWN) + &routed(TO_A), [true, false]),
        (
            entry(OWN) + &routed("http: [{ timeout: 3s }]"),
            [true, false],
        ),
        (
            entry("") + &routed(&format!("{OWN}, {TO_A}")),
            [true, false],
        ),
        (
            entry("")
                + &routed(&format!(
                    "{OWN}, http: [{{ match: [{{ sourceNamespace: shop }}], timeout: 3s }}]"
                )),
            [false, false],
        ),
        (
            entry("exportTo: [istio-system, shop]")
                + &routed("http: [{ match: [{ sourceNamespace: shop }], timeout: 3s }]"),
            [false, true],
        ),
    ] {
        let snapshot = snapshot(&objects);
        assert_eq!(both.map(|ns| reaches(&snapshot, ns)), expected, "{objects}");
    }
}

#[test]
fn tls_and_bytes_are_for_those_alone_who_know_the_host() {
    let tls = snapshot(&entry("istio-system", "TLS", "exportTo: ['.']"));
    let passages = tls.admission().passages();
    assert!(passages.is_empty(), "{passages:?}");
    let warned = tls.warnings().iter().map(told);
    assert!(
        warned
            .into_iter()
            .any(|told| told.contains("`exportTo` of what TLS passes through to")),
    );
    let tcp = snapshot(&entry("istio-system", "TCP", "exportTo: ['.']"));
    let from = &tcp.admission().tcp_routes()[0].from;
    assert_eq!(from.len(), 1, "{from:?}");
    let open = snapshot(&entry("istio-system", "TCP", ""));
    assert!(open.admission().tcp_routes()[0].from.is_empty());
}

#[test]
fn a_sidecar_that_narrows_is_an_error_in_the_sidecars_place() {
    let sidecar = |spec: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{ name: s, namespace: shop }}\nspec: {{ {spec} }}\n"
        )
    };
    for narrow in [
        "egress: [{ hosts: ['istio-system/*'] }]",
        "egress: [{ port: { number: 80 }, hosts: ['*/*'] }]",
    ] {
        let told = compiled(&sidecar(narrow)).map(|_| ()).expect_err(narrow);
        assert_eq!(
            told,
            [
                "4:17 error: this Sidecar says what the workloads of `shop` may reach, which a listener in the sidecars' place does not ask: write it as policies on `ns:shop`, and delete the Sidecar"
            ]
        );
    }
    compiled(&sidecar("egress: [{ hosts: ['*/*'] }]")).unwrap();
    compiled(&sidecar("")).unwrap();
}
