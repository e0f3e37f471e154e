//! Who may do what: `AuthorizationPolicy`, and the RBAC of 2018.
//!
//! Istio asks policies that deny before policies that allow, and refuses what
//! none allows as soon as one speaks of the workload. Rules of ours do the
//! same; doubt always falls on the closed side, so that an exception of a
//! permission is asked as a refusal (`policy::matching`).

mod clause;
mod condition;
mod custom;
mod expression;
mod hosts;
mod operation;
mod policy;
mod provider;
mod rbac;
mod rule;
mod source;
mod target;
mod written;

use std::sync::Arc;

use ::policy::origin::Origin;
use ::policy::pattern::HostPattern;
use ::policy::rule::{DefaultPolicy, Effect, Enforcement, Matcher, Rule};

use super::object::Objects;
use super::scope::Scope;
use target::Target;

pub(super) use provider::providers;

/// What policies came to.
#[derive(Debug, Default)]
pub(super) struct Lowered {
    pub(super) rules: Vec<Rule>,
    /// Whether what no rule allows is refused.
    pub(super) allows: bool,
}

/// Reads every policy.
pub(super) fn lower(objects: &Objects<'_>, scope: &Scope<'_>) -> Lowered {
    let mut open = Open::default();
    let mut rules = policy::lower(objects, scope, &mut open);
    let is_ruled = !rules.is_empty() || open.is_narrowed();
    rules.extend(rbac::lower(objects, scope, is_ruled, &mut open));
    let allows = open.is_narrowed();
    if scope.default_policy == DefaultPolicy::Allow {
        rules.extend(open.rule());
    }
    Lowered { rules, allows }
}

/// What goes on though no rule allows it, since no policy that allows speaks of
/// it.
#[derive(Debug)]
struct Open {
    /// These hosts …
    hosts: Vec<HostPattern>,
    /// … but for these.
    except: Vec<HostPattern>,
    /// What first narrowed it.
    origin: Option<Origin>,
}

impl Default for Open {
    fn default() -> Self {
        Self {
            hosts: vec![HostPattern::Any],
            except: Vec::new(),
            origin: None,
        }
    }
}

impl Open {
    /// What is spoken of goes on only if it is allowed.
    fn close(&mut self, target: &Target, origin: &Origin) {
        match target {
            Target::Everything => self.hosts.clear(),
            Target::Hosts(hosts) => self.except.extend_from_slice(hosts),
            Target::Nothing(_) => return,
        }
        self.origin.get_or_insert_with(|| origin.clone());
    }

    /// What is not of these hosts goes on only if it is allowed.
    fn keep(&mut self, hosts: Vec<HostPattern>, origin: &Origin) {
        if !self.hosts.is_empty() {
            self.hosts = hosts;
        }
        self.origin.get_or_insert_with(|| origin.clone());
    }

    fn is_narrowed(&self) -> bool {
        self.origin.is_some()
    }

    /// The rule that allows what is open, where some of it is not.
    fn rule(self) -> Option<Rule> {
        let origin = self.origin?;
        let of = |hosts: Vec<HostPattern>| Matcher {
            hosts,
            ..Matcher::default()
        };
        let except = (!self.except.is_empty()).then(|| of(self.except));
        (!self.hosts.is_empty()).then(|| Rule {
            name: "no-allow-policy".into(),
            effect: Effect::Allow,
            enforcement: Enforcement::Enforced,
            matchers: vec![of(self.hosts)],
            unless: except.into_iter().collect(),
            origin: Arc::new(origin),
        })
    }
}

#[cfg(test)]
mod tests;
