//! Which DestinationRule holds for a host, and which BackendTLSPolicy where no
//! rule speaks of TLS.

use policy::pattern::HostPattern;

use super::super::kind::Kind;
use super::super::object::Objects;
use super::super::scope::Scope;
use super::destination_rule::{DestinationRule, rule};
use super::service::covers;

/// Every rule of a configuration.
#[derive(Debug)]
pub(super) struct DestinationRules<'a> {
    rules: Vec<DestinationRule<'a>>,
    /// What BackendTLSPolicies say, those for single ports first.
    backend_tls: Vec<DestinationRule<'a>>,
}

impl<'a> DestinationRules<'a> {
    pub(super) fn read(
        objects: &Objects<'a>,
        backend_tls: Vec<DestinationRule<'a>>,
        scope: &Scope<'a>,
    ) -> Self {
        let rules = objects.of_kind(Kind::DestinationRule).filter_map(|object| {
            object
                .spec(scope.report, |fields| rule(object, fields, objects, scope))
                .flatten()
        });
        Self {
            rules: rules.collect(),
            backend_tls,
        }
    }

    /// The rule for a host of `namespace`: of the gateway's own namespace, else
    /// the host's, else the root's; of these the most specific.
    pub(super) fn find(
        &self,
        host: &HostPattern,
        namespace: &str,
        scope: &Scope<'_>,
    ) -> Option<&DestinationRule<'a>> {
        in_order(namespace, scope)
            .into_iter()
            .find_map(|namespace| {
                let rules = self.rules.iter().filter(|rule| rule.namespace == namespace);
                let fitting = rules.filter(|rule| covers(&rule.host, host));
                fitting.reduce(|best, next| match covers(&best.host, &next.host) {
                    true => next,
                    false => best,
                })
            })
    }

    /// The BackendTLSPolicy for a port of a host, by the same namespaces.
    pub(super) fn backend_tls(
        &self,
        host: &HostPattern,
        namespace: &str,
        port: u16,
        scope: &Scope<'_>,
    ) -> Option<&DestinationRule<'a>> {
        in_order(namespace, scope)
            .into_iter()
            .find_map(|namespace| {
                let mut rules = self.backend_tls.iter();
                rules.find(|rule| {
                    rule.namespace == namespace
                        && covers(&rule.host, host)
                        && rule.speaks_of_tls(port)
                })
            })
    }
}

/// The namespaces whose rules hold for a host of `namespace`.
fn in_order<'n>(namespace: &'n str, scope: &'n Scope<'_>) -> [&'n str; 3] {
    let gateway = scope.gateway;
    [&gateway.namespace, namespace, &gateway.root_namespace]
}
