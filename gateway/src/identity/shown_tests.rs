//! What a trust domain's own roots vouch for.

use boring::x509::store::X509Store;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn params(name: &str, purposes: &[ExtendedKeyUsagePurpose]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = purposes.to_vec();
    params
}

fn authority(
    name: &str,
    above: Option<&Authority>,
    purposes: &[ExtendedKeyUsagePurpose],
) -> Authority {
    let mut params = params(name, purposes);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    match above {
        None => Authority::self_signed(params, key),
        Some(above) => Authority::signed_by(params, key, above),
    }
    .unwrap()
}

/// A caller's certificate, by the last of these, with all but the first shown.
fn shown(authorities: &[Authority]) -> Shown {
    let key = KeyPair::generate().unwrap();
    let leaf = params("caller", &[ExtendedKeyUsagePurpose::ClientAuth]);
    let leaf = leaf.signed_by(&key, authorities.last().unwrap()).unwrap();
    let mut above = Stack::new().unwrap();
    for authority in &authorities[1..] {
        above
            .push(X509::from_der(authority.der()).unwrap())
            .unwrap();
    }
    Shown::new(X509::from_der(leaf.der()).unwrap(), Some(&above)).unwrap()
}

fn store(root: &Authority) -> X509Store {
    let root = X509::from_der(root.der()).unwrap();
    crate::identity::roots::store([&root], None).unwrap()
}

#[test]
fn who_may_vouch_for_servers_alone_vouches_for_no_caller() {
    let any = || authority("root", None, &[]);
    let verified = |purpose: ExtendedKeyUsagePurpose| {
        let root = any();
        let bridge = authority("bridge", Some(&root), &[purpose]);
        let store = store(&root);
        shown(&[root, bridge]).verify(&store)
    };
    assert_eq!(verified(ExtendedKeyUsagePurpose::ClientAuth), Ok(()));
    assert_eq!(
        verified(ExtendedKeyUsagePurpose::ServerAuth),
        Err(X509VerifyError::INVALID_PURPOSE)
    );
}

#[test]
fn a_chain_has_so_many_authorities_and_no_more() {
    let mut chain = vec![authority("root", None, &[])];
    let store = store(&chain[0]);
    for number in 1..=MAX_DEPTH {
        let next = authority(&number.to_string(), chain.last(), &[]);
        chain.push(next);
        assert_eq!(shown(&chain).verify(&store), Ok(()), "{number}");
    }
    chain.push(authority("one more", chain.last(), &[]));
    assert!(shown(&chain).verify(&store).is_err());
}
