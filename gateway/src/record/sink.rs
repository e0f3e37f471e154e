//! Sinks: one queue and one writer's thread each, shared by all logs to it.
//!
//! A request only ever appends to the queue. The writer never gives up on a
//! sink that is in use: a full disk or a closed pipe is counted and tried
//! again, and meanwhile the queue fills and says so.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use conf::snapshot::{Log, Sink};

use super::logs::Loggers;
use super::outlet::Outlet;
use super::progress::{Finished, Progress};
use super::queue::{Bounds, Claim, Full, Queue};

/// How long the writer waits before it tries a failing sink again.
const PAUSE: Duration = Duration::from_millis(100);

/// A sink that cannot be opened.
#[derive(Debug)]
pub struct SinkError {
    sink: String,
    error: io::Error,
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write the log `{}`: {}", self.sink, self.error)
    }
}

impl std::error::Error for SinkError {}

/// What became of a sink's lines since the process began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkStats {
    /// `stdout`, `stderr` or the file's path.
    pub sink: String,
    /// Lines written whole.
    pub written: u64,
    /// Lines for which there was no room, or whose sink was given up.
    pub dropped: u64,
    /// Attempts to write that failed.
    pub errors: u64,
}

#[derive(Debug, Default)]
struct Counters {
    written: AtomicU64,
    dropped: AtomicU64,
    errors: AtomicU64,
}

/// The way to one sink. When the last log that uses it is gone, the writer
/// writes what is queued and ends.
#[derive(Debug)]
pub(crate) struct Channel {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    reopen: Arc<AtomicBool>,
}

impl Channel {
    /// Hands a line over, or counts it as dropped. Never waits.
    pub(crate) fn push(&self, line: &[u8], claim: Claim) {
        if self.queue.push(line, claim).is_err() {
            add(&self.counters.dropped, 1);
        }
    }

    pub(crate) fn reserve(&self, lines: usize) -> Result<(), Full> {
        self.queue.reserve(lines)
    }

