//! Envoy as istio-egressgateway, which the others are compared with. Its listener
//! stands in a file of its own that it watches, as it gets it from istiod.

use std::process::Command;

use super::{Gateway, Version, each};
use crate::setup::{LOST, Log, Work, spiffe};
use crate::site::Site;
use crate::tools::Tools;
use crate::trouble::Trouble;

const ENVOY: &str = include_str!("../../configurations/envoy.yaml");
const HTTP: &str = include_str!("../../configurations/envoy-http.yaml");
const PASSTHROUGH: &str = include_str!("../../configurations/envoy-passthrough.yaml");
const CLUSTER: &str = include_str!("../../configurations/envoy-cluster.yaml");
const LOG: &str = include_str!("../../configurations/envoy-log.yaml");

#[derive(Debug)]
pub(crate) struct Envoy;

impl Gateway for Envoy {
    fn name(&self) -> &'static str {
        "envoy"
    }

    fn configure(&self, _: &Tools, site: &Site) -> Result<(), Trouble> {
        let words = words(site);
        let listener = match site.setup.work {
            Work::Http | Work::Grpc => HTTP,
            Work::Passthrough => PASSTHROUGH,
        };
        site.write("listener.yaml", listener, &words)?;
        site.write("envoy.yaml", ENVOY, &words).map(|_| ())
    }

    fn command(&self, tools: &Tools, site: &Site) -> Option<Command> {
        let mut command = Command::new(&tools.envoy);
        command
            .args(["--concurrency", "1", "--disable-hot-restart"])
            // By default it holds lines for ten seconds; the others for one at most.
            .args(["--file-flush-interval-msec", "1000"])
            .args(["--log-level", "error", "-c"])
            .arg(site.dir.join("envoy.yaml"));
        Some(command)
    }

    fn version(&self, tools: &Tools) -> Version {
        Version::Asked(tools.envoy.clone(), "--version")
    }
}

fn words(site: &Site) -> Vec<(&'static str, String)> {
    let setup = &site.setup;
    let tcp = setup.work == Work::Passthrough;
    // A virtual host and a cluster for each host, as istiod makes them.
    let routes = |cluster: &str| {
        each(setup.routes(), |route| {
            format!(
                "              - match: {{ safe_regex: {{ regex: \"{route}\" }} }}\n                route: {{ cluster: \"{cluster}\", timeout: 15s }}\n"
            )
        })
    };
    let hosts = each(setup.hosts(), |host| {
        format!(
            "            - name: \"{host}\"\n              domains: [\"{host}\", \"{host}:*\"]\n              routes:\n{}",
            routes(host)
        )
    });
    let paths = each(setup.routes(), |route| {
        format!(
            "                          - url_path: {{ path: {{ safe_regex: {{ regex: \"{route}\" }} }} }}\n"
        )
    });
    let permissions = each(setup.hosts(), |host| {
        format!(
            "                    - and_rules:\n                        rules:\n                        - header: {{ name: \":authority\", string_match: {{ exact: \"{host}\" }} }}\n                        - or_rules:\n                          rules:\n{paths}                          - url_path: {{ path: {{ exact: {LOST} }} }}\n"
        )
        .replace("- or_rules:\n                          rules:", "- or_rules:\n                            rules:")
        .replace("                          - url_path", "                            - url_path")
    });
    let principals = each(setup.callers(), |caller| {
        format!(
            "                    - authenticated: {{ principal_name: {{ exact: \"{}\" }} }}\n",
            spiffe(caller)
        )
    });
    let speaks = match setup.work {
        Work::Grpc => "explicit_http_config: { http2_protocol_options: {} }",
        Work::Http | Work::Passthrough => "explicit_http_config: { http_protocol_options: {} }",
    };
    let clusters = if tcp {
        String::new()
    } else {
        each(setup.hosts(), |host| {
            CLUSTER.replace("@NAME@", host).replace("@SPEAKS@", speaks)
        })
    };
    let log = if setup.log == Log::Off {
        "          []\n"
    } else {
        LOG
    };
    vec![
        ("HOSTS", hosts),
        ("PERMISSIONS", permissions),
        ("PRINCIPALS", principals),
        ("CLUSTERS", clusters),
        ("ACCESS_LOG", log.to_owned()),
        ("LOG", site.log().display().to_string()),
        ("ORIGIN_PORT", site.origin.port().to_string()),
        ("ORIGIN_ROOTS", site.origin_roots.display().to_string()),
    ]
}
