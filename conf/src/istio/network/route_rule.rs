//! RouteRule (Istio 0.2 to 0.8): routes of one destination, by precedence. Only
//! sidecars had them.

use std::time::Duration;

use policy::destination::{Fault, Retries, Upgrades};
use policy::origin::Origin;
use policy::pattern::HostPattern;

use super::super::kind::Kind;
use super::super::object::{Object, Objects};
use super::super::proto::{duration, pass_over, refuse};
use super::super::scope::{Scope, full_host};
use super::exported::Exported;
use super::headers;
use super::http_match::legacy_block;
use super::http_route::{HttpRoute, RouteAction, redirect, rewrite};
use super::service::what;
use super::service_entry::words;
use super::virtual_service::{MESH, VirtualService};
use crate::fields::Fields;
use crate::node::Node;

/// Time for a request where the rule says none, as its release had it.
const TIMEOUT: Duration = Duration::from_secs(15);

/// One rule, before those of a host are brought into order.
struct Rule<'a> {
    host: HostPattern,
    origin: &'a Origin,
    namespace: &'a str,
    what: String,
    precedence: i32,
    route: HttpRoute<'a>,
}

/// The rules of each external host, as the VirtualService they would be today.
pub(super) fn route_rules<'a>(objects: &Objects<'a>, scope: &Scope<'a>) -> Vec<VirtualService<'a>> {
    let mut rules: Vec<Rule<'a>> = objects
        .of_kind(Kind::RouteRule)
        .filter_map(|object| {
            object
                .spec(scope.report, |fields| rule(object, fields, scope))
                .flatten()
        })
        .collect();
    // Higher first; stable, so that equal ones stay in load order.
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.precedence));
    let mut services: Vec<VirtualService<'a>> = Vec::new();
    for rule in rules {
        let of_host = |service: &&mut VirtualService<'_>| {
            service.hosts.iter().any(|(host, _)| *host == rule.host)
        };
        match services.iter_mut().find(of_host) {
            Some(service) => service.http.push(rule.route),
            None => services.push(VirtualService {
                exported: Exported::ToAll,
                hosts: vec![(rule.host, rule.origin)],
                gateways: vec![MESH.into()],
                http: vec![rule.route],
                tls: Vec::new(),
                tcp: Vec::new(),
                namespace: rule.namespace,
                origin: rule.origin,
                what: rule.what,
            }),
        }
    }
    services
}

