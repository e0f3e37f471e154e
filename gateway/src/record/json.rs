//! The default line: Istio's 24 keys as Envoy 1.40 prints them (alphabetical;
//! `null` for absent, but `-` for no response flags; `upstream_service_time` a
//! string, because it was a header), and Egret's own among them.
//!
//! Written straight into a reused buffer: no value tree on the request path.

use std::net::SocketAddr;
use std::time::Duration;

use super::object::{Object, key};
use super::scalar::{self, Fraction};
use super::{Authorisation, Record, RuleName};

const PATH_BYTES: usize = 2 * 1024;
const USER_AGENT_BYTES: usize = 256;
/// A SPIFFE id has at most 2048 bytes; a cut one would name somebody else.
const PRINCIPAL_BYTES: usize = 2 * 1024;
const TEXT_BYTES: usize = 1024;

/// Appends the record's line, without its line ending.
pub(crate) fn line(out: &mut Vec<u8>, record: &Record<'_>) {
    let mut object = Object::begin(out);
    until_failure(&mut object, record);
    until_route(&mut object, record);
    until_start_time(&mut object, record);
    from_upstream(&mut object, record);
    object.end();
}

fn until_failure(o: &mut Object<'_>, r: &Record<'_>) {
    o.text(key!("audit_rule"), rule_name(r.audit_rule), TEXT_BYTES);
    if let Some(said) = r.authoriser {
        authorisation(o, said);
    }
    o.text(key!("authority"), bytes(r.authority.as_deref()), TEXT_BYTES);
    o.number(key!("bytes_received"), Some(r.bytes_received));
    o.number(key!("bytes_sent"), Some(r.bytes_sent));
    let termination = r.connection_termination_details.as_deref();
    o.text(
        key!("connection_termination_details"),
        bytes(termination),
        TEXT_BYTES,
    );
    o.text(
        key!("decision"),
        bytes(Some(r.decision.as_str())),
        TEXT_BYTES,
    );
    o.member(
        key!("downstream_local_address"),
        Some(r.downstream_local_address),
        address,
    );
    o.member(
        key!("downstream_remote_address"),
        Some(r.downstream_remote_address),
        address,
    );
    o.number(key!("duration"), Some(millis(r.duration)));
    o.text(key!("failure"), bytes(r.failure), TEXT_BYTES);
}

fn authorisation(o: &mut Object<'_>, said: Authorisation<'_>) {
    o.text(
        key!("authoriser"),
        Some(said.authoriser.as_bytes()),
        TEXT_BYTES,
    );
    o.number(key!("authoriser_duration"), Some(millis(said.duration)));
    o.text(key!("authoriser_error"), bytes(said.error), TEXT_BYTES);
    o.text(
        key!("authoriser_verdict"),
        bytes(Some(said.verdict())),
        TEXT_BYTES,
    );
}

fn until_route(o: &mut Object<'_>, r: &Record<'_>) {
    if r.grpc {
        o.number(key!("grpc_status"), r.grpc_status.map(u64::from));
    }
    if let Some(name) = r.inner_server_name {
        o.text(key!("inner_server_name"), bytes(Some(name)), TEXT_BYTES);
    }
    o.text(key!("method"), bytes(r.method.as_deref()), TEXT_BYTES);
    o.text(key!("path"), bytes(r.path.as_deref()), PATH_BYTES);
    o.text(key!("protocol"), bytes(r.protocol), TEXT_BYTES);
    o.text(key!("refusal"), bytes(r.refusal), TEXT_BYTES);
    o.text(key!("request_id"), r.request_id, TEXT_BYTES);
    o.text(
        key!("requested_server_name"),
        bytes(r.requested_server_name),
        TEXT_BYTES,
    );
    o.number(key!("response_code"), Some(r.response_code.into()));
    let details = r.response_code_details.as_deref();
    o.text(key!("response_code_details"), bytes(details), TEXT_BYTES);
    o.text(
        key!("response_flags"),
        bytes(Some(&r.response_flags)),
        TEXT_BYTES,
    );
    o.text(key!("route_name"), bytes(r.route_name), TEXT_BYTES);
}

fn until_start_time(o: &mut Object<'_>, r: &Record<'_>) {
    o.text(key!("rule"), rule_name(r.rule), TEXT_BYTES);
    o.member(key!("rule_origin"), r.rule, |o, rule| {
        o.out.push(b'"');
        o.escaped(rule.origin.file.as_bytes(), TEXT_BYTES);
        o.out.push(b':');
        scalar::decimal(o.out, rule.origin.line.into());
        o.out.push(b'"');
    });
    o.text(key!("shadow_rule"), rule_name(r.shadow_rule), TEXT_BYTES);
    o.text(key!("snapshot"), bytes(Some(r.snapshot)), TEXT_BYTES);
    let principal = r.source_principal.map(|p| p.as_str().as_bytes());
    o.text(key!("source_principal"), principal, PRINCIPAL_BYTES);
    o.member(key!("start_time"), Some(r.start_nanos), |o, nanos| {
        o.between_quotes(|out| scalar::timestamp(out, nanos, Fraction::Millis));
    });
}

fn from_upstream(o: &mut Object<'_>, r: &Record<'_>) {
    o.text(
        key!("upstream_cluster"),
        bytes(r.upstream_cluster.as_deref()),
        TEXT_BYTES,
    );
    o.member(key!("upstream_host"), r.upstream_host, address);
    o.member(
        key!("upstream_local_address"),
        r.upstream_local_address,
        address,
    );
    o.member(
        key!("upstream_service_time"),
        r.upstream_service_time,
        |o, time| {
            o.between_quotes(|out| scalar::decimal(out, millis(time)));
        },
    );
    let reason = r.upstream_transport_failure_reason.as_deref();
    o.text(
        key!("upstream_transport_failure_reason"),
        bytes(reason),
        TEXT_BYTES,
    );
    o.text(key!("user_agent"), r.user_agent, USER_AGENT_BYTES);
    o.text(key!("x_forwarded_for"), r.x_forwarded_for, TEXT_BYTES);
}

fn rule_name(rule: Option<RuleName<'_>>) -> Option<&[u8]> {
    rule.map(|rule| rule.name.as_bytes())
}

fn bytes(text: Option<&str>) -> Option<&[u8]> {
    text.map(str::as_bytes)
}

fn address(o: &mut Object<'_>, address: SocketAddr) {
    o.between_quotes(|out| scalar::address(out, address));
}

/// Whole milliseconds, as lines write durations.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
