use std::fs;
use std::io::{PipeReader, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use conf::snapshot::{Layout, Level, Overflow};
use policy::LogFilter;

use super::super::samples::World;
use super::*;

const LONG: Duration = Duration::from_secs(20);

fn log_to(path: &Path) -> Log {
    Log {
        name: "access".into(),
        filter: LogFilter::default(),
        layout: Layout::Json,
        level: Level::Info,
        sink: Sink::File {
            path: path.to_owned(),
            rotate: None,
        },
        overflow: Overflow::DropAndCount,
        open_tunnels: None,
        origin: None,
    }
}

/// A sink whose reader is at hand: a pipe.
fn piped(bounds: Bounds) -> (Channel, PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    let channel = Channel {
        queue: Arc::new(Queue::new(bounds)),
        counters: Arc::default(),
        reopen: Arc::default(),
    };
    let writer = Writer {
        sink: "pipe".to_owned(),
        outlet: Outlet::Stream(OwnedFd::from(writer).into()),
        queue: Arc::clone(&channel.queue),
        counters: Arc::clone(&channel.counters),
        reopen: Arc::clone(&channel.reopen),
        failing: false,
    };
    thread::spawn(move || writer.run());
    (channel, reader)
}

fn stats(channel: &Channel) -> SinkStats {
    Entry {
        counters: Arc::clone(&channel.counters),
        channel: Weak::new(),
    }
    .stats(&Sink::Stdout)
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

#[test]
fn a_stalled_reader_costs_no_line_up_to_the_bound_and_every_drop_is_counted() {
    let bounds = Bounds {
        lines: 1_000,
        bytes: 64 << 20,
    };
    let (channel, mut reader) = piped(bounds);
    let line = [[b'x'; 999].as_slice(), b"\n"].concat();
    let begun = Instant::now();
    for _ in 0..5_000 {
        channel.push(&line, Claim::Open);
    }
    assert!(
        begun.elapsed() < LONG,
        "producers do not wait for the reader"
    );
    // What the pipe itself took was settled as it went, and made room.
    let dropped = stats(&channel).dropped;
    assert!((3_000..=4_000).contains(&dropped), "{dropped}");
    let counters = Arc::clone(&channel.counters);
    drop(channel);
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert_eq!(read.len() % 1_000, 0);
    let written = counters.written.load(Ordering::Relaxed);
    assert_eq!(u64::try_from(read.len() / 1_000).unwrap(), written);
    assert_eq!(written + dropped, 5_000);
}

#[test]
fn a_closed_pipe_is_tried_on_and_never_ends_the_writer() {
    let (channel, reader) = piped(Bounds {
        lines: 3,
        bytes: 1_000,
    });
    drop(reader);
    for _ in 0..10 {
        channel.push(b"line\n", Claim::Open);
    }
    eventually("two attempts", || stats(&channel).errors >= 2);
    assert_eq!(stats(&channel).dropped, 7);
    assert_eq!(channel.queue.drain(Duration::ZERO), 3);
}

#[test]
fn a_full_disk_is_counted_and_given_up_only_when_nobody_uses_the_sink() {
    let sinks = Sinks::bounded(Bounds {
        lines: 4,
        bytes: 1_000,
    });
    let loggers = sinks.loggers(&[log_to(Path::new("/dev/full"))]).unwrap();
    let channel = sinks.channels().pop().unwrap();
    for _ in 0..6 {
        channel.push(b"line\n", Claim::Open);
    }
    eventually("an error", || sinks.stats()[0].errors >= 2);
    let SinkStats {
        written, dropped, ..
    } = sinks.stats()[0].clone();
    assert_eq!((written, dropped), (0, 2));
    drop(loggers);
    drop(channel);
    eventually("all lines accounted for", || sinks.stats()[0].dropped == 6);
}

#[test]
fn a_configuration_keeps_the_sinks_it_shares_with_the_last_one() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a.log", "b.log"].map(|name| dir.path().join(name));
    let sinks = Sinks::new();
    let first = sinks.loggers(&[log_to(&a), log_to(&a)]).unwrap();
    let before = sinks.channels();
    assert_eq!(before.len(), 1, "two logs to one sink share it");
    let second = sinks.loggers(&[log_to(&a), log_to(&b)]).unwrap();
    drop(first);
    let after = sinks.channels();
    assert_eq!(after.len(), 2);
    assert!(after.iter().any(|channel| Arc::ptr_eq(channel, &before[0])));
    drop(second);
}

#[test]
fn counters_outlive_the_sink_they_count() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let sinks = Sinks::new();
    for written in 1..=3 {
        let loggers = sinks.loggers(&[log_to(&path)]).unwrap();
        sinks.channels()[0].push(b"line\n", Claim::Open);
        assert_eq!(sinks.flush(LONG), 0);
        assert_eq!(sinks.stats()[0].written, written);
        drop(loggers);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "line\nline\nline\n");
}

#[test]
fn a_file_is_opened_again_before_its_next_line() {
    let dir = tempfile::tempdir().unwrap();
    let [path, moved] = ["a.log", "a.log.moved"].map(|name| dir.path().join(name));
    let sinks = Sinks::new();
    let _loggers = sinks.loggers(&[log_to(&path)]).unwrap();
    let channel = sinks.channels().pop().unwrap();
    channel.push(b"one\n", Claim::Open);
    assert_eq!(sinks.flush(LONG), 0);
    fs::rename(&path, &moved).unwrap();
    sinks.reopen();
    channel.push(b"two\n", Claim::Open);
    assert_eq!(sinks.flush(LONG), 0);
    assert_eq!(fs::read_to_string(&moved).unwrap(), "one\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
}

#[test]
fn a_sink_that_cannot_be_opened_is_an_error_that_names_it() {
    let sinks = Sinks::new();
    let error = sinks
        .loggers(&[log_to(Path::new("/nonexistent/a.log"))])
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("cannot write the log `/nonexistent/a.log`: "),
        "{message}"
    );
    assert!(sinks.channels().is_empty());
}

#[test]
fn a_fifo_that_nobody_reads_is_told_and_holds_nothing_up() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("access.fifo");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let sinks = Sinks::new();
    let error = sinks.loggers(&[log_to(&path)]).unwrap_err().to_string();
    let expected = format!("`{}`: it is a FIFO that nobody reads", path.display());
    assert!(error.contains(&expected), "{error}");
    assert_eq!((sinks.stats(), sinks.flush(LONG)), (Vec::new(), 0));
    // Reading and writing, so that opening waits for nobody here either.
    let mut reader = fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let loggers = sinks.loggers(&[log_to(&path)]).unwrap();
    let world = World::new();
    loggers.write(&world.allowed(), |_| true);
    assert_eq!(sinks.flush(LONG), 0);
    let mut line = [0; 1];
    reader.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"{");
}
