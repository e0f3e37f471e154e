//! The request target: what is matched is what is sent.

use policy::canonical::{Authority, DuplicateSlashes, Encoded, PathProfile, Target, deny_views};

const HOST: &[u8] = b"open.cnn.test";

/// The first byte says what the destination opted in to; the target follows.
pub fn target(data: &[u8]) {
    let Some((profile, raw)) = data.split_first() else {
        return;
    };
    let profile = profile_of(*profile);
    let authority = Authority::parse(HOST).expect("a host");
    let Ok(target) = Target::parse(raw, &authority, profile) else {
        return;
    };
    check_path(target.path(), profile);
    if let Some(query) = target.query() {
        assert!(
            raw.ends_with(query.as_bytes()),
            "the query is sent as it came"
        );
    }
    let mut sent = String::new();
    target.append_to(&mut sent);
    assert!(
        sent.bytes().all(|b| b.is_ascii_graphic() && b != b'#'),
        "{sent}"
    );
    assert_eq!(target.is_verbatim(), sent.as_bytes() == raw);

    let again = Target::parse(sent.as_bytes(), &authority, profile);
    let again = again.expect("what is sent is lawful");
    assert_eq!(
        (again.path(), again.query()),
        (target.path(), target.query())
    );
    assert!(again.is_verbatim(), "{sent}");
    check_view(target.path(), profile);
}

fn profile_of(bits: u8) -> PathProfile {
    let encoded = |bit| match bits & bit {
        0 => Encoded::Reject,
        _ => Encoded::Keep,
    };
    PathProfile {
        encoded_slashes: encoded(1),
        double_encoding: encoded(2),
        duplicate_slashes: match bits & 4 {
            0 => DuplicateSlashes::Merge,
            _ => DuplicateSlashes::Keep,
        },
    }
}

fn check_path(path: &str, profile: PathProfile) {
    assert!(path.starts_with('/'), "{path}");
    let lawful = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&b);
    assert!(path.bytes().all(lawful), "{path}");
    let mut decoded = Vec::new();
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let value = [bytes.next(), bytes.next()].map(|digit| digit.expect("two digits"));
        let upper = |b: &u8| matches!(b, b'0'..=b'9' | b'A'..=b'F');
        assert!(value.iter().all(upper), "{path}");
        let value = std::str::from_utf8(&value).expect("digits");
        let value = u8::from_str_radix(value, 16).expect("a byte");
        assert!(!value.is_ascii_control(), "{path}");
        let unreserved = value.is_ascii_alphanumeric() || b"-._~".contains(&value);
        assert!(!unreserved, "{path} could be written without escape");
        let slash = matches!(value, b'/' | b'\\');
        assert!(!slash || profile.encoded_slashes == Encoded::Keep, "{path}");
        decoded.push(value);
    }
    assert!(std::str::from_utf8(&decoded).is_ok(), "{path}");
    if profile.duplicate_slashes == DuplicateSlashes::Merge {
        assert!(!path.contains("//"), "{path}");
    }
    // As an origin would see it that decodes before it splits.
    for segment in decoded.split(|b| matches!(b, b'/' | b'\\')) {
        let name = segment.split(|b| *b == b';').next().unwrap_or_default();
        assert!(!matches!(name, b"." | b".."), "{path}");
    }
}

/// What denials match besides holds nothing that a reader would still resolve.
fn check_view(path: &str, _: PathProfile) {
    for view in deny_views(path).iter() {
        assert!(view.starts_with('/'), "{path}: {view}");
        let segments = || view.split('/').skip(1);
        assert!(
            !segments().any(|s| matches!(s, "." | "..")),
            "{path}: {view}"
        );
        let empty = segments().filter(|s| s.is_empty()).count();
        assert!(empty <= 1, "{path}: {view}");
    }
}

/// Targets.
pub fn seeds() -> Vec<Vec<u8>> {
    let of_requests = super::seeds::requests().into_iter().filter_map(|request| {
        let line = request.split(|b| *b == b'\r').next()?;
        line.split(|b| *b == b' ').nth(1).map(<[u8]>::to_vec)
    });
    let own = super::seeds::texts(&[
        "/",
        "/health/..;/politics",
        "/%70olitics//a/./b?x=%2e%2e#",
        "http://open.cnn.test/a%2Fb",
        "HTTPS://open.cnn.test:443?x",
        "/a%252e%252e/%EF%BC%8F",
    ]);
    let targets: Vec<_> = own.into_iter().chain(of_requests).collect();
    let strict = targets.iter().map(|t| [&[0], &**t].concat());
    let loose = targets.iter().map(|t| [&[7], &**t].concat());
    strict.chain(loose).collect()
}
