//! What one destination is allowed to receive beyond the strict path form.
//!
//! Three opt-ins, each because a named kind of origin cannot do without it.
//! None of them switches a rule off: what is kept encoded is still checked as
//! though it were decoded.

/// How strict the canonical path of one destination is. The default is strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PathProfile {
    /// `%2F` and `%5C`: object names of GitLab, Google Cloud Storage and npm.
    pub encoded_slashes: Encoded,
    /// `%25` before two hexadecimal digits: branch names in Jenkins.
    pub double_encoding: Encoded,
    /// `//`: object keys of S3-like stores.
    pub duplicate_slashes: DuplicateSlashes,
}

/// What becomes of an encoded form that origins read in more than one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Encoded {
    /// The request is malformed.
    #[default]
    Reject,
    /// It is matched and sent as written, with upper-case digits.
    Keep,
}

/// What becomes of two or more slashes in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DuplicateSlashes {
    /// They become one slash.
    #[default]
    Merge,
    /// They are matched and sent as written.
    Keep,
}

impl PathProfile {
    /// Whether a canonical path may still hold a separator in disguise.
    pub(super) fn keeps_encoded(self) -> bool {
        self.encoded_slashes == Encoded::Keep || self.double_encoding == Encoded::Keep
    }
}
