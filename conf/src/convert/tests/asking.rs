//! Asks two configurations the same questions, made of what the first one
//! speaks of: its hosts, paths, callers, methods, headers and doors, and what
//! lies just beside them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use policy::door::{Door, View};
use policy::pattern::{HostPattern, PathPattern, ValuePattern};
use policy::principal::Principal;
use policy::rule::{Effect, Matcher, NamedPattern, Rule};
use policy::source::{NamePattern, SourcePattern};
use policy::{Admission, Headers, Next, RawRequest};

/// All that a question may be made of.
struct Words {
    hosts: Vec<String>,
    targets: Vec<String>,
    callers: Vec<Option<Principal>>,
    methods: Vec<String>,
    headers: Vec<Option<(String, String)>>,
    doors: Vec<Door>,
    server_names: Vec<Option<String>>,
}

struct OneHeader<'a>(&'a Option<(String, String)>);

impl Headers for OneHeader<'_> {
    fn value(&self, name: &str, index: usize) -> Option<&[u8]> {
        let (known, value) = self.0.as_ref()?;
        (known == name && index == 0).then_some(value.as_bytes())
    }
}

/// Asks at most so many questions; the first answer that differs is the error.
pub(super) fn compare(one: &Admission, other: &Admission, questions: usize) -> Result<(), String> {
    let words = Words::of(one);
    let mut lot = Lot(0x9E37_79B9_7F4A_7C15);
    for _ in 0..questions {
        let (host, target) = (lot.of(&words.hosts), lot.of(&words.targets));
        let (caller, method) = (lot.of(&words.callers), lot.of(&words.methods));
        let (header, door) = (lot.of(&words.headers), lot.of(&words.doors));
        let server_name = lot.of(&words.server_names);
        let address: IpAddr = match caller {
            None => [10, 0, 0, 1].into(),
            Some(_) => [192, 0, 2, 1].into(),
        };
        let number = lot.next();
        let answer = |admission: &Admission| {
            let caller = admission.caller(caller.clone(), address);
            let raw = RawRequest {
                method: method.as_bytes(),
                authority: host.as_bytes(),
                target: target.as_bytes(),
                headers: &OneHeader(header),
                caller: &caller,
                server_name: server_name.as_deref(),
                view: door.view,
                port: door.port,
                time: 1_700_000_000_000_000_000,
            };
            answer(admission, raw, number)
        };
        let (first, second) = (answer(one), answer(other));
        if first != second {
            let who = caller.as_ref().map_or("anonymous", |p| p.as_str());
            return Err(format!(
                "{door}: {who} {method} {host} {target} {header:?} sni {server_name:?}\n  {first}\n  {second}"
            ));
        }
    }
    Ok(())
}

/// The verdict, and all that follows from it.
fn answer(admission: &Admission, raw: RawRequest<'_>, lot: u32) -> String {
    let rule = |id: Option<_>| id.and_then(|id| admission.rule(id)).map(told);
    match admission.admit(raw, lot) {
        Err(refused) => format!(
            "{} by {:?}, shadow {:?}, audit {:?}",
            refused.refusal.code(),
            rule(refused.rule),
            rule(refused.marks.shadow),
            rule(refused.marks.audit),
        ),
        Ok(admitted) => {
            let plan = match admitted.next {
                Next::Go(plan) => plan,
                Next::Ask(referral) => {
                    return format!("asks by {:?}", rule(Some(referral.rule())));
                }
            };
            let route = admission.route(&plan).unwrap();
            let upstream = plan.upstream().map(|number| {
                let upstream = &admission.upstreams()[number.0 as usize];
                let host = match &upstream.host {
                    policy::destination::UpstreamHost::Named(name) => name.to_string(),
                    policy::destination::UpstreamHost::Requested => {
                        admitted.request.host().to_owned()
                    }
                };
                let mut reach = upstream.reach.clone();
                for ranges in [&mut reach.allowed, &mut reach.denied] {
                    ranges.sort();
                    ranges.dedup();
                }
                reach.denied_classes.sort_by_key(|class| class.as_str());
                reach.denied_classes.dedup();
                format!(
                    "{host}:{} {:?} {:?} {:?} {reach:?} {:?} {:?}",
                    upstream.port,
                    upstream.addresses,
                    upstream.tls,
                    upstream.protocol,
                    upstream.connect_timeout,
                    upstream.idle_timeout,
                )
            });
            let grant = plan.grant();
            format!(
                "allow by {:?}, shadow {:?}, audit {:?}, `{}` to {upstream:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                rule(grant.rule()),
                rule(grant.marks().shadow),
                rule(grant.marks().audit),
                route.name,
                admission.timeout(&plan),
                route.changes().headers,
                route.changes().rewrite,
                route.changes().fault,
                route.max_body,
                route.upgrades,
                match &route.action {
                    policy::destination::Action::Forward(_) => String::new(),
                    other => format!("{other:?}"),
                },
            )
        }
    }
}

/// A rule by its name, without the number that keeps two of one name apart.
fn told(rule: &Rule) -> String {
    let name = rule
        .name
        .split_once(" (")
        .map_or(&*rule.name, |(name, _)| name);
    match &rule.effect {
        Effect::Deny(answer) => format!("{name} {}", answer.status),
        Effect::Allow | Effect::Audit | Effect::Refer(_) => name.to_owned(),
    }
}

/// Numbers that are random enough and the same on every run (xorshift).
struct Lot(u64);

impl Lot {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }

    fn of<'w, T>(&mut self, words: &'w [T]) -> &'w T {
        &words[self.next() as usize % words.len()]
    }
}

