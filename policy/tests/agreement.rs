//! The index agrees with asking every rule and every route in turn, for random
//! configurations and requests. The reference is written to be obvious.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

#[path = "reference/expressions.rs"]
mod expressions;

use std::net::IpAddr;
use std::sync::Arc;

use policy::authoriser::{Authoriser, AuthoriserRef, OnError, Service, Word};
use policy::canonical::{MethodSet, PathProfile};
use policy::destination::{
    Action, Destination, Passage, Reach, Retries, Route, Upgrades, Upstream, UpstreamHost,
    UpstreamProtocol, UpstreamRef, UpstreamTls, Weighted,
};
use policy::door::{Door, View};
use policy::origin::Origin;
use policy::pattern::{HostPattern, PathPattern, ValuePattern};
use policy::principal::Principal;
use policy::refusal::Refusal;
use policy::rule::{
    Answer, DefaultPolicy, Effect, Enforcement, Matcher, NamedPattern, Rule, Template,
};
use policy::source::SourcePattern;
use policy::{
    Admission, AdmissionSpec, Admitted, Headers, Next, Plan, RawRequest, RawTunnel, Request,
    RuleId, To, Toward, Tunnel,
};
use proptest::prelude::*;

const HOSTS: &[&str] = &["a.x", "b.x", "c.b.x", "b.y", "x", "zz.b.x", "evilb.x"];
const HOST_PATTERNS: &[&str] = &[
    "a.x", "b.x", "c.b.x", "*.x", "*.b.x", "*b.x", "*", "x", "b.y",
];
const PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/b",
    "/A",
    "/a/b/c",
    "/ab",
    "/politics",
    "/Politics",
    "/politics;x",
    "/health",
    "/sport/1",
    "/%70olitics",
    "/a.",
    "/politics%20",
    "/a?x=1",
    "/A;p?x=1",
    "/health?X=1",
    "/caf%C3%A9",
    "/CAF%C3%89;a",
    "/a%3Fx/b%23",
    "/a?%78=0&x=%31",
];
const TARGET_PATTERNS: &[&str] = &["/a?x=1", "/a*", "/health?x=1", "*=1", "/caf%C3%A9*"];
const PATH_PATTERNS: &[&str] = &[
    "*",
    "/a",
    "/a*",
    "*c",
    "/politics*",
    "/health",
    "/",
    "/caf%C3%A9",
    "*%C3%A9",
    "*/b",
    "/a%3F*",
];
const PATH_TEMPLATES: &[&str] = &["/{*}/b", "/{*}", "/caf%C3%A9/{**}"];
const PATH_REGEXES: &[&str] = &[
    "/health|/sport",
    "/a(/.*)?",
    "/[a-c]/.",
    ".*b.*",
    "/po.+s",
    "/caf(%C3%A9|e).*",
];
const CALLERS: &[Option<&str>] = &[
    None,
    Some("td/ns/default/sa/sleep"),
    Some("td/ns/default/sa/politics"),
    Some("td/ns/finance/sa/batch"),
    Some("other/ns/default/sa/sleep"),
];
const SOURCES: &[&str] = &[
    "any",
    "anonymous",
    "sa:default/sleep",
    "ns:default",
    "ns:fin*",
    "td:other",
    "ip:10.0.0.0/8",
    "td/ns/default/sa/p*",
];
/// Enough of them in one matcher to be a crowd in the index.
const CROWD: &[&str] = &[
    "anonymous",
    "sa:default/sleep",
    "sa:default/politics",
    "sa:finance/batch",
    "sa:nobody/else",
    "ns:fin*",
    "td:other",
    "td:nowhere",
    "ip:10.0.0.0/8",
    "ip:192.0.2.0/24",
];
const METHODS: &[&str] = &["GET", "POST", "PURGE"];

/// One of these, or two.
struct Team(Option<(&'static str, Option<&'static str>)>);

