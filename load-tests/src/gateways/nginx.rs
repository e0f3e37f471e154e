//! nginx. It cannot read a SPIFFE id, so callers are told apart by the
//! fingerprint of their certificates: as strict, and no dearer than a name.

use std::process::Command;

use super::{Gateway, Version, each};
use crate::setup::{Log, Setup, Work};
use crate::site::Site;
use crate::tools::Tools;
use crate::trouble::Trouble;

const HTTP: &str = include_str!("../../configurations/nginx-http.conf");
const SERVER: &str = include_str!("../../configurations/nginx-server.conf");
const PASSTHROUGH: &str = include_str!("../../configurations/nginx-stream.conf");

#[derive(Debug)]
pub(crate) struct Nginx;

impl Gateway for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }

    /// Each host has a TLS context and each route a set of buffers: ten thousand
    /// hosts take more memory than machines for tests have.
    fn suits(&self, setup: &Setup) -> bool {
        setup.hosts <= 1000
    }

    fn configure(&self, tools: &Tools, site: &Site) -> Result<(), Trouble> {
        let template = match site.setup.work {
            Work::Http | Work::Grpc => HTTP,
            Work::Passthrough => PASSTHROUGH,
        };
        let words = words(tools, site);
        site.write("nginx.conf", template, &words).map(|_| ())
    }

    fn command(&self, tools: &Tools, site: &Site) -> Option<Command> {
        let mut command = Command::new(&tools.nginx);
        command
            .arg("-p")
            .arg(&site.dir)
            .args(["-c", "nginx.conf", "-e", "error.log"]);
        Some(command)
    }

    fn reload_signal(&self) -> Option<&'static str> {
        Some("HUP")
    }

    fn version(&self, tools: &Tools) -> Version {
        Version::Asked(tools.nginx.clone(), "-v")
    }
}

fn words(tools: &Tools, site: &Site) -> Vec<(&'static str, String)> {
    let pass = match site.setup.work {
        Work::Grpc => "grpc_pass grpcs://origin;",
        Work::Http | Work::Passthrough => "proxy_pass https://origin;",
    };
    let locations = each(site.setup.routes(), |route| {
        format!("    location ~ \"^{route}$\" {{ if ($allowed = 0) {{ return 403; }} {pass} }}\n")
    });
    let server = SERVER.replace("@LOCATIONS@", &locations);
    let servers = each(site.setup.hosts(), |host| server.replace("@HOST@", host));
    let callers = each(site.fingerprints(), |print| format!("    {print} 1;\n"));
    let log = match site.setup.log {
        // Written behind the request, as Envoy writes its own.
        Log::File => format!("{} json buffer=64k flush=1s", site.log().display()),
        Log::Pipe => format!("{} json", site.log().display()),
        Log::Off => "off".to_owned(),
    };
    // A reload needs a master; without one there is a process less to count.
    let master = if site.setup.reloads { "on" } else { "off" };
    vec![
        ("SERVERS", servers),
        ("CALLERS", callers),
        ("ACCESS_LOG", log),
        ("MASTER", master.to_owned()),
        ("STREAM", tools.nginx_stream.display().to_string()),
        ("LISTENER", site.listener.to_string()),
    ]
}
