//! `fault` of a route: what is made to go wrong on purpose, to try how callers
//! bear it (Istio: `fault`).

use policy::destination::{Fault, Share};

use crate::fields::Fields;

/// `fault: { delay: { percent, time }, abort: { percent, status } }`; without
/// `percent` every request has it.
pub(super) fn fault(fields: &Fields<'_>) -> Fault {
    let Some(node) = fields.take("fault") else {
        return Fault::default();
    };
    let read = |fields: &Fields<'_>| {
        let delay = fields.take("delay");
        let abort = fields.take("abort");
        if fields.is_empty() {
            let message = "nothing goes wrong here: write `delay`, `abort`, or both";
            fields.report.error(fields.origin(), message);
        }
        Fault {
            delay: delay.and_then(|node| Fields::read(node, fields.report, delayed)?),
            abort: abort.and_then(|node| Fields::read(node, fields.report, aborted)?),
        }
    };
    Fields::read(node, fields.report, read).unwrap_or_default()
}

fn delayed(fields: &Fields<'_>) -> Option<(Share, std::time::Duration)> {
    fields.need("time", "2s");
    let share = percent(fields);
    Some((share?, fields.duration("time")?))
}

fn aborted(fields: &Fields<'_>) -> Option<(Share, u16)> {
    fields.need("status", "503");
    let share = percent(fields);
    Some((share?, fields.number("status", 200..=599)?))
}

fn percent(fields: &Fields<'_>) -> Option<Share> {
    if !fields.has("percent") {
        return Some(Share::ALL);
    }
    fields.parsed("percent", |text| {
        let digits = |b: u8| b.is_ascii_digit() || b == b'.';
        let number = text.parse().ok().filter(|_| text.bytes().all(digits));
        number.and_then(Share::percent).ok_or_else(|| {
            format!("`{text}` is no share of a hundred: write such as `10` or `0.5`")
        })
    })
}