    pub(crate) fn release(&self, lines: usize) {
        self.queue.release(lines);
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// A sink as the process knows it: its counters outlive its channel.
#[derive(Debug, Default)]
struct Entry {
    counters: Arc<Counters>,
    channel: Weak<Channel>,
}

/// Every sink of the process, by what the operator wrote.
#[derive(Debug, Default)]
pub struct Sinks {
    entries: Mutex<HashMap<Sink, Entry>>,
    bounds: Bounds,
}

impl Sinks {
    /// No sinks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[cfg(test)]
    pub(crate) fn bounded(bounds: Bounds) -> Self {
        Self {
            bounds,
            ..Self::default()
        }
    }

    /// The logs of a configuration. Sinks that an earlier one already writes to
    /// go on as they are; new ones are opened.
    ///
    /// # Errors
    /// A sink that cannot be opened. Nothing changes then.
    pub fn loggers(&self, logs: &[Log]) -> Result<Loggers, SinkError> {
        let open = |log: &Log| Ok((log.clone(), self.channel(&log.sink)?));
        let logs = logs.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        Ok(Loggers::new(logs))
    }

    /// Opens files again by their names, as log rotation from outside asks
    /// with SIGHUP. Done by the writers before their next line.
    pub fn reopen(&self) {
        for channel in self.channels() {
            channel.reopen.store(true, Ordering::Release);
        }
    }

    /// Waits until all lines are written, at most for `timeout`; gives the
    /// number of lines that are not.
    pub fn flush(&self, timeout: Duration) -> usize {
        let deadline = Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        self.channels()
            .iter()
            .map(|channel| channel.queue.drain(left()))
            .sum()
    }

    /// What became of the lines, sorted by sink.
    #[must_use]
    pub fn stats(&self) -> Vec<SinkStats> {
        let entries = self.entries();
        let mut stats: Vec<_> = entries
            .iter()
            .map(|(sink, entry)| entry.stats(sink))
            .collect();
        stats.sort_by(|one, other| one.sink.cmp(&other.sink));
        stats
    }

    fn channel(&self, sink: &Sink) -> Result<Arc<Channel>, SinkError> {
        let (open, counters) = match self.entries().get(sink) {
            Some(entry) => (entry.channel.upgrade(), Arc::clone(&entry.counters)),
            None => (None, Arc::default()),
        };
        if let Some(channel) = open {
            return Ok(channel);
        }
        // A disk of the network's may take its time. Meanwhile nobody waits for us:
        // metrics are told, and at the end lines are flushed.
        let channel = start(sink, self.bounds, &counters).map_err(|error| SinkError {
            sink: label(sink),
            error,
        })?;
        let entry = Entry {
            counters,
            channel: Arc::downgrade(&channel),
        };
        self.entries().insert(sink.clone(), entry);
        Ok(channel)
    }

    fn channels(&self) -> Vec<Arc<Channel>> {
        self.entries()
            .values()
            .filter_map(|entry| entry.channel.upgrade())
            .collect()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Sink, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn stats(&self, sink: &Sink) -> SinkStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SinkStats {
            sink: label(sink),
            written: read(&self.counters.written),
            dropped: read(&self.counters.dropped),
            errors: read(&self.counters.errors),
        }
    }
}

fn label(sink: &Sink) -> String {
    match sink {
        Sink::Stdout => "stdout".to_owned(),
        Sink::Stderr => "stderr".to_owned(),
        Sink::File { path, .. } => path.display().to_string(),
    }
}

fn add(counter: &AtomicU64, lines: usize) {
    counter.fetch_add(u64::try_from(lines).unwrap_or(0), Ordering::Relaxed);
}

/// Opens a sink and starts its writer.
fn start(sink: &Sink, bounds: Bounds, counters: &Arc<Counters>) -> io::Result<Arc<Channel>> {
    let outlet = Outlet::open(sink)?;
    let channel = Channel {
        queue: Arc::new(Queue::new(bounds)),
        counters: Arc::clone(counters),
        reopen: Arc::default(),
    };
    let writer = Writer {
        sink: label(sink),
        outlet,
        queue: Arc::clone(&channel.queue),
        counters: Arc::clone(counters),
        reopen: Arc::clone(&channel.reopen),
        failing: false,
    };
    thread::Builder::new()
        .name("access-log".to_owned())
        .spawn(move || writer.run())?;
    Ok(Arc::new(channel))
}

/// The thread that writes one sink.
#[derive(Debug)]
struct Writer {
    sink: String,
    outlet: Outlet,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    reopen: Arc<AtomicBool>,
    failing: bool,
}

impl Writer {
    fn run(mut self) {
        while let Some(page) = self.queue.next_page() {
            let mut progress = Progress::new(&page);
            while !progress.rest().is_empty() {
                self.step(&mut progress);
            }
            self.queue.recycle(page);
        }
    }

    /// One attempt to write.
    fn step(&mut self, progress: &mut Progress<'_>) {
        if self.reopen.swap(false, Ordering::Acquire) {
            self.reopen(progress);
        }
        match self.outlet.write(progress) {
            Ok(0) => self.fails(progress, &io::ErrorKind::WriteZero.into()),
            Ok(bytes) => self.succeeds(progress.advance(bytes)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.fails(progress, &error),
        }
    }

    /// A new file begins with a whole line.
    fn reopen(&mut self, progress: &mut Progress<'_>) {
        match self.outlet.reopen() {
            Ok(()) => progress.rewind(),
            Err(error) => {
                add(&self.counters.errors, 1);
                tracing::warn!(sink = self.sink, %error, "cannot open the log again");
            }
        }
    }

    fn succeeds(&mut self, finished: Finished) {
        if std::mem::take(&mut self.failing) {
            tracing::info!(sink = self.sink, "the log is written again");
        }
        add(&self.counters.written, finished.lines);
        self.queue.settle(finished.lines, finished.bytes);
    }

    /// Said once, not at every attempt. A stream that would block is only slow.
    fn fails(&mut self, progress: &mut Progress<'_>, error: &io::Error) {
        if error.kind() != io::ErrorKind::WouldBlock {
            add(&self.counters.errors, 1);
            if !std::mem::replace(&mut self.failing, true) {
                tracing::warn!(sink = self.sink, %error, "cannot write the log; trying on");
            }
        }
        if self.queue.is_closed() {
            self.gives_up(progress.abandon());
        } else {
            thread::sleep(PAUSE);
        }
    }

    /// Nobody uses the sink any more and it takes no more lines.
    fn gives_up(&mut self, finished: Finished) {
        add(&self.counters.dropped, finished.lines);
        self.queue.settle(finished.lines, finished.bytes);
    }
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
