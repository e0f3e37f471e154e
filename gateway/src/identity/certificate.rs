//! From a verified leaf certificate to the workload it names.
//!
//! X.509-SVID: exactly one URI among the subject alternative names, and that a
//! SPIFFE id. Common names and DNS names are never looked at.

use boring::x509::X509Ref;
use policy::principal::Principal;
use policy::refusal::Refusal;

/// The one workload named by `leaf`.
///
/// # Errors
/// No URI, several, or one that is no five-part SPIFFE id. Two URIs are
/// refused even when one is good: Envoy gives such a caller the rights of both.
pub(super) fn principal(leaf: &X509Ref) -> Result<Principal, Refusal> {
    let names = leaf.subject_alt_names().ok_or(Refusal::NoSpiffeId)?;
    let mut uris = names.iter().filter_map(|name| name.uri());
    let uri = uris.next().ok_or(Refusal::NoSpiffeId)?;
    if uris.next().is_some() {
        return Err(Refusal::SeveralSpiffeIds);
    }
    Principal::from_uri(uri).map_err(|_| Refusal::MalformedSpiffeId)
}
