//! What an operator of a format finds in a record.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use conf::text_format::{Field, Operator};

use super::Record;
use super::json::millis;

const PATH_BYTES: usize = 2 * 1024;
const USER_AGENT_BYTES: usize = 256;
const TEXT_BYTES: usize = 1024;

/// A value as lines may write it.
#[derive(Clone, Debug)]
pub(crate) enum Told<'r> {
    /// Text from whoever wrote it, and how much of it is told.
    Text(Cow<'r, [u8]>, usize),
    Number(u64),
    /// A number that was a header, which JSON writes as text.
    Digits(u64),
    Address(SocketAddr),
    Ip(IpAddr),
    /// Nanoseconds since 1970.
    Time(i128),
}

/// The value, or that of what is asked instead.
pub(crate) fn value<'r>(operator: &Operator, record: &'r Record<'_>) -> Option<Told<'r>> {
    let found = of(&operator.field, record).or_else(|| of(operator.instead.as_ref()?, record))?;
    Some(match (found, operator.limit) {
        (Told::Text(text, most), Some(limit)) => Told::Text(text, most.min(limit)),
        (found, _) => found,
    })
}

fn of<'r>(field: &Field, r: &'r Record<'_>) -> Option<Told<'r>> {
    match field {
        Field::StartTime => Some(Told::Time(r.start_nanos)),
        Field::Duration => Some(Told::Number(millis(r.duration))),
        Field::UpstreamServiceTime => r.upstream_service_time.map(|t| Told::Digits(millis(t))),
        Field::BytesReceived => Some(Told::Number(r.bytes_received)),
        Field::BytesSent => Some(Told::Number(r.bytes_sent)),
        Field::ResponseCode => Some(Told::Number(r.response_code.into())),
        Field::GrpcStatusNumber => r.grpc_status.map(|status| Told::Number(status.into())),
        Field::ResponseFlags => text(Some(&r.response_flags)),
        Field::ResponseCodeDetails => text(r.response_code_details.as_deref()),
        Field::ConnectionTerminationDetails => text(r.connection_termination_details.as_deref()),
        Field::UpstreamTransportFailureReason => {
            text(r.upstream_transport_failure_reason.as_deref())
        }
        Field::UpstreamCluster => text(r.upstream_cluster.as_deref()),
        Field::RequestedServerName => text(r.requested_server_name),
        Field::RouteName => text(r.route_name),
        Field::UpstreamHost => r.upstream_host.map(Told::Address),
        Field::UpstreamLocalAddress => r.upstream_local_address.map(Told::Address),
        Field::DownstreamLocalAddress => Some(Told::Address(r.downstream_local_address)),
        Field::DownstreamLocalIp => Some(Told::Ip(r.downstream_local_address.ip())),
        Field::DownstreamLocalPort => Some(Told::Number(r.downstream_local_address.port().into())),
        Field::DownstreamRemoteAddress => Some(Told::Address(r.downstream_remote_address)),
        Field::DownstreamRemoteIp => Some(Told::Ip(r.downstream_remote_address.ip())),
        Field::DownstreamPeerUriSan => r.source_principal.map(|principal| {
            let uri = format!("spiffe://{principal}").into_bytes();
            Told::Text(uri.into(), PATH_BYTES)
        }),
        Field::Absent => None,
        Field::Method | Field::Path | Field::Authority | Field::Scheme | Field::Protocol => {
            of_request(field, r)
        }
        Field::Header(name) => header(name, r),
    }
}

fn of_request<'r>(field: &Field, r: &'r Record<'_>) -> Option<Told<'r>> {
    match field {
        Field::Method => text(r.method.as_deref()),
        Field::Path => {
            let path = r.path.as_deref().map(str::as_bytes)?;
            Some(Told::Text(path.into(), PATH_BYTES))
        }
        Field::Authority => text(r.authority.as_deref()),
        Field::Scheme => text(r.protocol.map(|_| "http")),
        _ => text(r.protocol),
    }
}

/// A record keeps the fields that every line tells, and shows the others.
fn header<'r>(name: &str, r: &'r Record<'_>) -> Option<Told<'r>> {
    let kept = |value: Option<&'r [u8]>, most| value.map(|v| Told::Text(v.into(), most));
    match name {
        "user-agent" => kept(r.user_agent, USER_AGENT_BYTES),
        "x-forwarded-for" => kept(r.x_forwarded_for, TEXT_BYTES),
        "x-request-id" => kept(r.request_id, TEXT_BYTES),
        "referer" => kept(r.referer, TEXT_BYTES),
        name => {
            let value = r.header(name)?.into_owned().into_bytes();
            Some(Told::Text(value.into(), TEXT_BYTES))
        }
    }
}

fn text(text: Option<&str>) -> Option<Told<'_>> {
    text.map(|text| Told::Text(text.as_bytes().into(), TEXT_BYTES))
}
