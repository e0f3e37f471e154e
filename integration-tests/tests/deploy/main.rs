//! What is shipped beside the code, held against the code: manifests, chart,
//! dashboard and image.
//!
//! Nothing here runs a cluster. Names, ports, paths and limits that two files
//! must agree on are compared, and the configuration inside the manifests is
//! compiled. With `helm` and `kubectl` on the path the chart is rendered too.

mod chart;
mod dashboard;
mod image;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conf::snapshot::Settings;
use conf::{Environment, Snapshot, SourceFile};
use serde_yaml::Value;

const GATEWAY: &str = "deploy/kubernetes/gateway";
const OVERLAYS: [&str; 3] = ["with-pilot-agent", "with-csi-driver", "with-secret"];
const NAME: &str = "istio-egressgateway";
/// Where the pods of the gateway find its certificate.
const CREDENTIALS: &str = "/var/run/secrets/workload-spiffe-credentials";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents of a YAML text.
fn documents(name: &str, text: &str) -> Vec<Value> {
    let parts = text.strip_prefix("---\n").unwrap_or(text).split("\n---\n");
    let documents = parts.map(|part| {
        serde_yaml::from_str(&format!("{part}\n")).unwrap_or_else(|error| panic!("{name}: {error}"))
    });
    documents
        .filter(|document: &Value| !document.is_null())
        .collect()
}

/// The one document of a file.
fn manifest(path: &str) -> Value {
    let mut all = documents(path, &read(path));
    assert_eq!(all.len(), 1, "{path}");
    all.remove(0)
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value:?} is no text"))
}

fn list(value: &Value) -> &[Value] {
    value
        .as_sequence()
        .unwrap_or_else(|| panic!("{value:?} is no list"))
}

fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().map(text).collect()
}

fn named<'a>(all: &'a Value, name: &str) -> &'a Value {
    let found = list(all).iter().find(|value| value["name"] == name);
    found.unwrap_or_else(|| panic!("no `{name}` in {all:?}"))
}

/// Every file below a folder, relative to the repository.
fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).expect(folder) {
        let entry = entry.expect("an entry");
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        match entry.path().is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn compile(files: &[(&str, &str)]) -> Snapshot {
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| SourceFile::new(*name, *text))
        .collect();
    conf::compile(&files, &Environment::default()).unwrap_or_else(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", problems.join("\n"))
    })
}

fn config_map() -> Value {
    manifest(&format!("{GATEWAY}/config-map.yaml"))
}

fn deployment() -> Value {
    manifest(&format!("{GATEWAY}/deployment.yaml"))
}

fn service() -> Value {
    manifest(&format!("{GATEWAY}/service.yaml"))
}

/// What the gateway of the manifests runs on.
fn settings() -> Settings {
    let map = config_map();
    compile(&[("egret.yaml", text(&map["data"]["egret.yaml"]))])
        .settings()
        .clone()
}

/// Name, Service port and pod port of each of the Service's ports.
fn service_ports() -> Vec<(String, u64, u64)> {
    let service = service();
    let port = |port: &Value| {
        let number = |key: &str| port[key].as_u64().expect("a port");
        (
            text(&port["name"]).to_owned(),
            number("port"),
            number("targetPort"),
        )
    };
    list(&service["spec"]["ports"]).iter().map(port).collect()
}

fn selector() -> Value {
    serde_yaml::from_str("{ app: istio-egressgateway, istio: egressgateway }").unwrap()
}

fn version() -> String {
    let manifest = read("Cargo.toml");
    let line = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = "))
        .expect("a version");
    line.trim_matches('"').to_owned()
}

#[test]
fn every_manifest_can_be_read_and_says_what_it_is() {
    for path in files("deploy/kubernetes")
        .into_iter()
        .chain(files("deploy/istio"))
    {
        let all = documents(&path, &read(&path));
        assert!(!all.is_empty(), "{path} is empty");
        for document in all {
            assert!(
                document["apiVersion"].is_string() && document["kind"].is_string(),
                "{path}"
            );
            let is_kustomization = document["kind"] == "Kustomization";
            assert!(
                is_kustomization || document["metadata"]["name"].is_string(),
                "{path}"
            );
        }
    }
}

