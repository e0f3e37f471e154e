//! Rules of a policy, each made into what the compiler takes.

use std::sync::Arc;

use policy::origin::Origin;
use policy::rule::{Answer, Effect, Enforcement, Matcher, Rule, Template, TemplatePart};

use super::clause::{Clause, Matchers, Operation};
use super::condition::condition;
use super::operation::operation;
use super::source::source;
use super::written::Context;
use crate::fields::Fields;
use crate::node::{Entry, Node, Value};

/// What Envoy's RBAC filter answers, to the letter.
const ANSWER: &str = "RBAC: access denied";
const FORBIDDEN: u16 = 403;

/// The answer to what a policy denies.
pub(super) fn denied() -> Answer {
    Answer {
        status: FORBIDDEN,
        body: Template(vec![TemplatePart::Text(ANSWER.into())]),
    }
}

/// What all rules of a policy have in common.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) effect: Effect,
    pub(super) enforcement: Enforcement,
    /// `ns[default]-policy[name]`.
    pub(super) name: String,
}

impl Head {
    /// Istio's name of a policy in its own logs.
    pub(super) fn name(namespace: &str, policy: &str) -> String {
        format!("ns[{namespace}]-policy[{policy}]")
    }

    /// The rule of a number: `combinations` are alternatives. Those that except
    /// nothing stand together; exceptions hold for a whole rule, so each of the
    /// others is one of its own.
    pub(super) fn rules(
        &self,
        number: usize,
        origin: &Origin,
        combinations: impl IntoIterator<Item = Matchers>,
    ) -> Vec<Rule> {
        let mut plain = Matchers::default();
        let mut rules = Vec::new();
        let name: Arc<str> = format!("{}-rule[{number}]", self.name).into();
        let origin = Arc::new(origin.clone());
        let rule = |matchers: Matchers| Rule {
            name: Arc::clone(&name),
            effect: self.effect.clone(),
            enforcement: self.enforcement,
            matchers: matchers.matchers,
            unless: matchers.unless,
            origin: Arc::clone(&origin),
        };
        for matchers in combinations {
            match matchers.unless.is_empty() {
                true => plain.matchers.extend(matchers.matchers),
                false => rules.push(rule(matchers)),
            }
        }
        if !plain.matchers.is_empty() {
            rules.push(rule(plain));
        }
        rules
    }
}

/// Reads one entry of `rules`. `within` is what the whole policy speaks of.
pub(super) fn rule<'a>(
    node: &'a Node,
    number: usize,
    head: &Head,
    within: &Clause,
    context: &Context<'a>,
) -> Vec<Rule> {
    let errors = context.report().error_count();
    let read = Fields::read_restriction(node, context.report(), |fields| {
        let sources = entries(fields, ["from", "source"], |fields| source(fields, context));
        let operations = entries(fields, ["to", "operation"], |f| operation(f, context));
        let conditions = fields.many("when").iter().filter_map(|node| {
            Fields::read_restriction(node, context.report(), |fields| condition(fields, context))
        });
        let within = conditions.fold(within.clone(), |all, clause| all.and(&clause));
        (sources, operations, within)
    });
    let Some((sources, operations, within)) = read else {
        return Vec::new();
    };
    let combinations = match combinations(&sources, &operations, &within) {
        Ok(combinations) => combinations,
        Err(message) => {
            context.report().error(&node.origin, message);
            return Vec::new();
        }
    };
    let is_idle = combinations.iter().all(|c| c.matchers.is_empty());
    let is_told = within.never || sources.iter().any(|source| source.never);
    if is_idle && !is_told && context.report().error_count() == errors {
        let message = "this rule never matches: what it asks excludes each other";
        context.report().warning(&node.origin, message);
    }
    if matches!(head.effect, Effect::Allow)
        && context.scope.has_tunnels
        && operations.iter().any(Operation::names_hosts)
        && combinations
            .iter()
            .flat_map(|c| &c.matchers)
            .any(asks_no_http)
    {
        let message = "different on purpose: `hosts` are asked of TLS that passes through too, by its server name, and of TCP: there Istio lets nothing through by them; write `paths: [\"/*\"]` beside them for HTTP alone";
        context.report().note(&node.origin, message);
    }
    head.rules(number, &node.origin, combinations)
}

/// Whether what it asks can be told of a connection of which only caller, host and
/// port are known.
fn asks_no_http(matcher: &Matcher) -> bool {
    matcher.paths.is_empty()
        && matcher.methods.is_none()
        && matcher.headers.is_empty()
        && matcher.expr.is_none()
}

/// Every source with every operation, each within what the rule asks of all.
pub(super) fn combinations(
    sources: &[Clause],
    operations: &[Operation],
    within: &Clause,
) -> Result<Vec<Matchers>, String> {
    let pairs = sources.iter().flat_map(|source| {
        operations.iter().map(move |operation| Operation {
            clause: operation.clause.clone().and(source).and(within),
            ..operation.clone()
        })
    });
    pairs.map(|pair| pair.matchers()).collect()
}

/// The entries of `from` or `to`, each a map of one key; one that asks nothing
/// where the list is not written.
fn entries<'a, T: Default>(
    fields: &Fields<'a>,
    [list, key]: [&'static str; 2],
    read: impl Fn(&Fields<'a>) -> T,
) -> Vec<T> {
    if fields.take(list).is_none() {
        return vec![T::default()];
    }
    let one = |node: &'a Node| {
        if let Some(misplaced) = beside_nothing(node, key) {
            let message = format!(
                "`{}` stands beside `{key}`, which holds nothing: indent it below `{key}:`",
                misplaced.key
            );
            fields.report.error(&misplaced.origin, message);
            return None;
        }
        Fields::read_proto(node, fields.report, |fields| {
            let node = fields.need(key, "{ … }")?;
            Fields::read_restriction(node, fields.report, &read)
        })
        .flatten()
    };
    fields.many(list).iter().filter_map(one).collect()
}

/// What was meant to stand under `key`, and is not indented so.
fn beside_nothing<'a>(node: &'a Node, key: &str) -> Option<&'a Entry> {
    let Value::Map(entries) = &node.value else {
        return None;
    };
    let holds_nothing = matches!(node.entry(key)?.value, Value::Nothing);
    let mut others = entries.iter().filter(|entry| *entry.key != *key);
    others.next().filter(|_| holds_nothing)
}
