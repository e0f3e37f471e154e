//! TLSRoute: TLS that is not ended here, led by its server name.

use super::super::super::kind::Kind;
use super::super::super::object::Object;
use super::super::super::proto::pass_over;
use super::super::exported::Exported;
use super::super::service::what;
use super::super::virtual_service::{MESH, TlsBlock, TlsRoute, VirtualService};
use super::Context;
use super::http_route::hosts;
use super::parents::{Attached, Attachment};
use crate::fields::Fields;

/// Every TLSRoute where it attaches.
pub(super) fn virtual_services<'a>(context: &Context<'_, 'a>) -> Vec<VirtualService<'a>> {
    let all = context.objects.of_kind(Kind::TlsRoute);
    let read = all.filter_map(|object| {
        object.spec(context.scope.report, |fields| read(object, fields, context))
    });
    read.flatten().collect()
}

fn read<'a>(
    object: &Object<'a>,
    fields: &Fields<'a>,
    context: &Context<'_, 'a>,
) -> Vec<VirtualService<'a>> {
    let has_hosts = fields.need("hostnames", "[edition.cnn.com]").is_some();
    let hosts = hosts(fields, context);
    let attachments = match has_hosts {
        true => context.attachments(object, fields, &hosts),
        false => {
            // Told as missing, and no more.
            pass_over(fields, &["parentRefs"]);
            Vec::new()
        }
    };
    pass_over(fields, &["useDefaultGateways"]);
    fields.need("rules", "[{ backendRefs: [{ group: networking.istio.io, kind: Hostname, name: edition.cnn.com, port: 443 }] }]");
    let nodes = fields.many("rules").iter();
    let mut rules = nodes.filter_map(|node| {
        Fields::read_proto(node, fields.report, |fields| {
            fields.text("name");
            (context.backends(object, fields), fields.origin())
        })
    });
    // A TLSRoute asks for nothing but names, so that its first rule is its only.
    let Some((backends, origin)) = rules.next() else {
        return Vec::new();
    };
    for (_, origin) in rules {
        let message = "this rule is never reached: the first takes every connection";
        fields.report.warning(origin, message);
    }
    let shares = backends.shares;
    let service = |attachment: Attachment<'a>| {
        let (port, gateway, consumer) = match attachment.kind {
            Attached::Listener { port, gateway } => (Some(port), gateway.into(), None),
            Attached::Mesh { port, consumer } => (port, MESH.into(), consumer),
        };
        let names = match gateway == MESH {
            // Of a declared host the names that the route means.
            true => hosts.clone(),
            false => vec![(attachment.host.clone(), origin)],
        };
        let block = TlsBlock {
            server_names: names,
            port,
            gateways: None,
            source_labels: Vec::new(),
            source_namespace: consumer,
            origin,
        };
        VirtualService {
            exported: Exported::ToAll,
            hosts: vec![(attachment.host, object.origin)],
            gateways: vec![gateway],
            http: Vec::new(),
            tcp: Vec::new(),
            tls: vec![TlsRoute {
                blocks: vec![block],
                shares: shares.clone(),
                origin,
            }],
            namespace: object.namespace,
            origin: object.origin,
            what: what(object),
        }
    };
    attachments.into_iter().map(service).collect()
}
