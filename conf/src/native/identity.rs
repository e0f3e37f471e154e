//! `gateway`, `identity` and `trust`: who the gateway is, and whom it lets in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use policy::origin::Origin;
use policy::principal::check_trust_domain;

use crate::Environment;
use crate::fields::{Fields, parsed, text};
use crate::file::relative_to;
use crate::node::{Entry, Node, Value};
use crate::report::Report;
use crate::snapshot::{GatewayName, IdentityFiles, TrustDomain};

pub(super) const NAME: &str = "istio-egressgateway";
pub(super) const NAMESPACE: &str = "istio-system";
/// The labels of Istio's own egress gateway.
const LABELS: [(&str, &str); 2] = [("app", "istio-egressgateway"), ("istio", "egressgateway")];
const TRUST_DOMAIN: &str = "cluster.local";
/// Where Istio mounts a workload's own certificate.
const CREDENTIALS: &str = "/var/run/secrets/workload-spiffe-credentials";

/// `gateway: { name, namespace, labels, rootNamespace }`.
pub(super) fn gateway(
    entry: Option<&Entry>,
    environment: &Environment,
    report: &Report,
) -> GatewayName {
    let written = entry.and_then(|entry| {
        Fields::read(&entry.node, report, |fields| {
            (
                fields.parsed("name", name),
                fields.parsed("namespace", name),
                fields.parsed("rootNamespace", name),
                labels(fields),
            )
        })
    });
    let (name, namespace, root_namespace, labels) = written.unwrap_or_default();
    let name = name.unwrap_or(NAME);
    let namespace = namespace.unwrap_or(NAMESPACE);
    let pod = match &environment.pod_name {
        Some(pod) => pod.clone(),
        None => format!("{name}-{}", environment.hostname),
    };
    GatewayName {
        name: name.into(),
        namespace: namespace.into(),
        pod: pod.into(),
        labels: labels.unwrap_or_else(own_labels),
        root_namespace: root_namespace.unwrap_or(NAMESPACE).into(),
    }
}

/// The labels of a gateway that says none.
pub(super) fn own_labels() -> BTreeMap<Box<str>, Box<str>> {
    LABELS.map(|(key, value)| (key.into(), value.into())).into()
}

/// The labels of the gateway's pod.
fn labels(fields: &Fields<'_>) -> Option<BTreeMap<Box<str>, Box<str>>> {
    let node = fields.take("labels")?;
    let Value::Map(entries) = &node.value else {
        let message = format!("found {} where a map `label: value` belongs", node.kind());
        fields.report.error(&node.origin, message);
        return None;
    };
    let label = |entry: &Entry| Some((entry.key.clone(), text(&entry.node, fields.report)?.into()));
    Some(entries.iter().filter_map(label).collect())
}

fn name(text: &str) -> Result<&str, String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if text.is_empty() || !text.bytes().all(allowed) {
        return Err(format!(
            "`{text}` is no name: write letters, digits, `-`, `.` and `_`"
        ));
    }
    Ok(text)
}

/// `identity: { files: { chain, key, roots, crl } }`; without it the files that
/// Istio mounts.
pub(super) fn identity(entry: Option<&Entry>, report: &Report) -> IdentityFiles {
    let files = entry.and_then(|entry| {
        Fields::read(&entry.node, report, |fields| {
            fields.not_yet(
                "workloadApi",
                "write `files: { chain: …, key: …, roots: … }`",
            );
            let files = fields.take("files")?;
            Fields::read(files, report, identity_files)
        })
    });
    files.flatten().unwrap_or_else(mounted_identity)
}

/// The files that Istio mounts into a pod.
pub(crate) fn mounted_identity() -> IdentityFiles {
    IdentityFiles {
        chain: format!("{CREDENTIALS}/cert-chain.pem").into(),
        key: format!("{CREDENTIALS}/key.pem").into(),
        roots: format!("{CREDENTIALS}/root-cert.pem").into(),
        crl: None,
    }
}

fn identity_files(fields: &Fields<'_>) -> IdentityFiles {
    let needed = |key, example| {
        fields.need(key, example);
        path(fields, key).unwrap_or_default()
    };
    IdentityFiles {
        chain: needed("chain", "/etc/certs/cert-chain.pem"),
        key: needed("key", "/etc/certs/key.pem"),
        roots: needed("roots", "/etc/certs/root-cert.pem"),
        crl: path(fields, "crl"),
    }
}

/// A path, which begins at the file that holds it.
pub(super) fn path(fields: &Fields<'_>, key: &'static str) -> Option<PathBuf> {
    let node = fields.take(key)?;
    parsed(node, fields.report, |text| match text {
        "" => Err("an empty path: write the name of a file"),
        text => Ok(relative_to(&node.origin.file, text)),
    })
}

/// `trust: [{ domain, aliases, roots }]`: the mesh's own domain first, which is
/// the one without roots, or else the first.
pub(super) fn trust(nodes: &[&Node], report: &Report) -> Vec<TrustDomain> {
    let mut named: Vec<(Box<str>, &Origin)> = Vec::new();
    let mut domains = Vec::new();
    let mut own: Option<&Origin> = None;
    for node in nodes {
        let domain = Fields::read(node, report, |fields| trust_domain(fields, &mut named));
        let Some(domain) = domain.flatten() else {
            continue;
        };
        match own {
            _ if domain.roots.is_some() => domains.push(domain),
            None => {
                own = Some(&node.origin);
                domains.insert(0, domain);
            }
            Some(own) => report.error(
                &node.origin,
                format!(
                    "`roots` is missing: only the mesh's own domain goes without, the one at {own}"
                ),
            ),
        }
    }
    if domains.is_empty() {
        domains.push(only_domain());
    }
    domains
}

/// The mesh's own domain where none is named.
pub(super) fn only_domain() -> TrustDomain {
    TrustDomain {
        domain: TRUST_DOMAIN.into(),
        aliases: Vec::new(),
        roots: None,
    }
}

fn trust_domain<'a>(
    fields: &Fields<'a>,
    named: &mut Vec<(Box<str>, &'a Origin)>,
) -> Option<TrustDomain> {
    fields.need("domain", TRUST_DOMAIN);
    let domains = fields.take("domain").into_iter();
    let aliases = fields.many("aliases").iter();
    let roots = path(fields, "roots");
    let mut names = Vec::new();
    for node in domains.chain(aliases) {
        let checked = parsed(node, fields.report, |text| {
            check_trust_domain(text).map(|()| Box::<str>::from(text))
        });
        let Some(name) = checked else { continue };
        if let Some((_, first)) = named.iter().find(|(known, _)| *known == name) {
            let message = format!("`{name}` is given twice: it also stands at {first}");
            fields.report.error(&node.origin, message);
        }
        named.push((name.clone(), &node.origin));
        names.push(name);
    }
    if names.is_empty() || !fields.has("domain") {
        return None;
    }
    Some(TrustDomain {
        domain: names.remove(0),
        aliases: names,
        roots,
    })
}
