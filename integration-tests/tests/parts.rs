//! The bench tried on itself, without the gateway: what the other tests rely
//! on. A stand-in takes the gateway's place where a sidecar needs one.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use integration_tests::client::Curl;
use integration_tests::dns::NameServer;
use integration_tests::leaf::{Flaw, Key, Leaf, Signer};
use integration_tests::origin::{LARGE, Nginx, Site};
use integration_tests::pki::{Credential, Pki};
use integration_tests::raw::{Ending, Hello};
use integration_tests::recorder::{Clients, Recorder};

const CNN: &str = "edition.cnn.com";

fn openssl(arguments: &[&str], file: &Path) -> String {
    let mut command = Command::new("openssl");
    let output = command
        .args(arguments)
        .arg(file)
        .output()
        .expect("openssl runs");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn verify(roots: &Path, purpose: &str, credential: &Credential) -> String {
    let roots = roots.to_string_lossy();
    openssl(
        &["verify", "-CAfile", &roots, "-purpose", purpose],
        &credential.chain,
    )
}

#[test]
fn openssl_accepts_good_credentials_and_no_others() {
    let pki = Pki::create();
    let roots = pki.mesh_roots();
    let leaf = Leaf::workload("cluster.local/ns/default/sa/sleep");
    let rsa = pki.issue("rsa", &leaf.clone().key(Key::Rsa), Signer::Mesh);
    let next = pki.issue("next", &leaf, Signer::NextMesh);
    for good in [pki.workload("sleep"), pki.gateway(), rsa, next] {
        let said = verify(&roots, "sslclient", &good);
        assert!(said.contains(": OK"), "{said}");
    }
    for (flaw, words) in [
        (Flaw::Expired, "certificate has expired"),
        (Flaw::NotYetValid, "certificate is not yet valid"),
        (
            Flaw::OtherAuthority,
            "unable to get local issuer certificate",
        ),
        (Flaw::ServerAuthOnly, "unsuitable certificate purpose"),
    ] {
        let said = verify(&roots, "sslclient", &pki.flawed(flaw));
        assert!(!said.contains(": OK"), "{flaw:?}: {said}");
        assert!(said.contains(words), "{flaw:?}: {said}");
    }
}

#[test]
fn workload_certificates_look_as_istiod_makes_them() {
    let pki = Pki::create();
    let text = openssl(
        &["x509", "-noout", "-text", "-in"],
        &pki.workload("sleep").chain,
    );
    for part in [
        "X509v3 Subject Alternative Name: critical",
        "URI:spiffe://cluster.local/ns/default/sa/sleep\n",
        "Digital Signature, Key Encipherment",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "prime256v1",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(
        text.contains("Subject: \n") || text.contains("Subject:\n"),
        "{text}"
    );
    let names = |flaw| {
        openssl(
            &["x509", "-noout", "-ext", "subjectAltName", "-in"],
            &pki.flawed(flaw).chain,
        )
    };
    assert_eq!(names(Flaw::TwoUris).matches("URI:").count(), 2);
    assert_eq!(names(Flaw::NoName).matches("URI:").count(), 0);
    assert!(names(Flaw::DnsNameOnly).contains("DNS:sleep"));
    assert!(names(Flaw::ExtraSegment).contains("sa/politics/extra"));
    assert!(names(Flaw::ForeignTrustDomain).contains("spiffe://other.domain/"));
}

#[test]
fn a_revocation_list_revokes_what_it_names_and_nothing_else() {
    let pki = Pki::create();
    let (sleep, politics) = (pki.workload("sleep"), pki.workload("politics"));
    let list = pki.revocation_list("politics", &[&politics]);
    let (roots, list) = (pki.mesh_roots(), list.to_string_lossy().into_owned());
    let arguments = [
        "verify",
        "-crl_check",
        "-CRLfile",
        &list,
        "-CAfile",
        &roots.to_string_lossy(),
    ];
    let said = openssl(&arguments, &sleep.chain);
    assert!(said.contains(": OK"), "{said}");
    assert!(openssl(&arguments, &politics.chain).contains("certificate revoked"));
}

fn site(host: &str, credential: Credential) -> Site {
    Site {
        host: host.to_owned(),
        credential,
        clients: None,
    }
}

#[test]
fn nginx_answers_for_its_names_over_tls_and_logs_what_it_saw() {
    let pki = Pki::create();
    let nginx = Nginx::start(&[
        site(CNN, pki.origin(&[CNN])),
        site("httpbin.org", pki.origin(&["httpbin.org"])),
    ]);
    for host in [CNN, "httpbin.org"] {
        let curl = Curl::to_origin(nginx.address(), host, "/sport?x=1").roots(&pki.origin_roots());
        let reply = curl.header("x-custom: a \"quoted\" value").send();
        assert_eq!((reply.status, reply.error.as_str()), (200, ""));
        assert_eq!(reply.text(), format!("{host} serves /sport?x=1\n"));
    }
    let seen = nginx.settled_requests();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0]["request"], "GET /sport?x=1 HTTP/1.1");
    assert_eq!(seen[0]["sni"], CNN);
    assert_eq!(seen[0]["headers"]["host"], CNN);
    assert_eq!(seen[0]["headers"]["x-custom"], "a \"quoted\" value");
    assert_eq!(seen[0]["headers"]["via"], "");
}

