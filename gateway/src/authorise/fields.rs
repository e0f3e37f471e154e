//! Which header fields go to an authoriser, and which of its own it may put
//! before others. The operator lists names; what frames a message, belongs to
//! one connection or speaks for the mesh is in no list.

use ::http::{HeaderMap, HeaderName};
use policy::authoriser::FieldNames;

use crate::headers::{Nominated, alike, is_hop_by_hop, is_override, may_be_changed};

pub(super) fn contain(all: &[FieldNames], name: &str) -> bool {
    all.iter().any(|names| names.contain(name))
}

/// The caller's fields an authoriser is told of. His word on who he is
/// (`x-forwarded-client-cert`) is not among them: the gateway's own is sent in
/// its place.
pub(super) fn told(received: &HeaderMap, listed: impl Fn(&str) -> bool) -> HeaderMap {
    let nominated = Nominated::of(received);
    let mut told = HeaderMap::new();
    for (name, value) in received {
        let kept = !is_hop_by_hop(name.as_str())
            && !is_override(name.as_str())
            && !alike(name, "x-forwarded-client-cert")
            && !matches!(name.as_str(), "host" | "te" | "content-length");
        if kept && !nominated.contains(name.as_str()) && listed(name.as_str()) {
            told.append(name.clone(), value.clone());
        }
    }
    told
}

/// The caller's fields that only an authoriser may speak by: those it may set,
/// and is not shown. Envoy lets them through when the authoriser sets none, and
/// a caller says `x-user: admin` himself; or `x_user`, which many servers take for it.
pub(super) fn unvouched(
    received: &HeaderMap,
    settable: &[FieldNames],
    told: &HeaderMap,
) -> Vec<HeaderName> {
    let named = |name: &str| {
        let mut named = settable.iter().filter(|names| **names != FieldNames::Any);
        named.any(|names| names.contain(name))
    };
    let unvouched = received.keys().filter(|name| {
        let speaks = named(name.as_str()) || named(&name.as_str().replace('_', "-"));
        may_be_changed(name.as_str()) && speaks && !told.contains_key(*name)
    });
    unvouched.cloned().collect()
}

/// The fields of a yes that are set in the request.
pub(super) fn granted(answer: &HeaderMap, listed: &[FieldNames]) -> HeaderMap {
    chosen(answer, |name| may_be_changed(name) && contain(listed, name))
}

/// The fields of a no that the caller is given; the type of its body always,
/// lest it be guessed at.
pub(super) fn of_denial(answer: &HeaderMap, listed: &[FieldNames]) -> HeaderMap {
    chosen(answer, |name| {
        name == "content-type"
            || (may_be_changed(name) && name != "server" && contain(listed, name))
    })
}

fn chosen(answer: &HeaderMap, wanted: impl Fn(&str) -> bool) -> HeaderMap {
    let nominated = Nominated::of(answer);
    let mut chosen = HeaderMap::new();
    for (name, value) in answer {
        if wanted(name.as_str()) && !nominated.contains(name.as_str()) {
            chosen.append(name.clone(), value.clone());
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderValue;

    fn fields(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = all.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        HeaderMap::from_iter(pairs)
    }

    fn names(map: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = map.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_caller_cannot_tell_an_authoriser_who_he_is() {
        let received = fields(&[
            (
                "x-forwarded-client-cert",
                "URI=spiffe://td/ns/admin/sa/root",
            ),
            (
                "x_forwarded_client_cert",
                "URI=spiffe://td/ns/admin/sa/root",
            ),
            ("x_original_url", "/admin"),
            ("authorization", "Bearer x"),
            ("cookie", "a=1"),
            ("content-length", "7"),
            ("transfer-encoding", "chunked"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("x-original-url", "/admin"),
            ("host", "other.example"),
        ]);
        assert_eq!(
            names(&told(&received, |_| true)),
            ["authorization", "cookie"]
        );
        assert_eq!(names(&told(&received, |name| name == "cookie")), ["cookie"]);
        assert!(told(&received, |_| false).is_empty());
    }

    #[test]
    fn an_authoriser_changes_only_what_is_listed_and_harmless() {
        let answer = fields(&[
            ("x-user", "kate"),
            ("x-other", "1"),
            ("host", "evil.example"),
            ("content-length", "0"),
            ("transfer-encoding", "chunked"),
            ("connection", "close"),
            ("te", "trailers"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-envoy-peer-metadata", "a"),
            ("x-http-method-override", "DELETE"),
        ]);
        assert_eq!(
            names(&granted(&answer, &[FieldNames::Any])),
            ["x-other", "x-user"]
        );
        let user = [FieldNames::Exact("x-user".into())];
        assert_eq!(names(&granted(&answer, &user)), ["x-user"]);
        assert!(granted(&answer, &[]).is_empty());
    }

    #[test]
    fn what_an_authoriser_may_set_and_is_not_shown_is_taken_from_the_caller() {
        let received = fields(&[
            ("x-user", "root"),
            ("x-user-id", "0"),
            ("x_user", "root"),
            ("x-user_role", "admin"),
            ("x_other", "1"),
            ("content-length", "7"),
            ("authorization", "Bearer x"),
            ("accept", "*/*"),
        ]);
        let settable = ["x-user", "x-user-*", "authorization", "content-length"]
            .map(|name| FieldNames::parse(name).unwrap());
        let shown = told(&received, |name| name == "authorization");
        let taken = unvouched(&received, &settable, &shown);
        assert_eq!(taken, ["x-user", "x-user-id", "x_user", "x-user_role"]);
        assert!(unvouched(&received, &settable, &received).is_empty());
        // One that may set anything cannot be what everything comes from.
        assert!(unvouched(&received, &[FieldNames::Any], &HeaderMap::new()).is_empty());
    }

    #[test]
    fn a_denial_keeps_the_type_of_its_body() {
        let answer = fields(&[
            ("content-type", "application/json"),
            ("content-length", "9"),
            ("location", "https://login.example/"),
            ("server", "opa"),
            ("x-secret", "1"),
        ]);
        let location = [FieldNames::Exact("location".into())];
        assert_eq!(
            names(&of_denial(&answer, &location)),
            ["content-type", "location"]
        );
        let all = names(&of_denial(&answer, &[FieldNames::Any])).len();
        assert_eq!(all, 3);
    }
}
