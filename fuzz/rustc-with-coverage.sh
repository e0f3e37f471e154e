#!/bin/sh
# Stands between Cargo and rustc, for our own crates alone: compiles them with
# the counters libFuzzer steers by. Stable Rust can do it, and dependencies are
# not compiled a second time.
set -eu
exec "$@" \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1
