//! The one matcher of policies, routes and logs.

use policy::origin::Origin;
use policy::pattern::{HostPattern, PathPattern};
use policy::rule::{Matcher, NamedPattern};

use super::super::canonical_path::Part;
use super::Writer;
use super::pattern;
use crate::yaml::emit::{Map, Out};

/// Whether some request may match: an empty set of methods holds none.
pub(super) fn can_hold(matcher: &Matcher) -> bool {
    let methods = matcher.methods.as_ref();
    methods.is_none_or(|methods| methods.names().next().is_some())
}

impl Writer<'_> {
    /// What a matcher asks; nothing if it asks nothing.
    pub(super) fn matcher(&self, matcher: &Matcher, origin: &Origin) -> Map {
        let mut map = Map::default();
        let methods = matcher.methods.iter().flat_map(|methods| methods.names());
        map.put_list("from", self.sources(&matcher.from, origin));
        let hosts = matcher.hosts.iter();
        map.put_list("host", hosts.map(|h| self.host(h, origin)).collect());
        let paths = matcher.paths.iter();
        map.put_list("path", paths.map(|p| self.path(p, origin)).collect());
        let targets = matcher.targets.iter();
        map.put_list("target", targets.map(|p| self.target(p, origin)).collect());
        map.put_list("method", methods.map(Out::word).collect());
        map.put_list("port", matcher.ports.iter().map(Out::word).collect());
        let host_ports = matcher.host_ports.iter();
        map.put_list("hostPort", host_ports.map(Out::word).collect());
        let listener_ports = matcher.listener_ports.iter();
        map.put_list("listenerPort", listener_ports.map(Out::word).collect());
        let names = matcher.server_names.iter();
        map.put_list("sni", names.map(|h| self.host(h, origin)).collect());
        map.put_map("header", named(&matcher.headers));
        map.put_map("query", named(&matcher.query));
        if let Some(expr) = &matcher.expr {
            map.put_some("expr", self.condition(expr, origin));
        }
        map
    }

    /// The same, for what asks nothing only if it says so.
    pub(super) fn spoken(&self, matcher: &Matcher, origin: &Origin) -> Map {
        let mut map = self.matcher(matcher, origin);
        if map.is_empty() {
            map.put("host", Out::word("*"));
        }
        map
    }

    /// Matchers of which one must hold, but for those that never do.
    pub(super) fn any_of(&self, matchers: &[Matcher], origin: &Origin) -> Option<Out> {
        let lawful = matchers.iter().filter(|matcher| can_hold(matcher));
        let all = lawful.map(|matcher| Out::Map(self.spoken(matcher, origin)));
        Out::some_of(all.collect())
    }

    pub(super) fn host(&self, host: &HostPattern, origin: &Origin) -> Out {
        let text = host.to_string();
        if HostPattern::parse(&text).as_ref() != Ok(host) {
            self.unsayable(origin, &format!("the host `{text}`"));
        }
        Out::word(text)
    }

    pub(super) fn path(&self, path: &PathPattern, origin: &Origin) -> Out {
        self.of_target(path, Part::Path, origin)
    }

    fn target(&self, target: &PathPattern, origin: &Origin) -> Out {
        self.of_target(target, Part::Target, origin)
    }

    fn of_target(&self, pattern: &PathPattern, part: Part, origin: &Origin) -> Out {
        pattern::path(pattern, part).unwrap_or_else(|| {
            self.unsayable(origin, &format!("the path {pattern:?}"));
            Out::word("*")
        })
    }
}

/// Patterns by name; several of one name must all hold.
fn named(patterns: &[NamedPattern]) -> Map {
    let mut map = Map::default();
    for NamedPattern { name, .. } in patterns {
        if map.has(name) {
            continue;
        }
        let own = patterns.iter().filter(|other| other.name == *name);
        let mut values: Vec<Out> = own.map(|named| pattern::value(&named.pattern)).collect();
        let value = match (values.len(), values.pop()) {
            (1, only) => only,
            (_, last) => {
                values.extend(last);
                Some(Out::one("all", Out::List(values)))
            }
        };
        map.put_some(name, value);
    }
    map
}
