//! `policies`: rules that allow, deny, remark, or refer to an authoriser.

use std::collections::HashMap;
use std::sync::Arc;

use policy::authoriser::Authoriser;
use policy::rule::{Answer, Effect, Enforcement, Matcher, Rule};

use super::asking::Follows;
use super::authoriser::named;
use super::condition;
use super::context::Context;
use super::expression::template;
use crate::fields::Fields;
use crate::node::Node;

pub(super) const FORBIDDEN: u16 = 403;

/// Reads all policies. A policy without a name is called by its number.
pub(super) fn policies(
    nodes: &[&Node],
    authorisers: &[Authoriser],
    context: &Context<'_>,
) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::with_capacity(nodes.len());
    let mut known = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        let rule = Fields::read(node, context.report, |fields| {
            policy(fields, &format!("policies[{index}]"), authorisers, context)
        });
        let Some(rule) = rule.flatten() else { continue };
        if let Some(first) = known.insert(rule.name.clone(), rule.origin.clone()) {
            let name = &rule.name;
            let message = format!(
                "two policies are named `{name}`: write another name, or mend the one at {first}"
            );
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
    Refer,
}

impl Word {
    fn follows(self) -> Follows {
        match self {
            Self::Allow => Follows::Permission,
            // In doubt the authoriser is asked.
            Self::Deny | Self::Refer => Follows::Refusal,
            Self::Audit => Follows::Telling,
        }
    }
}

const WORDS: [(&str, Word); 4] = [
    ("allow", Word::Allow),
    ("deny", Word::Deny),
    ("audit", Word::Audit),
    ("refer", Word::Refer),
];

fn policy(
    fields: &Fields<'_>,
    default_name: &str,
    authorisers: &[Authoriser],
    context: &Context<'_>,
) -> Option<Rule> {
    let name = fields.text("name").unwrap_or(default_name);
    let spoken = word(fields, context);
    let excepted = spoken.as_ref().map(|(word, _)| word.follows().excepted());
    let unless = match fields.take("unless") {
        Some(node) => condition::matchers(node, excepted.unwrap_or(Follows::Permission), context),
        None => Vec::new(),
    };
    let shadow = fields.truth("shadow");
    let answer = answer(fields);
    let to = fields.text("to");
    let (word, matchers) = spoken?;
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
            Word::Refer => referred(fields, to, authorisers, context)?,
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

/// `to: NAME` of a `refer`.
fn referred(
    fields: &Fields<'_>,
    to: Option<&str>,
    authorisers: &[Authoriser],
    context: &Context<'_>,
) -> Option<Effect> {
    let node = fields.need("to", "opa")?;
    let found = named(authorisers, to?);
    if found.is_none() {
        let names = authorisers.iter().map(|a| &*a.name);
        context.unknown(&node.origin, "authoriser", to?, names);
    }
    found.map(Effect::Refer)
}

fn answer(fields: &Fields<'_>) -> Answer {
    let body = fields
        .take("body")
        .and_then(|node| template(node, fields.report));
    Answer {
        status: fields.number("status", 400..=599).unwrap_or(FORBIDDEN),
        body: body.unwrap_or_default(),
    }
}

/// The one word of a policy, and what it speaks of.
fn word(fields: &Fields<'_>, context: &Context<'_>) -> Option<(Word, Vec<Matcher>)> {
    let given = WORDS.iter().filter(|(key, _)| fields.has(key));
    match given.collect::<Vec<_>>().as_slice() {
        [_] => {}
        [] => fields.report.error(
            fields.origin(),
            "the policy does nothing: write `allow`, `deny`, `audit` or `refer` and what it speaks of",
        ),
        [(one, _), (other, _), ..] => fields.report.error(
            fields.origin(),
            format!("`{one}` and `{other}` exclude each other: write two policies"),
        ),
    }
    let entries = WORDS.map(|(key, word)| Some((word, fields.entry(key)?)));
    let matchers = entries.into_iter().flatten().map(|(word, entry)| {
        (
            word,
            condition::matchers(&entry.node, word.follows(), context),
        )
    });
    matchers.last()
}

/// Words that would have no effect look as if they had one.
fn refuse_idle_words(fields: &Fields<'_>, word: Word) {
    let (answers, asks) = (word == Word::Deny, word == Word::Refer);
    let idle = [
        ("status", !answers, "only a `deny` answers"),
        ("body", !answers, "only a `deny` answers"),
        ("shadow", word == Word::Audit, "an `audit` never decides"),
        ("shadow", asks, "in shadow nobody is asked"),
        ("to", !asks, "only a `refer` asks somebody"),
    ];
    for (key, _, why) in idle.into_iter().filter(|(_, is_idle, _)| *is_idle) {
        if let Some(entry) = fields.entry(key) {
            let message = format!("`{key}` has no effect here, {why}: delete it");
            fields.report.error(&entry.origin, message);
        }
    }
}
