//! ext_authz over HTTP: the request's own method, target and host, without its
//! body. 200 is a yes, a status of the 500s no word, any other a no.

use ::http::header;
use ::http::{HeaderMap, HeaderName};
use bytes::Bytes;
use pingora_http::RequestHeader;
use policy::authoriser::Authoriser;

use super::call::{Call, Heard};
use super::inquiry::Inquiry;
use super::{Answer, Denial, fields};
use crate::headers::{Changes, UpstreamVersion, may_be_changed, name_host};

pub(super) async fn ask(
    call: &Call<'_>,
    authoriser: &Authoriser,
    prefix: &str,
    inquiry: &Inquiry,
) -> Result<Answer, String> {
    let head = |version| question(inquiry, prefix, version);
    understand(authoriser, call.ask(head, None).await?)
}

fn question(
    inquiry: &Inquiry,
    prefix: &str,
    version: UpstreamVersion,
) -> pingora_error::Result<Box<RequestHeader>> {
    let target = format!("{prefix}{}", inquiry.target());
    let fields = inquiry.fields.len() + 3;
    let mut head = RequestHeader::build_no_case(&*inquiry.method, target.as_bytes(), Some(fields))?;
    name_host(&mut head, &inquiry.authority(), &target, version)?;
    for (name, value) in &inquiry.fields {
        head.append_header(name.clone(), value.clone())?;
    }
    head.insert_header(header::CONTENT_LENGTH, 0)?;
    if let Some(principal) = &inquiry.principal {
        // As Envoy tells of the certificate it has verified.
        head.insert_header("x-forwarded-client-cert", format!("URI={principal}"))?;
    }
    Ok(Box::new(head))
}

fn understand(authoriser: &Authoriser, heard: Heard) -> Result<Answer, String> {
    match heard.status {
        200 => Ok(Answer::Yes(Changes {
            set: fields::granted(&heard.fields, &authoriser.upstream_fields),
            remove: removed(&heard.fields)?,
        })),
        500..=599 => Err(format!("status {}", heard.status)),
        status => {
            let given = fields::of_denial(&heard.fields, &authoriser.denial_fields);
            let body = heard.rest.map_or_else(Bytes::new, |(body, _)| body);
            Ok(Answer::No(Denial::new(status, given, body)))
        }
    }
}

/// By Envoy's own field an authoriser takes away what it has consumed, such as
/// a credential.
fn removed(answer: &HeaderMap) -> Result<Vec<HeaderName>, String> {
    let lists = answer.get_all("x-envoy-auth-headers-to-remove").iter();
    let names = lists.flat_map(|list| list.as_bytes().split(|byte| *byte == b','));
    let names = names
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty());
    let names = names.map(|name| {
        HeaderName::from_bytes(name).map_err(|_| "a malformed name of a header field".to_owned())
    });
    let mut names = names.collect::<Result<Vec<_>, _>>()?;
    names.retain(|name| may_be_changed(name.as_str()));
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::authoriser::{OnError, Service, Word};
    use policy::destination::UpstreamRef;
    use policy::origin::Origin;

    fn word(status: u16, whole: bool) -> Option<Word> {
        let authoriser = Authoriser {
            name: "opa".into(),
            upstream: UpstreamRef(0),
            service: Service::Http { prefix: "".into() },
            timeout: std::time::Duration::from_secs(1),
            on_error: OnError::Allow,
            told: Vec::new(),
            upstream_fields: Vec::new(),
            denial_fields: Vec::new(),
            origin: Origin::new("egress.yaml", 1, 1).into(),
        };
        let heard = Heard {
            status,
            fields: HeaderMap::new(),
            rest: whole.then(|| (Bytes::new(), HeaderMap::new())),
        };
        let answer = understand(&authoriser, heard).ok()?;
        Some(answer.word())
    }

    #[test]
    fn a_yes_may_take_fields_away_but_none_of_ours() {
        let list = |value| {
            let name = HeaderName::from_static("x-envoy-auth-headers-to-remove");
            HeaderMap::from_iter([(name, ::http::HeaderValue::from_static(value))])
        };
        let names = removed(&list("Authorization, x-token,, host, connection"));
        assert_eq!(names.unwrap(), ["authorization", "x-token"]);
        assert!(removed(&list("x token")).is_err());
        assert!(removed(&HeaderMap::new()).unwrap().is_empty());
    }

    #[test]
    fn the_status_is_the_word_whatever_became_of_the_body() {
        for (status, expected) in [
            (200, Some(Word::Yes)),
            (201, Some(Word::No)),
            (204, Some(Word::No)),
            (302, Some(Word::No)),
            (401, Some(Word::No)),
            (403, Some(Word::No)),
            (499, Some(Word::No)),
            (500, None),
            (503, None),
        ] {
            assert_eq!(word(status, true), expected, "{status}");
            assert_eq!(word(status, false), expected, "{status}");
        }
    }
}
