//! The two ways an attempt ends without the origin's answer.
//!
//! A [`Refusal`] is ours: we will not. A [`Failure`] is the world's: we tried
//! and could not. Both are closed; a new variant must be given its code, its
//! status and its response flags here, and appears in the README's table by a
//! test. The code is the log field, the metric label and the word in tests.

use crate::canonical::Malformed;

/// An enum with the list of all its variants, so that documents and tests can
/// be held against it.
macro_rules! closed {
    ($(#[$doc:meta])* pub enum $name:ident {
        $($(#[$why:meta])* $variant:ident $(($payload:ident))?,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$why])* $variant $(($payload))?,)* }

        impl $name {
            /// Every variant, in order; those that carry a reason are left to
            /// the reason's own list.
            pub const ALL: &'static [Self] = &[$(closed!(@value $variant $(($payload))?),)*];
        }
    };
    (@value $variant:ident) => { Self::$variant };
    (@value $variant:ident ($payload:ident)) => { Self::$variant($payload::MethodRefused) };
}

mod failure;

pub use failure::Failure;

closed! {
    /// We will not.
    pub enum Refusal {
        // The connection, before there is a request.
        /// The client offered no certificate.
        NoClientCertificate,
        /// The certificate's dates do not include now.
        CertificateExpired,
        /// No configured root vouches for the certificate.
        CertificateUntrusted,
        /// The certificate is on a revocation list, or the list is missing or stale.
        CertificateRevoked,
        /// The certificate may not authenticate clients.
        CertificatePurpose,
        /// The certificate names no workload.
        NoSpiffeId,
        /// The certificate names more than one workload.
        SeveralSpiffeIds,
        /// The certificate's URI is no five-part SPIFFE id.
        MalformedSpiffeId,
        /// The workload's trust domain is not one of ours, or its root speaks for another.
        TrustDomain,
        /// The TLS handshake was not finished in time.
        HandshakeTimeout,
        /// The TLS handshake broke off or was no TLS.
        HandshakeFailed,
        /// The server name asked for is none of the listener's hosts.
        UnknownServerName,
        /// Plain text on a listener that speaks TLS.
        Plaintext,
        /// A peer whose word is not taken, where callers are introduced by the PROXY protocol.
        UntrustedPeer,
        /// What should introduce a caller is no header of the PROXY protocol's version 2.
        ProxyHeader,
        /// What should begin a TLS connection is no `ClientHello`.
        MalformedClientHello,
        /// The `ClientHello` names no server.
        NoServerName,
        /// The `ClientHello` hides, or may hide, the name of its server.
        EncryptedServerName,
        /// The server name asked for is an address, or no canonical host name.
        MalformedServerName,
        /// TLS that passes through is for another server than the one its port leads to.
        OtherServerName,
        /// A bound on open connections is reached.
        TooManyConnections,
        /// The source begins more TLS handshakes than it may.
        TooManyHandshakes,
        /// The HTTP/2 connection sends more frames or fields than its requests call for.
        FrameFlood,
        /// The HTTP/2 connection resets more streams than it has served.
        ResetFlood,

        // The message.
        /// A line ended without carriage return, or one stood alone.
        BareLineEnding,
        /// The request line is not `METHOD SP TARGET SP VERSION`, or of the method `PRI`.
        MalformedRequestLine,
        /// HTTP/1.0, or an unknown version.
        HttpVersion,
        /// A field name or value has a byte it may not have.
        MalformedHeader,
        /// A field name reads like a framing field once `_` becomes `-`.
        ConfusableHeader,
        /// The head exceeds its size.
        HeadTooLarge,
        /// The head has too many fields.
        TooManyFields,
        /// Both `Content-Length` and `Transfer-Encoding`.
        ConflictingFraming,
        /// `Content-Length` is repeated or no number.
        ContentLength,
        /// `Transfer-Encoding` is other than `chunked`.
        TransferEncoding,
        /// `Expect` is other than `100-continue`.
        Expectation,
        /// `Connection` nominates too many, or protected, fields.
        ConnectionNominations,
        /// The HTTP/2 stream breaks RFC 9113.
        MalformedStream,
        /// As many requests of the HTTP/2 connection are under way as it may have streams.
        TooManyStreams,
        /// The head was not complete in time.
        HeadTimeout,
        /// The body stopped arriving.
        BodyTimeout,
        /// The body arrives more slowly than it must.
        BodyTooSlow,
        /// The client stopped reading the answer.
        ReaderTimeout,
        /// The body exceeds the limit.
        BodyTooLarge,
        /// The body breaks its framing.
        MalformedBody,
        /// Host, target or method are not canonical and cannot be made so.
        Malformed(Malformed),
        /// `Host` is another name than the one the TLS connection was opened for.
        Misdirected,
        /// What is asked of a forward proxy is neither CONNECT nor an `http://` URL, or of HBONE not CONNECT.
        ProxyTarget,
        /// CONNECT announces a body: what follows its head is the tunnel's.
        ConnectBody,

        // The decision.
        /// A `deny` rule matches.
        Denied,
        /// No `allow` rule matches.
        NotAllowed,
        /// The external authoriser says no.
        AuthoriserDenied,
        /// The external authoriser gives no word, and the operator asked to refuse then.
        AuthoriserUnavailable,

        // The route.
        /// No destination has this host.
        UnknownHost,
        /// Nothing in the mesh's registry has this host at this port.
        UnknownMeshHost,
        /// The destination does not serve this port.
        UnknownPort,
        /// No route of the destination matches.
        NoRoute,
        /// No passage leads to this server name, or no TCP route from this port.
        UnknownPassage,
        /// No passage and no TCP route leads to the host and port that CONNECT names.
        NoTunnel,
        /// The address that HBONE's CONNECT names is none of the mesh's for a host.
        UnknownVip,
        /// The host lies too many labels below the wildcard that admits it.
        NameTooDeep,

        // The address.
        /// The caller has asked for too many different hosts that wildcards admit.
        TooManyNames,
        /// Every address of the upstream is one we may not dial.
        AddressDenied,

        // Ourselves.
        /// The process holds nearly as much memory as it may.
        Overloaded,
        /// The access log cannot take the line, and the operator asked to refuse then.
        LogUnavailable,
    }
}

impl Refusal {
    /// The word for logs, metrics, tests and the README.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoClientCertificate => "no_client_certificate",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateUntrusted => "certificate_untrusted",
            Self::CertificateRevoked => "certificate_revoked",
            Self::CertificatePurpose => "certificate_purpose",
            Self::NoSpiffeId => "no_spiffe_id",
            Self::SeveralSpiffeIds => "several_spiffe_ids",
            Self::MalformedSpiffeId => "malformed_spiffe_id",
            Self::TrustDomain => "trust_domain",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::HandshakeFailed => "handshake_failed",
            Self::UnknownServerName => "unknown_server_name",
            Self::Plaintext => "plaintext",
            Self::UntrustedPeer => "untrusted_peer",
            Self::ProxyHeader => "proxy_header",
            Self::MalformedClientHello => "malformed_client_hello",
            Self::NoServerName => "no_server_name",
            Self::EncryptedServerName => "encrypted_server_name",
            Self::MalformedServerName => "malformed_server_name",
            Self::OtherServerName => "other_server_name",
            Self::TooManyConnections => "too_many_connections",
            Self::TooManyHandshakes => "too_many_handshakes",
            Self::FrameFlood => "frame_flood",
            Self::ResetFlood => "reset_flood",
            Self::BareLineEnding => "bare_line_ending",
            Self::MalformedRequestLine => "malformed_request_line",
            Self::HttpVersion => "http_version",
            Self::MalformedHeader => "malformed_header",
            Self::ConfusableHeader => "confusable_header",
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyFields => "too_many_fields",
            Self::ConflictingFraming => "conflicting_framing",
            Self::ContentLength => "content_length",
            Self::TransferEncoding => "transfer_encoding",
            Self::Expectation => "expectation",
            Self::ConnectionNominations => "connection_nominations",
            Self::MalformedStream => "malformed_stream",
            Self::TooManyStreams => "too_many_streams",
            Self::HeadTimeout => "head_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::BodyTooSlow => "body_too_slow",
            Self::ReaderTimeout => "reader_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::MalformedBody => "malformed_body",
            Self::Malformed(why) => why.code(),
            Self::Misdirected => "misdirected",
            Self::ProxyTarget => "proxy_target",
            Self::ConnectBody => "connect_body",
            Self::Denied => "denied",
            Self::NotAllowed => "not_allowed",
            Self::AuthoriserDenied => "authoriser_denied",
            Self::AuthoriserUnavailable => "authoriser_unavailable",
            Self::UnknownHost => "unknown_host",
            Self::UnknownMeshHost => "unknown_mesh_host",
            Self::UnknownPort => "unknown_port",
            Self::NoRoute => "no_route",
            Self::UnknownPassage => "unknown_passage",
            Self::NoTunnel => "no_tunnel",
            Self::UnknownVip => "unknown_vip",
            Self::NameTooDeep => "name_too_deep",
            Self::TooManyNames => "too_many_names",
            Self::AddressDenied => "address_denied",
            Self::Overloaded => "overloaded",
            Self::LogUnavailable => "log_unavailable",
        }
    }

    /// The status of the answer; 0 where there is no request to answer.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::NoClientCertificate
            | Self::CertificateExpired
            | Self::CertificateUntrusted
            | Self::CertificateRevoked
            | Self::CertificatePurpose
            | Self::NoSpiffeId
            | Self::SeveralSpiffeIds
            | Self::MalformedSpiffeId
            | Self::TrustDomain
            | Self::HandshakeTimeout
            | Self::HandshakeFailed
            | Self::UnknownServerName
            | Self::Plaintext
            | Self::UntrustedPeer
            | Self::ProxyHeader
            | Self::MalformedClientHello
            | Self::NoServerName
            | Self::EncryptedServerName
            | Self::MalformedServerName
            | Self::OtherServerName
            | Self::UnknownPassage
            | Self::TooManyConnections
            | Self::TooManyHandshakes
            | Self::FrameFlood
            | Self::ResetFlood
            // It is reset, and may be tried again.
            | Self::TooManyStreams
            // It has a head already, and takes no more.
            | Self::ReaderTimeout => 0,
            Self::BareLineEnding
            | Self::MalformedRequestLine
            | Self::MalformedHeader
            | Self::ConfusableHeader
            | Self::ConflictingFraming
            | Self::ContentLength
            | Self::ConnectionNominations
            | Self::MalformedStream
            | Self::MalformedBody
            | Self::ProxyTarget
            | Self::ConnectBody
            // As ztunnel answers.
            | Self::UnknownVip => 400,
            Self::HttpVersion => 426,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::TransferEncoding => 501,
            Self::Expectation => 417,
            Self::HeadTimeout | Self::BodyTimeout | Self::BodyTooSlow => 408,
            Self::BodyTooLarge => 413,
            Self::Malformed(why) => why.status(),
            Self::Misdirected => 421,
            Self::Denied
            | Self::NotAllowed
            | Self::AuthoriserDenied
            | Self::AuthoriserUnavailable
            | Self::NameTooDeep
            | Self::AddressDenied => 403,
            Self::TooManyNames => 429,
            Self::UnknownHost | Self::UnknownPort | Self::NoRoute | Self::NoTunnel => 404,
            // As a sidecar answers that knows only its registry.
            Self::UnknownMeshHost => 502,
            Self::Overloaded | Self::LogUnavailable => 503,
        }
    }

    /// Envoy's response flags (`-` for none).
    #[must_use]
    pub fn flags(self) -> &'static str {
        match self {
            Self::Denied | Self::NotAllowed | Self::NameTooDeep | Self::AddressDenied => "-",
            Self::TooManyNames => "RL",
            Self::UnknownServerName
            | Self::NoServerName
            | Self::UnknownHost
            | Self::UnknownMeshHost
            | Self::UnknownPort
            | Self::NoRoute
            | Self::UnknownPassage
            | Self::NoTunnel
            | Self::UnknownVip => "NR",
            Self::AuthoriserDenied | Self::AuthoriserUnavailable => "UAEX",
            Self::HeadTimeout | Self::BodyTimeout | Self::BodyTooSlow | Self::ReaderTimeout => "SI",
            Self::Overloaded
            | Self::LogUnavailable
            | Self::TooManyConnections
            | Self::TooManyStreams => "OM",
            Self::TooManyHandshakes => "RL",
            _ => "DPE",
        }
    }

    /// Envoy's `response_code_details` where it has a word for the case, ours else.
    #[must_use]
    pub fn details(self) -> &'static str {
        match self {
            Self::NotAllowed => "rbac_access_denied_matched_policy[none]",
            Self::AuthoriserDenied => "ext_authz_denied",
            Self::AuthoriserUnavailable => "ext_authz_error",
            Self::UnknownHost | Self::UnknownPort | Self::NoRoute | Self::NoTunnel => {
                "route_not_found"
            }
            Self::UnknownServerName | Self::NoServerName | Self::UnknownPassage => {
                "filter_chain_not_found"
            }
            Self::Overloaded => "overload",
            Self::HttpVersion => "low_version",
            Self::HeadTooLarge => "http1.headers_too_large",
            Self::TooManyFields => "http1.too_many_headers",
            Self::TransferEncoding => "http1.invalid_transfer_encoding",
            Self::ConflictingFraming => "http1.content_length_and_chunked_not_allowed",
            other => other.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_has_a_code_of_its_own() {
        let refusals = Refusal::ALL.iter().map(|r| r.code());
        let codes: Vec<_> = refusals
            .chain(Failure::ALL.iter().map(|f| f.code()))
            .collect();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
    }

    #[test]
    fn only_what_has_no_request_has_no_status() {
        for refusal in Refusal::ALL {
            let status = refusal.status();
            assert!(status == 0 || (400..600).contains(&status), "{refusal:?}");
        }
    }
}
