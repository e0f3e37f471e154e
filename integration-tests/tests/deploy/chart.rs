//! The chart: the same gateway as the manifests, with words for what differs.

use std::collections::BTreeSet;
use std::process::Command;

use serde_yaml::Value;

use crate::{
    OVERLAYS, config_map, deployment, documents, files, manifest, named, read, root, service_ports,
    text, version,
};

#[test]
fn image_and_chart_have_the_version_of_the_code() {
    let deployment = deployment();
    let egret = named(
        &deployment["spec"]["template"]["spec"]["containers"],
        "egret",
    );
    assert_eq!(egret["image"], format!("egret:{}", version()));
    let chart = manifest("deploy/helm/egret/Chart.yaml");
    assert_eq!(text(&chart["version"]), version());
    assert_eq!(text(&chart["appVersion"]), version());
}

#[test]
fn the_charts_configuration_is_that_of_the_manifests() {
    let values = manifest("deploy/helm/egret/values.yaml");
    assert_eq!(values["config"], config_map()["data"]["egret.yaml"]);
    for (key, agreed) in [
        (
            "serviceAccountName",
            &deployment()["spec"]["template"]["spec"]["serviceAccountName"],
        ),
        ("name", &deployment()["metadata"]["name"]),
    ] {
        assert_eq!(&values[key], agreed);
    }
}

#[test]
fn the_charts_ports_are_those_of_the_manifests() {
    let values = manifest("deploy/helm/egret/values.yaml");
    let ports = values["ports"].as_sequence().expect("a list");
    let number = |port: &Value, key: &str| port[key].as_u64().expect("a number");
    let ports: Vec<_> = ports
        .iter()
        .map(|port| {
            (
                text(&port["name"]).to_owned(),
                number(port, "port"),
                number(port, "targetPort"),
            )
        })
        .collect();
    assert_eq!(ports, service_ports());
}

/// The paths of all values a chart has, `a.b.c`.
fn leaves(prefix: &str, value: &Value, into: &mut BTreeSet<String>) {
    match value.as_mapping().filter(|map| !map.is_empty()) {
        None => {
            into.insert(prefix.to_owned());
        }
        Some(map) => {
            for (key, value) in map {
                let dot = if prefix.is_empty() { "" } else { "." };
                leaves(&format!("{prefix}{dot}{}", text(key)), value, into);
            }
        }
    }
}

#[test]
fn templates_use_the_values_there_are_and_all_of_them() {
    let mut there = BTreeSet::new();
    leaves("", &manifest("deploy/helm/egret/values.yaml"), &mut there);
    let mut used = BTreeSet::new();
    for path in files("deploy/helm/egret/templates") {
        let template = read(&path);
        for rest in template.split(".Values.").skip(1) {
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.'))
                .unwrap_or(rest.len());
            used.insert(rest[..end].to_owned());
        }
    }
    let covers = |used: &str, leaf: &str| leaf == used || leaf.starts_with(&format!("{used}."));
    for name in &used {
        assert!(
            there.iter().any(|leaf| covers(name, leaf)),
            "`.Values.{name}` has no value"
        );
    }
    for leaf in &there {
        assert!(
            used.iter().any(|name| covers(name, leaf)),
            "no template uses `{leaf}`"
        );
    }
}

/// What a program prints, or nothing where there is no such program.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .ok()?;
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).expect("text"))
}

/// Objects by kind and name, volumes in one order.
fn objects(rendered: &str) -> Vec<(String, Value)> {
    let mut all: Vec<_> = documents("rendered", rendered)
        .into_iter()
        .filter(|object| object["kind"] != "Certificate")
        .map(|mut object| {
            let pod = object
                .get_mut("spec")
                .and_then(|spec| spec.get_mut("template")?.get_mut("spec"));
            if let Some(volumes) = pod.and_then(|pod| pod.get_mut("volumes")?.as_sequence_mut()) {
                volumes.sort_by_key(|volume| text(&volume["name"]).to_owned());
            }
            (
                format!(
                    "{} {}",
                    text(&object["kind"]),
                    text(&object["metadata"]["name"])
                ),
                object,
            )
        })
        .collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all
}

/// Says nothing where `helm` or `kubectl` is missing: the tests above hold
/// names and values together without them.
#[test]
fn the_chart_renders_to_the_manifests() {
    for overlay in OVERLAYS {
        let from = format!("certificate.from={}", overlay.trim_start_matches("with-"));
        let chart = [
            "template",
            "egret",
            "deploy/helm/egret",
            "--namespace",
            "istio-system",
        ];
        let asked = ["--kube-version", "1.31.0", "--set", &from];
        let rendered = output("helm", &[&chart[..], &asked].concat());
        let built = output(
            "kubectl",
            &["kustomize", &format!("deploy/kubernetes/{overlay}")],
        );
        let (Some(rendered), Some(built)) = (rendered, built) else {
            eprintln!("not compared: helm or kubectl is missing");
            return;
        };
        let (rendered, built) = (objects(&rendered), objects(&built));
        let names =
            |all: &[(String, Value)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&rendered), names(&built), "{overlay}");
        let pairs = rendered
            .iter()
            .zip(&built)
            .filter(|(one, other)| one != other);
        let differing: Vec<_> = pairs.map(|((name, _), _)| name).collect();
        assert!(
            differing.is_empty(),
            "{overlay}: chart and manifests differ in {differing:?}"
        );
    }
}
