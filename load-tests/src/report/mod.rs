//! What a run leaves: a table on the screen, and files.

mod chart;
mod json;
mod machine;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) use machine::Machine;

use crate::summary::Summary;
use crate::trouble::{Trouble, trying};

/// All that was measured, and on what.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) summaries: Vec<Summary>,
}

impl Report {
    /// For people.
    pub(crate) fn table(&self) -> String {
        table::text(self)
    }

    /// Writes `results.json`, `results.md` and `chart.svg` below `target`; where.
    pub(crate) fn write(&self, target: &Path) -> Result<PathBuf, Trouble> {
        let dir = target.join("load-tests");
        trying(dir.display().to_string(), fs::create_dir_all(&dir))?;
        let files = [
            ("results.json", json::text(self)),
            ("results.md", table::markdown(self)),
            ("chart.svg", chart::svg(self)),
        ];
        for (name, text) in files {
            let file = dir.join(name);
            trying(file.display().to_string(), fs::write(&file, text))?;
        }
        Ok(dir)
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
