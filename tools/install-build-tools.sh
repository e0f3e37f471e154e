#!/bin/sh
# Installs what a build needs beside Rust, on Debian or Ubuntu: BoringSSL is
# compiled from source with cmake, a C++ compiler and git, and its headers are
# read with libclang. Installs only what is missing, and says so; running it
# again changes nothing.
set -eu

RUST=1.89

tools=$(cd "$(dirname "$0")" && pwd)

say() { echo "install-build-tools: $*"; }
fail() { say "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# Where the crate that looks for it looks. It passes over libclang-cpp, which is
# another library and comes alone with some packages.
has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return
    llvm=$(llvm-config --libdir 2>/dev/null || true)
    for library in ${llvm:+"$llvm"} /usr/lib/llvm*/lib /usr/lib/* /usr/lib* /usr/local/lib; do
        for file in "$library"/libclang.so* "$library"/libclang-*.so*; do
            case $file in
                */libclang-cpp*) ;;
                *) [ -e "$file" ] && return ;;
            esac
        done
    done
    return 1
}

# The packages whose program is not there.
missing() {
    has cmake || echo cmake
    has make || echo make
    has git || echo git
    has c++ || echo g++
    has_libclang || echo libclang-dev
}

install_missing() {
    packages=$(missing | tr '\n' ' ')
    [ -n "$packages" ] || { say "cmake, make, git, a C++ compiler and libclang are there"; return; }
    # shellcheck disable=SC2086 # a list of words
    "$tools/install-packages.sh" $packages
    [ -z "$(missing)" ] || fail "still missing after installing: $(missing | tr '\n' ' ')"
}

# Rust is not installed for you: the packages of most systems are too old, and
# how it gets onto a machine is its owner's choice.
check_rust() {
    has cargo || fail "no cargo here: install Rust $RUST or newer, for example with rustup"
    version=$(cargo --version | cut -d ' ' -f 2)
    oldest=$(printf '%s\n%s\n' "$RUST" "$version" | sort -V | head -n 1)
    [ "$oldest" = "$RUST" ] || fail "this is Rust $version: install $RUST or newer, for example with \`rustup update\`"
}

check_rust
install_missing
