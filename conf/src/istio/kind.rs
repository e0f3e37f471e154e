//! Which kinds of objects there are, and which of them concern a gateway.

use policy::origin::Origin;

use crate::report::Report;
use crate::spelling::nearest;

macro_rules! kinds {
    ($($variant:ident $group:literal $name:literal;)*) => {
        /// A kind whose objects mean something here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum Kind { $($variant,)* }

        impl Kind {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As objects write it.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            fn group(self) -> &'static str {
                match self { $(Self::$variant => $group,)* }
            }
        }
    };
}

kinds! {
    EgressRule "config.istio.io" "EgressRule";
    RouteRule "config.istio.io" "RouteRule";
    LogEntry "config.istio.io" "logentry";
    Stdio "config.istio.io" "stdio";
    Rule "config.istio.io" "rule";
    ListEntry "config.istio.io" "listentry";
    ListChecker "config.istio.io" "listchecker";
    Denier "config.istio.io" "denier";
    CheckNothing "config.istio.io" "checknothing";
    Handler "config.istio.io" "handler";
    Instance "config.istio.io" "instance";
    ExternalService "networking.istio.io" "ExternalService";
    ServiceEntry "networking.istio.io" "ServiceEntry";
    VirtualService "networking.istio.io" "VirtualService";
    DestinationRule "networking.istio.io" "DestinationRule";
    Gateway "networking.istio.io" "Gateway";
    Sidecar "networking.istio.io" "Sidecar";
    AuthorizationPolicy "security.istio.io" "AuthorizationPolicy";
    ServiceRole "rbac.istio.io" "ServiceRole";
    ServiceRoleBinding "rbac.istio.io" "ServiceRoleBinding";
    ClusterRbacConfig "rbac.istio.io" "ClusterRbacConfig";
    RbacConfig "rbac.istio.io" "RbacConfig";
    Telemetry "telemetry.istio.io" "Telemetry";
    HttpRoute "gateway.networking.k8s.io" "HTTPRoute";
    TlsRoute "gateway.networking.k8s.io" "TLSRoute";
    BackendTlsPolicy "gateway.networking.k8s.io" "BackendTLSPolicy";
    ApiGateway "gateway.networking.k8s.io" "Gateway";
    ReferenceGrant "gateway.networking.k8s.io" "ReferenceGrant";
    EnvoyFilter "networking.istio.io" "EnvoyFilter";
    RequestAuthentication "security.istio.io" "RequestAuthentication";
    WasmPlugin "extensions.istio.io" "WasmPlugin";
    AuthenticationPolicy "authentication.istio.io" "Policy";
    MeshPolicy "authentication.istio.io" "MeshPolicy";
    IstioOperator "install.istio.io" "IstioOperator";
    Secret "" "Secret";
    ConfigMap "" "ConfigMap";
}

/// Groups all of whose kinds are named above or below: another kind of theirs
/// is a slip of the pen.
const OURS: [&str; 6] = [
    "config.istio.io",
    "networking.istio.io",
    "security.istio.io",
    "rbac.istio.io",
    "telemetry.istio.io",
    "gateway.networking.k8s.io",
];

/// Kinds that say nothing to a gateway, or to this one.
const IGNORED: [(&str, &str); 33] = [
    ("config.istio.io", "attributemanifest"),
    ("config.istio.io", "metric"),
    ("config.istio.io", "prometheus"),
    ("config.istio.io", "quota"),
    ("config.istio.io", "memquota"),
    ("config.istio.io", "kubernetes"),
    ("config.istio.io", "kubernetesenv"),
    ("config.istio.io", "adapter"),
    ("config.istio.io", "template"),
    ("config.istio.io", "QuotaSpec"),
    ("config.istio.io", "QuotaSpecBinding"),
    ("config.istio.io", "tracespan"),
    ("config.istio.io", "reportnothing"),
    ("config.istio.io", "edge"),
    ("config.istio.io", "circonus"),
    ("config.istio.io", "cloudwatch"),
    ("config.istio.io", "dogstatsd"),
    ("config.istio.io", "fluentd"),
    ("config.istio.io", "noop"),
    ("config.istio.io", "signalfx"),
    ("config.istio.io", "solarwinds"),
    ("config.istio.io", "stackdriver"),
    ("config.istio.io", "statsd"),
    ("config.istio.io", "wavefront"),
    ("networking.istio.io", "WorkloadEntry"),
    ("networking.istio.io", "WorkloadGroup"),
    ("networking.istio.io", "ProxyConfig"),
    ("security.istio.io", "PeerAuthentication"),
    ("gateway.networking.k8s.io", "GatewayClass"),
    ("gateway.networking.k8s.io", "GRPCRoute"),
    ("gateway.networking.k8s.io", "TCPRoute"),
    ("gateway.networking.k8s.io", "UDPRoute"),
    ("", "Namespace"),
];

impl Kind {
    /// The kind of an object; nothing when it is none of ours, which is told.
    pub(super) fn read(
        version: &str,
        kind: &str,
        origin: &Origin,
        report: &Report,
    ) -> Option<Self> {
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let known = Self::ALL.iter().copied();
        if let Some(found) = known
            .clone()
            .find(|k| k.group() == group && k.name() == kind)
        {
            return Some(found);
        }
        // A policy of a misspelt group would be passed over as somebody else's.
        if !OURS.contains(&group)
            && let Some(meant) = known
                .clone()
                .find(|k| k.name() == kind && k.is_meant_by(group))
        {
            let meant = match meant.group() {
                "" => "v1".to_owned(),
                meant => format!("{meant}/…"),
            };
            let group = match group {
                "" => "of Kubernetes itself".to_owned(),
                group => format!("of `{group}`"),
            };
            let message = format!("`{kind}` is no kind {group}: write `{meant}` in `apiVersion`");
            report.error(origin, message);
            return None;
        }
        let of_group = known.filter(|k| k.group() == group).map(Self::name);
        let ignored = IGNORED.iter().any(|(g, k)| *g == group && *k == kind);
        if OURS.contains(&group) && !ignored {
            let instead = match nearest(kind, of_group.clone()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "delete the object".to_owned(),
            };
            report.error(
                origin,
                format!("unknown kind `{kind}` of `{group}`: {instead}"),
            );
        } else {
            report.note(
                origin,
                format!("`{kind}` says nothing to a gateway: passed over"),
            );
        }
        None
    }

    /// Whether an object of this kind's name and of an unknown group was to be one
    /// of this kind. Of some names others have kinds too.
    fn is_meant_by(self, group: &str) -> bool {
        let is_common = matches!(
            self,
            Self::AuthenticationPolicy | Self::Secret | Self::ConfigMap
        );
        !is_common || group.contains("istio") || nearest(group, [self.group()]).is_some()
    }

    /// Whether what an object says stands under `spec`.
    pub(super) fn has_spec(self) -> bool {
        !matches!(self, Self::Secret | Self::ConfigMap)
    }
}
