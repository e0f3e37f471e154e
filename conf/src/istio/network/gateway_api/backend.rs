//! `backendRefs`: where a route leads. A reference that leads nowhere costs its
//! share of the requests a 500, and no other reference takes them over.

use std::borrow::Cow;

use policy::destination::{Fault, Respond, Share as Percent};
use policy::pattern::HostPattern;

use super::super::super::object::Object;
use super::super::http_route::{RouteAction, Share};
use super::filters;
use super::grants::Reference;
use super::{Context, ISTIO};
use crate::fields::Fields;

/// The status of what leads nowhere.
const NOWHERE: u16 = 500;

/// What the references of a rule come to.
#[derive(Debug, Default)]
pub(super) struct Backends<'a> {
    pub(super) shares: Vec<Share<'a>>,
    /// The weight of those that lead nowhere.
    lost: u32,
}

/// One `backendRef`.
struct Backend<'a> {
    group: &'a str,
    kind: &'a str,
    name: &'a str,
    namespace: &'a str,
    port: Option<u16>,
}

impl<'a> Backends<'a> {
    /// What a route to them does, and the share of it that fails.
    pub(super) fn action(self) -> (RouteAction<'a>, Fault) {
        if self.shares.is_empty() {
            let respond = Respond {
                status: NOWHERE,
                body: "".into(),
            };
            return (RouteAction::Respond(respond), Fault::default());
        }
        let kept = self.shares.iter().map(|share| f64::from(share.weight));
        let lost = f64::from(self.lost);
        let share = Percent::percent(100.0 * lost / (lost + kept.sum::<f64>()));
        let fault = Fault {
            abort: share
                .filter(|_| self.lost > 0)
                .map(|share| (share, NOWHERE)),
            ..Fault::default()
        };
        (RouteAction::Route(self.shares), fault)
    }
}

impl<'a> Context<'_, 'a> {
    /// Reads `backendRefs` of a rule.
    pub(super) fn backends(&self, object: &Object<'a>, fields: &Fields<'a>) -> Backends<'a> {
        let mut backends = Backends::default();
        for node in fields.many("backendRefs") {
            Fields::read_proto(node, fields.report, |fields| {
                self.backend(object, fields, &mut backends);
            });
        }
        backends
    }

    fn backend(&self, object: &Object<'a>, fields: &Fields<'a>, backends: &mut Backends<'a>) {
        fields.need("name", "edition.cnn.com");
        let backend = Backend {
            group: fields.text("group").unwrap_or_default(),
            kind: fields.text("kind").unwrap_or("Service"),
            name: fields.text("name").unwrap_or_default(),
            namespace: fields.text("namespace").unwrap_or(object.namespace),
            port: fields.number("port", 1..=u16::MAX),
        };
        let weight = fields.number("weight", 0..=1_000_000).unwrap_or(1);
        let headers = filters::of_backend(fields);
        if weight == 0 {
            return;
        }
        match self.host_of(object, &backend) {
            Ok(host) => backends.shares.push(Share {
                host,
                subset: "",
                port: backend.port,
                weight,
                headers,
                origin: fields.origin(),
            }),
            Err(why) => {
                backends.lost = backends.lost.saturating_add(weight);
                let message = format!("{why}: until then its requests are answered {NOWHERE}");
                fields.report.warning(fields.origin(), message);
            }
        }
    }

    /// The host of a reference; else why it leads nowhere.
    fn host_of(&self, object: &Object<'a>, backend: &Backend<'a>) -> Result<Cow<'a, str>, String> {
        let Backend {
            group,
            kind,
            name,
            namespace,
            port,
        } = *backend;
        let host: Cow<'a, str> = match (group, kind) {
            (ISTIO, "Hostname") => name.into(),
            ("" | "core", "Service") => format!("{name}.{namespace}.svc.cluster.local").into(),
            _ => {
                return Err(format!(
                    "a `{kind}` of `{group}` is nothing that requests can be led to: write `group: {ISTIO}`, `kind: Hostname`"
                ));
            }
        };
        let reference = Reference {
            from: (object.kind.name(), object.namespace),
            group,
            kind,
            namespace,
            name,
        };
        // A host belongs to no namespace.
        if kind == "Service" && !self.grants.allow(reference) {
            return Err(format!(
                "`{name}` is of the namespace `{namespace}`, which does not grant it: write a ReferenceGrant there"
            ));
        }
        if self.scope.is_our_service(&host) {
            return Ok(host);
        }
        let at = port.map_or(String::new(), |port| format!(" with port {port}"));
        match HostPattern::parse(&host) {
            Ok(pattern) if self.declares(&pattern, port) => Ok(host),
            _ => Err(format!(
                "no object declares `{host}`{at}: write a ServiceEntry"
            )),
        }
    }
}
