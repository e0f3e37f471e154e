//! One record an attempt: allowed, refused, malformed, refused at the
//! handshake or abandoned. A [`Record`] is made once, from everything known
//! when the attempt ends; log lines and metrics both come from it, so they
//! cannot disagree.

mod attributes;
mod escape;
mod json;
mod labels;
mod logs;
mod mixer;
mod object;
mod operator;
mod outlet;
mod progress;
mod queue;
pub(crate) mod scalar;
mod sink;
mod text;

#[cfg(test)]
pub(crate) mod samples;

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use policy::authoriser::Word;
use policy::origin::Origin;
use policy::principal::Principal;
use policy::request::Headers;

pub(crate) use json::line as json_line;
pub use logs::{Loggers, Reservation};
pub use queue::Full;
pub use sink::{SinkError, SinkStats, Sinks};

/// What was decided about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Policy let it go on; the origin's answer or a failure followed.
    Allow,
    /// A rule, or the absence of one, refused it.
    Deny,
    /// It was refused for another reason: malformed, no route, a limit, a bad
    /// handshake, a forbidden address.
    Refuse,
}

impl Decision {
    /// The word for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Refuse => "refuse",
        }
    }
}

/// A rule as records name it.
#[derive(Clone, Copy, Debug)]
pub struct RuleName<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it was written.
    pub origin: &'a Origin,
}

/// What an external authoriser said.
#[derive(Clone, Copy, Debug)]
pub struct Authorisation<'a> {
    /// Its name.
    pub authoriser: &'a str,
    /// Its word.
    pub verdict: Word,
    /// How long it was waited for.
    pub duration: Duration,
    /// Why there is no word of it.
    pub error: Option<&'a str>,
}

impl Authorisation<'_> {
    /// The word for logs and metrics.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match self.verdict {
            Word::Yes => "allow",
            Word::No => "deny",
            Word::Nothing => "error",
        }
    }
}

/// The header fields of the request, for expressions of logs.
#[derive(Clone, Copy)]
pub struct HeaderFields<'a>(pub &'a dyn Headers);

impl fmt::Debug for HeaderFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeaderFields")
    }
}

