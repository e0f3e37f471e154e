//! Random specifications: written, read and asked.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use policy::address::AddressClass;
use policy::canonical::{DuplicateSlashes, Encoded, PathProfile};
use policy::destination::*;
use policy::door::Door;
use policy::expr::Expr;
use policy::origin::Origin;
use policy::pattern::HostPattern;
use policy::rule::*;
use policy::{Admission, AdmissionSpec, ChosenLabels, DecisionWord, LogFilter, StatusPattern};
use proptest::prelude::*;
use proptest::sample::select;

use super::matchers::{matcher, some};
use super::*;
use crate::native::{Remarks, write};
use crate::report::Report;
use crate::snapshot::{Layout, Level, Log, Overflow, Settings, Sink};

fn origin() -> Arc<Origin> {
    Arc::new(Origin::new("random.yaml", 7, 3))
}

fn template() -> impl Strategy<Value = Template> {
    let part = prop_oneof![
        select(vec!["", "denied: ", "$", "${", "$$", "}", "\n", "é"])
            .prop_map(|text| TemplatePart::Text(text.into())),
        select(vec![
            "request.path",
            r#"request.host | "}""#,
            r#"request.headers["a}`"] | "-""#
        ])
        .prop_map(|text| TemplatePart::Value(Arc::new(Expr::cexl(text).unwrap()))),
    ];
    prop::collection::vec(part, 0..5).prop_map(Template)
}

prop_compose! {
    fn rule()(
        name in select(vec!["one", "two", "policies[1]", "a: b"]),
        effect in 0..5_u8,
        status in select(vec![403, 404, 503]),
        body in template(),
        shadow in prop::bool::weighted(0.2),
        matchers in prop::collection::vec(matcher(), 0..3),
        unless in prop::collection::vec(matcher(), 0..2),
    ) -> Rule {
        Rule {
            name: name.into(),
            effect: match effect {
                0 | 1 => Effect::Deny(Answer { status, body }),
                2 | 3 => Effect::Allow,
                _ => Effect::Audit,
            },
            enforcement: if shadow { Enforcement::Shadow } else { Enforcement::Enforced },
            matchers,
            unless,
            origin: origin(),
        }
    }
}

fn time() -> impl Strategy<Value = Option<Duration>> {
    prop::option::of(select(vec![
        Duration::from_millis(1500),
        Duration::from_secs(60),
        Duration::from_millis(2),
    ]))
}

fn retries() -> impl Strategy<Value = Retries> {
    (0..4_u8, any::<bool>(), any::<bool>()).prop_map(
        |(attempts, connect_failure, refused_stream)| Retries {
            attempts,
            connect_failure,
            refused_stream,
        },
    )
}

fn pem() -> impl Strategy<Value = Pem> {
    select(vec![
        Pem::File("/etc/certs/a.pem".into()),
        Pem::Text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".into()),
    ])
}

prop_compose! {
    fn tls()(
        ca in prop::option::of(pem()),
        server_name in prop::option::of(Just("sni.x".into())),
        names in some(vec![Box::from("one.x"), Box::from("two.x")], 2),
        newest in any::<bool>(),
        client in prop::option::of((pem(), pem())),
    ) -> TlsPolicy {
        TlsPolicy {
            ca,
            server_name,
            names,
            min_version: if newest { TlsVersion::Tls13 } else { TlsVersion::Tls12 },
            client: client.map(|(chain, key)| ClientCertificate { chain, key }),
        }
    }
}

prop_compose! {
    fn bounds()(
        connections in prop::option::of(1..9_u32),
        pending in prop::option::of(0..9_u32),
        requests in prop::option::of(1..9_u32),
        retries in prop::option::of(0..9_u32),
        served in prop::option::of(1..9_u32),
        streams in prop::option::of(1..9_u32),
        age in prop::option::of(1..9_u64),
    ) -> Bounds {
        let some = |number: Option<u32>| number.and_then(NonZeroU32::new);
        Bounds {
            connections: some(connections),
            pending,
            requests: some(requests),
            retries,
            requests_per_connection: some(served),
            streams: some(streams),
            age: age.map(Duration::from_secs),
        }
    }
}

