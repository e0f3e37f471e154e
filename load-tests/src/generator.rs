//! The load: wrk for HTTP/1.1, h2load for HTTP/2, and what their reports say.
//!
//! Both are closed loops: they ask again when they are answered. That is enough
//! for processor time a request, and says nothing about latency.

use std::net::SocketAddr;
use std::process::Command;

use integration_tests::sidecar::Protocol;

use crate::tools::Tools;
use crate::trouble::{Trouble, trying};

/// The host asked for.
pub(crate) const HOST: &str = "edition.cnn.com";
/// The document asked for, 1 KiB.
pub(crate) const TARGET: &str = "/sport";

/// What a generator counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// Exchanges that ended well, with 2xx.
    pub(crate) good: u32,
    /// All others.
    pub(crate) bad: u32,
}

/// Asks through `relay` for a few seconds.
pub(crate) fn run(tools: &Tools, protocol: Protocol, relay: SocketAddr) -> Result<Count, Trouble> {
    let url = format!("http://{relay}{TARGET}");
    match protocol {
        Protocol::Http1 => {
            let mut wrk = Command::new(&tools.wrk);
            wrk.args(["-t1", "-c16", "-d3", "-H"])
                .arg(format!("Host: {HOST}"));
            report("wrk", wrk.arg(url), wrk_count)
        }
        Protocol::Http2 => {
            let mut h2load = Command::new(&tools.h2load);
            h2load
                .args(["-n30000", "-c4", "-m4", "-H"])
                .arg(format!(":authority: {HOST}"));
            report("h2load", h2load.arg(url), h2load_count)
        }
    }
}

fn report(
    name: &'static str,
    command: &mut Command,
    read: fn(&str) -> Option<Count>,
) -> Result<Count, Trouble> {
    let output = trying(name, command.output())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    read(&text).ok_or(Trouble::Unreadable(name, text))
}

/// wrk counts every answer as a request, and says only of trouble how much there was.
/// Its socket errors are of connections; the last of them, slow answers, are none.
fn wrk_count(report: &str) -> Option<Count> {
    let all = number_before(report, " requests in ")?;
    let refused = after(report, "Non-2xx or 3xx responses: ").map_or(Some(0), first_number)?;
    let broken = after(report, "Socket errors: ").map_or(Some(0), |errors| {
        errors
            .split(", ")
            .take(3)
            .map(|error| error.rsplit(' ').next()?.parse::<u32>().ok())
            .sum()
    })?;
    Some(Count {
        good: all.checked_sub(refused)?,
        bad: refused + broken,
    })
}

/// h2load is told how many requests to make; what is not 2xx went wrong.
fn h2load_count(report: &str) -> Option<Count> {
    let all = after(report, "requests: ").and_then(first_number)?;
    let good = after(report, "status codes: ").and_then(first_number)?;
    Some(Count {
        good,
        bad: all.checked_sub(good)?,
    })
}

/// The rest of the line that begins with `label`.
fn after<'a>(report: &'a str, label: &str) -> Option<&'a str> {
    report
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(label))
}

fn first_number(text: &str) -> Option<u32> {
    text.split(' ').next()?.parse().ok()
}

fn number_before(report: &str, label: &str) -> Option<u32> {
    let (before, _) = report.split_once(label)?;
    before.rsplit([' ', '\n']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRK: &str = "Running 3s test @ http://127.0.0.1:7450/sport
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Req/Sec    11.16k     1.02k   13.00k    70.00%
  33402 requests in 3.01s, 40.11MB read
";
    const H2LOAD: &str = "starting benchmark...
finished in 1.21s, 16528.12 req/s, 17.71MB/s
requests: 20000 total, 20000 started, 20000 done, 19990 succeeded, 10 failed, 0 errored, 0 timeout
status codes: 19985 2xx, 0 3xx, 5 4xx, 0 5xx
traffic: 21.43MB (22468272) total, 0B (0) headers
";

    fn count(good: u32, bad: u32) -> Option<Count> {
        Some(Count { good, bad })
    }

    #[test]
    fn reads_what_wrk_counted() {
        assert_eq!(wrk_count(WRK), count(33402, 0));
        let refused = format!("{WRK}  Non-2xx or 3xx responses: 402\nRequests/sec:  11100.0\n");
        assert_eq!(wrk_count(&refused), count(33000, 402));
        let broken = format!("{WRK}  Socket errors: connect 1, read 20, write 3, timeout 9\n");
        assert_eq!(wrk_count(&broken), count(33402, 24));
    }

    #[test]
    fn reads_what_h2load_counted() {
        assert_eq!(h2load_count(H2LOAD), count(19985, 15));
    }

    #[test]
    fn takes_no_number_from_a_report_without_one() {
        for text in [
            "",
            "unable to connect to 127.0.0.1:1 Connection refused",
            "requests: many",
        ] {
            assert_eq!(wrk_count(text), None, "{text}");
            assert_eq!(h2load_count(text), None, "{text}");
        }
    }
}
