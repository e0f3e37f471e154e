//! `egret explain`: how a request would be decided, and why.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use conf::question::{Question, TunnelQuestion};
use policy::authoriser::{Referral, Word};
use policy::destination::{Action, Upgrades};
use policy::refusal::Refusal;
use policy::rule::{DefaultPolicy, Effect};
use policy::{
    Admission, Admitted, Explanation, Held, Next, Plan, Refused, Request, RuleId, RuleStep,
};

use super::{ConfigArgs, LOCAL, explain_tunnel};
use crate::clock::Moment;
use crate::load::compile;

/// What `explain` takes.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Who calls: `sa:NAMESPACE/NAME`, `spiffe://…` or `anonymous`.
    #[arg(long = "as", default_value = "anonymous")]
    caller: String,
    /// A header, `name: value`; may be given several times.
    #[arg(long, short = 'H')]
    header: Vec<String>,
    /// The listener the request comes in by; the first without a word.
    #[arg(long)]
    listener: Option<String>,
    /// The method; or a tunnel, `tls://HOST:PORT` or `tcp://HOST:PORT`.
    method: String,
    /// The URL; of CONNECT, `HOST:PORT`.
    url: Option<String>,
}

pub(super) fn explain(args: &ExplainArgs) -> ExitCode {
    let snapshot = match compile(&args.config.source()) {
        Ok(loaded) => loaded.value,
        Err(error) => {
            eprint!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let (admission, settings) = (snapshot.admission(), snapshot.settings());
    let domain = settings.trust.first().map_or(LOCAL, |t| &*t.domain);
    let words = [Some(&*args.method), args.url.as_deref()];
    let text = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if let Some(asked) = TunnelQuestion::ask(&args.caller, &text, domain) {
        let told = asked.and_then(|mut tunnel| {
            tunnel.listener = args.listener.as_deref().map(Box::from);
            explain_tunnel::explain(admission, settings, &tunnel)
        });
        return said(told);
    }
    let url = args.url.as_deref().unwrap_or_default();
    let asked = Question::ask(&args.caller, &args.method, url, &args.header, domain);
    let question = asked.and_then(|mut question| {
        question.listener = args.listener.as_deref().map(Box::from);
        question.listener(settings)?;
        Ok(question)
    });
    said(question.map(|question| {
        let caller = admission.caller(question.principal.clone(), question.address);
        let raw = question.raw(&caller, settings, Moment::now().nanos);
        tell(admission, admission.explain(raw))
    }))
}

fn said(told: Result<String, String>) -> ExitCode {
    match told {
        Ok(told) => {
            print!("{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The explanation as text. Writing to a string cannot fail.
fn tell(admission: &Admission, story: Explanation<'_>) -> String {
    let mut out = String::new();
    match &story.request {
        Err(refusal) => {
            let why = match refusal {
                Refusal::Malformed(malformed) => malformed.to_string(),
                other => other.code().to_owned(),
            };
            let _ = writeln!(out, "request   not canonical: {why}");
        }
        Ok(request) => {
            let caller = request
                .caller()
                .principal()
                .map_or("anonymous", |p| p.as_str());
            let query = request.query().map(|q| format!("?{q}")).unwrap_or_default();
            let _ = writeln!(
                out,
                "request   {} {}{}{query}\ncaller    {caller}",
                request.method().as_str(),
                request.host(),
                request.path(),
            );
            tell_rules(&mut out, admission, &story.rules);
            tell_routes(&mut out, &story);
        }
    }
    let _ = writeln!(out, "verdict   {}", verdict(admission, story.outcome));
    out
}

pub(super) fn tell_rules(out: &mut String, admission: &Admission, rules: &[RuleStep<'_>]) {
    let _ = writeln!(out, "rules");
    for step in rules {
        let _ = writeln!(
            out,
            "  {} {:<13} {}  ({})  {}",
            mark(step.held),
            effect(step),
            step.rule.name,
            step.rule.origin,
            reason(step.held),
        );
    }
    let default = match admission.default_policy() {
        DefaultPolicy::Deny => "deny what no rule allows",
        DefaultPolicy::Allow => "allow what no rule denies",
    };
    let _ = writeln!(out, "    default: {default}");
}

fn tell_routes(out: &mut String, story: &Explanation<'_>) {
    if story.stages.is_empty() {
        let _ = writeln!(out, "routes\n    no destination has this host");
    }
    for stage in &story.stages {
        let destination = stage.destination;
        let door = destination.door.map(|door| format!(" at {door}"));
        let _ = writeln!(
            out,
            "routes    of {}{} ({})",
            destination.name,
            door.unwrap_or_default(),
            destination.origin
        );
        if stage.routes.is_empty() {
            let _ = writeln!(out, "  + everything");
        }
        for step in &stage.routes {
            let _ = writeln!(
                out,
                "  {} {}  ({})  {}",
                mark(step.held),
                step.name,
                step.origin,
                reason(step.held),
            );
        }
    }
}

fn mark(held: Held) -> char {
    if held == Held::Yes { '+' } else { '-' }
}

fn effect(step: &RuleStep<'_>) -> String {
    let effect = match step.rule.effect {
        Effect::Deny(_) => "deny",
        Effect::Allow => "allow",
        Effect::Audit => "audit",
        Effect::Refer(_) => "refer",
    };
    if step.is_shadow() {
        format!("{effect} (shadow)")
    } else {
        effect.to_owned()
    }
}

fn reason(held: Held) -> String {
    match held {
        Held::Yes => "matches".to_owned(),
        Held::Excepted => "matches, but for `unless`".to_owned(),
        Held::No(key) => format!("`{}` does not match", key.as_str()),
    }
}

fn verdict(admission: &Admission, outcome: Result<Admitted<'_>, Refused<'_>>) -> String {
    match outcome {
        Err(refused) => refusal(admission, refused.refusal, refused.rule),
        Ok(Admitted { request, next }) => match next {
            Next::Go(plan) => allowed(admission, &request, &plan),
            Next::Ask(referral) => referred(admission, &request, referral),
        },
    }
}

/// Nobody is asked: what follows is what a yes would lead to.
fn referred(admission: &Admission, request: &Request<'_>, referral: Referral) -> String {
    let authoriser = admission.authoriser(referral.authoriser());
    let name = authoriser.map_or("", |a| &*a.name);
    let rule = admission.rule(referral.rule());
    let by = rule.map(|r| format!(" by {} ({})", r.name, r.origin));
    let grant = referral.grant();
    let then = match referral.answered(Word::Yes) {
        Ok(plan) => allowed(admission, request, &plan),
        Err(refused) => refusal(admission, refused, grant.rule()),
    };
    format!(
        "referred to {name}{}; after its yes, {then}",
        by.unwrap_or_default()
    )
}

pub(super) fn refusal(admission: &Admission, refusal: Refusal, rule: Option<RuleId>) -> String {
    let rule = rule.and_then(|id| admission.rule(id));
    let status = match (refusal, rule.map(|r| &r.effect)) {
        (Refusal::Denied, Some(Effect::Deny(answer))) => answer.status,
        (refusal, _) => refusal.status(),
    };
    let by = rule
        .map(|r| format!(" by {} ({})", r.name, r.origin))
        .unwrap_or_default();
    format!("{status} {}{by}", refusal.code())
}

fn allowed(admission: &Admission, request: &Request<'_>, plan: &Plan) -> String {
    let rule = plan.grant().rule().and_then(|id| admission.rule(id));
    let by = rule.map_or("default policy".to_owned(), |r| {
        format!("{} ({})", r.name, r.origin)
    });
    let Some(route) = admission.route(plan) else {
        return format!("allowed by {by}");
    };
    let leads = match &route.action {
        Action::Forward(_) => upstream(admission, request, plan),
        Action::Redirect(redirect) => format!("redirects with {}", redirect.status),
        Action::Respond(respond) => format!("answers {}", respond.status),
        Action::Hop(port) => format!("goes on at the gateway's port {port}"),
    };
    let websockets = match route.upgrades {
        Upgrades::WebSocket => "; WebSockets are let through",
        Upgrades::Refused => "",
    };
    format!(
        "allowed by {by}; route `{}` ({}) {leads}{websockets}",
        route.name, route.origin
    )
}

fn upstream(admission: &Admission, request: &Request<'_>, plan: &Plan) -> String {
    use policy::destination::{UpstreamHost, UpstreamTls};
    let index = plan.upstream().and_then(|u| usize::try_from(u.0).ok());
    let Some(upstream) = index.and_then(|index| admission.upstreams().get(index)) else {
        return String::new();
    };
    let host = match &upstream.host {
        UpstreamHost::Named(name) => name,
        UpstreamHost::Requested => request.host(),
    };
    let scheme = match upstream.tls {
        UpstreamTls::On(_) => "https",
        UpstreamTls::Off => "http",
    };
    let via = match &upstream.via {
        None => String::new(),
        Some(via) => format!(", by the proxy {}:{}", via.host, via.port),
    };
    format!("to {scheme}://{host}:{}{via}", upstream.port)
}
