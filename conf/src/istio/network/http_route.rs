//! HTTPRoute of a VirtualService: what it asks, what it does.

use std::borrow::Cow;
use std::time::Duration;

use policy::destination::{
    Fault, HeaderEdits, Redirect, Respond, Retries, Share as Percent, Upgrades,
};
use policy::origin::Origin;

use super::super::proto::{duration, pass_over, refuse};
use super::headers;
use super::http_match::{Block, block, port};
use crate::fields::{Fields, text};
use crate::native::{MAX_BODY, host_name};
use crate::node::Node;
use crate::report::Report;

/// One route.
#[derive(Clone, Debug)]
pub(super) struct HttpRoute<'a> {
    pub(super) name: Option<&'a str>,
    /// One of these holds; none: always.
    pub(super) blocks: Vec<Block<'a>>,
    pub(super) action: RouteAction<'a>,
    pub(super) timeout: Option<Duration>,
    pub(super) retries: Retries,
    pub(super) headers: HeaderEdits,
    /// `rewrite.uri`.
    pub(super) rewrite_uri: Option<Box<str>>,
    /// `rewrite.authority`, or the `Host` among the headers.
    pub(super) rewrite_host: Option<Box<str>>,
    pub(super) fault: Fault,
    pub(super) upgrades: Upgrades,
    pub(super) origin: &'a Origin,
}

impl<'a> HttpRoute<'a> {
    /// The destinations it names.
    pub(super) fn shares(&self) -> &[Share<'a>] {
        match &self.action {
            RouteAction::Route(shares) => shares,
            RouteAction::Own | RouteAction::Redirect(_) | RouteAction::Respond(_) => &[],
        }
    }
}

/// What a route does.
#[derive(Clone, Debug)]
pub(super) enum RouteAction<'a> {
    /// To these, by weight.
    Route(Vec<Share<'a>>),
    /// To where the request was going: the VirtualServices of Istio 0.7 left the
    /// route out (document 002).
    Own,
    Redirect(Redirect),
    Respond(Respond),
}

/// A destination and its weight.
#[derive(Clone, Debug)]
pub(super) struct Share<'a> {
    pub(super) host: Cow<'a, str>,
    pub(super) subset: &'a str,
    pub(super) port: Option<u16>,
    pub(super) weight: u32,
    pub(super) headers: HeaderEdits,
    pub(super) origin: &'a Origin,
}

/// Reads a route.
pub(super) fn http_route<'a>(fields: &Fields<'a>) -> HttpRoute<'a> {
    let report = fields.report;
    refuse(
        fields,
        &[
            (
                "delegate",
                "write the routes of the other VirtualService here",
            ),
            (
                "mirror",
                "a copy would leave that no policy was asked about: delete it",
            ),
            (
                "mirrors",
                "copies would leave that no policy was asked about: delete it",
            ),
            ("corsPolicy", "browsers do not come through here: delete it"),
        ],
    );
    pass_over(
        fields,
        &["mirrorPercentage", "mirrorPercent", "mirror_percent"],
    );
    // Without its value the route would take, or forward, what it does not.
    fields.refuse_null(&["match", "route", "redirect", "directResponse", "fault"]);
    let name = fields.text("name");
    let blocks = fields.many("match").iter();
    let blocks = blocks
        .filter_map(|node| Fields::read_restriction(node, report, block))
        .collect();
    let route = fields.many("route").iter();
    let shares: Vec<Share<'a>> = route
        .filter_map(|node| Fields::read_proto(node, report, share).flatten())
        .collect();
    let redirect = fields
        .take("redirect")
        .and_then(|node| Fields::read_proto(node, report, redirect));
    let respond = fields
        .take("directResponse")
        .and_then(|node| Fields::read_proto(node, report, respond));
    let given = ["route", "redirect", "directResponse"]
        .into_iter()
        .filter(|key| fields.has(key));
    if let [first, second, ..] = given.collect::<Vec<_>>().as_slice() {
        let message = format!("`{first}` and `{second}` exclude each other: write one of them");
        report.error(fields.origin(), message);
    }
    let action = match (redirect, respond) {
        (Some(redirect), _) => RouteAction::Redirect(redirect),
        (None, Some(respond)) => RouteAction::Respond(respond),
        (None, None) if shares.is_empty() => RouteAction::Own,
        (None, None) => RouteAction::Route(shares),
    };
    let (rewrite_uri, rewrite_host) = fields
        .take("rewrite")
        .and_then(|node| Fields::read_proto(node, report, rewrite))
        .unwrap_or_default();
    let (headers, host) = headers::of_route(fields);
    // Istio 0.7.
    let appended = headers::appended(fields);
    // Let through without a word since Istio 1.1.
    let upgrades = match fields.truth("websocketUpgrade") {
        Some(false) => Upgrades::Refused,
        Some(true) | None => Upgrades::WebSocket,
    };
    HttpRoute {
        name,
        blocks,
        action,
        timeout: duration(fields, "timeout").filter(|timeout| !timeout.is_zero()),
        retries: retries(fields),
        headers: headers::joined(headers, appended),
        rewrite_uri,
        rewrite_host: rewrite_host.or(host),
        fault: fields
            .take("fault")
            .and_then(|node| Fields::read_proto(node, report, fault))
            .unwrap_or_default(),
        upgrades,
        origin: fields.origin(),
    }
}

