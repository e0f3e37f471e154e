//! Why a tunnel is decided as it is.

use crate::admission::Admission;
use crate::matching::Toward;
use crate::rule::{Effect, Rule};
use crate::tunnel::{AdmittedTunnel, RawTunnel, RefusedTunnel, Tunnel};

use super::{Held, RuleStep, any_held};

/// The whole story.
#[derive(Debug)]
pub struct TunnelExplanation<'a> {
    /// Every rule, in load order; none where there was nothing to ask about.
    pub rules: Vec<RuleStep<'a>>,
    /// The outcome: what [`Admission::admit_tunnel`] says.
    pub outcome: Result<AdmittedTunnel<'a>, RefusedTunnel<'a>>,
}

impl Admission {
    /// Explains what [`Admission::admit_tunnel`] says.
    #[must_use]
    pub fn explain_tunnel<'a>(&'a self, raw: RawTunnel<'a>) -> TunnelExplanation<'a> {
        let outcome = self.admit_tunnel(raw, 0);
        let tunnel = match &outcome {
            Ok(admitted) => Some(&admitted.tunnel),
            Err(refused) => refused.tunnel.as_ref(),
        };
        let rules = tunnel.map(|tunnel| {
            let rules = self.rules().iter();
            let step = |rule| RuleStep {
                rule,
                held: rule_held(rule, tunnel),
            };
            rules.map(step).collect()
        });
        TunnelExplanation {
            rules: rules.unwrap_or_default(),
            outcome,
        }
    }
}

fn rule_held(rule: &Rule, tunnel: &Tunnel<'_>) -> Held {
    let toward = match rule.effect {
        Effect::Deny(_) | Effect::Refer(_) => Toward::Refuse,
        Effect::Allow | Effect::Audit => Toward::Permit,
    };
    let held = any_held(&rule.matchers, |m| m.mismatch_of_tunnel(tunnel, toward));
    let mut exceptions = rule.unless.iter();
    let excepted = |e: &crate::rule::Matcher| e.holds_for_tunnel(tunnel, toward.opposite());
    match held == Held::Yes && exceptions.any(excepted) {
        true => Held::Excepted,
        false => held,
    }
}