prop_compose! {
    fn outlier()(
        server_errors in 0..9_u32,
        gateway_errors in 0..3_u32,
        local_failures in 0..3_u32,
        interval in 9..11_u64,
        ejection in 29..32_u64,
        max_ejected in 9..12_u8,
        min_healthy in 0..2_u8,
    ) -> Outlier {
        Outlier {
            server_errors: NonZeroU32::new(server_errors),
            gateway_errors: NonZeroU32::new(gateway_errors),
            local_failures: NonZeroU32::new(local_failures),
            interval: Duration::from_secs(interval),
            ejection: Duration::from_secs(ejection),
            max_ejected,
            min_healthy,
        }
    }
}

prop_compose! {
    fn via()(
        tls in prop::option::of(prop_oneof![Just(TlsPolicy::default()), tls()]),
        addresses in some(vec!["192.0.2.9:3128"], 1),
        credentials in prop::option::of(Just("/etc/proxy".into())),
    ) -> Via {
        Via {
            host: "proxy.x".into(),
            port: 3128,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            reach: Reach {
                allowed: vec!["192.0.2.0/24".parse().unwrap()],
                ..Reach::default()
            },
            tls: tls.map_or(UpstreamTls::Off, UpstreamTls::On),
            credentials,
            origin: origin(),
        }
    }
}

prop_compose! {
    fn upstream()(
        host in prop::option::of(select(vec!["up.x", "a.x"])),
        port in select(vec![80, 443, 8443]),
        addresses in some(vec!["192.0.2.10:80", "192.0.2.11:443", "[2001:db8::1]:443"], 2),
        tls in prop::option::of(prop_oneof![Just(TlsPolicy::default()), tls()]),
        protocol in select(vec![UpstreamProtocol::Http1, UpstreamProtocol::Http2, UpstreamProtocol::Caller, UpstreamProtocol::Auto]),
        allowed in some(vec!["10.0.0.0/8", "10.1.2.3/32"], 2),
        denied in some(vec!["198.51.100.0/24"], 1),
        denied_classes in some(vec![AddressClass::Loopback, AddressClass::Metadata], 2),
        seconds in select(vec![5, 10]),
        idle in select(vec![60, 90]),
        bounds in bounds(),
        outlier in prop::option::of(outlier()),
        via in prop::option::weighted(0.2, via()),
    ) -> Upstream {
        let ranges = |texts: Vec<&str>| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        let mut allowed = ranges(allowed);
        if !addresses.is_empty() {
            allowed.extend(ranges(vec!["192.0.2.0/24", "2001:db8::/32"]));
        }
        let is_plain = tls.is_none();
        Upstream {
            host: host.map_or(UpstreamHost::Requested, |host| UpstreamHost::Named(host.into())),
            port,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            tls: tls.map_or(UpstreamTls::Off, UpstreamTls::On),
            protocol: match (protocol, is_plain) {
                (UpstreamProtocol::Auto, true) => UpstreamProtocol::Http1,
                (protocol, _) => protocol,
            },
            reach: Reach { allowed, denied: ranges(denied), denied_classes },
            connect_timeout: Duration::from_secs(seconds),
            idle_timeout: Duration::from_secs(idle),
            bounds,
            outlier,
            via: via.filter(|_| addresses.is_empty()).map(Arc::new),
            origin: origin(),
        }
    }
}

const UPSTREAMS: u32 = 4;

fn edits() -> impl Strategy<Value = Edits> {
    let pair = || {
        (select(vec!["x-a", "x-b"]), select(vec!["1", "a: b", ""]))
            .prop_map(|(n, v)| (n.into(), v.into()))
    };
    let pairs = || prop::collection::vec(pair(), 0..3);
    (
        pairs(),
        pairs(),
        some(vec!["cookie".into(), "x-c".into()], 2),
    )
        .prop_map(|(mut set, mut add, remove)| {
            // Of each name together: their order across names changes nothing.
            set.sort();
            set.dedup_by(|(one, _): &mut (Box<str>, Box<str>), (other, _)| one == other);
            add.sort();
            Edits { set, add, remove }
        })
}

