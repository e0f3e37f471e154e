//! A matcher asked of a request twice over: by the index and, as its reference, by
//! itself.

use std::sync::Arc;
use std::time::Duration;

use policy::canonical::{Encoded, PathProfile};
use policy::destination::{
    Action, Destination, Reach, Retries, Route, Upgrades, Upstream, UpstreamHost, UpstreamProtocol,
    UpstreamRef, UpstreamTls, Weighted,
};
use policy::door::View;
use policy::origin::Origin;
use policy::pattern::HostPattern;
use policy::refusal::Refusal;
use policy::rule::{Answer, DefaultPolicy, Effect, Enforcement, Matcher, Rule, Template};
use policy::{Admission, AdmissionSpec, Headers, RawRequest, Toward};

/// A request to `api.example` at the gateway's port 443.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) authority: &'a str,
    pub(crate) target: &'a str,
    pub(crate) fields: &'a [(&'a str, &'a str)],
    pub(crate) view: View,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self {
            authority: "api.example",
            target: "/",
            fields: &[],
            view: View::Gateway,
        }
    }
}

pub(crate) struct Fields<'a>(pub(crate) &'a [(&'a str, &'a str)]);

impl Headers for Fields<'_> {
    fn value(&self, name: &str, index: usize) -> Option<&[u8]> {
        let mut values = self.0.iter().filter(|(other, _)| *other == name);
        values.nth(index).map(|(_, value)| value.as_bytes())
    }
}

fn origin() -> Arc<Origin> {
    Arc::new(Origin::new("egress.yaml", 1, 1))
}

pub(crate) fn upstream() -> Upstream {
    Upstream {
        host: UpstreamHost::Requested,
        port: 443,
        addresses: Vec::new(),
        tls: UpstreamTls::Off,
        protocol: UpstreamProtocol::Http1,
        reach: Reach::default(),
        connect_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(1),
        bounds: Default::default(),
        outlier: None,
        via: None,
        origin: origin(),
    }
}

/// Keeps what others refuse, so that as much as can be comes before the rules.
pub(crate) fn destination() -> Destination {
    Destination {
        host: HostPattern::parse("api.example").unwrap(),
        name: "api.example".into(),
        door: None,
        ports: Vec::new(),
        profile: PathProfile {
            encoded_slashes: Encoded::Keep,
            double_encoding: Encoded::Keep,
            ..PathProfile::default()
        },
        routes: vec![Route {
            name: "default".into(),
            matchers: Vec::new(),
            action: Action::Forward(vec![Weighted {
                upstream: UpstreamRef(0),
                weight: 1,
            }]),
            timeout: None,
            retries: Retries::default(),
            changes: None,
            upgrades: Upgrades::Refused,
            max_body: None,
            origin: origin(),
        }],
        origin: origin(),
    }
}

/// Whether a rule of this one matcher applies; asked twice over.
fn applies(matcher: &Matcher, toward: Toward, asked: Asked<'_>) -> bool {
    let (effect, default_policy) = match toward {
        Toward::Refuse => {
            let answer = Answer {
                status: 403,
                body: Template::default(),
            };
            (Effect::Deny(answer), DefaultPolicy::Allow)
        }
        Toward::Permit => (Effect::Allow, DefaultPolicy::Deny),
    };
    let spec = AdmissionSpec {
        default_policy,
        rules: vec![Rule {
            name: "rule".into(),
            effect,
            enforcement: Enforcement::Enforced,
            matchers: vec![matcher.clone()],
            unless: Vec::new(),
            origin: origin(),
        }],
        destinations: vec![destination()],
        upstreams: vec![upstream()],
        ..AdmissionSpec::default()
    };
    let admission = Admission::compile(spec).unwrap();
    let caller = admission.caller(None, [192, 0, 2, 1].into());
    let raw = RawRequest {
        method: b"GET",
        authority: asked.authority.as_bytes(),
        target: asked.target.as_bytes(),
        headers: &Fields(asked.fields),
        caller: &caller,
        server_name: None,
        view: asked.view,
        port: 443,
        time: 0,
    };
    let refused = match admission.admit(raw, 0) {
        Ok(_) => false,
        Err(refused) => {
            let by_rule = matches!(refused.refusal, Refusal::Denied | Refusal::NotAllowed);
            assert!(by_rule, "{:?} of {}", refused.refusal, asked.target);
            true
        }
    };
    let applies = refused == (toward == Toward::Refuse);
    let request = admission.canonicalise(raw).unwrap();
    let told = matcher.holds(&request, toward);
    assert_eq!(applies, told, "the index and the matcher: {raw:?}");
    applies
}

#[track_caller]
pub(crate) fn denied(matcher: &Matcher, asked: Asked<'_>) -> bool {
    applies(matcher, Toward::Refuse, asked)
}

#[track_caller]
pub(crate) fn allowed(matcher: &Matcher, asked: Asked<'_>) -> bool {
    applies(matcher, Toward::Permit, asked)
}
