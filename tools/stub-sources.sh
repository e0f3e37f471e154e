#!/bin/sh
# Puts an empty source file wherever a manifest needs one, so that dependencies
# can be compiled before our own code is there. Never overwrites a file.
set -eu
cd "$(dirname "$0")/.."

stub() {
    [ ! -e "$1" ] || return 0
    mkdir -p "$(dirname "$1")"
    printf '//! A stub.\n%s\n' "$2" >"$1"
}

# The sources of a manifest's programs.
programs() {
    awk '/^\[/ { on = ($0 == "[[bin]]") } on && $1 == "path" { gsub(/"/, "", $3); print $3 }' "$1"
}

# The names of a manifest's benchmarks.
benches() {
    awk '/^\[/ { on = ($0 == "[[bench]]") } on && $1 == "name" { gsub(/"/, "", $3); print $3 }' "$1"
}

for manifest in */Cargo.toml; do
    crate=$(dirname "$manifest")
    stub "$crate/src/lib.rs" ''
    for bench in $(benches "$manifest"); do stub "$crate/benches/$bench.rs" 'fn main() {}'; done
    for program in $(programs "$manifest"); do stub "$crate/$program" 'fn main() {}'; done
done