fn action() -> impl Strategy<Value = Action> {
    let weighted = (0..UPSTREAMS, 0..100_u32).prop_map(|(number, weight)| Weighted {
        upstream: UpstreamRef(number),
        weight,
    });
    prop_oneof![
        4 => prop::collection::vec(weighted, 1..4).prop_map(Action::Forward),
        1 => (prop::option::of(Just("/other?x=1".into())), prop::option::of(1..9_u16)).prop_map(|(path, port)| Action::Redirect(Redirect {
            status: 302,
            scheme: Some("https".into()),
            host: Some("b.x".into()),
            port,
            path,
        })),
        1 => select(vec!["", "no\nway\n", "#"]).prop_map(|body| Action::Respond(Respond { status: 413, body: body.into() })),
        1 => Just(Action::Hop(443)),
    ]
}

fn rewrite() -> impl Strategy<Value = Rewrite> {
    let path = prop_oneof![
        Just(PathRewrite::Whole("/new".into())),
        Just(PathRewrite::Prefix {
            from: "/a".into(),
            to: "/".into()
        }),
        Just(PathRewrite::Prefix {
            from: "".into(),
            to: "/new".into()
        }),
    ];
    (prop::option::of(path), prop::option::of(Just("c.x".into())))
        .prop_map(|(path, host)| Rewrite { path, host })
}

prop_compose! {
    fn route()(
        name in select(vec!["default", "first"]),
        matchers in prop::collection::vec(matcher(), 0..3),
        action in action(),
        timeout in time(),
        retries in retries(),
        request in edits(),
        response in edits(),
        rewrite in rewrite(),
        delay in prop::option::weighted(0.1, Just((Share::percent(0.0001).unwrap(), Duration::from_secs(2)))),
        abort in prop::option::weighted(0.1, Just((Share::percent(33.3).unwrap(), 503))),
        max_body in prop::option::of(select(vec![0, 1000, 1 << 20])),
        websocket in any::<bool>(),
    ) -> Route {
        let upgrades = if websocket { Upgrades::WebSocket } else { Upgrades::Refused };
        let rewrite = match action {
            Action::Forward(_) => rewrite,
            _ => Rewrite::default(),
        };
        Route {
            name: name.into(),
            matchers: matchers.into_iter().map(|m| Matcher { hosts: Vec::new(), ..m }).collect(),
            action,
            timeout,
            retries,
            changes: Changes {
                headers: HeaderEdits { request, response },
                rewrite,
                fault: Fault { delay, abort },
            }
            .kept(),
            upgrades,
            max_body,
            origin: origin(),
        }
    }
}

prop_compose! {
    fn destination()(
        host in select(vec!["a.x", "*.x", "*b.x", "b.x"]),
        door in prop::option::of(select(vec![Door::gateway(443), Door::mesh(80)])),
        ports in some(vec![80, 443, 8080], 3),
        kept in any::<[bool; 3]>(),
        routes in prop::collection::vec(route(), 0..4),
    ) -> Destination {
        let encoded = |keeps| if keeps { Encoded::Keep } else { Encoded::Reject };
        let in_mesh = door == Some(Door::mesh(80));
        let no_way = |route: &Route| matches!(route.action, Action::Hop(_)) && !in_mesh;
        Destination {
            host: HostPattern::parse(host).unwrap(),
            name: host.into(),
            door,
            ports,
            profile: PathProfile {
                encoded_slashes: encoded(kept[0]),
                double_encoding: encoded(kept[1]),
                duplicate_slashes: if kept[2] { DuplicateSlashes::Keep } else { DuplicateSlashes::Merge },
            },
            routes: routes.into_iter().filter(|route| !no_way(route)).collect(),
            origin: origin(),
        }
    }
}

