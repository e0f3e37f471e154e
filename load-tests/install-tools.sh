#!/bin/sh
# Installs what the load tests need beside the integration tests' peers, on
# Debian or Ubuntu: wrk and h2load make requests, HAProxy puts them into mutual
# TLS. Installs only what is missing, and says so; running it again changes nothing.
set -eu

repository=$(cd "$(dirname "$0")/.." && pwd)

say() { echo "install-tools: $*"; }
has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

# The packages whose program is not there.
missing() {
    has wrk || echo wrk
    has h2load || echo nghttp2-client
    has haproxy || echo haproxy
}

packages=$(missing | tr '\n' ' ')
if [ -z "$packages" ]; then
    say "wrk, h2load and HAProxy are there"
    exit 0
fi
# shellcheck disable=SC2086 # a list of words
"$repository/tools/install-packages.sh" $packages
