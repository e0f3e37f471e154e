//! Which DestinationRule holds for a host, and which BackendTLSPolicy where no
//! rule speaks of TLS.

use std::collections::HashMap;

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
        let mut rules: Vec<DestinationRule<'a>> = Vec::new();
        let mut known: HashMap<(HostPattern, &str), usize> = HashMap::new();
        for object in objects.of_kind(Kind::DestinationRule) {
            let read = |fields: &_| rule(object, fields, objects, scope);
            let Some(read) = object.spec(scope.report, read).flatten() else {
                continue;
            };
            let key = (read.host.clone(), read.namespace);
            let next = rules.len();
            let first = *known.entry(key).or_insert(next);
            match rules.get_mut(first) {
                None => rules.push(read),
                Some(first) => {
                    let message = format!(
                        "the DestinationRule at {} is for the same host and speaks first; this one adds what that does not say: make them one",
                        first.origin
                    );
                    scope.report.warning(object.origin, message);
                    first.merge(read);
                }
            }
        }
        Self { rules, backend_tls }
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
