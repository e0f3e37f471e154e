#!/bin/sh
# Runs every fuzz target, or those named, for FUZZ_SECONDS each: on stable Rust,
# with our own crates compiled to count what they reach. What was reached is kept
# in target/fuzz-corpus and goes on from there; what was found stands in
# target/fuzz-findings, and `target/fuzz/TARGET FILE` shows it again.
set -eu
cd "$(dirname "$0")/.."

CARGO=${CARGO:-cargo}
SECONDS_EACH=${FUZZ_SECONDS:-60}
corpus=target/fuzz-corpus
findings=target/fuzz-findings

all=$($CARGO run --quiet --locked -p fuzz --bin seeds -- target/fuzz-seeds)
targets=${*:-$all}

programs=
for target in $targets; do programs="$programs --bin $target"; done
# shellcheck disable=SC2086 # a list of words
RUSTC_WORKSPACE_WRAPPER=$PWD/fuzz/rustc-with-coverage.sh \
    $CARGO build --quiet --locked --profile fuzz -p fuzz $programs

failed=
for target in $targets; do
    mkdir -p "$corpus/$target" "$findings"
    log=$findings/$target.log
    # 4 KiB is more than any limit of what is read here but a configuration's.
    if target/fuzz/"$target" -max_total_time="$SECONDS_EACH" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$findings/$target-" \
        "$corpus/$target" "target/fuzz-seeds/$target" >"$log" 2>&1
    then verdict=ok
    else verdict=FOUND failed="$failed $target"
    fi
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    reached=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    echo "$target: $verdict, ${executions:-?} executions, ${reached:-?} places reached"
done

for target in $failed; do
    echo "== $target"
    grep -v '^#[0-9]' "$findings/$target.log" | tail -n 25
done >&2
[ -z "$failed" ]
