//! `denier`: a check that always fails.

use super::status::Code;
use crate::fields::Fields;
use crate::istio::proto::{choice, duration, refuse};

/// How it answers.
#[derive(Clone, Debug)]
pub(super) struct Denier<'a> {
    pub(super) code: Code,
    pub(super) message: &'a str,
}

impl<'a> Denier<'a> {
    pub(super) fn read(fields: &Fields<'a>) -> Self {
        // How long a proxy may remember the answer: here it is asked each time.
        duration(fields, "validDuration");
        fields.number("validUseCount", 0..=u64::from(u32::MAX));
        let status = fields.take("status");
        let status = status.and_then(|node| Fields::read_proto(node, fields.report, status_of));
        status.unwrap_or(Self {
            code: Code::FAILED_PRECONDITION,
            message: "",
        })
    }
}

fn status_of<'a>(fields: &Fields<'a>) -> Denier<'a> {
    refuse(fields, &[("details", "nobody would read them: delete it")]);
    let codes = Code::ALL.map(|code| (code.name, code.number, code));
    if !fields.has("code") {
        let message = "a `status` without `code` denies nothing: write such as `code: 7`";
        fields.report.error(fields.origin(), message);
    }
    Denier {
        code: choice(fields, "code", &codes).unwrap_or(Code::FAILED_PRECONDITION),
        message: fields.text("message").unwrap_or_default(),
    }
}
