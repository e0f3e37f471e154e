//! A rule that tells something to `listchecker` or `denier` refuses.
//!
//! Where several checks of one request fail, the first one answers; Mixer sent
//! all their messages, and the first one's code.

use std::sync::Arc;

use policy::expr::Expr;
use policy::rule::{Answer, Effect, Enforcement, Matcher, Rule, Template, TemplatePart};

use super::denier::Denier;
use super::expression::is_known;
use super::list;
use super::listchecker::ListChecker;
use super::listentry::ListEntry;
use super::rule::When;
use super::status::Code;
use crate::istio::scope::Scope;

/// The rule of a list: on a whitelist is an exception, on a blacklist a
/// condition more.
pub(super) fn listed(
    when: &When<'_>,
    handler: &str,
    list: &ListChecker<'_>,
    entry: &ListEntry<'_>,
    scope: &Scope<'_>,
) -> Option<Rule> {
    let known = is_known(&entry.value, entry.node, scope.report);
    let matcher = matcher(when, scope)?;
    if !known {
        return None;
    }
    let verdict = match list.is_blacklist {
        true => " is blacklisted",
        false => " is not whitelisted",
    };
    let (matcher, unless) = match (list.is_unknown, list.is_blacklist) {
        (true, _) => (matcher, None),
        (false, true) => {
            let on_list = list::matcher(list, &entry.value, scope)?;
            (both(matcher, on_list, list, &entry.value, scope)?, None)
        }
        (false, false) => (matcher, Some(list::matcher(list, &entry.value, scope)?)),
    };
    let body = vec![
        TemplatePart::Text(format!("{}:{handler}:", Code::PERMISSION_DENIED.name).into()),
        TemplatePart::Value(Arc::new(entry.value.clone())),
        TemplatePart::Text(verdict.into()),
    ];
    let answer = Answer {
        status: Code::PERMISSION_DENIED.http,
        body: Template(body),
    };
    Some(rule(when, handler, answer, matcher, unless))
}

/// The rule of a denier.
pub(super) fn denied(
    when: &When<'_>,
    handler: &str,
    denier: &Denier<'_>,
    scope: &Scope<'_>,
) -> Option<Rule> {
    let matcher = matcher(when, scope)?;
    let body = format!("{}:{handler}:{}", denier.code.name, denier.message);
    let answer = Answer {
        status: denier.code.http,
        body: Template(vec![TemplatePart::Text(body.into())]),
    };
    Some(rule(when, handler, answer, matcher, None))
}

/// When the check is made at all.
fn matcher(when: &When<'_>, scope: &Scope<'_>) -> Option<Matcher> {
    let expr = match &when.condition {
        Some((expr, node)) => is_known(expr, node, scope.report).then(|| Some(expr.clone()))?,
        None => None,
    };
    Some(Matcher {
        from: when.from.as_slice().into(),
        expr: expr.map(Arc::new),
        ..Matcher::default()
    })
}

/// When the check is made and the value is on the list.
fn both(
    matcher: Matcher,
    on_list: Matcher,
    list: &ListChecker<'_>,
    value: &Expr,
    scope: &Scope<'_>,
) -> Option<Matcher> {
    // A matcher has one place for callers: those of the list are asked for in
    // the expression when the rule itself concerns only some.
    let on_list = match matcher.from.is_empty() || on_list.from.is_empty() {
        true => on_list,
        false => list::plain(list, value, scope)?,
    };
    let from = match matcher.from.is_empty() {
        true => on_list.from,
        false => matcher.from,
    };
    let expr = match (matcher.expr, on_list.expr) {
        (Some(one), Some(other)) => Some(Arc::new(one.and(&other))),
        (one, other) => one.or(other),
    };
    Some(Matcher {
        from,
        expr,
        ..on_list
    })
}

fn rule(
    when: &When<'_>,
    handler: &str,
    answer: Answer,
    matcher: Matcher,
    unless: Option<Matcher>,
) -> Rule {
    Rule {
        name: handler.into(),
        effect: Effect::Deny(answer),
        enforcement: Enforcement::Enforced,
        matchers: vec![matcher],
        unless: unless.into_iter().collect(),
        origin: Arc::new(when.object.origin.clone()),
    }
}
