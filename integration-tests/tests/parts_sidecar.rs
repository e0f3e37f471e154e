//! The sidecars tried without the gateway: a stand-in takes its place, and
//! tells what a sidecar really sends.

use std::net::SocketAddr;

use integration_tests::origin::{Nginx, Site};
use integration_tests::pki::{Credential, Pki};
use integration_tests::recorder::{Clients, Recorder};
use integration_tests::sidecar::{External, Protocol, Setup, Sidecar, Sni};

const CNN: &str = "edition.cnn.com";

fn site(host: &str, credential: Credential) -> Site {
    Site {
        host: host.to_owned(),
        credential,
        clients: None,
    }
}

fn sidecar(pki: &Pki, gateway: SocketAddr, protocol: Protocol, sni: Sni) -> Sidecar {
    let cnn = External {
        subset: "cnn".to_owned(),
        sni,
        ..External::new(CNN)
    };
    Sidecar::start(&Setup {
        account: "sleep",
        credential: &pki.workload("sleep"),
        roots: &pki.mesh_roots(),
        gateway,
        protocol,
        externals: &[cnn],
    })
}

#[test]
fn a_sidecar_speaks_mutual_tls_to_a_stand_in_gateway() {
    let pki = Pki::create();
    let clients = Some(pki.mesh_roots());
    let gateway = Nginx::start(&[Site {
        clients,
        ..site(CNN, pki.gateway())
    }]);
    for (protocol, alpn, version) in [
        (Protocol::Http1, "http/1.1", "HTTP/1.1"),
        (Protocol::Http2, "h2", "HTTP/2.0"),
    ] {
        let sidecar = sidecar(&pki, gateway.address(), protocol, Sni::Host);
        let target = format!("/politics?{alpn}");
        let reply = sidecar.curl(CNN, &target).send();
        assert_eq!(reply.status, 200, "{}", sidecar.log());
        let seen = gateway.wait_for(&target);
        assert_eq!(seen["client"], "SUCCESS");
        assert_eq!(
            (&seen["alpn"], &seen["protocol"]),
            (&alpn.into(), &version.into())
        );
        assert_eq!(
            (&seen["sni"], &seen["tls"]),
            (&CNN.into(), &"TLSv1.3".into())
        );
        assert_eq!(seen["headers"]["x-envoy-attempt-count"], "1");
    }
}

#[test]
fn a_sidecar_sends_what_istiod_tells_it_to() {
    let pki = Pki::create();
    let roots = pki.mesh_roots();
    let gateway = Recorder::start(&pki.gateway(), Clients::VouchedBy(&roots));
    let sidecar = sidecar(&pki, gateway.address(), Protocol::Http1, Sni::Service);
    let reply = sidecar.curl(CNN, "/a/../politics").send();
    assert_eq!(reply.status, 200, "{}", sidecar.log());
    let seen = gateway.wait_for("/politics");
    assert_eq!(seen.alpn, ["istio-http/1.1", "istio", "http/1.1"]);
    assert_eq!(seen.group, "X25519MLKEM768");
    assert_eq!(
        seen.client_uris,
        ["spiffe://cluster.local/ns/default/sa/sleep"]
    );
    let name = "outbound_.443_.cnn_.istio-egressgateway.istio-system.svc.cluster.local";
    assert_eq!(seen.server_name.as_deref(), Some(name));
    let fields = seen.message.fields();
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    let wanted = "host user-agent accept x-forwarded-proto x-request-id x-envoy-decorator-operation \
                  x-envoy-peer-metadata-id x-envoy-peer-metadata x-envoy-attempt-count";
    let mut sorted = names.clone();
    sorted.sort_unstable();
    let mut wanted: Vec<&str> = wanted.split_whitespace().collect();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted, "{names:?}");
    assert_eq!(
        seen.message.value("x-forwarded-proto").as_deref(),
        Some("http")
    );
}

#[test]
fn a_sidecar_refuses_a_gateway_of_another_name_and_hosts_it_does_not_know() {
    let pki = Pki::create();
    let roots = pki.mesh_roots();
    let impostor = Recorder::start(&pki.workload("politics"), Clients::VouchedBy(&roots));
    let sidecar = sidecar(&pki, impostor.address(), Protocol::Http1, Sni::Host);
    assert_eq!(sidecar.curl(CNN, "/").send().status, 503);
    assert_eq!(sidecar.curl("evil.example", "/").send().status, 502);
    assert!(impostor.seen().is_empty());
}
