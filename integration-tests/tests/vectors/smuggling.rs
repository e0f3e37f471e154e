//! Requests within requests, through the gateway to real origins, one strict and
//! one lenient: whoever asks next on the same connection to the origin gets his
//! own answer, and no origin is asked what the gateway did not judge.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use integration_tests::egret::Egret;
use integration_tests::origin::{Nginx, Site};
use integration_tests::pki::Pki;
use integration_tests::process::Process;
use integration_tests::raw::{Hello, Raw};
use integration_tests::wait::until;

use crate::attempt::{connect, deliver};
use crate::vector::{self, Sent};

const HOST: &str = "edition.cnn.test";

/// What of the data is about messages within messages.
const KINDS: [&str; 5] = ["SMUG", "CHNK", "FORM", "HOP", "H2"];

/// Left open, so that what comes next on the connection would become its end.
const HALF: &str = "GET /smuggled HTTP/1.1\r\nhost: edition.cnn.test\r\nx-pad: ";

/// Beyond the data: `$HALF` stands for that, `$LENGTH` for its length, `$HEX` for that as
/// chunks say it.
const HTTP1: [&str; 9] = [
    // CL.0, whole and half.
    "POST /sport HTTP/1.1\r\nhost: edition.cnn.test\r\ncontent-length: $LENGTH\r\n\r\n$HALF",
    "GET /sport HTTP/1.1\r\nhost: edition.cnn.test\r\ncontent-length: $LENGTH\r\n\r\n$HALF",
    "OPTIONS /sport HTTP/1.1\r\nhost: edition.cnn.test\r\ncontent-length: $LENGTH\r\n\r\n$HALF",
    // TE.0.
    "OPTIONS /sport HTTP/1.1\r\nhost: edition.cnn.test\r\ntransfer-encoding: chunked\r\n\r\n\
     $HEX\r\n$HALF\r\n0\r\n\r\n",
    // CL.TE and TE.CL, half.
    "POST /sport HTTP/1.1\r\nhost: edition.cnn.test\r\ncontent-length: 100\r\n\
     transfer-encoding: chunked\r\n\r\n0\r\n\r\n$HALF",
    "POST /sport HTTP/1.1\r\nhost: edition.cnn.test\r\ntransfer-encoding : chunked\r\n\
     content-length: 4\r\n\r\n$HEX\r\n$HALF\r\n0\r\n\r\n",
    // Line feeds within a chunk's extension, and a chunk that is longer than it says.
    "POST /sport HTTP/1.1\r\nhost: edition.cnn.test\r\ntransfer-encoding: chunked\r\n\r\n\
     2;\nxx\r\n37\r\n0\r\n\r\n$HALF\r\n0\r\n\r\n",
    "POST /sport HTTP/1.1\r\nhost: edition.cnn.test\r\ntransfer-encoding: chunked\r\n\r\n\
     2\r\nxx37\r\n0\r\n\r\n$HALF",
    "POST /sport HTTP/1.1\r\nhost: edition.cnn.test\r\nexpect: 100-continue\r\n\
     content-length: $LENGTH\r\n\r\n$HALF",
];

/// A field beyond the usual ones, and a body: H2.CL, H2.TE, and fields that would
/// be two in HTTP/1.1.
const HTTP2: [(&str, &str, &str); 5] = [
    ("content-length", "0", HALF),
    ("content-length", "4", HALF),
    (
        "transfer-encoding",
        "chunked",
        "0\r\n\r\nGET /smuggled HTTP/1.1\r\nx: ",
    ),
    (
        "x",
        "y\r\ntransfer-encoding: chunked",
        "0\r\n\r\nGET /smuggled HTTP/1.1\r\nx: ",
    ),
    (
        "x: y\r\ntransfer-encoding",
        "chunked",
        "0\r\n\r\nGET /smuggled HTTP/1.1\r\nx: ",
    ),
];

fn attacks() -> Vec<(String, String, Sent)> {
    let data = vector::all().into_iter().filter(|vector| {
        let kind = vector.id.split('-').next().unwrap_or_default();
        KINDS.contains(&kind)
    });
    let data = data.map(|vector| (vector.id, vector.account, vector.sent));
    let (length, hex) = (HALF.len().to_string(), format!("{:x}", HALF.len()));
    let http1 = HTTP1.map(|text| {
        let text = text.replace("$HALF", HALF).replace("$LENGTH", &length);
        let text = text.replace("$HEX", &hex);
        Sent::Http1(text.into_bytes())
    });
    let http2 = HTTP2.map(|(name, value, body)| {
        let usual = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", HOST),
            (":path", "/sport"),
        ];
        let fields = usual.into_iter().chain([(name, value)]);
        Sent::Http2 {
            fields: fields.map(|(n, v)| (n.into(), v.into())).collect(),
            body: body.into(),
        }
    });
    let more = http1.into_iter().chain(http2).enumerate();
    data.chain(more.map(|(n, sent)| (format!("MORE-{n}"), "sleep".to_owned(), sent)))
        .collect()
}

