//! The vocabulary: every attribute an expression may name, with its type.
//!
//! The names are Mixer's (Istio 1.1) and, below, those of Envoy that Telemetry
//! filters use. An attribute that is always absent here is still in the
//! vocabulary, so that Istio's own files compile; nothing may be added that a
//! caller could forge (`x-istio-attributes`, forwarded addresses).

use super::Type;

/// When the value of an attribute can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Known {
    /// When a request is decided upon, and after.
    Deciding,
    /// Only when the attempt is recorded.
    Reporting,
    /// Never at this gateway: always absent.
    Never,
}

macro_rules! vocabulary {
    ($($variant:ident $name:literal $ty:ident $known:ident;)*) => {
        /// A named value of the request, its caller, its destination or the attempt.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Attribute {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Attribute {
            /// Every attribute, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name as written in expressions.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The type of the attribute's values.
            pub fn ty(self) -> Type {
                match self { $(Self::$variant => Type::$ty,)* }
            }

            /// When the attribute's value can be known.
            pub fn known(self) -> Known {
                match self { $(Self::$variant => Known::$known,)* }
            }
        }
    };
}

vocabulary! {
    RequestHost "request.host" String Deciding;
    RequestPath "request.path" String Deciding;
    RequestUrlPath "request.url_path" String Deciding;
    RequestQueryParams "request.query_params" StringMap Deciding;
    RequestMethod "request.method" String Deciding;
    RequestScheme "request.scheme" String Deciding;
    RequestHeaders "request.headers" StringMap Deciding;
    RequestUserAgent "request.useragent" String Deciding;
    RequestReferer "request.referer" String Deciding;
    RequestId "request.id" String Deciding;
    RequestApiKey "request.api_key" String Never;
    RequestTime "request.time" Timestamp Deciding;
    RequestSize "request.size" Int64 Reporting;
    RequestTotalSize "request.total_size" Int64 Reporting;
    RequestDuration "request.duration" Duration Reporting;
    RequestReason "request.reason" String Never;
    RequestAuthPrincipal "request.auth.principal" String Never;
    RequestAuthAudiences "request.auth.audiences" String Never;
    RequestAuthPresenter "request.auth.presenter" String Never;
    RequestAuthClaims "request.auth.claims" StringMap Never;
    RequestAuthRawClaims "request.auth.raw_claims" String Never;

    ResponseCode "response.code" Int64 Reporting;
    ResponseSize "response.size" Int64 Reporting;
    ResponseTotalSize "response.total_size" Int64 Reporting;
    ResponseTime "response.time" Timestamp Reporting;
    ResponseDuration "response.duration" Duration Reporting;
    ResponseHeaders "response.headers" StringMap Reporting;
    ResponseGrpcStatus "response.grpc_status" String Reporting;
    ResponseGrpcMessage "response.grpc_message" String Reporting;

    SourcePrincipal "source.principal" String Deciding;
    SourceUser "source.user" String Deciding;
    SourceNamespace "source.namespace" String Deciding;
    SourceServiceAccount "source.serviceAccount" String Deciding;
    SourceIp "source.ip" IpAddress Deciding;
    SourcePort "source.port" Int64 Reporting;
    SourceName "source.name" String Never;
    SourceUid "source.uid" String Never;
    SourceLabels "source.labels" StringMap Never;
    SourceOwner "source.owner" String Never;
    SourceWorkloadUid "source.workload.uid" String Never;
    SourceWorkloadName "source.workload.name" String Never;
    SourceWorkloadNamespace "source.workload.namespace" String Never;
    OriginIp "origin.ip" IpAddress Deciding;
    OriginUid "origin.uid" String Never;
    OriginUser "origin.user" String Never;

    DestinationService "destination.service" String Deciding;
    DestinationServiceHost "destination.service.host" String Deciding;
    DestinationServiceName "destination.service.name" String Deciding;
    DestinationServiceNamespace "destination.service.namespace" String Never;
    DestinationServiceUid "destination.service.uid" String Never;
    DestinationIp "destination.ip" IpAddress Reporting;
    DestinationPort "destination.port" Int64 Reporting;
    DestinationPrincipal "destination.principal" String Reporting;
    DestinationUid "destination.uid" String Reporting;
    DestinationName "destination.name" String Never;
    DestinationNamespace "destination.namespace" String Never;
    DestinationLabels "destination.labels" StringMap Never;
    DestinationOwner "destination.owner" String Never;
    DestinationUser "destination.user" String Never;
    DestinationServiceAccount "destination.serviceAccount" String Never;
    DestinationWorkloadUid "destination.workload.uid" String Never;
    DestinationWorkloadName "destination.workload.name" String Never;
    DestinationWorkloadNamespace "destination.workload.namespace" String Never;
    DestinationContainerName "destination.container.name" String Never;
    DestinationContainerImage "destination.container.image" String Never;

    ContextReporterUid "context.reporter.uid" String Deciding;
    ContextReporterKind "context.reporter.kind" String Deciding;
    ContextReporterLocal "context.reporter.local" Bool Never;
    ContextProtocol "context.protocol" String Deciding;
    ContextTime "context.time" Timestamp Deciding;
    ContextProxyErrorCode "context.proxy_error_code" String Reporting;

    ConnectionMtls "connection.mtls" Bool Deciding;
    ConnectionRequestedServerName "connection.requested_server_name" String Deciding;
    ConnectionId "connection.id" String Never;
    ConnectionEvent "connection.event" String Reporting;
    ConnectionDuration "connection.duration" Duration Reporting;
    ConnectionReceivedBytes "connection.received.bytes" Int64 Reporting;
    ConnectionReceivedBytesTotal "connection.received.bytes_total" Int64 Reporting;
    ConnectionSentBytes "connection.sent.bytes" Int64 Reporting;
    ConnectionSentBytesTotal "connection.sent.bytes_total" Int64 Reporting;

    CheckErrorCode "check.error_code" Int64 Reporting;
    CheckErrorMessage "check.error_message" String Reporting;
    CheckCacheHit "check.cache_hit" Bool Never;
    QuotaCacheHit "quota.cache_hit" Bool Never;
    ApiService "api.service" String Never;
    ApiVersion "api.version" String Never;
    ApiOperation "api.operation" String Never;
    ApiProtocol "api.protocol" String Never;
    RbacPermissiveResponseCode "rbac.permissive.response_code" String Reporting;
    RbacPermissiveEffectivePolicyId "rbac.permissive.effective_policy_id" String Reporting;

    // Envoy's names, for Telemetry filters. `response.flags` is Envoy's bit
    // vector; the letters are `context.proxy_error_code`.
    RequestProtocol "request.protocol" String Reporting;
    RequestQuery "request.query" String Deciding;
    ResponseCodeDetails "response.code_details" String Reporting;
    ResponseFlags "response.flags" Int64 Reporting;
    SourceAddress "source.address" String Reporting;
    DestinationAddress "destination.address" String Reporting;
    ConnectionTlsVersion "connection.tls_version" String Never;
    ConnectionUriSanPeerCertificate "connection.uri_san_peer_certificate" String Reporting;
    ConnectionTerminationDetails "connection.termination_details" String Reporting;
    UpstreamAddress "upstream.address" String Reporting;
    UpstreamPort "upstream.port" Int64 Reporting;
    UpstreamTransportFailureReason "upstream.transport_failure_reason" String Reporting;
    XdsRouteName "xds.route_name" String Reporting;
    XdsClusterName "xds.cluster_name" String Reporting;
}