impl Headers for Team {
    fn value(&self, name: &str, index: usize) -> Option<&[u8]> {
        let (first, second) = self.0.filter(|_| name == "x-team")?;
        let value = [Some(first), second].into_iter().flatten().nth(index);
        value.map(str::as_bytes)
    }
}

fn team() -> impl Strategy<Value = Option<(&'static str, Option<&'static str>)>> {
    let word = || proptest::sample::select(&["red", "blue", "green"][..]);
    proptest::option::of((word(), proptest::option::of(word())))
}

fn sources(texts: &[&str]) -> Vec<SourcePattern> {
    let local: [Box<str>; 1] = ["td".into()];
    let parsed = texts
        .iter()
        .map(|t| SourcePattern::parse(t, &local).unwrap());
    parsed.flatten().collect()
}

fn some_of(all: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(all, 0..=most)
}

fn paths() -> impl Strategy<Value = Vec<PathPattern>> {
    let parts = (
        some_of(PATH_PATTERNS, 2),
        some_of(PATH_REGEXES, 1),
        proptest::option::weighted(0.1, proptest::sample::select(PATH_TEMPLATES)),
    );
    parts.prop_map(|(plain, regexes, template)| {
        let plain = plain.into_iter().map(|p| PathPattern::parse(p).unwrap());
        let regexes = regexes.into_iter().map(|p| PathPattern::regex(p).unwrap());
        let template = template.map(|p| PathPattern::template(p).unwrap());
        plain.chain(regexes).chain(template).collect()
    })
}

fn targets() -> impl Strategy<Value = Vec<PathPattern>> {
    let plain = some_of(TARGET_PATTERNS, 2).prop_map(|all| {
        let patterns = all.into_iter().map(|p| PathPattern::parse(p).unwrap());
        patterns
            .chain([PathPattern::regex(".*[Xx]=.").unwrap()])
            .collect()
    });
    proptest::option::weighted(0.2, plain).prop_map(Option::unwrap_or_default)
}

fn callers() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![
        3 => some_of(SOURCES, 2),
        1 => proptest::sample::subsequence(CROWD, 5..=8),
    ]
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let methods = proptest::option::weighted(0.2, proptest::sample::select(METHODS));
    let header = proptest::option::weighted(0.2, proptest::sample::select(&["red", "blue"][..]));
    (
        callers(),
        some_of(HOST_PATTERNS, 2),
        paths(),
        methods,
        header,
        targets(),
        proptest::option::weighted(0.4, expressions::expression()),
        proptest::option::weighted(0.2, proptest::sample::select(&[80, 443][..])),
    )
        .prop_map(
            |(from, hosts, paths, method, header, targets, expr, port)| Matcher {
                from: sources(&from).into(),
                hosts: hosts
                    .into_iter()
                    .map(|h| HostPattern::parse(h).unwrap())
                    .collect(),
                paths,
                targets,
                expr,
                ports: port.into_iter().collect(),
                methods: method.map(|m| MethodSet::parse([m]).unwrap()),
                headers: header
                    .map(|value| NamedPattern {
                        name: "x-team".into(),
                        pattern: ValuePattern::exact(value),
                    })
                    .into_iter()
                    .collect(),
                ..Matcher::default()
            },
        )
}

fn rule() -> impl Strategy<Value = Rule> {
    let matchers = proptest::collection::vec(matcher(), 1..3);
    let unless = proptest::collection::vec(matcher(), 0..2);
    (0..6_u8, proptest::bool::weighted(0.2), matchers, unless).prop_map(
        |(effect, shadow, matchers, unless)| Rule {
            name: "rule".into(),
            effect: match effect {
                0 | 1 => Effect::Deny(Answer {
                    status: 403,
                    body: Template::default(),
                }),
                2 | 3 => Effect::Allow,
                4 => Effect::Refer(AuthoriserRef(0)),
                _ => Effect::Audit,
            },
            enforcement: if shadow && effect != 4 {
                Enforcement::Shadow
            } else {
                Enforcement::Enforced
            },
            matchers,
            unless,
            origin: origin(),
        },
    )
}