/// `{ destination: { host, subset, port }, weight, headers }`.
pub(super) fn share<'a>(fields: &Fields<'a>) -> Option<Share<'a>> {
    let report = fields.report;
    fields.need(
        "destination",
        "{ host: edition.cnn.com, port: { number: 443 } }",
    );
    let weight = fields.number("weight", 0..=1_000_000);
    let (headers, host) = headers::of_route(fields);
    if host.is_some() {
        let message = "the host is the route's to rewrite: write `rewrite: { authority: … }`";
        report.error(fields.origin(), message);
    }
    let destination = fields.take("destination")?;
    Fields::read_proto(destination, report, |fields| {
        fields.refuse_null(&["subset"]);
        // Istio 0.7 wrote `name`.
        let key = if fields.has("name") { "name" } else { "host" };
        fields.need(key, "edition.cnn.com");
        let host = fields.text(key);
        let subset = fields.text("subset").unwrap_or_default();
        let port = fields.take("port").and_then(|node| port(node, report));
        Some(Share {
            host: host?.into(),
            subset,
            port,
            weight: weight.unwrap_or(0),
            headers,
            origin: fields.origin(),
        })
    })
    .flatten()
}

/// A redirection.
pub(super) fn redirect(fields: &Fields<'_>) -> Redirect {
    refuse(fields, &[("derivePort", "write `port`")]);
    let status = fields.number("redirectCode", 300..=308).unwrap_or(301);
    if ![301, 302, 303, 307, 308].contains(&status) {
        let place = fields
            .entry("redirectCode")
            .map_or(fields.origin(), |entry| &entry.node.origin);
        fields
            .report
            .error(place, "no redirection: write 301, 302, 303, 307 or 308");
    }
    Redirect {
        status,
        scheme: fields
            .choice("scheme", &[("http", "http"), ("https", "https")])
            .map(Box::from),
        host: fields.parsed("authority", host_name),
        port: fields.number("port", 1..=u16::MAX),
        path: fields.parsed("uri", crate::native::verbatim),
    }
}

fn respond(fields: &Fields<'_>) -> Respond {
    fields.need("status", "503");
    let body = fields.take("body").and_then(|node| {
        Fields::read_proto(node, fields.report, |fields| {
            refuse(fields, &[("bytes", "write the text under `string`")]);
            fields.parsed("string", |body| match body.len() {
                0..=MAX_BODY => Ok(body),
                _ => Err("the body is larger than 1 MiB: write a shorter one"),
            })
        })
        .flatten()
    });
    Respond {
        status: fields.number("status", 200..=599).unwrap_or(503),
        body: body.unwrap_or_default().into(),
    }
}

