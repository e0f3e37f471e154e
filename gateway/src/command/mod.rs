//! The commands of `egret`, one file each.

mod check;
mod convert;
mod demo;
mod explain;
mod explain_tunnel;
mod run;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::load::Source;

/// A hardened egress gateway: the one door through which a mesh's traffic leaves.
#[derive(Debug, Parser)]
#[command(name = "egret", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve.
    Run(run::RunArgs),
    /// Say everything that is wrong with a configuration.
    Check(ConfigArgs),
    /// Print a configuration in the native format, Istio's objects included.
    Convert(ConfigArgs),
    /// Say how a request would be decided, and why.
    Explain(explain::ExplainArgs),
    /// Run policy cases against a configuration.
    Test(test::TestArgs),
    /// Watch the gateway decide and log, with a mesh and origins on loopback.
    Demo(demo::DemoArgs),
}

/// The mesh's trust domain where a configuration names none.
const LOCAL: &str = "cluster.local";

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
struct ConfigArgs {
    /// A file, or a folder of `*.yaml` files; may be given several times.
    #[arg(long, short, required = true)]
    config: Vec<PathBuf>,
    /// The namespace of objects that name none.
    #[arg(long, short, default_value = "default")]
    namespace: String,
}

impl ConfigArgs {
    fn source(&self) -> Source {
        Source {
            paths: self.config.clone(),
            namespace: Some(self.namespace.clone()),
        }
    }
}

/// Runs the command the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::check(&args),
        Command::Convert(args) => convert::convert(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Test(args) => test::test(&args),
        Command::Demo(args) => demo::demo(&args),
    }
}

/// Operational events go to standard error; access lines are no events.
/// `EGRET_LOG` says otherwise than `standard`.
fn narrate(standard: &str) {
    let filter = EnvFilter::try_from_env("EGRET_LOG").unwrap_or_else(|_| EnvFilter::new(standard));
    // Fails only if somebody narrates already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
}
