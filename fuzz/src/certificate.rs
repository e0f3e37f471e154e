//! From a leaf certificate to the one workload it names.

use gateway::fuzzing;

const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// The context tag of a URI among general names (RFC 5280, section 4.2.1.6).
const URI: u8 = 0x86;

/// An even first byte: a whole certificate follows. An odd one: the inside of
/// the list of names, around which a certificate is put.
pub fn target(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    if kind % 2 == 0 {
        if let Some(Ok(principal)) = fuzzing::principal(rest) {
            let uri = format!("spiffe://{principal}");
            let there = rest.windows(uri.len()).any(|w| w == uri.as_bytes());
            assert!(there, "{uri} is not in the certificate");
        }
        return;
    }
    let certificate = certificate(rest);
    let Some(Ok(principal)) = fuzzing::principal(&certificate) else {
        return;
    };
    let names = names(rest).expect("names that were read are well-formed");
    let mut uris = names.iter().filter(|(tag, _)| *tag == URI);
    let (_, uri) = uris.next().expect("a URI");
    assert_eq!(format!("spiffe://{principal}").as_bytes(), *uri);
    assert!(uris.next().is_none(), "of two URIs one was taken");
}

/// Tag and content of each of a row of elements, by their lengths alone.
fn names(mut der: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while let Some((tag, rest)) = der.split_first() {
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            0x80 | 0x85.. => return None,
            short @ ..=0x7f => (usize::from(short), rest),
            long => {
                let (bytes, rest) = rest.split_at_checked(usize::from(long - 0x80))?;
                let length = bytes.iter().fold(0, |sum, b| sum << 8 | usize::from(*b));
                (length, rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        found.push((*tag, content));
        der = rest;
    }
    Some(found)
}

/// One element of DER.
fn element(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = content.len();
    let bytes = length.to_be_bytes();
    let significant = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short @ ..=0x7f) => out.push(short),
        _ => {
            let count = u8::try_from(bytes.len() - significant).expect("at most eight");
            out.push(0x80 | count);
            out.extend_from_slice(&bytes[significant..]);
        }
    }
    out.extend_from_slice(&content);
    out
}

/// A certificate with these names, signed by nobody.
fn certificate(names: &[u8]) -> Vec<u8> {
    const SEQUENCE: u8 = 0x30;
    let sequence = |content: &[&[u8]]| element(SEQUENCE, content);
    let algorithm = sequence(&[&element(6, &[ED25519])]);
    let nobody = sequence(&[]);
    let time = |text: &str| element(0x17, &[text.as_bytes()]);
    let validity = sequence(&[&time("200101000000Z"), &time("490101000000Z")]);
    let key = sequence(&[&algorithm, &element(3, &[&[0], &[7; 32]])]);
    let names = element(4, &[&sequence(&[names])]);
    let extension = sequence(&[&element(6, &[SUBJECT_ALT_NAME]), &names]);
    let extensions = element(0xa3, &[&sequence(&[&extension])]);
    let version = element(0xa0, &[&element(2, &[&[2]])]);
    let serial = element(2, &[&[1]]);
    let signed = sequence(&[
        &version,
        &serial,
        &algorithm,
        &nobody,
        &validity,
        &nobody,
        &key,
        &extensions,
    ]);
    sequence(&[&signed, &algorithm, &element(3, &[&[0], &[9; 64]])])
}

/// Lists of names, and one whole certificate.
pub fn seeds() -> Vec<Vec<u8>> {
    let uri = |text: &str| element(URI, &[text.as_bytes()]);
    let sleep = uri("spiffe://cluster.local/ns/default/sa/sleep");
    let dns = element(0x82, &[b"sleep.default.svc"]);
    let other = element(
        0xa0,
        &[
            &element(6, &[&[42, 3]]),
            &element(0xa0, &[&element(12, &[b"x"])]),
        ],
    );
    let lists = [
        sleep.clone(),
        [dns.clone(), sleep.clone()].concat(),
        [sleep.clone(), uri("spiffe://other/ns/a/sa/b")].concat(),
        [other, sleep.clone(), dns].concat(),
        uri("spiffe://cluster.local/ns/default/sa/sleep\0.evil"),
    ];
    let whole = [&[0], &*certificate(&sleep)].concat();
    assert!(
        matches!(fuzzing::principal(&whole[1..]), Some(Ok(_))),
        "the certificate that is put around names is none"
    );
    let lists = lists.iter().map(|list| [&[1], &**list].concat());
    lists.chain([whole]).collect()
}
