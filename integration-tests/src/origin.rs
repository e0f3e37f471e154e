//! nginx playing external hosts over TLS, with a log of what it was asked.
//! Whoever asks in clear, at another port, is redirected to HTTPS.
//!
//! Its own prefix directory, one process, ports of loopback. With client
//! roots it also stands in for the gateway, to try sidecars without one.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::Curl;
use crate::pki::Credential;
use crate::process::Process;
use crate::wait::{PATIENCE, until, within};
use crate::{jsonl, peers};

/// Size of `/large`, in bytes.
pub const LARGE: usize = 8 * 1024 * 1024;

/// Request headers whose values the log keeps, beside `host`.
const LOGGED: &[&str] = &[
    "accept",
    "baggage",
    "cookie",
    "expect",
    "forwarded",
    "proxy-authorization",
    "traceparent",
    "user-agent",
    "via",
    "x-b3-traceid",
    "x-custom",
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-original-path",
    "x-envoy-peer-metadata",
    "x-envoy-peer-metadata-id",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-istio-attributes",
    "x-request-id",
];

/// A name nginx answers to.
#[derive(Clone, Debug)]
pub struct Site {
    /// Server name; the first site also answers to all others.
    pub host: String,
    /// What it proves itself with.
    pub credential: Credential,
    /// Roots its clients must be vouched for by.
    pub clients: Option<PathBuf>,
}

/// A running nginx; killed when dropped.
#[derive(Debug)]
pub struct Nginx {
    address: SocketAddr,
    plain_address: SocketAddr,
    dir: TempDir,
    _process: Process,
    fences: AtomicUsize,
}

impl Nginx {
    /// Starts it for `sites` and waits until it listens.
    ///
    /// # Panics
    /// When it does not start; with its error log.
    #[must_use]
    pub fn start(sites: &[Site]) -> Self {
        Self::start_with("TLSv1.2 TLSv1.3", sites)
    }

    /// The same, speaking nothing newer than TLS 1.2.
    ///
    /// # Panics
    /// As [`Nginx::start`].
    #[must_use]
    pub fn start_old(sites: &[Site]) -> Self {
        Self::start_with("TLSv1.2", sites)
    }

    fn start_with(versions: &str, sites: &[Site]) -> Self {
        // Another process may take the port between our look and nginx's bind.
        let started = (0..3).find_map(|_| Self::try_start(versions, sites).ok());
        started
            .unwrap_or_else(|| panic!("nginx: {}", Self::try_start(versions, sites).unwrap_err()))
    }