fn destination(host: &'static str, routes: Vec<Vec<Matcher>>) -> Destination {
    let forward = || {
        Action::Forward(vec![Weighted {
            upstream: UpstreamRef(0),
            weight: 1,
        }])
    };
    Destination {
        host: HostPattern::parse(host).unwrap(),
        name: host.into(),
        door: None,
        ports: vec![80, 443],
        profile: PathProfile::default(),
        routes: routes
            .into_iter()
            .map(|matchers| Route {
                name: "route".into(),
                matchers,
                action: forward(),
                timeout: None,
                retries: Retries::default(),
                changes: None,
                upgrades: Upgrades::Refused,
                max_body: None,
                origin: origin(),
            })
            .collect(),
        origin: origin(),
    }
}

fn upstream() -> Upstream {
    Upstream {
        host: UpstreamHost::Requested,
        port: 443,
        addresses: Vec::new(),
        tls: UpstreamTls::Off,
        protocol: UpstreamProtocol::Http1,
        reach: Reach::default(),
        connect_timeout: std::time::Duration::from_secs(1),
        idle_timeout: std::time::Duration::from_secs(1),
        bounds: Default::default(),
        outlier: None,
        via: None,
        origin: origin(),
    }
}

/// Every host may pass.
fn passage() -> Passage {
    Passage {
        host: HostPattern::Any,
        name: "*".into(),
        door: Door::mesh(443),
        upstreams: vec![Weighted {
            upstream: UpstreamRef(0),
            weight: 1,
        }],
        origin: origin(),
    }
}

fn origin() -> Arc<Origin> {
    Arc::new(Origin::new("test.yaml", 1, 1))
}

fn authoriser(on_error: OnError) -> Authoriser {
    Authoriser {
        name: "authoriser".into(),
        upstream: UpstreamRef(0),
        service: Service::Grpc,
        timeout: std::time::Duration::from_secs(1),
        on_error,
        told: Vec::new(),
        upstream_fields: Vec::new(),
        denial_fields: Vec::new(),
        origin: origin(),
    }
}

/// What the reference says: the deciding rule, or the refusal.
#[derive(Debug, PartialEq)]
enum Said {
    Granted {
        rule: Option<usize>,
        route: Option<usize>,
    },
    Refused {
        refusal: Refusal,
        rule: Option<usize>,
    },
    /// Asked by a rule; what follows a yes.
    Asked { by: usize, then: Box<Said> },
}

fn first(
    spec: &AdmissionSpec,
    request: &Request<'_>,
    wanted: impl Fn(&Rule) -> bool,
) -> Option<usize> {
    spec.rules.iter().position(|rule| {
        let toward = match rule.effect {
            Effect::Deny(_) | Effect::Refer(_) => Toward::Refuse,
            Effect::Allow | Effect::Audit => Toward::Permit,
        };
        let unusual = request.method().as_str() == "PURGE";
        let holds = |m: &Matcher| {
            let unnamed = unusual && toward == Toward::Permit && m.methods.is_none();
            !unnamed && m.holds(request, toward)
        };
        wanted(rule)
            && rule.matchers.iter().any(holds)
            && !rule
                .unless
                .iter()
                .any(|m| m.holds(request, toward.opposite()))
    })
}