#[test]
fn nginx_serves_http2_and_large_documents() {
    let pki = Pki::create();
    let nginx = Nginx::start(&[site(CNN, pki.origin(&[CNN]))]);
    let curl = Curl::to_origin(nginx.address(), CNN, "/large").roots(&pki.origin_roots());
    let reply = curl.http2().send();
    assert_eq!(
        (reply.status, reply.version.as_str(), reply.body.len()),
        (200, "2", LARGE)
    );
    assert_eq!(nginx.wait_for("/large")["alpn"], "h2");
}

fn recorder(pki: &Pki) -> Recorder {
    Recorder::start(&pki.origin(&["httpbin.org"]), Clients::Anyone)
}

fn ask(pki: &Pki, recorder: &Recorder, target: &str) -> Curl {
    Curl::to_origin(recorder.address(), "httpbin.org", target).roots(&pki.origin_roots())
}

#[test]
fn the_recorder_keeps_heads_and_bodies_as_they_came() {
    let pki = Pki::create();
    let recorder = recorder(&pki);
    let curl = ask(&pki, &recorder, "/echo")
        .header("X-Custom: 1")
        .body(b"hello");
    let reply = curl.header("Transfer-Encoding: chunked").send();
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"hello"[..]));
    let seen = recorder.wait_for("/echo");
    assert_eq!(seen.message.raw_body, b"5\r\nhello\r\n0\r\n\r\n");
    let head = String::from_utf8(seen.message.head.clone()).unwrap();
    assert!(
        head.starts_with("POST /echo HTTP/1.1\r\nHost: httpbin.org\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nX-Custom: 1\r\n"), "{head}");
    assert_eq!(
        (recorder.connections(), seen.server_name.as_deref()),
        (1, Some("httpbin.org"))
    );
}

#[test]
fn the_recorder_misbehaves_when_asked() {
    let pki = Pki::create();
    let recorder = recorder(&pki);
    let get = |target: &str| {
        ask(&pki, &recorder, target)
            .args(&["--max-time", "2"])
            .send()
    };
    assert_eq!(get("/status/418").status, 418);
    assert_eq!(get("/bytes/70000").body.len(), 70_000);
    assert_eq!(get("/chunked/70000").body.len(), 70_000);
    let late = get("/delay/1");
    assert!(
        late.status == 200 && late.elapsed >= Duration::from_secs(1),
        "{late:?}"
    );
    for (target, words) in [
        ("/silence", "timed out"),
        ("/trickle-head", "timed out"),
        ("/trickle-body", "timed out"),
        ("/reset", "reset"),
        ("/close", ""),
        ("/truncate", ""),
        ("/garbage", ""),
    ] {
        let reply = get(target);
        assert!(
            !reply.error.is_empty() && reply.error.contains(words),
            "{target}: {reply:?}"
        );
    }
    assert_eq!(get("/trickle-body").status, 200);
    assert_eq!(get("/silence").status, 0);
}

