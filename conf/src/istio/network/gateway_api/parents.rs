//! `parentRefs`: what a route attaches to, a Gateway's listeners or the hosts of
//! a ServiceEntry.

use policy::origin::Origin;
use policy::pattern::HostPattern;

use super::super::super::kind::Kind;
use super::super::super::object::Object;
use super::super::service::{narrower, what};
use super::gateway::ApiListener;
use super::{Context, GROUP, ISTIO};
use crate::fields::Fields;

/// Where a route takes effect: a host behind a door.
#[derive(Debug)]
pub(super) struct Attachment<'a> {
    pub(super) host: HostPattern,
    pub(super) kind: Attached<'a>,
}

/// To what.
#[derive(Debug)]
pub(super) enum Attached<'a> {
    /// A listener, by its port and the gateway's name in routes.
    Listener { port: u16, gateway: String },
    /// A declared host, in the sidecars' view.
    Mesh {
        /// The only port meant.
        port: Option<u16>,
        /// Whose requests alone, when a route is not of the entry's namespace.
        consumer: Option<&'a str>,
    },
}

/// One `parentRef`.
struct Parent<'a> {
    group: &'a str,
    kind: &'a str,
    name: &'a str,
    namespace: &'a str,
    section: Option<&'a str>,
    port: Option<u16>,
    origin: &'a Origin,
}

impl<'a> Context<'_, 'a> {
    /// Where a route of `hosts` (empty: of whatever its parents serve) attaches.
    pub(super) fn attachments(
        &self,
        object: &Object<'a>,
        fields: &Fields<'a>,
        hosts: &[(HostPattern, &'a Origin)],
    ) -> Vec<Attachment<'a>> {
        fields.need("parentRefs", "[{ name: istio-egressgateway }]");
        let nodes = fields.many("parentRefs").iter();
        let parents = nodes.filter_map(|node| {
            Fields::read_restriction(node, fields.report, |fields| parent(fields, object)).flatten()
        });
        let mut attachments = Vec::new();
        for parent in parents {
            match (parent.group, parent.kind) {
                (GROUP, "Gateway") => {
                    attachments.extend(self.of_gateway(object, &parent, hosts));
                }
                (ISTIO, "ServiceEntry") => {
                    attachments.extend(self.of_entry(object, &parent, hosts));
                }
                (_, kind) => {
                    let (what, name) = (what(object), parent.name);
                    let message = format!(
                        "{what} attaches to the {kind} `{name}`, which says nothing to a gateway: passed over"
                    );
                    self.scope.report.note(parent.origin, message);
                }
            }
        }
        attachments
    }

    fn of_gateway(
        &self,
        object: &Object<'a>,
        parent: &Parent<'a>,
        hosts: &[(HostPattern, &'a Origin)],
    ) -> Vec<Attachment<'a>> {
        let report = self.scope.report;
        let (name, namespace) = (parent.name, parent.namespace);
        if self
            .objects
            .named(Kind::ApiGateway, namespace, name)
            .is_none()
        {
            let message = format!(
                "there is no Gateway `{name}` in `{namespace}`: write it, or its namespace"
            );
            report.warning(parent.origin, message);
            return Vec::new();
        }
        let of_gateway = |listener: &&ApiListener<'a>| {
            listener.gateway == name && listener.namespace == namespace
        };
        let mut ours = self.listeners.iter().filter(of_gateway).peekable();
        if ours.peek().is_none() {
            let message = format!(
                "{} attaches to the Gateway `{name}`, which is not this one: passed over",
                what(object)
            );
            report.note(parent.origin, message);
            return Vec::new();
        }
        let meant = ours.filter(|listener| {
            parent
                .section
                .is_none_or(|section| section == listener.name)
                && parent.port.is_none_or(|port| port == listener.port)
                && listener.admits(object.kind, object.namespace)
        });
        let meant: Vec<_> = meant.collect();
        let attachments: Vec<_> = meant
            .iter()
            .flat_map(|listener| of_listener(listener, hosts))
            .collect();
        if attachments.is_empty() {
            let message = match meant.is_empty() {
                true => format!(
                    "no listener of the Gateway `{name}` takes this route: write its `sectionName`, or `allowedRoutes` there"
                ),
                false => format!(
                    "no `hostname` of the Gateway `{name}` is one of this route: write the host in both"
                ),
            };
            report.warning(parent.origin, message);
        }
        attachments
    }

    fn of_entry(
        &self,
        object: &Object<'a>,
        parent: &Parent<'a>,
        hosts: &[(HostPattern, &'a Origin)],
    ) -> Vec<Attachment<'a>> {
        let report = self.scope.report;
        let (name, namespace) = (parent.name, parent.namespace);
        let entry = self.objects.named(Kind::ServiceEntry, namespace, name);
        let Some(entry) = entry else {
            let message = format!(
                "there is no ServiceEntry `{name}` in `{namespace}`: write it, or its namespace"
            );
            report.warning(parent.origin, message);
            return Vec::new();
        };
        if let (Some((_, origin)), Kind::HttpRoute) = (hosts.first(), object.kind) {
            let message =
                "`hostnames` say nothing beside a ServiceEntry, whose hosts are meant: delete them";
            report.warning(origin, message);
        }
        let consumer = (namespace != object.namespace).then_some(object.namespace);
        let of_entry = self.declared_at(entry.origin);
        let attachments = of_entry.map(|service| {
            let section = parent.section.and_then(|section| {
                let mut ports = service.ports.iter();
                ports.find(|port| port.name == section)
            });
            // A name that no port has is no port, and not every port.
            let named = section.map_or(0, |port| port.number);
            let port = parent.section.map(|_| named).or(parent.port);
            Attachment {
                host: service.host.clone(),
                kind: Attached::Mesh { port, consumer },
            }
        });
        attachments.collect()
    }
}

/// The hosts that both serve: of two patterns the narrower.
fn of_listener<'a>(
    listener: &ApiListener<'a>,
    hosts: &[(HostPattern, &'a Origin)],
) -> Vec<Attachment<'a>> {
    let attachment = |host: &HostPattern| Attachment {
        host: host.clone(),
        kind: Attached::Listener {
            port: listener.port,
            gateway: format!("{}/{}", listener.namespace, listener.server_name()),
        },
    };
    if hosts.is_empty() {
        return vec![attachment(&listener.host)];
    }
    let shared = hosts
        .iter()
        .filter_map(|(host, _)| narrower(host, &listener.host));
    shared.map(attachment).collect()
}

fn parent<'a>(fields: &Fields<'a>, object: &Object<'a>) -> Option<Parent<'a>> {
    fields.need("name", "istio-egressgateway");
    let group = fields.text("group").unwrap_or(GROUP);
    let kind = fields.text("kind").unwrap_or("Gateway");
    let namespace = fields.text("namespace").unwrap_or(object.namespace);
    let section = fields.text("sectionName");
    let port = fields.number("port", 1..=u16::MAX);
    Some(Parent {
        group,
        kind,
        name: fields.text("name")?,
        namespace,
        section,
        port,
        origin: fields.origin(),
    })
}