/// What the reference says of a tunnel: the rule that grants, or the refusal.
fn reference_of_tunnel(
    spec: &AdmissionSpec,
    tunnel: &Tunnel<'_>,
) -> Result<Option<usize>, (Refusal, Option<usize>)> {
    let first = |toward: Toward, wanted: &dyn Fn(&Effect) -> bool| {
        spec.rules.iter().position(|rule| {
            let mut exceptions = rule.unless.iter();
            enforced(rule)
                && wanted(&rule.effect)
                && rule
                    .matchers
                    .iter()
                    .any(|m| m.holds_for_tunnel(tunnel, toward))
                && !exceptions.any(|m| m.holds_for_tunnel(tunnel, toward.opposite()))
        })
    };
    let deny = first(Toward::Refuse, &|effect| matches!(effect, Effect::Deny(_)));
    let allow = first(Toward::Permit, &|effect| matches!(effect, Effect::Allow));
    // No authoriser can be asked about a tunnel.
    let refer = first(Toward::Refuse, &|effect| matches!(effect, Effect::Refer(_)));
    match (deny, allow, spec.default_policy) {
        (Some(_), _, _) => Err((Refusal::Denied, deny)),
        (None, None, DefaultPolicy::Deny) => Err((Refusal::NotAllowed, None)),
        (None, _, _) if refer.is_some() => Err((Refusal::Denied, refer)),
        (None, _, _) => Ok(allow),
    }
}

fn serves(route: &Route, request: &Request<'_>) -> bool {
    let mut matchers = route.matchers.iter();
    route.matchers.is_empty() || matchers.any(|m| m.holds(request, Toward::Permit))
}

fn enforced(rule: &Rule) -> bool {
    rule.enforcement == Enforcement::Enforced
}

fn reference(spec: &AdmissionSpec, request: &Request<'_>) -> Said {
    let deny = first(spec, request, |r| {
        enforced(r) && matches!(r.effect, Effect::Deny(_))
    });
    if deny.is_some() {
        return Said::Refused {
            refusal: Refusal::Denied,
            rule: deny,
        };
    }
    let allow = first(spec, request, |r| {
        enforced(r) && matches!(r.effect, Effect::Allow)
    });
    let usual = request.method().as_str() != "PURGE";
    if allow.is_none() && !(spec.default_policy == DefaultPolicy::Allow && usual) {
        return Said::Refused {
            refusal: Refusal::NotAllowed,
            rule: None,
        };
    }
    let refer = first(spec, request, |r| matches!(r.effect, Effect::Refer(_)));
    let then = routed(spec, request, allow);
    match refer {
        None => then,
        Some(by) => Said::Asked {
            by,
            then: Box::new(then),
        },
    }
}

fn routed(spec: &AdmissionSpec, request: &Request<'_>, allow: Option<usize>) -> Said {
    let refused = |refusal| Said::Refused {
        refusal,
        rule: allow,
    };
    let host = request.host();
    let exact = |d: &&Destination| &*d.name == host;
    let suffix = |d: &&Destination| {
        d.name
            .strip_prefix('*')
            .is_some_and(|s| host.len() > s.len() && host.ends_with(s))
    };
    let longest = spec
        .destinations
        .iter()
        .filter(suffix)
        .max_by_key(|d| d.name.len());
    let Some(found) = spec.destinations.iter().find(exact).or(longest) else {
        return refused(Refusal::UnknownHost);
    };
    let mut routes = found.routes.iter();
    match routes.position(|r| serves(r, request)) {
        Some(route) => Said::Granted {
            rule: allow,
            route: Some(route),
        },
        None => refused(Refusal::NoRoute),
    }
}

fn number_of(admission: &Admission, id: RuleId) -> usize {
    let rule: *const Rule = admission.rule(id).unwrap();
    let mut rules = admission.rules().iter();
    rules.position(|r| std::ptr::eq(r, rule)).unwrap()
}

fn said(admission: &Admission, spec: &AdmissionSpec, raw: RawRequest<'_>) -> Said {
    let number = |id| number_of(admission, id);
    match admission.admit(raw, 7) {
        Err(refused) => Said::Refused {
            refusal: refused.refusal,
            rule: refused.rule.map(number),
        },
        Ok(Admitted {
            next: Next::Go(plan),
            ..
        }) => granted(admission, spec, plan),
        Ok(Admitted {
            next: Next::Ask(referral),
            ..
        }) => {
            let (by, rule) = (number(referral.rule()), referral.grant().rule().map(number));
            let then = match referral.answered(Word::Yes) {
                Ok(plan) => granted(admission, spec, plan),
                Err(refusal) => Said::Refused { refusal, rule },
            };
            Said::Asked {
                by,
                then: Box::new(then),
            }
        }
    }
}

