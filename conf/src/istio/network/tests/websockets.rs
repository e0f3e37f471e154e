//! Which routes let WebSockets through, by the release that wrote them.

use policy::destination::Upgrades;
use policy::door::Door;

use super::snapshot;

#[test]
fn websockets_are_let_through_as_istio_does() {
    let upgrades = |objects: &str, door: Door| {
        let snapshot = snapshot(objects);
        let destination = snapshot.admission().find_destination("httpbin.org", door);
        destination.unwrap().routes[0].upgrades
    };
    let declared = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: httpbin }
spec: { hosts: [httpbin.org], ports: [{ number: 80, name: http, protocol: HTTP }], resolution: DNS }
";
    let mesh = Door::mesh(80);
    assert_eq!(upgrades(declared, mesh), Upgrades::WebSocket);
    for (said, lets) in [
        ("", Upgrades::WebSocket),
        ("websocketUpgrade: true, ", Upgrades::WebSocket),
        ("websocketUpgrade: false, ", Upgrades::Refused),
    ] {
        let route = format!("{declared}---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {{ name: httpbin }}
spec: {{ hosts: [httpbin.org], http: [{{ {said}timeout: 3s, route: [{{ destination: {{ host: httpbin.org }} }}] }}] }}
");
        assert_eq!(upgrades(&route, mesh), lets, "{said}");
    }
    // Before 1.0 a rule had to say so.
    for (said, lets) in [
        ("", Upgrades::Refused),
        ("websocketUpgrade: true, ", Upgrades::WebSocket),
    ] {
        let rule = format!("
apiVersion: config.istio.io/v1alpha2
kind: EgressRule
metadata: {{ name: httpbin }}
spec: {{ destination: {{ service: httpbin.org }}, ports: [{{ port: 80, protocol: http }}] }}
---
apiVersion: config.istio.io/v1alpha2
kind: RouteRule
metadata: {{ name: httpbin }}
spec: {{ destination: {{ service: httpbin.org }}, {said}httpReqTimeout: {{ simpleTimeout: {{ timeout: 3s }} }} }}
");
        assert_eq!(upgrades(&rule, mesh), lets, "{said}");
    }
}
