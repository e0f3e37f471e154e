//! What is wrong with a configuration, told so that the operator can mend it:
//! file, line, column, the line itself, and what to write instead.

use std::fmt;

use policy::origin::Origin;

/// One problem at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// Where.
    pub origin: Origin,
    /// What, and what to write instead.
    pub message: String,
    /// The line it stands on, as written.
    pub source_line: Option<String>,
}

/// Whether a problem stops a configuration from taking effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is refused as a whole.
    Error,
    /// The operator should know.
    Warning,
    /// The operator may want to know when he looks for something.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// `file:line:column: error: message`, then the line with a caret below.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { file, line, column } = &self.origin;
        write!(
            f,
            "{file}:{line}:{column}: {}: {}",
            self.severity, self.message
        )?;
        let Some(source) = &self.source_line else {
            return Ok(());
        };
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let before = usize::try_from(*column).unwrap_or(1).saturating_sub(1);
        write!(
            f,
            "\n  {number} | {source}\n  {margin} | {}^",
            " ".repeat(before)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_place_its_line_and_a_caret() {
        let problem = Problem {
            severity: Severity::Error,
            origin: Origin::new("egress.yaml", 12, 5),
            message: "unknown field `paht`: did you mean `path`?".to_owned(),
            source_line: Some("  - paht: /x".to_owned()),
        };
        assert_eq!(
            problem.to_string(),
            "egress.yaml:12:5: error: unknown field `paht`: did you mean `path`?\n  \
             12 |   - paht: /x\n     |     ^"
        );
        let bare = Problem {
            severity: Severity::Warning,
            source_line: None,
            ..problem
        };
        assert_eq!(
            bare.to_string(),
            "egress.yaml:12:5: warning: unknown field `paht`: did you mean `path`?"
        );
    }
}
