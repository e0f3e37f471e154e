#!/bin/sh
# Installs the packages it is given, on Debian or Ubuntu: as root, or by sudo.
# Says what it does, and what to do where it cannot.
set -eu

say() { echo "install-packages: $*"; }
fail() { say "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

[ $# -gt 0 ] || exit 0
command -v apt-get >/dev/null 2>&1 || fail "no apt-get here: install by hand what provides: $*"
[ "$(id -u)" = 0 ] || command -v sudo >/dev/null 2>&1 \
    || fail "not root, and no sudo: install these yourself: $*"
say "installing: $*"
as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq \
    || fail "the package lists could not be fetched"
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" \
    || fail "the system's packages could not be installed: $*"
