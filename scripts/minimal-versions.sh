#!/usr/bin/env bash
# Builds what is published with the oldest versions that the manifests allow for direct dependencies. A manifest that
# says `1.1` must not use what came with 1.2. It works in a copy, so your Cargo.lock stays as it is.
#
#   scripts/minimal-versions.sh [--target-dir DIR]
#
# It needs a nightly compiler, for the option of cargo.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
case "${1-}" in
    "") target=$root/target/minimal ;;
    --target-dir) target=${2:?"--target-dir wants a folder"} ;;
    *) echo "usage: scripts/minimal-versions.sh [--target-dir DIR]" >&2; exit 2 ;;
esac
if ! cargo +nightly --version > /dev/null 2>&1; then
    echo "minimal-versions: needs a nightly compiler: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git -C "$root" ls-files -z --cached --others --exclude-standard | (cd "$root" && tar --null -T - -cf -) | tar -xf - -C "$copy"
cd "$copy"
cargo +nightly update --quiet -Z direct-minimal-versions
export CARGO_TARGET_DIR=$target CARGO_INCREMENTAL=0
# Each folder of crates/ whose manifest does not say otherwise is a package that is published.
packages=()
for manifest in $(grep -L "^publish = false" crates/*/Cargo.toml); do
    name=$(sed -n '/^\[package\]/,/^\[/ s/^name = "\(.*\)"/\1/p' "$manifest")
    packages+=(--package "$name")
done
cargo check --locked "${packages[@]}"
cargo check --locked "${packages[@]}" --all-features
echo "minimal-versions: the oldest direct dependencies build"
