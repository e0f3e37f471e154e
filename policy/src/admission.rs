//! The spine: `admit` = canonicalise → decide → route.
//!
//! One pure function over one compiled snapshot. It can refuse; it cannot fail.

mod tunnels;

use std::net::IpAddr;
use std::time::Duration;

use crate::authoriser::{Authoriser, AuthoriserRef, Authorisers, OnError, Referral};
use crate::destination::{Destination, Passage, Route, TcpRoute, Upstream};
use crate::door::Door;
use crate::pattern::RegexPool;
use crate::principal::Principal;
use crate::refusal::Refusal;
use crate::request::{RawRequest, Request};
use crate::routing::{ChosenLabels, CompileError, DestinationId, Plan, Routing};
use crate::rule::{DefaultPolicy, Effect, Rule};
use crate::ruleset::{Grant, Marks, RuleId, RuleSet};
use crate::source::{Caller, SourceTable};

/// What an operator configured, ready to compile.
#[derive(Debug, Default)]
pub struct AdmissionSpec {
    /// What happens to requests no rule speaks of.
    pub default_policy: DefaultPolicy,
    /// In load order.
    pub rules: Vec<Rule>,
    /// One for each host pattern and door.
    pub destinations: Vec<Destination>,
    /// Where TLS passes through to, one for each host pattern and door.
    pub passages: Vec<Passage>,
    /// Where ports lead that say nothing else; the first that applies serves.
    pub tcp: Vec<TcpRoute>,
    /// What destinations and routes refer to.
    pub upstreams: Vec<Upstream>,
    /// What `refer` rules refer to.
    pub authorisers: Vec<Authoriser>,
    /// How much of a host that only a wildcard admits callers may choose.
    pub chosen_labels: ChosenLabels,
}

/// Policies, destinations and routes of one snapshot, compiled.
#[derive(Debug)]
pub struct Admission {
    sources: SourceTable,
    rules: RuleSet,
    routing: Routing,
    authorisers: Authorisers,
}

/// A request that rules let go on.
#[derive(Debug)]
pub struct Admitted<'a> {
    /// What is sent.
    pub request: Request<'a>,
    /// Where to.
    pub next: Next,
}

/// What becomes of a request that rules let go on.
#[derive(Debug)]
pub enum Next {
    /// It goes.
    Go(Plan),
    /// It goes if an external authoriser says so.
    Ask(Referral),
}

impl Next {
    /// The rule that says so: the one that allows, or the one that asks.
    #[must_use]
    pub fn rule(&self) -> Option<RuleId> {
        match self {
            Self::Go(plan) => plan.grant().rule(),
            Self::Ask(referral) => Some(referral.rule()),
        }
    }
}

/// A request that may not go.
#[derive(Debug)]
pub struct Refused<'a> {
    /// Why.
    pub refusal: Refusal,
    /// Its canonical form, unless it has none.
    pub request: Option<Request<'a>>,
    /// The rule that decided, for and against.
    pub rule: Option<RuleId>,
    /// What other rules remarked.
    pub marks: Marks,
}

impl Admission {
    /// Compiles a configuration.
    ///
    /// # Errors
    /// Every reference that leads nowhere.
    pub fn compile(spec: AdmissionSpec) -> Result<Self, Vec<CompileError>> {
        let mut sources = SourceTable::default();
        let mut pool = RegexPool::default();
        let authorisers = Authorisers::compile(spec.authorisers, &spec.rules, &spec.upstreams);
        let rules = RuleSet::compile(spec.rules, spec.default_policy, &mut sources, &mut pool);
        let routing = Routing::compile(
            spec.destinations,
            (spec.passages, spec.tcp),
            spec.upstreams,
            spec.chosen_labels,
            &mut pool,
        );
        match (rules, routing, authorisers) {
            (Ok(rules), Ok(routing), Ok(authorisers)) => Ok(Self {
                sources,
                rules,
                routing,
                authorisers,
            }),
            (rules, routing, authorisers) => {
                let mut errors = rules.err().unwrap_or_default();
                errors.extend(routing.err().unwrap_or_default());
                errors.extend(authorisers.err().unwrap_or_default());
                Err(errors)
            }
        }
    }

    /// How this snapshot sees a caller. Done once per connection.
    #[must_use]
    pub fn caller(&self, principal: Option<Principal>, address: IpAddr) -> Caller {
        self.sources.caller(principal, address)
    }

