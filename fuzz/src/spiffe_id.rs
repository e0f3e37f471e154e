//! A SPIFFE id and the workload it names.

use std::sync::LazyLock;

use policy::principal::Principal;
use regex::bytes::Regex;

/// The grammar of the SPIFFE-ID specification with Istio's five parts.
static GRAMMAR: LazyLock<Regex> = LazyLock::new(|| {
    let part = "([A-Za-z0-9._-]+)";
    let whole = format!(r"(?-u)\Aspiffe://[a-z0-9._-]{{1,255}}/ns/{part}/sa/{part}\z");
    Regex::new(&whole).expect("a pattern")
});

fn is_lawful(id: &[u8]) -> bool {
    let Some(parts) = GRAMMAR.captures(id).filter(|_| id.len() <= 2048) else {
        return false;
    };
    let mut parts = parts.iter().skip(1).flatten();
    parts.all(|part| !matches!(part.as_bytes(), b"." | b".."))
}

/// What the grammar says is what is taken, and it is taken as it is.
pub fn target(data: &[u8]) {
    let taken = std::str::from_utf8(data).ok().map(Principal::from_uri);
    let taken = taken.and_then(Result::ok);
    assert_eq!(taken.is_some(), is_lawful(data), "{}", data.escape_ascii());
    if let Some(principal) = taken {
        let parts = (
            principal.trust_domain(),
            principal.namespace(),
            principal.service_account(),
        );
        let written = format!("spiffe://{}/ns/{}/sa/{}", parts.0, parts.1, parts.2);
        assert_eq!(written.as_bytes(), data);
        assert_eq!(format!("spiffe://{principal}").as_bytes(), data);
    }
}

/// Ids, good and bad.
pub fn seeds() -> Vec<Vec<u8>> {
    super::seeds::texts(&[
        "spiffe://cluster.local/ns/default/sa/sleep",
        "spiffe://other.td/ns/a/sa/b",
        "spiffe://cluster.local/ns/default/sa/sleep/",
        "spiffe://cluster.local:80/ns/default/sa/sleep",
        "spiffe://cluster.local/ns/../sa/sl%65ep",
        "SPIFFE://cluster.local/ns/default/sa/sleep?x#y",
    ])
}