#[test]
fn an_application_is_led_by_port_and_redirected_from_the_clear() {
    let pki = Pki::create();
    let nginx = Nginx::start(&[site(CNN, pki.origin(&[CNN]))]);
    let doors = [(80, nginx.plain_address()), (443, nginx.address())];
    let roots = pki.origin_roots();
    let url = "http://edition.cnn.com/politics";
    let curl = || Curl::application(&doors, url).roots(&roots);
    let once = curl().send();
    let location = once.header("location").unwrap_or_default();
    assert_eq!(
        (once.status, location, once.redirects),
        (301, "https://edition.cnn.com/politics", 0)
    );
    let followed = curl().args(&["--location"]).send();
    assert_eq!(
        (followed.status, followed.redirects),
        (200, 1),
        "{followed:?}"
    );
    let seen = nginx.settled_requests();
    let tls: Vec<_> = seen.iter().map(|line| line["tls"].clone()).collect();
    assert_eq!(tls, ["", "", "TLSv1.3"]);
}

#[test]
fn the_recorder_speaks_http_without_tls_too() {
    let plain = Recorder::plain();
    let reply = Curl::through(plain.address(), "httpbin.org", "/headers").send();
    assert_eq!((reply.status, reply.text().as_str()), (200, "/headers"));
    let seen = plain.wait_for("/headers");
    assert_eq!((seen.connection, seen.tls_version.as_str()), (1, ""));
    assert_eq!(seen.message.values("host"), ["httpbin.org"]);
    let reset = Curl::through(plain.address(), "httpbin.org", "/reset").send();
    assert!(reset.error.contains("reset"), "{reset:?}");
}

#[test]
fn raw_bytes_reach_a_stand_in_gateway_and_its_answer_comes_back() {
    let pki = Pki::create();
    let roots = pki.mesh_roots();
    let gateway = Recorder::start(&pki.gateway(), Clients::VouchedBy(&roots));
    let hello = Hello {
        server_name: None,
        ..Hello::of(&pki, "sleep", CNN)
    };
    let mut raw = hello.connect(gateway.address()).unwrap();
    assert_eq!(
        (raw.alpn().as_deref(), raw.group().as_str()),
        (Some("http/1.1"), "X25519MLKEM768")
    );
    let gateway_id =
        "spiffe://cluster.local/ns/istio-system/sa/istio-egressgateway-service-account";
    assert_eq!(raw.server_uris(), [gateway_id]);
    let answer = raw
        .exchange("GET /a%zz HTTP/1.1\r\nHOST:  x\r\n\r\n")
        .unwrap();
    assert_eq!((answer.status(), answer.text()), (200, "/a%zz".to_owned()));
    let seen = gateway.wait_for("/a%zz");
    assert_eq!(seen.message.head, b"GET /a%zz HTTP/1.1\r\nHOST:  x\r\n\r\n");
    assert_eq!(seen.server_name, None);
    raw.send(b"GET /close HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(raw.rest(Duration::from_secs(5)).1, Ending::Closed);
}

#[test]
fn a_stand_in_gateway_refuses_peers_without_a_certificate() {
    let pki = Pki::create();
    let roots = pki.mesh_roots();
    let gateway = Recorder::start(&pki.gateway(), Clients::VouchedBy(&roots));
    let hello = Hello {
        credential: None,
        ..Hello::of(&pki, "sleep", CNN)
    };
    // In TLS 1.3 the refusal shows only when the answer is read.
    let outcome = hello
        .connect(gateway.address())
        .map(|mut raw| raw.exchange("GET / HTTP/1.1\r\n\r\n"));
    assert!(!matches!(outcome, Ok(Ok(_))), "{outcome:?}");
    assert!(gateway.seen().is_empty());
}

/// One question for an address, as a resolver sends it.
fn look_up(server: SocketAddr, name: &str) -> Vec<u8> {
    let labels = name
        .split('.')
        .flat_map(|l| [&[l.len() as u8], l.as_bytes()].concat());
    let mut packet = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend(labels);
    packet.extend([0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket.send_to(&packet, server).unwrap();
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).unwrap();
    answer[..length].to_vec()
}

#[test]
fn the_name_server_answers_as_told_and_remembers_who_was_asked_for() {
    let server = NameServer::start();
    server.answer("private.test", &[Ipv4Addr::new(10, 0, 0, 7)]);
    let known = look_up(server.address(), "Private.TEST");
    assert_eq!(known[..4], [0xab, 0xcd, 0x85, 0x80]);
    assert!(known.ends_with(&[0, 4, 10, 0, 0, 7]), "{known:?}");
    let unknown = look_up(server.address(), "evil.example");
    assert_eq!((unknown[3] & 0xf, unknown[7]), (3, 0));
    assert_eq!(server.questions(), ["private.test", "evil.example"]);
}
