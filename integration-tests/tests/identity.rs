//! Who is let in: the certificate decides, and every refusal is a record.
//!
//! Refusals are tried at the handshake itself and, for one, through a sidecar;
//! each in TLS 1.2 and 1.3, where they show at different moments.

use std::net::SocketAddr;

use boring::ssl::SslVersion;
use serde_json::{Value, json};

use integration_tests::leaf::{Flaw, Key, Leaf, Signer};
use integration_tests::mesh::Mesh;
use integration_tests::pki::{Credential, Pki};
use integration_tests::raw::Hello;
use integration_tests::record::{assert_has, reason};
use integration_tests::sidecar::{External, Protocol, Setup, Sidecar, Sni};

const CNN: &str = "edition.cnn.com";
const GET: &str = "GET /sport HTTP/1.1\r\nhost: edition.cnn.com\r\n\r\n";
const SLEEP: &str = "cluster.local/ns/default/sa/sleep";

/// Everyone with an identity may do everything: what is refused is refused for who asks.
const OPEN: &str = "
defaults: { policy: allow }
destinations:
  - host: edition.cnn.com
    upstream: { addresses: [\"$NGINX\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";

fn expected(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Expired | Flaw::NotYetValid => "certificate_expired",
        Flaw::OtherAuthority => "certificate_untrusted",
        Flaw::NoName | Flaw::DnsNameOnly => "no_spiffe_id",
        Flaw::TwoUris => "several_spiffe_ids",
        Flaw::ForeignTrustDomain => "trust_domain",
        Flaw::ServerAuthOnly => "certificate_purpose",
        Flaw::ExtraSegment => "malformed_spiffe_id",
    }
}

/// Whether a peer that says hello so gets an answer to a request.
fn is_served(gateway: SocketAddr, hello: &Hello) -> bool {
    let answer = hello.connect(gateway).map(|mut raw| raw.exchange(GET));
    matches!(answer, Ok(Ok(message)) if message.status() == 200)
}

fn handshake_refusals(mesh: &Mesh, number: usize) -> Vec<Value> {
    let refused = |r: &Value| r["decision"] == "refuse" && r["authority"].is_null();
    mesh.egret
        .wait_for_records("refused handshakes", number, refused)
}

#[test]
fn bad_certificates_are_refused_and_recorded_with_the_reason() {
    let mesh = Mesh::start(OPEN);
    let mut reasons = Vec::new();
    for newest in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        for flaw in Flaw::ALL {
            let credential = Some(mesh.pki.flawed(flaw));
            let hello = Hello {
                credential,
                newest,
                ..Hello::of(&mesh.pki, "sleep", CNN)
            };
            assert!(!is_served(mesh.gateway(), &hello), "{flaw:?} by {newest:?}");
            reasons.push(expected(flaw));
            // One after the other, so that the lines can be told apart.
            let refusals = handshake_refusals(&mesh, reasons.len());
            assert_eq!(refusals.len(), reasons.len(), "{flaw:?}: {refusals:#?}");
        }
    }
    let records = handshake_refusals(&mesh, reasons.len());
    assert_eq!(records.iter().map(reason).collect::<Vec<_>>(), reasons);
    for record in &records {
        assert_has(
            record,
            &json!({
                "response_code": 0, "method": null, "path": null, "source_principal": null,
                "requested_server_name": CNN, "upstream_host": null,
            }),
        );
        assert!(
            record["connection_termination_details"].is_string(),
            "{record:#}"
        );
        assert!(
            record["downstream_remote_address"].is_string(),
            "{record:#}"
        );
    }
    assert!(mesh.nginx.settled_requests().is_empty());
}

#[test]
fn a_peer_without_a_certificate_is_refused_and_recorded() {
    let mesh = Mesh::start(OPEN);
    for newest in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let hello = Hello {
            credential: None,
            newest,
            ..Hello::of(&mesh.pki, "sleep", CNN)
        };
        assert!(!is_served(mesh.gateway(), &hello), "{newest:?}");
    }
    for record in handshake_refusals(&mesh, 2) {
        assert_eq!(reason(&record), "no_client_certificate", "{record:#}");
    }
    assert!(mesh.nginx.settled_requests().is_empty());
}

