//! The access logs of a configuration: which attempts each tells, in what
//! form, to which sink.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use conf::snapshot::{Layout, Log, Overflow};
use conf::text_format::TextFormat;
use policy::LogFilter;
use policy::pattern::{HostMap, HostPattern};

use super::queue::{Claim, Full};
use super::sink::Channel;
use super::{Record, json, labels, mixer, text};

thread_local! {
    /// The line under construction; its allocation serves all lines of a thread.
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The logs of one configuration. Writing never blocks.
#[derive(Debug, Default)]
pub struct Loggers {
    logs: Vec<Logger>,
    /// Their numbers, under the hosts outside of which they tell nothing; each
    /// stands under at most one pattern that matches a host.
    by_host: HostMap<Box<[usize]>>,
    /// Sinks of logs that would rather refuse than drop, and the lines one
    /// attempt may need in each.
    needs: Vec<(Arc<Channel>, usize)>,
}

#[derive(Debug)]
struct Logger {
    filter: LogFilter,
    form: Form,
    channel: Arc<Channel>,
    overflow: Overflow,
    open_tunnels: Option<Duration>,
}

#[derive(Debug)]
enum Form {
    Json,
    Mixer(mixer::Form),
    Text(TextFormat),
    Labels(labels::Form),
}

/// Room for the lines of one attempt, in every log that would rather refuse
/// than drop. Taken before a request is forwarded, so that none passes
/// unlogged however many pass together. Dropping it gives the room back.
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    held: Vec<(Arc<Channel>, usize)>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        for (channel, lines) in &self.held {
            channel.release(*lines);
        }
    }
}

impl Loggers {
    pub(crate) fn new(logs: Vec<(Log, Arc<Channel>)>) -> Self {
        let logs: Vec<Logger> = logs.into_iter().map(Logger::new).collect();
        let needs = needs(&logs);
        let by_host = by_host(&logs);
        Self {
            logs,
            by_host,
            needs,
        }
    }

    /// Takes the room a request's lines may need. Costs nothing, and never
    /// fails, where all logs drop and count.
    ///
    /// # Errors
    /// A log that would rather refuse has no room.
    pub fn reserve(&self) -> Result<Reservation, Full> {
        let mut reservation = Reservation { held: Vec::new() };
        for (channel, lines) in &self.needs {
            channel.reserve(*lines)?;
            reservation.held.push((Arc::clone(channel), *lines));
        }
        Ok(reservation)
    }

    /// Writes the record to every log whose filter `selects` finds true. What
    /// finds no room is dropped and counted.
    pub fn write(&self, record: &Record<'_>, selects: impl Fn(&LogFilter) -> bool) {
        self.write_as(record, Claim::Open, |log| selects(&log.filter));
    }

    /// As [`Loggers::write`], into the room reserved for this attempt: nothing
    /// is dropped in the logs that would rather refuse.
    pub fn write_reserved(
        &self,
        reservation: Reservation,
        record: &Record<'_>,
        selects: impl Fn(&LogFilter) -> bool,
    ) {
        self.write_as(record, Claim::Reserved, |log| selects(&log.filter));
        drop(reservation);
    }

    /// As [`Loggers::write`], to those logs whose time to tell of a tunnel that
    /// is still open came between two ages of it.
    pub fn write_open(
        &self,
        record: &Record<'_>,
        ages: (Duration, Duration),
        selects: impl Fn(&LogFilter) -> bool,
    ) {
        self.write_as(record, Claim::Open, |log| {
            log.is_due(ages) && selects(&log.filter)
        });
    }

    /// The shortest time after which a log tells of a tunnel that is still open.
    #[must_use]
    pub fn open_tunnels(&self) -> Option<Duration> {
        self.logs.iter().filter_map(|log| log.open_tunnels).min()
    }

    fn write_as(&self, record: &Record<'_>, claim: Claim, selects: impl Fn(&Logger) -> bool) {
        let mut line = LINE.try_with(Cell::take).unwrap_or_default();
        let mut write = |log: &Logger| {
            if selects(log) {
                line.clear();
                log.form.line(&mut line, record);
                line.push(b'\n');
                log.push(&line, claim);
            }
        };
        match record.host {
            None => self.logs.iter().for_each(write),
            Some(host) => {
                let numbers = self.by_host.chain(host).flatten();
                let logs = numbers.filter_map(|number| self.logs.get(*number));
                logs.for_each(&mut write);
            }
        }
        // Fails only in a thread that is ending, which needs no buffer.
        let _ = LINE.try_with(|kept| kept.set(line));
    }
}

impl Logger {
    fn new((log, channel): (Log, Arc<Channel>)) -> Self {
        // What has no room was refused when it was compiled.
        let room = log.layout.room().unwrap_or_default();
        let form = match log.layout {
            Layout::Json => Form::Json,
            Layout::Mixer { instance, fields } => Form::Mixer(mixer::Form {
                level: log.level,
                instance,
                fields,
                room,
            }),
            Layout::Text(format) => Form::Text(format),
            Layout::Labels(labels) => Form::Labels(labels::Form { labels, room }),
        };
        Self {
            filter: log.filter,
            form,
            channel,
            overflow: log.overflow,
            open_tunnels: log.open_tunnels,
        }
    }

    fn is_due(&self, (before, now): (Duration, Duration)) -> bool {
        let times = |age: Duration| {
            let every = self.open_tunnels.map(|every| every.as_nanos());
            every.and_then(|every| age.as_nanos().checked_div(every))
        };
        times(before) < times(now)
    }

    fn push(&self, line: &[u8], claim: Claim) {
        let claim = match self.overflow {
            Overflow::DropAndCount => Claim::Open,
            Overflow::Refuse => claim,
        };
        self.channel.push(line, claim);
    }
}

impl Form {
    fn line(&self, out: &mut Vec<u8>, record: &Record<'_>) {
        match self {
            Self::Json => json::line(out, record),
            Self::Mixer(form) => mixer::line(out, record, form),
            Self::Text(format) => text::line(out, record, format),
            Self::Labels(labels) => labels::line(out, record, labels),
        }
    }
}

/// A log whose patterns overlap stands under `*`, or it would tell twice.
fn by_host(logs: &[Logger]) -> HostMap<Box<[usize]>> {
    let mut under: HashMap<HostPattern, Vec<usize>> = HashMap::new();
    for (number, log) in logs.iter().enumerate() {
        let mut hosts = log.filter.hosts();
        if hosts.is_empty() || overlap(&hosts) {
            hosts = vec![HostPattern::Any];
        }
        for host in hosts {
            under.entry(host).or_default().push(number);
        }
    }
    HostMap::build(under.into_iter().map(|(host, logs)| (host, logs.into())))
}

fn overlap(hosts: &[HostPattern]) -> bool {
    let mut rest = hosts;
    while let [one, others @ ..] = rest {
        if others.iter().any(|other| one.overlaps(other)) {
            return true;
        }
        rest = others;
    }
    false
}

/// Lines of one attempt by sink, for the logs that would rather refuse.
fn needs(logs: &[Logger]) -> Vec<(Arc<Channel>, usize)> {
    let mut needs: Vec<(Arc<Channel>, usize)> = Vec::new();
    for log in logs.iter().filter(|log| log.overflow == Overflow::Refuse) {
        match needs
            .iter_mut()
            .find(|(channel, _)| Arc::ptr_eq(channel, &log.channel))
        {
            Some((_, lines)) => *lines += 1,
            None => needs.push((Arc::clone(&log.channel), 1)),
        }
    }
    needs
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
