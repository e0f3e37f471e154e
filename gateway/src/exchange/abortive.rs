//! Records of what never came to be an exchange: there was nothing to judge, or
//! nobody left to answer.

use std::borrow::Cow;

use policy::refusal::{Failure, Refusal};

use crate::clock::Moment;
use crate::connection::Connection;
use crate::intake::head::Sketch;

/// Records a request that was refused before there was one to judge.
pub(crate) fn record_unparsed(
    connection: &Connection,
    sketch: &Sketch<'_>,
    refusal: Refusal,
    begun: Moment,
) {
    let seen = connection.seen();
    let mut record = connection.record(&seen.live, begun);
    let text = |bytes: Option<&'_ [u8]>| bytes.map(|b| String::from_utf8_lossy(b).into_owned());
    record.method = text(sketch.method).map(Cow::Owned);
    record.path = text(sketch.target).map(Cow::Owned);
    record.authority = text(sketch.host).map(Cow::Owned);
    record.protocol = sketch.method.map(|_| match sketch.is_http2 {
        true => "HTTP/2",
        false => "HTTP/1.1",
    });
    record.response_code = refusal.status();
    record.response_flags = refusal.flags().into();
    record.response_code_details = Some(refusal.details().into());
    record.refusal = Some(refusal.code());
    connection.gateway.observe(&record, None, &seen.live, None);
}

/// Records that an HTTP/2 connection is cut for what its caller does on it,
/// whatever becomes of its requests.
pub(crate) fn record_cut(connection: &Connection, refusal: Refusal) {
    let seen = connection.seen();
    let mut record = connection.record(&seen.live, Moment::now());
    record.protocol = Some("HTTP/2");
    record.is_cut = true;
    record.refusal = Some(refusal.code());
    record.response_flags = refusal.flags().into();
    record.response_code_details = Some(refusal.details().into());
    record.connection_termination_details = Some(refusal.details().into());
    connection.gateway.observe(&record, None, &seen.live, None);
}

/// Records a request whose caller left before anybody looked at it.
pub(crate) fn record_abandoned(connection: &Connection, begun: Moment) {
    let seen = connection.seen();
    let failure = Failure::ClientGone;
    let mut record = connection.record(&seen.live, begun);
    record.response_flags = failure.flags().into();
    record.response_code_details = Some(failure.details().into());
    record.failure = Some(failure.code());
    connection.gateway.observe(&record, None, &seen.live, None);
}
