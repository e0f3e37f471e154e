//! Listeners that change while the gateway serves: what a socket serves does at once,
//! which sockets there are at the next start.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use integration_tests::mesh::Mesh;
use integration_tests::raw::Hello;
use integration_tests::wait::until;

const HOST: &str = "httpbin.org";
const GET: &str = "GET /x HTTP/1.1\r\nhost: httpbin.org\r\nconnection: close\r\n\r\n";

fn configuration(listener: &str) -> String {
    format!(
        "listeners:
  - {{ {listener}, port: 443, bind: \"127.0.0.1:0\" }}
defaults: {{ policy: allow }}
destinations:
  - host: httpbin.org
    upstream: {{ addresses: [\"$RECORDER\"], tls: {{ ca: $ORIGIN_CA }} }}
    allowAddresses: [127.0.0.0/8]
"
    )
}

fn is_served(mesh: &Mesh) -> bool {
    let raw = Hello::of(&mesh.pki, "sleep", HOST).connect(mesh.gateway());
    let answer = raw.map(|mut raw| raw.exchange(GET));
    matches!(answer, Ok(Ok(message)) if message.status() == 200)
}

fn is_served_plainly(mesh: &Mesh) -> bool {
    let mut tcp = TcpStream::connect(mesh.gateway()).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = Vec::new();
    let _ = tcp.write_all(GET.as_bytes());
    let _ = tcp.read_to_end(&mut answer);
    answer.starts_with(b"HTTP/1.1 200 ")
}

fn said(mesh: &Mesh, what: &str) {
    until(what, || mesh.egret.said().contains(what).then_some(()));
}

#[test]
fn the_hosts_of_a_listener_change_with_the_configuration() {
    let mesh = Mesh::start(&configuration("name: mesh, hosts: [edition.cnn.com]"));
    assert!(!is_served(&mesh));
    mesh.configure(&configuration("name: mesh, hosts: [httpbin.org]"));
    until("its hosts are in force", || is_served(&mesh).then_some(()));
    mesh.configure(&configuration("name: mesh, hosts: [edition.cnn.com]"));
    until("others are", || (!is_served(&mesh)).then_some(()));
    assert!(!mesh.egret.said().contains("next start"));
}

#[test]
fn what_a_listener_speaks_changes_with_the_configuration() {
    let mesh = Mesh::start(&configuration("name: mesh"));
    assert!(is_served(&mesh) && !is_served_plainly(&mesh));
    mesh.configure(&configuration("name: mesh, mode: plaintext"));
    until("it speaks plainly", || {
        is_served_plainly(&mesh).then_some(())
    });
    assert!(!is_served(&mesh));
    mesh.configure(&configuration("name: mesh"));
    until("it speaks TLS", || is_served(&mesh).then_some(()));
    assert!(!is_served_plainly(&mesh));
}

#[test]
fn a_listener_that_is_gone_serves_as_it_did_and_that_is_told() {
    let mesh = Mesh::start(&configuration("name: mesh"));
    mesh.configure(&configuration("name: other, mode: plaintext"));
    said(
        &mesh,
        "new listeners: `other` at 127.0.0.1:0: that takes effect at the next start",
    );
    said(&mesh, "listeners no longer there: `mesh` at 127.0.0.1:0");
    // No listener verifies callers any more, by the configuration.
    assert!(is_served(&mesh), "{}", mesh.egret.said());
    assert!(!is_served_plainly(&mesh));
}
