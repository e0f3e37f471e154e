//! The rules of a snapshot, indexed: a decision costs the same whatever the
//! number of hosts, rules and principals.
//!
//! Rules are grouped by host pattern. All patterns that match one host are
//! suffixes of it, hence a short chain from the most specific to the least.
//! Within a group, one look-up gives the path patterns that match; a rule is
//! asked only if it stands under one of those *and* under one of the caller's
//! sources. INVARIANT(index-agrees): the outcome is that of asking every rule
//! in turn, which `tests/agreement.rs` checks against `reference`.

mod clause;
mod exception;
mod group;
mod hoist;
mod targets;
mod tunnel;

use std::borrow::Cow;

use crate::canonical::{DenyViews, Method, deny_views};
use crate::matching::Toward;
use crate::pattern::{Case, Hits, HostMap, PathIndex, RegexPool};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::routing::CompileError;
use crate::rule::{DefaultPolicy, Effect, Rule};
use crate::source::{SourceId, SourcePattern, SourceTable};

pub(crate) use clause::residue;
use clause::{Clause, Verdict};
use exception::Exception;
use group::{Group, HostGroups};
pub(crate) use hoist::{hosts, hosts_of};

/// The number of a rule within its snapshot, in load order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(u32);

impl RuleId {
    fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Every rule of a snapshot.
#[derive(Debug)]
pub(crate) struct RuleSet {
    rules: Box<[Rule]>,
    /// Matchers of all rules; their hosts, sources and paths are in the index.
    clauses: Box<[Clause]>,
    exceptions: Box<[Box<[Exception]>]>,
    refusing: HostMap<Group>,
    permitting: HostMap<Group>,
    /// Rules that ask an authoriser; `None` where there are none.
    referring: Option<HostMap<Group>>,
    default: DefaultPolicy,
}

/// Permission to go on. Comes only from [`RuleSet::decide`].
/// INVARIANT(grant-from-rule): a grant names the rule that allowed, or is the
/// operator's own default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    rule: Option<RuleId>,
    /// The first rule that asks an authoriser.
    referring: Option<RuleId>,
    marks: Marks,
}

impl Grant {
    /// The rule that allowed; `None`: the default.
    #[must_use]
    pub fn rule(&self) -> Option<RuleId> {
        self.rule
    }

    /// The rule that requires an authoriser's word besides.
    #[must_use]
    pub fn referring(&self) -> Option<RuleId> {
        self.referring
    }

    /// What other rules remarked.
    #[must_use]
    pub fn marks(&self) -> Marks {
        self.marks
    }
}

/// What rules remark without deciding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The first shadow rule that would have refused.
    pub shadow: Option<RuleId>,
    /// The first audit rule that matches.
    pub audit: Option<RuleId>,
}

/// The policy's no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    /// The deny rule; `None`: nothing allows.
    pub(crate) rule: Option<RuleId>,
    /// What other rules remarked.
    pub(crate) marks: Marks,
}

impl Denial {
    pub(crate) fn refusal(self) -> Refusal {
        match self.rule {
            Some(_) => Refusal::Denied,
            None => Refusal::NotAllowed,
        }
    }
}

