//! HAProxy. Debian's cannot read a SPIFFE id out of a certificate, so callers are
//! told apart by fingerprint. It logs to standard output, a line at a time.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Gateway, Version, each};
use crate::setup::{Log, Setup, Work};
use crate::site::Site;
use crate::tools::Tools;
use crate::trouble::{Trouble, trying};

const HTTP: &str = include_str!("../../configurations/haproxy-http.cfg");
const BACKEND: &str = include_str!("../../configurations/haproxy-backend.cfg");
const PASSTHROUGH: &str = include_str!("../../configurations/haproxy-tcp.cfg");

#[derive(Debug)]
pub(crate) struct Haproxy;

impl Gateway for Haproxy {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn configure(&self, _: &Tools, site: &Site) -> Result<(), Trouble> {
        let setup = &site.setup;
        // It reads a chain and its key from one file.
        let both = [&site.chain, &site.key].map(fs::read_to_string);
        let both: String = trying("the gateway's certificate", both.into_iter().collect())?;
        site.write("gateway.pem", &both, &[])?;
        let prints = site.fingerprints();
        let callers = each(prints, |print| format!("{}\n", print.to_uppercase()));
        site.write("callers.lst", &callers, &[])?;
        let hosts = each(setup.hosts(), |host| format!("{host} {host}\n"));
        site.write("hosts.map", &hosts, &[])?;
        let paths = each(setup.routes(), |route| format!("^{route}$\n"));
        site.write("paths.lst", &paths, &[])?;
        let template = match setup.work {
            Work::Http | Work::Grpc => HTTP,
            Work::Passthrough => PASSTHROUGH,
        };
        let words = words(setup, site);
        site.write("haproxy.cfg", template, &words).map(|_| ())
    }

    fn command(&self, tools: &Tools, site: &Site) -> Option<Command> {
        let mut command = Command::new(&tools.haproxy);
        if site.setup.reloads {
            command.arg("-W");
        }
        command
            .args(["-db", "-f"])
            .arg(site.dir.join("haproxy.cfg"));
        Some(command)
    }

    fn log(&self, site: &Site) -> PathBuf {
        site.dir.join("stdout")
    }

    fn reload_signal(&self) -> Option<&'static str> {
        Some("USR2")
    }

    fn version(&self, tools: &Tools) -> Version {
        Version::Asked(tools.haproxy.clone(), "-v")
    }
}

fn words(setup: &Setup, site: &Site) -> Vec<(&'static str, String)> {
    let alpn = match setup.work {
        Work::Grpc => "h2",
        Work::Http | Work::Passthrough => "http/1.1",
    };
    let backends = each(setup.hosts(), |host| {
        BACKEND.replace("@HOST@", host).replace("@ALPN@", alpn)
    });
    let log = match setup.log {
        Log::File | Log::Pipe => "log stdout len 4096 format raw local0 info",
        Log::Off => "",
    };
    vec![
        ("BACKENDS", backends),
        ("ACCESS_LOG", log.to_owned()),
        ("DIR", site.dir.display().to_string()),
        ("ORIGIN", site.origin.to_string()),
        ("ORIGIN_ROOTS", site.origin_roots.display().to_string()),
    ]
}
