//! Why an attempt fails that was let go on.

closed! {
    /// We tried and could not.
    pub enum Failure {
        /// The name did not resolve.
        Dns,
        /// The name has no address.
        NoAddress,
        /// Every address of the upstream is left out for a while because it failed.
        Ejected,
        /// The connection was refused, or the network knows no way.
        Connect,
        /// The connection was not made in time.
        ConnectTimeout,
        /// The TLS handshake with the upstream broke off.
        TlsHandshake,
        /// The upstream's certificate is not good: chain, dates or name.
        TlsVerification,
        /// The upstream speaks an older TLS than the route's minimum.
        TlsVersion,
        /// The proxy before the upstream opens no tunnel.
        ProxyRefused,
        /// The answer of the proxy before the upstream is no HTTP, or not whole.
        ProxyProtocol,
        /// The upstream closed before its answer was complete.
        Closed,
        /// The upstream refused or reset the stream.
        Reset,
        /// The upstream's answer is no HTTP, or no answer to what was asked.
        Protocol,
        /// The route's time for the whole exchange ran out.
        RouteTimeout,
        /// A bound on connections or requests to the upstream is reached.
        Overflow,
        /// The client went away.
        ClientGone,
        /// A defect of ours; the request is over, the process is not.
        Internal,
    }
}

impl Failure {
    /// The word for logs, metrics, tests and the README.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Dns => "dns_failure",
            Self::NoAddress => "no_address",
            Self::Ejected => "upstream_ejected",
            Self::Connect => "connect_failure",
            Self::ConnectTimeout => "connect_timeout",
            Self::TlsHandshake => "upstream_tls_handshake",
            Self::TlsVerification => "upstream_tls_verification",
            Self::TlsVersion => "upstream_tls_version",
            Self::ProxyRefused => "proxy_refused",
            Self::ProxyProtocol => "proxy_protocol",
            Self::Closed => "upstream_closed",
            Self::Reset => "upstream_reset",
            Self::Protocol => "upstream_protocol",
            Self::RouteTimeout => "route_timeout",
            Self::Overflow => "upstream_overflow",
            Self::ClientGone => "client_gone",
            Self::Internal => "internal",
        }
    }

    /// The status of the answer, when none has been sent; 0 when nobody is left to answer.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Dns
            | Self::NoAddress
            | Self::Ejected
            | Self::Connect
            | Self::ConnectTimeout
            | Self::TlsHandshake
            | Self::TlsVerification
            | Self::TlsVersion
            | Self::ProxyRefused
            | Self::ProxyProtocol
            | Self::Closed
            | Self::Reset
            | Self::Overflow => 503,
            Self::Protocol => 502,
            Self::RouteTimeout => 504,
            Self::ClientGone => 0,
            Self::Internal => 500,
        }
    }

    /// Envoy's response flags.
    #[must_use]
    pub fn flags(self) -> &'static str {
        match self {
            Self::Dns => "DF",
            Self::NoAddress | Self::Ejected => "UH",
            Self::Connect
            | Self::ConnectTimeout
            | Self::TlsHandshake
            | Self::TlsVerification
            | Self::TlsVersion
            | Self::ProxyRefused
            | Self::ProxyProtocol => "UF",
            Self::Closed => "UC",
            Self::Reset => "UR",
            Self::Protocol => "UPE",
            Self::RouteTimeout => "UT",
            Self::Overflow => "UO",
            Self::ClientGone => "DC",
            Self::Internal => "-",
        }
    }

    /// Envoy's `response_code_details`.
    #[must_use]
    pub fn details(self) -> &'static str {
        match self {
            Self::Dns => "dns_resolution_failure",
            Self::NoAddress | Self::Ejected => "no_healthy_upstream",
            Self::Connect
            | Self::ConnectTimeout
            | Self::TlsHandshake
            | Self::TlsVerification
            | Self::TlsVersion
            | Self::ProxyRefused
            | Self::ProxyProtocol => {
                "upstream_reset_before_response_started{remote_connection_failure}"
            }
            Self::Closed => "upstream_reset_before_response_started{connection_termination}",
            Self::Reset => "upstream_reset_before_response_started{remote_reset}",
            Self::Protocol => "upstream_reset_before_response_started{protocol_error}",
            Self::RouteTimeout => "response_timeout",
            Self::Overflow => "upstream_reset_before_response_started{overflow}",
            Self::ClientGone => "downstream_remote_disconnect",
            Self::Internal => "internal_error",
        }
    }
}
