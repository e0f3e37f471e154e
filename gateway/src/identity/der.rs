//! DER, by its lengths: as much of it as leads to the names in a certificate.
//!
//! BoringSSL has found the certificate well-formed and verified it. Its
//! bindings tell of a name only what is text, and what is left out there would
//! be no name to us and one to somebody else.

/// `id-ce-subjectAltName` (RFC 5280, section 4.2.1.6).
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
/// `extensions` within `TBSCertificate`.
const EXTENSIONS: u8 = 0xa3;
/// `uniformResourceIdentifier` within `GeneralName`.
const URI: u8 = 0x86;

/// Tag and content.
type Element<'a> = (u8, &'a [u8]);

/// The content of every URI among the subject alternative names, whatever
/// bytes it is of. Nothing where there are no such names.
pub(super) fn uris(certificate: &[u8]) -> Option<Vec<&[u8]>> {
    let certificate = only(SEQUENCE, certificate)?;
    let (signed, _) = element(certificate)?;
    let signed = elements(signed.1)?;
    let (_, extensions) = signed.into_iter().find(|(tag, _)| *tag == EXTENSIONS)?;
    let mut uris = None;
    for (_, extension) in elements(only(SEQUENCE, extensions)?)? {
        let parts = elements(extension)?;
        if parts.first() == Some(&(OBJECT_IDENTIFIER, SUBJECT_ALT_NAME)) {
            let (_, value) = parts.into_iter().rfind(|(tag, _)| *tag == OCTET_STRING)?;
            let names = elements(only(SEQUENCE, value)?)?.into_iter();
            let of_uris = names.filter(|(tag, _)| *tag == URI);
            uris.get_or_insert_with(Vec::new)
                .extend(of_uris.map(|(_, content)| content));
        }
    }
    uris
}

/// The content of the element that is all of `der`.
fn only(tag: u8, der: &[u8]) -> Option<&[u8]> {
    let ((found, content), rest) = element(der)?;
    (found == tag && rest.is_empty()).then_some(content)
}

/// The elements one after the other that are all of `der`.
fn elements(mut der: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (next, rest) = element(der)?;
        found.push(next);
        der = rest;
    }
    Some(found)
}

/// The element at the beginning, and what follows it.
fn element(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ ..=0x7f => (usize::from(*short), rest),
        // Four bytes of length are more than any handshake carries.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes.iter().fold(0, |sum, b| sum << 8 | usize::from(*b));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(((*tag, content), rest))
}
