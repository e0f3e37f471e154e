//! What the TLS server name says: an external host, or merely us.

use conf::snapshot::GatewayName;
use policy::canonical::Authority;

/// The server name of a connection, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerName {
    /// None was sent, or one that names the gateway itself: sidecars without
    /// `sni` in their DestinationRule send `outbound_.PORT_.SUBSET_.HOST`.
    Ourselves,
    /// The external host the connection is for, canonical.
    Host(Box<str>),
    /// No host name at all.
    Malformed,
}

impl ServerName {
    /// Understands a server name as sent.
    #[must_use]
    pub(crate) fn parse(sent: Option<&str>, gateway: &GatewayName) -> Self {
        let Some(sent) = sent else {
            return Self::Ourselves;
        };
        if is_ours(sent, gateway) {
            return Self::Ourselves;
        }
        match Authority::parse(sent.as_bytes()) {
            Ok(authority) if authority.port().is_none() => Self::Host(authority.host().into()),
            _ => Self::Malformed,
        }
    }

    /// The external host, if one is named.
    #[must_use]
    pub(crate) fn host(&self) -> Option<&str> {
        match self {
            Self::Host(host) => Some(host),
            Self::Ourselves | Self::Malformed => None,
        }
    }
}

/// `NAME.NAMESPACE.svc…`, alone or behind Istio's cluster prefix, which exists
/// with `_.` and, in Envoy's cluster names, with `|`.
fn is_ours(sent: &str, gateway: &GatewayName) -> bool {
    let host = if sent.starts_with("outbound_.") {
        sent.splitn(4, "_.").nth(3)
    } else if sent.starts_with("outbound|") {
        sent.splitn(4, '|').nth(3)
    } else {
        Some(sent)
    };
    let service = format!("{}.{}.svc", gateway.name, gateway.namespace);
    host.and_then(|host| host.strip_prefix(service.as_str()))
        .is_some_and(|domain| domain.is_empty() || domain.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(sent: &str) -> ServerName {
        let gateway = GatewayName {
            name: "istio-egressgateway".into(),
            namespace: "istio-system".into(),
            pod: "pod".into(),
            labels: Default::default(),
            root_namespace: "istio-system".into(),
        };
        ServerName::parse(Some(sent), &gateway)
    }

    #[test]
    fn cluster_names_of_our_own_service_count_as_none() {
        for sent in [
            "outbound_.443_.cnn_.istio-egressgateway.istio-system.svc.cluster.local",
            "outbound_.443_._.istio-egressgateway.istio-system.svc.cluster.local",
            "outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local",
            "istio-egressgateway.istio-system.svc.cluster.local",
            "istio-egressgateway.istio-system.svc",
        ] {
            assert_eq!(parse(sent), ServerName::Ourselves, "{sent}");
        }
    }

    #[test]
    fn other_names_are_hosts_in_canonical_form() {
        assert_eq!(
            parse("EDITION.cnn.com"),
            ServerName::Host("edition.cnn.com".into())
        );
        let other = "istio-egressgateway.other.svc.cluster.local";
        assert_eq!(parse(other), ServerName::Host(other.into()));
        let suffix = "istio-egressgateway.istio-system.svcx";
        assert_eq!(parse(suffix), ServerName::Host(suffix.into()));
        assert_eq!(parse("a b"), ServerName::Malformed);
        assert_eq!(parse("edition.cnn.com:443"), ServerName::Malformed);
    }
}
