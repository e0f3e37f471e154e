//! Everything there is to say about YAML: text in, a tree of [`Node`]s out; and
//! back into text (`emit`).
//!
//! No other module calls the parser. A file is split into documents before it
//! is parsed, so that one broken document does not hide what is wrong with the
//! others. Size, depth and number of values are bounded; aliases count as what
//! they stand for; a key given twice is an error.

pub(crate) mod emit;
mod split;
mod tree;

use policy::origin::Origin;

use crate::file::SourceFile;
use crate::node::{Node, Value};
use crate::report::Report;

/// Largest file, in bytes.
pub(crate) const MAX_FILE: usize = 16 * 1024 * 1024;
/// Largest document, in bytes.
const MAX_DOCUMENT: usize = 4 * 1024 * 1024;

/// The documents of a file that say something. Those that cannot be parsed are
/// reported and left out.
pub(crate) fn documents(file: &SourceFile, report: &Report) -> Vec<Node> {
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
    if let Err((line, message)) = check_file(text) {
        report.error(&Origin::new(file.name.clone(), line, 1), message);
        return Vec::new();
    }
    split::documents(text)
        .filter_map(|document| parse(file, document, report))
        .filter(|root| !matches!(root.value, Value::Nothing))
        .collect()
}

/// YAML text that is a value of another document. Its places are exact where it
/// stands as a block or on one line, letter for letter.
pub(crate) fn within(node: &Node, report: &Report) -> Option<Node> {
    let Value::Scalar(scalar) = &node.value else {
        let message = format!("found {} where a text of YAML belongs", node.kind());
        report.error(&node.origin, message);
        return None;
    };
    let mut parsed = tree::parse(&scalar.text, &node.origin, report)?;
    let column = scalar.verbatim.unwrap_or(node.origin.column);
    shift(&mut parsed, column.saturating_sub(1));
    Some(parsed)
}

/// Moves every place to the right.
fn shift(node: &mut Node, columns: u32) {
    let right = |column: &mut u32| *column = column.saturating_add(columns);
    right(&mut node.origin.column);
    match &mut node.value {
        Value::Nothing => {}
        Value::Scalar(scalar) => scalar.verbatim.iter_mut().for_each(right),
        Value::List(nodes) => nodes.iter_mut().for_each(|node| shift(node, columns)),
        Value::Map(entries) => {
            for entry in entries {
                right(&mut entry.origin.column);
                shift(&mut entry.node, columns);
            }
        }
    }
}

fn check_file(text: &str) -> Result<(), (u32, String)> {
    if text.len() > MAX_FILE {
        let mebibytes = MAX_FILE / 1024 / 1024;
        return Err((
            1,
            format!("the file is larger than {mebibytes} MiB: divide it"),
        ));
    }
    let lines = text.split_inclusive('\n').map(|line| {
        let line = line.strip_suffix('\n').unwrap_or(line);
        line.strip_suffix('\r').unwrap_or(line)
    });
    for (number, line) in (1..).zip(lines) {
        // YAML takes it for a line ending, editors and terminals do not: text
        // could hide behind it.
        if line.contains('\r') {
            let message = "a carriage return stands alone: end lines with a line feed";
            return Err((number, message.to_owned()));
        }
    }
    Ok(())
}

fn parse(file: &SourceFile, document: split::Document<'_>, report: &Report) -> Option<Node> {
    let start = Origin::new(file.name.clone(), document.first_line, 1);
    if document.text.len() > MAX_DOCUMENT {
        let mebibytes = MAX_DOCUMENT / 1024 / 1024;
        let message = format!("the document is larger than {mebibytes} MiB: divide it with `---`");
        report.error(&start, message);
        return None;
    }
    tree::parse(document.text, &start, report)
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
