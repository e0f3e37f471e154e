//! Tables: one for each scenario, a line for each gateway.

use super::Report;
use crate::figure::Measure;
use crate::spread::Spread;
use crate::summary::{Row, Summary};

/// For a screen.
pub(super) fn text(report: &Report) -> String {
    let tables = report.summaries.iter().map(|summary| {
        let rows = cells(summary);
        let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len))
            .map(|column| width(&rows, column))
            .collect();
        let lines = rows.iter().map(|row| aligned(row, &widths));
        let lines: Vec<_> = lines.chain(notes(summary)).collect();
        format!(
            "{}: {}\n{}\n",
            summary.name,
            summary.about,
            lines.join("\n")
        )
    });
    tables.collect::<Vec<_>>().join("\n")
}

/// For a document.
pub(super) fn markdown(report: &Report) -> String {
    let machine = &report.machine;
    let mut text = format!(
        "{}, {}, {}\n\n",
        machine.date, machine.processors, machine.kernel
    );
    for (name, version) in &machine.versions {
        text.push_str(&format!("- {name}: {version}\n"));
    }
    for summary in &report.summaries {
        text.push_str(&format!("\n**{}**: {}\n\n", summary.name, summary.about));
        for (at, row) in cells(summary).iter().enumerate() {
            text.push_str(&format!("| {} |\n", row.join(" | ")));
            if at == 0 {
                let rules = row.iter().map(|_| "---").collect::<Vec<_>>();
                text.push_str(&format!("|{}|\n", rules.join("|")));
            }
        }
        for note in notes(summary) {
            text.push_str(&format!("\n{}\n", note.trim()));
        }
    }
    text
}

/// A head, then the gateways: name, ratio of the first measure, every measure.
fn cells(summary: &Summary) -> Vec<Vec<String>> {
    let measures = summary.measures();
    let mut head = vec!["gateway".to_owned(), "of Envoy".to_owned()];
    head.extend(measures.iter().map(|measure| measure.name().to_owned()));
    let rows = summary.rows.iter().map(|row| line(summary, row, &measures));
    [head].into_iter().chain(rows).collect()
}

fn line(summary: &Summary, row: &Row, measures: &[Measure]) -> Vec<String> {
    let first = measures.first();
    let ratio = first.and_then(|measure| summary.ratio(row, *measure));
    let ratio = ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
    let mark = if row.limited.is_some() { " *" } else { "" };
    let mut line = vec![format!("{}{mark}", row.gateway), ratio];
    line.extend(measures.iter().map(|measure| {
        let spread = row.spread(*measure);
        spread.map_or("–".to_owned(), |spread| value(*measure, spread))
    }));
    line
}

fn value(measure: Measure, spread: Spread) -> String {
    match measure {
        Measure::CpuPerGib => format!("{spread:.2}"),
        Measure::CpuPerRequest | Measure::MemoryAtRest | Measure::MemoryPerConnection => {
            format!("{spread:.1}")
        }
        _ => format!("{spread:.0}"),
    }
}

fn notes(summary: &Summary) -> impl Iterator<Item = String> {
    summary.rows.iter().filter_map(|row| {
        let limited = row.limited.as_ref()?;
        let gateway = row.gateway;
        Some(format!(
            "* {gateway}: the generator was the limit: {limited}"
        ))
    })
}

fn width(rows: &[Vec<String>], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

fn aligned(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).enumerate();
    let cells = cells.map(|(at, (cell, width))| match at {
        0 => format!("  {cell:width$}"),
        _ => format!("{cell:>width$}"),
    });
    cells.collect::<Vec<_>>().join("  ")
}
