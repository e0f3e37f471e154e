//! MeshConfig, as Istio keeps it: YAML text within the ConfigMap `istio` of the
//! root namespace, or what an IstioOperator would make it of. What it says of
//! access logs is for this gateway; what decides about policy must be as native
//! documents say it, or as it is here.

use super::mesh_policy;
use super::providers::{Provider, Providers, sink};
use super::{Kind, Objects, Scope, Value, pass_over};
use crate::fields::{Fields, text};
use crate::native::{labels, text_format};
use crate::node::Node;
use crate::snapshot::{Layout, Sink};
use crate::text_format::TextFormat;
use crate::yaml;

/// The name of a log that MeshConfig itself asks for.
const MESH: &str = "mesh";

/// What concerns other workloads, or other questions.
const OTHERS: [&str; 54] = [
    "authPolicy",
    "ca",
    "caCertificates",
    "certificates",
    "configSources",
    "connectTimeout",
    "defaultConfig",
    "defaultHttpRetryPolicy",
    "disableEnvoyListenerLog",
    "disableMixerHttpReports",
    "disablePolicyChecks",
    "disableReportBatch",
    "dnsRefreshRate",
    "egressProxyAddress",
    "enableAutoMtls",
    "enableClientSidePolicyCheck",
    "enableEnvoyAccessLogService",
    "enablePrometheusMerge",
    "enableSdsTokenMount",
    "enableTracing",
    "h2UpgradePolicy",
    "hboneIdleTimeout",
    "inboundClusterStatName",
    "inboundTrafficPolicy",
    "ingressClass",
    "ingressControllerMode",
    "ingressSelector",
    "ingressService",
    "localityLbSetting",
    "mixerAddress",
    "mixerCheckServer",
    "mixerReportServer",
    "mtlsExcludedServices",
    "outboundClusterStatName",
    "outboundTrafficPolicy",
    "pathNormalization",
    "policyCheckFailOpen",
    "protocolDetectionTimeout",
    "proxyHttpPort",
    "proxyInboundListenPort",
    "proxyListenPort",
    "rdsRefreshDelay",
    "reportBatchMaxEntries",
    "reportBatchMaxTime",
    "sdsRefreshDelay",
    "sdsUdsPath",
    "sdsUseK8sSaJwt",
    "serviceScopeConfigs",
    "serviceSettings",
    "sidecarToTelemetrySessionAffinity",
    "tcpKeepalive",
    "thriftConfig",
    "tlsDefaults",
    "verifyCertificateAtClient",
];

/// What a mesh says of access logs.
#[derive(Debug, Default)]
pub(super) struct MeshConfig {
    pub(super) providers: Providers,
    /// Those that are on where no Telemetry speaks.
    pub(super) defaults: Vec<Provider>,
}

impl MeshConfig {
    /// Reads what is written; without it the mesh is as Istio makes it.
    pub(super) fn read(config: Option<&Node>, scope: &Scope<'_>) -> Self {
        let standard = || Layout::Text(TextFormat::istio());
        let read =
            |node: &Node| Fields::read_proto(node, scope.report, |fields| config_of(fields, scope));
        config.and_then(read).unwrap_or_else(|| Self {
            providers: Providers::default().with_envoy(standard()),
            defaults: Vec::new(),
        })
    }
}

/// MeshConfig as written: the ConfigMap's, or else an IstioOperator's.
pub(in crate::istio) fn written(objects: &Objects<'_>, scope: &Scope<'_>) -> Option<Node> {
    let root = &*scope.gateway.root_namespace;
    let map = objects.named(Kind::ConfigMap, root, "istio");
    let data = map.and_then(|map| map.body.entry("data")?.entry("mesh"));
    let written = data.and_then(|node| yaml::within(node, scope.report));
    let operators = operators(objects, data, scope);
    written.or_else(|| operators.cloned())
}

/// `spec.meshConfig` of the last IstioOperator that has one. `written` is what
/// stands in the ConfigMap, which is what a mesh goes by.
fn operators<'o>(
    objects: &'o Objects<'_>,
    written: Option<&Node>,
    scope: &Scope<'_>,
) -> Option<&'o Node> {
    let mut last: Option<&Node> = None;
    for object in objects.of_kind(Kind::IstioOperator) {
        let spec = object.body.entry("spec");
        let Some(config) = spec.and_then(|spec| spec.entry("meshConfig")) else {
            let message = "this IstioOperator has no `meshConfig`, and says nothing else to a gateway: passed over";
            scope.report.note(object.origin, message);
            continue;
        };
        let holds = match (written, last) {
            (Some(written), _) => Some((written, "the ConfigMap `istio`, which holds,")),
            (None, Some(before)) => Some((before, "an IstioOperator, whose place this one takes,")),
            (None, None) => None,
        };
        if let Some((other, what)) = holds {
            let message = format!(
                "there is also {what} at {}: delete one of them",
                other.origin
            );
            scope.report.warning(&config.origin, message);
        }
        last = Some(config);
    }
    last.filter(|_| written.is_none())
}

fn config_of(fields: &Fields<'_>, scope: &Scope<'_>) -> MeshConfig {
    pass_over(fields, &OTHERS);
    mesh_policy::compare(fields, scope);
    let layout = layout(fields).unwrap_or_else(|| Layout::Text(TextFormat::istio()));
    let file = fields.take("accessLogFile");
    // Empty text is Istio's word for none.
    let file = file.filter(|node| text(node, fields.report).is_some_and(|path| !path.is_empty()));
    let file: Option<Sink> = file.and_then(|node| sink(node, fields));
    let providers = Providers::read(fields, &Layout::Text(TextFormat::istio()));
    let providers = providers.with_envoy(layout.clone());
    let named = fields.take("defaultProviders").map(|node| {
        let read = |fields: &Fields<'_>| {
            pass_over(fields, &["tracing", "metrics"]);
            let nodes = fields.many("accessLogging").iter();
            let named = nodes.filter_map(|node| {
                let name = text(node, fields.report)?;
                providers.find(name, node, scope)
            });
            named.collect::<Vec<_>>()
        };
        Fields::read_proto(node, fields.report, read).unwrap_or_default()
    });
    let mut defaults = named.unwrap_or_default();
    if let (true, Some(sink)) = (defaults.is_empty(), file) {
        defaults.push(Provider {
            name: MESH.into(),
            sink,
            layout,
        });
    }
    MeshConfig {
        providers,
        defaults,
    }
}

/// `accessLogFormat` in its `accessLogEncoding`: text, or JSON text of labels.
fn layout(fields: &Fields<'_>) -> Option<Layout> {
    let encodings = [("TEXT", 0, false), ("JSON", 1, true)];
    let is_json = super::choice(fields, "accessLogEncoding", &encodings).unwrap_or(false);
    let format = fields.take("accessLogFormat");
    let format = format
        .filter(|node| matches!(&node.value, Value::Scalar(scalar) if !scalar.text.is_empty()));
    match (is_json, format) {
        (false, None) => None,
        (true, None) => Some(Layout::Json),
        (false, Some(node)) => text_format(node, fields.report).map(Layout::Text),
        // JSON is YAML.
        (true, Some(node)) => {
            let json = yaml::within(node, fields.report)?;
            Some(Layout::Labels(labels(&json, fields.report)))
        }
    }
}
