//! Every target over its seeds, and what lies near them.

use super::*;

/// Variations of each seed.
const NEAR: u64 = 30;

/// A byte changed, taken out or doubled, here and there.
fn near(seed: &[u8], dice: &mut u64) -> Vec<u8> {
    let mut roll = |below: usize| {
        *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(*dice >> 33).unwrap() % below.max(1)
    };
    let mut bytes = seed.to_vec();
    for _ in 0..=roll(4) {
        let at = roll(bytes.len());
        match roll(3) {
            _ if bytes.is_empty() => bytes.push(b'a'),
            0 => bytes[at] = u8::try_from(roll(256)).unwrap(),
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, bytes[at]),
        }
    }
    bytes
}

#[test]
fn every_target_holds_on_its_seeds_and_near_them() {
    let mut dice = 1;
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        (target.run)(b"");
        for seed in &seeds {
            (target.run)(seed);
            for _ in 0..NEAR {
                (target.run)(&near(seed, &mut dice));
            }
        }
    }
}

#[test]
fn every_target_has_a_program_and_every_program_a_target() {
    let manifest = include_str!("../Cargo.toml");
    let mut programs: Vec<_> = manifest
        .lines()
        .filter_map(|line| {
            line.strip_prefix("path = \"fuzz_targets/")?
                .strip_suffix(".rs\"")
        })
        .collect();
    programs.sort_unstable();
    let targets: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(programs, targets);
}
