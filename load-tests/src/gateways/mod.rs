//! The gateways compared, one file each. What differs between them ends there.
//!
//! A new one is a file and a line in [`ALL`].

mod bare;
mod egret;
mod envoy;
mod haproxy;
mod nginx;
mod none;
mod running;

use std::fmt::Debug;
use std::path::PathBuf;
use std::process::Command;

pub(crate) use bare::{Place as BarePlace, serve as serve_bare};
pub(crate) use running::Running;

use crate::setup::Setup;
use crate::site::Site;
use crate::tools::Tools;
use crate::trouble::Trouble;

/// All, in the order of rounds and tables.
pub(crate) const ALL: [&dyn Gateway; 6] = [
    &envoy::Envoy,
    &egret::Egret,
    &nginx::Nginx,
    &haproxy::Haproxy,
    &bare::Bare,
    &none::Nothing,
];

/// With whom the others are compared.
pub(crate) const REFERENCE: &str = "envoy";

/// One kind of gateway: one worker, and all that a site says it is to do.
pub(crate) trait Gateway: Sync + Debug {
    /// As it is written in tables and on the command line.
    fn name(&self) -> &'static str;

    /// Whether it can do this at all.
    fn suits(&self, setup: &Setup) -> bool {
        let _ = setup;
        true
    }

    /// Whether it refuses what it must, and logs what it does.
    fn decides(&self) -> bool {
        true
    }

    /// Writes its configuration, or writes it anew for a reload.
    fn configure(&self, tools: &Tools, site: &Site) -> Result<(), Trouble>;

    /// What starts it; `None`: there is nothing to start.
    fn command(&self, tools: &Tools, site: &Site) -> Option<Command>;

    /// Where its access log is found, if it is a file.
    fn log(&self, site: &Site) -> PathBuf {
        site.log()
    }

    /// The signal that makes it look at its configuration; `None`: it looks by itself.
    fn reload_signal(&self) -> Option<&'static str> {
        None
    }

    /// What prints its version, or the version.
    fn version(&self, tools: &Tools) -> Version;
}

/// How a version is known.
#[derive(Debug)]
pub(crate) enum Version {
    Said(String),
    Asked(PathBuf, &'static str),
}

impl Version {
    /// The first line with a digit in it that is said.
    pub(crate) fn text(self) -> String {
        let (program, option) = match self {
            Self::Said(text) => return text,
            Self::Asked(program, option) => (program, option),
        };
        let Ok(output) = Command::new(&program).arg(option).output() else {
            return "unknown".to_owned();
        };
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let line = said
            .lines()
            .find(|line| line.contains(|c: char| c.is_ascii_digit()));
        // Some begin with the path they were started by, which is of this machine.
        let path = program.display().to_string();
        let line = line.unwrap_or("unknown").trim();
        line.strip_prefix(&*path)
            .unwrap_or(line)
            .trim_start()
            .to_owned()
    }
}

/// Joins the pieces that a configuration has for each host, route or caller.
fn each(items: impl Iterator<Item = String>, one: impl Fn(&str) -> String) -> String {
    items.map(|item| one(&item)).collect()
}
