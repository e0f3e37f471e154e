//! `policies`.
//!
//! One Istio object may have become several rules of one name, and two policies
//! of one name are refused. The second is written as `name (2)`, the third as
//! `name (3)`: records then tell them apart, which they did not before.

use std::collections::HashSet;

use policy::rule::{Effect, Enforcement, Rule};

use super::super::policy_rule::FORBIDDEN;
use super::Writer;
use super::matcher::can_hold;
use crate::yaml::emit::{Map, Out};

impl Writer<'_> {
    pub(super) fn policies(&self, rules: &[Rule]) -> Vec<Out> {
        let mut names: HashSet<String> = HashSet::new();
        let mut written = Vec::with_capacity(rules.len());
        for rule in rules {
            if !rule.matchers.iter().any(can_hold) {
                let message = format!("`{}` never applies: it is left out", rule.name);
                self.report.note(&rule.origin, message);
                continue;
            }
            let name = unused(&rule.name, &names);
            let default_name = format!("policies[{}]", written.len());
            written.push(self.policy(rule, (name != default_name).then_some(&name)));
            names.insert(name);
        }
        written
    }

    fn policy(&self, rule: &Rule, name: Option<&String>) -> Out {
        let origin = &rule.origin;
        let mut map = Map::remarked(self.remark(origin));
        map.put_some("name", name.map(Out::text));
        let word = match &rule.effect {
            Effect::Allow => "allow",
            Effect::Deny(_) => "deny",
            Effect::Audit => "audit",
            Effect::Refer(_) => "refer",
        };
        // An audit remarks and never decides, in shadow or not.
        if rule.enforcement == Enforcement::Shadow && !matches!(rule.effect, Effect::Audit) {
            map.put("shadow", Out::word(true));
        }
        map.put_some(word, self.any_of(&rule.matchers, origin));
        map.put_some("unless", self.any_of(&rule.unless, origin));
        if let Effect::Refer(authoriser) = &rule.effect {
            let name = authoriser.of(self.authorisers).map(|a| Out::text(&*a.name));
            map.put_some("to", name);
        }
        if let Effect::Deny(answer) = &rule.effect {
            if answer.status != FORBIDDEN {
                map.put("status", Out::word(answer.status));
            }
            let body = self.template(&answer.body, origin);
            if !body.is_empty() {
                map.put("body", Out::Text(body));
            }
        }
        Out::Map(map)
    }
}

/// The name, or the first `name (2)`, `name (3)` … that none has.
fn unused(name: &str, names: &HashSet<String>) -> String {
    let numbered = (2..).map(|number: u32| format!("{name} ({number})"));
    let mut all = std::iter::once(name.to_owned()).chain(numbered);
    all.find(|name| !names.contains(name)).unwrap_or_default()
}