impl Attribute {
    /// The attribute of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|attribute| attribute.name() == name)
    }

    /// The attribute that a pseudo-header of HTTP/2 is, by its name in lower case:
    /// Mixer's `request.headers` held them, and what they say is matched in its
    /// canonical form.
    pub(crate) fn of_pseudo_header(name: &str) -> Option<Self> {
        match name {
            ":authority" => Some(Self::RequestHost),
            ":path" => Some(Self::RequestPath),
            ":method" => Some(Self::RequestMethod),
            ":scheme" => Some(Self::RequestScheme),
            _ => None,
        }
    }

    /// Whether the value is a host in canonical form: lower case, without port
    /// and final dot. A literal compared with it is brought into that form.
    pub(super) fn is_host(self) -> bool {
        matches!(
            self,
            Self::RequestHost
                | Self::DestinationService
                | Self::DestinationServiceHost
                | Self::ConnectionRequestedServerName
        )
    }

    /// Whether the keys of this map are header names, which have no case.
    pub(super) fn has_header_names(self) -> bool {
        matches!(self, Self::RequestHeaders | Self::ResponseHeaders)
    }

    /// The name of the vocabulary closest to a misspelt one.
    pub(super) fn nearest(name: &str) -> Option<&'static str> {
        let near = Self::ALL
            .iter()
            .map(|a| (distance(a.name(), name), a.name()));
        near.filter(|(edits, _)| *edits <= 2)
            .min()
            .map(|(_, name)| name)
    }
}

/// Single-character edits from one text to the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut above: Vec<usize> = (0..=other.chars().count()).collect();
    for (row, a) in one.chars().enumerate() {
        let mut left = row + 1;
        let mut current = vec![left];
        for (b, pair) in other.chars().zip(above.windows(2)) {
            if let [corner, top] = pair {
                left = (corner + usize::from(a != b)).min(top + 1).min(left + 1);
                current.push(left);
            }
        }
        above = current;
    }
    above.last().copied().unwrap_or(0)
}
