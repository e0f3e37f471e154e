//! A gateway under attack, and a caller who behaves.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpSocket;

use integration_tests::client::Reply;
use integration_tests::http2::{self, SETTINGS, WINDOW_UPDATE, frame};
use integration_tests::load::Load;
use integration_tests::mesh::Mesh;
use integration_tests::raw::{Hello, Raw};
use integration_tests::record::reason;
use integration_tests::wait::within;

pub(crate) const HOST: &str = "httpbin.org";
pub(crate) const MIB: usize = 1024 * 1024;
pub(crate) const KIB: usize = 1024;

/// What varies by itself: buffers that threads lend, logs on their way.
const NOISE: usize = 10 * MIB;

const OPEN: &str = "
defaults: { policy: allow }
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";

/// See the module.
pub(crate) struct Siege {
    pub(crate) mesh: Mesh,
    good: Load,
    before: usize,
}

/// A connection from another address of loopback.
pub(crate) fn connect_from(source: &str, gateway: SocketAddr) -> TcpStream {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind(SocketAddr::new(source.parse().unwrap(), 0))
            .unwrap();
        let tcp = socket.connect(gateway).await.unwrap().into_std().unwrap();
        tcp.set_nonblocking(false).unwrap();
        tcp
    })
}

/// How many of these the gateway has closed; others are silent.
pub(crate) fn closed(crowd: &mut [TcpStream]) -> usize {
    let closed = |tcp: &mut TcpStream| {
        tcp.set_read_timeout(Some(Duration::from_millis(10)))
            .unwrap();
        match tcp.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    };
    crowd
        .iter_mut()
        .filter_map(|tcp| closed(tcp).then_some(()))
        .count()
}

/// The configuration with these `limits`.
pub(crate) fn with(limits: &str) -> String {
    format!("limits: {{ {limits} }}\n{OPEN}")
}

impl Siege {
    /// Begins with `limits` as configured, once the good caller is served.
    pub(crate) fn lay(limits: &str) -> Self {
        let mesh = Mesh::start(&with(limits));
        // What is made once is made now.
        for curl in [0, 1, 2].map(|_| mesh.curl("sleep", HOST, "/bytes/200000")) {
            assert_eq!(curl.http2().send().status, 200, "{}", mesh.egret.said());
        }
        let good = Load::start(vec![steady(&mesh)]);
        good.go_on_for(50);
        let before = mesh.egret.memory();
        Self { mesh, good, before }
    }

    /// How a hostile caller says hello.
    pub(crate) fn hello(&self, alpn: &'static str) -> Hello {
        Hello {
            alpn: vec![alpn],
            ..Hello::of(&self.mesh.pki, "sleep", HOST)
        }
    }

    /// A connection of his, for HTTP/1.1.
    pub(crate) fn http1(&self) -> Raw {
        self.hello("http/1.1").connect(self.mesh.gateway()).unwrap()
    }

    /// A connection of his, for HTTP/2, begun.
    pub(crate) fn http2(&self) -> Raw {
        let mut raw = self.hello("h2").connect(self.mesh.gateway()).unwrap();
        raw.send(&http2::preface()).unwrap();
        raw
    }

    /// In the middle of an attack: the good caller is served on, and no more
    /// than `room` is held.
    #[track_caller]
    pub(crate) fn stands(&self, room: usize) {
        self.good.go_on_for(20);
        self.bounded(room);
    }

    /// How long the good caller takes for a number of requests.
    pub(crate) fn pace(&self) -> Duration {
        let begun = Instant::now();
        self.good.go_on_for(200);
        begun.elapsed()
    }

    /// No more than `room` is held for an attack.
    #[track_caller]
    pub(crate) fn bounded(&self, room: usize) {
        let now = self.mesh.egret.memory();
        let (before, limit) = (self.before, self.before + room + NOISE);
        assert!(now <= limit, "from {before} to {now}, at most {limit}");
    }

    /// `number` records of a reason, once they are written.
    #[track_caller]
    pub(crate) fn records(&self, number: usize, code: &str) -> Vec<Value> {
        let egret = &self.mesh.egret;
        egret.wait_for_records(code, number, |record| reason(record) == code)
    }

    /// How many connections the gateway says were cut for `reason`.
    pub(crate) fn cut(&self, reason: &str) -> u64 {
        let label = format!("reason=\"{reason}\"");
        let metrics = self.mesh.egret.admin("/metrics").text();
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with("egret_connections_cut_total{"));
        let counts = lines.filter(|line| line.contains(&label));
        counts
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// Waits until the gateway holds `number` connections.
    #[track_caller]
    pub(crate) fn until_connections(&self, number: u64) {
        let line = format!("egret_connections {number}\n");
        let probe = || {
            let metrics = self.mesh.egret.admin("/metrics").text();
            metrics.contains(&line).then_some(())
        };
        let came = within(Duration::from_secs(10), probe).is_some();
        assert!(came, "never {number} connections");
    }

    /// The end: every request of the good caller was answered, and new ones are.
    #[track_caller]
    pub(crate) fn lift(self) -> Mesh {
        let Self { mesh, good, .. } = self;
        good.go_on_for(20);
        let bad = good.finish();
        assert!(bad.is_empty(), "{} failed: {:?}", bad.len(), bad.first());
        // Places that the attack took may be given back a moment later.
        mesh.until_served("politics", HOST, "/bytes/1");
        mesh
    }
}

/// One request after the other, all on one connection of another workload.
fn steady(mesh: &Mesh) -> Box<dyn Fn() -> Reply + Send> {
    let hello = Hello::of(&mesh.pki, "politics", HOST);
    let raw = Mutex::new(hello.connect(mesh.gateway()).unwrap());
    Box::new(move || {
        let request = format!("GET /bytes/1000 HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
        let answer = raw.lock().unwrap().exchange(&request);
        // Not so fast that there is no room for anybody else.
        std::thread::yield_now();
        match answer {
            Ok(answer) if answer.body.len() == 1000 => {
                Reply::of_bytes(answer.status(), answer.body)
            }
            Ok(answer) => Reply::of_bytes(answer.status() + 1000, answer.body),
            Err(error) => Reply {
                error: error.to_string(),
                ..Reply::of_bytes(0, Vec::new())
            },
        }
    })
}

/// Fields of a request over HTTP/2.
pub(crate) fn fields(method: &str, path: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let fields = [
        (":method", method),
        (":scheme", "https"),
        (":authority", HOST),
        (":path", path),
    ];
    fields
        .map(|(name, value)| (name.into(), value.into()))
        .to_vec()
}

/// The fields as a block.
pub(crate) fn block(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    fields.iter().flat_map(http2::literal).collect()
}

/// The frames of a GET.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    http2::request(stream, &fields("GET", path), b"")
}

/// The number of the stream that comes after `number` others.
pub(crate) fn stream(number: u32) -> u32 {
    2 * number + 1
}

/// `SETTINGS_INITIAL_WINDOW_SIZE`.
pub(crate) fn window(size: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&[0, 4], &size.to_be_bytes()[..]].concat())
}

/// A connection on which the gateway may send what it likes.
pub(crate) fn unbounded(mut raw: Raw) -> Raw {
    let all = u32::MAX >> 1;
    let more = (all - 65_535).to_be_bytes();
    // Whoever is refused cannot say so.
    let _ = raw.send(&[window(all), frame(WINDOW_UPDATE, 0, 0, &more)].concat());
    raw
}
