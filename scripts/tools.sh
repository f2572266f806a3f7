#!/usr/bin/env bash
# Installs the tools that .ci/run needs besides the Rust toolchain, from crates.io, into a folder
# that is kept between runs, and prints the folder to add to PATH. A tool that is installed in the
# version below is not installed again. A first run takes three minutes on two cores.
set -euo pipefail

root=${CARGO_HOME:-$HOME/.cargo}/reveille-tools
tools=(cargo-hack@0.6.46 cargo-public-api@0.52.0 cargo-deny@0.20.2)

# The tools share a target folder for their common dependencies. They are not optimized: each runs
# for some seconds, and optimizing would take minutes.
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
for tool in "${tools[@]}"; do
    name=${tool%@*} version=${tool#*@}
    if [ "$("$root/bin/$name" "${name#cargo-}" --version 2> /dev/null)" != "$name $version" ]; then
        CARGO_TARGET_DIR=$target CARGO_PROFILE_DEV_DEBUG=0 \
            cargo install --locked --debug --quiet --force --root "$root" "$tool" >&2
    fi
done
echo "$root/bin"
