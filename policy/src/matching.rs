//! Whether a [`Matcher`] holds for a request, told plainly, key by key.
//!
//! This is the meaning of a matcher. Logs and `explain` use it as it stands;
//! the index (`ruleset`) must agree with it, which a property test checks.
//!
//! Every question has a direction. Where rules would let a request through, a
//! doubtful match is no match; where they would refuse it, a doubtful match is
//! one (security design, P3 and P6): an exception of a permission is asked as
//! a refusal, an exception of a refusal as a permission.

use std::borrow::Cow;
use std::sync::Arc;

use crate::canonical::{deny_text, deny_views};
use crate::expr::{Expr, Truth};
use crate::pattern::{PathPattern, ValuePattern};
use crate::request::Request;
use crate::rule::{Matcher, NamedPattern};
use crate::source::{Caller, SourcePattern};

/// What a match leads to, hence which way doubt falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// A match lets the request through: doubt is no match.
    Permit,
    /// A match refuses the request: doubt is a match.
    Refuse,
}

impl Toward {
    /// The direction of an exception.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Permit => Self::Refuse,
            Self::Refuse => Self::Permit,
        }
    }
}

/// A key of a matcher, to say which one did not hold; in the order of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// `from`
    From,
    /// `host`
    Host,
    /// `path`
    Path,
    /// `target`
    Target,
    /// `method`
    Method,
    /// `port`
    Port,
    /// `hostPort`
    HostPort,
    /// `listenerPort`
    ListenerPort,
    /// `sni`
    ServerName,
    /// `header`
    Header,
    /// `query`
    Query,
    /// `expr`
    Expr,
}

impl Key {
    /// As operators write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::Host => "host",
            Self::Path => "path",
            Self::Target => "target",
            Self::Method => "method",
            Self::Port => "port",
            Self::HostPort => "hostPort",
            Self::ListenerPort => "listenerPort",
            Self::ServerName => "sni",
            Self::Header => "header",
            Self::Query => "query",
            Self::Expr => "expr",
        }
    }
}

impl Matcher {
    /// Whether every key holds.
    #[must_use]
    pub fn holds(&self, request: &Request<'_>, toward: Toward) -> bool {
        self.mismatch(request, toward).is_none()
    }

    /// The first key that does not hold.
    #[must_use]
    pub fn mismatch(&self, request: &Request<'_>, toward: Toward) -> Option<Key> {
        if !self.from.is_empty() && !from_holds(&self.from, request.caller(), toward) {
            return Some(Key::From);
        }
        if !self.hosts.is_empty() && !self.hosts.iter().any(|h| h.matches(request.host())) {
            return Some(Key::Host);
        }
        if !self.paths.is_empty() && !paths_hold(&self.paths, request.path(), toward) {
            return Some(Key::Path);
        }
        self.residual_mismatch(request, toward)
    }

    /// The first key that does not hold, of those a route's index does not know.
    pub(crate) fn residual_mismatch(&self, request: &Request<'_>, toward: Toward) -> Option<Key> {
        if !self.targets.is_empty() && !target_holds(&self.targets, request, toward) {
            return Some(Key::Target);
        }
        self.unindexed_mismatch(request, toward)
    }

    /// The first key that does not hold, of those no index knows.
    pub(crate) fn unindexed_mismatch(&self, request: &Request<'_>, toward: Toward) -> Option<Key> {
        let methods = self.methods.as_ref();
        if methods.is_some_and(|set| !set.contains(&request.method())) {
            return Some(Key::Method);
        }
        if !self.ports.is_empty() && !ports_hold(&self.ports, request, toward) {
            return Some(Key::Port);
        }
        if !self.host_ports.is_empty() && !host_ports_hold(&self.host_ports, request, toward) {
            return Some(Key::HostPort);
        }
        if !self.listener_ports.is_empty()
            && !self.listener_ports.contains(&request.listener_port())
        {
            return Some(Key::ListenerPort);
        }
        if !self.server_names.is_empty() && !server_name_holds(self, request) {
            return Some(Key::ServerName);
        }
        if !self
            .headers
            .iter()
            .all(|h| header_holds(h, request, toward))
        {
            return Some(Key::Header);
        }
        if !self.query.iter().all(|q| query_holds(q, request, toward)) {
            return Some(Key::Query);
        }
        let truth = |expr: &Arc<Expr>| match toward {
            Toward::Permit => expr.test_apart(request),
            Toward::Refuse => expr.test_readings(request),
        };
        match self.expr.as_ref().map(truth) {
            None | Some(Truth::True) => None,
            Some(Truth::Absent(_)) if toward == Toward::Refuse => None,
            Some(Truth::False | Truth::Absent(_)) => Some(Key::Expr),
        }
    }
}

/// A caller without identity is refused by every rule that refuses some
/// workload: nobody can say he is not that one.
pub(crate) fn from_holds(sources: &[SourcePattern], caller: &Caller, toward: Toward) -> bool {
    let unverified = caller.principal().is_none() && toward == Toward::Refuse;
    sources.iter().any(|source| {
        source.matches(caller.principal(), caller.address())
            || (unverified && source.speaks_of_workloads())
    })
}

/// A gateway is reached by its listener's port, whichever one the host names, and
/// that is the caller's to choose: a refusal needs one of the two to be meant, a
/// permission both. In the sidecars' view they are one.
fn ports_hold(ports: &[u16], request: &Request<'_>, toward: Toward) -> bool {
    let mut both = [request.port(), request.listener_port()].into_iter();
    match toward {
        Toward::Permit => both.all(|port| ports.contains(&port)),
        Toward::Refuse => both.any(|port| ports.contains(&port)),
    }
}

