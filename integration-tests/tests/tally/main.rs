//! Generated requests, let go and refused, decent and hostile, over HTTP/1.1
//! and HTTP/2, one after the other and many at once: the origin is asked as often
//! as a request was let go, and every attempt has one line. No more, no less.
//!
//! The seed is told when something is wrong; `EGRET_SEED` gives it again.

mod account;
mod fate;
mod hands;
mod http1;
mod http2;

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;
use std::thread;

use integration_tests::dns::NameServer;
use integration_tests::egret::Egret;
use integration_tests::pki::{Credential, Pki};
use integration_tests::recorder::Recorder;
use integration_tests::wait::{PATIENCE, until, within};

use account::Account;

/// Connections in a run; each carries up to eight attempts.
const CONNECTIONS: u64 = 300;
/// Connections at once.
const CALLERS: usize = 6;

const CONFIGURATION: &str = "
version: 1
gateway: { name: istio-egressgateway, namespace: istio-system }
identity: { files: { chain: $PKI/gateway/chain.pem, key: $PKI/gateway/key.pem, roots: $PKI/mesh-roots.pem } }
listeners: [{ name: mesh, bind: \"127.0.0.1:0\" }]
admin: { bind: \"127.0.0.1:0\" }
limits: { bodySize: 16KiB }
dns: { servers: [\"$DNS\"], timeout: 2s }
destinations:
  - host: open.test
    upstream: { tls: off, addresses: [\"$UPSTREAM\"] }
    allowAddresses: [127.0.0.0/8]
    routes: [{ prefix: /open }, { prefix: /echo }]
  - host: down.test
    upstream: { tls: off, addresses: [\"$NOBODY\"] }
    allowAddresses: [127.0.0.0/8]
  - { host: inside.test, upstream: { tls: off, port: $PORT } }
  - { host: unnamed.test, upstream: { tls: off, port: $PORT } }
policies:
  - allow: { from: sa:default/sleep, method: [GET, HEAD, POST, PUT, PATCH, DELETE], host: open.test, path: [/open/*, /echo/*, /unrouted/*] }
  - allow: { from: sa:default/sleep, host: [down.test, inside.test, unnamed.test] }
  - deny: { host: open.test, path: \"*/secret\" }
";

/// What the callers need.
pub(crate) struct Bench {
    pub(crate) pki: Pki,
    /// Certificates that are refused, and why.
    pub(crate) flawed: Vec<(Credential, &'static str)>,
    pub(crate) origin: Recorder,
    pub(crate) egret: Egret,
    _names: NameServer,
}

impl Bench {
    fn start() -> Self {
        let pki = Pki::create();
        let _ = pki.gateway();
        let origin = Recorder::plain();
        // Taken, and given back: nobody listens there.
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let names = NameServer::start();
        names.answer("inside.test", &[Ipv4Addr::LOCALHOST]);
        let text = CONFIGURATION
            .replace("$DNS", &names.address().to_string())
            .replace("$PORT", &origin.address().port().to_string())
            .replace("$PKI", &pki.dir().to_string_lossy())
            .replace("$UPSTREAM", &origin.address().to_string())
            .replace("$NOBODY", &nobody.unwrap().to_string());
        let egret = Egret::start(&text);
        let flawed = hands::FLAWS.map(|(flaw, why)| (pki.flawed(flaw), why));
        Self {
            flawed: flawed.to_vec(),
            pki,
            origin,
            egret,
            _names: names,
        }
    }
}

fn seed() -> u64 {
    let given = std::env::var("EGRET_SEED").ok();
    given.map_or_else(|| fastrand::u64(..), |text| text.parse().expect("a number"))
}

#[test]
fn the_origin_is_asked_as_often_as_was_let_go_and_every_attempt_has_one_line() {
    let seed = seed();
    let bench = Bench::start();
    let left = Mutex::new(0..CONNECTIONS);
    let accounts = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while let Some(number) = { left.lock().unwrap().next() } {
                    // Each has its own, so that it is the same whoever makes it.
                    let mut random = fastrand::Rng::with_seed(seed.wrapping_add(number));
                    let account = call(&bench, number, &mut random);
                    accounts.lock().unwrap().push(account);
                }
            });
        }
    });
    let accounts = accounts.into_inner().unwrap();
    let expected: usize = accounts.iter().map(Account::lines).sum();
    let egret = &bench.egret;
    let all = || (egret.lines().len() >= expected).then_some(());
    let _ = within(PATIENCE, all);
    let counted = ["egret_requests_total", "egret_handshake_refusals_total"];
    let counted: u64 = counted.map(|name| egret.metric(name)).iter().sum();
    let lines = bench.egret.end();
    until("the origin has seen the end", || {
        let (made, ended) = (bench.origin.connections(), bench.origin.ended_connections());
        (made == ended).then_some(())
    });
    let complaints = account::complaints(&accounts, &lines, &bench.origin.seen());
    assert!(
        complaints.is_empty(),
        "EGRET_SEED={seed}: {} things are wrong:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
    assert_eq!(lines.len(), expected, "EGRET_SEED={seed}");
    assert_eq!(counted, expected as u64, "EGRET_SEED={seed}");
    let attempts = accounts.iter().map(|account| account.fates.len());
    let (attempts, seen) = (attempts.sum::<usize>(), bench.origin.seen().len());
    println!("{attempts} attempts: {expected} lines, {seen} requests at the origin");
    // A run in which nearly nothing passes, or nearly nothing is refused, proves nothing.
    assert!(seen > attempts / 5 && expected > seen * 3 / 2);
}

/// One connection with all that is tried on it.
fn call(bench: &Bench, number: u64, random: &mut fastrand::Rng) -> Account {
    match random.u8(..100) {
        0..12 => hands::call(bench, random),
        12..56 => http1::call(bench, number, random),
        _ => http2::call(bench, number, random),
    }
}
