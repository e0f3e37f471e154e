//! `AuthorizationPolicy` (security.istio.io).

use policy::Toward;
use policy::origin::Origin;
use policy::rule::{Effect, Enforcement, Rule};

use super::super::kind::Kind;
use super::super::object::{Object, Objects};
use super::super::proto::{choice, pass_over};
use super::super::scope::Scope;
use super::Open;
use super::clause::Clause;
use super::custom::{self, Custom};
use super::hosts::of_hosts;
use super::rule::{Head, denied, rule};
use super::target::{Target, target};
use super::written::Context;
use crate::fields::{Fields, text};
use crate::node::Node;

const DRY_RUN: &str = "istio.io/dry-run";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Allow,
    Deny,
    Audit,
    Custom,
}

const ACTIONS: [(&str, u8, Action); 4] = [
    ("ALLOW", 0, Action::Allow),
    ("DENY", 1, Action::Deny),
    ("AUDIT", 2, Action::Audit),
    ("CUSTOM", 3, Action::Custom),
];

/// The rules of every policy that speaks of this gateway.
pub(super) fn lower(objects: &Objects<'_>, scope: &Scope<'_>, open: &mut Open) -> Vec<Rule> {
    let mut rules = Vec::new();
    for object in objects.of_kind(Kind::AuthorizationPolicy) {
        let read = object.spec(scope.report, |fields| {
            fields.refuse_null(&["action", "selector", "targetRef", "targetRefs"]);
            let target = target(fields, object, objects, scope);
            pass_over(fields, &["action", "provider", "rules"]);
            match target? {
                Target::Nothing(why) => {
                    let message = format!("this policy does not concern this gateway: {why}");
                    scope.report.note(object.origin, message);
                    None
                }
                target => Some(policy(fields, object, &target, scope, open)),
            }
        });
        rules.extend(read.into_iter().flatten().flatten());
    }
    rules
}

fn policy<'a>(
    fields: &Fields<'a>,
    object: &Object<'a>,
    target: &Target,
    scope: &'a Scope<'a>,
    open: &mut Open,
) -> Vec<Rule> {
    let action = choice(fields, "action", &ACTIONS).unwrap_or(Action::Allow);
    let enforcement = enforcement(object, scope);
    let provider = provider(fields, action);
    // A permission that does not permit only marks what it would have permitted.
    let is_dry_allow = action == Action::Allow && enforcement == Enforcement::Shadow;
    if is_dry_allow {
        let message = "a dry run of ALLOW allows nothing and refuses nothing: what it would allow is told as `audit_rule`";
        scope.report.note(object.origin, message);
    } else if action == Action::Allow {
        open.close(target, object.origin);
    }
    let head = Head {
        effect: match action {
            Action::Allow if is_dry_allow => Effect::Audit,
            Action::Allow => Effect::Allow,
            Action::Audit => Effect::Audit,
            Action::Deny | Action::Custom => Effect::Deny(denied()),
        },
        enforcement: match is_dry_allow {
            true => Enforcement::Enforced,
            false => enforcement,
        },
        name: Head::name(object.namespace, object.name),
    };
    let context = Context {
        scope,
        namespace: object.namespace,
        toward: match action {
            Action::Allow | Action::Audit => Toward::Permit,
            Action::Deny | Action::Custom => Toward::Refuse,
        },
    };
    let within = within(target);
    let rules = written_rules(fields, object, action, scope);
    let rules = (0..).zip(rules);
    let rules = rules
        .flat_map(|(number, node)| rule(node, number, &head, &within, &context))
        .collect();
    match provider {
        Some((provider, origin)) if action == Action::Custom => {
            let custom = Custom {
                provider,
                origin,
                rules,
            };
            custom::lower(custom, scope)
        }
        _ => rules,
    }
}

/// What the whole policy speaks of.
fn within(target: &Target) -> Clause {
    let hosts = match target {
        Target::Hosts(hosts) => vec![vec![of_hosts(hosts.clone())]],
        Target::Everything | Target::Nothing(_) => Vec::new(),
    };
    Clause {
        all: hosts,
        ..Clause::default()
    }
}

/// `rules`. None: ALLOW allows nothing, which is how one writes that; the other
/// actions do nothing, which nobody means.
fn written_rules<'a>(
    fields: &Fields<'a>,
    object: &Object<'_>,
    action: Action,
    scope: &Scope<'_>,
) -> &'a [Node] {
    let rules = fields.take("rules").map_or(&[][..], Node::one_or_many);
    if rules.is_empty() && action != Action::Allow {
        let message =
            "this policy has no `rules` and does nothing: write some, `- {}` for every request";
        scope.report.warning(object.origin, message);
    }
    rules
}

/// `provider: { name }`, which only CUSTOM has.
fn provider<'a>(fields: &Fields<'a>, action: Action) -> Option<(&'a str, &'a Origin)> {
    let entry = match action {
        Action::Custom => {
            fields.need("provider", "{ name: … }");
            fields.entry("provider")?
        }
        Action::Allow | Action::Deny | Action::Audit => {
            if let Some(entry) = fields.entry("provider") {
                let message = "only `action: CUSTOM` has a `provider`: delete it";
                fields.report.error(&entry.origin, message);
            }
            return None;
        }
    };
    let name = Fields::read_proto(&entry.node, fields.report, |fields| {
        let name = fields.need("name", "my-authoriser")?;
        text(name, fields.report)
    });
    Some((name.flatten()?, &entry.origin))
}

/// The annotation that makes a policy tell what it would do (Go: `ParseBool`).
fn enforcement(object: &Object<'_>, scope: &Scope<'_>) -> Enforcement {
    match object.annotation(DRY_RUN) {
        Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Enforcement::Shadow,
        None | Some("0" | "f" | "F" | "FALSE" | "false" | "False") => Enforcement::Enforced,
        Some(other) => {
            let annotations = object
                .body
                .entry("metadata")
                .and_then(|m| m.entry("annotations"));
            let place = annotations.and_then(|a| a.entry(DRY_RUN));
            let message = format!("unknown word `{other}`: write `true` or `false`");
            let origin = place.map_or(object.origin, |node| &node.origin);
            scope.report.error(origin, message);
            Enforcement::Enforced
        }
    }
}
