//! Routes as a view sees them: which blocks apply there, and where they lead.

use std::sync::Arc;

use policy::destination::{
    Action, Changes, HeaderEdits, PathRewrite, Respond, Rewrite, Route, Weighted,
};
use policy::door::{Door, View};
use policy::origin::Origin;
use policy::pattern::HostPattern;
use policy::rule::Matcher;
use policy::source::{NamePattern, SourcePattern};

use super::super::scope::{Scope, full_host};
use super::astray::Astray;
use super::exported::Exported;
use super::headers::joined;
use super::http_match::{Block, Matched};
use super::http_route::{HttpRoute, RouteAction, Share};
use super::upstreams::{Carried, Upstreams};
use super::virtual_service::{MESH, VirtualService, is_gateway};
use crate::native::{UNNAMED, takes_everything};

/// Where routes are looked at from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Viewpoint<'v> {
    pub(super) door: Door,
    /// Namespace and name of the Gateway, in the gateway's view.
    pub(super) gateway: Option<(&'v str, &'v str)>,
}

impl Viewpoint<'_> {
    /// Whether a block that names gateways is for here.
    pub(super) fn is_named(&self, gateways: &[&str], own: &str) -> bool {
        match self.gateway {
            None => gateways.contains(&MESH),
            Some((namespace, name)) => gateways
                .iter()
                .any(|written| is_gateway(written, own, namespace, name)),
        }
    }

    /// Whether the labels and namespace that a block asks of its sources can be
    /// those here. `gateways` hides them (A.6, 2); a gateway compares them with
    /// its own, which says nothing of callers.
    pub(super) fn sources(
        &self,
        labels: &[(&str, &str)],
        namespace: Option<&str>,
        origin: &Origin,
        scope: &Scope<'_>,
    ) -> Option<Vec<SourcePattern>> {
        if self.door.view == View::Mesh {
            if !labels.is_empty() {
                let message = "`sourceLabels` never match: a caller's labels are not in his certificate; write `sourceNamespace`, or a policy on principals";
                scope.report.warning(origin, message);
                return None;
            }
            return Some(namespace.map(of_namespace).into_iter().collect());
        }
        if labels.is_empty() && namespace.is_none() {
            return Some(Vec::new());
        }
        let ours = &*scope.gateway.namespace;
        let applies = scope.selects(labels.iter().copied())
            && namespace.is_none_or(|namespace| namespace == ours);
        let effect = if applies {
            "always match"
        } else {
            "never match"
        };
        let message = format!(
            "`sourceLabels` and `sourceNamespace` are compared with the gateway's own here and {effect}: write a policy on principals"
        );
        scope.report.warning(origin, message);
        applies.then(Vec::new)
    }
}

fn of_namespace(namespace: &str) -> SourcePattern {
    SourcePattern::Workload {
        trust_domain: NamePattern::Any,
        namespace: NamePattern::Exact(namespace.into()),
        service_account: NamePattern::Any,
    }
}

/// The routes of a VirtualService for `host` behind a door. What stands behind
/// one that takes everything is never asked.
pub(super) fn routes(
    service: &VirtualService<'_>,
    host: &HostPattern,
    from: Viewpoint<'_>,
    upstreams: &mut Upstreams<'_, '_>,
    scope: &Scope<'_>,
) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for route in &service.http {
        let Some(matchers) = matchers(route, service, from, scope) else {
            continue;
        };
        if let Some(first) = routes.iter().find(|route| takes_everything(route)) {
            let message = format!(
                "this route is never reached: the one at {} takes every request",
                first.origin
            );
            scope.report.warning(route.origin, message);
            break;
        }
        let leads = Leads {
            service,
            host,
            door: from.door,
            scope,
        };
        let (action, headers) = leads.action(route, upstreams);
        let made = made(route, matchers, &action, &headers);
        let mut known = leads.known(route.shares(), upstreams);
        if let (RouteAction::Own, View::Mesh) = (&route.action, from.door.view) {
            known = known.and(&upstreams.exported(host));
        }
        routes.extend(
            made.into_iter()
                .filter_map(|route| known.route(route, scope)),
        );
    }
    routes
}

type Blocks = Vec<(Matcher, Matched)>;

