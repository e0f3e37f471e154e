//! What a route does: lead to upstreams (`to`), redirect, or respond itself;
//! and `rewrite`, which changes what is asked of the upstream.

use policy::destination::{
    Action, PathRewrite, Redirect, Respond, Rewrite, Upstream, UpstreamRef, Weighted,
};
use policy::door::{Door, View};

use super::canonical_path::verbatim;
use super::expression::MAX_BODY;
use super::tls::host_name;
use super::upstream::{Inherited, refuse_nameless, upstream};
use crate::fields::Fields;
use crate::node::{Node, Value};

pub(super) const MAX_WEIGHT: u32 = 1_000_000;
/// A redirection that says no status, as in Istio.
const MOVED: u16 = 301;

/// Where the routes of one destination may lead.
#[derive(Debug)]
pub(super) struct Leads<'a> {
    /// All upstreams of the configuration.
    pub(super) upstreams: &'a mut Vec<Upstream>,
    /// What those of this destination have unless they say otherwise.
    pub(super) inherited: &'a Inherited,
    /// The destination's own.
    pub(super) own: UpstreamRef,
    /// By which way requests come to the destination.
    pub(super) door: Option<Door>,
}

/// Adds an upstream to those of the configuration.
pub(super) fn add(upstreams: &mut Vec<Upstream>, upstream: Upstream) -> UpstreamRef {
    let number = u32::try_from(upstreams.len()).unwrap_or(u32::MAX);
    upstreams.push(upstream);
    UpstreamRef(number)
}

/// The one action of a route; without a word the destination's own upstream.
pub(super) fn action(fields: &Fields<'_>, leads: &mut Leads<'_>) -> Action {
    let to = fields.many("to");
    let redirect = fields.entry("redirect");
    let respond = fields.entry("respond");
    let hop = hop(fields, leads.door);
    let given = ["to", "redirect", "respond", "hop"]
        .into_iter()
        .filter(|key| fields.has(key));
    if let [first, second, ..] = given.collect::<Vec<_>>().as_slice() {
        let message = format!("`{first}` and `{second}` exclude each other: delete one of them");
        fields.report.error(fields.origin(), message);
    }
    let read_redirect = |fields: &Fields<'_>| Action::Redirect(read_redirect(fields));
    let read_respond = |fields: &Fields<'_>| Action::Respond(read_respond(fields));
    let own = redirect
        .and_then(|entry| Fields::read(&entry.node, fields.report, read_redirect))
        .or_else(|| Fields::read(&respond?.node, fields.report, read_respond))
        .or(hop);
    own.unwrap_or_else(|| forward(to, fields, leads))
}

/// `hop: 443`: on in the gateway's own view, at that port. A gateway's route
/// would lead round in a circle.
fn hop(fields: &Fields<'_>, door: Option<Door>) -> Option<Action> {
    let entry = fields.entry("hop")?;
    if door.is_none_or(|door| door.view != View::Mesh) {
        let message = "`hop` goes on at the gateway, as a sidecar's route does: write `at: mesh:PORT` in the destination, or name an upstream";
        fields.report.error(&entry.origin, message);
    }
    fields.number("hop", 1..=u16::MAX).map(Action::Hop)
}

fn forward(to: &[Node], fields: &Fields<'_>, leads: &mut Leads<'_>) -> Action {
    let shares = to
        .iter()
        .filter_map(|node| Fields::read(node, fields.report, |fields| share(fields, leads)));
    let shares: Vec<Weighted> = shares.collect();
    if shares.is_empty() {
        return Action::Forward(vec![Weighted {
            upstream: leads.own,
            weight: 1,
        }]);
    }
    if shares.iter().all(|share| share.weight == 0) {
        let place = fields
            .take("to")
            .map_or(fields.origin(), |node| &node.origin);
        fields.report.error(
            place,
            "all weights are 0, so nothing is served: write a weight above 0",
        );
    }
    Action::Forward(shares)
}

fn share(fields: &Fields<'_>, leads: &mut Leads<'_>) -> Weighted {
    let weight = fields.number("weight", 0..=MAX_WEIGHT).unwrap_or(1);
    let upstream = match fields.take("upstream") {
        None => leads.own,
        Some(node) => {
            let upstream = upstream(Some(node), leads.inherited, &node.origin, fields.report);
            refuse_nameless(&upstream, fields.report);
            add(leads.upstreams, upstream)
        }
    };
    Weighted { upstream, weight }
}

