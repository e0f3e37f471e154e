//! What has been found so far: problems, so that one never hides another, and
//! regular expressions, so that one is read once however often it is written.

use std::cell::RefCell;
use std::collections::HashMap;

use policy::origin::Origin;
use policy::pattern::{PathPattern, PatternError, Re2};

use crate::file::SourceFile;
use crate::problem::{Problem, Severity};

/// More errors than anybody mends in one go. A bound, so that a file of nonsense does
/// not become a report many times its size.
const MAX_PROBLEMS: usize = 500;
/// Longer lines are not shown: they are no help on a terminal.
const MAX_SHOWN_LINE: usize = 400;
/// Longer messages repeat too much of what was written.
const MAX_MESSAGE: usize = 1000;

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Ten thousand hosts often ask for the same paths.
    regexes: RefCell<HashMap<Box<str>, Re2>>,
    errors: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl Report {
    /// The configuration cannot be used.
    pub(crate) fn error(&self, origin: &Origin, message: impl Into<String>) {
        add(&self.errors, Severity::Error, origin, message.into());
    }

    /// The operator should know.
    pub(crate) fn warning(&self, origin: &Origin, message: impl Into<String>) {
        add(&self.warnings, Severity::Warning, origin, message.into());
    }

    /// The operator may want to know.
    pub(crate) fn note(&self, origin: &Origin, message: impl Into<String>) {
        add(&self.warnings, Severity::Note, origin, message.into());
    }

    /// Whether the configuration cannot be used.
    pub(crate) fn has_errors(&self) -> bool {
        self.error_count() > 0
    }

    /// How many errors there are, as far as they are counted.
    pub(crate) fn error_count(&self) -> usize {
        self.errors.borrow().len()
    }

    /// A regular expression for whole paths.
    ///
    /// # Errors
    /// As [`PathPattern::regex`].
    pub(crate) fn path_regex(&self, text: &str) -> Result<PathPattern, PatternError> {
        let mut known = self.regexes.borrow_mut();
        if let Some(regex) = known.get(text) {
            return Ok(PathPattern::Regex(regex.clone()));
        }
        let regex = Re2::parse(text)?;
        known.insert(text.into(), regex.clone());
        Ok(PathPattern::Regex(regex))
    }

    /// Every problem, by file in the order of `files`, then line and column, with
    /// the line it stands on. Places past the end of a file (where something was
    /// still expected) become its last line.
    pub(crate) fn finish(self, files: &[SourceFile]) -> Vec<Problem> {
        let order: HashMap<&str, usize> = files.iter().map(|f| &*f.name).zip(0..).collect();
        let place = |problem: &Problem| {
            let Origin { file, line, column } = &problem.origin;
            (order.get(&**file).copied(), *line, *column)
        };
        let mut problems = self.errors.into_inner();
        problems.append(&mut self.warnings.into_inner());
        problems.sort_by_key(place);
        problems.dedup();
        for of_file in problems.chunk_by_mut(|a, b| a.origin.file == b.origin.file) {
            let name = of_file.first().map(|problem| problem.origin.file.clone());
            if let Some(file) = files.iter().find(|file| Some(&file.name) == name.as_ref()) {
                show_lines(of_file, &file.text);
            }
        }
        problems
    }
}

fn add(to: &RefCell<Vec<Problem>>, severity: Severity, origin: &Origin, message: String) {
    let mut problems = to.borrow_mut();
    if problems.len() < MAX_PROBLEMS {
        problems.push(Problem {
            severity,
            origin: origin.clone(),
            message: shown(&message, MAX_MESSAGE),
            source_line: None,
        });
    }
}

/// A text that cannot steer the terminal it is shown on, cut at a length.
fn shown(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = chars.by_ref().take(most).map(plain).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

fn show_lines(problems: &mut [Problem], text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    let last = u32::try_from(lines.len()).unwrap_or(u32::MAX).max(1);
    for problem in problems {
        if problem.origin.line > last {
            problem.origin.line = last;
            problem.origin.column = 1;
        }
        let index = usize::try_from(problem.origin.line)
            .unwrap_or(1)
            .saturating_sub(1);
        problem.source_line = lines
            .get(index)
            .filter(|line| line.len() <= MAX_SHOWN_LINE)
            .map(|line| shown(line, MAX_SHOWN_LINE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u32) -> Origin {
        Origin::new("f", line, 3)
    }

    #[test]
    fn problems_come_in_the_order_of_the_file_with_their_lines() {
        let report = Report::default();
        report.warning(&place(2), "second");
        report.error(&place(1), "first");
        report.error(&place(1), "first");
        report.error(&place(9), "behind the end");
        let problems = report.finish(&[SourceFile::new("f", "one\n\ttwo\u{1b}\n")]);
        let told: Vec<_> = problems
            .iter()
            .map(|p| {
                (
                    p.origin.line,
                    p.origin.column,
                    &*p.message,
                    p.source_line.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (1, 3, "first", Some("one")),
                (2, 3, "second", Some(" two ")),
                (2, 1, "behind the end", Some(" two ")),
            ]
        );
    }

    #[test]
    fn a_file_of_nonsense_makes_a_report_of_bounded_size() {
        let text = "x".repeat(1 << 20);
        let report = Report::default();
        for _ in 0..10_000 {
            report.warning(&place(1), "a warning");
        }
        for line in 1..10_000 {
            report.error(&place(line), format!("`{text}\u{1b}`"));
        }
        assert!(report.has_errors());
        let problems = report.finish(&[SourceFile::new("f", text)]);
        assert!(problems.len() <= 2 * MAX_PROBLEMS);
        assert!(
            problems
                .iter()
                .all(|p| p.message.len() < 2 * MAX_MESSAGE && p.source_line.is_none())
        );
    }
}