impl RuleSet {
    pub(crate) fn compile(
        rules: Vec<Rule>,
        default: DefaultPolicy,
        sources: &mut SourceTable,
        pool: &mut RegexPool,
    ) -> Result<Self, Vec<CompileError>> {
        let mut errors = Vec::new();
        let mut refusing = HostGroups::default();
        let mut permitting = HostGroups::default();
        let mut referring = HostGroups::default();
        let mut clauses = Vec::new();
        let mut exceptions = Vec::with_capacity(rules.len());
        for (number, rule) in (0..).zip(&rules) {
            let (groups, toward) = match rule.effect {
                Effect::Deny(_) => (&mut refusing, Toward::Refuse),
                Effect::Allow | Effect::Audit => (&mut permitting, Toward::Permit),
                // Fail closed: in doubt the authoriser is asked.
                Effect::Refer(_) => (&mut referring, Toward::Refuse),
            };
            for matcher in &rule.matchers {
                let clause = u32::try_from(clauses.len()).unwrap_or(u32::MAX);
                groups.insert(matcher, clause, toward, sources);
                match Clause::compile(RuleId(number), rule, matcher, toward, pool) {
                    Ok(clause) => clauses.push(clause),
                    Err(error) => errors.push(CompileError::new(&rule.origin, &error)),
                }
            }
            let toward = toward.opposite();
            let unless = rule.unless.iter().map(|matcher| {
                Exception::compile(matcher, toward, sources, pool)
                    .map_err(|error| CompileError::new(&rule.origin, &error))
            });
            exceptions.push(kept(unless, &mut errors));
        }
        let mut group = |groups: HostGroups, case| {
            let built = groups.build(case, pool);
            built.map_err(|(clause, error)| {
                let rule = clauses
                    .get(clause)
                    .and_then(|c: &Clause| rules.get(c.rule.index()));
                errors.extend(rule.map(|rule| CompileError::new(&rule.origin, &error)));
            })
        };
        let refusing = group(refusing, case(Toward::Refuse));
        let permitting = group(permitting, case(Toward::Permit));
        let refers = rules.iter().any(|r| matches!(r.effect, Effect::Refer(_)));
        let referring = group(referring, case(Toward::Refuse));
        match (refusing, permitting, referring) {
            (Ok(refusing), Ok(permitting), Ok(referring)) if errors.is_empty() => Ok(Self {
                rules: rules.into(),
                clauses: clauses.into(),
                exceptions: exceptions.into(),
                refusing,
                permitting,
                referring: refers.then_some(referring),
                default,
            }),
            _ => Err(errors),
        }
    }

    pub(crate) fn default_policy(&self) -> DefaultPolicy {
        self.default
    }

    pub(crate) fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(id.index())
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Deny before allow, and an authoriser is asked only about what they let go
    /// on; order of rules changes nothing but which one is named.
    pub(crate) fn decide(&self, request: &Request<'_>) -> Result<Grant, Denial> {
        let refused = self.refusing(&self.refusing, request);
        let permitted = self.permitting(request);
        let grant = self.verdict(&refused, &permitted, !is_unusual(&request.method()))?;
        let referring = self.referring.as_ref();
        Ok(Grant {
            referring: referring.and_then(|rules| self.refusing(rules, request).enforced),
            ..grant
        })
    }

    /// What the rules found come to; `usual`: whether the default may speak.
    fn verdict(&self, refused: &Found, permitted: &Found, usual: bool) -> Result<Grant, Denial> {
        let marks = Marks {
            shadow: refused.shadow,
            audit: permitted.shadow,
        };
        if let Some(rule) = refused.enforced {
            return Err(Denial {
                rule: Some(rule),
                marks,
            });
        }
        if permitted.enforced.is_none() && !(self.default == DefaultPolicy::Allow && usual) {
            return Err(Denial { rule: None, marks });
        }
        Ok(Grant {
            rule: permitted.enforced,
            referring: None,
            marks,
        })
    }

    /// Of rules that take away: every doubt is a match.
    fn refusing(&self, rules: &HostMap<Group>, request: &Request<'_>) -> Found {
        let mut found = Found::default();
        let mut paths = None;
        for group in rules.chain(request.host()) {
            let folded = paths.get_or_insert_with(|| Folded::of(request.path()));
            let mut hits = Hits::default();
            folded.hits(&group.paths, &mut hits);
            self.ask(group, &hits, request, Toward::Refuse, &mut found);
        }
        found
    }

    fn permitting(&self, request: &Request<'_>) -> Found {
        let mut found = Found::default();
        for group in self.permitting.chain(request.host()) {
            let mut hits = Hits::default();
            group.paths.hits(request.path(), &mut hits);
            self.ask(group, &hits, request, Toward::Permit, &mut found);
        }
        found
    }

