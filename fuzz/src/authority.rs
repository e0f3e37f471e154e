//! The host of a request and its port.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use policy::canonical::Authority;

/// A host that is taken is canonical, written once more it is the same, and no
/// byte of it could end it early for another reader.
pub fn target(data: &[u8]) {
    let Ok(authority) = Authority::parse(data) else {
        return;
    };
    let host = authority.host().to_owned();
    match host.strip_prefix('[') {
        Some(_) => check_literal(&host),
        None => check_name(&host),
    }
    assert_ne!(authority.port(), Some(0));
    let written = authority.to_string();
    let again = Authority::parse(written.as_bytes()).expect("canonical is lawful");
    assert_eq!(again, authority);
    assert_eq!(again.to_string(), written);
    assert!(matches!(again.into_host(), Cow::Borrowed(_)), "{written}");
}

fn check_name(host: &str) {
    let lawful = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    assert!(host.bytes().all(lawful), "{host}");
    assert!((1..=253).contains(&host.len()), "{host}");
    let labels = || host.split('.');
    assert!(labels().all(|l| (1..=63).contains(&l.len())), "{host}");
    let last = labels().next_back().unwrap_or_default();
    // What the C library's inet_aton and URL parsers would take for an address.
    let number = last.strip_prefix("0x").unwrap_or(last);
    let digit = |b: u8| match last.starts_with("0x") {
        true => b.is_ascii_hexdigit(),
        false => b.is_ascii_digit(),
    };
    if number.bytes().all(digit) {
        let address: Ipv4Addr = host.parse().expect("a number is an address");
        assert_eq!(address.to_string(), host);
    }
}

fn check_literal(host: &str) {
    let inside = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let inside = inside.expect("brackets on both sides");
    let lawful = |b: u8| matches!(b, b'a'..=b'f' | b'0'..=b'9' | b':');
    assert!(inside.bytes().all(lawful), "{host}");
}

/// Hosts.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut all = super::seeds::texts(&[
        "edition.cnn.com",
        "EDITION.cnn.com.:443",
        "a_b.example:65535",
        "127.0.0.1",
        "0x7f000001",
        "1.2.3.0x4",
        "[::1]:8443",
        "[::ffff:10.0.0.1]",
        "xn--bcher-kva.example",
    ]);
    let of_requests = super::seeds::requests().into_iter().filter_map(|request| {
        let text = String::from_utf8_lossy(&request).into_owned();
        let mut lines = text.lines();
        let host = lines.find_map(|line| line.strip_prefix("Host: ").map(str::to_owned));
        host.map(String::into_bytes)
    });
    all.extend(of_requests);
    all
}
