//! Random policies, against Istio's model told as plainly as it can be: every
//! field of every policy compared with the request in turn. Of callers that are
//! not verified only this is asked: they may do what anybody may.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::{collection::vec, option};

use super::policies::entry;
use super::*;

/// A field, what it must be, and what it must not be.
type Field = (&'static str, Vec<&'static str>, bool);

#[derive(Clone, Debug)]
struct Policy {
    denies: bool,
    dry: bool,
    /// The ServiceEntry it is for.
    target: Option<&'static str>,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    from: Vec<Vec<Field>>,
    to: Vec<Vec<Field>>,
    when: Vec<(&'static str, Vec<&'static str>, Vec<&'static str>)>,
}

#[derive(Clone, Debug)]
struct Asked {
    caller: [&'static str; 3],
    address: &'static str,
    method: &'static str,
    host: &'static str,
    port: &'static str,
    path: &'static str,
    header: Option<&'static str>,
    server_name: bool,
}

const CALLERS: [[&str; 3]; 4] = [
    ["cluster.local", "n", "s"],
    ["cluster.local", "mid", "t"],
    ["old.example", "n", "t"],
    ["far.example", "n", "s"],
];

const ENTRIES: [(&str, &[&str]); 2] = [("one", &["a.test", "*.a.test"]), ("two", &["c.test"])];

const SOURCES: [(&str, &[&str]); 5] = [
    (
        "principals",
        &[
            "*",
            "cluster.local/ns/n/sa/s",
            "old.example/ns/n/sa/*",
            "far.example/*",
            "*/sa/t",
        ],
    ),
    ("namespaces", &["n", "m*", "*n", "*", "m*d"]),
    ("serviceAccounts", &["n/s", "t"]),
    ("trustDomains", &["cluster.local", "*r.example", "f*"]),
    ("ipBlocks", &["10.1.0.0/16", "10.1.2.3", "10.0.0.0/8"]),
];

const OPERATIONS: [(&str, &[&str]); 4] = [
    (
        "hosts",
        &["a.test", "*.a.test", "*a.test", "c.*", "A.test:*", "*"],
    ),
    ("methods", &["GET", "PO*", "*T", "*"]),
    ("paths", &["/a", "/a*", "*b", "*", "/a/{*}", "/{**}/b"]),
    ("ports", &["443", "80"]),
];

const CONDITIONS: [(&str, &[&str]); 6] = [
    ("request.headers[x]", &["1", "1*", "*2", "*"]),
    ("source.ip", &["10.1.0.0/16", "10.2.0.1"]),
    ("source.namespace", &["n", "mid"]),
    ("source.principal", &["*/sa/s", "cluster.local/ns/mid/sa/t"]),
    ("destination.port", &["443", "80"]),
    ("connection.sni", &["a.test", "*.test", "c*", "*"]),
];

fn values(of: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    vec(select(of), 1..3)
}

fn fields(
    of: &'static [(&'static str, &'static [&'static str])],
) -> impl Strategy<Value = Vec<Field>> {
    let field = select(of).prop_flat_map(|(name, of)| (Just(name), values(of), any::<bool>()));
    vec(field, 1..4).prop_map(|mut fields| {
        fields.sort_by_key(|(name, _, not)| (*name, *not));
        fields.dedup_by_key(|(name, _, not)| (*name, *not));
        // Istio refuses these beside `serviceAccounts`.
        let has = |fields: &[Field], name, not| fields.iter().any(|f| f.0 == name && f.2 == not);
        for not in [false, true] {
            if has(&fields, "principals", not) || has(&fields, "namespaces", not) {
                fields.retain(|f| f.0 != "serviceAccounts" || f.2 != not);
            }
        }
        fields
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let condition = select(&CONDITIONS[..])
        .prop_flat_map(|(key, of)| (Just(key), values(of), vec(select(of), 0..2)));
    (
        vec(fields(&SOURCES), 0..3),
        vec(fields(&OPERATIONS), 0..3),
        vec(condition, 0..3),
    )
        .prop_map(|(from, to, when)| Rule { from, to, when })
}

fn policies() -> impl Strategy<Value = Vec<Policy>> {
    let target = option::weighted(0.4, select(vec!["one", "two"]));
    let policy = (
        any::<bool>(),
        prop::bool::weighted(0.1),
        target,
        vec(rule(), 0..3),
    );
    let policy = policy.prop_map(|(denies, dry, target, rules)| Policy {
        denies,
        dry,
        target,
        rules,
    });
    vec(policy, 0..4)
}

fn asked() -> impl Strategy<Value = Asked> {
    let caller = select(&CALLERS[..]);
    (
        caller,
        select(vec!["10.1.2.3", "10.2.0.1", "192.0.2.1"]),
        select(vec!["GET", "POST", "PUT"]),
        select(vec!["a.test", "b.a.test", "ba.test", "c.test"]),
        select(vec!["", ":443", ":80"]),
        select(vec!["/a", "/a/b", "/b", "/ab", "/c"]),
        select(vec![None, Some("1"), Some("12"), Some("2")]),
        any::<bool>(),
    )
        .prop_map(
            |(caller, address, method, host, port, path, header, server_name)| Asked {
                caller,
                address,
                method,
                host,
                port,
                path,
                header,
                server_name,
            },
        )
}

/// The names of the mesh's own trust domain.
const LOCAL: [&str; 2] = ["cluster.local", "old.example"];

impl Asked {
    fn question(&self) -> Question {
        let Self {
            caller: [domain, namespace, account],
            address,
            method,
            host,
            port,
            path,
            ..
        } = self;
        let name = if self.server_name {
            format!(" !{host}")
        } else {
            String::new()
        };
        let header = self
            .header
            .map_or(String::new(), |value| format!(" | x: {value}"));
        question(&format!(
            "{domain}/ns/{namespace}/sa/{account} {method} http://{host}{port}{path} @{address}{name}{header}"
        ))
    }

    /// Whether one value of a field or key matches.
    fn is(&self, field: &str, value: &str) -> bool {
        let [domain, namespace, account] = self.caller;
        match field {
            "principals" | "source.principal" => {
                let written = value.split('/').next().unwrap();
                let domain = match LOCAL.contains(&written) && LOCAL.contains(&domain) {
                    true => written,
                    false => domain,
                };
                text(value, &format!("{domain}/ns/{namespace}/sa/{account}"))
            }
            "namespaces" | "source.namespace" => match value {
                "m*d" => namespace.starts_with('m') && namespace.ends_with('d'),
                _ => text(value, namespace),
            },
            "serviceAccounts" => {
                let (of, name) = value.split_once('/').unwrap_or(("istio-system", value));
                (of, name) == (namespace, account)
            }
            "trustDomains" => {
                LOCAL.contains(&value) && LOCAL.contains(&domain) || text(value, domain)
            }
            "ipBlocks" | "source.ip" => {
                let prefix = match value {
                    "10.1.0.0/16" => "10.1.",
                    "10.0.0.0/8" => "10.",
                    whole => whole,
                };
                self.address.starts_with(prefix)
            }
            "hosts" => text(value.to_lowercase().trim_end_matches(":*"), self.host),
            "methods" => text(value, self.method),
            "paths" => match value {
                "/a/{*}" => self
                    .path
                    .strip_prefix("/a/")
                    .is_some_and(|s| !s.is_empty() && !s.contains('/')),
                "/{**}/b" => self.path.ends_with("/b") && self.path.len() > 2,
                _ => text(value, self.path),
            },
            // The listener's, whatever the host says.
            "ports" | "destination.port" => value == "443",
            "request.headers[x]" => self.header.is_some_and(|header| text(value, header)),
            "connection.sni" => self.server_name && text(value, self.host),
            _ => panic!("{field}"),
        }
    }

    fn all_hold(&self, fields: &[Field]) -> bool {
        fields
            .iter()
            .all(|(name, values, not)| values.iter().any(|value| self.is(name, value)) != *not)
    }

    fn holds(&self, rule: &Rule) -> bool {
        let one =
            |all: &[Vec<Field>]| all.is_empty() || all.iter().any(|fields| self.all_hold(fields));
        let when = rule.when.iter().all(|(key, values, not)| {
            values.iter().any(|value| self.is(key, value))
                && !not.iter().any(|value| self.is(key, value))
        });
        one(&rule.from) && one(&rule.to) && when
    }

    /// Istio's order of policies, among those for the whole gateway and for the
    /// entry of the host.
    fn goes(&self, policies: &[Policy]) -> bool {
        let entry = ENTRIES
            .iter()
            .find(|(_, hosts)| hosts.iter().any(|host| text(host, self.host)));
        let entry = entry.map(|(name, _)| *name);
        let applies = |p: &&Policy| !p.dry && (p.target.is_none() || p.target == entry);
        let policies: Vec<&Policy> = policies.iter().filter(applies).collect();
        let matched = |denies: bool| {
            let mut of = policies.iter().filter(|p| p.denies == denies);
            of.any(|p| p.rules.iter().any(|rule| self.holds(rule)))
        };
        let is_closed = policies.iter().any(|p| !p.denies);
        !matched(true) && (matched(false) || !is_closed)
    }
}

/// The four forms of a text.
fn text(pattern: &str, value: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        _ if pattern == "*" => !value.is_empty(),
        (Some(end), _) => value.ends_with(end),
        (None, Some(begin)) => value.starts_with(begin),
        (None, None) => value == pattern,
    }
}

fn listed(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
    format!("[{}]", quoted.join(", "))
}

fn written(policies: &[Policy]) -> String {
    let map = |fields: &Vec<Field>| {
        let field = |(name, values, not): &Field| {
            let mut letters = name.chars();
            let name = match not {
                true => format!(
                    "not{}{}",
                    letters.next().unwrap().to_uppercase(),
                    letters.as_str()
                ),
                false => (*name).to_owned(),
            };
            format!("{name}: {}", listed(values))
        };
        fields.iter().map(field).collect::<Vec<_>>().join(", ")
    };
    let list = |key: &str, of: &str, all: &[Vec<Field>]| {
        let all: Vec<String> = all
            .iter()
            .map(|fields| format!("{{ {of}: {{ {} }} }}", map(fields)))
            .collect();
        (!all.is_empty()).then(|| format!("{key}: [{}]", all.join(", ")))
    };
    let rule = |rule: &Rule| {
        let when: Vec<String> = rule
            .when
            .iter()
            .map(|(key, values, not)| {
                let not = if not.is_empty() {
                    String::new()
                } else {
                    format!(", notValues: {}", listed(not))
                };
                format!("{{ key: '{key}', values: {}{not} }}", listed(values))
            })
            .collect();
        let when = (!when.is_empty()).then(|| format!("when: [{}]", when.join(", ")));
        let parts = [
            list("from", "source", &rule.from),
            list("to", "operation", &rule.to),
            when,
        ];
        format!(
            "{{ {} }}",
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        )
    };
    let policy =
        |(number, policy): (usize, &Policy)| {
            let action = if policy.denies { "DENY" } else { "ALLOW" };
            let target = policy.target.map_or(String::new(), |name| format!(
            "\ntargetRefs: [{{ group: networking.istio.io, kind: ServiceEntry, name: {name} }}]"
        ));
            let rules: Vec<String> = policy.rules.iter().map(rule).collect();
            let spec = format!("action: {action}{target}\nrules: [{}]", rules.join(", "));
            let dry = if policy.dry {
                "istio.io/dry-run: 'true'"
            } else {
                ""
            };
            super::policies::named(&format!("p{number}"), "istio-system", dry, &spec)
        };
    let entries = ENTRIES
        .iter()
        .map(|(name, hosts)| entry(name, listed(hosts).trim_matches(['[', ']'])));
    policies
        .iter()
        .enumerate()
        .map(|(n, p)| policy((n, p)))
        .chain(entries)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn policies_decide_as_istios_model_does(
        policies in policies(),
        asked in vec(asked(), 40),
    ) {
        let objects = written(&policies);
        let snapshot = snapshot(&objects);
        for asked in asked {
            let (goes, rule) = verdict(&snapshot, &asked.question());
            let anonymous = Question { principal: None, ..asked.question() };
            if verdict(&snapshot, &anonymous).0 {
                let mut anybody = CALLERS.map(|caller| Asked { caller, ..asked.clone() }).into_iter();
                prop_assert!(anybody.all(|asked| asked.goes(&policies)), "{:?}\n{}", asked, &objects);
            }
            prop_assert_eq!(goes, asked.goes(&policies), "{:?} {:?}\n{}", asked, rule, &objects);
        }
    }
}