/// Everything a line or a metric can say about one attempt.
///
/// Absent is `None`, never an empty text. Text from the caller may be any
/// bytes: layouts escape it.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// When it began, in nanoseconds since 1970.
    pub start_nanos: i128,
    /// From the first byte of the request to the last of the response.
    pub duration: Duration,
    /// The listener's name.
    pub listener: &'a str,
    /// The method as sent.
    pub method: Option<Cow<'a, str>>,
    /// Path and query: canonical, or as sent when it could not be made so.
    pub path: Option<Cow<'a, str>>,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: Option<&'static str>,
    /// The host: canonical with its port, or as sent.
    pub authority: Option<Cow<'a, str>>,
    /// The canonical host without port, once there is one.
    pub host: Option<&'a str>,
    /// The status sent, 0 when none was.
    pub response_code: u16,
    /// Envoy's response flags, `-` for none.
    pub response_flags: Cow<'a, str>,
    /// Envoy's `response_code_details`.
    pub response_code_details: Option<Cow<'a, str>>,
    /// Why the connection ended, where we refused or cut it.
    pub connection_termination_details: Option<Cow<'a, str>>,
    /// Request body bytes received.
    pub bytes_received: u64,
    /// Response body bytes sent.
    pub bytes_sent: u64,
    /// Request bytes with its head, roughly as on the wire (metrics).
    pub request_bytes: u64,
    /// Response bytes with its head, roughly as on the wire (metrics).
    pub response_bytes: u64,
    /// Time until the upstream's response head.
    pub upstream_service_time: Option<Duration>,
    /// `x-forwarded-for` as the sidecar sent it.
    pub x_forwarded_for: Option<&'a [u8]>,
    /// `user-agent`.
    pub user_agent: Option<&'a [u8]>,
    /// `referer`.
    pub referer: Option<&'a [u8]>,
    /// `x-request-id`, by which sidecar and gateway lines join.
    pub request_id: Option<&'a [u8]>,
    /// The address dialled.
    pub upstream_host: Option<SocketAddr>,
    /// Our end of the upstream connection.
    pub upstream_local_address: Option<SocketAddr>,
    /// `outbound|443||edition.cnn.com`.
    pub upstream_cluster: Option<Cow<'a, str>>,
    /// Our end of the downstream connection.
    pub downstream_local_address: SocketAddr,
    /// The caller's end.
    pub downstream_remote_address: SocketAddr,
    /// The TLS server name as sent.
    pub requested_server_name: Option<&'a str>,
    /// The name that TLS within what passes through was opened for, as sent.
    pub inner_server_name: Option<&'a str>,
    /// Why TLS or TCP towards the upstream failed.
    pub upstream_transport_failure_reason: Option<Cow<'a, str>>,
    /// The route's name.
    pub route_name: Option<&'a str>,
    /// The verified caller.
    pub source_principal: Option<&'a Principal>,
    /// What was decided.
    pub decision: Decision,
    /// The deciding rule.
    pub rule: Option<RuleName<'a>>,
    /// A `policy::refusal::Refusal` code.
    pub refusal: Option<&'static str>,
    /// A `policy::refusal::Failure` code.
    pub failure: Option<&'static str>,
    /// A shadow rule that would have refused.
    pub shadow_rule: Option<RuleName<'a>>,
    /// An audit rule that marks the attempt.
    pub audit_rule: Option<RuleName<'a>>,
    /// What an authoriser said, if one was asked.
    pub authoriser: Option<Authorisation<'a>>,
    /// The configured destination that serves the host (`*.googleapis.com`).
    pub destination: Option<&'a str>,
    /// `grpc-status` of the response, for gRPC.
    pub grpc_status: Option<u16>,
    /// Whether the request was gRPC.
    pub grpc: bool,
    /// What this tells of what passes through, or was to: no request, but an
    /// attempt that was decided upon.
    pub tunnel: Option<TunnelPart>,
    /// Whether this tells the end of a connection on which requests had come.
    pub is_cut: bool,
    /// The header fields of the request, once there are any.
    pub headers: Option<HeaderFields<'a>>,
    /// Mixer's `context.reporter.uid` of this gateway.
    pub reporter_uid: Option<&'a str>,
    /// Digest of the snapshot that decided.
    pub snapshot: &'a str,
}

/// What a record tells of a tunnel's life. The record itself is of the whole
/// until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunnelPart {
    /// Its beginning.
    pub begins: bool,
    /// Its end.
    pub ends: bool,
    /// Bytes from the caller since it was told of last.
    pub received: u64,
    /// Bytes to him since then.
    pub sent: u64,
}

impl<'a> Record<'a> {
    /// An attempt of which only its connection is known: refused, without a
    /// request. Everything else is absent.
    #[must_use]
    pub fn of_connection(start_nanos: i128, local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            start_nanos,
            duration: Duration::ZERO,
            listener: "",
            method: None,
            path: None,
            protocol: None,
            authority: None,
            host: None,
            response_code: 0,
            response_flags: Cow::Borrowed("-"),
            response_code_details: None,
            connection_termination_details: None,
            bytes_received: 0,
            bytes_sent: 0,
            request_bytes: 0,
            response_bytes: 0,
            upstream_service_time: None,
            x_forwarded_for: None,
            user_agent: None,
            referer: None,
            request_id: None,
            upstream_host: None,
            upstream_local_address: None,
            upstream_cluster: None,
            downstream_local_address: local,
            downstream_remote_address: remote,
            requested_server_name: None,
            inner_server_name: None,
            upstream_transport_failure_reason: None,
            route_name: None,
            source_principal: None,
            decision: Decision::Refuse,
            rule: None,
            refusal: None,
            failure: None,
            shadow_rule: None,
            audit_rule: None,
            authoriser: None,
            destination: None,
            grpc_status: None,
            grpc: false,
            tunnel: None,
            is_cut: false,
            headers: None,
            reporter_uid: None,
            snapshot: "",
        }
    }
}
