//! Istio's kinds, beside a native document that says whose they are.

use conf::SourceFile;

use crate::configuration::check;

const OURS: &str = "
version: 1
gateway: { name: egress, namespace: istio-system, labels: { istio: egressgateway } }
listeners: [{ port: 443 }]
";

/// One file of objects.
pub fn target(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        check(&[
            SourceFile::new("egret.yaml", OURS),
            SourceFile::new("istio.yaml", text),
        ]);
    }
}

/// The examples.
pub fn seeds() -> Vec<Vec<u8>> {
    super::seeds::istio()
}
