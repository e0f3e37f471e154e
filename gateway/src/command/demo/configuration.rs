//! The configuration the demo runs on: `demo.yaml`, led to origins that are up.
//!
//! Document 004's policies and log stand in it word for word as in the example
//! that is shipped; a test holds them together.

use super::error::DemoError;
use super::folder::Folder;
use super::origins;

/// The configuration's name, in the demo's folder and in records.
pub(super) const FILE: &str = "demo.yaml";
/// External hosts that are played; `$HOST` stands for where.
pub(super) const HOSTS: [&str; 3] = ["edition.cnn.com", "www.googleapis.com", "httpbin.org"];

const TEMPLATE: &str = include_str!("demo.yaml");

/// Starts the origins and writes a configuration that leads to them; gives it.
pub(super) async fn write(folder: &Folder) -> Result<String, DemoError> {
    let mut text = TEMPLATE.to_owned();
    for host in HOSTS {
        let address = origins::play(host, folder).await?;
        text = text.replace(&format!("${host}"), &address.to_string());
    }
    folder.write(FILE, &text)?;
    Ok(text)
}

/// With the number of each line, which records tell of rules.
pub(super) fn numbered(text: &str) -> String {
    let lines = (1..).zip(text.lines());
    lines
        .map(|(number, line)| format!("{number:3}  {line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use conf::{Environment, SourceFile};

    use super::*;

    const EXAMPLE: &str = include_str!("../../../../conf/examples/document-004.yaml");

    /// A section, from its name to the name of the next.
    fn section(text: &str, name: &str) -> String {
        let begins = |line: &&str| line.starts_with(|first: char| first.is_ascii_lowercase());
        let mut lines = text
            .lines()
            .skip_while(|line| !line.starts_with(&format!("{name}:")));
        let head = lines.next().unwrap();
        let rest: Vec<_> = lines.take_while(|line| !begins(line)).collect();
        format!("{head}\n{}", rest.join("\n")).trim_end().to_owned()
    }

    fn words(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn document_004_stands_in_it_word_for_word() {
        for name in ["policies", "formats", "defaults"] {
            let (ours, theirs) = (section(TEMPLATE, name), section(EXAMPLE, name));
            assert!(ours.starts_with(&theirs), "{ours}\n{theirs}");
        }
        let ours = words(&section(TEMPLATE, "logs"));
        let ours = ours.replace(", to: { file: document-004.log } }", " }");
        let theirs = words(&section(EXAMPLE, "logs"));
        assert!(ours.starts_with(&theirs), "{ours}\n{theirs}");
    }

    #[test]
    fn it_compiles_without_a_warning_once_the_hosts_are_up() {
        let text = HOSTS.iter().fold(TEMPLATE.to_owned(), |text, host| {
            text.replace(&format!("${host}"), "127.0.0.1:4711")
        });
        let files = [SourceFile::new(FILE, text)];
        let snapshot = conf::compile(&files, &Environment::default()).unwrap();
        assert_eq!(snapshot.warnings(), []);
    }

    #[test]
    fn lines_are_numbered_from_one() {
        assert_eq!(numbered("a\nb\n"), "  1  a\n  2  b\n");
    }
}
