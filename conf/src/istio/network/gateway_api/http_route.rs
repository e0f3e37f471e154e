//! HTTPRoute: its rules, each match of which is a route of its own.

use std::time::Duration;

use policy::destination::{Fault, Retries, Upgrades};
use policy::origin::Origin;
use policy::pattern::HostPattern;

use super::super::super::kind::Kind;
use super::super::super::object::Object;
use super::super::super::proto::{duration, pass_over, refuse};
use super::super::http_match::Matched;
use super::super::http_route::{HttpRoute, RouteAction};
use super::bundles::Bundles;
use super::filters::{self, Filters, PathChange};
use super::request_match::{Match, Rank, matches};
use super::{Context, host};
use crate::fields::Fields;

/// Reads every HTTPRoute into the bundles of the places it attaches to.
pub(super) fn read<'a>(context: &Context<'_, 'a>, bundles: &mut Bundles<'a>) {
    for object in context.objects.of_kind(Kind::HttpRoute) {
        object.spec(context.scope.report, |fields| {
            let hosts = hosts(fields, context);
            let attachments = context.attachments(object, fields, &hosts);
            pass_over(fields, &["useDefaultGateways"]);
            fields.need("rules", "[{ backendRefs: [{ group: networking.istio.io, kind: Hostname, name: edition.cnn.com, port: 443 }] }]");
            let nodes = fields.many("rules").iter();
            let rules = nodes.filter_map(|node| {
                Fields::read_proto(node, fields.report, |fields| rule(object, fields, context))
            });
            let routes: Vec<_> = rules.flatten().collect();
            for attachment in &attachments {
                bundles.add(object, attachment, &routes);
            }
        });
    }
}

/// `hostnames`.
pub(super) fn hosts<'a>(
    fields: &Fields<'a>,
    context: &Context<'_, 'a>,
) -> Vec<(HostPattern, &'a Origin)> {
    fields.refuse_null(&["hostnames"]);
    let nodes = fields.many("hostnames").iter();
    nodes.filter_map(|node| host(node, context.scope)).collect()
}

fn rule<'a>(
    object: &Object<'a>,
    fields: &Fields<'a>,
    context: &Context<'_, 'a>,
) -> Vec<(Rank, HttpRoute<'a>)> {
    refuse(
        fields,
        &[(
            "sessionPersistence",
            "every address is as good as another: delete it",
        )],
    );
    let name = fields.text("name");
    let matches = matches(fields);
    let filters = filters::of_rule(fields);
    let backends = context.backends(object, fields);
    let timeout = timeout(fields);
    let retries = retries(fields);
    let (action, fault) = match &filters.redirect {
        Some(redirect) => {
            if let Some(entry) = fields.entry("backendRefs") {
                let message =
                    "`backendRefs` and `RequestRedirect` exclude each other: write one of them";
                fields.report.error(&entry.origin, message);
            }
            (RouteAction::Redirect(redirect.clone()), Fault::default())
        }
        None => {
            if !fields.has("backendRefs") {
                let message = "this rule leads nowhere, so that requests are answered 500: write `backendRefs`";
                fields.report.warning(fields.origin(), message);
            }
            backends.action()
        }
    };
    let rewrite_host = filters
        .rewrite
        .as_ref()
        .and_then(|rewrite| rewrite.host.clone());
    let route = |mut found: Match<'a>| {
        let rewrite_uri = rewritten(&mut found, &filters, fields);
        let route = HttpRoute {
            name: name.or(Some(object.name)),
            blocks: vec![found.block],
            action: action.clone(),
            timeout,
            retries,
            headers: filters.headers.clone(),
            rewrite_uri,
            rewrite_host: rewrite_host.clone(),
            fault: fault.clone(),
            upgrades: Upgrades::WebSocket,
            origin: fields.origin(),
        };
        (found.rank, route)
    };
    matches.into_iter().map(route).collect()
}

/// What takes the place of the path, or of what the match says of it.
fn rewritten(found: &mut Match<'_>, filters: &Filters, fields: &Fields<'_>) -> Option<Box<str>> {
    match filters.rewrite.as_ref()?.path.as_ref()? {
        PathChange::Full(path) => Some(path.clone()),
        PathChange::Prefix(path) => {
            // No match at all is one of the prefix `/`.
            let whole = found.block.matcher.paths.is_empty().then(Box::default);
            match found.prefix.take().or(whole) {
                Some(prefix) => found.block.matched = Matched::Segments(prefix),
                None => {
                    let message = "`ReplacePrefixMatch` needs a match of type `PathPrefix`, whose prefix it replaces: write one";
                    let origin = found.block.origin.unwrap_or(fields.origin());
                    fields.report.error(origin, message);
                }
            }
            Some(path.clone())
        }
    }
}

/// `timeouts`; zero is none.
fn timeout(fields: &Fields<'_>) -> Option<Duration> {
    let read = |fields: &Fields<'_>| {
        let request = duration(fields, "request");
        let backend = duration(fields, "backendRequest");
        if let Some(entry) = fields.entry("backendRequest") {
            let message = "`backendRequest` bounds all attempts together here, as `request` does: write `request`";
            fields.report.warning(&entry.origin, message);
        }
        request.or(backend).filter(|timeout| !timeout.is_zero())
    };
    Fields::read_proto(fields.take("timeouts")?, fields.report, read).flatten()
}

/// `retry`. What an origin has answered is its answer, whatever its code.
fn retries(fields: &Fields<'_>) -> Retries {
    let Some(node) = fields.take("retry") else {
        return Retries::default();
    };
    Fields::read_proto(node, fields.report, |fields| {
        pass_over(fields, &["backoff"]);
        if let Some(entry) = fields.entry("codes") {
            let message =
                "`codes` have no effect here: only what was surely not processed is tried again";
            fields.report.warning(&entry.origin, message);
        }
        let attempts = fields.number("attempts", 0..=100);
        Retries {
            attempts: attempts.unwrap_or(Retries::default().attempts).min(10),
            ..Retries::default()
        }
    })
    .unwrap_or_default()
}
