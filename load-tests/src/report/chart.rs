//! A chart: for each scenario the first measure that is a cost, of Envoy's.

use std::fmt::Write;

use super::Report;
use crate::figure::Measure;
use crate::summary::Summary;

const WIDTH: f64 = 860.0;
/// Where bars begin, and how long one of Envoy's length is.
const LEFT: f64 = 330.0;
const ONE: f64 = 260.0;
/// Longer ones are cut.
const LONGEST: f64 = 1.7;
const BAR: f64 = 13.0;
const GAP: f64 = 14.0;

/// By gateway; any other is grey.
const COLOURS: [(&str, &str); 5] = [
    ("envoy", "#8a8f98"),
    ("egret", "#0b7a75"),
    ("nginx", "#7aa95c"),
    ("haproxy", "#4c78a8"),
    ("pingora", "#e08e45"),
];

pub(super) fn svg(report: &Report) -> String {
    let mut body = String::new();
    let mut y = 54.0;
    for summary in &report.summaries {
        let Some(measure) = measure(summary) else {
            continue;
        };
        y = group(&mut body, summary, measure, y) + GAP;
    }
    let (machine, height) = (&report.machine, y + 10.0);
    let title = "Cost, Envoy as istio-egressgateway = 1 (less is better)";
    let where_and_when = escaped(&format!("{}, {}", machine.date, machine.processors));
    let line = LEFT + ONE;
    let bottom = height - 16.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"20\" font-size=\"15\">{title}</text>\n\
         <text x=\"12\" y=\"36\" fill=\"#666666\">{where_and_when}</text>\n\
         <line x1=\"{line}\" y1=\"46\" x2=\"{line}\" y2=\"{bottom}\" stroke=\"#bbbbbb\"/>\n\
         {body}</svg>\n"
    )
}

/// What a scenario is judged by.
fn measure(summary: &Summary) -> Option<Measure> {
    summary.measures().into_iter().find(|one| one.is_cost())
}

/// The bars of a scenario, from `y` on; where they end.
fn group(body: &mut String, summary: &Summary, measure: Measure, y: f64) -> f64 {
    let mut y = y;
    let about = escaped(&format!("{}, {}", summary.about, measure.name()));
    let bars = summary.rows.iter().filter_map(|row| {
        let ratio = summary.ratio(row, measure)?;
        Some((row.gateway, ratio, row.spread(measure)?.median))
    });
    let mut first = true;
    for (gateway, ratio, median) in bars {
        let base = y + BAR - 3.0;
        if first {
            let _ = writeln!(body, "<text x=\"12\" y=\"{base}\">{about}</text>");
            first = false;
        }
        let length = ratio.min(LONGEST) * ONE;
        let colour = COLOURS.iter().find(|(name, _)| *name == gateway);
        let colour = colour.map_or("#cccccc", |(_, colour)| *colour);
        let thick = BAR - 2.0;
        let _ = writeln!(
            body,
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{thick}\" fill=\"{colour}\"/>"
        );
        let x = LEFT + length + 5.0;
        let _ = writeln!(
            body,
            "<text x=\"{x:.1}\" y=\"{base}\">{gateway} {ratio:.2} ({median:.1})</text>"
        );
        y += BAR;
    }
    y
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