    fn ask(
        &self,
        group: &Group,
        hits: &Hits,
        request: &Request<'_>,
        toward: Toward,
        found: &mut Found,
    ) {
        for &path in hits.as_slice() {
            group.clauses(path, request.caller().sources(), |clause| {
                self.ask_clause(clause, request, toward, found);
            });
        }
    }

    fn ask_clause(&self, clause: u32, request: &Request<'_>, toward: Toward, found: &mut Found) {
        let Some(clause) = usize::try_from(clause)
            .ok()
            .and_then(|c| self.clauses.get(c))
        else {
            return;
        };
        let slot = found.slot(clause.verdict);
        let known = slot.is_some_and(|earlier| earlier <= clause.rule);
        if known || !clause.holds(request, toward) {
            return;
        }
        if clause.excepted && self.excepted(clause.rule, request, toward.opposite()) {
            return;
        }
        *slot = Some(clause.rule);
    }

    fn excepted(&self, rule: RuleId, request: &Request<'_>, toward: Toward) -> bool {
        self.exceptions
            .get(rule.index())
            .is_some_and(|all| all.iter().any(|e| e.holds(request, toward)))
    }
}

/// The first matching rule of each kind. `shadow` holds rules that do not
/// decide: shadows where rules refuse, audits where they permit.
#[derive(Debug, Default)]
struct Found {
    enforced: Option<RuleId>,
    shadow: Option<RuleId>,
    /// Shadow permissions decide nothing and mark nothing.
    ignored: Option<RuleId>,
}

impl Found {
    fn slot(&mut self, verdict: Verdict) -> &mut Option<RuleId> {
        match verdict {
            Verdict::Enforced => &mut self.enforced,
            Verdict::Marked => &mut self.shadow,
            Verdict::Ignored => &mut self.ignored,
        }
    }
}

/// The path as refusing rules see it: as it is sent, and widened.
struct Folded<'a> {
    canonical: Cow<'a, str>,
    views: DenyViews<'a>,
}

impl<'a> Folded<'a> {
    fn of(path: &'a str) -> Self {
        let canonical = if path.bytes().any(|b| b.is_ascii_uppercase()) {
            path.to_ascii_lowercase().into()
        } else {
            path.into()
        };
        Self {
            canonical,
            views: deny_views(path),
        }
    }

    fn hits(&self, index: &PathIndex, hits: &mut Hits) {
        index.hits(&self.canonical, hits);
        for view in self.views.iter().filter(|view| *view != self.canonical) {
            index.hits(view, hits);
        }
    }
}

/// How a doubt about letters falls.
fn case(toward: Toward) -> Case {
    match toward {
        Toward::Permit => Case::Sensitive,
        Toward::Refuse => Case::Folded,
    }
}

fn is_unusual(method: &Method<'_>) -> bool {
    matches!(method, Method::Other(_))
}

/// More sources than this of one matcher are a crowd in the index, which would
/// hold each of them under each path of each host otherwise.
const FEW: usize = 4;

/// The numbers of a matcher's sources, ascending; everybody's when it names none.
fn numbers(from: &[SourcePattern], toward: Toward, sources: &mut SourceTable) -> Box<[SourceId]> {
    if from.is_empty() {
        return [SourceId::ANY].into();
    }
    let mut ids: Vec<_> = from.iter().map(|s| sources.number(s)).collect();
    let speaks_of_workloads = from.iter().any(SourcePattern::speaks_of_workloads);
    if toward == Toward::Refuse && speaks_of_workloads {
        ids.push(SourceId::UNVERIFIED);
    }
    ids.sort_unstable();
    ids.dedup();
    match ids.len() {
        0..=FEW => ids.into(),
        _ => [sources.crowd(ids.into())].into(),
    }
}

/// The good ones; the others are noted.
fn kept<T>(
    results: impl Iterator<Item = Result<T, CompileError>>,
    errors: &mut Vec<CompileError>,
) -> Box<[T]> {
    results
        .filter_map(|r| r.map_err(|e| errors.push(e)).ok())
        .collect()
}
