//! Routes that lead nowhere, which opens no other way.

use policy::door::Door;

use super::{compiled, snapshot, told};
use crate::Snapshot;

const ENTRY: &str = "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: a }
spec: { hosts: [a.example], ports: [{ number: 443, name: tls, protocol: TLS }, { number: 80, name: http, protocol: HTTP }], resolution: DNS }
---
";

/// A VirtualService of `a.example` at the sidecars whose TLS goes to `route`.
fn tls(route: &str) -> String {
    format!(
        "{ENTRY}apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: v }}
spec:
  hosts: [a.example]
  gateways: [mesh, istio-system/g]
  tls: [{{ match: [{{ port: 443, gateways: [mesh], sniHosts: [a.example] }}], route: [{{ destination: {{ {route} }} }}] }}]
"
    )
}

/// Where TLS for `a.example` passes to in the sidecars' view, and what is told.
fn passes(snapshot: &Snapshot) -> (Option<u32>, Vec<String>) {
    let admission = snapshot.admission();
    let passage = admission.find_passage("a.example", Door::mesh(443));
    let warnings = snapshot.warnings().iter().map(told);
    (
        passage.map(|passage| passage.upstreams[0].upstream.0),
        warnings
            .filter(|told| told.contains(" warning: "))
            .collect(),
    )
}

#[test]
fn a_tls_route_that_leads_nowhere_closes_the_host() {
    let (open, _) = passes(&snapshot(ENTRY));
    assert!(open.is_some(), "a declared host is open");
    let (open, told) = passes(&snapshot(&tls("host: b.example")));
    assert_eq!(open, None);
    assert!(
        told[0].ends_with("no object declares `b.example`: write a ServiceEntry: until then connections are refused"),
        "{told:?}"
    );
}

/// Nor is it opened by what is declared of more names.
#[test]
fn a_tls_route_that_leads_nowhere_is_not_passed_by() {
    let wider = ENTRY
        .replace("a.example", "'*.example'")
        .replace("name: a", "name: wider");
    let objects = wider + &tls("host: b.test");
    let mut told = compiled(&objects).map(|_| ()).unwrap_err();
    told.retain(|told| told.contains(" error: "));
    assert_eq!(
        told,
        [
            "17:9 error: this leads nowhere, and `a.example` would go by the way of `*.example` at istio.yaml:3: write where it leads, or delete the route"
        ]
    );
}

#[test]
fn a_tls_route_to_this_gateway_goes_as_the_gateway_leads_it() {
    let hop =
        tls("host: istio-egressgateway.istio-system.svc.cluster.local, port: { number: 443 }");
    let (open, told) = passes(&snapshot(&hop));
    assert_eq!(open, None);
    assert!(
        told.iter()
            .any(|told| told.contains("the gateway passes no TLS for `a.example` on at port 443")),
        "{told:?}"
    );
    let other = "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: b }
spec: { hosts: [b.example], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: DNS }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: g, namespace: istio-system }
spec: { selector: { istio: egressgateway }, servers: [{ port: { number: 443, name: tls, protocol: TLS }, hosts: [a.example], tls: { mode: PASSTHROUGH } }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: w }
spec:
  hosts: [a.example]
  gateways: [istio-system/g]
  tls: [{ match: [{ port: 443, sniHosts: [a.example] }], route: [{ destination: { host: b.example } }] }]
";
    let led = snapshot(&format!("{hop}{other}"));
    let (open, _) = passes(&led);
    let upstream = &led.admission().upstreams()[open.unwrap() as usize];
    let policy::destination::UpstreamHost::Named(name) = &upstream.host else {
        panic!("{upstream:?}");
    };
    assert_eq!(&**name, "b.example");
}

/// Istio's 503 (`UH`), and not the host itself.
#[test]
fn a_subset_without_endpoints_is_answered_503() {
    let objects = |endpoints: &str, labels: &str| {
        format!(
            "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: a }}
spec: {{ hosts: [a.example], ports: [{{ number: 80, name: http, protocol: HTTP }}], resolution: DNS{endpoints} }}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{ name: a }}
spec: {{ host: a.example, subsets: [{{ name: s, labels: {{ {labels} }} }}] }}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: v }}
spec: {{ hosts: [a.example], http: [{{ route: [{{ destination: {{ host: a.example, subset: s }} }}] }}] }}
"
        )
    };
    let one = ", endpoints: [{ address: b.example, labels: { v: '1' } }]";
    for (endpoints, labels, expected) in [
        (one, "v: '1'", "http://b.example:80"),
        (one, "v: '2'", "respond 503"),
        ("", "", "http://a.example:80"),
        ("", "v: '1'", "respond 503"),
    ] {
        let snapshot = snapshot(&objects(endpoints, labels));
        let led = super::ask(&snapshot, Door::mesh(80), "a.example", "/");
        assert_eq!(led, expected, "{endpoints} {labels}");
    }
}

/// Istio's proxy waits for the authority and dials nobody; the system's would
/// vouch for more.
#[test]
fn a_credential_without_an_authority_is_an_error() {
    let objects = |held: &str| {
        format!(
            "{ENTRY}apiVersion: v1
kind: Secret
metadata: {{ name: c, namespace: istio-system }}
stringData: {{ {held} }}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{ name: a }}
spec: {{ host: a.example, trafficPolicy: {{ tls: {{ mode: SIMPLE, credentialName: c }} }} }}
"
        )
    };
    for (held, expected) in [
        (
            "tls.crt: x, tls.key: y",
            "14:80 error: the credential `c` holds no authority to verify the host by: write `ca.crt` in its Secret, or in `c-cacert`",
        ),
        (
            "ca.crt: x, ca.crl: y",
            "8:19 error: not supported yet: the revocation list of a Secret, `ca.crl`: delete it",
        ),
    ] {
        let mut told = compiled(&objects(held)).map(|_| ()).expect_err(held);
        told.retain(|told| told.contains(" error: "));
        assert_eq!(told, [expected]);
    }
    compiled(&objects("ca.crt: x")).unwrap();
}
