//! RBAC of 2018 (rbac.istio.io/v1alpha1): roles say what may be done, bindings
//! who may do it, and one object says where that is asked at all.
//!
//! Roles named the services of the mesh. Seen from an egress gateway these are
//! the hosts outside, by which requests are judged here; the gateway's own
//! service stands for all of them.

mod binding;
mod config;
mod role;

use ::policy::rule::Rule;

use super::super::kind::Kind;
use super::super::object::Objects;
use super::super::scope::Scope;
use super::Open;
use super::target::Target;
use config::Covers;

/// The kinds that say nothing while RBAC is off.
const IDLE: [Kind; 2] = [Kind::ServiceRole, Kind::ServiceRoleBinding];

/// The rules of every binding. `is_ruled`: an `AuthorizationPolicy` speaks of
/// this gateway.
pub(super) fn lower(
    objects: &Objects<'_>,
    scope: &Scope<'_>,
    is_ruled: bool,
    open: &mut Open,
) -> Vec<Rule> {
    let off = "RBAC is off here, so this does nothing: write a ClusterRbacConfig that turns it on";
    let idle = || IDLE.into_iter().flat_map(|kind| objects.of_kind(kind));
    let config = config::read(objects, scope);
    let Some((config, covers)) = config.filter(|(_, covers)| *covers != Covers::Nothing) else {
        idle().for_each(|object| scope.report.note(object.origin, off));
        return Vec::new();
    };
    // Istio let the newer kind take the place of the older one, and with it of
    // what the older one refuses.
    if is_ruled {
        let message = "an AuthorizationPolicy speaks of this gateway too, and the two do not add up: delete this object and its roles, or those policies";
        scope.report.error(config.origin, message);
    }
    match covers {
        Covers::Nothing => {}
        Covers::Everything => open.close(&Target::Everything, config.origin),
        Covers::Hosts(hosts) => open.close(&Target::Hosts(hosts), config.origin),
        Covers::AllBut(hosts) => open.keep(hosts, config.origin),
    }
    for object in idle() {
        if !scope.is_of_operator(object.namespace) {
            let (namespace, ours) = (object.namespace, &scope.gateway.namespace);
            let message = format!(
                "this does not concern this gateway: it is of namespace `{namespace}` and this gateway of `{ours}`"
            );
            scope.report.note(object.origin, message);
        }
    }
    binding::rules(objects, &role::roles(objects, scope), scope)
}
