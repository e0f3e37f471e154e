//! The native format.

use conf::SourceFile;

use crate::configuration::check;

/// One file.
pub fn target(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        check(&[SourceFile::new("egret.yaml", text)]);
    }
}

/// The examples.
pub fn seeds() -> Vec<Vec<u8>> {
    super::seeds::native()
}
