//! The small table: who asked for what, and what became of it.

use std::fmt::Write as _;

use super::records::Told;
use super::script::{Outcome, Scene, Step};

const HEAD: [&str; 5] = ["WHO", "WHAT", "VERDICT", "STATUS", "RULE OR REASON"];

/// A step and what became of it.
#[derive(Debug)]
pub(super) struct Row {
    step: Step,
    told: Option<Told>,
}

impl Row {
    pub(super) fn new(step: Step, told: Option<Told>) -> Self {
        Self { step, told }
    }

    pub(super) fn is_as_expected(&self) -> bool {
        self.told
            .as_ref()
            .is_some_and(|told| told.outcome == self.step.expected)
    }

    fn cells(&self) -> [String; 5] {
        let Step {
            who,
            host,
            target,
            expected,
        } = &self.step;
        let [verdict, status, mut why] = match &self.told {
            Some(told) => verdict(&told.outcome, told.origin.as_deref()),
            None => ["no record", "", ""].map(str::to_owned),
        };
        if !self.is_as_expected() {
            why.push_str(&format!("  <- expected {}", verdict_of(expected)));
        }
        [
            who.label().to_owned(),
            format!("GET http://{host}{target}"),
            verdict,
            status,
            why,
        ]
    }
}

fn verdict_of(outcome: &Outcome) -> String {
    verdict(outcome, None).join(" ")
}

/// Verdict, status, and the rule or reason behind them.
fn verdict(outcome: &Outcome, origin: Option<&str>) -> [String; 3] {
    let Outcome {
        verdict,
        status,
        rule,
        reason,
    } = outcome;
    let origin = origin
        .map(|place| format!(" ({place})"))
        .unwrap_or_default();
    let why = match (rule, reason) {
        (Some(rule), None) => format!("{rule}{origin}"),
        (Some(rule), Some(reason)) => format!("{rule}{origin}, {reason}"),
        (None, Some(reason)) => reason.clone(),
        (None, None) => "by default".to_owned(),
    };
    let status = status.map_or("-".to_owned(), |status| status.to_string());
    [verdict.clone(), status, why]
}

/// Scenes under one head.
pub(super) fn render(scenes: &[Scene<Row>]) -> String {
    let head = HEAD.map(str::to_owned);
    let rows: Vec<Vec<_>> = scenes
        .iter()
        .map(|scene| scene.parts.iter().map(Row::cells).collect())
        .collect();
    let mut widths = [0; 5];
    for cells in rows.iter().flatten().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = line(&head, &widths);
    for (scene, rows) in scenes.iter().zip(&rows) {
        out.push_str(&format!("\n# {}\n", scene.title));
        out.extend(rows.iter().map(|cells| line(cells, &widths)));
    }
    out
}

fn line(cells: &[String; 5], widths: &[usize; 5]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        // Writing to a string cannot fail.
        let _ = write!(line, "{cell:width$}  ");
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::super::script::scenes;
    use super::*;

    fn row(told: Option<Outcome>) -> Row {
        let step = scenes().remove(0).parts.remove(0);
        Row::new(
            step,
            told.map(|outcome| Told {
                outcome,
                origin: Some("demo.yaml:7".to_owned()),
            }),
        )
    }

    fn scene(row: Row) -> Scene<Row> {
        Scene {
            title: "a title",
            parts: vec![row],
        }
    }

    #[test]
    fn columns_stand_under_their_heads() {
        let expected = row(None).step.expected;
        let table = render(&[scene(row(Some(expected)))]);
        let lines: Vec<_> = table.lines().filter(|line| line.contains("  ")).collect();
        for (head, cell) in [
            ("WHAT", "GET"),
            ("VERDICT", "deny"),
            ("STATUS", "403"),
            ("RULE", "path-"),
        ] {
            assert_eq!(lines[0].find(head), lines[1].find(cell), "{table}");
        }
        assert!(lines[1].ends_with("istio-system (demo.yaml:7)"), "{table}");
    }

    #[test]
    fn what_is_not_as_expected_says_so() {
        let wrong = Outcome {
            status: Some(200),
            ..row(None).step.expected
        };
        let row = row(Some(wrong));
        assert!(!row.is_as_expected());
        let table = render(&[scene(row)]);
        assert!(
            table.contains("<- expected deny 403 path-checker"),
            "{table}"
        );
    }

    #[test]
    fn an_attempt_without_record_is_never_as_expected() {
        let row = row(None);
        assert!(!row.is_as_expected());
        assert!(render(&[scene(row)]).contains("no record"));
    }
}
