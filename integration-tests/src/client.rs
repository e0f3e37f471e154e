//! curl, as the application behind a sidecar or as a sidecar itself.
//!
//! The exchange is bounded in time and its outcome is a value: a refused
//! connection is an answer a test may expect.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::jsonl;
use crate::pki::Credential;

/// A request in the making.
#[derive(Debug)]
pub struct Curl {
    command: Command,
    dir: TempDir,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status; 0 when no response came.
    pub status: u16,
    /// `1.1` or `2`.
    pub version: String,
    /// Fields of the last response head, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// From first byte sent to the end, connecting included.
    pub elapsed: Duration,
    /// How many redirects were followed on the way to this response.
    pub redirects: u64,
    /// curl's complaint; empty when the exchange was complete.
    pub error: String,
}

impl Curl {
    /// The application's view: plain HTTP to `http://HOST/…`, which its pod's
    /// rules lead to the sidecar at `sidecar`.
    #[must_use]
    pub fn through(sidecar: SocketAddr, host: &str, target: &str) -> Self {
        Self::new(sidecar, &format!("http://{host}{target}"))
    }

    /// The application's view without a sidecar: any URL, whose port leads to
    /// one of these places.
    #[must_use]
    pub fn application(doors: &[(u16, SocketAddr)], url: &str) -> Self {
        let connect = |(port, place): &(u16, SocketAddr)| format!(":{port}:{place}");
        Self::connecting(doors.iter().map(connect), url)
    }

    /// A mesh peer's view: mutual TLS straight to the gateway. The gateway has
    /// no DNS name to verify; [`crate::raw`] verifies its SPIFFE id.
    #[must_use]
    pub fn to_gateway(gateway: SocketAddr, who: &Credential, host: &str, target: &str) -> Self {
        let mut curl = Self::new(gateway, &format!("https://{host}{target}")).insecure();
        curl.command
            .arg("--cert")
            .arg(&who.chain)
            .arg("--key")
            .arg(&who.key);
        curl
    }

    /// The application's view of a forward proxy, which it is told of by
    /// [`Curl::args`] or [`Curl::environment`].
    #[must_use]
    pub fn by_proxy(url: &str) -> Self {
        Self::connecting([], url).args(&["--noproxy", ""])
    }

    /// Straight to an origin, over TLS.
    #[must_use]
    pub fn to_origin(origin: SocketAddr, host: &str, target: &str) -> Self {
        Self::new(origin, &format!("https://{host}{target}"))
    }

    fn new(address: SocketAddr, url: &str) -> Self {
        Self::connecting([format!("::{address}")], url)
    }

    /// Connects as the first of `rules` that fits the URL says (curl: `--connect-to`).
    fn connecting(rules: impl IntoIterator<Item = String>, url: &str) -> Self {
        let dir = TempDir::with_prefix("egret-curl-").expect("a temporary directory");
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--show-error",
            "--path-as-is",
            "--max-time",
            "20",
        ]);
        command.args(["--noproxy", "*", "--http1.1"]);
        for rule in rules {
            command.args(["--connect-to", &rule]);
        }
        command.args(["--write-out", "%{json}"]);
        command.arg("--output").arg(dir.path().join("body"));
        command.arg("--dump-header").arg(dir.path().join("head"));
        command.arg(url);
        Self { command, dir }
    }

    /// With another method.
    #[must_use]
    pub fn method(self, method: &str) -> Self {
        self.args(&["--request", method])
    }

    /// With a header, written `name: value`.
    #[must_use]
    pub fn header(self, header: &str) -> Self {
        self.args(&["--header", header])
    }

    /// With a body; a POST unless [`Curl::method`] says otherwise.
    #[must_use]
    pub fn body(self, body: &[u8]) -> Self {
        let path = self.dir.path().join("sent");
        fs::write(&path, body).expect("the body's file");
        self.args(&["--data-binary", &format!("@{}", path.display())])
    }

    /// Over HTTP/2, by ALPN.
    #[must_use]
    pub fn http2(self) -> Self {
        self.args(&["--http2"])
    }

    /// Without verifying the server.
    #[must_use]
    pub fn insecure(self) -> Self {
        self.args(&["--insecure"])
    }

    /// Verifying the server by these roots.
    #[must_use]
    pub fn roots(mut self, roots: &Path) -> Self {
        self.command.arg("--cacert").arg(roots);
        self
    }

    /// With any other options of curl.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// With a variable of its environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Does it, and waits for the end.
    ///
    /// # Panics
    /// When curl itself cannot run.
    #[must_use]
    pub fn send(mut self) -> Reply {
        let output = self.command.output().expect("curl runs");
        let summary = jsonl::object(&String::from_utf8_lossy(&output.stdout));
        Reply {
            status: summary["http_code"].as_u64().unwrap_or(0) as u16,
            version: summary["http_version"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            headers: headers(&self.read("head")),
            body: self.read("body"),
            elapsed: elapsed(&summary),
            redirects: summary["num_redirects"].as_u64().unwrap_or(0),
            error: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.path().join(name)).unwrap_or_default()
    }
}

impl Reply {
    /// What something other than curl answered.
    #[must_use]
    pub fn of_bytes(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            version: String::new(),
            headers: Vec::new(),
            body,
            elapsed: Duration::ZERO,
            redirects: 0,
            error: String::new(),
        }
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first value of a field.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        fields
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

fn elapsed(summary: &Value) -> Duration {
    Duration::from_secs_f64(summary["time_total"].as_f64().unwrap_or(0.0))
}

/// curl writes every head of an exchange; the last one is the response's.
fn headers(dump: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(dump);
    let last = text
        .trim_end()
        .rsplit("\r\n\r\n")
        .next()
        .unwrap_or_default();
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    last.lines().filter_map(field).collect()
}