/// A caller who has done nothing wrong, on a connection of his own.
struct Victim<'a> {
    pki: &'a Pki,
    gateway: SocketAddr,
    raw: Option<Raw>,
    asked: usize,
}

impl Victim<'_> {
    /// Asks for what nobody has asked for; what is wrong with the answer.
    fn ask(&mut self) -> Option<String> {
        self.asked += 1;
        let target = format!("/sport/victim-{}", self.asked);
        let (pki, gateway) = (self.pki, self.gateway);
        let raw = self.raw.get_or_insert_with(|| {
            Hello::of(pki, "politics", HOST)
                .connect(gateway)
                .expect("a handshake")
        });
        let request = format!("GET {target} HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
        let answer = raw.exchange(&request).expect("an answer");
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let own = answer.status() == 200 && body.ends_with(&format!(" serves {target}\n"));
        (!own).then(|| format!("{target} is answered {} {body:?}", answer.status()))
    }
}

/// Every attack with a victim behind it.
fn probe(pki: &Pki, egret: &Egret) {
    let gateway = egret.listener("mesh");
    let mut victim = Victim {
        pki,
        gateway,
        raw: None,
        asked: 0,
    };
    assert_eq!(victim.ask(), None);
    let mut failures = Vec::new();
    for (id, account, sent) in attacks() {
        let mut raw = connect(pki, gateway, &account, &sent);
        let (statuses, _) = deliver(&mut raw, &sent);
        drop(raw);
        failures.extend(victim.ask().map(|why| format!("{id}: {statuses:?}: {why}")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    until("the last answer is on record", || {
        let last = format!("/sport/victim-{}", victim.asked);
        (!egret.records_where(|r| r["path"] == last).is_empty()).then_some(())
    });
    assert_shared(egret);
}

/// The attempt is worth something only if victims came behind attackers on one
/// connection to the origin.
fn assert_shared(egret: &Egret) {
    let (mut attacked, mut shared) = (HashSet::new(), 0);
    for record in egret.records() {
        let Some(connection) = record["upstream_local_address"].as_str() else {
            continue;
        };
        let is_victim = record["path"]
            .as_str()
            .is_some_and(|p| p.contains("victim"));
        if !is_victim {
            attacked.insert(connection.to_owned());
        } else if attacked.contains(connection) {
            shared += 1;
        }
    }
    assert!(shared > 10, "only {shared} victims behind an attacker");
}

#[test]
fn nobody_gets_anothers_answer_from_nginx() {
    let pki = Pki::create();
    let _ = pki.gateway();
    let site = Site {
        host: HOST.to_owned(),
        credential: pki.origin(&[HOST]),
        clients: None,
    };
    let nginx = Nginx::start(&[site]);
    let upstream = format!(
        "host: {HOST}, addresses: [\"{}\"], tls: {{ ca: {} }}",
        nginx.address(),
        pki.origin_roots().display()
    );
    let egret = Egret::start(&crate::configuration(&pki, &upstream));
    probe(&pki, &egret);
    let asked = nginx.settled_requests();
    let smuggled = asked
        .iter()
        .filter(|r| r["target"].as_str().is_none_or(|t| t.contains("smuggled")));
    assert_eq!(
        smuggled.collect::<Vec<_>>(),
        Vec::<&serde_json::Value>::new()
    );
    assert_eq!(
        asked.len(),
        served(&egret),
        "requests that nobody was let through"
    );
}

#[test]
fn nobody_gets_anothers_answer_from_a_lenient_origin() {
    let pki = Pki::create();
    let _ = pki.gateway();
    let origin = Lenient::start();
    let upstream = format!("tls: off, addresses: [\"127.0.0.1:{}\"]", origin.port);
    let egret = Egret::start(&crate::configuration(&pki, &upstream));
    probe(&pki, &egret);
    let asked = origin.asked.lock().unwrap().clone();
    let smuggled: Vec<_> = asked
        .iter()
        .filter(|target| target.contains("smuggled"))
        .collect();
    assert_eq!(smuggled, Vec::<&String>::new());
    assert_eq!(
        asked.len(),
        served(&egret),
        "requests that nobody was let through"
    );
}

/// Attempts that reached an origin.
fn served(egret: &Egret) -> usize {
    egret
        .records_where(|record| !record["upstream_local_address"].is_null())
        .len()
}

/// The origin of `lenient_origin.py`; killed when dropped.
struct Lenient {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    _process: Process,
}

impl Lenient {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/lenient_origin.py");
        let mut command = Command::new("python3");
        command
            .arg(script)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = Process::start(command);
        let mut lines = BufReader::new(process.stdout().unwrap())
            .lines()
            .map_while(Result::ok);
        let port = lines
            .next()
            .and_then(|line| line.parse().ok())
            .expect("its port");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let filling = Arc::clone(&asked);
        thread::spawn(move || lines.for_each(|line| filling.lock().unwrap().push(line)));
        Self {
            port,
            asked,
            _process: process,
        }
    }
}
