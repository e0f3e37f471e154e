//! What the suites attack: the gateway between a mesh and an external host, and
//! relays in front of it for programs that can show no certificate.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use integration_tests::mesh::Mesh;
use integration_tests::peers;
use integration_tests::process::Process;
use integration_tests::wait::until;
use tempfile::TempDir;

/// The host that is asked for by programs behind a relay.
pub(crate) const HOST: &str = "localhost";
/// The host that is asked for by name.
pub(crate) const NAMED: &str = "edition.cnn.com";

/// A gateway, and a port for each protocol that leads to it.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) mesh: Mesh,
    h1: Relay,
    h2: Relay,
}

impl Door {
    /// Starts everything; `limits` is what the configuration says of them.
    pub(crate) fn open(limits: &str) -> Self {
        let ports = free_ports();
        let mesh = Mesh::start(&configuration(limits, ports));
        let [h1, h2] = [("http/1.1", ports[0]), ("h2", ports[1])]
            .map(|(protocol, port)| Relay::start(&mesh, protocol, port));
        Self { mesh, h1, h2 }
    }

    /// Where plain HTTP/1.1 becomes HTTP/1.1 within mutual TLS.
    pub(crate) fn h1(&self) -> u16 {
        self.h1.port
    }

    /// The same for HTTP/2.
    pub(crate) fn h2(&self) -> u16 {
        self.h2.port
    }

    /// Where the gateway itself listens.
    pub(crate) fn gateway(&self) -> SocketAddr {
        self.mesh.gateway()
    }
}

fn configuration(limits: &str, ports: [u16; 2]) -> String {
    let upstream = "upstream: { host: edition.cnn.com, addresses: [\"$NGINX\"], \
                    tls: { ca: $ORIGIN_CA } }";
    // nginx answers before it has read a body; the recorder does not.
    let reads = "upstream: { host: httpbin.org, addresses: [\"$RECORDER\"], \
                 tls: { ca: $ORIGIN_CA } }";
    let [h1, h2] = ports;
    format!(
        "limits: {{ {limits} }}
defaults: {{ policy: allow }}
destinations:
  - host: {HOST}
    ports: [80, {h1}, {h2}]
    {upstream}
    allowAddresses: [127.0.0.0/8]
    routes:
      - exact: /echo
        to: [{{ {reads} }}]
      - prefix: /
  - host: {NAMED}
    {upstream}
    allowAddresses: [127.0.0.0/8]
"
    )
}

/// Both are held until both are known.
fn free_ports() -> [u16; 2] {
    let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|port| port.local_addr().unwrap().port())
}

/// HAProxy, which only wraps bytes in mutual TLS, and holds few of them: that a
/// reader stops must be felt behind it.
#[derive(Debug)]
struct Relay {
    port: u16,
    _process: Process,
    _dir: TempDir,
}

impl Relay {
    fn start(mesh: &Mesh, protocol: &str, port: u16) -> Self {
        let dir = TempDir::with_prefix("egret-relay-").unwrap();
        let who = mesh.pki.workload("sleep");
        let both = [who.chain, who.key].map(|path| fs::read_to_string(path).unwrap());
        let credential = dir.path().join("sleep.pem");
        fs::write(&credential, both.concat()).unwrap();
        let file = dir.path().join("haproxy.cfg");
        let (gateway, credential) = (mesh.gateway(), credential.display());
        let text = format!(
            "global
  tune.rcvbuf.server 65536
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen relay
  bind 127.0.0.1:{port}
  maxconn 4000
  server egret {gateway} ssl verify none crt {credential} alpn {protocol}
"
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new(peers::haproxy());
        command.arg("-db").arg("-f").arg(&file);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::start(command);
        until("the relay listens", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self {
            port,
            _process: process,
            _dir: dir,
        }
    }
}
