//! What a route does: lead to upstreams (`to`), redirect, or respond itself;
//! and `rewrite`, which changes what is asked of the upstream.

use policy::destination::{
    Action, PathRewrite, Redirect, Respond, Rewrite, Upstream, UpstreamRef, Weighted,
};

use super::canonical_path::verbatim;
use super::expression::MAX_BODY;
use super::tls::host_name;
use super::upstream::{Inherited, upstream};
use crate::fields::Fields;
use crate::node::Node;

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
    let given = ["to", "redirect", "respond"]
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
        .or_else(|| Fields::read(&respond?.node, fields.report, read_respond));
    own.unwrap_or_else(|| forward(to, fields, leads))
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
/// `prefixes`.
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
    let prefix = fields.parsed("prefix", path_alone);
    if fields.has("path") && fields.has("prefix") {
        let message =
            "`path` replaces the whole path and `prefix` its beginning: delete one of them";
        fields.report.error(fields.origin(), message);
    }
    if let Some(path) = whole {
        return Some(PathRewrite::Whole(path));
    }
    match (prefix?, prefixes) {
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

/// The caller's query stays, so a rewrite has none.
pub(crate) fn path_alone(text: &str) -> Result<Box<str>, String> {
    match text.contains('?') {
        true => Err(format!(
            "`{text}` holds a query, and the caller's stays: write the path alone"
        )),
        false => verbatim(text),
    }
}
