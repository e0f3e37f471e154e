//! What MeshConfig says that decides about policy: whose objects concern every
//! workload, which trust domain is the mesh's own, to whom objects are exported.
//!
//! Native documents say the first two, and have the last word. Where MeshConfig
//! says otherwise, one of them is wrong, and a DENY may be nobody's.

use crate::fields::{Fields, text};
use crate::istio::proto::{choice, pass_over};
use crate::istio::scope::Scope;

/// Lists of namespaces for objects without `exportTo`, and the kind of each.
const EXPORTS: [(&str, &str); 3] = [
    ("defaultServiceExportTo", "ServiceEntry"),
    ("defaultVirtualServiceExportTo", "VirtualService"),
    ("defaultDestinationRuleExportTo", "DestinationRule"),
];

/// Refuses what differs from what holds here.
pub(super) fn compare(fields: &Fields<'_>, scope: &Scope<'_>) {
    root_namespace(fields, scope);
    trust_domain(fields, scope);
    for (key, kind) in EXPORTS {
        let nodes = fields.many(key).iter();
        for node in nodes.filter(|node| text(node, fields.report).is_some_and(|to| to != "*")) {
            let message = format!(
                "`{key}` cannot be honoured: write `exportTo` in each {kind}, and `[\"*\"]` here"
            );
            fields.report.error(&node.origin, message);
        }
    }
    if let Some(entry) = fields.entry("discoverySelectors") {
        let message = "labels of namespaces are not known here, and objects of all of them count: leave those of others out of the configuration";
        fields.report.warning(&entry.origin, message);
    }
    let node = fields.take("meshMTLS");
    node.and_then(|node| Fields::read_proto(node, fields.report, mesh_mtls));
}

fn root_namespace(fields: &Fields<'_>, scope: &Scope<'_>) {
    let Some(node) = fields.take("rootNamespace") else {
        return;
    };
    let ours = &*scope.gateway.root_namespace;
    let written = text(node, fields.report).unwrap_or_default();
    // Empty text is the default, which is where this was found.
    if !written.is_empty() && written != ours {
        let message = format!(
            "the root namespace is `{ours}` here: write `gateway: {{ rootNamespace: {written} }}` in a native document"
        );
        fields.report.error(&node.origin, message);
    }
}

fn trust_domain(fields: &Fields<'_>, scope: &Scope<'_>) {
    let domain = fields.take("trustDomain").into_iter();
    let aliases = fields.many("trustDomainAliases").iter();
    for node in domain.chain(aliases) {
        let written = text(node, fields.report).unwrap_or_default();
        let known = scope.local.iter().any(|own| **own == *written);
        if !written.is_empty() && !known {
            let own = scope.local.first().map_or("", |own| own);
            let message = format!(
                "`{written}` is no name of the mesh's own trust domain here, which is `{own}`: write it as `domain`, or under `aliases`, of the `trust` of a native document"
            );
            fields.report.error(&node.origin, message);
        }
    }
}

/// `meshMTLS`: what callers' TLS must be.
fn mesh_mtls(fields: &Fields<'_>) {
    pass_over(fields, &["cipherSuites", "ecdhCurves"]);
    let versions = [
        ("TLS_AUTO", 0, false),
        ("TLSV1_2", 1, false),
        ("TLSV1_3", 2, true),
    ];
    if let (Some(true), Some(entry)) = (
        choice(fields, "minProtocolVersion", &versions),
        fields.entry("minProtocolVersion"),
    ) {
        let message = "not supported yet: callers may speak TLS 1.2, with forward secrecy and AEAD: write `TLSV1_2`";
        fields.report.error(&entry.node.origin, message);
    }
}
