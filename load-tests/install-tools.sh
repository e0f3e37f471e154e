#!/bin/sh
# Installs what the load tests need beside the integration tests' peers, on
# Debian or Ubuntu: HAProxy, nginx's stream module, and taskset, which keeps the
# parts on processors of their own. Installs only what is missing, and says so;
# running it again changes nothing.
set -eu

repository=$(cd "$(dirname "$0")/.." && pwd)

say() { echo "install-tools: $*"; }
has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

# The packages whose program is not there.
missing() {
    has haproxy || echo haproxy
    [ -f /usr/lib/nginx/modules/ngx_stream_module.so ] || echo libnginx-mod-stream
    has taskset || echo util-linux
}

packages=$(missing | tr '\n' ' ')
if [ -z "$packages" ]; then
    say "HAProxy, nginx's stream module and taskset are there"
    exit 0
fi
# shellcheck disable=SC2086 # a list of words
"$repository/tools/install-packages.sh" $packages
