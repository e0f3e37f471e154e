//! A real Envoy as the sidecar of one workload: plain HTTP, or bytes, in on
//! loopback, mutual TLS out to the gateway.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::bootstrap::{bootstrap, hbone_bootstrap, tcp_bootstrap};
use crate::client::Curl;
use crate::message::{Message, read_body, read_head};
use crate::pki::Credential;
use crate::process::Process;
use crate::wait::{PATIENCE, within};
use crate::{jsonl, peers};

/// HTTP between sidecar and gateway; follows from the name of the Service's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Port `https`.
    Http1,
    /// Port `http2`.
    Http2,
}

impl Protocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    /// What such a sidecar offers, in order.
    #[must_use]
    pub fn alpn(self) -> [&'static str; 3] {
        match self {
            Self::Http1 => ["istio-http/1.1", "istio", "http/1.1"],
            Self::Http2 => ["istio-h2", "istio", "h2"],
        }
    }
}

/// What a sidecar offers for TCP, and for TLS that applications bring.
pub const TCP_ALPN: [&str; 2] = ["istio-peer-exchange", "istio"];

/// An external host the sidecar leads to the gateway.
#[derive(Clone, Debug)]
pub struct External {
    /// The host applications ask for.
    pub host: String,
    /// The subset of the gateway's DestinationRule.
    pub subset: String,
    /// Whether that DestinationRule names a server name.
    pub sni: Sni,
}

/// The server name a sidecar sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sni {
    /// The external host, as the DestinationRule's `sni` says.
    Host,
    /// The gateway's own, as without `sni`.
    Service,
}

impl External {
    /// With a DestinationRule that names the host.
    #[must_use]
    pub fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            subset: host.replace('.', "-"),
            sni: Sni::Host,
        }
    }

    pub(crate) fn server_name(&self, service: &str) -> String {
        match self.sni {
            Sni::Host => self.host.clone(),
            Sni::Service => format!("outbound_.443_.{}_.{service}", self.subset),
        }
    }
}

/// What a sidecar is started with.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Its workload's service account.
    pub account: &'a str,
    /// Its workload's certificate.
    pub credential: &'a Credential,
    /// Roots the gateway must be vouched for by.
    pub roots: &'a Path,
    /// Where the gateway is.
    pub gateway: SocketAddr,
    /// What it speaks to the gateway.
    pub protocol: Protocol,
    /// Hosts it knows; it answers 502 for all others itself.
    pub externals: &'a [External],
}

/// A running sidecar; killed when dropped.
#[derive(Debug)]
pub struct Sidecar {
    address: SocketAddr,
    dir: TempDir,
    _process: Process,
}

impl Sidecar {
    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready; with Envoy's own log.
    #[must_use]
    pub fn start(setup: &Setup<'_>) -> Self {
        Self::start_on(|access_log| bootstrap(setup, access_log))
    }

    /// Starts one that leads whatever comes, bytes or TLS, to an external host,
    /// and waits until it is ready. Of HTTP it knows nothing.
    ///
    /// # Panics
    /// As [`Sidecar::start`].
    #[must_use]
    pub fn start_for_tcp(setup: &Setup<'_>, external: &External) -> Self {
        Self::start_on(|access_log| tcp_bootstrap(setup, external, access_log))
    }

    /// Starts one that leads whatever comes to `authority`, by HBONE as ztunnel
    /// speaks it, and waits until it is ready.
    ///
    /// # Panics
    /// As [`Sidecar::start`].
    #[must_use]
    pub fn start_for_hbone(setup: &Setup<'_>, authority: &str) -> Self {
        Self::start_on(|access_log| hbone_bootstrap(setup, authority, access_log))
    }

    fn start_on(configuration: impl FnOnce(&str) -> Value) -> Self {
        let dir = TempDir::with_prefix("egret-sidecar-").expect("a temporary directory");
        let access_log = dir.path().join("access.log").to_string_lossy().into_owned();
        let configuration = configuration(&access_log).to_string();
        fs::write(dir.path().join("bootstrap.json"), configuration).expect("its configuration");
        let mut process = Process::start(command(dir.path()));
        let address = listening(dir.path(), &mut process);
        let address = address.unwrap_or_else(|| panic!("Envoy: {}", read(dir.path(), "log")));
        Self {
            address,
            dir,
            _process: process,
        }
    }

    /// Where the application's traffic is led.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The application asks for `http://HOST/TARGET`.
    #[must_use]
    pub fn curl(&self, host: &str, target: &str) -> Curl {
        Curl::through(self.address, host, target)
    }

    /// What Envoy logged: its access log, then its own. For messages of failing tests.
    #[must_use]
    pub fn log(&self) -> String {
        read(self.dir.path(), "access.log") + &read(self.dir.path(), "log")
    }
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(peers::envoy());
    command.arg("--config-path").arg(dir.join("bootstrap.json"));
    command.arg("--admin-address-path").arg(dir.join("admin"));
    command.arg("--log-path").arg(dir.join("log"));
    command.args([
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--log-level",
        "warning",
    ]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The listener's address, once Envoy says it is ready; `None` when it ended or never was.
fn listening(dir: &Path, process: &mut Process) -> Option<SocketAddr> {
    let admin = within(PATIENCE, || {
        let written = read(dir, "admin").trim().parse().ok();
        written.map(Some).or_else(|| process.exited().map(|_| None))
    });
    let admin: SocketAddr = admin??;
    within(PATIENCE, || {
        (ask(admin, "/ready")?.status() == 200).then_some(())
    })?;
    let listeners = ask(admin, "/listeners?format=json")?;
    listener_address(&jsonl::object(&listeners.text()))
}

fn listener_address(listeners: &Value) -> Option<SocketAddr> {
    let socket = listeners.pointer("/listener_statuses/0/local_address/socket_address")?;
    let port = socket["port_value"].as_u64()?;
    format!("{}:{port}", socket["address"].as_str()?)
        .parse()
        .ok()
}

/// A plain GET, of an admin port.
#[must_use]
pub fn ask(admin: SocketAddr, target: &str) -> Option<Message> {
    let mut stream = TcpStream::connect(admin).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!("GET {target} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    answer(&mut stream)
}

fn answer(stream: &mut impl Read) -> Option<Message> {
    let mut message = read_head(stream).ok()??;
    read_body(stream, &mut message).ok()?;
    Some(message)
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap_or_default()
}
