//! What a suite found, held against what is known and explained.
//!
//! `integration-tests/suites/NAME.txt` has a line `ID: reason` for each finding
//! that stands. A finding without a line fails, and so does a line without its
//! finding.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// What came of a suite.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Its name, and that of its file of explanations.
    pub(crate) suite: &'static str,
    /// The program's version.
    pub(crate) version: String,
    /// How many of its checks passed.
    pub(crate) passed: usize,
    /// What did not pass: an id that is the same in each run, and words.
    pub(crate) findings: BTreeMap<String, String>,
}

/// An outcome beside what is explained.
#[derive(Debug)]
pub(crate) struct Verdict {
    outcome: Outcome,
    explained: BTreeMap<String, String>,
}

impl Verdict {
    /// Beside what is explained of this suite.
    pub(crate) fn of(outcome: Outcome) -> Self {
        let text = fs::read_to_string(explanations(outcome.suite)).unwrap_or_default();
        Self::beside(outcome, &text)
    }

    fn beside(outcome: Outcome, text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once(": "));
        let explained = pairs
            .map(|(id, reason)| (id.to_owned(), reason.to_owned()))
            .collect();
        Self { outcome, explained }
    }

    /// Findings that nothing explains.
    fn unexplained(&self) -> impl Iterator<Item = (&String, &String)> {
        let known = |id: &String| self.explained.contains_key(id);
        self.outcome
            .findings
            .iter()
            .filter(move |(id, _)| !known(id))
    }

    /// Explanations of what is not found any more.
    fn outlived(&self) -> impl Iterator<Item = &String> {
        let found = |id: &&String| self.outcome.findings.contains_key(*id);
        self.explained.keys().filter(move |id| !found(id))
    }

    /// Whether all is as explained.
    pub(crate) fn holds(&self) -> bool {
        self.unexplained().next().is_none() && self.outlived().next().is_none()
    }

    /// A row of the table.
    pub(crate) fn row(&self) -> String {
        let failed = self.unexplained().count() + self.outlived().count();
        let explained = self.outcome.findings.len() - self.unexplained().count();
        let Outcome {
            suite,
            version,
            passed,
            ..
        } = &self.outcome;
        format!("| {suite} | {version} | {passed} | {failed} | {explained} |\n")
    }

    /// Every finding in words.
    pub(crate) fn words(&self) -> String {
        let suite = self.outcome.suite;
        let known = self.outcome.findings.keys().filter_map(|id| {
            let reason = self.explained.get(id)?;
            Some(format!("{suite}: explained: {id}: {reason}\n"))
        });
        let new = self
            .unexplained()
            .map(|(id, what)| format!("{suite}: FAILED: {id}: {what}\n"));
        let gone = self
            .outlived()
            .map(|id| format!("{suite}: FAILED: {id} is explained and not found any more\n"));
        known.chain(new).chain(gone).collect()
    }
}

fn explanations(suite: &str) -> PathBuf {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/suites"));
    folder.join(suite).with_extension("txt")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(found: &[&str], explained: &str) -> bool {
        let findings = found.iter().map(|id| ((*id).to_owned(), String::new()));
        let outcome = Outcome {
            suite: "some",
            version: String::new(),
            passed: 0,
            findings: findings.collect(),
        };
        Verdict::beside(outcome, explained).holds()
    }

    #[test]
    fn findings_and_explanations_must_be_the_same() {
        let explained = "# why\na: reason: more\nb 2: reason\n";
        assert!(holds(&["a", "b 2"], explained));
        assert!(!holds(&["a", "b 2", "c"], explained), "a new finding");
        assert!(
            !holds(&["a"], explained),
            "an explanation that has outlived its finding"
        );
    }
}
