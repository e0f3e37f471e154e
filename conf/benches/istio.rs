//! What Istio's objects cost: 10 and 1 000 hosts, each with a ServiceEntry, a
//! VirtualService of 20 routes and an AuthorizationPolicy, read from YAML until
//! a request can be decided; then one decision at either size.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may fail loudly"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use conf::{Environment, Snapshot, SourceFile, compile};
use policy::door::View;
use policy::principal::Principal;
use policy::{NoHeaders, RawRequest};

/// The gateway's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NATIVE: &str = "version: 1\nlisteners: [{ port: 443 }]\n";
const ROUTES: usize = 20;
const ROUNDS: u32 = 200_000;

fn main() {
    for hosts in [10, 1000] {
        let text = objects(hosts);
        let files = [
            SourceFile::new("native.yaml", NATIVE),
            SourceFile::new("istio.yaml", text.clone()),
        ];
        let begun = Instant::now();
        let snapshot = compile(&files, &Environment::default()).unwrap();
        let took = begun.elapsed();
        let each = decide(&snapshot, hosts);
        println!(
            "{hosts} hosts, {} KiB of YAML: loaded in {took:.0?}, {each:.0?} a decision",
            text.len() >> 10,
        );
    }
}

fn objects(hosts: usize) -> String {
    let mut text = String::new();
    for host in 0..hosts {
        let _ = write!(
            text,
            "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: entry-{host} }}
spec:
  hosts: [host-{host}.example.com]
  ports:
  - {{ number: 80, name: http, protocol: HTTP }}
  - {{ number: 443, name: https, protocol: HTTPS }}
  resolution: DNS
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{ name: policy-{host}, namespace: istio-system }}
spec:
  selector: {{ matchLabels: {{ istio: egressgateway }} }}
  action: ALLOW
  rules:
  - from: [{{ source: {{ principals: [cluster.local/ns/team-{host}/sa/app] }} }}]
    to: [{{ operation: {{ hosts: [host-{host}.example.com], paths: [/v*], methods: [GET] }} }}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: routes-{host} }}
spec:
  hosts: [host-{host}.example.com]
  gateways: [istio-egressgateway]
  http:
"
        );
        for route in 0..ROUTES {
            let _ = write!(
                text,
                "  - match:
    - uri: {{ regex: '/v{route}/[a-z]+/x(/.*)?' }}
      gateways: [istio-egressgateway]
    route:
    - destination: {{ host: host-{host}.example.com, port: {{ number: 443 }} }}
"
            );
        }
        text.push_str("---\n");
    }
    text
}

/// The mean time of a decision, over all hosts.
fn decide(snapshot: &Snapshot, hosts: usize) -> Duration {
    let admission = snapshot.admission();
    let asked: Vec<_> = (0..hosts)
        .map(|host| {
            let name = format!("cluster.local/ns/team-{host}/sa/app");
            let principal = Principal::from_name(&name).unwrap();
            let caller = admission.caller(Some(principal), [192, 0, 2, 1].into());
            (caller, format!("host-{host}.example.com"))
        })
        .collect();
    let begun = Instant::now();
    for round in 0..ROUNDS as usize {
        let (caller, authority) = &asked[round % hosts];
        let raw = RawRequest {
            method: b"GET",
            authority: authority.as_bytes(),
            target: b"/v7/books/x/1",
            headers: &NoHeaders,
            caller,
            server_name: None,
            view: View::Gateway,
            port: 443,
            time: 0,
        };
        assert!(black_box(admission.admit(raw, 0)).is_ok());
    }
    begun.elapsed() / ROUNDS
}
