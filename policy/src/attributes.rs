//! A request as expressions see it, while it is decided upon: what is known
//! then, and nothing a caller could claim about himself.

use std::borrow::Cow;

use crate::expr::{Attribute, Attributes, Map, Value};
use crate::matching::{separator, with_query};
use crate::request::Request;

impl Attributes for Request<'_> {
    fn value(&self, attribute: Attribute) -> Option<Value<'_>> {
        let principal = self.caller().principal();
        match attribute {
            Attribute::RequestHost
            | Attribute::DestinationService
            | Attribute::DestinationServiceHost
            | Attribute::DestinationServiceName => text(self.host()),
            Attribute::RequestPath => Some(Value::String(self.mixer_path())),
            Attribute::RequestUrlPath => text(self.path()),
            Attribute::RequestQuery => self.query().and_then(text),
            Attribute::RequestMethod => text(self.method().as_str()),
            Attribute::RequestScheme => text("http"),
            Attribute::RequestHeaders | Attribute::RequestQueryParams => {
                Some(Value::Map(Map::Of(attribute)))
            }
            Attribute::RequestUserAgent => self.header("user-agent").map(Value::String),
            Attribute::RequestReferer => self.header("referer").map(Value::String),
            Attribute::RequestId => self.header("x-request-id").map(Value::String),
            Attribute::RequestTime | Attribute::ContextTime => Some(Value::Timestamp(self.time())),
            Attribute::SourcePrincipal | Attribute::SourceUser => {
                principal.and_then(|p| text(p.as_str()))
            }
            Attribute::SourceNamespace => principal.and_then(|p| text(p.namespace())),
            Attribute::SourceServiceAccount => principal.and_then(|p| text(p.service_account())),
            Attribute::SourceIp | Attribute::OriginIp => {
                Some(Value::Ip(self.source().to_canonical()))
            }
            Attribute::ContextReporterKind => text("outbound"),
            Attribute::ContextProtocol => text(if self.is_grpc() { "grpc" } else { "http" }),
            Attribute::ConnectionMtls => Some(Value::Bool(principal.is_some())),
            Attribute::ConnectionRequestedServerName => self.server_name().and_then(text),
            _ => None,
        }
    }

    fn map_entry(&self, attribute: Attribute, key: &str) -> Option<Cow<'_, str>> {
        match attribute {
            Attribute::RequestHeaders => match Attribute::of_pseudo_header(key) {
                None => self.header(key),
                Some(attribute) => match self.value(attribute)? {
                    Value::String(text) => Some(text),
                    _ => None,
                },
            },
            Attribute::RequestQueryParams => self.query()?.split('&').find_map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (name == key).then_some(Cow::Borrowed(value))
            }),
            _ => None,
        }
    }
}

impl Request<'_> {
    /// Path and query: Mixer's `request.path`.
    fn mixer_path(&self) -> Cow<'_, str> {
        with_query(self.path(), self.query())
    }

    /// Whether the media type is gRPC's: else a check of gRPC would be evaded
    /// by speaking it.
    fn is_grpc(&self) -> bool {
        let media_type = self.headers().value("content-type", 0);
        media_type
            .and_then(|value| value.strip_prefix(b"application/grpc"))
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    }

    /// All values of a field, as one.
    pub(crate) fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let headers = self.headers();
        let mut joined = String::from_utf8_lossy(headers.value(name, 0)?);
        for value in (1..).map_while(|index| headers.value(name, index)) {
            let joined = joined.to_mut();
            joined.push_str(separator(name));
            joined.push_str(&String::from_utf8_lossy(value));
        }
        Some(joined)
    }
}

fn text(text: &str) -> Option<Value<'_>> {
    Some(Value::String(Cow::Borrowed(text)))
}
