//! TLS with servers that never come to an end of it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use boring::ssl::{SslAcceptor, SslAcceptorBuilder, SslFiletype, SslMethod, SslVersion};
use boring::x509::X509;
use integration_tests::message::read_head;
use integration_tests::pki::{Credential, Pki};

use crate::bench::{Bench, Expected, HOST};
use crate::origin::{LONG, Origin};

const HANDSHAKE: Expected = Expected {
    status: 503,
    reason: "upstream_tls_handshake",
    flags: "URX,UF",
};
const TIMEOUT: Expected = Expected {
    status: 503,
    reason: "connect_timeout",
    flags: "URX,UF",
};

const FINE: Expected = Expected {
    status: 200,
    reason: "",
    flags: "-",
};
const CUT: Expected = Expected {
    status: 200,
    reason: "upstream_closed",
    flags: "UC",
};

/// Sends the same until nobody takes it.
fn flood(mut stream: &TcpStream, begin: &[u8], bytes: &[u8]) {
    let mut hello = [0; 4096];
    let _ = stream.read(&mut hello);
    let begun = std::time::Instant::now();
    let mut sent = stream.write_all(begin);
    while sent.is_ok() && begun.elapsed() < LONG {
        sent = stream.write_all(bytes);
    }
}

/// A server of TLS with this certificate.
pub(crate) fn acceptor(credential: &Credential) -> SslAcceptor {
    server(credential).build()
}

fn server(credential: &Credential) -> SslAcceptorBuilder {
    let mut tls = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    tls.set_certificate_chain_file(&credential.chain).unwrap();
    tls.set_private_key_file(&credential.key, SslFiletype::PEM)
        .unwrap();
    tls
}

fn bench(conduct: impl Fn(TcpStream) + Send + Sync + 'static) -> Bench {
    let origin = Origin::start(move |stream, _| conduct(stream));
    Bench::start(origin, "tls: { ca: $ORIGIN_CA }")
}

#[test]
fn garbage_in_the_place_of_tls_is_503_in_little_memory() {
    bench(|stream| flood(&stream, b"", b"this is no TLS, and never will be\r\n"))
        .get("text", &HANDSHAKE);
    // Records of a handshake whose message is announced as 16 MiB.
    let record = [&[22, 3, 3, 0x40, 0][..], &[0; 0x4000]].concat();
    let message = [22, 3, 3, 0, 4, 2, 0xff, 0xff, 0xff];
    bench(move |stream| flood(&stream, &message, &record)).get("endless", &HANDSHAKE);
    // Warnings, one after the other.
    bench(|stream| flood(&stream, b"", &[21, 3, 3, 0, 2, 1, 100])).get("alerts", &HANDSHAKE);
    // Empty records.
    bench(|stream| flood(&stream, b"", &[22, 3, 3, 0, 0])).get("empty", &HANDSHAKE);
}

#[test]
fn a_server_that_keeps_silent_or_trickles_is_503_in_time() {
    bench(|stream| flood(&stream, b"", b"")).get("silent", &TIMEOUT);
    bench(|stream| {
        let mut stream = &stream;
        for byte in [22, 3, 3, 0x40, 0].into_iter().cycle().take(80) {
            let _ = stream.write_all(&[byte]);
            std::thread::sleep(LONG / 80);
        }
    })
    .get("trickle", &TIMEOUT);
}

#[test]
fn a_chain_without_end_is_503_in_little_memory() {
    let pki = Pki::create();
    let credential = pki.origin(&[HOST]);
    let leaf = X509::from_pem(&std::fs::read(&credential.chain).unwrap()).unwrap();
    // Some megabytes, and what is only a few times as long as a good one.
    for (name, version, certificates) in [
        ("1.2", SslVersion::TLS1_2, 5000),
        ("1.3", SslVersion::TLS1_3, 5000),
        ("long", SslVersion::TLS1_3, 60),
    ] {
        let mut tls = server(&credential);
        tls.set_max_proto_version(Some(version)).unwrap();
        tls.set_min_proto_version(Some(version)).unwrap();
        for _ in 0..certificates {
            tls.add_extra_chain_cert(leaf.clone()).unwrap();
        }
        let acceptor = tls.build();
        let bench = bench(move |stream| drop(acceptor.accept(stream)));
        bench.get(name, &HANDSHAKE);
    }
}

#[test]
fn a_body_that_ends_with_its_connection_ends_by_a_word_of_tls_or_is_cut() {
    let pki = Pki::create();
    let acceptor = acceptor(&pki.origin(&[HOST]));
    let origin = Origin::start(move |stream, _| {
        let Ok(mut stream) = acceptor.accept(stream) else {
            return;
        };
        while let Ok(Some(request)) = read_head(&mut stream) {
            let length = match &*request.target() {
                "/of-a-length" => "content-length: 6\r\n",
                _ => "",
            };
            let answer = format!("HTTP/1.1 200 OK\r\n{length}\r\npay 10");
            stream.write_all(answer.as_bytes()).unwrap();
            if request.target() == "/said" {
                stream.shutdown().unwrap();
            }
            // Over HTTP/2 what has not gone out yet is lost with the reset.
            thread::sleep(Duration::from_millis(100));
            // The end of TCP alone, as anybody on the way can bring it about.
            stream.get_ref().shutdown(Shutdown::Write).unwrap();
        }
    });
    let secured = format!("tls: {{ ca: {} }}", pki.origin_roots().display());
    let bench = Bench::start(origin, &secured);
    assert_eq!(bench.get("said", &FINE).text(), "pay 10");
    assert_eq!(bench.get("of-a-length", &FINE).text(), "pay 10");
    bench.get("cut", &CUT);
    let curl = bench.curl("/cut-h2").http2();
    bench.ask("/cut-h2", curl, &CUT);
}
