//! The gateway's view: VirtualServices bound to Gateways that select us, at the
//! ports and for the hosts of their servers.

use policy::destination::Weighted;
use policy::door::Door;
use policy::origin::Origin;
use policy::pattern::HostPattern;

use super::super::object::Objects;
use super::super::scope::{Scope, full_host};
use super::drafts::Drafts;
use super::exported::Exported;
use super::gateway::{Server, ServerHost, ServerMode};
use super::gateway_names;
use super::http_route::Share;
use super::routes::{Leads, Viewpoint, portions, routes, weighed};
use super::service::narrower;
use super::tcp_view;
use super::upstreams::{Carried, Upstreams};
use super::virtual_service::{TlsRoute, VirtualService};

/// What this gateway serves.
pub(super) fn drafts(
    servers: &[Server<'_>],
    services: &[VirtualService<'_>],
    upstreams: &mut Upstreams<'_, '_>,
    scope: &Scope<'_>,
) -> Drafts {
    let mut drafts = Drafts::default();
    for server in servers {
        let door = Door::gateway(server.port);
        for service in services
            .iter()
            .filter(|service| server.is_named_by(service))
        {
            let namespace = server.namespace.unwrap_or(service.namespace);
            let from = Viewpoint {
                door,
                gateway: Some((namespace, &server.gateway)),
            };
            remark_of_kind(server, service, scope);
            tcp_view::at_server(server, service, from, &mut drafts, upstreams, scope);
            for host in server.shared_hosts(service) {
                match server.mode {
                    ServerMode::PlainTcp => {}
                    ServerMode::Passthrough | ServerMode::Tcp => {
                        pass(service, host, from, None, &mut drafts, upstreams, scope);
                    }
                    ServerMode::Mutual | ServerMode::Plaintext => {
                        let routes = routes(service, host, from, upstreams, scope);
                        drafts.add(door, host, service.origin, routes);
                    }
                }
            }
        }
    }
    drafts
}

/// TLS routes of a host of a server that leaves TLS alone. `gateway` is what this
/// gateway serves, for the sidecars' way to it.
pub(super) fn pass(
    service: &VirtualService<'_>,
    host: &HostPattern,
    from: Viewpoint<'_>,
    gateway: Option<&Drafts>,
    drafts: &mut Drafts,
    upstreams: &mut Upstreams<'_, '_>,
    scope: &Scope<'_>,
) {
    for route in &service.tls {
        for name in server_names(route, service, from, scope) {
            let Some(name) = narrower(&name, host) else {
                continue;
            };
            // The first route for a name is the only one, if it leads nowhere too.
            if drafts.is_settled(from.door, name) {
                continue;
            }
            let weighted = passage(service, route, name, from, gateway, upstreams, scope);
            match weighted.is_empty() {
                true => drafts.close(from.door, name, route.origin),
                false => drafts.pass(from.door, name, weighted, route.origin),
            }
        }
    }
}

/// The server names of a TLS route that apply from a viewpoint.
fn server_names(
    route: &TlsRoute<'_>,
    service: &VirtualService<'_>,
    from: Viewpoint<'_>,
    scope: &Scope<'_>,
) -> Vec<HostPattern> {
    let applying = route.blocks.iter().filter(|block| {
        let named = block.gateways.as_ref();
        let here = match named {
            Some(gateways) => from.is_named(gateways, service.namespace),
            None => {
                let (labels, namespace) = (&block.source_labels, block.source_namespace);
                let sources = from.sources(labels, namespace, block.origin, scope);
                if sources.as_ref().is_some_and(|sources| !sources.is_empty()) {
                    let message = "not supported yet: `sourceNamespace` of a TLS route: write a policy on principals";
                    scope.report.error(block.origin, message);
                }
                sources.is_some()
            }
        };
        here && block.port.is_none_or(|port| port == from.door.port)
    });
    let names = applying.flat_map(|block| &block.server_names);
    names.map(|(name, _)| name.clone()).collect()
}

/// Where a TLS route leads one name.
fn passage(
    service: &VirtualService<'_>,
    route: &TlsRoute<'_>,
    name: &HostPattern,
    from: Viewpoint<'_>,
    gateway: Option<&Drafts>,
    upstreams: &mut Upstreams<'_, '_>,
    scope: &Scope<'_>,
) -> Vec<Weighted> {
    let leads = Leads {
        service,
        host: name,
        door: from.door,
        scope,
    };
    if leads.known(&route.shares, upstreams) != Exported::ToAll {
        warn_unasked(route.origin, scope);
        return Vec::new();
    }
    let mut weighted = Vec::new();
    for share in weighed(&route.shares) {
        let host = full_host(&share.host, service.namespace);
        if let (Some(gateway), true) = (gateway, scope.is_our_service(&host)) {
            let lead = hop(share, name, gateway, scope).unwrap_or_default();
            weighted.extend(portions(lead, share.weight));
            continue;
        }
        match leads.lead(share, Carried::Tls, upstreams) {
            Ok(lead) => weighted.extend(portions(&lead, share.weight)),
            Err(astray) => {
                let reason = astray.reason(&share.host);
                let message = format!("{reason}: until then connections are refused");
                scope.report.warning(share.origin, message);
            }
        }
    }
    weighted
}

/// Of TLS that passes through, no route asks who calls.
pub(super) fn warn_unasked(origin: &Origin, scope: &Scope<'_>) {
    let message = "not supported yet: `exportTo` of what TLS passes through to, in the sidecars' view: until then connections are refused; write `exportTo: [\"*\"]`, and policies on principals";
    scope.report.warning(origin, message);
}

/// The sidecar's way to this gateway goes on as the gateway leads the name.
fn hop<'g>(
    share: &Share<'_>,
    name: &HostPattern,
    gateway: &'g Drafts,
    scope: &Scope<'_>,
) -> Option<&'g [Weighted]> {
    let Some(port) = share.port else {
        let message = "the gateway has several ports: write `port: { number: 443 }`";
        scope.report.error(share.origin, message);
        return None;
    };
    let led = gateway.passage(Door::gateway(port), name);
    if led.is_none() {
        let message = format!(
            "the gateway passes no TLS for `{name}` on at port {port}: until then connections are refused; write a `tls` route that names the Gateway"
        );
        scope.report.warning(share.origin, message);
    }
    led
}

