//! Names and labels by which objects mean a gateway, and what was probably meant
//! where none has them.

use super::super::kind::Kind;
use super::super::object::Objects;
use super::super::scope::Scope;
use super::gateway::Server;
use super::virtual_service::{MESH, VirtualService, is_gateway};
use crate::spelling::nearest;

/// Warns of names in `gateways` that no Gateway has; whether there were any.
pub(super) fn warn_unknown(
    service: &VirtualService<'_>,
    servers: &[Server<'_>],
    objects: &Objects<'_>,
    scope: &Scope<'_>,
) -> bool {
    let own = service.namespace;
    let mut any = false;
    for written in service.gateways.iter().filter(|written| *written != MESH) {
        let named = |namespace: &str, name: &str| is_gateway(written, own, namespace, name);
        let is_server = servers
            .iter()
            .any(|server| named(server.namespace.unwrap_or(own), &server.gateway));
        let mut gateways = objects.of_kind(Kind::Gateway);
        if is_server || gateways.any(|gateway| named(gateway.namespace, gateway.name)) {
            continue;
        }
        let Some(meant) = meant(written, own, objects, scope) else {
            continue;
        };
        any = true;
        let message = format!("there is no Gateway `{written}`: did you mean `{meant}`?");
        scope.report.warning(service.origin, message);
    }
    any
}

/// The Gateway of that name in another namespace, or of a name like it.
fn meant(written: &str, own: &str, objects: &Objects<'_>, scope: &Scope<'_>) -> Option<String> {
    let (namespace, name) = written.split_once('/').unwrap_or((own, written));
    let gateways = || objects.of_kind(Kind::Gateway);
    let in_words = |there: &str, name: &str| match there == own {
        true => name.to_owned(),
        false => format!("{there}/{name}"),
    };
    if !objects.have_gateway() {
        // Then there is one of our name, in every namespace.
        return nearest(name, [&*scope.gateway.name]).map(str::to_owned);
    }
    let elsewhere = gateways().find(|gateway| gateway.name == name);
    let like = || {
        let near = gateways().filter(|gateway| gateway.namespace == namespace);
        let found = nearest(name, near.map(|gateway| gateway.name))?;
        Some(in_words(namespace, found))
    };
    let elsewhere = elsewhere.map(|gateway| in_words(gateway.namespace, gateway.name));
    elsewhere.or_else(like)
}

/// A label of ours that a selector's label is a misspelling of.
pub(super) fn label_meant<'s>(
    key: &str,
    value: &str,
    scope: &'s Scope<'_>,
) -> Option<(&'s str, &'s str)> {
    let labels = &scope.gateway.labels;
    let label = |key: &str| {
        labels
            .get_key_value(key)
            .map(|(key, value)| (&**key, &**value))
    };
    // Those of the other gateway are like ours, and meant.
    let is_other = value.contains("ingress");
    match label(key) {
        Some((key, ours)) => nearest(value, [ours])
            .filter(|_| !is_other)
            .map(|ours| (key, ours)),
        None => {
            let key = nearest(key, labels.keys().map(|key| &**key))?;
            label(key).filter(|(_, ours)| *ours == value)
        }
    }
}
