//! Which lists are gone by.

use boring::base64::encode_block;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope, DnType, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Authority::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A list in DER, of callers' certificates alone.
fn list(authority: &Authority) -> Vec<u8> {
    let now = OffsetDateTime::now_utc();
    let scope = CrlIssuingDistributionPoint {
        distribution_point: CrlDistributionPoint {
            uris: vec!["http://lists.test/".to_owned()],
        },
        scope: Some(CrlScope::UserCertsOnly),
    };
    let params = CertificateRevocationListParams {
        this_update: now - Duration::minutes(2),
        next_update: now + Duration::days(1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: Some(scope),
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(authority).unwrap().der().to_vec()
}

fn pem(der: &[u8]) -> String {
    let text = encode_block(der);
    let lines = text.as_bytes().chunks(64);
    let lines: Vec<_> = lines
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN X509 CRL-----\n{lines}\n-----END X509 CRL-----\n")
}

/// The same but for these bytes, which are there once; who signed it is not asked.
fn changed(der: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let places = der.windows(from.len()).filter(|bytes| bytes == &from);
    assert_eq!(places.count(), 1, "{from:x?}");
    let at = der.windows(from.len()).position(|bytes| bytes == from);
    let at = at.unwrap();
    [&der[..at], to, &der[at + from.len()..]].concat()
}

fn refused(pem: &str) -> String {
    lists(pem.as_bytes()).unwrap_err()
}

#[test]
fn all_lists_of_a_file_are_read_or_none() {
    let authorities = [authority("one"), authority("two")];
    let [one, two] = authorities
        .each_ref()
        .map(|authority| pem(&list(authority)));
    let text = format!("The lists:\n{one}\nand\n{two}\nThat is all.\n");
    assert_eq!(lists(text.as_bytes()).unwrap().len(), 2);
    assert!(refused("").contains("no certificate revocation list"));
    let line = two.lines().nth(2).unwrap();
    for (damaged, what) in [
        (
            two.replacen(&format!("{line}\n"), "", 1),
            "list 2 is damaged",
        ),
        (two.replacen(line, "!", 1), "list 2 is damaged"),
        (two.replacen("-----END", "----END", 1), "list 2 is damaged"),
        (
            two.replacen("-----BEGIN", "----BEGIN", 1),
            "without its first",
        ),
        (
            two.replacen("-----BEGIN", "-----BIGIN", 1),
            "without its first",
        ),
    ] {
        let told = refused(&[one.as_str(), &damaged].concat());
        assert!(told.contains(what), "{told}: {damaged}");
    }
}

#[test]
fn lists_that_are_not_the_whole_of_an_authoritys_are_refused() {
    let whole = list(&authority("one"));
    let (number, scope) = (&[0x55, 0x1d, 20], &[0x55, 0x1d, 28]);
    let callers_only = &[0x81, 1, 0xff];
    for (list, what) in [
        (changed(&whole, number, &[0x55, 0x1d, 27]), "only changes"),
        (
            changed(&whole, scope, &[0x55, 0x1d, 99]),
            "critical extension",
        ),
        (changed(&whole, callers_only, &[0x83, 1, 0]), "some reasons"),
        (
            changed(&whole, callers_only, &[0x84, 1, 0xff]),
            "other authorities",
        ),
        (changed(&whole, callers_only, &[0x85, 1, 0xff]), "attribute"),
    ] {
        let told = refused(&[pem(&whole), pem(&list)].concat());
        assert!(told.starts_with("list 2 ") && told.contains(what), "{told}");
    }
}

#[test]
fn whose_list_is_missing_is_told_with_what_to_write() {
    let (one, two) = (authority("one"), authority("two"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem(&list(&one))).unwrap();
    let known = RevocationLists::read(file.path()).unwrap();
    let root = |authority: &Authority| X509::from_der(authority.der()).unwrap();
    assert!(known.look_for(&[root(&one)]).is_ok());
    assert!(known.look_for(&[root(&one), root(&two)]).is_ok());
    let told = known.look_for(&[root(&two)]).unwrap_err().to_string();
    assert!(told.contains("holds no list of `CN=two`"), "{told}");
}