fn granted(admission: &Admission, spec: &AdmissionSpec, plan: Plan) -> Said {
    let number = |id| {
        let rule: *const Rule = admission.rule(id).unwrap();
        let mut rules = admission.rules().iter();
        rules.position(|r| std::ptr::eq(r, rule)).unwrap()
    };
    let route: *const Route = admission.route(&plan).unwrap();
    let mut all = admission
        .destinations()
        .flat_map(|d| d.routes.iter().enumerate());
    let found = all.find(|(_, r)| std::ptr::eq(*r, route)).map(|(n, _)| n);
    assert!(spec.destinations.iter().all(|d| d.routes.len() < 10));
    Said::Granted {
        rule: plan.grant().rule().map(number),
        route: found,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_decides_as_asking_every_rule_in_turn(
        rules in proptest::collection::vec(rule(), 0..12),
        routes in proptest::collection::vec(proptest::collection::vec(matcher(), 0..3), 0..5),
        allow in any::<bool>(),
        team in team(),
    ) {
        let mut spec = AdmissionSpec {
            default_policy: if allow { DefaultPolicy::Allow } else { DefaultPolicy::Deny },
            rules,
            destinations: vec![
                destination("b.x", routes.clone()),
                destination("*.x", routes),
                destination("*.b.x", Vec::new()),
            ],
            tcp: Vec::new(),
            passages: vec![passage()],
            upstreams: vec![upstream()],
            authorisers: vec![authoriser(OnError::Deny(403))],
            ..AdmissionSpec::default()
        };
        for d in &mut spec.destinations {
            for r in &mut d.routes {
                r.matchers.iter_mut().for_each(|m| m.hosts.clear());
            }
        }
        let copy = AdmissionSpec {
            default_policy: spec.default_policy,
            rules: spec.rules.clone(),
            destinations: spec.destinations.clone(),
            tcp: Vec::new(),
            passages: spec.passages.clone(),
            upstreams: spec.upstreams.clone(),
            authorisers: spec.authorisers.clone(),
            chosen_labels: spec.chosen_labels,
        };
        let admission = Admission::compile(copy).unwrap();
        let headers = Team(team);
        for name in CALLERS {
            let principal = name.map(|n| Principal::from_name(n).unwrap());
            let address: IpAddr = if name.is_none() { [10, 0, 0, 1].into() } else { [192, 0, 2, 1].into() };
            let caller = admission.caller(principal, address);
            for host in HOSTS {
                let raw = RawTunnel { to: To::ServerName(host), caller: &caller, view: View::Mesh, port: 443, time: 0 };
                let (tunnel, decided) = match admission.admit_tunnel(raw, 7) {
                    Ok(admitted) => (admitted.tunnel, Ok(admitted.plan.grant().rule())),
                    Err(refused) => (refused.tunnel.unwrap(), Err((refused.refusal, refused.rule))),
                };
                let number = |id: Option<RuleId>| id.map(|id| number_of(&admission, id));
                let decided = decided.map(number).map_err(|(refusal, id)| (refusal, number(id)));
                prop_assert_eq!(decided, reference_of_tunnel(&spec, &tunnel), "{:?} {}", name, host);
                for (number, path) in PATHS.iter().enumerate() {
                    let named = format!("{host}:80");
                    let raw = RawRequest {
                        method: METHODS[number % METHODS.len()].as_bytes(),
                        authority: [host, &*named][number % 2].as_bytes(),
                        target: path.as_bytes(),
                        headers: &headers,
                        caller: &caller,
                        server_name: None,
                        view: View::Gateway,
                        port: 443,
                        time: 0,
                    };
                    let request = admission.canonicalise(raw).unwrap();
                    let expected = reference(&spec, &request);
                    prop_assert_eq!(said(&admission, &spec, raw), expected, "{:?} {} {}", name, host, path);
                }
            }
        }
    }

    #[test]
    fn adding_a_deny_rule_never_lets_more_through(
        rules in proptest::collection::vec(rule(), 0..8),
        deny in rule(),
        path in proptest::sample::select(PATHS),
        host in proptest::sample::select(HOSTS),
        name in proptest::sample::select(CALLERS),
    ) {
        let deny = Rule {
            effect: Effect::Deny(Answer { status: 403, body: Template::default() }),
            ..deny
        };
        let verdict = |rules: Vec<Rule>| {
            let admission = Admission::compile(AdmissionSpec {
                rules,
                destinations: vec![destination("*.x", Vec::new())],
                upstreams: vec![upstream()],
                authorisers: vec![authoriser(OnError::Deny(403))],
                ..AdmissionSpec::default()
            })
            .unwrap();
            let principal = name.map(|n| Principal::from_name(n).unwrap());
            let caller = admission.caller(principal, [192, 0, 2, 1].into());
            let raw = RawRequest {
                method: b"GET",
                authority: host.as_bytes(),
                target: path.as_bytes(),
                headers: &Team(None),
                caller: &caller,
                server_name: None,
                view: View::Gateway,
                port: 443,
                time: 0,
            };
            admission.admit(raw, 0).is_ok_and(|admitted| match admitted.next {
                Next::Go(_) => true,
                // Whatever the authoriser says.
                Next::Ask(referral) => referral.answered(Word::Yes).is_ok(),
            })
        };
        let before = verdict(rules.clone());
        let mut more = rules;
        more.insert(more.len() / 2, deny);
        prop_assert!(before || !verdict(more));
    }

    #[test]
    fn nothing_an_authoriser_says_lets_more_through_than_its_absence(
        rules in proptest::collection::vec(rule(), 0..10),
        path in proptest::sample::select(PATHS),
        host in proptest::sample::select(HOSTS),
        name in proptest::sample::select(CALLERS),
        lenient in any::<bool>(),
    ) {
        let on_error = if lenient { OnError::Allow } else { OnError::Deny(503) };
        let admission = |rules: Vec<Rule>| {
            Admission::compile(AdmissionSpec {
                rules,
                destinations: vec![destination("*.x", Vec::new())],
                upstreams: vec![upstream()],
                authorisers: vec![authoriser(on_error)],
                ..AdmissionSpec::default()
            })
            .unwrap()
        };
        let passes = |admission: &Admission, word: Word| {
            let principal = name.map(|n| Principal::from_name(n).unwrap());
            let caller = admission.caller(principal, [192, 0, 2, 1].into());
            let raw = RawRequest {
                method: b"GET",
                authority: host.as_bytes(),
                target: path.as_bytes(),
                headers: &Team(None),
                caller: &caller,
                server_name: None,
                view: View::Gateway,
                port: 443,
                time: 0,
            };
            match admission.admit(raw, 0).map(|admitted| admitted.next) {
                Err(_) => (false, false),
                Ok(Next::Go(_)) => (true, false),
                Ok(Next::Ask(referral)) => (referral.answered(word).is_ok(), true),
            }
        };
        let alone = rules.iter().filter(|r| !matches!(r.effect, Effect::Refer(_))).cloned();
        let (without, _) = passes(&admission(alone.collect()), Word::Yes);
        let with = admission(rules);
        let (yes, asked) = passes(&with, Word::Yes);
        prop_assert_eq!(yes, without, "a yes is what there was before the question");
        prop_assert_eq!(passes(&with, Word::No).0, without && !asked);
        prop_assert_eq!(passes(&with, Word::Nothing).0, without && (!asked || lenient));
    }
}
