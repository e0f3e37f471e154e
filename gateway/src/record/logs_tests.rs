use std::fs;
use std::path::Path;
use std::time::Duration;

use conf::snapshot::{Level, Sink};

use super::super::queue::Bounds;
use super::super::samples::World;
use super::super::sink::Sinks;
use super::*;

const LONG: Duration = Duration::from_secs(20);

fn log(path: &Path, layout: Layout, overflow: Overflow) -> Log {
    Log {
        name: "access".into(),
        filter: LogFilter::default(),
        layout,
        level: Level::Info,
        sink: Sink::File {
            path: path.to_owned(),
            rotate: None,
        },
        overflow,
        open_tunnels: None,
        origin: None,
    }
}

#[test]
fn writes_a_record_to_every_log_that_selects_it() {
    let dir = tempfile::tempdir().unwrap();
    let [json, text] = ["json.log", "text.log"].map(|name| dir.path().join(name));
    let sinks = Sinks::new();
    let logs = [
        log(&json, Layout::Json, Overflow::DropAndCount),
        log(
            &text,
            Layout::Text(TextFormat::preset("envoy-2018").unwrap()),
            Overflow::DropAndCount,
        ),
        log(
            &text,
            Layout::Text(TextFormat::istio()),
            Overflow::DropAndCount,
        ),
    ];
    let loggers = sinks.loggers(&logs).unwrap();
    let world = World::new();
    let asked = Cell::new(0);
    loggers.write(&world.allowed(), |_| {
        asked.set(asked.get() + 1);
        asked.get() != 2
    });
    assert_eq!(sinks.flush(LONG), 0);
    let [json, text] = [json, text].map(|path| fs::read_to_string(path).unwrap());
    assert_eq!((json.lines().count(), text.lines().count()), (1, 1));
    assert!(json.starts_with("{\"audit_rule\"") && json.ends_with("}\n"));
    assert!(text.contains("via_upstream"));
}

#[test]
fn only_logs_of_the_records_host_are_asked_and_each_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let of = |hosts: &[&str]| {
        let hosts = hosts.iter().map(|host| HostPattern::parse(host).unwrap());
        let when = policy::rule::Matcher {
            hosts: hosts.collect(),
            ..Default::default()
        };
        let mut log = log(&path, Layout::Json, Overflow::DropAndCount);
        log.filter.when = vec![when];
        log
    };
    let mut everywhere = of(&[]);
    everywhere.filter.when.clear();
    let sinks = Sinks::new();
    let logs = [
        of(&["a.example"]),
        of(&["*.example", "b.example"]),
        of(&["edition.cnn.com"]),
        of(&["*.cnn.com", "edition.cnn.com", "*"]),
        of(&["*cnn.com", "a.example"]),
        everywhere,
    ];
    let loggers = sinks.loggers(&logs).unwrap();
    let asked = |record: &Record<'_>| {
        let asked = Cell::new(0);
        loggers.write(record, |_| {
            asked.set(asked.get() + 1);
            false
        });
        asked.get()
    };
    let world = World::new();
    let mut record = world.allowed();
    assert_eq!(record.host, Some("edition.cnn.com"));
    // The overlapping ones of the second log stand under every host.
    assert_eq!(asked(&record), 5);
    record.host = Some("c.test");
    assert_eq!(asked(&record), 3);
    record.host = None;
    assert_eq!(asked(&record), logs.len());
}

#[test]
fn threads_lose_no_line_and_tear_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let sinks = Sinks::new();
    let loggers = sinks
        .loggers(&[log(&path, Layout::Json, Overflow::DropAndCount)])
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let world = World::new();
                for _ in 0..2_000 {
                    loggers.write(&world.allowed(), |_| true);
                }
            });
        }
    });
    assert_eq!(sinks.flush(LONG), 0);
    let stats = sinks.stats();
    assert_eq!((stats[0].written, stats[0].dropped), (8_000, 0));
    let world = World::new();
    let mut expected = Vec::new();
    json::line(&mut expected, &world.allowed());
    let content = fs::read_to_string(path).unwrap();
    assert!(content.lines().all(|line| line.as_bytes() == expected));
}

#[test]
fn a_log_that_would_rather_refuse_never_drops_what_was_let_in() {
    let sinks = Sinks::bounded(Bounds {
        lines: 3,
        bytes: 1 << 20,
    });
    let full = Path::new("/dev/full");
    let loggers = sinks
        .loggers(&[log(full, Layout::Json, Overflow::Refuse)])
        .unwrap();
    let world = World::new();
    let mut admitted: Vec<_> = (0..5).filter_map(|_| loggers.reserve().ok()).collect();
    assert_eq!(admitted.len(), 3);
    // A refused request has no reservation: its line may be dropped.
    loggers.write(&world.denied(), |_| true);
    assert_eq!(sinks.stats()[0].dropped, 1);
    drop(admitted.pop());
    loggers.write(&world.denied(), |_| true);
    for reservation in admitted {
        loggers.write_reserved(reservation, &world.allowed(), |_| true);
    }
    assert_eq!(sinks.stats()[0].dropped, 1);
    assert!(loggers.reserve().is_err());
}

#[test]
fn reserves_a_line_for_each_log_of_a_sink_and_none_for_logs_that_drop() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a.log", "b.log"].map(|name| dir.path().join(name));
    let sinks = Sinks::bounded(Bounds {
        lines: 5,
        bytes: 1 << 20,
    });
    let logs = [
        log(&a, Layout::Json, Overflow::Refuse),
        log(&a, Layout::Json, Overflow::Refuse),
        log(&b, Layout::Json, Overflow::DropAndCount),
    ];
    let loggers = sinks.loggers(&logs).unwrap();
    let held: Vec<_> = (0..3).filter_map(|_| loggers.reserve().ok()).collect();
    assert_eq!(held.len(), 2);
    drop(held);
    assert!(loggers.reserve().is_ok());
}

#[test]
fn each_log_tells_of_an_open_tunnel_in_its_own_time() {
    let dir = tempfile::tempdir().unwrap();
    let often = dir.path().join("often.log");
    let seldom = dir.path().join("seldom.log");
    let never = dir.path().join("never.log");
    let every = |path: &Path, seconds: Option<u64>| Log {
        open_tunnels: seconds.map(Duration::from_secs),
        ..log(path, Layout::Json, Overflow::DropAndCount)
    };
    let sinks = Sinks::new();
    let logs = [
        every(&often, Some(2)),
        every(&seldom, Some(5)),
        every(&never, None),
    ];
    let loggers = sinks.loggers(&logs).unwrap();
    assert_eq!(loggers.open_tunnels(), Some(Duration::from_secs(2)));
    let world = World::new();
    for second in 0..11 {
        let ages = (Duration::from_secs(second), Duration::from_secs(second + 1));
        loggers.write_open(&world.tunnel(), ages, |_| true);
    }
    assert_eq!(sinks.flush(LONG), 0);
    let lines = [often, seldom, never].map(|path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().count()
    });
    assert_eq!(lines, [5, 2, 0]);
}
