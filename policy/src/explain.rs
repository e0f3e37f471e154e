//! Why a request is decided as it is: every rule and route asked plainly, in
//! order, with what did not hold. For people; the gateway never runs it.

mod tunnel;

use std::sync::Arc;

use crate::admission::{Admission, Admitted, Refused};
use crate::canonical::Method;
use crate::destination::{Action, Destination};
use crate::door::Door;
use crate::matching::{Key, Toward};
use crate::origin::Origin;
use crate::refusal::Refusal;
use crate::request::{RawRequest, Request};
use crate::rule::{Effect, Enforcement, Matcher, Rule};

pub use tunnel::TunnelExplanation;

/// The whole story.
#[derive(Debug)]
pub struct Explanation<'a> {
    /// The canonical request, or why there is none.
    pub request: Result<Request<'a>, Refusal>,
    /// Every rule, in load order.
    pub rules: Vec<RuleStep<'a>>,
    /// The destination that serves the host, and where it hops to the one the
    /// gateway has for it; nothing where no destination has the host.
    pub stages: Vec<Stage<'a>>,
    /// The outcome: what [`Admission::admit`] says.
    pub outcome: Result<Admitted<'a>, Refused<'a>>,
}

/// How one rule fared.
#[derive(Debug)]
pub struct RuleStep<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// How it fared.
    pub held: Held,
}

/// Whether something applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It applied.
    Yes,
    /// It would have, but for an `unless`.
    Excepted,
    /// This key of its best matcher did not hold.
    No(Key),
}

/// A destination, and how its routes fared.
#[derive(Debug)]
pub struct Stage<'a> {
    /// The destination.
    pub destination: &'a Destination,
    /// Its routes, in order.
    pub routes: Vec<RouteStep<'a>>,
}

/// How one route fared.
#[derive(Debug)]
pub struct RouteStep<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it was written.
    pub origin: &'a Arc<Origin>,
    /// How it fared.
    pub held: Held,
}

impl Admission {
    /// Explains what [`Admission::admit`] says of a request.
    #[must_use]
    pub fn explain<'a>(&'a self, raw: RawRequest<'a>) -> Explanation<'a> {
        let request = self.canonicalise(raw);
        let mut rules = Vec::new();
        let mut stages = Vec::new();
        if let Ok(request) = &request {
            rules.extend(self.rules().iter().map(|rule| RuleStep {
                rule,
                held: rule_held(rule, request),
            }));
            let first = self.stage(request, request.door());
            let next = first
                .as_ref()
                .and_then(|stage| self.stage(request, stage.hop()?));
            stages.extend([first, next].into_iter().flatten());
        }
        Explanation {
            request,
            rules,
            stages,
            outcome: self.admit(raw, 0),
        }
    }
}

impl Admission {
    fn stage<'a>(&'a self, request: &Request<'_>, door: Door) -> Option<Stage<'a>> {
        let destination = self.find_destination(request.host(), door)?;
        let routes = destination.routes.iter().map(|route| RouteStep {
            name: &route.name,
            origin: &route.origin,
            held: any_held(&route.matchers, |m| m.mismatch(request, Toward::Permit)),
        });
        Some(Stage {
            destination,
            routes: routes.collect(),
        })
    }
}

impl Stage<'_> {
    /// The door at which the first route that matches goes on.
    fn hop(&self) -> Option<Door> {
        let routes = self.destination.routes.iter().zip(&self.routes);
        let mut held = routes.filter(|(_, step)| step.held == Held::Yes);
        match held.next()?.0.action {
            Action::Hop(port) => Some(Door::gateway(port)),
            Action::Forward(_) | Action::Redirect(_) | Action::Respond(_) => None,
        }
    }
}

impl RuleStep<'_> {
    /// Whether the rule only watches.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.rule.enforcement == Enforcement::Shadow
    }
}

fn rule_held(rule: &Rule, request: &Request<'_>) -> Held {
    let toward = match rule.effect {
        Effect::Deny(_) | Effect::Refer(_) => Toward::Refuse,
        Effect::Allow | Effect::Audit => Toward::Permit,
    };
    // As the index has it: a permission for unusual methods names them (M12).
    let unusual = toward == Toward::Permit && matches!(request.method(), Method::Other(_));
    let held = any_held(&rule.matchers, |matcher| {
        let unnamed = unusual && matcher.methods.is_none();
        unnamed
            .then_some(Key::Method)
            .or_else(|| matcher.mismatch(request, toward))
    });
    let mut exceptions = rule.unless.iter();
    if held == Held::Yes && exceptions.any(|e| e.holds(request, toward.opposite())) {
        return Held::Excepted;
    }
    held
}

/// Of several matchers that do not hold, the one that came furthest says why.
fn any_held(matchers: &[Matcher], mismatch: impl Fn(&Matcher) -> Option<Key>) -> Held {
    let mut furthest = None;
    for matcher in matchers {
        match mismatch(matcher) {
            None => return Held::Yes,
            Some(key) => furthest = furthest.max(Some(key)),
        }
    }
    furthest.map_or(Held::Yes, Held::No)
}
