//! `ClusterRbacConfig`, and `RbacConfig` before it: where roles are asked.

use policy::pattern::HostPattern;

use super::super::super::kind::Kind;
use super::super::super::object::{Object, Objects};
use super::super::super::proto::{choice, refuse};
use super::super::super::scope::Scope;
use super::super::target::entry_hosts;
use super::super::written::texts;
use crate::fields::Fields;

/// The one name these objects may have.
const NAME: &str = "default";

/// What is refused unless a binding allows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Covers {
    Nothing,
    Everything,
    Hosts(Vec<HostPattern>),
    AllBut(Vec<HostPattern>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Off,
    On,
    WithInclusion,
    WithExclusion,
}

const MODES: [(&str, u8, Mode); 4] = [
    ("OFF", 0, Mode::Off),
    ("ON", 1, Mode::On),
    ("ON_WITH_INCLUSION", 2, Mode::WithInclusion),
    ("ON_WITH_EXCLUSION", 3, Mode::WithExclusion),
];

/// Whether what is not allowed is refused, or only told.
pub(super) const ENFORCEMENTS: [(&str, u8, bool); 2] =
    [("ENFORCED", 0, true), ("PERMISSIVE", 1, false)];

/// What the one object says; the younger kind has the last word.
pub(super) fn read<'o, 'a>(
    objects: &'o Objects<'a>,
    scope: &Scope<'_>,
) -> Option<(&'o Object<'a>, Covers)> {
    let kinds = [Kind::ClusterRbacConfig, Kind::RbacConfig];
    let mut all = kinds.into_iter().flat_map(|kind| objects.of_kind(kind));
    let object = all.next()?;
    for other in all {
        let message = format!(
            "the {} at {} has the last word: delete this one",
            object.kind.name(),
            object.origin
        );
        scope.report.error(other.origin, message);
    }
    if object.name != NAME {
        let message = format!("there is one such object, and it is named `{NAME}`: write that");
        scope.report.error(object.origin, message);
    }
    let covers = object.spec(scope.report, |fields| covers(fields, objects, scope));
    Some((object, covers?))
}

fn covers(fields: &Fields<'_>, objects: &Objects<'_>, scope: &Scope<'_>) -> Covers {
    fields.refuse_null(&["mode", "enforcementMode"]);
    let mode = choice(fields, "mode", &MODES).unwrap_or(Mode::Off);
    let enforced = choice(fields, "enforcementMode", &ENFORCEMENTS).unwrap_or(true);
    let (inclusion, exclusion) = (fields.entry("inclusion"), fields.entry("exclusion"));
    for (entry, wanted) in [
        (inclusion, Mode::WithInclusion),
        (exclusion, Mode::WithExclusion),
    ] {
        if let Some(entry) = entry.filter(|_| mode != wanted) {
            let message = format!("`{}` has no effect in this mode: delete it", entry.key);
            fields.report.error(&entry.origin, message);
        }
    }
    let listed = |key: &'static str| {
        let node = fields.need(key, "{ services: […] }")?;
        Fields::read_restriction(node, fields.report, |fields| {
            hosts(fields, key, objects, scope)
        })
    };
    let covers = match mode {
        Mode::Off => Covers::Nothing,
        Mode::On => Covers::Everything,
        Mode::WithInclusion => match listed("inclusion") {
            Some(hosts) if hosts.contains(&HostPattern::Any) => Covers::Everything,
            Some(hosts) if hosts.is_empty() => Covers::Nothing,
            Some(hosts) => Covers::Hosts(hosts),
            None => Covers::Everything,
        },
        Mode::WithExclusion => match listed("exclusion") {
            Some(hosts) if hosts.contains(&HostPattern::Any) => Covers::Nothing,
            Some(hosts) if hosts.is_empty() => Covers::Everything,
            Some(hosts) => Covers::AllBut(hosts),
            None => Covers::Everything,
        },
    };
    match enforced {
        true => covers,
        false => {
            let message = "`PERMISSIVE` refuses nothing, and what it would refuse is not told here: write `ENFORCED` when it should";
            fields.report.warning(fields.origin(), message);
            Covers::Nothing
        }
    }
}

/// The hosts of `inclusion` or `exclusion`: those it names, and those of the
/// entries of a namespace. Our own namespace is all that passes here.
fn hosts(
    fields: &Fields<'_>,
    key: &str,
    objects: &Objects<'_>,
    scope: &Scope<'_>,
) -> Vec<HostPattern> {
    refuse(fields, &[("workloadSelectors", "name `services`")]);
    let mut hosts = Vec::new();
    for written in texts(fields, "services").unwrap_or_default() {
        match HostPattern::parse(written.text) {
            Ok(_) if scope.is_our_service(written.text) => hosts.push(HostPattern::Any),
            Ok(host) => hosts.push(host),
            Err(error) => fields.report.error(&written.node.origin, error.to_string()),
        }
    }
    for written in texts(fields, "namespaces").unwrap_or_default() {
        if *scope.gateway.namespace == *written.text {
            hosts.push(HostPattern::Any);
        } else if key == "inclusion" {
            hosts.extend(hosts_of(written.text, objects));
        } else {
            let message = format!(
                "what lies in namespace `{}` does not open this gateway, which is of `{}`",
                written.text, scope.gateway.namespace
            );
            fields.report.note(&written.node.origin, message);
        }
    }
    hosts
}

fn hosts_of(namespace: &str, objects: &Objects<'_>) -> Vec<HostPattern> {
    let entries = objects.of_kind(Kind::ServiceEntry);
    let there = entries.filter(|entry| entry.namespace == namespace);
    there.flat_map(entry_hosts).collect()
}
