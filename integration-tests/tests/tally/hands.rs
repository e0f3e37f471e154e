//! Connections on which nobody comes to ask for anything.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use integration_tests::leaf::Flaw;
use integration_tests::pki::Credential;
use integration_tests::raw::Hello;

use crate::Bench;
use crate::account::Account;
use crate::fate::{Fate, choose};

/// Bytes where TLS should begin, and what is told of them.
const NO_TLS: [(&[u8], &str); 4] = [
    (
        b"GET /open/1 HTTP/1.1\r\nhost: open.test\r\n\r\n",
        "plaintext",
    ),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "plaintext"),
    (b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", "handshake_failed"),
    (b"", "handshake_failed"),
];

/// Certificates that are refused, and why.
pub(crate) const FLAWS: [(Flaw, &str); 3] = [
    (Flaw::Expired, "certificate_expired"),
    (Flaw::OtherAuthority, "certificate_untrusted"),
    (Flaw::TwoUris, "several_spiffe_ids"),
];

/// One of them.
pub(crate) fn call(bench: &Bench, random: &mut fastrand::Rng) -> Account {
    let (caller, fate) = match random.u8(..4) {
        0 => {
            let (bytes, why) = choose(random, &NO_TLS);
            let mut tcp = TcpStream::connect(bench.egret.listener("mesh")).unwrap();
            let caller = tcp.local_addr().unwrap();
            let _ = tcp.write_all(bytes);
            // It may be closed already.
            let _ = tcp.shutdown(Shutdown::Write);
            let _ = tcp.read_to_end(&mut Vec::new());
            (caller, Fate::ends(0, why))
        }
        1 => {
            let (credential, why) = &bench.flawed[random.usize(..bench.flawed.len())];
            (greet(bench, Some(credential.clone())), Fate::ends(0, why))
        }
        2 => (greet(bench, None), Fate::ends(0, "no_client_certificate")),
        // Let in, and gone without a word.
        _ => {
            let credential = Some(bench.pki.workload("sleep"));
            (greet(bench, credential), Fate::nothing())
        }
    };
    Account {
        caller,
        fates: vec![fate],
        in_order: true,
    }
}

/// Shakes hands and says no more; who it was.
fn greet(bench: &Bench, credential: Option<Credential>) -> SocketAddr {
    let hello = Hello {
        credential,
        ..Hello::of(&bench.pki, "sleep", "open.test")
    };
    let mut raw = hello.connect(bench.egret.listener("mesh")).unwrap();
    let caller = raw.local_address();
    raw.finish();
    let _ = raw.some();
    caller
}
