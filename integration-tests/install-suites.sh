#!/bin/sh
# Installs the suites of `make suites`, on Debian or Ubuntu: HAProxy,
# slowhttptest and testssl.sh from the system's packages; h2spec by Go and
# sslyze by pip, pinned, under target/peers/. Installs only what is missing, and
# says so; running it again changes nothing.
set -eu

# The newest that stands as a Go module.
H2SPEC_VERSION=v2.2.1+incompatible
SSLYZE_VERSION=6.3.1

root=$(cd "$(dirname "$0")/.." && pwd)
peers=$root/target/peers

say() { echo "install-suites: $*"; }
fail() { say "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

# The packages whose program is not there.
missing() {
    has haproxy || echo haproxy
    has slowhttptest || echo slowhttptest
    has testssl || has testssl.sh || echo testssl.sh
    has go || [ -x "$peers/h2spec" ] || echo golang-go
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

install_packages() {
    packages=$(missing | tr '\n' ' ')
    [ -n "$packages" ] || { say "HAProxy, slowhttptest, testssl.sh, Go and python3-venv are there"; return; }
    # shellcheck disable=SC2086 # a list of words
    "$root/tools/install-packages.sh" $packages
    [ -z "$(missing)" ] || fail "still missing after installing: $(missing | tr '\n' ' ')"
}

install_h2spec() {
    if [ -x "$peers/h2spec" ]; then say "h2spec is there"; return; fi
    say "installing h2spec $H2SPEC_VERSION into $peers"
    GOBIN=$peers GOFLAGS=-mod=mod go install "github.com/summerwind/h2spec/cmd/h2spec@$H2SPEC_VERSION" \
        || fail "the Go module h2spec $H2SPEC_VERSION could not be installed"
}

sslyze_is_right() {
    [ -x "$peers/sslyze/bin/sslyze" ] \
        && "$peers/sslyze/bin/pip" show --quiet sslyze 2>/dev/null \
        && "$peers/sslyze/bin/pip" show sslyze 2>/dev/null | grep -qx "Version: $SSLYZE_VERSION"
}

install_sslyze() {
    if sslyze_is_right; then say "sslyze $SSLYZE_VERSION is there"; return; fi
    say "installing sslyze $SSLYZE_VERSION into $peers"
    python3 -m venv --clear "$peers/sslyze" || fail "python3 cannot make a virtual environment"
    "$peers/sslyze/bin/pip" install --quiet --disable-pip-version-check "sslyze==$SSLYZE_VERSION" \
        || fail "the Python package sslyze $SSLYZE_VERSION could not be installed"
}

mkdir -p "$peers"
install_packages
install_h2spec
install_sslyze
say "done"
