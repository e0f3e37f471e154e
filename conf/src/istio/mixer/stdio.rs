//! `stdio`: where lines go, and what level they have.

use std::path::PathBuf;

use policy::origin::Origin;

use crate::fields::Fields;
use crate::istio::proto::{choice, choice_of};
use crate::node::{Node, Value};
use crate::report::Report;
use crate::snapshot::{Level, Rotate, Sink};

const LEVELS: [(&str, u8, Level); 3] = [
    ("INFO", 0, Level::Info),
    ("WARNING", 1, Level::Warn),
    ("ERROR", 2, Level::Error),
];

/// Severities that have a level without a word.
const SEVERITIES: [(Level, &[&str]); 3] = [
    (
        Level::Info,
        &["INFORMATIONAL", "informational", "INFO", "info"],
    ),
    (Level::Warn, &["WARNING", "warning", "WARN", "warn"]),
    (
        Level::Error,
        &["ERROR", "error", "ERR", "err", "FATAL", "fatal"],
    ),
];

const MEGABYTE: u64 = 1024 * 1024;

/// Which of the streams.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
    File,
    RotatedFile,
}

const STREAMS: [(&str, u8, Stream); 4] = [
    ("STDOUT", 0, Stream::Stdout),
    ("STDERR", 1, Stream::Stderr),
    ("FILE", 2, Stream::File),
    ("ROTATED_FILE", 3, Stream::RotatedFile),
];

/// How lines are written.
#[derive(Clone, Debug)]
pub(super) struct Stdio {
    /// Laid over what severities are without a word.
    severities: Vec<(Box<str>, Level)>,
    least: Level,
    pub(super) sink: Sink,
}

impl Stdio {
    pub(super) fn read(fields: &Fields<'_>) -> Option<Self> {
        let report = fields.report;
        let severities = fields.take("severityLevels");
        // Metrics are not lines here.
        choice(fields, "metricLevel", &LEVELS);
        if let Some(entry) = fields.entry("outputAsJson")
            && fields.truth("outputAsJson") == Some(false)
        {
            let message = "lines are written as JSON: delete `outputAsJson`, or write native `logs` with `format: istio` for text";
            report.error(&entry.origin, message);
        }
        Some(Self {
            severities: severities.map_or_else(Vec::new, |node| levels(node, report)),
            least: choice(fields, "outputLevel", &LEVELS).unwrap_or(Level::Info),
            sink: sink(fields)?,
        })
    }

    /// The level of a severity. One that nobody knows is `info`.
    pub(super) fn level(&self, severity: &str) -> Level {
        let own = self.severities.iter().find(|(name, _)| **name == *severity);
        let usual = || {
            SEVERITIES
                .iter()
                .find(|(_, names)| names.contains(&severity))
        };
        own.map(|(_, level)| *level)
            .or_else(|| usual().map(|(level, _)| *level))
            .unwrap_or(Level::Info)
    }

    /// Whether lines of a level are written at all.
    pub(super) fn writes(&self, level: Level) -> bool {
        let rank = |level| LEVELS.iter().position(|(_, _, known)| *known == level);
        rank(level) >= rank(self.least)
    }
}

fn levels(node: &Node, report: &Report) -> Vec<(Box<str>, Level)> {
    let Value::Map(entries) = &node.value else {
        let message = format!(
            "found {} where a map `severity: LEVEL` belongs",
            node.kind()
        );
        report.error(&node.origin, message);
        return Vec::new();
    };
    let level = |entry: &crate::node::Entry| {
        Some((entry.key.clone(), choice_of(&entry.node, report, &LEVELS)?))
    };
    entries.iter().filter_map(level).collect()
}

fn sink(fields: &Fields<'_>) -> Option<Sink> {
    let stream = choice(fields, "logStream", &STREAMS).unwrap_or(Stream::Stdout);
    let path = fields.text("outputPath").filter(|path| !path.is_empty());
    let rotate = rotation(fields, stream);
    let file = |rotate| {
        if path.is_none() {
            let message =
                "`outputPath` is missing: write such as `outputPath: /var/log/egress.log`";
            fields.report.error(fields.origin(), message);
        }
        let path = PathBuf::from(path?);
        Some(Sink::File { path, rotate })
    };
    match stream {
        Stream::Stdout => Some(Sink::Stdout),
        Stream::Stderr => Some(Sink::Stderr),
        Stream::File => file(None),
        Stream::RotatedFile => file(Some(rotate)),
    }
}

/// Mixer read the number of files as their age, and the age as their number;
/// here each means what its name says.
fn rotation(fields: &Fields<'_>, stream: Stream) -> Rotate {
    let megabytes = fields.number("maxMegabytesBeforeRotation", 1..=1_000_000_u64);
    let keep = fields.number("maxRotatedFiles", 1..=10_000);
    if let Some(entry) = fields.entry("maxDaysBeforeRotation")
        && stream == Stream::RotatedFile
    {
        let message =
            "files are rotated by their size alone: `maxDaysBeforeRotation` has no effect";
        fields.report.warning(&entry.origin, message);
    }
    Rotate {
        size: megabytes.unwrap_or(100).saturating_mul(MEGABYTE),
        keep: keep.unwrap_or(1000),
    }
}

/// Handlers that write to one file must agree on its rotation.
pub(super) fn refuse_contradiction<'s>(
    all: impl Iterator<Item = (&'s Stdio, &'s Origin)>,
    report: &Report,
) {
    let mut files: Vec<(&Stdio, &Origin)> = Vec::new();
    for (stdio, origin) in all {
        let Sink::File { path, .. } = &stdio.sink else {
            continue;
        };
        let same = |(other, _): &&(&Stdio, &Origin)| matches!(&other.sink, Sink::File { path: file, .. } if file == path);
        match files.iter().find(same) {
            Some((other, there)) if other.sink != stdio.sink => {
                let message = format!(
                    "this file is rotated in another way by the handler at {there}: write the same rotation"
                );
                report.error(origin, message);
            }
            _ => files.push((stdio, origin)),
        }
    }
}
