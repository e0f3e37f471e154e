//! ext_authz over HTTP: the request's own method, target and host, without its
//! body. 200 is a yes, a status of the 500s no word, any other a no.

use ::http::header;
use bytes::Bytes;
use pingora_http::RequestHeader;
use policy::authoriser::Authoriser;

use super::call::{Call, Heard};
use super::inquiry::Inquiry;
use super::{Answer, Denial, fields};
use crate::headers::{Changes, UpstreamVersion, name_host};

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
            remove: Vec::new(),
        })),
        500..=599 => Err(format!("status {}", heard.status)),
        status => {
            let given = fields::of_denial(&heard.fields, &authoriser.denial_fields);
            let body = heard.rest.map_or_else(Bytes::new, |(body, _)| body);
            Ok(Answer::No(Denial::new(status, given, body)))
        }
    }
}