prop_compose! {
    fn spec()(
        allow in any::<bool>(),
        rules in prop::collection::vec(rule(), 0..6),
        mut destinations in prop::collection::vec(
            destination().prop_filter("no reader makes one without routes", |d| !d.routes.is_empty()),
            0..4,
        ),
        upstreams in prop::collection::vec(upstream(), UPSTREAMS as usize),
    ) -> AdmissionSpec {
        let mut known = Vec::new();
        destinations.retain(|d| {
            let key = (d.host.clone(), d.door);
            let new = !known.contains(&key);
            known.push(key);
            new
        });
        AdmissionSpec {
            default_policy: if allow { DefaultPolicy::Allow } else { DefaultPolicy::Deny },
            rules,
            destinations,
            passages: Vec::new(),
            tcp: Vec::new(),
            upstreams,
            authorisers: Vec::new(),
            chosen_labels: ChosenLabels::default(),
        }
    }
}

prop_compose! {
    fn log()(
        name in select(vec!["access", "logs[0]"]),
        when in prop::collection::vec(matcher(), 0..3),
        unless in prop::collection::vec(matcher(), 0..2),
        statuses in some(vec!["200", "4xx", ">=500", "<300"], 2),
        decisions in some(vec!["allow", "shadow-deny"], 1),
        record in prop::option::of(select(vec![Expr::cexl("response.code >= 400"), Expr::cel("response.code >= 400")])),
        mixer in any::<bool>(),
        error in any::<bool>(),
    ) -> Log {
        let field = |name: &str, text| (Box::from(name), Expr::cexl(text).unwrap());
        Log {
            name: name.into(),
            filter: LogFilter {
                when,
                unless,
                statuses: statuses.iter().map(|s| StatusPattern::parse(s).unwrap()).collect(),
                decisions: decisions.iter().map(|d| DecisionWord::parse(d).unwrap()).collect(),
                expr: record.map(|record| Arc::new(record.unwrap())),
            },
            layout: match mixer {
                false => Layout::Json,
                true => Layout::Mixer {
                    instance: "access.logentry.istio-system".into(),
                    fields: [field("code", "response.code | 0"), field("host", r#"request.host | "-""#)].into(),
                },
            },
            level: if error { Level::Error } else { Level::Info },
            sink: Sink::Stdout,
            overflow: Overflow::DropAndCount,
            open_tunnels: None,
            origin: Some(origin()),
        }
    }
}

const SETTINGS: &str = "version: 1\nlisteners: [{ port: 443 }]\ntrust: [{ domain: cluster.local, aliases: [old.local] }]\n";

fn settings() -> Settings {
    compiled(&[SourceFile::new("f", SETTINGS)])
        .settings()
        .clone()
}

pub(super) fn uid() -> String {
    settings().gateway.reporter_uid()
}

/// The configuration as written, its remarks left out.
fn written(spec: &AdmissionSpec, settings: &Settings) -> Result<String, String> {
    let report = Report::default();
    let text = write(spec, settings, Remarks::None, &report);
    match report.has_errors() {
        true => Err(told(report.finish(&[]))),
        false => Ok(text),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_meant_is_written_so_that_it_decides_the_same(
        spec in spec(),
        logs in prop::collection::vec(log(), 0..3),
    ) {
        let settings = Settings { logs, ..settings() };
        let text = written(&spec, &settings).map_err(TestCaseError::fail)?;
        let files = [SourceFile::new("converted.yaml", text.as_str())];
        let report = Report::default();
        let read = crate::lower(&files, &environment(), &report);
        prop_assert!(!report.has_errors(), "{text}\n{}", told(report.finish(&files)));
        let again = written(&read.admission, &read.settings).map_err(TestCaseError::fail)?;
        prop_assert_eq!(&again, &text);
        let again = Admission::compile(read.admission);
        let original = Admission::compile(spec);
        let (Ok(original), Ok(again)) = (original, again) else {
            return Err(TestCaseError::fail(format!("does not compile\n{text}")));
        };
        if let Err(difference) = asking::compare(&original, &again, 300) {
            return Err(TestCaseError::fail(format!("{difference}\n{text}")));
        }
    }
}
