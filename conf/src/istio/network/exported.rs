//! `exportTo`: which namespaces know an object.
//!
//! A gateway knows what is exported to its own namespace. The sidecars' view is
//! everybody's, so that there an object is one for the callers of the namespaces
//! it is exported to.

use policy::destination::Route;
use policy::rule::Matcher;
use policy::source::{NamePattern, SourcePattern};

use super::super::object::Object;
use super::super::scope::Scope;
use crate::fields::{Fields, text};

/// Whose sidecars know an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Exported<'a> {
    #[default]
    ToAll,
    /// Those of these namespaces; of none: nobody's.
    To(Vec<&'a str>),
}

/// To whom an object is exported; nothing where this gateway is not among them,
/// which is told.
pub(super) fn exported<'a>(
    object: &Object<'a>,
    fields: &Fields<'a>,
    scope: &Scope<'a>,
) -> Option<Exported<'a>> {
    // Without its value everybody would know it.
    fields.refuse_null(&["exportTo"]);
    let nodes = fields.many("exportTo").iter();
    let to = nodes.filter_map(|node| match text(node, scope.report)? {
        "." => Some(object.namespace),
        named => Some(named),
    });
    let to: Vec<&str> = to.collect();
    let ours = &*scope.gateway.namespace;
    if to.is_empty() || to.contains(&"*") {
        return Some(Exported::ToAll);
    }
    if to.contains(&ours) {
        return Some(Exported::To(to));
    }
    let kind = object.kind.name();
    let message =
        format!("this {kind} is not exported to `{ours}`, the gateway's namespace: passed over");
    scope.report.note(object.origin, message);
    None
}

impl<'a> Exported<'a> {
    /// Who knows both.
    pub(super) fn and(self, other: &Self) -> Self {
        match (self, other) {
            (Self::ToAll, other) => other.clone(),
            (one, Self::ToAll) => one,
            (Self::To(one), Self::To(other)) => {
                Self::To(one.into_iter().filter(|ns| other.contains(ns)).collect())
            }
        }
    }

    /// Of the callers `from` (empty: everybody) those who know it; nothing where
    /// nobody does.
    pub(super) fn callers(
        &self,
        from: &[SourcePattern],
        scope: &Scope<'_>,
    ) -> Option<Vec<SourcePattern>> {
        let Self::To(namespaces) = self else {
            return Some(from.to_vec());
        };
        let local = scope.local.iter();
        let known = namespaces.iter().flat_map(|namespace| {
            local
                .clone()
                .map(move |domain| of_namespace(domain, namespace))
        });
        let known: Vec<SourcePattern> = match from {
            [] => known.collect(),
            from => known
                .filter(|one| from.iter().any(|f| is_of(one, f)))
                .collect(),
        };
        (!known.is_empty()).then_some(known)
    }

    /// A route for those alone who know what it is made of; nothing where nobody
    /// does.
    pub(super) fn route(&self, mut route: Route, scope: &Scope<'_>) -> Option<Route> {
        if *self == Self::ToAll {
            return Some(route);
        }
        if route.matchers.is_empty() {
            route.matchers.push(Matcher::default());
        }
        let matchers = route.matchers.into_iter().filter_map(|matcher| {
            let from = self.callers(&matcher.from, scope)?.into();
            Some(Matcher { from, ..matcher })
        });
        route.matchers = matchers.collect();
        (!route.matchers.is_empty()).then_some(route)
    }
}

fn of_namespace(domain: &str, namespace: &str) -> SourcePattern {
    SourcePattern::Workload {
        trust_domain: NamePattern::Exact(domain.into()),
        namespace: NamePattern::Exact(namespace.into()),
        service_account: NamePattern::Any,
    }
}

/// Whether `one` is of the namespace that `asked` asks for, as `sourceNamespace`
/// does.
fn is_of(one: &SourcePattern, asked: &SourcePattern) -> bool {
    let namespace = |source: &SourcePattern| match source {
        SourcePattern::Workload { namespace, .. } => Some(namespace.clone()),
        _ => None,
    };
    namespace(asked).is_some() && namespace(one) == namespace(asked)
}
