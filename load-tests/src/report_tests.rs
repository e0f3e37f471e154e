use super::*;
use crate::spread::Spread;

fn summary(kind: Kind, protocol: Protocol, micros: f64) -> Summary {
    let micros = Spread::of(&[micros]).unwrap();
    Summary {
        kind,
        protocol,
        requests: 1000,
        micros,
    }
}

fn footprint(kind: Kind, idle_kib: f64, millis: u64, logged: u64) -> Footprint {
    let start_up = Duration::from_millis(millis);
    Footprint {
        kind,
        idle_kib,
        start_up,
        answered: 1000,
        logged,
    }
}

fn report(micros: f64, idle_kib: f64, millis: u64, logged: u64) -> Report {
    Report {
        summaries: vec![
            summary(Kind::Envoy, Protocol::Http1, 80.0),
            summary(Kind::Egret, Protocol::Http1, micros),
            summary(Kind::Envoy, Protocol::Http2, 50.0),
            summary(Kind::Egret, Protocol::Http2, 45.0),
        ],
        // Envoy has no limits to keep.
        gateways: vec![
            footprint(Kind::Envoy, 99.0, 5000, 1000),
            footprint(Kind::Egret, idle_kib, millis, logged),
        ],
    }
}

#[test]
fn a_limit_that_is_reached_is_kept() {
    assert_eq!(
        report(44.0, 40.0, 1000, 1000).missed(),
        Vec::<String>::new()
    );
}

#[test]
fn says_each_limit_that_is_missed() {
    let missed = report(48.0, 40.3, 1001, 990).missed();
    assert_eq!(
        missed,
        [
            "Egret takes 0.60 × Envoy's CPU for HTTP/1.1; the limit is 0.55 ×",
            "Egret logged 990 lines for 1000 requests",
            "Egret holds 40.3 KiB for an idle connection; the limit is 40 KiB",
            "Egret took 1001 ms to be ready; the limit is one second",
        ]
    );
}

#[test]
fn compares_with_envoy_on_the_same_protocol() {
    let tables = report(40.0, 30.0, 90, 1000).tables();
    let rows: Vec<&str> = tables
        .lines()
        .filter(|line| line.starts_with("Egret"))
        .collect();
    assert!(
        rows.iter()
            .any(|row| row.contains("HTTP/1.1") && row.ends_with("0.50")),
        "{tables}"
    );
    assert!(
        rows.iter()
            .any(|row| row.contains("HTTP/2") && row.ends_with("0.90")),
        "{tables}"
    );
}
