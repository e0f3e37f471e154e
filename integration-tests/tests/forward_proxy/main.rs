//! A forward proxy: CONNECT and `http://` URLs, for clients that know of it. Who
//! calls is known by mutual TLS, or by address alone; what is within a tunnel is
//! for the host that policy was asked about.

mod attacks;
mod clients;
mod failures;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use integration_tests::mesh::Mesh;
use integration_tests::raw::{Hello, Raw};

const LISTENERS: &str = r#"
listeners:
  - { name: mesh, port: 443, bind: "127.0.0.1:0" }
  - { name: proxy, port: 3128, bind: "127.0.0.1:0", mode: forward-proxy }
  - { name: open, port: 3129, bind: "127.0.0.1:0", mode: forward-proxy, tls: off }
limits: { headTimeout: 2s }
"#;

const LOOPBACK: &str = "defaults: { addresses: { allow: [127.0.0.0/8] } }\n";

const PINNED: &str = "dns: { hosts: { www.googleapis.com: $NGINX, edition.cnn.com: $NGINX } }\n";

const WAYS: &str = r#"
passthrough:
  - { host: "*.googleapis.com", at: mesh:443 }
destinations:
  - { host: edition.cnn.com, upstream: { tls: { ca: $ORIGIN_CA } } }
  - { host: httpbin.org, upstream: { addresses: $RECORDER, tls: { ca: $ORIGIN_CA } } }
"#;

const SLEEP: &str = "policies: [{ name: sleepers, allow: { from: sa:default/sleep } }]\n";

const NEAR: &str = "policies: [{ name: near, allow: { from: \"ip:127.0.0.0/8\" } }]\n";

fn start(parts: &[&str]) -> Mesh {
    Mesh::start(&[&[LISTENERS], parts].concat().concat())
}

/// A connection of a workload to the proxy.
fn connect(mesh: &Mesh, account: &str) -> Raw {
    let hello = Hello {
        alpn: vec!["http/1.1"],
        ..Hello::of(&mesh.pki, account, "egress.mesh.test")
    };
    hello.connect(mesh.egret.listener("proxy")).unwrap()
}

/// The only record of a client.
#[track_caller]
fn record_of(mesh: &Mesh, client: SocketAddr) -> Value {
    let client = client.to_string();
    mesh.egret.wait_for_record("the client", |record| {
        record["downstream_remote_address"] == client
    })
}

fn ask(authority: &str) -> String {
    format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")
}

/// Hears all, then says its answer, once.
fn answering(answer: &'static [u8]) -> (String, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        let _ = tcp.read_to_end(&mut heard);
        let _ = tcp.write_all(answer);
        heard
    });
    (address, serving)
}
