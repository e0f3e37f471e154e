//! Whether a gateway does its work, before and after it is timed: a gateway
//! that lets everything pass, or forgets to write, is fast and worth nothing.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use integration_tests::client::Curl;
use integration_tests::sidecar::Protocol;
use integration_tests::wait::{PATIENCE, within};

use crate::gateway::Gateway;
use crate::generator::{HOST, TARGET};
use crate::rig::{CALLER, Rig};
use crate::trouble::{Trouble, trying};

/// What each gateway must answer: to whom, for what.
const ANSWERS: [(&str, &str, u16); 3] = [
    (CALLER, TARGET, 200),
    ("politics", TARGET, 403),
    (CALLER, "/private", 403),
];
/// Requests each gateway is sent by [`answers`].
pub(crate) const REQUESTS: usize = ANSWERS.len() * Protocol::ALL.len();

/// Checks every gateway's answers, on both protocols.
pub(crate) fn answers(rig: &Rig) -> Result<(), Trouble> {
    for gateway in &rig.gateways {
        for protocol in Protocol::ALL {
            for (account, target, status) in ANSWERS {
                answer(rig, gateway, protocol, account, target, status)?;
            }
        }
    }
    Ok(())
}

fn answer(
    rig: &Rig,
    gateway: &Gateway,
    protocol: Protocol,
    account: &str,
    target: &str,
    status: u16,
) -> Result<(), Trouble> {
    let curl = Curl::to_gateway(gateway.address, &rig.pki.workload(account), HOST, target);
    let reply = match protocol {
        Protocol::Http1 => curl.send(),
        Protocol::Http2 => curl.http2().send(),
    };
    if reply.status == status {
        return Ok(());
    }
    let (name, got) = (gateway.kind.name(), reply.status);
    let what =
        format!("{name} answers {account} with {got}, not {status}, for {target} by {protocol:?}");
    Err(Trouble::WrongAnswer(format!("{what} {}", reply.error)))
}

/// Lines of the gateway's access log, once they are at least `requests`, or
/// after some seconds: logs are written behind the request.
pub(crate) fn logged(gateway: &Gateway, requests: u64) -> Result<u64, Trouble> {
    let mut last = Ok(0);
    within(PATIENCE, || {
        last = lines(&gateway.log);
        last.as_ref()
            .map_or(Some(()), |lines| (*lines >= requests).then_some(()))
    });
    last
}

fn lines(file: &Path) -> Result<u64, Trouble> {
    let mut reader = trying(
        file.display().to_string(),
        File::open(file).map(BufReader::new),
    )?;
    let mut lines = 0;
    while trying("the access log", reader.skip_until(b'\n'))? > 0 {
        lines += 1;
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_lines_of_a_log() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log");
        std::fs::write(&file, "{}\n{}\n{}\n").unwrap();
        assert_eq!(lines(&file).unwrap(), 3);
        assert!(lines(&dir.path().join("none")).is_err());
    }
}
