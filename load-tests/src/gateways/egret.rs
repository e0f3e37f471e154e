//! Ours.

use std::fs;
use std::process::Command;

use super::{Gateway, Version, each};
use crate::setup::{LOST, Log, Work, spiffe};
use crate::site::Site;
use crate::tools::Tools;
use crate::trouble::{Trouble, trying};

const HTTP: &str = include_str!("../../configurations/egret.yaml");
const HOSTS: &str = include_str!("../../configurations/egret-hosts.yaml");
const PASSTHROUGH: &str = include_str!("../../configurations/egret-passthrough.yaml");

/// Of its configuration, in the site's.
const FOLDER: &str = "configuration";
/// Its files may have 16 MiB each.
const HOSTS_IN_A_FILE: usize = 500;

#[derive(Debug)]
pub(crate) struct Egret;

impl Gateway for Egret {
    fn name(&self) -> &'static str {
        "egret"
    }

    fn configure(&self, _: &Tools, site: &Site) -> Result<(), Trouble> {
        let folder = site.dir.join(FOLDER);
        trying(folder.display().to_string(), fs::create_dir_all(&folder))?;
        let template = match site.setup.work {
            Work::Http | Work::Grpc => HTTP,
            Work::Passthrough => PASSTHROUGH,
        };
        if site.setup.work != Work::Passthrough {
            let hosts: Vec<String> = site.setup.hosts().collect();
            for (at, some) in hosts.chunks(HOSTS_IN_A_FILE).enumerate() {
                let name = format!("{FOLDER}/hosts-{at:03}.yaml");
                site.write(&name, HOSTS, &host_words(site, some))?;
            }
        }
        let name = format!("{FOLDER}/egret.yaml");
        site.write(&name, template, &words(site)).map(|_| ())
    }

    fn command(&self, tools: &Tools, site: &Site) -> Option<Command> {
        let mut command = Command::new(&tools.egret);
        command
            .args(["run", "--threads", "1", "--config"])
            .arg(site.dir.join(FOLDER));
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
    let callers = each(site.setup.callers(), |caller| {
        format!("    - \"{}\"\n", spiffe(caller))
    });
    let logs = match site.setup.log {
        Log::File => format!("\n  - to: {{ file: \"{}\" }}", site.log().display()),
        Log::Pipe => "\n  - to: stdout".to_owned(),
        Log::Off => " off".to_owned(),
    };
    vec![("CALLERS", callers), ("LOGS", logs)]
}

fn host_words(site: &Site, hosts: &[String]) -> Vec<(&'static str, String)> {
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
    let (origin, roots) = (site.origin, site.origin_roots.display());
    let tls = format!("tls: {{ ca: \"{roots}\", sni: edition.cnn.com }}");
    let upstream = format!("{{ addresses: [\"{origin}\"], protocol: {protocol}, {tls} }}");
    let destinations = each(hosts.iter().cloned(), |host| {
        format!(
            "  - host: {host}\n    upstream: {upstream}\n    allowAddresses: [127.0.0.0/8]\n    routes:\n{routes}"
        )
    });
    let policies = each(hosts.iter().cloned(), |host| {
        format!("  - allow: {{ from: {{ list: callers }}, host: {host}, path: [{paths}{LOST}] }}\n")
    });
    vec![("DESTINATIONS", destinations), ("POLICIES", policies)]
}