fn rule<'a>(object: &Object<'a>, fields: &Fields<'a>, scope: &Scope<'a>) -> Option<Rule<'a>> {
    let report = scope.report;
    refuse(
        fields,
        &[
            (
                "mirror",
                "a copy would leave that no policy was asked about: delete it",
            ),
            ("corsPolicy", "browsers do not come through here: delete it"),
            ("l4Fault", "delete it"),
        ],
    );
    fields.need("destination", "{ service: www.googleapis.com }");
    let destination = fields
        .take("destination")
        .and_then(|node| service(node, object, scope));
    let precedence = fields.number("precedence", 0..=i32::MAX).unwrap_or(0);
    fields.refuse_null(&["match", "redirect"]);
    let block = fields.take("match").and_then(|node| {
        Fields::read_restriction(node, report, |fields| {
            refuse(fields, &[
                ("tcp", "requests are matched by `request`"),
                ("udp", "requests are matched by `request`"),
            ]);
            let block = fields.take("request").and_then(|node| {
                Fields::read_restriction(node, report, |fields| {
                    legacy_block(words(fields, "headers"), fields.origin(), report)
                })
            });
            let mut block = block.unwrap_or_default();
            block.origin = Some(fields.origin());
            if let Some(entry) = fields.entry("source") {
                let message = "`source` cannot be honoured: a service's name is no identity; write a policy on principals";
                report.error(&entry.origin, message);
            }
            block
        })
    });
    // Weights and labels choose versions of a service in the mesh.
    let external = destination.as_ref().is_some_and(|host| is_external(host));
    if external {
        if let Some(entry) = fields.entry("route") {
            let message =
                "an external host has no versions: delete `route`, requests go to the host itself";
            report.error(&entry.origin, message);
        }
    } else {
        pass_over(fields, &["route"]);
    }
    let redirect = fields
        .take("redirect")
        .and_then(|node| Fields::read_proto(node, report, redirect));
    let (uri, host) = fields
        .take("rewrite")
        .and_then(|node| Fields::read_proto(node, report, rewrite))
        .unwrap_or_default();
    let timeout = simple(fields, "httpReqTimeout", "simpleTimeout", |fields| {
        duration(fields, "timeout")
    });
    let retries = simple(fields, "httpReqRetries", "simpleRetry", |fields| {
        pass_over(fields, &["perTryTimeout"]);
        fields.number("attempts", 0..=100)
    });
    if let Some(entry) = fields.entry("httpFault") {
        report.error(
            &entry.origin,
            "`httpFault` cannot be honoured: write a VirtualService with `fault`",
        );
    }
    let headers = headers::appended(fields);
    let upgrades = match fields.truth("websocketUpgrade") {
        Some(true) => Upgrades::WebSocket,
        Some(false) | None => Upgrades::Refused,
    };
    let destination = destination?;
    if !is_external(&destination) {
        let message = "this RouteRule chooses versions of a service in the mesh: it has no effect at a gateway";
        report.note(object.origin, message);
        return None;
    }
    Some(Rule {
        host: HostPattern::parse(&destination)
            .map_err(|error| report.error(object.origin, error.message()))
            .ok()?,
        origin: object.origin,
        namespace: object.namespace,
        what: what(object),
        precedence,
        route: HttpRoute {
            name: Some(object.name),
            blocks: block.into_iter().collect(),
            action: redirect.map_or(RouteAction::Own, RouteAction::Redirect),
            timeout: Some(timeout.unwrap_or(TIMEOUT)).filter(|timeout| !timeout.is_zero()),
            retries: Retries {
                attempts: retries.unwrap_or(0).min(10),
                ..Retries::default()
            },
            headers,
            rewrite_uri: uri,
            rewrite_host: host,
            fault: Fault::default(),
            upgrades,
            origin: object.origin,
        },
    })
}

/// The full name of an IstioService: `service`, or `name` in its namespace.
fn service(node: &Node, object: &Object<'_>, scope: &Scope<'_>) -> Option<String> {
    Fields::read_proto(node, scope.report, |fields| {
        let name = fields.text("name");
        let namespace = fields.text("namespace").unwrap_or(object.namespace);
        let domain = fields.text("domain").unwrap_or("svc.cluster.local");
        let service = fields.text("service");
        refuse(fields, &[("labels", "a rule is for a whole service")]);
        if name.is_none() && service.is_none() {
            fields.need("service", "www.googleapis.com");
        }
        match (service, name) {
            (Some(service), _) => Some(full_host(service, object.namespace)),
            (None, Some(name)) => Some(format!("{name}.{namespace}.{domain}")),
            (None, None) => None,
        }
    })
    .flatten()
}

fn is_external(host: &str) -> bool {
    !host.ends_with(".svc.cluster.local")
}

/// `{ simple…: { … } }`, as the release wrapped its settings.
fn simple<'a, T>(
    fields: &Fields<'a>,
    key: &'static str,
    inner: &'static str,
    read: impl Fn(&Fields<'a>) -> Option<T>,
) -> Option<T> {
    let node = fields.take(key)?;
    Fields::read_proto(node, fields.report, |fields| {
        refuse(fields, &[("custom", "write the simple form")]);
        let node = fields.take(inner)?;
        Fields::read_proto(node, fields.report, |fields| {
            refuse(
                fields,
                &[("overrideHeaderName", "callers do not choose it: delete it")],
            );
            read(fields)
        })
        .flatten()
    })
    .flatten()
}
