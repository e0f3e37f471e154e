//! Files of Helm and Kustomize that stand among a configuration's: what makes
//! objects, and is none.

use policy::origin::Origin;

use crate::file::SourceFile;
use crate::node::Node;
use crate::report::Report;

/// What such files are called, and what makes objects of them.
const FILES: [(&str, &str); 5] = [
    ("Chart.yaml", HELM),
    ("values.yaml", HELM),
    ("values.yml", HELM),
    ("kustomization.yaml", KUSTOMIZE),
    ("kustomization.yml", KUSTOMIZE),
];
const HELM: &str =
    "a Helm chart's: write what `helm template` makes of the chart into a file of its own";
const KUSTOMIZE: &str =
    "Kustomize's: write what `kustomize build` makes of the folder into a file of its own";

/// Refuses such a file; whether it is one. One of that name that holds objects
/// or a native document is what it holds.
pub(crate) fn refuse(file: &SourceFile, documents: &[Node], report: &Report) -> bool {
    let name = file.name.rsplit('/').next().unwrap_or_default();
    let Some((_, whose)) = FILES.iter().find(|(known, _)| *known == name) else {
        return false;
    };
    let is_kustomization = |document: &Node| {
        let kind = document.entry("kind").and_then(Node::scalar);
        kind == Some("Kustomization")
    };
    let is_ours = |document: &Node| {
        let speaks = match name == "Chart.yaml" {
            true => document.entry("kind"),
            false => document.entry("kind").or(document.entry("version")),
        };
        speaks.is_some() && !is_kustomization(document)
    };
    if documents.iter().any(is_ours) {
        return false;
    }
    let origin = documents.first().map_or_else(
        || Origin::new(&*file.name, 1, 1),
        |first| first.origin.clone(),
    );
    report.error(
        &origin,
        format!("this file is {whose}, and give that alone"),
    );
    true
}
