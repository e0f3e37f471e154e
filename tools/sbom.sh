#!/bin/sh
# Writes what the binary is made of, as CycloneDX, to target/sbom/egret.cdx.json:
# every crate that is linked into it or runs while it is built, with version,
# licence and checksum. BoringSSL's own sources are part of `boring-sys`.
set -eu
cd "$(dirname "$0")/.."

CARGO=${CARGO:-cargo}
name=egret.cdx
# The tool writes one beside the manifest of each member.
trap 'rm -f -- */"$name.json"' EXIT

$CARGO cyclonedx --quiet --manifest-path gateway/Cargo.toml --format json --spec-version 1.5 \
    --target x86_64-unknown-linux-gnu --override-filename "$name"
mkdir -p target/sbom
# Where it was built is nobody's business, and would differ each time.
sed "s|file://$PWD|file:///egret|g" "gateway/$name.json" >"target/sbom/$name.json"
echo "target/sbom/$name.json: $(grep -c '"bom-ref": "registry' "target/sbom/$name.json") crates from the registry"
