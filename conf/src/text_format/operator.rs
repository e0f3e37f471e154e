//! One command operator.

use crate::native::header_name;
use crate::spelling::nearest;

/// What an operator asks of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// What is asked first.
    pub field: Field,
    /// What is asked where that is absent.
    pub instead: Option<Field>,
    /// At most so many bytes.
    pub limit: Option<usize>,
}

/// A part of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is Envoy's operator of that name")]
pub enum Field {
    StartTime,
    Method,
    Path,
    Authority,
    Scheme,
    /// A header field of the request, in lower case.
    Header(Box<str>),
    Protocol,
    ResponseCode,
    ResponseCodeDetails,
    ResponseFlags,
    ConnectionTerminationDetails,
    BytesReceived,
    BytesSent,
    Duration,
    UpstreamServiceTime,
    UpstreamHost,
    UpstreamCluster,
    UpstreamLocalAddress,
    UpstreamTransportFailureReason,
    DownstreamLocalAddress,
    DownstreamLocalIp,
    DownstreamLocalPort,
    DownstreamRemoteAddress,
    DownstreamRemoteIp,
    DownstreamPeerUriSan,
    RequestedServerName,
    RouteName,
    GrpcStatusNumber,
    /// Known once, and no more.
    Absent,
}

const FIELDS: [(&str, Field); 26] = [
    ("START_TIME", Field::StartTime),
    ("PROTOCOL", Field::Protocol),
    ("RESPONSE_CODE", Field::ResponseCode),
    ("RESPONSE_CODE_DETAILS", Field::ResponseCodeDetails),
    ("RESPONSE_FLAGS", Field::ResponseFlags),
    (
        "CONNECTION_TERMINATION_DETAILS",
        Field::ConnectionTerminationDetails,
    ),
    ("BYTES_RECEIVED", Field::BytesReceived),
    ("BYTES_SENT", Field::BytesSent),
    ("DURATION", Field::Duration),
    ("UPSTREAM_HOST", Field::UpstreamHost),
    ("UPSTREAM_REMOTE_ADDRESS", Field::UpstreamHost),
    ("UPSTREAM_CLUSTER", Field::UpstreamCluster),
    ("UPSTREAM_CLUSTER_RAW", Field::UpstreamCluster),
    ("UPSTREAM_LOCAL_ADDRESS", Field::UpstreamLocalAddress),
    (
        "UPSTREAM_TRANSPORT_FAILURE_REASON",
        Field::UpstreamTransportFailureReason,
    ),
    ("DOWNSTREAM_LOCAL_ADDRESS", Field::DownstreamLocalAddress),
    (
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
        Field::DownstreamLocalIp,
    ),
    ("DOWNSTREAM_LOCAL_PORT", Field::DownstreamLocalPort),
    ("DOWNSTREAM_REMOTE_ADDRESS", Field::DownstreamRemoteAddress),
    (
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
        Field::DownstreamRemoteAddress,
    ),
    (
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
        Field::DownstreamRemoteIp,
    ),
    (
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
        Field::DownstreamRemoteIp,
    ),
    ("DOWNSTREAM_PEER_URI_SAN", Field::DownstreamPeerUriSan),
    ("REQUESTED_SERVER_NAME", Field::RequestedServerName),
    ("ROUTE_NAME", Field::RouteName),
    ("GRPC_STATUS_NUMBER", Field::GrpcStatusNumber),
];

impl Operator {
    /// One that asks for this alone.
    #[must_use]
    pub fn of(field: Field) -> Self {
        Self {
            field,
            instead: None,
            limit: None,
        }
    }

    /// Reads what stands between the two `%`.
    pub(super) fn parse(command: &str) -> Result<Self, String> {
        let (name, rest) = command.split_once('(').unwrap_or((command, ""));
        let (argument, limit) = match rest.rsplit_once(')') {
            Some((argument, limit)) => (Some(argument), limit),
            None => (None, ""),
        };
        match (name, argument) {
            ("REQ", Some(names)) => request(names, limit),
            ("REQ", None) => {
                Err("`REQ` asks for a header: write such as `REQ(USER-AGENT)`".to_owned())
            }
            ("RESP", Some(names)) => response(names, limit),
            ("DYNAMIC_METADATA", Some("istio.mixer:status")) => Ok(Self::of(Field::Absent)),
            ("DYNAMIC_METADATA" | "FILTER_STATE", _) => Err(format!(
                "`{name}` asks for metadata of filters, and there are none: delete it"
            )),
            (_, argument) => {
                let field = plain(name)?;
                match argument {
                    None => Ok(Self::of(field)),
                    Some(_) => Err(format!("`{name}` takes no argument here: write `%{name}%`")),
                }
            }
        }
    }
}

fn plain(name: &str) -> Result<Field, String> {
    let names = || FIELDS.iter().map(|(known, _)| *known);
    let known = FIELDS.iter().find(|(known, _)| *known == name);
    let field = known.map(|(_, field)| field.clone());
    field.ok_or_else(|| match nearest(name, names()) {
        Some(meant) => format!("unknown operator `{name}`: did you mean `{meant}`?"),
        None => format!("unknown operator `{name}`: no record holds it; delete it"),
    })
}

/// `X?Y`, and `:Z` behind it.
fn request(names: &str, limit: &str) -> Result<Operator, String> {
    let (first, second) = match names.split_once('?') {
        Some((first, second)) => (first, Some(second)),
        None => (names, None),
    };
    Ok(Operator {
        field: header(first)?,
        instead: second.map(header).transpose()?,
        limit: length(limit)?,
    })
}

fn header(name: &str) -> Result<Field, String> {
    Ok(match &*name.to_ascii_lowercase() {
        // Envoy's filters write this one, and there are none here: what stands
        // in it, the caller claims.
        ":path" | "x-envoy-original-path" => Field::Path,
        ":method" => Field::Method,
        ":authority" | "host" => Field::Authority,
        ":scheme" => Field::Scheme,
        name => Field::Header(header_name(name)?),
    })
}

/// Of a response the one header that Envoy adds itself.
fn response(names: &str, limit: &str) -> Result<Operator, String> {
    if names.eq_ignore_ascii_case("x-envoy-upstream-service-time") {
        return Ok(Operator {
            limit: length(limit)?,
            ..Operator::of(Field::UpstreamServiceTime)
        });
    }
    Err(format!(
        "`RESP({names})` cannot be told: response headers are not recorded; delete it"
    ))
}

fn length(text: &str) -> Result<Option<usize>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let number = text
        .strip_prefix(':')
        .and_then(|digits| digits.parse().ok());
    match number {
        Some(length @ 1..) => Ok(Some(length)),
        _ => Err(format!("`{text}` is no length: write such as `:64`")),
    }
}