fn sidecar(mesh: &Mesh, credential: &Credential, sni: Sni) -> Sidecar {
    Sidecar::start(&Setup {
        account: "sleep",
        credential,
        roots: &mesh.pki.mesh_roots(),
        gateway: mesh.gateway(),
        protocol: Protocol::Http1,
        externals: &[External {
            subset: "cnn".to_owned(),
            sni,
            ..External::new(CNN)
        }],
    })
}

#[test]
fn the_application_behind_a_refused_sidecar_gets_503() {
    let mesh = Mesh::start(OPEN);
    let sidecar = sidecar(&mesh, &mesh.pki.flawed(Flaw::Expired), Sni::Host);
    assert_eq!(sidecar.curl(CNN, "/sport").send().status, 503);
    assert_eq!(
        reason(&handshake_refusals(&mesh, 1)[0]),
        "certificate_expired"
    );
    assert!(mesh.nginx.settled_requests().is_empty());
}

#[test]
fn a_sidecar_whose_rule_names_no_server_name_is_served() {
    let mesh = Mesh::start(OPEN);
    let sidecar = sidecar(&mesh, &mesh.pki.workload("sleep"), Sni::Service);
    assert_eq!(
        sidecar.curl(CNN, "/sport").send().status,
        200,
        "{}",
        sidecar.log()
    );
    let name = "outbound_.443_.cnn_.istio-egressgateway.istio-system.svc.cluster.local";
    assert_has(
        &mesh.egret.record_of("/sport"),
        &json!({
            "requested_server_name": name, "source_principal": SLEEP,
        }),
    );
}

#[test]
fn either_root_of_one_subject_and_either_kind_of_key_is_good() {
    let mesh = Mesh::start(OPEN);
    let leaf = Leaf::workload(SLEEP);
    for (name, leaf, signer) in [
        ("next-root", leaf.clone(), Signer::NextMesh),
        ("rsa", leaf.clone().key(Key::Rsa), Signer::Mesh),
        ("rsa-next-root", leaf.key(Key::Rsa), Signer::NextMesh),
    ] {
        let credential = Some(mesh.pki.issue(name, &leaf, signer));
        let hello = Hello {
            credential,
            ..Hello::of(&mesh.pki, "sleep", CNN)
        };
        assert!(
            is_served(mesh.gateway(), &hello),
            "{name}: {}",
            mesh.egret.said()
        );
    }
    for record in mesh
        .egret
        .wait_for_records("three", 3, |r| r["path"] == "/sport")
    {
        assert_eq!(record["source_principal"], SLEEP);
    }
}

#[test]
fn a_former_trust_domain_is_let_in_only_as_an_alias() {
    let trust = "trust: [{ domain: cluster.local, aliases: [other.domain] }]\n";
    let mesh = Mesh::start(&[trust, OPEN].concat());
    let credential = Some(mesh.pki.flawed(Flaw::ForeignTrustDomain));
    let hello = Hello {
        credential,
        ..Hello::of(&mesh.pki, "sleep", CNN)
    };
    assert!(is_served(mesh.gateway(), &hello), "{}", mesh.egret.said());
    let principal = "other.domain/ns/default/sa/sleep";
    assert_eq!(
        mesh.egret.record_of("/sport")["source_principal"],
        principal
    );
}

#[test]
fn a_domain_with_its_own_root_speaks_for_no_other() {
    let pki = Pki::create();
    let partner = Leaf::workload("partner.example/ns/probe/sa/x");
    // The partner's root is the origins'; any root will do that is not the mesh's.
    let own = pki.issue("partner", &partner, Signer::Origin);
    let forged = pki.issue("forged", &Leaf::workload(SLEEP), Signer::Origin);
    let reverse = pki.issue("reverse", &partner, Signer::Mesh);
    let trust = "trust:\n  - { domain: cluster.local }\n  - { domain: partner.example, roots: $ORIGIN_CA }\n";
    let mesh = Mesh::start_with(pki, &[trust, OPEN].concat());
    let served = |credential: &Credential| {
        let credential = Some(credential.clone());
        is_served(
            mesh.gateway(),
            &Hello {
                credential,
                ..Hello::of(&mesh.pki, "sleep", CNN)
            },
        )
    };
    assert_eq!([&own, &forged, &reverse].map(served), [true, false, false]);
    for record in handshake_refusals(&mesh, 2) {
        let known = ["trust_domain", "certificate_untrusted"].contains(&reason(&record));
        assert!(known, "{record:#}");
    }
}
