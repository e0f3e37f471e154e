//! The three forms of one report.

use serde_json::Value;

use super::{Machine, Report, chart, json, table};
use crate::figure::Measure;
use crate::spread::Spread;
use crate::summary::{Row, Summary};

fn row(gateway: &'static str, cpu: f64) -> Row {
    Row {
        gateway,
        figures: vec![
            (Measure::CpuPerRequest, Spread::of(&[cpu]).unwrap()),
            (Measure::Rate, Spread::of(&[10_000.0]).unwrap()),
        ],
        limited: (gateway == "none").then(|| "it was full".to_owned()),
    }
}

fn report() -> Report {
    let mut none = row("none", 0.0);
    none.figures.remove(0);
    Report {
        machine: Machine {
            date: "2026-01-01".to_owned(),
            processors: "2 × A&B".to_owned(),
            kernel: "Linux 6".to_owned(),
            versions: vec![("envoy", "1.40".to_owned())],
        },
        summaries: vec![Summary {
            name: "h1-1k",
            about: "GET < 1 KiB",
            rows: vec![row("envoy", 80.0), row("egret", 20.0), none],
        }],
    }
}

#[test]
fn a_table_has_a_line_for_each_gateway_with_its_ratio() {
    let text = table::text(&report());
    let egret = text.lines().find(|line| line.contains("egret")).unwrap();
    assert!(egret.contains("0.25") && egret.contains("20.0"), "{text}");
    let none = text.lines().find(|line| line.contains("none")).unwrap();
    assert!(none.contains('–'), "{text}");
    assert!(text.contains("none: the generator was the limit: it was full"));
}

#[test]
fn a_document_says_when_and_on_what() {
    let text = table::markdown(&report());
    assert!(text.starts_with("2026-01-01, 2 × A&B, Linux 6"), "{text}");
    assert!(text.contains("- envoy: 1.40"));
    assert!(
        text.contains("| egret | 0.25 | 20.0 (20.0–20.0) |"),
        "{text}"
    );
}

#[test]
fn json_has_every_figure_and_null_where_there_is_none() {
    let all: Value = serde_json::from_str(&json::text(&report())).unwrap();
    let gateways = &all["scenarios"][0]["gateways"];
    let figure = &gateways[1]["figures"]["CPU µs/request"];
    assert_eq!(figure["median"], 20.0);
    assert_eq!(figure["ratio"], 0.25);
    assert_eq!(gateways[0]["generatorWasTheLimit"], Value::Null);
    assert_eq!(gateways[2]["generatorWasTheLimit"], "it was full");
}

#[test]
fn a_chart_has_a_bar_for_each_cost_and_no_stray_markup() {
    let svg = chart::svg(&report());
    assert_eq!(svg.matches("<rect x=").count(), 2, "{svg}");
    assert!(
        svg.contains("GET &lt; 1 KiB") && svg.contains("A&amp;B"),
        "{svg}"
    );
    assert!(svg.contains("egret 0.25 (20.0)"), "{svg}");
}
