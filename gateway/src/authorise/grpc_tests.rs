use policy::authoriser::{FieldNames, OnError, Service, Word};
use policy::destination::UpstreamRef;
use policy::origin::Origin;

use super::super::proto::{HeaderValue as Value, HttpStatus, Status};
use super::*;

fn authoriser() -> Authoriser {
    Authoriser {
        name: "opa".into(),
        upstream: UpstreamRef(0),
        service: Service::Grpc,
        timeout: std::time::Duration::from_secs(1),
        on_error: OnError::Deny(403),
        told: Vec::new(),
        upstream_fields: vec![FieldNames::Any],
        denial_fields: vec![FieldNames::Any],
        origin: Origin::new("egress.yaml", 1, 1).into(),
    }
}

fn option(name: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(Value {
            key: name.to_owned(),
            value: value.to_owned(),
            raw_value: Vec::new(),
        }),
    }
}

fn status(code: i32) -> Option<Status> {
    Some(Status { code })
}

fn understood(response: &CheckResponse) -> Result<Answer, String> {
    understand(&authoriser(), response)
}

#[test]
fn a_yes_is_said_and_not_contradicted() {
    let ok = || Some(OkHttpResponse::default());
    let denied = || Some(DeniedHttpResponse::default());
    for (status, denied, ok, expected) in [
        (status(0), None, None, Some(Word::Yes)),
        (status(0), None, ok(), Some(Word::Yes)),
        (None, None, ok(), Some(Word::Yes)),
        (status(0), denied(), None, Some(Word::No)),
        (None, denied(), None, Some(Word::No)),
        (status(7), None, None, Some(Word::No)),
        (status(7), None, ok(), Some(Word::No)),
        (status(16), denied(), None, Some(Word::No)),
        (None, None, None, None),
    ] {
        let response = CheckResponse { status, denied, ok };
        let word = understood(&response).ok().map(|answer| answer.word());
        assert_eq!(word, expected, "{response:?}");
    }
}

#[test]
fn a_yes_that_asks_for_what_is_not_done_is_none() {
    let answers = [
        OkHttpResponse {
            query_parameters_to_set: vec![vec![]],
            ..OkHttpResponse::default()
        },
        OkHttpResponse {
            query_parameters_to_remove: vec![b"x".to_vec()],
            ..OkHttpResponse::default()
        },
        OkHttpResponse {
            headers: vec![option("x user", "kate")],
            ..OkHttpResponse::default()
        },
        OkHttpResponse {
            headers: vec![option("x-user", "kate\r\nx-admin: 1")],
            ..OkHttpResponse::default()
        },
        OkHttpResponse {
            headers_to_remove: vec!["".to_owned()],
            ..OkHttpResponse::default()
        },
    ];
    for ok in answers {
        let response = CheckResponse {
            status: status(0),
            denied: None,
            ok: Some(ok),
        };
        assert!(understood(&response).is_err(), "{response:?}");
    }
}

#[test]
fn a_no_keeps_its_status_fields_and_body() {
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: 401 }),
        headers: vec![
            option("WWW-Authenticate", "Basic"),
            option("connection", "close"),
        ],
        body: "who are you?".to_owned(),
    };
    let response = CheckResponse {
        status: status(16),
        denied: Some(denied),
        ok: None,
    };
    let Ok(Answer::No(denial)) = understood(&response) else {
        panic!("no no")
    };
    assert_eq!((denial.status, &*denial.body), (401, &b"who are you?"[..]));
    assert_eq!(denial.fields.len(), 1);
    assert_eq!(denial.fields["www-authenticate"], "Basic");
}

#[test]
fn fields_are_removed_but_for_those_that_are_ours() {
    let ok = OkHttpResponse {
        headers_to_remove: vec!["Authorization".to_owned(), "host".to_owned()],
        ..OkHttpResponse::default()
    };
    let response = CheckResponse {
        status: status(0),
        denied: None,
        ok: Some(ok),
    };
    let Ok(Answer::Yes(changes)) = understood(&response) else {
        panic!("no yes")
    };
    assert_eq!(changes.remove, [header::AUTHORIZATION]);
}

/// A gRPC answer with that body, ended by `grpc-status: STATUS`.
fn heard(body: &[u8], status: &'static str) -> Heard {
    let field = |name, value| (name, HeaderValue::from_static(value));
    Heard {
        status: 200,
        fields: HeaderMap::from_iter([field(header::CONTENT_TYPE, "application/grpc")]),
        rest: Some((
            Bytes::copy_from_slice(body),
            HeaderMap::from_iter([field(HeaderName::from_static("grpc-status"), status)]),
        )),
    }
}

#[test]
fn an_answer_is_one_whole_message_of_a_call_that_went_well() {
    let good = [0, 0, 0, 0, 2, 0x0a, 0x00];
    let response_of = |heard| response(heard).map(|response| response.status);
    assert_eq!(response_of(heard(&good, "0")), Ok(status(0)));
    for body in [
        &good[..6],
        &[1, 0, 0, 0, 2, 0x0a, 0x00],
        &[0, 0, 0, 0, 1, 0x0a, 0x00],
        &[0, 0, 0, 0, 2, 0x0a, 0x07],
        &[0, 0, 0, 0, 2, 0xff, 0xff],
        &[0, 0, 0, 0],
        &[],
    ] {
        assert!(response_of(heard(body, "0")).is_err(), "{body:?}");
    }
    assert!(response_of(heard(&good, "13")).is_err());
    assert!(
        response_of(Heard {
            rest: None,
            ..heard(&good, "0")
        })
        .is_err()
    );
    assert!(
        response_of(Heard {
            status: 503,
            ..heard(&good, "0")
        })
        .is_err()
    );
    let html = Heard {
        fields: HeaderMap::new(),
        ..heard(&good, "0")
    };
    assert!(response_of(html).is_err());
    let endless = Heard {
        rest: Some((Bytes::copy_from_slice(&good), HeaderMap::new())),
        ..heard(&good, "0")
    };
    assert!(response_of(endless).is_err());
}