fn host_ports_hold(ports: &[u16], request: &Request<'_>, toward: Toward) -> bool {
    let served = toward == Toward::Refuse && ports.contains(&request.listener_port());
    served || ports.contains(&request.port())
}

fn server_name_holds(matcher: &Matcher, request: &Request<'_>) -> bool {
    request
        .server_name()
        .is_some_and(|name| matcher.server_names.iter().any(|p| p.matches(name)))
}

/// A refusal also sees the path as permissive origins might.
fn paths_hold(patterns: &[PathPattern], path: &str, toward: Toward) -> bool {
    let folded = |path: &str| patterns.iter().any(|p| p.matches_folded(path));
    match toward {
        Toward::Permit => patterns.iter().any(|p| p.matches(path)),
        Toward::Refuse => folded(path) || deny_views(path).iter().any(folded),
    }
}

fn target_holds(patterns: &[PathPattern], request: &Request<'_>, toward: Toward) -> bool {
    match toward {
        Toward::Permit => {
            let target = with_query(request.path(), request.query());
            patterns.iter().any(|p| p.matches(&target))
        }
        Toward::Refuse => any_deny_target(request, |target| {
            patterns.iter().any(|p| p.matches_folded(target))
        }),
    }
}

/// Whether a refusal is hit by path and query, as they are sent or as origins might
/// read the one and decode the other; in ASCII lower case.
pub(crate) fn any_deny_target(request: &Request<'_>, hit: impl Fn(&str) -> bool) -> bool {
    let (path, query) = (request.path(), request.query());
    let decoded = match query.map(deny_text) {
        Some(Cow::Owned(decoded)) => Some(decoded),
        _ => None,
    };
    let hit = |path: &str| {
        let hit = |query: Option<&str>| {
            let mut target = with_query(path, query).into_owned();
            target.make_ascii_lowercase();
            hit(&target)
        };
        hit(query) || (decoded.is_some() && hit(decoded.as_deref()))
    };
    let views = deny_views(path);
    hit(path) || views.iter().any(|view| view != path && hit(view))
}

pub(crate) fn with_query<'a>(path: &'a str, query: Option<&str>) -> Cow<'a, str> {
    match query {
        None => Cow::Borrowed(path),
        Some(query) => Cow::Owned(format!("{path}?{query}")),
    }
}

/// Several fields of one name are seen one by one and joined: a permission
/// needs all of them to match, a refusal any (CVE-2026-26308). Cookies are sent
/// joined, which is all that a permission need look at.
fn header_holds(named: &NamedPattern, request: &Request<'_>, toward: Toward) -> bool {
    let headers = request.headers();
    let values = (0..).map_while(|index| headers.value(&named.name, index));
    let mut all: Vec<Cow<'_, [u8]>> = values.map(Cow::Borrowed).collect();
    if all.len() > 1 {
        let joined = Cow::Owned(all.join(separator(&named.name).as_bytes()));
        if named.name.as_ref() == COOKIE && named.pattern.judged(toward) == Toward::Permit {
            all.clear();
        }
        all.push(joined);
    }
    values_hold(&named.pattern, &all, toward)
}

const COOKIE: &str = "cookie";

/// What stands between the values of a repeated field where they are one: as RFC
/// 9110, section 5.3, joins them, and cookies as they are sent (RFC 9113, 8.2.3).
pub(crate) fn separator(field: &str) -> &'static str {
    match field {
        COOKIE => "; ",
        _ => ",",
    }
}

impl ValuePattern {
    /// Which way doubt falls for the pattern that is negated, however often.
    fn judged(&self, toward: Toward) -> Toward {
        match self {
            Self::Not(pattern) => pattern.judged(toward.opposite()),
            _ => toward,
        }
    }
}

fn query_holds(named: &NamedPattern, request: &Request<'_>, toward: Toward) -> bool {
    let all: Vec<Cow<'_, [u8]>> = request
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (*form_decode(name) == *named.name.as_bytes()).then(|| form_decode(value))
        })
        .collect();
    values_hold(&named.pattern, &all, toward)
}

fn values_hold(pattern: &ValuePattern, values: &[Cow<'_, [u8]>], toward: Toward) -> bool {
    if pattern.is_absent() {
        return values.is_empty();
    }
    if let ValuePattern::Not(pattern) = pattern {
        // A missing field is as good as an empty one (Istio: withoutHeaders).
        let empty = [Cow::Borrowed(&b""[..])];
        let values = if values.is_empty() {
            &empty[..]
        } else {
            values
        };
        return !values_hold(pattern, values, toward.opposite());
    }
    let one = |value: &Cow<'_, [u8]>| match std::str::from_utf8(value) {
        Ok(_) => pattern.matches(value),
        Err(_) => toward == Toward::Refuse,
    };
    match toward {
        Toward::Permit => !values.is_empty() && values.iter().all(one),
        Toward::Refuse => values.iter().any(one),
    }
}

/// `application/x-www-form-urlencoded`: `+` is a space, `%XX` a byte.
pub(crate) fn form_decode(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut ahead = bytes.clone();
                match (ahead.next().and_then(hex), ahead.next().and_then(hex)) {
                    (Some(high), Some(low)) => {
                        bytes = ahead;
                        high << 4 | low
                    }
                    _ => b'%',
                }
            }
            other => other,
        });
    }
    Cow::Owned(out)
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
