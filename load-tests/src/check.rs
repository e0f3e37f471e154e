//! Whether a gateway does its work, before and after it is timed: a gateway
//! that lets everything pass, or forgets to write, is fast and worth nothing.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::thread;
use std::time::Duration;

use integration_tests::pki::Pki;
use integration_tests::sidecar::Protocol;
use integration_tests::wait::{PATIENCE, within};

use crate::gateways::Running;
use crate::load::{Request, Runner};
use crate::setup::{CALLER, LOST, Log, PRIVATE, Work};
use crate::trouble::{Trouble, trying};

/// A caller who may not.
const STRANGER: &str = "politics";
/// Longer than anything keeps lines before it writes them.
const WRITTEN: Duration = Duration::from_millis(1500);

/// What each gateway must answer: to whom, for what.
const ANSWERS: [(&str, &str, u16); 5] = [
    (CALLER, "/sport/2", 200),
    (STRANGER, "/sport/2", 403),
    (STRANGER, LOST, 403),
    (CALLER, PRIVATE, 403),
    (CALLER, LOST, 404),
];

/// Checks the answers of a gateway, on both protocols.
pub(crate) fn answers(pki: &Pki, gateway: &Running) -> Result<(), Trouble> {
    let decides = gateway.kind.decides() && gateway.setup().work != Work::Passthrough;
    let protocols: &[Protocol] = match gateway.setup().work {
        Work::Http if gateway.stands() => &Protocol::ALL,
        Work::Http | Work::Passthrough => &[Protocol::Http1],
        // Its origin speaks gRPC, which the scenario itself checks.
        Work::Grpc => &[],
    };
    for protocol in protocols {
        for (account, path, status) in ANSWERS {
            if decides || status == 200 {
                answer(
                    pki,
                    gateway,
                    *protocol,
                    account,
                    Request::get(path).expecting(status),
                )?;
            }
        }
    }
    Ok(())
}

fn answer(
    pki: &Pki,
    gateway: &Running,
    protocol: Protocol,
    account: &str,
    request: Request,
) -> Result<(), Trouble> {
    let dialer = gateway.dialer_as(pki.workload(account), protocol)?;
    let (name, path, due) = (gateway.name(), request.path, request.status);
    let what = format!("{name} must answer {account} with {due} for {path} by {protocol:?}");
    match Runner::ask(dialer, request) {
        Ok(status) if status == due => Ok(()),
        Ok(status) => Err(Trouble::WrongAnswer(format!("{what}, not {status}"))),
        Err(trouble) => Err(Trouble::WrongAnswer(format!("{what}: {trouble}"))),
    }
}

/// Ends a gateway, and checks that its log has a line for every request. Of what
/// passes through it has one for every connection, which nobody counts here.
pub(crate) fn logged(gateway: Running) -> Result<(), Trouble> {
    let setup = *gateway.setup();
    let (name, answered) = (gateway.name(), gateway.answered.get());
    let due = match setup.work {
        Work::Http | Work::Grpc => answered,
        Work::Passthrough => 1,
    };
    let (log, dir) = (gateway.kind.log(&gateway.site), gateway.site.dir.clone());
    let decides = gateway.kind.decides();
    let found = match setup.log {
        _ if !decides => due,
        Log::Off => due,
        Log::File => settled(&log, due)?,
        Log::Pipe => {
            thread::sleep(WRITTEN);
            gateway.end();
            counted(&dir.join("lines"))?
        }
    };
    if found >= due {
        return Ok(());
    }
    let what = format!("{name} logged {found} lines for {due} requests");
    Err(Trouble::WrongAnswer(what))
}

/// Lines of the access log, once they are at least `due`, or after some seconds:
/// logs are written behind the request.
fn settled(log: &Path, due: u64) -> Result<u64, Trouble> {
    let mut last = Ok(0);
    within(PATIENCE, || {
        last = lines(log);
        last.as_ref()
            .map_or(Some(()), |lines| (*lines >= due).then_some(()))
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

/// What a reader of a pipe has counted.
fn counted(file: &Path) -> Result<u64, Trouble> {
    let text = trying(file.display().to_string(), fs::read_to_string(file))?;
    let number = text.trim().parse();
    number.map_err(|_| Trouble::Unreadable("wc", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_lines_of_a_log() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log");
        fs::write(&file, "{}\n{}\n{}\n").unwrap();
        assert_eq!(lines(&file).unwrap(), 3);
        assert!(lines(&dir.path().join("none")).is_err());
    }
}
