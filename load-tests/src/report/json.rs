//! The same for programs.

use serde_json::{Map, Value, json};

use super::Report;
use crate::summary::{Row, Summary};

pub(super) fn text(report: &Report) -> String {
    let machine = &report.machine;
    let versions: Map<_, _> = machine
        .versions
        .iter()
        .map(|(name, version)| ((*name).to_owned(), json!(version)))
        .collect();
    let all = json!({
        "date": machine.date,
        "processors": machine.processors,
        "kernel": machine.kernel,
        "versions": versions,
        "scenarios": report.summaries.iter().map(scenario).collect::<Vec<_>>(),
    });
    format!("{all:#}\n")
}

fn scenario(summary: &Summary) -> Value {
    let rows = summary.rows.iter();
    json!({
        "name": summary.name,
        "about": summary.about,
        "gateways": rows.map(|row| gateway(summary, row)).collect::<Vec<_>>(),
    })
}

fn gateway(summary: &Summary, row: &Row) -> Value {
    let figures = row.figures.iter().map(|(measure, spread)| {
        let figure = json!({
            "median": spread.median,
            "least": spread.least,
            "greatest": spread.greatest,
            "ratio": summary.ratio(row, *measure),
        });
        (measure.name().to_owned(), figure)
    });
    json!({
        "name": row.gateway,
        "figures": figures.collect::<Map<_, _>>(),
        "generatorWasTheLimit": row.limited,
    })
}