    fn try_start(versions: &str, sites: &[Site]) -> Result<Self, String> {
        let (address, plain_address) = free_addresses();
        let servers = servers(address, sites) + &redirecting(plain_address);
        let dir = prefix(&configuration(versions, &servers));
        let mut process = Process::start(command(dir.path()));
        // nginx writes its pid after it has bound its sockets.
        let pid = dir.path().join("nginx.pid");
        within(PATIENCE, || {
            (pid.exists() || process.exited().is_some()).then_some(())
        });
        if process.exited().is_some() || !pid.exists() {
            return Err(read(&dir.path().join("error.log")));
        }
        Ok(Self {
            address,
            plain_address,
            dir,
            _process: process,
            fences: AtomicUsize::new(0),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for HTTP without TLS.
    #[must_use]
    pub fn plain_address(&self) -> SocketAddr {
        self.plain_address
    }

    /// nginx's own log, for messages of failing tests.
    #[must_use]
    pub fn log(&self) -> String {
        read(&self.dir.path().join("error.log"))
    }

    /// Serves `content` at `/lists/NAME` from now on. Its entity tag differs from
    /// that of the last one if the length does.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn publish(&self, name: &str, content: &str) {
        let beside = self.dir.path().join("beside");
        fs::write(&beside, content).expect("the new list");
        let place = self.dir.path().join("www/lists").join(name);
        fs::rename(&beside, place).expect("the new list in place");
    }

    /// Every request logged so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Value> {
        let mut lines = jsonl::parse(&read(&self.dir.path().join("access.log")));
        lines.retain(|line| !is_fence(line));
        lines
    }

    /// The first request for `target`, once it is logged.
    ///
    /// # Panics
    /// When it is not in time; with all that was logged.
    #[track_caller]
    #[must_use]
    pub fn wait_for(&self, target: &str) -> Value {
        let of = |line: &Value| line["target"] == target;
        let found = within(PATIENCE, || self.requests().into_iter().find(of));
        found.unwrap_or_else(|| panic!("nginx was not asked for {target}: {:#?}", self.requests()))
    }

    /// Every request that ended before this call. A request of our own is the
    /// fence: once it is logged, so is all that came before it.
    ///
    /// # Panics
    /// When nginx does not answer.
    #[track_caller]
    #[must_use]
    pub fn settled_requests(&self) -> Vec<Value> {
        let number = self.fences.fetch_add(1, Ordering::SeqCst);
        let target = format!("{FENCE}{number}");
        let reply = Curl::to_origin(self.address, "fence.test", &target)
            .insecure()
            .send();
        assert!(
            reply.error.is_empty(),
            "nginx does not answer: {}",
            reply.error
        );
        let log = self.dir.path().join("access.log");
        until("nginx logs the fence", || {
            read(&log).contains(&target).then_some(())
        });
        self.requests()
    }
}

const FENCE: &str = "/fence-";

fn is_fence(line: &Value) -> bool {
    line["target"]
        .as_str()
        .is_some_and(|target| target.starts_with(FENCE))
}

/// Two: both are held until both are known.
fn free_addresses() -> (SocketAddr, SocketAddr) {
    let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let [one, other] = free.map(|port| port.local_addr().expect("its address"));
    (one, other)
}

fn prefix(configuration: &str) -> TempDir {
    let dir = TempDir::with_prefix("egret-nginx-").expect("a temporary directory");
    fs::write(dir.path().join("nginx.conf"), configuration).expect("its configuration");
    fs::create_dir_all(dir.path().join("www/lists")).expect("its documents");
    fs::write(dir.path().join("www/large"), vec![b'.'; LARGE]).expect("a large document");
    dir
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(peers::nginx());
    command
        .arg("-p")
        .arg(dir)
        .arg("-c")
        .arg("nginx.conf")
        .arg("-e")
        .arg("error.log");
    command
}

fn servers(address: SocketAddr, sites: &[Site]) -> String {
    let server = |(number, site)| {
        let default = if number == 0 { "default_server" } else { "" };
        server(address, site, default)
    };
    sites.iter().enumerate().map(server).collect()
}

fn redirecting(address: SocketAddr) -> String {
    format!("  server {{ listen {address}; return 301 https://$host$request_uri; }}\n")
}

fn configuration(versions: &str, servers: &str) -> String {
    let format = log_format();
    // One process: killing it leaves no workers behind.
    format!(
        "daemon off;
master_process off;
pid nginx.pid;
error_log error.log info;
events {{ worker_connections 512; }}
http {{
  log_format record escape=json '{format}';
  access_log access.log record;
  default_type text/plain;
  ssl_protocols {versions};
  client_max_body_size 0;
  underscores_in_headers on;
  ignore_invalid_headers off;
  large_client_header_buffers 8 64k;
  keepalive_requests 1000000;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
{servers}}}
"
    )
}

fn server(address: SocketAddr, site: &Site, default: &str) -> String {
    let Site {
        host,
        credential,
        clients,
    } = site;
    let (chain, key) = (credential.chain.display(), credential.key.display());
    let verify = clients.as_ref().map_or(String::new(), |roots| {
        let roots = roots.display();
        format!("ssl_verify_client on; ssl_client_certificate {roots}; ssl_verify_depth 2;")
    });
    format!(
        "  server {{
    listen {address} ssl http2 {default};
    server_name {host};
    ssl_certificate {chain};
    ssl_certificate_key {key};
    {verify}
    location = /large {{ root www; }}
    location /lists/ {{ root www; }}
    location / {{ return 200 \"{host} serves $request_uri\\n\"; }}
  }}
"
    )
}

/// One JSON object a request: what was asked, over what TLS, with which headers.
fn log_format() -> String {
    let mut headers = String::from("\"host\":\"$http_host\"");
    for name in LOGGED {
        let variable = name.replace('-', "_");
        let _ = write!(headers, ",\"{name}\":\"$http_{variable}\"");
    }
    [
        r#"{"request":"$request","method":"$request_method","target":"$request_uri","#,
        r#""protocol":"$server_protocol","status":"$status","length":"$request_length","#,
        r#""connection":"$connection","sni":"$ssl_server_name","alpn":"$ssl_alpn_protocol","#,
        r#""tls":"$ssl_protocol","groups":"$ssl_curves","client":"$ssl_client_verify","#,
        r#""headers":{"#,
        &headers,
        "}}",
    ]
    .concat()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
