//! A record as expressions see it: Mixer's and Envoy's names for its fields.
//!
//! Only for logs. What a record does not have is absent; nothing here is ever
//! taken from a header that claims to describe its sender.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use policy::expr::{Attribute, Attributes, Map, Value};

use super::{Decision, Record};

/// `PERMISSION_DENIED`, Mixer's `check.error_code` for a policy's refusal.
const PERMISSION_DENIED: i64 = 7;

impl Attributes for Record<'_> {
    fn value(&self, attribute: Attribute) -> Option<Value<'_>> {
        self.of_request(attribute)
            .or_else(|| self.of_response(attribute))
            .or_else(|| self.of_source(attribute))
            .or_else(|| self.of_destination(attribute))
            .or_else(|| self.of_context(attribute))
    }

    fn map_entry(&self, attribute: Attribute, key: &str) -> Option<Cow<'_, str>> {
        match attribute {
            Attribute::RequestHeaders => self.header(key),
            Attribute::RequestQueryParams => parameter(self.query()?, key).map(Cow::Borrowed),
            _ => None,
        }
    }
}

impl Record<'_> {
    fn of_request(&self, attribute: Attribute) -> Option<Value<'_>> {
        match attribute {
            Attribute::RequestHost => text(self.host),
            Attribute::RequestPath => text(self.path.as_deref()),
            Attribute::RequestUrlPath => text(self.url_path()),
            Attribute::RequestQuery => text(self.query()),
            Attribute::RequestQueryParams => self.path.as_ref().map(|_| map(attribute)),
            Attribute::RequestMethod => text(self.method.as_deref()),
            Attribute::RequestScheme => self.protocol.and(text(Some("http"))),
            Attribute::RequestProtocol => text(self.protocol),
            Attribute::RequestHeaders => self.headers.map(|_| map(attribute)),
            Attribute::RequestUserAgent => lossy(self.user_agent),
            Attribute::RequestReferer => lossy(self.referer),
            Attribute::RequestId => lossy(self.request_id),
            Attribute::RequestTime => Some(Value::Timestamp(self.start_nanos)),
            Attribute::RequestSize => Some(int(self.bytes_received)),
            Attribute::RequestTotalSize => Some(int(self.request_bytes)),
            Attribute::RequestDuration => Some(duration(self.duration)),
            _ => None,
        }
    }

    fn of_response(&self, attribute: Attribute) -> Option<Value<'_>> {
        match attribute {
            Attribute::ResponseCode => Some(int(self.response_code.into())),
            Attribute::ResponseSize => Some(int(self.bytes_sent)),
            Attribute::ResponseTotalSize => Some(int(self.response_bytes)),
            Attribute::ResponseTime | Attribute::ContextTime => Some(self.end()),
            Attribute::ResponseDuration => Some(duration(self.duration)),
            Attribute::ResponseGrpcStatus => self
                .grpc_status
                .map(|status| Value::String(status.to_string().into())),
            Attribute::ResponseCodeDetails => text(self.response_code_details.as_deref()),
            Attribute::CheckErrorCode => {
                (self.decision == Decision::Deny).then_some(Value::Int(PERMISSION_DENIED))
            }
            Attribute::RbacPermissiveEffectivePolicyId => text(self.shadow_rule.map(|r| r.name)),
            Attribute::RbacPermissiveResponseCode => self.shadow_rule.and(text(Some("403"))),
            _ => None,
        }
    }

    fn of_source(&self, attribute: Attribute) -> Option<Value<'_>> {
        let principal = self.source_principal;
        let remote = self.downstream_remote_address;
        match attribute {
            Attribute::SourcePrincipal | Attribute::SourceUser => {
                text(principal.map(|p| p.as_str()))
            }
            Attribute::SourceNamespace => text(principal.map(|p| p.namespace())),
            Attribute::SourceServiceAccount => text(principal.map(|p| p.service_account())),
            Attribute::SourceIp | Attribute::OriginIp => {
                Some(Value::Ip(remote.ip().to_canonical()))
            }
            Attribute::SourcePort => Some(int(remote.port().into())),
            Attribute::SourceAddress => Some(address(remote)),
            Attribute::ConnectionUriSanPeerCertificate => {
                principal.map(|p| Value::String(format!("spiffe://{p}").into()))
            }
            _ => None,
        }
    }

    fn of_destination(&self, attribute: Attribute) -> Option<Value<'_>> {
        match attribute {
            Attribute::DestinationService
            | Attribute::DestinationServiceHost
            | Attribute::DestinationServiceName => self.destination.and(text(self.host)),
            Attribute::DestinationIp => {
                self.upstream_host.map(|a| Value::Ip(a.ip().to_canonical()))
            }
            Attribute::DestinationPort | Attribute::UpstreamPort => {
                self.upstream_host.map(|a| int(a.port().into()))
            }
            Attribute::UpstreamAddress => self.upstream_host.map(address),
            Attribute::DestinationAddress => Some(address(self.downstream_local_address)),
            Attribute::UpstreamTransportFailureReason => {
                text(self.upstream_transport_failure_reason.as_deref())
            }
            Attribute::XdsRouteName => text(self.route_name),
            Attribute::XdsClusterName => text(self.upstream_cluster.as_deref()),
            _ => None,
        }
    }

    fn of_context(&self, attribute: Attribute) -> Option<Value<'_>> {
        match attribute {
            Attribute::ContextReporterUid => text(self.reporter_uid),
            Attribute::ContextReporterKind => text(Some("outbound")),
            Attribute::ContextProtocol => text(Some(self.context_protocol())),
            Attribute::ContextProxyErrorCode => text(Some(&self.response_flags)),
            Attribute::ConnectionMtls => Some(Value::Bool(self.source_principal.is_some())),
            Attribute::ConnectionRequestedServerName => text(self.requested_server_name),
            Attribute::ConnectionTerminationDetails => {
                text(self.connection_termination_details.as_deref())
            }
            _ => None,
        }
    }

    fn context_protocol(&self) -> &'static str {
        match (self.protocol, self.grpc) {
            (Some(_), true) => "grpc",
            (Some(_), false) => "http",
            (None, _) => "tls",
        }
    }

    fn url_path(&self) -> Option<&str> {
        self.path.as_deref().and_then(|path| path.split('?').next())
    }

    fn query(&self) -> Option<&str> {
        self.path
            .as_deref()?
            .split_once('?')
            .map(|(_, query)| query)
    }

    fn end(&self) -> Value<'_> {
        let nanos = i128::try_from(self.duration.as_nanos()).unwrap_or(i128::MAX);
        Value::Timestamp(self.start_nanos.saturating_add(nanos))
    }

    /// All values of a field, joined as RFC 9110 section 5.3 joins them.
    pub(super) fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let fields = self.headers?.0;
        let first = String::from_utf8_lossy(fields.value(name, 0)?);
        let mut joined = first;
        for index in 1.. {
            let Some(value) = fields.value(name, index) else {
                break;
            };
            let joined = joined.to_mut();
            joined.push(',');
            joined.push_str(&String::from_utf8_lossy(value));
        }
        Some(joined)
    }
}

/// The first parameter of that name; both as sent, not decoded.
fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .into_iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

fn map(attribute: Attribute) -> Value<'static> {
    Value::Map(Map::Of(attribute))
}

fn text(text: Option<&str>) -> Option<Value<'_>> {
    text.map(|text| Value::String(Cow::Borrowed(text)))
}

fn lossy(bytes: Option<&[u8]>) -> Option<Value<'_>> {
    bytes.map(|bytes| Value::String(String::from_utf8_lossy(bytes)))
}

fn int(number: u64) -> Value<'static> {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn duration(duration: Duration) -> Value<'static> {
    Value::Duration(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

fn address(address: SocketAddr) -> Value<'static> {
    Value::String(address.to_string().into())
}

#[cfg(test)]
#[path = "attributes_tests.rs"]
mod tests;
