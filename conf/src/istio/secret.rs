//! Secrets and ConfigMaps that hold certificates: what `credentialName` and
//! `caCertificateRefs` name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use policy::destination::{ClientCertificate, Pem};

use super::kind::Kind;
use super::object::{Object, Objects};
use super::scope::Scope;
use crate::fields::text;
use crate::node::Node;

/// What a Secret holds.
#[derive(Debug, Default)]
pub(super) struct Credential {
    pub(super) ca: Option<Pem>,
    pub(super) client: Option<ClientCertificate>,
}

/// The credential of that name in the gateway's namespace, as Istio looks for
/// it: the Secret `NAME`, its authority perhaps in `NAME-cacert`.
pub(super) fn credential(
    node: &Node,
    objects: &Objects<'_>,
    scope: &Scope<'_>,
) -> Option<Credential> {
    let name = text(node, scope.report)?;
    let namespace = &*scope.gateway.namespace;
    let secret = objects.named(Kind::Secret, namespace, name);
    let authority = objects.named(Kind::Secret, namespace, &format!("{name}-cacert"));
    if secret.is_none() && authority.is_none() {
        let message = format!(
            "there is no Secret `{name}` in `{namespace}`, the gateway's namespace: write it, or name files"
        );
        scope.report.error(&node.origin, message);
        return None;
    }
    let held = |object: Option<&Object<'_>>, keys: [&str; 2]| {
        keys.into_iter().find_map(|key| value(object?, key, scope))
    };
    if let Some(list) = [authority, secret]
        .into_iter()
        .flatten()
        .find(|object| ["ca.crl", "crl"].into_iter().any(|key| holds(object, key)))
    {
        let message = "not supported yet: the revocation list of a Secret, `ca.crl`: delete it";
        scope.report.error(list.origin, message);
    }
    let chain = held(secret, ["tls.crt", "cert"]);
    let key = held(secret, ["tls.key", "key"]);
    Some(Credential {
        ca: held(authority, ["ca.crt", "cacert"]).or_else(|| held(secret, ["ca.crt", "cacert"])),
        client: chain
            .zip(key)
            .map(|(chain, key)| ClientCertificate { chain, key }),
    })
}

fn holds(object: &Object<'_>, key: &str) -> bool {
    let sections = ["data", "stringData"].into_iter();
    sections
        .filter_map(|section| object.body.entry(section))
        .any(|section| section.entry(key).is_some())
}

/// What a Secret (in base64) or ConfigMap (plain) holds under a key.
pub(super) fn value(object: &Object<'_>, key: &str, scope: &Scope<'_>) -> Option<Pem> {
    let entry = |section: &str| object.body.entry(section)?.entry(key);
    if let Some(plain) = entry("stringData") {
        return text(plain, scope.report).map(|text| Pem::Text(text.into()));
    }
    let node = entry("data")?;
    let held = text(node, scope.report)?;
    if object.kind == Kind::ConfigMap {
        return Some(Pem::Text(held.into()));
    }
    let packed: String = held.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(packed).ok();
    match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) => Some(Pem::Text(text.into())),
        None => {
            let message = format!(
                "`{key}` is no base64 of a text: write PEM under `stringData`, or encode it"
            );
            scope.report.error(&node.origin, message);
            None
        }
    }
}