impl Words {
    fn of(admission: &Admission) -> Self {
        let destinations: Vec<_> = admission.destinations().collect();
        let routes = || destinations.iter().flat_map(|d| &d.routes);
        let of_rules = admission.rules().iter();
        let matchers: Vec<&Matcher> = of_rules
            .flat_map(|rule| rule.matchers.iter().chain(&rule.unless))
            .chain(routes().flat_map(|route| &route.matchers))
            .collect();
        let every = |strings: BTreeSet<String>| strings.into_iter().collect::<Vec<_>>();
        let mut hosts: BTreeSet<String> = ["nowhere.example".to_owned()].into();
        for host in destinations
            .iter()
            .map(|d| &d.host)
            .chain(matchers.iter().flat_map(|m| &m.hosts))
        {
            let host = host_of(host);
            hosts.extend([host.clone(), format!("x.{host}"), format!("{host}:8080")]);
        }
        let mut targets: BTreeSet<String> =
            ["/", "/health?x=1", "/Politics"].map(str::to_owned).into();
        for path in matchers
            .iter()
            .flat_map(|m| m.paths.iter().chain(&m.targets))
        {
            targets.extend(paths_of(path));
        }
        let mut callers: BTreeSet<String> = ["cluster.local/ns/other/sa/one".to_owned()].into();
        callers.extend(
            matchers
                .iter()
                .flat_map(|m| m.from.iter())
                .filter_map(caller_of),
        );
        let mut methods: BTreeSet<String> = ["GET", "POST", "PURGE"].map(str::to_owned).into();
        methods.extend(
            matchers
                .iter()
                .filter_map(|m| m.methods.as_ref())
                .flat_map(|m| m.names().map(str::to_owned)),
        );
        let headers = matchers.iter().flat_map(|m| &m.headers).flat_map(values_of);
        let mut doors: BTreeSet<Door> = [Door::gateway(443), Door::mesh(80)].into();
        doors.extend(destinations.iter().filter_map(|d| d.door));
        doors.extend(
            matchers
                .iter()
                .flat_map(|m| &m.listener_ports)
                .map(|port| Door {
                    view: View::Gateway,
                    port: *port,
                }),
        );
        let names = matchers
            .iter()
            .flat_map(|m| &m.server_names)
            .map(host_of)
            .map(Some);
        let principals = callers
            .into_iter()
            .filter_map(|name| Principal::from_name(&name).ok());
        Self {
            hosts: every(hosts),
            targets: every(targets),
            callers: principals.map(Some).chain([None]).collect(),
            methods: every(methods),
            headers: headers.map(Some).chain([None]).collect(),
            doors: doors.into_iter().collect(),
            server_names: names.chain([None]).collect(),
        }
    }
}

fn host_of(host: &HostPattern) -> String {
    match host {
        HostPattern::Any => "any.example".to_owned(),
        HostPattern::Exact(host) => host.to_string(),
        HostPattern::Subdomains(parent) => format!("sub.{parent}"),
        HostPattern::Suffix(suffix) => format!("sub.x{suffix}"),
    }
}

fn paths_of(path: &PathPattern) -> Vec<String> {
    match path {
        PathPattern::Any => Vec::new(),
        PathPattern::Exact(text) => {
            vec![text.to_string(), text.to_uppercase(), format!("{text}?x=1")]
        }
        PathPattern::Prefix(text) | PathPattern::SegmentPrefix(text) => {
            vec![text.to_string(), format!("{text}x"), format!("{text}/x")]
        }
        PathPattern::Suffix(text) => vec![format!("/x{text}")],
        PathPattern::Template(template) => {
            vec![template.as_str().replace("{*}", "a").replace("{**}", "b/c")]
        }
        PathPattern::Regex(regex) => {
            let literal: String = regex
                .as_str()
                .chars()
                .filter(|c| !"()[]\\^$+*?".contains(*c))
                .collect();
            literal
                .split('|')
                .map(|part| part.replace('.', "x"))
                .collect()
        }
    }
}

fn caller_of(source: &SourcePattern) -> Option<String> {
    let part = |pattern: &NamePattern| match pattern {
        NamePattern::Any => "x".to_owned(),
        NamePattern::Exact(name) => name.to_string(),
        NamePattern::Prefix(name) => format!("{name}x"),
        NamePattern::Suffix(name) => format!("x{name}"),
    };
    match source {
        SourcePattern::Workload {
            trust_domain,
            namespace,
            service_account,
        } => Some(format!(
            "{}/ns/{}/sa/{}",
            part(trust_domain),
            part(namespace),
            part(service_account)
        )),
        SourcePattern::Name(NamePattern::Prefix(name)) => Some(format!("{name}x/sa/y")),
        SourcePattern::Name(NamePattern::Suffix(name)) => Some(format!("cluster.local/ns/x{name}")),
        SourcePattern::Name(name) => Some(part(name)),
        SourcePattern::Any | SourcePattern::Anonymous | SourcePattern::Address(_) => None,
    }
}

fn values_of(named: &NamedPattern) -> Vec<(String, String)> {
    let with = |value: &str| (named.name.to_string(), value.to_owned());
    let pattern = match &named.pattern {
        ValuePattern::Not(inner) => inner,
        other => other,
    };
    let value = match pattern {
        ValuePattern::Exact(text) => text.to_string(),
        ValuePattern::Prefix(text) => format!("{text}x"),
        ValuePattern::Suffix(text) => format!("x{text}"),
        _ => "x".to_owned(),
    };
    vec![with(&value), with(""), with("other")]
}
