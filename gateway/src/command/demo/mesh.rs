//! The demo's certificates, made for one run: a mesh's authority that signs as
//! istiod does, and one for the world outside.
//!
//! Never trusted by anybody else: the keys live in the demo's folder and go
//! with it.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, Error,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use time::{Duration, OffsetDateTime};

use super::error::DemoError;
use super::folder::Folder;

/// File of the root by which gateway and workloads know each other.
pub(super) const MESH_CA: &str = "mesh-ca.pem";
/// File of the root that vouches for external hosts.
pub(super) const OUTSIDE_CA: &str = "outside-ca.pem";
/// Name of the gateway's certificate and key.
pub(super) const GATEWAY: &str = "istio-egressgateway";
/// Who the gateway is; sidecars insist on it.
pub(super) const GATEWAY_ID: &str =
    "spiffe://cluster.local/ns/istio-system/sa/istio-egressgateway-service-account";
/// Names of the workloads' certificates, and their service accounts.
pub(super) const SLEEP: &str = "sleep";
/// See [`SLEEP`].
pub(super) const POLITICS: &str = "politics";
/// Name of a certificate that says `sleep`, by an authority of another mesh.
pub(super) const FORGED: &str = "forged-sleep";

/// Longer than anybody leaves a demo up, and nothing to worry about if lost.
const VALID: Duration = Duration::days(1);
/// Clocks may differ a little.
const BEFORE: Duration = Duration::minutes(5);

/// Writes all certificates and keys: those of the gateway, of the workloads
/// `sleep` and `politics`, of a forger, and of `hosts` outside.
///
/// `called` are host names under which curl calls the gateway. Sidecars
/// verify its SPIFFE id; curl can verify only names.
pub(super) fn write(folder: &Folder, hosts: &[&str], called: &[&str]) -> Result<(), DemoError> {
    let mesh = Authority::create("cluster.local")?;
    mesh.publish(folder, MESH_CA)?;
    let mut gateway = vec![uri(GATEWAY_ID)?];
    gateway.extend(names(called)?);
    mesh.issue(folder, GATEWAY, gateway)?;
    mesh.issue(folder, SLEEP, vec![account(SLEEP)?])?;
    mesh.issue(folder, POLITICS, vec![account(POLITICS)?])?;
    Authority::create("cluster.local")?.issue(folder, FORGED, vec![account(SLEEP)?])?;

    let outside = Authority::create("Demo Public Trust")?;
    outside.publish(folder, OUTSIDE_CA)?;
    for host in hosts {
        outside.issue(folder, host, names(&[host])?)?;
    }
    Ok(())
}

/// Where chain and key of that name lie.
pub(super) fn files(folder: &Folder, name: &str) -> (PathBuf, PathBuf) {
    (
        folder.file(&format!("{name}.pem")),
        folder.file(&format!("{name}.key")),
    )
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn create(organization: &str) -> Result<Self, Error> {
        let mut params = valid();
        params
            .distinguished_name
            .push(DnType::OrganizationName, organization);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        CertifiedIssuer::self_signed(params, KeyPair::generate()?).map(Self)
    }

    fn publish(&self, folder: &Folder, name: &str) -> Result<(), DemoError> {
        folder.write(name, &self.0.pem())
    }

    /// As istiod issues: no subject, so the names are critical (RFC 5280,
    /// 4.2.1.6); for both ends of a connection; the root behind the leaf.
    fn issue(&self, folder: &Folder, name: &str, names: Vec<SanType>) -> Result<(), DemoError> {
        let key = KeyPair::generate()?;
        let mut params = valid();
        params.subject_alt_names = names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        let chain = params.signed_by(&key, &self.0)?.pem() + &self.0.pem();
        folder.write(&format!("{name}.key"), &key.serialize_pem())?;
        folder.write(&format!("{name}.pem"), &chain)
    }
}

fn valid() -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = now - BEFORE;
    params.not_after = now + VALID;
    params
}

fn account(name: &str) -> Result<SanType, Error> {
    uri(&format!("spiffe://cluster.local/ns/default/sa/{name}"))
}

fn uri(uri: &str) -> Result<SanType, Error> {
    uri.try_into().map(SanType::URI)
}

fn names(hosts: &[&str]) -> Result<Vec<SanType>, Error> {
    hosts
        .iter()
        .map(|host| (*host).try_into().map(SanType::DnsName))
        .collect()
}
