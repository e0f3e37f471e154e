//! Sending one vector, and all that is seen of it from both sides.

use std::net::SocketAddr;
use std::time::Duration;

use integration_tests::egret::Egret;
use integration_tests::http2;
use integration_tests::message::{Message, read_body, read_head};
use integration_tests::pki::Pki;
use integration_tests::raw::{Ending, Hello, Raw};
use integration_tests::recorder::Recorder;
use integration_tests::wait::{PATIENCE, within};

use crate::line::Line;
use crate::vector::{Sent, Vector};

/// How long a second answer would have to come.
const MOMENT: Duration = Duration::from_millis(40);

/// The parts a vector passes.
pub(crate) struct Bench {
    pub(crate) pki: Pki,
    pub(crate) origin: Recorder,
    pub(crate) egret: Egret,
}

/// What came of a vector.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// Of final answers, in order.
    pub(crate) statuses: Vec<u16>,
    /// The stream or the connection was ended by the gateway.
    pub(crate) ended: bool,
    /// Requests at the origin.
    pub(crate) requests: Vec<Message>,
    /// Connections to the origin.
    pub(crate) connections: usize,
    pub(crate) lines: Vec<Line>,
}

impl Bench {
    /// Sends it, and waits until it is over and on record.
    pub(crate) fn attempt(&self, vector: &Vector) -> Attempt {
        let (seen, connected) = (self.origin.seen().len(), self.origin.connections());
        let written = self.egret.lines().len();
        let gateway = self.egret.listener("mesh");
        let mut raw = connect(&self.pki, gateway, &vector.account, &vector.sent);
        let caller = raw.local_address();
        let (statuses, ended) = deliver(&mut raw, &vector.sent);
        drop(raw);
        let lines = within(PATIENCE, || {
            let lines = self.lines_of(caller, written);
            (!lines.is_empty()).then_some(lines)
        });
        let requests = self.origin.seen().into_iter().skip(seen);
        Attempt {
            statuses,
            ended,
            requests: requests.map(|seen| seen.message).collect(),
            connections: self.origin.connections() - connected,
            lines: lines.unwrap_or_default(),
        }
    }

    /// Records of what came from there; ports come again, so not the earliest.
    fn lines_of(&self, caller: SocketAddr, skipped: usize) -> Vec<Line> {
        let caller = caller.to_string();
        let lines = self.egret.lines().into_iter().skip(skipped);
        lines
            .map(Line::read)
            .filter(|line| line.caller() == caller)
            .collect()
    }
}

/// A connection for what is to be sent.
pub(crate) fn connect(pki: &Pki, gateway: SocketAddr, account: &str, sent: &Sent) -> Raw {
    let name = "istio-egressgateway.istio-system.svc.cluster.local";
    let mut hello = Hello::of(pki, account, name);
    if let Sent::Http2 { .. } = sent {
        hello.alpn = vec!["h2"];
    }
    hello.connect(gateway).expect("a handshake")
}

/// Sends it: the statuses of all answers, and whether the gateway ended it.
pub(crate) fn deliver(raw: &mut Raw, sent: &Sent) -> (Vec<u16>, bool) {
    match sent {
        Sent::Http1(bytes) => over_http1(raw, bytes),
        Sent::Http2 { fields, body } => {
            let answer = http2::ask(raw, fields, body).expect("an end of the stream");
            let ended = answer.reset || answer.gone;
            (answer.status.into_iter().collect(), ended)
        }
    }
}

/// The statuses of all answers, and whether the gateway closed.
fn over_http1(raw: &mut Raw, bytes: &[u8]) -> (Vec<u16>, bool) {
    // A refusal may come, and the connection go, before all is sent.
    let _ = raw.send(bytes);
    let head_only = bytes.starts_with(b"HEAD ");
    let mut came = Vec::new();
    while statuses(&came, head_only).is_empty() {
        let more = raw.some().expect("an answer or an end");
        if more.is_empty() {
            return (Vec::new(), true);
        }
        came.extend(more);
    }
    let (rest, ending) = raw.rest(MOMENT);
    came.extend(rest);
    (statuses(&came, head_only), ending == Ending::Closed)
}

/// Statuses of the whole final answers.
fn statuses(mut bytes: &[u8], head_only: bool) -> Vec<u16> {
    let mut statuses = Vec::new();
    while let Ok(Some(mut answer)) = read_head(&mut bytes) {
        let is_final = !(100..200).contains(&answer.status());
        if is_final && !head_only && read_body(&mut bytes, &mut answer).is_err() {
            break;
        }
        if is_final {
            statuses.push(answer.status());
        }
    }
    statuses
}
