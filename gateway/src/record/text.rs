//! The text lines of Istio 1.0 (2018, 13 fields) and of Istio today.
//!
//! `-` stands for absent. Values are escaped for where they stand, so that no
//! caller can end a line, a pair of quotes or a field.

use std::net::SocketAddr;
use std::time::Duration;

use conf::snapshot::TextFormat;

use super::Record;
use super::escape::{self, Place};
use super::json::millis;
use super::scalar::{self, Fraction};

const PATH_BYTES: usize = 2 * 1024;
const USER_AGENT_BYTES: usize = 256;
const TEXT_BYTES: usize = 1024;

/// Appends the record's line, without its line ending.
pub(crate) fn line(out: &mut Vec<u8>, record: &Record<'_>, format: TextFormat) {
    request(out, record);
    if format == TextFormat::Istio {
        reasons(out, record);
    }
    exchange(out, record);
    headers(out, record);
    if format == TextFormat::Istio {
        places(out, record);
    }
}

/// `[%START_TIME%] "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS%`
fn request(out: &mut Vec<u8>, r: &Record<'_>) {
    out.push(b'[');
    scalar::timestamp(out, r.start_nanos, Fraction::Millis);
    out.extend_from_slice(b"] \"");
    word(out, r.method.as_deref(), TEXT_BYTES);
    out.push(b' ');
    word(out, r.path.as_deref(), PATH_BYTES);
    out.push(b' ');
    word(out, r.protocol, TEXT_BYTES);
    out.extend_from_slice(b"\" ");
    scalar::decimal(out, r.response_code.into());
    out.push(b' ');
    word(out, Some(&r.response_flags), TEXT_BYTES);
}

/// ` %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%"`
fn reasons(out: &mut Vec<u8>, r: &Record<'_>) {
    next_word(out, r.response_code_details.as_deref());
    next_word(out, r.connection_termination_details.as_deref());
    let reason = r.upstream_transport_failure_reason.as_deref();
    next_quoted(out, reason.map(str::as_bytes), TEXT_BYTES);
}

/// ` %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%`
fn exchange(out: &mut Vec<u8>, r: &Record<'_>) {
    for number in [r.bytes_received, r.bytes_sent, millis(r.duration)] {
        out.push(b' ');
        scalar::decimal(out, number);
    }
    out.push(b' ');
    present(out, r.upstream_service_time, |out, time: Duration| {
        scalar::decimal(out, millis(time));
    });
}

/// ` "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"`
fn headers(out: &mut Vec<u8>, r: &Record<'_>) {
    next_quoted(out, r.x_forwarded_for, TEXT_BYTES);
    next_quoted(out, r.user_agent, USER_AGENT_BYTES);
    next_quoted(out, r.request_id, TEXT_BYTES);
    next_quoted(out, r.authority.as_deref().map(str::as_bytes), TEXT_BYTES);
    out.extend_from_slice(b" \"");
    present(out, r.upstream_host, scalar::address);
    out.push(b'"');
}

/// ` %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS%
/// %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%`
fn places(out: &mut Vec<u8>, r: &Record<'_>) {
    next_word(out, r.upstream_cluster.as_deref());
    next_address(out, r.upstream_local_address);
    next_address(out, Some(r.downstream_local_address));
    next_address(out, Some(r.downstream_remote_address));
    next_word(out, r.requested_server_name);
    next_word(out, r.route_name);
}

fn next_word(out: &mut Vec<u8>, value: Option<&str>) {
    out.push(b' ');
    word(out, value, TEXT_BYTES);
}

fn next_quoted(out: &mut Vec<u8>, value: Option<&[u8]>, limit: usize) {
    out.extend_from_slice(b" \"");
    present(out, value, |out, text| {
        escape::text(out, text, Place::Quoted, limit)
    });
    out.push(b'"');
}

fn next_address(out: &mut Vec<u8>, value: Option<SocketAddr>) {
    out.push(b' ');
    present(out, value, scalar::address);
}

/// An empty word would join its neighbours: it is written as absent.
fn word(out: &mut Vec<u8>, value: Option<&str>, limit: usize) {
    let value = value.filter(|text| !text.is_empty());
    present(out, value, |out, text| {
        escape::text(out, text.as_bytes(), Place::Word, limit);
    });
}

fn present<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        Some(value) => write(out, value),
        None => out.push(b'-'),
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
