//! One matcher of a rule, cut down to what no index has settled. Most rules ask
//! only who, where and which path; a decision by them reads these few bytes and
//! never the rule itself.

use std::sync::Arc;

use crate::matching::Toward;
use crate::pattern::{PatternError, RegexPool};
use crate::request::Request;
use crate::rule::{Effect, Enforcement, Matcher, Rule};
use crate::tunnel::Tunnel;

use super::targets::Targets;
use super::{RuleId, case, is_unusual};

/// A matcher whose caller, host and path are in the index.
#[derive(Debug)]
pub(super) struct Clause {
    pub(super) rule: RuleId,
    pub(super) verdict: Verdict,
    /// Whether the rule has exceptions.
    pub(super) excepted: bool,
    /// Whether it asks for a path, which a tunnel has not.
    asks_path: bool,
    targets: Option<Box<Targets>>,
    /// What is left to ask.
    residue: Option<Box<Matcher>>,
}

/// What becomes of a request that a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is refused, may go on, or must be asked about.
    Enforced,
    /// It is marked.
    Marked,
    /// Nothing: a permission in shadow.
    Ignored,
}

impl Clause {
    pub(super) fn compile(
        id: RuleId,
        rule: &Rule,
        matcher: &Matcher,
        toward: Toward,
        pool: &mut RegexPool,
    ) -> Result<Self, PatternError> {
        let targets = Targets::compile(&matcher.targets, toward, pool)?;
        Ok(Self {
            rule: id,
            verdict: Verdict::of(rule),
            excepted: !rule.unless.is_empty(),
            asks_path: !matcher.paths.is_empty(),
            targets: targets.map(Box::new),
            residue: residue(matcher, toward)?.map(Box::new),
        })
    }

    /// Whether everything holds that no index knows.
    ///
    /// Methods beyond the seven usual ones are let through only by a rule that
    /// names them: what PROPFIND does to an origin, nobody considered who wrote
    /// `allow: { host: … }` (security design, M12).
    pub(super) fn holds(&self, request: &Request<'_>, toward: Toward) -> bool {
        let residue = self.residue.as_deref();
        let named = residue.is_some_and(|matcher| matcher.methods.is_some());
        if toward == Toward::Permit && !named && is_unusual(&request.method()) {
            return false;
        }
        let targets = self.targets.as_ref();
        targets.is_none_or(|targets| targets.hold(request, toward))
            && residue.is_none_or(|matcher| matcher.unindexed_mismatch(request, toward).is_none())
    }

    /// As [`Clause::holds`], for a tunnel.
    pub(super) fn holds_for_tunnel(&self, tunnel: &Tunnel<'_>, toward: Toward) -> bool {
        let residue = self.residue.as_ref();
        (toward == Toward::Refuse || !self.asks_path)
            && residue.is_none_or(|m| m.residual_mismatch_of_tunnel(tunnel, toward).is_none())
    }
}

impl Verdict {
    fn of(rule: &Rule) -> Self {
        match (&rule.effect, rule.enforcement) {
            (Effect::Deny(_) | Effect::Allow | Effect::Refer(_), Enforcement::Enforced) => {
                Self::Enforced
            }
            (Effect::Deny(_), Enforcement::Shadow) | (Effect::Audit, _) => Self::Marked,
            // `authoriser` refuses a shadow that would ask.
            (Effect::Allow | Effect::Refer(_), Enforcement::Shadow) => Self::Ignored,
        }
    }
}

/// The keys of a matcher that no index knows, ready to be asked; `None` when it
/// has none of them.
pub(crate) fn residue(matcher: &Matcher, toward: Toward) -> Result<Option<Matcher>, PatternError> {
    // Every key by its name: a new one must be thought of here.
    let Matcher {
        from: _,
        hosts: _,
        paths: _,
        targets,
        methods,
        ports,
        host_ports,
        listener_ports,
        server_names,
        headers,
        query,
        expr,
    } = matcher;
    let asks_nothing = targets.is_empty()
        && methods.is_none()
        && ports.is_empty()
        && host_ports.is_empty()
        && listener_ports.is_empty()
        && server_names.is_empty()
        && headers.is_empty()
        && query.is_empty()
        && expr.is_none();
    targets
        .iter()
        .try_for_each(|target| target.prepare(case(toward)))?;
    if let Some(expr) = expr
        && toward == Toward::Refuse
    {
        expr.prepare();
    }
    let residue = || Matcher {
        from: Arc::default(),
        hosts: Vec::new(),
        paths: Vec::new(),
        targets: targets.clone(),
        methods: methods.clone(),
        ports: ports.clone(),
        host_ports: host_ports.clone(),
        listener_ports: listener_ports.clone(),
        server_names: server_names.clone(),
        headers: headers.clone(),
        query: query.clone(),
        expr: expr.clone(),
    };
    Ok((!asks_nothing).then(residue))
}
