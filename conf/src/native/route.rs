//! `routes` of a destination: which requests, and what becomes of them.

use std::sync::Arc;
use std::time::Duration;

use policy::destination::{Action, Changes, HeaderEdits, Retries, Route, Upgrades};
use policy::pattern::PathPattern;
use policy::rule::Matcher;
use policy::source::SourcePattern;

use super::action::{Leads, action, rewrite};
use super::condition;
use super::context::Context;
use super::fault::fault;
use super::headers::{header_edits, merged};
use crate::fields::{Fields, positive_duration};
use crate::node::Node;

/// What Istio calls a route without a name.
pub(crate) const UNNAMED: &str = "default";

/// What a route has from its destination unless it says otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) timeout: Option<Duration>,
    pub(super) retries: Retries,
    pub(super) headers: HeaderEdits,
    pub(super) upgrades: Upgrades,
    pub(super) max_body: Option<u64>,
}

impl Settings {
    /// The settings written here, and for the others those from above.
    pub(super) fn read(fields: &Fields<'_>, above: &Self) -> Self {
        let upgrades = fields.truth("websocket").map(|lets| match lets {
            true => Upgrades::WebSocket,
            false => Upgrades::Refused,
        });
        Self {
            timeout: timeout(fields).unwrap_or(above.timeout),
            retries: retries(fields).unwrap_or(above.retries),
            headers: merged(&above.headers, header_edits(fields)),
            upgrades: upgrades.unwrap_or(above.upgrades),
            max_body: fields.size("maxBody").or(above.max_body),
        }
    }

    /// A route with these settings, and what else it changes.
    pub(super) fn route(
        &self,
        name: &str,
        action: Action,
        changes: Changes,
        fields: &Fields<'_>,
    ) -> Route {
        let changes = Changes {
            headers: self.headers.clone(),
            ..changes
        };
        Route {
            name: name.into(),
            matchers: Vec::new(),
            action,
            timeout: self.timeout,
            retries: self.retries,
            changes: changes.kept(),
            upgrades: self.upgrades,
            max_body: self.max_body,
            origin: Arc::new(fields.origin().clone()),
        }
    }
}

/// `timeout: 3s`, or `timeout: off`.
fn timeout(fields: &Fields<'_>) -> Option<Option<Duration>> {
    fields.parsed("timeout", |text| match text {
        "off" => Ok(None),
        text => positive_duration(text).map(Some),
    })
}

/// `retries: { attempts, on }`.
fn retries(fields: &Fields<'_>) -> Option<Retries> {
    /// A condition to try again on.
    #[derive(Clone, Copy, PartialEq)]
    enum On {
        ConnectFailure,
        RefusedStream,
    }
    let words = [
        ("connect-failure", On::ConnectFailure),
        ("refused-stream", On::RefusedStream),
    ];
    let node = fields.take("retries")?;
    Fields::read(node, fields.report, |fields| {
        let attempts = fields.number("attempts", 0..=u8::MAX);
        let nodes = fields.many("on");
        let on: Vec<On> = nodes
            .iter()
            .filter_map(|node| crate::fields::choice(node, fields.report, &words))
            .collect();
        Retries {
            attempts: attempts.unwrap_or(Retries::default().attempts),
            connect_failure: nodes.is_empty() || on.contains(&On::ConnectFailure),
            refused_stream: nodes.is_empty() || on.contains(&On::RefusedStream),
        }
    })
}

/// Reads the routes of a destination, in order. What stands behind a route that
/// takes everything is never asked.
pub(super) fn routes(
    nodes: &[Node],
    settings: &Settings,
    leads: &mut Leads<'_>,
    context: &Context<'_>,
) -> Vec<Route> {
    let report = context.report;
    let mut routes = Vec::with_capacity(nodes.len());
    let mut takes_all: Option<&Node> = None;
    for node in nodes {
        if let Some(first) = takes_all {
            let message = format!(
                "this route is never reached: the one at {} takes every request",
                first.origin
            );
            report.warning(&node.origin, message);
        }
        let errors = report.error_count();
        let route = Fields::read(node, report, |fields| {
            route(fields, settings, leads, context)
        });
        // A route with an error in its matcher only seems to ask nothing.
        if errors == report.error_count() && route.as_ref().is_some_and(takes_everything) {
            takes_all = takes_all.or(Some(node));
        }
        routes.extend(route);
    }
    routes
}

fn route(
    fields: &Fields<'_>,
    settings: &Settings,
    leads: &mut Leads<'_>,
    context: &Context<'_>,
) -> Route {
    let name = fields.text("name").unwrap_or(UNNAMED);
    let settings = Settings::read(fields, settings);
    let condition = condition::of_route(fields, context);
    let action = action(fields, leads);
    let changes = Changes {
        rewrite: rewrite(fields, &condition.prefixes, &action),
        fault: fault(fields),
        ..Changes::default()
    };
    Route {
        matchers: condition.matchers,
        ..settings.route(name, action, changes, fields)
    }
}

/// Whether what stands behind a route is never asked.
pub(crate) fn takes_everything(route: &Route) -> bool {
    route.matchers.is_empty() || route.matchers.iter().any(asks_nothing)
}

fn asks_nothing(matcher: &Matcher) -> bool {
    let Matcher {
        from,
        hosts,
        paths,
        targets,
        methods,
        ports,
        host_ports,
        listener_ports,
        server_names,
        headers,
        query,
        expr,
    } = matcher;
    let all_paths = |paths: &[PathPattern]| paths.is_empty() || paths.iter().any(is_any);
    (from.is_empty() || from.contains(&SourcePattern::Any))
        && hosts.is_empty()
        && all_paths(paths)
        && all_paths(targets)
        && methods.is_none()
        && ports.is_empty()
        && host_ports.is_empty()
        && listener_ports.is_empty()
        && server_names.is_empty()
        && headers.is_empty()
        && query.is_empty()
        && expr.is_none()
}

fn is_any(pattern: &PathPattern) -> bool {
    match pattern {
        PathPattern::Any => true,
        PathPattern::Prefix(text) => &**text == "/",
        _ => false,
    }
}