#[test]
fn the_gateway_has_the_names_labels_and_account_of_istios() {
    let (deployment, service) = (deployment(), service());
    for object in [&deployment, &service, &config_map()] {
        assert_eq!(object["metadata"]["name"], NAME);
        assert_eq!(object["metadata"]["namespace"], "istio-system");
    }
    let pod = &deployment["spec"]["template"];
    for (label, value) in selector().as_mapping().unwrap() {
        assert_eq!(&pod["metadata"]["labels"][label], value);
    }
    assert_eq!(
        pod["metadata"]["labels"]["sidecar.istio.io/inject"],
        "false"
    );
    assert_eq!(deployment["spec"]["selector"]["matchLabels"], selector());
    assert_eq!(service["spec"]["selector"], selector());
    assert_eq!(service["spec"]["type"], "ClusterIP");
    let account = manifest(&format!("{GATEWAY}/service-account.yaml"));
    assert_eq!(
        account["metadata"]["name"],
        "istio-egressgateway-service-account"
    );
    assert_eq!(
        pod["spec"]["serviceAccountName"],
        account["metadata"]["name"]
    );
}

#[test]
fn the_service_has_the_port_names_by_which_sidecars_choose_a_protocol() {
    let expected = [
        ("http2".to_owned(), 80, 8080),
        ("https".to_owned(), 443, 8443),
    ];
    assert_eq!(service_ports(), expected);
}

#[test]
fn every_port_of_the_service_has_a_listener_and_a_port_of_the_pod() {
    let settings = settings();
    let mut listeners: Vec<_> = settings
        .listeners
        .iter()
        .map(|l| (l.name.to_string(), l.port.into(), l.bind.port().into()))
        .collect();
    listeners.sort_by_key(|(_, port, _)| *port);
    assert_eq!(listeners, service_ports());
    let deployment = deployment();
    let egret = named(
        &deployment["spec"]["template"]["spec"]["containers"],
        "egret",
    );
    for (name, _, port) in service_ports() {
        assert_eq!(named(&egret["ports"], &name)["containerPort"], port);
    }
    let admin = settings.admin.expect("an admin port").port();
    assert_eq!(
        named(&egret["ports"], "status-port")["containerPort"],
        u64::from(admin)
    );
    assert_eq!(
        deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"],
        admin.to_string()
    );
}

#[test]
fn no_listener_takes_plain_text_and_what_no_policy_allows_is_refused() {
    let map = config_map();
    let snapshot = compile(&[("egret.yaml", text(&map["data"]["egret.yaml"]))]);
    let modes = snapshot.settings().listeners.iter().map(|l| l.mode);
    assert!(
        modes
            .clone()
            .all(|mode| mode == conf::snapshot::ListenerMode::MutualTls)
    );
    assert_eq!(
        snapshot.admission().default_policy(),
        policy::rule::DefaultPolicy::Deny
    );
    assert!(snapshot.warnings().is_empty(), "{:?}", snapshot.warnings());
}

#[test]
fn probes_ask_the_admin_port_for_what_it_answers() {
    let deployment = deployment();
    let egret = named(
        &deployment["spec"]["template"]["spec"]["containers"],
        "egret",
    );
    let answered = read("gateway/src/admin.rs");
    let admin = u64::from(settings().admin.expect("an admin port").port());
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let ask = &egret[probe]["httpGet"];
        assert_eq!(ask["port"], admin, "{probe}");
        assert!(
            answered.contains(&format!("\"{}\" =>", text(&ask["path"]))),
            "{probe}: {ask:?}"
        );
    }
    let scraped = &deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/path"];
    assert!(
        answered.contains(&format!("\"{}\" ", text(scraped))),
        "{scraped:?}"
    );
}

