//! `to.operation`: which requests.

use policy::Toward;
use policy::canonical::MethodSet;
use policy::door::View;
use policy::pattern::{HostPattern, PathPattern, PatternError};
use policy::source::NamePattern;

use super::clause::{Operation, Way};
use super::expression;
use super::hosts::hosts;
use super::written::{Context, Written, field, has_inner_star, pattern, texts};
use crate::fields::{Fields, number};
use crate::native::canonical_path::{Part, check};
use crate::snapshot::Listener;

/// Reads one `operation`.
pub(super) fn operation<'a>(fields: &Fields<'a>, context: &Context<'a>) -> Operation {
    let operation = fields_of(fields, context);
    if fields.is_empty() {
        let message = "an empty `operation`: write what you mean, or delete `to` for everything";
        fields.report.error(fields.origin(), message);
    }
    operation
}

/// The fields of an operation, which may stand among others.
pub(super) fn fields_of<'a>(fields: &Fields<'a>, context: &Context<'a>) -> Operation {
    let mut operation = Operation::default();
    let mut read = |keys, ways: fn(&[Written<'a>], &Context<'a>) -> Vec<Way>| {
        field(fields, keys, context, &mut operation.clause, ways);
    };
    read(["hosts", "notHosts"], hosts);
    read(["ports", "notPorts"], ports);
    read(["methods", "notMethods"], methods);
    let paths = |key| {
        let values = texts(fields, key).unwrap_or_default();
        let read = values
            .into_iter()
            .filter_map(|written| path(written, context));
        read.collect::<Vec<_>>()
    };
    operation.paths = paths("paths");
    operation.not_paths = paths("notPaths");
    operation
}

/// Ports of the listener, as callers mean them; no caller chooses those. Istio
/// means the port of the socket, which may be another: a refusal takes either.
pub(super) fn ports(values: &[Written<'_>], context: &Context<'_>) -> Vec<Way> {
    let port = |written: &Written<'_>| {
        let port = number(written.node, context.report(), 1..=65535_u16)?;
        let bound = bound_at(port, context.scope.listeners);
        warn_of_port(port, &bound, written, context);
        Some(match context.toward {
            Toward::Permit => vec![port],
            Toward::Refuse => [vec![port], bound].concat(),
        })
    };
    let mut listener_ports: Vec<u16> = values.iter().filter_map(port).flatten().collect();
    listener_ports.sort_unstable();
    listener_ports.dedup();
    match listener_ports.is_empty() {
        true => Vec::new(),
        false => vec![Way {
            listener_ports,
            ..Way::default()
        }],
    }
}

/// The ports that callers mean by sockets of a number.
fn bound_at(number: u16, listeners: &[Listener]) -> Vec<u16> {
    let bound = listeners.iter().filter(|l| l.bind.port() == number);
    bound.map(|listener| listener.port).collect()
}

/// Tells of a port that nobody means, where it is known who means which.
fn warn_of_port(port: u16, bound: &[u16], written: &Written<'_>, context: &Context<'_>) {
    let listeners = context.scope.listeners;
    let named = |listener: &Listener| listener.port == port;
    let any = listeners
        .iter()
        .any(|l| l.view == View::Mesh || l.mode.names_ports());
    // A refusal takes the socket's number as well.
    let is_refused = context.toward == Toward::Refuse && !bound.is_empty();
    if listeners.is_empty() || any || is_refused || listeners.iter().any(named) {
        return;
    }
    let instead = match bound {
        [meant, ..] => format!(
            "callers of that socket mean port {meant}, and a permission asks for that one: write `{meant}`"
        ),
        [] => {
            let mut ports: Vec<u16> = listeners.iter().map(|listener| listener.port).collect();
            ports.sort_unstable();
            ports.dedup();
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            format!("write one of theirs: {}", ports.join(", "))
        }
    };
    let message = format!("no listener has the port {port}: {instead}");
    context.report().warning(&written.node.origin, message);
}

/// Methods, which have a case.
pub(super) fn methods(values: &[Written<'_>], context: &Context<'_>) -> Vec<Way> {
    let mut names: Vec<Box<str>> = Vec::new();
    let mut ways = Vec::new();
    for written in values {
        let Some(pattern) = pattern(*written, context.report()) else {
            continue;
        };
        let text = match &pattern {
            NamePattern::Any => return vec![Way::default()],
            NamePattern::Exact(text) | NamePattern::Prefix(text) | NamePattern::Suffix(text) => {
                text
            }
        };
        match (MethodSet::parse([text]), &pattern) {
            (Err(error), _) => {
                context
                    .report()
                    .error(&written.node.origin, error.to_string());
            }
            (Ok(_), NamePattern::Exact(name)) => names.push(name.clone()),
            (Ok(_), _) => ways.push(Way::condition(expression::matches(
                "request.method",
                &pattern,
            ))),
        }
    }
    if !names.is_empty() {
        ways.push(Way {
            methods: names,
            ..Way::default()
        });
    }
    ways
}

/// Paths, without their query.
fn path(written: Written<'_>, context: &Context<'_>) -> Option<PathPattern> {
    let report = context.report();
    if let Some(at) = written.text.find('?') {
        let message = "a path has no query: delete `?` and what follows it";
        report.error(&written.node.place_of(at), message);
        return None;
    }
    let pattern = match read_path(written.text) {
        Ok(pattern) => pattern,
        Err(error) => {
            let place = written.node.place_of(error.offset());
            report.error(&place, error.message());
            return None;
        }
    };
    if let Err(message) = check(&pattern, Part::Path) {
        report.error(&written.node.origin, message);
    }
    Some(pattern)
}

fn read_path(text: &str) -> Result<PathPattern, PatternError> {
    let template = text.contains(['{', '}']) || (text != "*" && has_inner_star(text));
    match template {
        true => PathPattern::template(text),
        false => PathPattern::parse(text),
    }
}

/// Server names of the TLS connection. Without one none matches, in either
/// direction: names of the gateway itself count as none.
pub(super) fn server_names(values: &[Written<'_>], context: &Context<'_>) -> Vec<Way> {
    const NAME: &str = "connection.requested_server_name";
    let mut server_names = Vec::new();
    let mut ways = Vec::new();
    for written in values {
        let report = context.report();
        let Some(pattern) = pattern(*written, report) else {
            continue;
        };
        if let NamePattern::Prefix(begin) = &pattern {
            let begin = NamePattern::Prefix(begin.to_ascii_lowercase().into());
            let matches = expression::matches(NAME, &begin);
            ways.push(Way::condition(format!("has({NAME}) && {matches}")));
            continue;
        }
        match HostPattern::parse(written.text) {
            Ok(name) => server_names.push(name),
            Err(error) => report.error(&written.node.origin, error.to_string()),
        }
    }
    if !server_names.is_empty() {
        ways.push(Way {
            server_names,
            ..Way::default()
        });
    }
    ways
}
