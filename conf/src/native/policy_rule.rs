//! `policies`: rules that allow, deny or remark.

use std::sync::Arc;

use policy::rule::{Answer, Effect, Enforcement, Rule};

use super::condition;
use super::context::Context;
use super::expression::template;
use crate::fields::Fields;
use crate::node::Node;

const FORBIDDEN: u16 = 403;

/// Reads all policies. A policy without a name is called by its number.
pub(super) fn policies(nodes: &[&Node], context: &Context<'_>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::with_capacity(nodes.len());
    let mut known = std::collections::HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        let rule = Fields::read(node, context.report, |fields| {
            policy(fields, &format!("policies[{index}]"), context)
        });
        let Some(rule) = rule.flatten() else { continue };
        if let Some(first) = known.insert(rule.name.clone(), rule.origin.clone()) {
            let name = &rule.name;
            let message = format!("two policies are named `{name}`: write another name, or mend the one at {first}");
            context.report.error(&rule.origin, message);
        }
        rules.push(rule);
    }
    rules
}

/// What a policy's first word says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Allow,
    Deny,
    Audit,
}

const WORDS: [(&str, Word); 3] = [("allow", Word::Allow), ("deny", Word::Deny), ("audit", Word::Audit)];

fn policy(fields: &Fields<'_>, default_name: &str, context: &Context<'_>) -> Option<Rule> {
    let name = fields.text("name").unwrap_or(default_name);
    let found: Vec<_> = WORDS
        .iter()
        .filter_map(|(key, word)| fields.entry(key).map(|entry| (*key, *word, condition::matchers(&entry.node, context))))
        .collect();
    let unless = match fields.take("unless") {
        Some(node) => condition::matchers(node, context),
        None => Vec::new(),
    };
    let shadow = fields.truth("shadow");
    let answer = answer(fields);
    let (word, matchers) = match <[_; 1]>::try_from(found) {
        Ok([(_, word, matchers)]) => (word, matchers),
        Err(found) => {
            refuse_words(fields, &found.iter().map(|(key, ..)| *key).collect::<Vec<_>>());
            return None;
        }
    };
    refuse_idle_words(fields, word);
    if word == Word::Allow && shadow == Some(true) {
        let message = "a shadow `allow` neither allows nor remarks: delete `shadow` when it should";
        context.report.warning(fields.origin(), message);
    }
    Some(Rule {
        name: name.into(),
        effect: match word {
            Word::Allow => Effect::Allow,
            Word::Audit => Effect::Audit,
            Word::Deny => Effect::Deny(answer),
        },
        enforcement: match shadow {
            Some(true) => Enforcement::Shadow,
            Some(false) | None => Enforcement::Enforced,
        },
        matchers,
        unless,
        origin: Arc::new(fields.origin().clone()),
    })
}

fn answer(fields: &Fields<'_>) -> Answer {
    let body = fields.take("body").and_then(|node| template(node, fields.report));
    Answer {
        status: fields.number("status", 400..=599).unwrap_or(FORBIDDEN),
        body: body.unwrap_or_default(),
    }
}

fn refuse_words(fields: &Fields<'_>, given: &[&str]) {
    let message = match given {
        [first, second, ..] => format!("`{first}` and `{second}` exclude each other: write two policies"),
        _ if WORDS.iter().any(|(word, _)| fields.has(word)) => return,
        _ => "the policy does nothing: write `allow`, `deny` or `audit` and what it speaks of".to_owned(),
    };
    fields.report.error(fields.origin(), message);
}

/// Words that would have no effect look as if they had one.
fn refuse_idle_words(fields: &Fields<'_>, word: Word) {
    let idle = [
        ("status", word != Word::Deny, "only a `deny` answers: delete it"),
        ("body", word != Word::Deny, "only a `deny` answers: delete it"),
        ("shadow", word == Word::Audit, "an `audit` never decides: delete it"),
    ];
    for (key, _, why) in idle.into_iter().filter(|(_, is_idle, _)| *is_idle) {
        if let Some(entry) = fields.entry(key) {
            fields.report.error(&entry.origin, format!("`{key}` has no effect here, {why}"));
        }
    }
}