impl Server<'_> {
    /// Whether a VirtualService names the Gateway of this server.
    pub(super) fn is_named_by(&self, service: &VirtualService<'_>) -> bool {
        // Where there is no Gateway object, there is one in every namespace.
        let namespace = self.namespace.unwrap_or(service.namespace);
        service.names(namespace, &self.gateway)
    }

    /// The hosts that both serve: of two patterns the narrower.
    pub(super) fn shared_hosts<'h>(
        &'h self,
        service: &'h VirtualService<'_>,
    ) -> Vec<&'h HostPattern> {
        let mut shared: Vec<&HostPattern> = Vec::new();
        for (host, _) in &service.hosts {
            for ours in self.hosts.iter().filter(|ours| ours.is_for(service)) {
                match narrower(host, &ours.host) {
                    Some(host) if !shared.contains(&host) => shared.push(host),
                    Some(_) | None => {}
                }
            }
        }
        shared
    }
}

impl ServerHost<'_> {
    fn is_for(&self, service: &VirtualService<'_>) -> bool {
        let namespaces = self.namespaces.as_ref();
        namespaces.is_none_or(|all| all.contains(&service.namespace))
    }
}

/// Tells where a server carries something else than what is routed.
fn remark_of_kind(server: &Server<'_>, service: &VirtualService<'_>, scope: &Scope<'_>) {
    let (http, tls, tcp) = (
        !service.http.is_empty(),
        !service.tls.is_empty(),
        !service.tcp.is_empty(),
    );
    let (served, words, instead) = match server.mode {
        ServerMode::Mutual | ServerMode::Plaintext => {
            (http, "HTTP", "for `tls` and `tcp` routes `protocol: TLS`")
        }
        ServerMode::Passthrough => (
            tls,
            "TLS that passes through",
            "for `tcp` routes `mode: ISTIO_MUTUAL`",
        ),
        ServerMode::Tcp => (tls || tcp, "bytes", "for `http` routes `protocol: HTTPS`"),
        ServerMode::PlainTcp => (tcp, "bytes", "`tcp` routes, or another protocol"),
    };
    if !served && (http || tls || tcp) {
        let what = &service.what;
        let message = format!(
            "nothing of {what} has an effect at port {} of the Gateway, which carries {words}: write {instead}",
            server.port
        );
        scope.report.warning(service.origin, message);
    }
}

/// Tells which objects have no effect, and why.
pub(super) fn remark(
    servers: &[Server<'_>],
    services: &[VirtualService<'_>],
    has_mesh: bool,
    objects: &Objects<'_>,
    scope: &Scope<'_>,
) {
    for service in services {
        let is_misspelt = gateway_names::warn_unknown(service, servers, objects, scope);
        let bound = servers.iter().filter(|server| server.is_named_by(service));
        let mut bound = bound.peekable();
        if service.is_for_mesh() && has_mesh {
            continue;
        }
        let what = &service.what;
        if bound.peek().is_none() {
            if is_misspelt {
                continue;
            }
            let gateways = service.gateways.join("`, `");
            let message = match service.is_for_mesh() {
                true => format!("{what} is for sidecars, and no listener here is one: passed over"),
                false => format!(
                    "{what} names the gateways `{gateways}`, none of which is this one: passed over"
                ),
            };
            scope.report.note(service.origin, message);
        } else if bound.all(|server| server.shared_hosts(service).is_empty()) {
            let message =
                format!("{what} has no host that its Gateway serves: write the host in both");
            scope.report.warning(service.origin, message);
        }
    }
    for server in servers {
        let bound = || {
            services
                .iter()
                .filter(|service| server.is_named_by(service))
        };
        for host in &server.hosts {
            let Some(origin) = host.origin else { continue };
            let served = bound()
                .filter(|service| host.is_for(service))
                .any(|service| {
                    service
                        .hosts
                        .iter()
                        .any(|(theirs, _)| narrower(theirs, &host.host).is_some())
                });
            if !served {
                let message = "no route serves this host: write one that names this Gateway";
                scope.report.warning(origin, message);
            }
        }
    }
}
