//! What a decision costs at 10 and at 10 000 hosts: each with 100 routes (60
//! exact, 30 prefixes, 10 regular expressions), a policy that allows some of
//! 1 000 principals, and requests for random hosts and paths by random callers.
//!
//! Prints build time, memory and the spread of single look-ups, then lets
//! criterion measure the mean. `LOOKUP_CASE` picks one case by its number.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark may fail loudly"
)]

use std::hint::black_box;
use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion};
use policy::canonical::PathProfile;
use policy::destination::{
    Action, Destination, Reach, Retries, Route, TlsPolicy, Upgrades, Upstream, UpstreamHost,
    UpstreamProtocol, UpstreamRef, UpstreamTls, Weighted,
};
use policy::origin::Origin;
use policy::pattern::{HostPattern, PathPattern};
use policy::principal::Principal;
use policy::rule::{Effect, Enforcement, Matcher, Rule};
use policy::source::{Caller, SourcePattern};
use policy::{Admission, AdmissionSpec, NoHeaders, RawRequest};

const CASE: &str = "LOOKUP_CASE";
const EXACT: usize = 60;
const PREFIXES: usize = 30;
const REGEXES: usize = 10;
const PRINCIPALS: usize = 1000;
/// Each policy allows one in so many principals.
const SHARE: usize = 20;
const QUERIES: usize = 1 << 16;

/// Whether hosts have the same regular expressions or each its own.
#[derive(Clone, Copy, Debug)]
enum Regexes {
    Shared,
    Distinct,
}

const CASES: [(usize, Regexes); 3] = [
    (10, Regexes::Shared),
    (10_000, Regexes::Shared),
    (10_000, Regexes::Distinct),
];

fn main() {
    match std::env::var(CASE) {
        Ok(case) => {
            let (hosts, regexes) = CASES[case.parse::<usize>().unwrap()];
            measure(hosts, regexes);
        }
        Err(_) => (0..CASES.len()).for_each(run_alone),
    }
}

/// In a process of its own, so that what is resident belongs to one case.
fn run_alone(case: usize) {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process
        .args(std::env::args_os().skip(1))
        .env(CASE, case.to_string());
    assert!(process.status().unwrap().success());
}

fn measure(hosts: usize, regexes: Regexes) {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();
    let name = format!("{hosts} hosts, {regexes:?} regexes").to_lowercase();
    let admission = build(&name, hosts, regexes);
    let callers = callers(&admission);
    let queries = Query::many(hosts, regexes);
    spread(&name, &admission, &queries, &callers);
    let mut next = 0;
    criterion.bench_function(&format!("admit/{name}"), |bencher| {
        bencher.iter_batched(
            || {
                next = (next + 1) % queries.len();
                &queries[next]
            },
            |query| query.admit(&admission, &callers),
            BatchSize::SmallInput,
        );
    });
    criterion.final_summary();
}

fn build(name: &str, hosts: usize, regexes: Regexes) -> Admission {
    let empty = resident();
    let spec = spec(hosts, regexes);
    let described = resident();
    let begun = Instant::now();
    let admission = Admission::compile(spec).unwrap();
    let took = begun.elapsed();
    println!(
        "{name}: compiled in {took:.2?}; {} MiB as described, {} MiB in all",
        (described - empty) >> 20,
        (resident() - empty) >> 20,
    );
    admission
}

/// Bytes of memory in use (Linux).
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// How long single look-ups take, the clock included; first touch apart.
fn spread(name: &str, admission: &Admission, queries: &[Query], callers: &[Caller]) {
    let round = || -> Vec<Duration> {
        let timed = queries.iter().map(|query| {
            let begun = Instant::now();
            black_box(query.admit(admission, callers));
            begun.elapsed()
        });
        let mut times: Vec<_> = timed.collect();
        times.sort_unstable();
        times
    };
    for (label, times) in [("first", round()), ("later", round())] {
        let at = |share: usize| times[(times.len() - 1) * share / 1000];
        let mean = times.iter().sum::<Duration>() / u32::try_from(times.len()).unwrap();
        println!(
            "{name}: {label} touch: mean {mean:.1?}, p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}, max {:.1?}",
            at(500),
            at(990),
            at(999),
            at(1000),
        );
    }
    let admitted = queries
        .iter()
        .filter(|query| query.admit(admission, callers))
        .count();
    println!("{name}: {} of {} admitted", admitted, queries.len());
}

fn spec(hosts: usize, regexes: Regexes) -> AdmissionSpec {
    AdmissionSpec {
        rules: (0..hosts).map(rule).collect(),
        destinations: (0..hosts).map(|host| destination(host, regexes)).collect(),
        passages: Vec::new(),
        upstreams: (0..hosts).map(upstream).collect(),
        ..AdmissionSpec::default()
    }
}

fn host_name(host: usize) -> String {
    format!("api-{host}.service-{}.example.com", host % 97)
}

fn principal(number: usize) -> String {
    format!("cluster.local/ns/team-{}/sa/app-{number}", number / 50)
}

fn origin(line: usize) -> Arc<Origin> {
    thread_local!(static FILE: Arc<str> = "egress.yaml".into());
    Arc::new(Origin::new(
        FILE.with(Arc::clone),
        u32::try_from(line).unwrap(),
        1,
    ))
}

