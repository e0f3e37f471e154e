//! What objects are read against: who this gateway is, and what the native
//! format says of everything it does not say itself.

use std::time::Duration;

use policy::authoriser::Authoriser;
use policy::canonical::PathProfile;
use policy::destination::Reach;
use policy::rule::DefaultPolicy;

use crate::remote::KnownLists;
use crate::report::Report;
use crate::snapshot::{GatewayName, Listener};

/// See the module.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) report: &'a Report,
    pub(super) gateway: &'a GatewayName,
    /// The mesh's own trust domain and its aliases.
    pub(super) local: &'a [Box<str>],
    /// The Service that Istio makes of the Gateway object of our name, if there
    /// is one.
    pub(super) deployed: Option<String>,
    /// Which addresses upstreams may have.
    pub(super) reach: &'a Reach,
    pub(super) profile: PathProfile,
    pub(super) connect_timeout: Duration,
    /// What was fetched of lists kept elsewhere.
    pub(super) lists: &'a KnownLists,
    /// Those that native documents and MeshConfig describe.
    pub(super) authorisers: &'a [Authoriser],
    /// The sockets that native documents ask for, or Gateways.
    pub(super) listeners: &'a [Listener],
    /// Whether connections pass of which nothing but a name is known.
    pub(super) has_tunnels: bool,
    /// What becomes of requests no rule speaks of, before any object allows.
    pub(super) default_policy: DefaultPolicy,
}

impl Scope<'_> {
    /// Whether a selector's labels are all labels of this gateway.
    pub(super) fn selects<'s>(
        &self,
        selector: impl IntoIterator<Item = (&'s str, &'s str)>,
    ) -> bool {
        selector.into_iter().all(|(key, value)| {
            let labels = &self.gateway.labels;
            labels.get(key).is_some_and(|ours| **ours == *value)
        })
    }

    /// Whether whoever runs the gateway writes the objects of a namespace: the
    /// gateway's own, or the mesh's root.
    pub(super) fn is_of_operator(&self, namespace: &str) -> bool {
        let gateway = self.gateway;
        [&gateway.namespace, &gateway.root_namespace]
            .into_iter()
            .any(|of_operator| **of_operator == *namespace)
    }

    /// `istio-egressgateway.istio-system.svc.cluster.local`: the names by which
    /// routes of the mesh lead to this gateway.
    pub(super) fn is_our_service(&self, host: &str) -> bool {
        let gateway = self.gateway;
        let Some((name, rest)) = host.split_once('.') else {
            return false;
        };
        if *name != *gateway.name && Some(name) != self.deployed.as_deref() {
            return false;
        }
        let rest = rest.strip_prefix(&*gateway.namespace);
        matches!(rest, Some("" | ".svc"))
            || rest
                .and_then(|rest| rest.strip_prefix(".svc."))
                .is_some_and(|domain| domain == "cluster.local" || self.is_local(domain))
    }

    fn is_local(&self, domain: &str) -> bool {
        self.local.iter().any(|local| **local == *domain)
    }
}

/// The full name of a service that an object of `namespace` names: one label
/// alone is a service of that namespace.
pub(super) fn full_host(host: &str, namespace: &str) -> String {
    match host.contains('.') || host.contains('*') {
        true => host.to_ascii_lowercase(),
        false => format!(
            "{}.{namespace}.svc.cluster.local",
            host.to_ascii_lowercase()
        ),
    }
}
