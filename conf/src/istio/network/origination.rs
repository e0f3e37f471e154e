//! `tls` of a DestinationRule: whether and how TLS is originated.

use policy::destination::{ClientCertificate, Pem};

use super::super::object::{Object, Objects};
use super::super::proto::choice;
use super::super::scope::Scope;
use super::super::secret;
use super::service_entry::names;
use crate::fields::{Fields, text};
use crate::file::relative_to;
use crate::native::host_name;

/// How TLS is to be spoken.
#[derive(Clone, Debug)]
pub(super) enum Tls {
    Disable,
    Originate(Box<Originate>),
}

/// TLS of our own.
#[derive(Clone, Debug, Default)]
pub(super) struct Originate {
    pub(super) ca: Option<Pem>,
    pub(super) client: Option<ClientCertificate>,
    pub(super) names: Vec<Box<str>>,
    pub(super) server_name: Option<Box<str>>,
}

/// Reads `tls` of a traffic policy of an object.
pub(super) fn tls<'a>(
    fields: &Fields<'a>,
    object: &Object<'a>,
    objects: &Objects<'a>,
    scope: &Scope<'a>,
) -> Option<Tls> {
    /// The modes of Istio.
    #[derive(Clone, Copy, PartialEq)]
    enum Mode {
        Disable,
        Simple,
        Mutual,
        IstioMutual,
    }
    let modes = [
        ("DISABLE", 0, Mode::Disable),
        ("SIMPLE", 1, Mode::Simple),
        ("MUTUAL", 2, Mode::Mutual),
        ("ISTIO_MUTUAL", 3, Mode::IstioMutual),
    ];
    let report = scope.report;
    // Without its value the system's authorities would do, or any host's name.
    fields.refuse_null(&[
        "mode",
        "caCertificates",
        "credentialName",
        "subjectAltNames",
    ]);
    let mode = choice(fields, "mode", &modes).unwrap_or(Mode::Disable);
    let own = (pem(fields, "clientCertificate"), pem(fields, "privateKey"));
    let ca = pem(fields, "caCertificates");
    let names = names(fields);
    let server_name = fields.parsed("sni", host_name);
    let credential = fields.take("credentialName");
    if let Some(entry) = fields.entry("caCrl") {
        let message = "not supported yet: `caCrl`: delete it";
        report.error(&entry.origin, message);
    }
    if fields.truth("insecureSkipVerify") == Some(true) {
        let place = fields
            .entry("insecureSkipVerify")
            .map_or(fields.origin(), |e| &e.origin);
        let message = "an upstream is always verified here: delete `insecureSkipVerify`, and name its authority under `caCertificates`";
        report.error(place, message);
    }
    let secret = credential.and_then(|node| secret::credential(node, objects, scope));
    match mode {
        Mode::Disable => return Some(Tls::Disable),
        Mode::IstioMutual => {
            let message = "ISTIO_MUTUAL is between workloads of the mesh, and this host is outside: write SIMPLE or MUTUAL";
            report.error(fields.origin(), message);
            return None;
        }
        Mode::Simple | Mode::Mutual => {}
    }
    // That there is no such Secret has been told.
    let is_told = credential.is_some() && secret.is_none();
    let secret = secret.unwrap_or_default();
    let client = match (own, secret.client) {
        ((Some(chain), Some(key)), _) => Some(ClientCertificate { chain, key }),
        (_, client) => client,
    };
    if mode == Mode::Mutual && client.is_none() && !is_told {
        let message = "MUTUAL shows a certificate, and there is none: write `clientCertificate` and `privateKey`, or `credentialName`";
        report.error(fields.origin(), message);
    }
    // Of files it is known where they are; a credential that has no authority
    // leaves Istio's proxy without one, and it dials nobody.
    if let (Some(node), true) = (credential, !is_told && ca.is_none() && secret.ca.is_none()) {
        let name = node.scalar().unwrap_or_default();
        let message = format!(
            "the credential `{name}` holds no authority to verify the host by: write `ca.crt` in its Secret, or in `{name}-cacert`"
        );
        report.error(&node.origin, message);
    }
    if let (Some(name), true) = (&server_name, names.is_empty()) {
        let message = format!(
            "different on purpose: with `sni` and no `subjectAltNames` Istio checks no name; here the certificate must be for `{name}`"
        );
        report.note(fields.origin(), message);
    } else if object.is_of_2018() && mode == Mode::Simple && ca.is_none() && secret.ca.is_none() {
        let message = "different on purpose: without `caCertificates` Istio of 2018 verified nothing; here the system's authorities and the host's name are checked";
        report.note(fields.origin(), message);
    }
    Some(Tls::Originate(Box::new(Originate {
        ca: ca.or(secret.ca),
        client: client.filter(|_| mode == Mode::Mutual),
        names,
        server_name,
    })))
}

/// A file of certificates or a key; `system` is no file, but the system's roots.
fn pem(fields: &Fields<'_>, key: &'static str) -> Option<Pem> {
    let node = fields.take(key)?;
    let path = text(node, fields.report)?;
    (path != "system" && !path.is_empty()).then(|| Pem::File(relative_to(&node.origin.file, path)))
}
