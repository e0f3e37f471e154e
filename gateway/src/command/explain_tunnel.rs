//! `egret explain tls://HOST:PORT`, `tcp://HOST:PORT` and `CONNECT HOST:PORT`: how
//! what passes through would be decided, and why.

use std::fmt::Write as _;

use conf::question::{Meant, TunnelQuestion};
use conf::snapshot::Settings;
use policy::destination::{UpstreamHost, UpstreamTls};
use policy::refusal::Refusal;
use policy::{Admission, AdmittedTunnel, RuleId, TunnelExplanation};

use super::explain::{refusal, tell_rules};
use crate::clock::Moment;

/// The explanation as text.
pub(super) fn explain(
    admission: &Admission,
    settings: &Settings,
    question: &TunnelQuestion,
) -> Result<String, String> {
    let listener = question.listener(settings)?;
    let caller = admission.caller(question.principal.clone(), question.address);
    let raw = question.raw(admission, listener, &caller, Moment::now().nanos);
    let story = admission.explain_tunnel(raw);
    let name = question.principal.as_ref();
    let name = name.map_or("anonymous", |principal| principal.as_str());
    let what = match &question.to {
        Meant::Tls { server_name, .. } => format!("TLS for {server_name}"),
        Meant::Bytes { .. } => "bytes".to_owned(),
        Meant::Connect { .. } => question.to_string(),
    };
    let mut out = String::new();
    let at = &listener.name;
    let _ = writeln!(
        out,
        "tunnel    {what} by the listener `{at}`\ncaller    {name}"
    );
    tell_rules(&mut out, admission, &story.rules);
    let _ = writeln!(out, "verdict   {}", verdict(admission, question, &story));
    Ok(out)
}

fn verdict(
    admission: &Admission,
    question: &TunnelQuestion,
    story: &TunnelExplanation<'_>,
) -> String {
    let no = |refused, rule| no(admission, question, refused, rule);
    match &story.outcome {
        Err(refused) => no(refused.refusal, refused.rule),
        Ok(admitted) => match question.check_inner(&admitted.tunnel, &admitted.plan) {
            Err(refused) => no(refused, admitted.plan.grant().rule()),
            Ok(()) => allowed(admission, admitted),
        },
    }
}

/// Of those who ask, only who said CONNECT is answered with a status.
fn no(
    admission: &Admission,
    question: &TunnelQuestion,
    refused: Refusal,
    rule: Option<RuleId>,
) -> String {
    let said = refusal(admission, refused, rule);
    if matches!(question.to, Meant::Connect { .. }) {
        return said;
    }
    let without = said.split_once(' ').map_or("", |(_, rest)| rest);
    format!("refused: {without}")
}

fn allowed(admission: &Admission, admitted: &AdmittedTunnel<'_>) -> String {
    let rule = admitted.plan.grant().rule();
    let rule = rule.and_then(|id| admission.rule(id));
    let by = rule.map_or("default policy".to_owned(), |r| {
        format!("{} ({})", r.name, r.origin)
    });
    let index = usize::try_from(admitted.plan.upstream().0).ok();
    let Some(upstream) = index.and_then(|index| admission.upstreams().get(index)) else {
        return format!("allowed by {by}");
    };
    let host = match &upstream.host {
        UpstreamHost::Named(name) => name,
        UpstreamHost::Requested => admitted.tunnel.host(),
    };
    let encrypted = match upstream.tls {
        UpstreamTls::On(_) => ", encrypted here",
        UpstreamTls::Off => "",
    };
    let (port, meant) = (upstream.port, admitted.tunnel.host());
    format!("allowed by {by}; leads to {meant} at {host}:{port}{encrypted}")
}