/// `rewrite`: the path or its beginning, and the host.
pub(super) fn rewrite(fields: &Fields<'_>) -> (Option<Box<str>>, Option<Box<str>>) {
    refuse(
        fields,
        &[(
            "uriRegexRewrite",
            "write `uri`, which replaces what the route matched",
        )],
    );
    let uri = fields.parsed("uri", crate::native::path_alone);
    (uri, fields.parsed("authority", host_name))
}

/// `retries`. Istio's own default is to try twice more.
fn retries(fields: &Fields<'_>) -> Retries {
    let Some(node) = fields.take("retries") else {
        return Retries::default();
    };
    Fields::read_proto(node, fields.report, |fields| {
        let attempts = fields.number("attempts", 0..=100);
        duration(fields, "perTryTimeout");
        pass_over(
            fields,
            &[
                "retryRemoteLocalities",
                "retryIgnorePreviousHosts",
                "backoff",
            ],
        );
        if let Some(entry) = fields.entry("perTryTimeout") {
            let message =
                "`perTryTimeout` has no effect here: `timeout` bounds all attempts together";
            fields.report.warning(&entry.origin, message);
        }
        let on = fields
            .take("retryOn")
            .and_then(|node| Some((text(node, fields.report)?, node)));
        let (connect_failure, refused_stream) = match on {
            None => (true, true),
            Some((on, node)) => retry_on(on, node, fields.report),
        };
        Retries {
            attempts: attempts.unwrap_or(Retries::default().attempts).min(10),
            connect_failure,
            refused_stream,
        }
    })
    .unwrap_or_default()
}

/// Only what was surely not processed is tried again: the others would repeat
/// what an origin may have done already.
fn retry_on(on: &str, node: &Node, report: &Report) -> (bool, bool) {
    let mut kept = (false, false);
    let mut others = Vec::new();
    for word in on.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            "connect-failure" => kept.0 = true,
            "refused-stream" | "reset-before-request" => kept.1 = true,
            "reset" | "5xx" | "gateway-error" => {
                kept = (true, true);
                others.push(word);
            }
            word => others.push(word),
        }
    }
    if !others.is_empty() {
        let message = format!(
            "tried again only where nothing was processed, not on `{}`: write `connect-failure,refused-stream`",
            others.join(",")
        );
        report.warning(&node.origin, message);
    }
    kept
}

fn fault(fields: &Fields<'_>) -> Fault {
    let report = fields.report;
    let delay = fields.take("delay").and_then(|node| {
        Fields::read_proto(node, report, |fields| {
            refuse(fields, &[("exponentialDelay", "write `fixedDelay`")]);
            Some((percentage(fields), duration(fields, "fixedDelay")?))
        })
        .flatten()
    });
    let abort = fields.take("abort").and_then(|node| {
        Fields::read_proto(node, report, |fields| {
            refuse(
                fields,
                &[
                    ("grpcStatus", "write `httpStatus`"),
                    ("http2Error", "write `httpStatus`"),
                ],
            );
            Some((percentage(fields), fields.number("httpStatus", 200..=599)?))
        })
        .flatten()
    });
    // No share is no fault (A.6, 13).
    Fault {
        delay: delay.and_then(|(share, time)| Some((share?, time))),
        abort: abort.and_then(|(share, status)| Some((share?, status))),
    }
}

/// `percentage: { value: 0.1 }`, or the older `percent: 10`.
fn percentage(fields: &Fields<'_>) -> Option<Percent> {
    let share = |text: &str| {
        let share = text.parse().ok().and_then(Percent::percent);
        share.ok_or_else(|| format!("`{text}` is no share of a hundred: write such as `0.5`"))
    };
    let older = fields.parsed("percent", share);
    let node = fields.take("percentage");
    node.and_then(|node| {
        Fields::read_proto(node, fields.report, |fields| fields.parsed("value", share)).flatten()
    })
    .or(older)
}
