//! Logs of one JSON object a line.

use serde_json::Value;

/// Every complete line as JSON.
///
/// # Panics
/// When a complete line is no JSON: a log that cannot be read is a defect.
#[must_use]
pub fn parse(text: &str) -> Vec<Value> {
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    complete.lines().map(object).collect()
}

/// One line as JSON.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|e| panic!("no JSON ({e}): {line:?}"))
}