fn read_redirect(fields: &Fields<'_>) -> Redirect {
    let statuses = [
        ("301", 301),
        ("302", 302),
        ("303", 303),
        ("307", 307),
        ("308", 308),
    ];
    let schemes = [("http", "http"), ("https", "https")];
    let redirect = Redirect {
        status: fields.choice("status", &statuses).unwrap_or(MOVED),
        scheme: fields.choice("scheme", &schemes).map(Box::from),
        host: fields.parsed("host", host_name),
        port: fields.number("port", 1..=u16::MAX),
        path: fields.parsed("path", verbatim),
    };
    if !["scheme", "host", "port", "path"]
        .into_iter()
        .any(|key| fields.has(key))
    {
        let message = "this redirects to where the request came from: write `scheme`, `host`, `port` or `path`";
        fields.report.error(fields.origin(), message);
    }
    redirect
}

fn read_respond(fields: &Fields<'_>) -> Respond {
    fields.need("status", "403");
    let body = fields.parsed("body", |body| match body.len() {
        0..=MAX_BODY => Ok(body),
        _ => Err("the body is larger than 1 MiB: write a shorter one"),
    });
    Respond {
        status: fields.number("status", 200..=599).unwrap_or(200),
        body: body.unwrap_or_default().into(),
    }
}

/// `rewrite: { path, prefix, host }` of a route whose `prefix:` is one of
/// `prefixes`; or `prefix: { from, to }`, which says what it replaces.
pub(super) fn rewrite(fields: &Fields<'_>, prefixes: &[Box<str>], action: &Action) -> Rewrite {
    let Some(entry) = fields.entry("rewrite") else {
        return Rewrite::default();
    };
    if !matches!(action, Action::Forward(_)) {
        let message =
            "`rewrite` changes what is asked of an upstream, and this route asks none: delete it";
        fields.report.error(&entry.origin, message);
    }
    Fields::read(&entry.node, fields.report, |fields| Rewrite {
        path: path_rewrite(fields, prefixes),
        host: fields.parsed("host", host_name),
    })
    .unwrap_or_default()
}

fn path_rewrite(fields: &Fields<'_>, prefixes: &[Box<str>]) -> Option<PathRewrite> {
    let whole = fields.parsed("path", path_alone);
    let written = fields.take("prefix");
    let begins = fields.take("begins");
    let given = ["path", "prefix", "begins"].into_iter();
    if given.filter(|key| fields.has(key)).count() > 1 {
        let message = "`path` replaces the whole path, `prefix` its first segments and `begins` its first letters: write one of them";
        fields.report.error(fields.origin(), message);
    }
    if let Some(path) = whole {
        return Some(PathRewrite::Whole(path));
    }
    if let Some(node) = begins {
        let (from, to) = Fields::read(node, fields.report, from_to).flatten()?;
        return Some(PathRewrite::Beginning { from, to });
    }
    if let Some(node) = written.filter(|node| matches!(node.value, Value::Map(_))) {
        let (from, to) = Fields::read(node, fields.report, from_to).flatten()?;
        return Some(PathRewrite::Prefix { from, to });
    }
    match (fields.parsed("prefix", path_alone)?, prefixes) {
        (to, [from]) => Some(PathRewrite::Prefix {
            from: from.clone(),
            to,
        }),
        _ => {
            let place = fields
                .take("prefix")
                .map_or(fields.origin(), |node| &node.origin);
            let message =
                "`prefix` takes the place of the route's one `prefix`: write it beside `rewrite`";
            fields.report.error(place, message);
            None
        }
    }
}

fn from_to(fields: &Fields<'_>) -> Option<(Box<str>, Box<str>)> {
    fields.need("from", "/v1");
    fields.need("to", "/v2");
    let (from, to) = (
        fields.parsed("from", beginning),
        fields.parsed("to", path_alone),
    );
    Some((from?, to?))
}

/// What a rewrite may replace; nothing stands before every path.
fn beginning(text: &str) -> Result<Box<str>, String> {
    match text {
        "" => Ok(text.into()),
        text => path_alone(text),
    }
}

/// The caller's query stays, so a rewrite has none.
pub(crate) fn path_alone(text: &str) -> Result<Box<str>, String> {
    match text.contains('?') {
        true => Err(format!(
            "`{text}` holds a query, and the caller's stays: write the path alone"
        )),
        false => verbatim(text),
    }
}
