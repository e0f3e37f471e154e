//! A short name for a configuration: equal texts give equal names, the content
//! of remote lists included.
//!
//! It is a name, not a proof: FNV-1a is not made against somebody who seeks two
//! configurations of one name, and who may write configurations needs none.

use crate::file::SourceFile;
use crate::remote::{KnownLists, RemoteList};
use crate::snapshot::Digest;

/// FNV-1a, 128 bits.
const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// The digest of files in load order and of what is known of `lists`. Names of
/// files are no part of it: what a configuration means does not hang on where
/// it is mounted.
pub(crate) fn of(files: &[SourceFile], lists: &[RemoteList], known: &KnownLists) -> Digest {
    let hash = files
        .iter()
        .fold(OFFSET, |hash, file| add_text(hash, &file.text));
    let hash = lists.iter().fold(hash, |hash, list| {
        let hash = add_text(hash, &list.name);
        match known.get(&list.source()) {
            Some(text) => add_text(add(hash, b"known"), text),
            None => add(hash, b"unknown"),
        }
    });
    let [.., a, b, c, d, e, f] = mixed(hash).to_be_bytes();
    let number = [0, 0, a, b, c, d, e, f];
    Digest(format!("{:012x}", u64::from_be_bytes(number)).into())
}

fn add_text(hash: u128, text: &str) -> u128 {
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    add(add(hash, &length.to_be_bytes()), text.as_bytes())
}

fn add(hash: u128, bytes: &[u8]) -> u128 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(PRIME)
    })
}

/// Lets every bit of the hash bear on every bit of the digest, which the last
/// bytes of a text would not do by themselves.
fn mixed(hash: u128) -> u128 {
    let hash = (hash ^ (hash >> 64)).wrapping_mul(PRIME | 1 << 40);
    (hash ^ (hash >> 59)).wrapping_mul(PRIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(texts: &[&str]) -> String {
        let files: Vec<_> = texts
            .iter()
            .map(|text| SourceFile::new("f", *text))
            .collect();
        of(&files, &[], &KnownLists::new()).to_string()
    }

    #[test]
    fn a_digest_is_twelve_hexadecimal_digits_and_depends_on_the_texts_alone() {
        let text = "version: 1\n";
        assert_eq!(digest(&[text]).len(), 12);
        assert!(digest(&[text]).bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(
            digest(&[text]),
            of(&[SourceFile::new("other", text)], &[], &KnownLists::new()).to_string()
        );
    }

    #[test]
    fn texts_that_differ_have_digests_that_differ() {
        let mut seen = std::collections::HashSet::new();
        for number in 0..20_000 {
            assert!(
                seen.insert(digest(&[&format!("port: {number}")])),
                "{number}"
            );
        }
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["a", "b"]), digest(&["b", "a"]));
    }
}