    /// The canonical form of a request alone, for records.
    ///
    /// # Errors
    /// As [`Admission::admit`], from its first step.
    pub fn canonicalise<'a>(&self, raw: RawRequest<'a>) -> Result<Request<'a>, Refusal> {
        self.canonical(raw).map(|(request, _)| request)
    }

    /// The canonical form, and the destination whose opt-outs it was made by.
    fn canonical<'a>(
        &self,
        raw: RawRequest<'a>,
    ) -> Result<(Request<'a>, Option<DestinationId>), Refusal> {
        let mut found = None;
        let request = Request::canonicalise(raw, |host, door| {
            found = self.routing.find(host, door);
            let profile = found.and_then(|id| self.routing.profile(id));
            profile.unwrap_or_default()
        })?;
        Ok((request, found))
    }

    /// Decides upon a request. `lot` is a random number, by which one of
    /// several weighted upstreams is drawn.
    ///
    /// # Errors
    /// 400 what has no canonical form, 403 what policy refuses, 404 what no
    /// route serves, in this order. Of what an authoriser must be asked about,
    /// a missing route shows only after its yes.
    #[expect(
        clippy::result_large_err,
        reason = "both outcomes carry the request, and neither is rare enough to box"
    )]
    pub fn admit<'a>(&self, raw: RawRequest<'a>, lot: u32) -> Result<Admitted<'a>, Refused<'a>> {
        let (request, destination) = self.canonical(raw).map_err(|refusal| Refused {
            refusal,
            request: None,
            rule: None,
            marks: Marks::default(),
        })?;
        let grant = match self.rules.decide(&request) {
            Ok(grant) => grant,
            Err(denial) => {
                return Err(Refused {
                    refusal: denial.refusal(),
                    request: Some(request),
                    rule: denial.rule,
                    marks: denial.marks,
                });
            }
        };
        let routed = self.routing.route(&request, destination, grant, lot);
        if let Some((rule, refusal)) = self.refused_behind_hop(&request, grant, &routed) {
            return Err(Refused {
                refusal,
                request: Some(request),
                rule,
                marks: grant.marks(),
            });
        }
        if let Some(referral) = self.referral(grant, &routed) {
            let next = Next::Ask(referral);
            return Ok(Admitted { request, next });
        }
        match routed {
            Ok(plan) => {
                let next = Next::Go(plan);
                Ok(Admitted { request, next })
            }
            Err(refusal) => Err(Refused {
                refusal,
                request: Some(request),
                rule: grant.rule(),
                marks: grant.marks(),
            }),
        }
    }

    /// What policy says against a request at the gateway's port that a hop led
    /// to: rules on ports speak of that one, too. An authoriser who would be
    /// asked only there has no place to be asked in.
    fn refused_behind_hop(
        &self,
        request: &Request<'_>,
        grant: Grant,
        routed: &Result<Plan, Refusal>,
    ) -> Option<(Option<RuleId>, Refusal)> {
        let port = routed.as_ref().ok()?.hop()?;
        match self.rules.decide(&request.hopped(port)) {
            Err(denial) => Some((denial.rule, denial.refusal())),
            Ok(there) if there.referring().is_some() && grant.referring().is_none() => {
                Some((there.referring(), Refusal::Denied))
            }
            Ok(_) => None,
        }
    }

    /// The question that stands between a grant and its plan.
    fn referral(&self, grant: Grant, routed: &Result<Plan, Refusal>) -> Option<Referral> {
        let rule = grant.referring()?;
        // Compilation has seen to it that both exist. Were they missing, the
        // question would still stand, and remain without an answer.
        let authoriser = match self.rule(rule).map(|rule| &rule.effect) {
            Some(Effect::Refer(authoriser)) => *authoriser,
            _ => AuthoriserRef(u32::MAX),
        };
        let on_error = self.authoriser(authoriser).map(|a| a.on_error);
        Some(Referral {
            authoriser,
            rule,
            grant,
            on_error: on_error.unwrap_or(OnError::Deny(403)),
            routed: *routed,
        })
    }

    /// An authoriser by its number.
    #[must_use]
    pub fn authoriser(&self, authoriser: AuthoriserRef) -> Option<&Authoriser> {
        self.authorisers.get(authoriser)
    }

    /// All authorisers; an `AuthoriserRef` is an index into them.
    #[must_use]
    pub fn authorisers(&self) -> &[Authoriser] {
        self.authorisers.all()
    }

    /// A rule by its number.
    #[must_use]
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.rule(id)
    }

    /// All rules, in load order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        self.rules.rules()
    }

    /// What happens to requests no rule speaks of.
    #[must_use]
    pub fn default_policy(&self) -> DefaultPolicy {
        self.rules.default_policy()
    }

    /// The destination that serves a canonical host behind a door.
    #[must_use]
    pub fn find_destination(&self, host: &str, door: Door) -> Option<&Destination> {
        self.destination(self.routing.find(host, door)?)
    }

    /// A destination by its number.
    #[must_use]
    pub fn destination(&self, id: DestinationId) -> Option<&Destination> {
        self.routing.destination(id)
    }

    /// All destinations.
    pub fn destinations(&self) -> impl Iterator<Item = &Destination> {
        self.routing.destinations()
    }

    /// The route of a plan of this snapshot.
    #[must_use]
    pub fn route(&self, plan: &Plan) -> Option<&Route> {
        self.routing.route_of(plan)
    }

    /// The time the exchange of a plan has, from its first byte to its last;
    /// `None`: no bound.
    #[must_use]
    pub fn timeout(&self, plan: &Plan) -> Option<Duration> {
        self.routing.timeout(plan)
    }

    /// All upstreams; an `UpstreamRef` is an index into them.
    #[must_use]
    pub fn upstreams(&self) -> &[Upstream] {
        self.routing.upstreams()
    }
}