/// The blocks that apply; nothing when there are some and none applies.
fn matchers(
    route: &HttpRoute<'_>,
    service: &VirtualService<'_>,
    from: Viewpoint<'_>,
    scope: &Scope<'_>,
) -> Option<Blocks> {
    let applying = route.blocks.iter().filter_map(|block| {
        let matcher = applying(block, service.namespace, from, scope, route.origin)?;
        Some((matcher, block.matched.clone()))
    });
    let applying: Blocks = applying.collect();
    (route.blocks.is_empty() || !applying.is_empty()).then_some(applying)
}

fn applying(
    block: &Block<'_>,
    namespace: &str,
    from: Viewpoint<'_>,
    scope: &Scope<'_>,
    route: &Origin,
) -> Option<Matcher> {
    if block.port.is_some_and(|port| port != from.door.port) {
        return None;
    }
    let sources = match &block.gateways {
        Some(gateways) => from.is_named(gateways, namespace).then(Vec::new)?,
        None => {
            let origin = block.origin.unwrap_or(route);
            from.sources(&block.source_labels, block.source_namespace, origin, scope)?
        }
    };
    Some(Matcher {
        from: sources.into(),
        ..block.matcher.clone()
    })
}

/// A rewrite takes the place of what a block matched: then each block is a
/// route of its own.
fn made(
    route: &HttpRoute<'_>,
    blocks: Blocks,
    action: &Action,
    headers: &HeaderEdits,
) -> Vec<Route> {
    let whole = |matchers: Vec<Matcher>, path: Option<PathRewrite>| Route {
        name: route.name.unwrap_or(UNNAMED).into(),
        matchers,
        action: action.clone(),
        timeout: route.timeout,
        retries: route.retries,
        changes: Changes {
            headers: headers.clone(),
            rewrite: Rewrite {
                path,
                host: route.rewrite_host.clone(),
            },
            fault: route.fault.clone(),
        }
        .kept(),
        upgrades: route.upgrades,
        max_body: None,
        origin: Arc::new(route.origin.clone()),
    };
    let Some(uri) = &route.rewrite_uri else {
        return vec![whole(
            blocks.into_iter().map(|(matcher, _)| matcher).collect(),
            None,
        )];
    };
    let path = |matched: &Matched| match matched {
        Matched::Whole => PathRewrite::Whole(uri.clone()),
        Matched::Beginning(from) => PathRewrite::Beginning {
            from: from.clone(),
            to: uri.clone(),
        },
        Matched::Segments(from) => PathRewrite::Prefix {
            from: from.clone(),
            to: uri.clone(),
        },
    };
    if blocks.is_empty() {
        return vec![whole(Vec::new(), Some(path(&Matched::Whole)))];
    }
    let one = |(matcher, matched): (Matcher, Matched)| whole(vec![matcher], Some(path(&matched)));
    blocks.into_iter().map(one).collect()
}

/// Where the routes of one host behind one door lead.
pub(super) struct Leads<'l, 'a> {
    pub(super) service: &'l VirtualService<'a>,
    pub(super) host: &'l HostPattern,
    pub(super) door: Door,
    pub(super) scope: &'l Scope<'a>,
}

