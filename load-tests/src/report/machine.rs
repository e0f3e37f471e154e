//! On what it was measured.

use std::fs;
use std::process::Command;

use crate::gateways::Gateway;
use crate::tools::Tools;

/// The machine, the day and the versions.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) processors: String,
    pub(crate) kernel: String,
    /// By gateway.
    pub(crate) versions: Vec<(&'static str, String)>,
}

impl Machine {
    pub(crate) fn look(tools: &Tools, gateways: &[&'static dyn Gateway]) -> Self {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        // Not those this process may use: it is kept on one by now.
        let count = cpus.lines().filter(|l| l.starts_with("processor")).count();
        let model = cpus.lines().find_map(|l| l.strip_prefix("model name"));
        let model = model.and_then(|line| line.split_once(": "));
        let model = model.map_or("unknown", |(_, name)| name);
        Self {
            date: said("date", &["--utc", "+%Y-%m-%d"]),
            processors: format!("{count} × {model}"),
            kernel: said("uname", &["-sr"]),
            versions: gateways
                .iter()
                .map(|gateway| (gateway.name(), gateway.version(tools).text()))
                .collect(),
        }
    }
}

fn said(program: &str, options: &[&str]) -> String {
    let output = Command::new(program).args(options).output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}
