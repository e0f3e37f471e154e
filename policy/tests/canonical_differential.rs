//! The canonicaliser against its plain reference, on hostile requests.
//!
//! Every case is made from a seed of its own; a failure prints the seed and the
//! request. `EGRET_DIFF_CASES` sets how many cases run (200 000 unless said) and
//! `EGRET_DIFF_SEED` the first seed, so that one case can be run alone.

#[path = "reference/canonical.rs"]
mod reference;
#[path = "reference/canonical_requests.rs"]
mod requests;

use policy::canonical::{
    Authority, DuplicateSlashes, Encoded, Method, PathProfile, Target, deny_views,
};
use requests::Dice;
use std::borrow::Cow;
use std::env;
use std::num::ParseIntError;

#[test]
fn agrees_with_the_reference_on_hostile_requests() -> Result<(), ParseIntError> {
    let cases = number_from("EGRET_DIFF_CASES", 200_000)?;
    let first = number_from("EGRET_DIFF_SEED", 1)?;
    let mut tally = Tally::default();
    for seed in first..first + cases {
        Case::from_seed(seed).run(&mut tally);
    }
    println!("{cases} cases: {tally:?}");
    // A generator that only makes refused, or only lawful, requests tests little.
    if cases >= 10_000 {
        let share = cases / 20;
        assert!(tally.hosts > share && tally.paths > share && tally.rewritten > share / 4);
        assert!(tally.hosts < cases && tally.paths < cases && tally.widened > share / 2);
        assert!(tally.cut > share / 10);
    }
    Ok(())
}

#[test]
fn folds_case_as_unicode_does() {
    let foldings = reference::case_foldings();
    assert_eq!(foldings.len(), 97);
    for (character, folded) in foldings {
        let bytes = character.to_string().into_bytes();
        let escaped: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/{escaped}");
        let views = deny_views(&path);
        let views: Vec<&str> = views.iter().collect();
        assert_eq!(views, [format!("/{folded}")], "{character:?}");
    }
}

fn number_from(variable: &str, otherwise: u64) -> Result<u64, ParseIntError> {
    env::var(variable).map_or(Ok(otherwise), |value| value.parse())
}

/// How many requests were lawful, and how many were changed on the way.
#[derive(Debug, Default)]
struct Tally {
    hosts: u64,
    paths: u64,
    rewritten: u64,
    widened: u64,
    cut: u64,
}

/// One request.
#[derive(Debug)]
struct Case {
    seed: u64,
    host: Vec<u8>,
    target: Vec<u8>,
    method: Vec<u8>,
    profile: reference::Profile,
}

impl Case {
    fn from_seed(seed: u64) -> Case {
        let mut dice = Dice::new(seed);
        let host = dice.host();
        let target = dice.target(&host);
        let method = dice.method();
        let profile = reference::Profile {
            keeps_encoded_slashes: dice.one_in(3),
            keeps_double_encoding: dice.one_in(3),
            keeps_duplicate_slashes: dice.one_in(3),
        };
        Case {
            seed,
            host,
            target,
            method,
            profile,
        }
    }

    fn run(&self, tally: &mut Tally) {
        self.check_method();
        let own = self.check_host();
        tally.hosts += u64::from(own.is_some());
        // A target is judged even when its host is refused.
        let authority = own.or_else(|| Authority::parse(b"open.cnn.test").ok());
        if let Some(authority) = authority {
            self.check_target(&authority, tally);
        }
    }

    fn check_method(&self) {
        let ours = Method::parse(&self.method).map(|method| method.as_str().to_owned());
        self.same(
            ours.map_err(|reason| reason.code()),
            reference::method(&self.method),
        );
    }

    fn check_host(&self) -> Option<Authority<'_>> {
        let ours = Authority::parse(&self.host);
        let parts = ours.clone().map(|it| (it.host().to_owned(), it.port()));
        self.same(
            parts.map_err(|reason| reason.code()),
            reference::host(&self.host),
        );
        let ours = ours.ok()?;
        let written = ours.to_string();
        let again = Authority::parse(written.as_bytes());
        self.same(again.as_ref(), Ok(&ours));
        let borrowed = matches!(again.map(Authority::into_host), Ok(Cow::Borrowed(_)));
        assert!(borrowed, "a canonical host was copied: {self:?}");
        Some(ours)
    }

    fn check_target(&self, authority: &Authority<'_>, tally: &mut Tally) {
        let profile = self.production_profile();
        let host = (authority.host().to_owned(), authority.port());
        let ours = Target::parse(&self.target, authority, profile);
        let theirs = reference::target(&self.target, &host, self.profile);
        let parts = |it: Target<'_>| (it.path().to_owned(), it.query().map(str::to_owned));
        self.same(
            ours.clone().map(parts).map_err(|reason| reason.code()),
            theirs,
        );
        if let Ok(target) = ours {
            tally.paths += 1;
            self.check_canonical(&target, authority, tally);
        }
    }

    /// INV1: canonicalising what will be sent changes no byte and no verdict.
    fn check_canonical(&self, target: &Target<'_>, authority: &Authority<'_>, tally: &mut Tally) {
        let mut sent = String::new();
        target.append_to(&mut sent);
        assert_eq!(
            target.is_verbatim(),
            sent.as_bytes() == self.target,
            "{self:?}"
        );
        tally.rewritten += u64::from(!target.is_verbatim());

        let again = Target::parse(sent.as_bytes(), authority, self.production_profile());
        let parts = |it: &Target<'_>| (it.path().to_owned(), it.query().map(str::to_owned));
        self.same(again.as_ref().map(parts), Ok(parts(target)));
        assert!(again.is_ok_and(|it| it.is_verbatim()), "{self:?}");

        let views = deny_views(target.path());
        let views: Vec<String> = views.iter().map(str::to_owned).collect();
        tally.widened += u64::from(views.iter().any(|view| view != target.path()));
        tally.cut += u64::from(views.len() > 1);
        self.same(views, reference::deny_views(target.path()));
    }

    fn production_profile(&self) -> PathProfile {
        let encoded = |keeps| {
            if keeps {
                Encoded::Keep
            } else {
                Encoded::Reject
            }
        };
        PathProfile {
            encoded_slashes: encoded(self.profile.keeps_encoded_slashes),
            double_encoding: encoded(self.profile.keeps_double_encoding),
            duplicate_slashes: match self.profile.keeps_duplicate_slashes {
                true => DuplicateSlashes::Keep,
                false => DuplicateSlashes::Merge,
            },
        }
    }

    fn same<T: PartialEq + std::fmt::Debug>(&self, ours: T, theirs: T) {
        assert_eq!(
            ours,
            theirs,
            "seed {} host {:?} target {:?} {self:?}",
            self.seed,
            String::from_utf8_lossy(&self.host),
            String::from_utf8_lossy(&self.target),
        );
    }
}
