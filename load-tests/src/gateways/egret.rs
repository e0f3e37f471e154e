//! Ours.

use std::process::Command;

use super::{Gateway, Version, each};
use crate::setup::{LOST, Log, Work, spiffe};
use crate::site::Site;
use crate::tools::Tools;
use crate::trouble::Trouble;

const HTTP: &str = include_str!("../../configurations/egret.yaml");
const PASSTHROUGH: &str = include_str!("../../configurations/egret-passthrough.yaml");

#[derive(Debug)]
pub(crate) struct Egret;

impl Gateway for Egret {
    fn name(&self) -> &'static str {
        "egret"
    }

    fn configure(&self, _: &Tools, site: &Site) -> Result<(), Trouble> {
        let template = match site.setup.work {
            Work::Http | Work::Grpc => HTTP,
            Work::Passthrough => PASSTHROUGH,
        };
        site.write("egret.yaml", template, &words(site)).map(|_| ())
    }

    fn command(&self, tools: &Tools, site: &Site) -> Option<Command> {
        let mut command = Command::new(&tools.egret);
        command
            .args(["run", "--threads", "1", "--config"])
            .arg(site.dir.join("egret.yaml"));
        Some(command)
    }

    fn reload_signal(&self) -> Option<&'static str> {
        Some("HUP")
    }

    fn version(&self, tools: &Tools) -> Version {
        Version::Asked(tools.egret.clone(), "--version")
    }
}

fn words(site: &Site) -> Vec<(&'static str, String)> {
    let setup = &site.setup;
    let routes = each(setup.routes(), |route| {
        format!("      - {{ regex: \"{route}\", timeout: 15s }}\n")
    });
    let paths = each(setup.routes(), |route| {
        format!("{{ regex: \"{route}\" }}, ")
    });
    let protocol = match setup.work {
        Work::Grpc => "h2",
        Work::Http | Work::Passthrough => "http1",
    };
    let origin = site.origin;
    let roots = site.origin_roots.display();
    let destinations = each(setup.hosts(), |host| {
        let tls = format!("tls: {{ ca: \"{roots}\", sni: edition.cnn.com }}");
        format!(
            "  - host: {host}\n    upstream: {{ addresses: [\"{origin}\"], protocol: {protocol}, {tls} }}\n    allowAddresses: [127.0.0.0/8]\n    routes:\n{routes}"
        )
    });
    let policies = each(setup.hosts(), |host| {
        format!("  - allow: {{ from: {{ list: callers }}, host: {host}, path: [{paths}{LOST}] }}\n")
    });
    let callers = each(setup.callers(), |caller| {
        format!("    - \"{}\"\n", spiffe(caller))
    });
    let logs = match setup.log {
        Log::File => format!("\n  - to: {{ file: \"{}\" }}", site.log().display()),
        Log::Pipe => "\n  - to: stdout".to_owned(),
        Log::Off => " []".to_owned(),
    };
    vec![
        ("DESTINATIONS", destinations),
        ("POLICIES", policies),
        ("CALLERS", callers),
        ("LOGS", logs),
    ]
}