fn rule(host: usize) -> Rule {
    let from = (host % SHARE..PRINCIPALS).step_by(SHARE);
    Rule {
        name: format!("allow-{host}").into(),
        effect: Effect::Allow,
        enforcement: Enforcement::Enforced,
        matchers: vec![Matcher {
            from: from
                .flat_map(|n| SourcePattern::parse(&principal(n), &[]).unwrap())
                .collect(),
            hosts: vec![HostPattern::parse(&host_name(host)).unwrap()],
            ..Matcher::default()
        }],
        unless: Vec::new(),
        origin: origin(host),
    }
}

fn destination(host: usize, regexes: Regexes) -> Destination {
    let upstream = UpstreamRef(u32::try_from(host).unwrap());
    let routes = patterns(host, regexes).into_iter().enumerate();
    Destination {
        door: None,
        host: HostPattern::parse(&host_name(host)).unwrap(),
        name: host_name(host).into(),
        ports: vec![80, 443],
        profile: PathProfile::default(),
        routes: routes
            .map(|(number, path)| route(number, path, upstream))
            .collect(),
        origin: origin(host),
    }
}

fn patterns(host: usize, regexes: Regexes) -> Vec<PathPattern> {
    let own = match regexes {
        Regexes::Shared => 0,
        Regexes::Distinct => host,
    };
    let exact = (0..EXACT).map(|n| PathPattern::parse(&format!("/v1/orders/kind-{n}/list")));
    let prefix = (0..PREFIXES).map(|n| PathPattern::parse(&format!("/static/section-{n}/*")));
    let regex = (0..REGEXES).map(|n| match n % 2 {
        0 => PathPattern::regex(&format!("/v[0-9]+/users/[^/]+/item-{own}-{n}")),
        _ => PathPattern::regex(&format!(r"/files-{own}-{n}/.+\.(png|jpg)")),
    });
    exact
        .chain(prefix)
        .chain(regex)
        .map(Result::unwrap)
        .collect()
}

fn route(number: usize, path: PathPattern, upstream: UpstreamRef) -> Route {
    Route {
        name: "route".into(),
        matchers: vec![Matcher {
            paths: vec![path],
            ..Matcher::default()
        }],
        action: Action::Forward(vec![Weighted {
            upstream,
            weight: 1,
        }]),
        timeout: None,
        retries: Retries::default(),
        changes: None,
        upgrades: Upgrades::Refused,
        max_body: None,
        origin: origin(number),
    }
}

fn upstream(host: usize) -> Upstream {
    Upstream {
        host: UpstreamHost::Named(host_name(host).into()),
        port: 443,
        addresses: Vec::new(),
        tls: UpstreamTls::On(TlsPolicy::default()),
        protocol: UpstreamProtocol::Http1,
        reach: Reach::default(),
        connect_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(60),
        bounds: Default::default(),
        outlier: None,
        via: None,
        origin: origin(host),
    }
}

fn callers(admission: &Admission) -> Vec<Caller> {
    let address = IpAddr::from([10, 0, 0, 1]);
    let caller = |n| admission.caller(Some(Principal::from_name(&principal(n)).unwrap()), address);
    (0..PRINCIPALS).map(caller).collect()
}

/// A request, as wires bring it.
#[derive(Debug)]
struct Query {
    host: String,
    path: String,
    caller: usize,
}

impl Query {
    /// One in nine comes from a caller whom the host does not admit, and one in
    /// eight asks for a path that no route serves.
    fn many(hosts: usize, regexes: Regexes) -> Vec<Self> {
        let mut dice = Dice(7);
        let mut one = || {
            let host = dice.below(hosts);
            let stranger = usize::from(dice.below(9) == 0);
            let own = match regexes {
                Regexes::Shared => 0,
                Regexes::Distinct => host,
            };
            Self {
                host: host_name(host),
                path: dice.path(own),
                caller: dice.below(PRINCIPALS / SHARE) * SHARE + (host + stranger) % SHARE,
            }
        };
        (0..QUERIES).map(|_| one()).collect()
    }

    fn admit(&self, admission: &Admission, callers: &[Caller]) -> bool {
        let raw = RawRequest {
            method: b"GET",
            authority: self.host.as_bytes(),
            target: self.path.as_bytes(),
            headers: &NoHeaders,
            caller: &callers[self.caller],
            server_name: None,
            view: policy::door::View::Gateway,
            port: 443,
            time: 0,
        };
        admission.admit(raw, 7).is_ok()
    }
}

/// Splitmix64: the same requests every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 32).unwrap() % end
    }

    fn path(&mut self, own: usize) -> String {
        let some = self.below(1000);
        match self.below(8) {
            0..=2 => format!("/v1/orders/kind-{}/list", self.below(EXACT)),
            3 | 4 => format!("/static/section-{}/style-{some}.css", self.below(PREFIXES)),
            5 => format!(
                "/v2/users/u{some}/item-{own}-{}",
                2 * self.below(REGEXES / 2)
            ),
            6 => format!(
                "/files-{own}-{}/a/b{some}.png",
                2 * self.below(REGEXES / 2) + 1
            ),
            _ => format!("/nothing/here/{some}"),
        }
    }
}