#[test]
fn a_pod_may_do_nothing_it_need_not() {
    let (deployment, agent) = (
        deployment(),
        manifest("deploy/kubernetes/with-pilot-agent/deployment.yaml"),
    );
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    let agents = list(&agent["spec"]["template"]["spec"]["initContainers"]);
    for container in list(&pod["containers"]).iter().chain(agents) {
        let may = &container["securityContext"];
        assert_eq!(
            may["allowPrivilegeEscalation"],
            false,
            "{}",
            text(&container["name"])
        );
        assert_eq!(may["privileged"], false);
        assert_eq!(may["readOnlyRootFilesystem"], true);
        assert_eq!(texts(&may["capabilities"]["drop"]), ["ALL"]);
        assert!(container["resources"]["limits"]["memory"].is_string());
    }
    let mounts = list(&named(&pod["containers"], "egret")["volumeMounts"]);
    assert!(
        mounts.iter().all(|mount| mount["readOnly"] == true),
        "{mounts:?}"
    );
}

#[test]
fn a_pod_is_given_the_time_its_drain_takes() {
    let drain = settings().drain;
    let grace = deployment()["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        .as_u64()
        .unwrap();
    let flush = Duration::from_secs(5);
    assert!(
        Duration::from_secs(grace) > drain.serve + drain.finish + flush,
        "{drain:?}"
    );
}

#[test]
fn one_pod_is_always_left() {
    let scaler = manifest(&format!("{GATEWAY}/horizontal-pod-autoscaler.yaml"));
    let budget = manifest(&format!("{GATEWAY}/pod-disruption-budget.yaml"));
    assert_eq!(
        scaler["spec"]["scaleTargetRef"]["name"],
        deployment()["metadata"]["name"]
    );
    assert_eq!(scaler["spec"]["scaleTargetRef"]["kind"], "Deployment");
    assert_eq!(budget["spec"]["selector"]["matchLabels"], selector());
    let least = scaler["spec"]["minReplicas"].as_u64().unwrap();
    assert!(
        least > budget["spec"]["minAvailable"].as_u64().unwrap(),
        "no pod could ever be drained"
    );
}

/// Whether an IPv4 address lies in `10.0.0.0/8` or the like.
fn within(range: &str, address: &str) -> bool {
    let number = |text: &str| u32::from(text.parse::<std::net::Ipv4Addr>().expect("an address"));
    let (base, length) = range.split_once('/').expect("a range");
    let kept = u32::MAX
        .checked_shl(32 - length.parse::<u32>().expect("a length"))
        .unwrap_or(0);
    number(base) & kept == number(address) & kept
}

#[test]
fn the_gateways_pods_reach_the_world_and_no_private_address() {
    let rules = manifest(&format!("{GATEWAY}/network-policy.yaml"));
    assert_eq!(rules["spec"]["podSelector"]["matchLabels"], selector());
    assert_eq!(texts(&rules["spec"]["policyTypes"]), ["Ingress", "Egress"]);
    let peers = list(&rules["spec"]["egress"])
        .iter()
        .flat_map(|rule| list(&rule["to"]));
    let blocks: Vec<_> = peers
        .map(|peer| &peer["ipBlock"])
        .filter(|block| !block.is_null())
        .collect();
    let reaches = |address: &str| {
        blocks
            .iter()
            .filter(|block| !text(&block["cidr"]).contains(':'))
            .any(|block| {
                let except = texts(&block["except"]);
                within(text(&block["cidr"]), address)
                    && !except.iter().any(|range| within(range, address))
            })
    };
    assert!(reaches("93.184.216.34"));
    for special in [
        "0.0.0.1",
        "10.96.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        assert!(!reaches(special), "{special}");
    }
}

#[test]
fn workloads_reach_names_certificates_and_the_gateway() {
    let rules = manifest("deploy/kubernetes/workload-namespace/network-policy.yaml");
    assert_eq!(texts(&rules["spec"]["policyTypes"]), ["Egress"]);
    let egress = list(&rules["spec"]["egress"]);
    let mut reached = BTreeSet::new();
    for rule in egress {
        for peer in list(&rule["to"]) {
            assert!(
                peer["ipBlock"].is_null(),
                "an address of the world: {peer:?}"
            );
            let labels = peer["podSelector"]["matchLabels"]
                .as_mapping()
                .expect("pods, not whole namespaces");
            let ports = list(&rule["ports"])
                .iter()
                .map(|port| port["port"].as_u64().unwrap());
            let label = labels
                .iter()
                .next()
                .map(|(key, value)| format!("{}={}", text(key), text(value)));
            reached.insert((label.unwrap(), ports.collect::<BTreeSet<_>>()));
        }
    }
    let gateway = service_ports()
        .into_iter()
        .map(|(_, _, port)| port)
        .collect();
    let expected = [
        ("app=istio-egressgateway".to_owned(), gateway),
        ("app=istiod".to_owned(), BTreeSet::from([15012])),
        ("k8s-app=kube-dns".to_owned(), BTreeSet::from([53])),
    ];
    assert_eq!(reached, BTreeSet::from(expected));
}

#[test]
fn overlays_name_files_that_are_there_and_objects_they_patch() {
    for overlay in ["gateway"].iter().chain(&OVERLAYS) {
        let folder = format!("deploy/kubernetes/{overlay}");
        let kustomization = manifest(&format!("{folder}/kustomization.yaml"));
        for resource in texts(&kustomization["resources"]) {
            assert!(
                root().join(&folder).join(resource).exists(),
                "{folder}: {resource}"
            );
        }
        let Some(patches) = kustomization["patches"].as_sequence() else {
            continue;
        };
        for patch in patches {
            let file = text(&patch["path"]);
            let patch = manifest(&format!("{folder}/{file}"));
            let patched = manifest(&format!("{GATEWAY}/{file}"));
            assert_eq!(patch["kind"], patched["kind"], "{folder}/{file}");
            assert_eq!(
                patch["metadata"]["name"], patched["metadata"]["name"],
                "{folder}/{file}"
            );
            assert_eq!(
                patch["metadata"]["namespace"], patched["metadata"]["namespace"],
                "{folder}/{file}"
            );
        }
    }
    let gateway = manifest(&format!("{GATEWAY}/kustomization.yaml"));
    let mut named = texts(&gateway["resources"]);
    named.sort_unstable();
    let mut there: Vec<_> = files(GATEWAY);
    there.retain(|path| !path.ends_with("/kustomization.yaml"));
    assert_eq!(
        there,
        named
            .iter()
            .map(|file| format!("{GATEWAY}/{file}"))
            .collect::<Vec<_>>()
    );
}

/// The volume of a patched Deployment that brings the certificate.
fn certificates(overlay: &str) -> Value {
    let patch = manifest(&format!("deploy/kubernetes/{overlay}/deployment.yaml"));
    named(
        &patch["spec"]["template"]["spec"]["volumes"],
        "certificates",
    )
    .clone()
}

#[test]
fn certificates_come_to_where_the_configuration_looks_for_them() {
    let identity = settings().identity.expect("an identity");
    let expected = [&identity.chain, &identity.key, &identity.roots];
    for path in expected {
        assert_eq!(path.parent(), Some(Path::new(CREDENTIALS)));
    }
    let deployment = deployment();
    let egret = named(
        &deployment["spec"]["template"]["spec"]["containers"],
        "egret",
    );
    assert_eq!(
        named(&egret["volumeMounts"], "certificates")["mountPath"],
        CREDENTIALS
    );

    let secret = certificates("with-secret");
    let items = list(&secret["secret"]["items"]).iter();
    let mut given: Vec<_> = items
        .map(|item| Path::new(CREDENTIALS).join(text(&item["path"])))
        .collect();
    let mut wanted: Vec<_> = expected.into_iter().cloned().collect();
    given.sort();
    wanted.sort();
    assert_eq!(given, wanted);
    let certificate = manifest("deploy/kubernetes/with-secret/certificate.yaml");
    assert_eq!(
        certificate["spec"]["secretName"],
        secret["secret"]["secretName"]
    );
    assert!(texts(&certificate["spec"]["usages"]).contains(&"server auth"));
}

#[test]
fn the_agent_writes_what_the_gateway_reads_and_reads_none_of_it() {
    let patch = manifest("deploy/kubernetes/with-pilot-agent/deployment.yaml");
    let agent = named(
        &patch["spec"]["template"]["spec"]["initContainers"],
        "istio-agent",
    );
    assert_eq!(named(&agent["env"], "DISABLE_ENVOY")["value"], "true");
    let output = &named(&agent["env"], "OUTPUT_CERTS")["value"];
    let mount = named(&agent["volumeMounts"], "certificates");
    assert_eq!(&mount["mountPath"], output);
    assert_ne!(
        text(output),
        CREDENTIALS,
        "it would take its own certificate for one it is given"
    );
    assert_ne!(mount["readOnly"], true);
    assert_eq!(agent["restartPolicy"], "Always");
    let probe = texts(&agent["startupProbe"]["exec"]["command"]).join(" ");
    assert!(probe.contains(text(output)), "{probe}");
    let volumes = &patch["spec"]["template"]["spec"]["volumes"];
    for mount in list(&agent["volumeMounts"])
        .iter()
        .filter(|mount| mount["name"] != "certificates")
    {
        named(volumes, text(&mount["name"]));
    }
    let used = text(&named(&agent["env"], "PROXY_CONFIG")["value"]);
    let admin = settings().admin.expect("an admin port").port();
    assert!(
        !used.contains(&admin.to_string()),
        "two containers of one pod share its ports"
    );
}

#[test]
fn the_csi_driver_brings_its_own_names_of_files() {
    let volume = certificates("with-csi-driver");
    assert_eq!(volume["csi"]["driver"], "spiffe.csi.cert-manager.io");
    let deployment = deployment();
    let group = deployment["spec"]["template"]["spec"]["securityContext"]["runAsGroup"]
        .as_u64()
        .unwrap();
    let attribute = "spiffe.csi.cert-manager.io/fs-group";
    assert_eq!(
        volume["csi"]["volumeAttributes"][attribute],
        group.to_string()
    );
    let (map, patch) = (
        config_map(),
        manifest("deploy/kubernetes/with-csi-driver/config-map.yaml"),
    );
    let (main, identity) = (&map["data"]["egret.yaml"], &patch["data"]["identity.yaml"]);
    let snapshot = compile(&[
        ("egret.yaml", text(main)),
        ("identity.yaml", text(identity)),
    ]);
    let files = snapshot.settings().identity.clone().expect("an identity");
    let in_volume = |name: &str| Path::new(CREDENTIALS).join(name);
    assert_eq!(
        [files.chain, files.key, files.roots],
        ["tls.crt", "tls.key", "ca.crt"].map(in_volume)
    );
}

#[test]
fn sidecars_are_sent_to_a_port_and_a_name_there_is() {
    let path = "deploy/istio/edition-cnn-com.yaml";
    let all = documents(path, &read(path));
    let kind = |kind: &str| {
        all.iter()
            .find(|object| object["kind"] == kind)
            .expect(kind)
    };
    let host = format!("{NAME}.istio-system.svc.cluster.local");
    let rule = &kind("DestinationRule")["spec"];
    let level = &rule["subsets"][0]["trafficPolicy"]["portLevelSettings"][0];
    let destination = &kind("VirtualService")["spec"]["http"][0]["route"][0]["destination"];
    assert_eq!(
        (text(&rule["host"]), text(&destination["host"])),
        (&*host, &*host)
    );
    assert_eq!(destination["subset"], rule["subsets"][0]["name"]);
    assert_eq!(destination["port"]["number"], level["port"]["number"]);
    let port = level["port"]["number"].as_u64().unwrap();
    assert!(
        service_ports()
            .iter()
            .any(|(_, service, _)| *service == port)
    );
    assert_eq!(level["tls"]["mode"], "ISTIO_MUTUAL");
    let name = text(&level["tls"]["sni"]);
    assert_eq!(texts(&kind("ServiceEntry")["spec"]["hosts"]), [name]);
    assert_eq!(texts(&kind("VirtualService")["spec"]["hosts"]), [name]);
}