impl Leads<'_, '_> {
    /// Whose sidecars know the object and all that `shares` lead to. A gateway
    /// knows what is read here.
    pub(super) fn known<'s>(
        &'s self,
        shares: &[Share<'_>],
        upstreams: &'s Upstreams<'_, '_>,
    ) -> Exported<'s> {
        if self.door.view == View::Gateway {
            return Exported::ToAll;
        }
        let hosts = shares.iter().filter_map(|share| {
            HostPattern::parse(&full_host(&share.host, self.service.namespace)).ok()
        });
        let known = self.service.exported.clone();
        hosts.fold(known, |known, host| known.and(&upstreams.exported(&host)))
    }

    fn action(
        &self,
        route: &HttpRoute<'_>,
        upstreams: &mut Upstreams<'_, '_>,
    ) -> (Action, HeaderEdits) {
        let own = route.headers.clone();
        match &route.action {
            RouteAction::Redirect(redirect) => (Action::Redirect(redirect.clone()), own),
            RouteAction::Respond(respond) => (Action::Respond(respond.clone()), own),
            RouteAction::Own => {
                let port = (self.door.view == View::Mesh).then_some(self.door.port);
                let lead = upstreams.lead(self.host, port, self.door.port, "", Carried::Http);
                let action = match lead {
                    Ok(weighted) => Action::Forward(weighted),
                    Err(astray) => self.astray(&astray, &self.host.to_string(), route.origin),
                };
                (action, own)
            }
            RouteAction::Route(shares) => self.shares(shares, own, route, upstreams),
        }
    }

    fn shares(
        &self,
        shares: &[Share<'_>],
        headers: HeaderEdits,
        route: &HttpRoute<'_>,
        upstreams: &mut Upstreams<'_, '_>,
    ) -> (Action, HeaderEdits) {
        let shares = weighed(shares);
        if let [only] = shares.as_slice() {
            let headers = joined(headers, only.headers.clone());
            return (self.only(only, route, upstreams), headers);
        }
        let mut weighted = Vec::new();
        for share in shares {
            if !share.headers.request.is_empty() || !share.headers.response.is_empty() {
                let message = "not supported yet: `headers` of one destination among several: write them in the route";
                self.scope.report.error(share.origin, message);
            }
            match self.lead(share, Carried::Http, upstreams) {
                Ok(lead) => weighted.extend(portions(&lead, share.weight)),
                Err(astray) => {
                    let message = astray.reason(&share.host);
                    self.scope.report.error(share.origin, message);
                }
            }
        }
        (Action::Forward(weighted), headers)
    }

    fn only(
        &self,
        share: &Share<'_>,
        route: &HttpRoute<'_>,
        upstreams: &mut Upstreams<'_, '_>,
    ) -> Action {
        let host = full_host(&share.host, self.service.namespace);
        if self.scope.is_our_service(&host) {
            return self.hop(share, route);
        }
        match self.lead(share, Carried::Http, upstreams) {
            Ok(weighted) => Action::Forward(weighted),
            Err(astray) => self.astray(&astray, &share.host, share.origin),
        }
    }

    /// The sidecar's way to this gateway goes on in the gateway's view.
    fn hop(&self, share: &Share<'_>, route: &HttpRoute<'_>) -> Action {
        let report = self.scope.report;
        let changes = [
            route.rewrite_uri.is_some() || route.rewrite_host.is_some(),
            !route.headers.request.is_empty() || !route.headers.response.is_empty(),
            !share.headers.request.is_empty() || !share.headers.response.is_empty(),
        ];
        if self.door.view == View::Mesh && changes.contains(&true) {
            let message = "a route of the mesh to this gateway changes nothing here: write the changes in the gateway's route";
            report.error(share.origin, message);
        }
        match share.port {
            Some(port) => Action::Hop(port),
            None => {
                report.error(
                    share.origin,
                    "the gateway has several ports: write `port: { number: 443 }`",
                );
                Action::Hop(self.door.port)
            }
        }
    }

    /// The upstreams of a share.
    pub(super) fn lead(
        &self,
        share: &Share<'_>,
        carried: Carried,
        upstreams: &mut Upstreams<'_, '_>,
    ) -> Result<Vec<Weighted>, Astray> {
        let host = full_host(&share.host, self.service.namespace);
        let host = HostPattern::parse(&host).map_err(|_| Astray::Undeclared)?;
        let way = upstreams.lead(&host, share.port, self.door.port, share.subset, carried)?;
        if carried == Carried::Http && upstreams.is_encrypted_unasked(&host, &way) {
            let message = format!(
                "different on purpose: the port of `{host}` is declared as one of TLS, and no DestinationRule says how HTTP is sent there: here it is encrypted and the host verified, where Istio sends plain text"
            );
            self.scope.report.note(share.origin, message);
        }
        Ok(way)
    }

    /// As Envoy answers where a cluster does not exist.
    fn astray(&self, astray: &Astray, host: &str, origin: &Origin) -> Action {
        let message = format!(
            "{}: until then requests are answered 503",
            astray.reason(host)
        );
        self.scope.report.warning(origin, message);
        Action::Respond(Respond {
            status: 503,
            body: "".into(),
        })
    }
}

/// Those that have a share at all: without weights the only one, or all alike.
pub(super) fn weighed<'s, 'a>(shares: &'s [Share<'a>]) -> Vec<&'s Share<'a>> {
    let some = shares.iter().any(|share| share.weight > 0);
    shares
        .iter()
        .filter(|share| !some || share.weight > 0)
        .collect()
}

/// A share divided among the upstreams of its host.
pub(super) fn portions(lead: &[Weighted], weight: u32) -> Vec<Weighted> {
    let portion = |one: &Weighted| Weighted {
        upstream: one.upstream,
        weight: one.weight.saturating_mul(weight.max(1)),
    };
    lead.iter().map(portion).collect()
}
