//! From a verified leaf certificate to the workload it names.
//!
//! X.509-SVID: exactly one URI among the subject alternative names, and that a
//! SPIFFE id. Common names and DNS names are never looked at.

use boring::x509::X509Ref;
use policy::principal::Principal;
use policy::refusal::Refusal;

use super::der;

/// The one workload named by `leaf`.
///
/// # Errors
/// No URI, several, or one that is no five-part SPIFFE id. Two URIs are
/// refused even when one is good, or no text: Envoy gives such a caller the
/// rights of both.
pub(crate) fn principal(leaf: &X509Ref) -> Result<Principal, Refusal> {
    // BoringSSL refuses names that are ill-formed or there twice.
    if leaf.subject_alt_names().is_none() {
        return Err(Refusal::NoSpiffeId);
    }
    let der = leaf.to_der().map_err(|_| Refusal::NoSpiffeId)?;
    let uris = der::uris(&der).ok_or(Refusal::NoSpiffeId)?;
    match *uris {
        [] => Err(Refusal::NoSpiffeId),
        [uri] => {
            let uri = std::str::from_utf8(uri).map_err(|_| Refusal::MalformedSpiffeId)?;
            Principal::from_uri(uri).map_err(|_| Refusal::MalformedSpiffeId)
        }
        _ => Err(Refusal::SeveralSpiffeIds),
    }
}

#[cfg(test)]
mod tests {
    use boring::x509::X509;
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    const SLEEP: &str = "spiffe://cluster.local/ns/default/sa/sleep";
    const OTHER: &str = "spiffe://cluster.local/ns/default/sa/other";

    /// A certificate of these URIs, in DER.
    fn certificate(uris: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["sleep.default.svc".to_owned()]).unwrap();
        let names = uris
            .iter()
            .map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names.extend(names);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn named(der: &[u8]) -> Result<String, Refusal> {
        let leaf = X509::from_der(der).unwrap();
        principal(&leaf).map(|principal| format!("spiffe://{principal}"))
    }

    /// The certificate with the first byte of `text` made to be no text at all.
    fn spoiled(mut der: Vec<u8>, text: &str) -> Vec<u8> {
        let mut places = der.windows(text.len());
        let place = places.position(|w| w == text.as_bytes()).unwrap();
        der[place] = 0xaf;
        der
    }

    #[test]
    fn one_uri_names_the_workload_and_other_names_do_not() {
        assert_eq!(named(&certificate(&[SLEEP])).as_deref(), Ok(SLEEP));
        assert_eq!(named(&certificate(&[])), Err(Refusal::NoSpiffeId));
    }

    #[test]
    fn a_second_uri_counts_whatever_bytes_it_is_of() {
        let both = certificate(&[SLEEP, OTHER]);
        assert_eq!(named(&both), Err(Refusal::SeveralSpiffeIds));
        for text in [SLEEP, OTHER] {
            let one_is_no_text = spoiled(both.clone(), text);
            assert_eq!(named(&one_is_no_text), Err(Refusal::SeveralSpiffeIds));
        }
        let alone = spoiled(certificate(&[SLEEP]), SLEEP);
        assert_eq!(named(&alone), Err(Refusal::MalformedSpiffeId));
    }
}
