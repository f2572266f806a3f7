#!/usr/bin/env bash
# Tests a newcomer's first program, from an empty folder and with the packages only: makes a package, adds the
# dependencies, writes the program of each step of the tutorial, builds it, and talks to it with nc.
#
#   scripts/first-program.sh PACKAGES [--target-dir DIR]
#
# PACKAGES is the folder with the unpacked packages. `cargo xtask release --dry-run` makes it, `target/release-packages`,
# and calls this script. The packages are on no registry, so a `[patch.crates-io]` in cargo's configuration leads to
# them. Nothing else of the repository but the text of the steps is used.
set -euo pipefail

usage() {
    echo "usage: scripts/first-program.sh PACKAGES [--target-dir DIR]" >&2
    exit 2
}
root=$(cd "$(dirname "$0")/.." && pwd)
packages=$(cd "${1:?"$(usage)"}" && pwd)
unset CARGO_TARGET_DIR
case "${2-}" in
    "") ;;
    --target-dir) export CARGO_TARGET_DIR=${3:?"--target-dir wants a folder"} ;;
    *) usage ;;
esac
if ! command -v nc > /dev/null; then
    echo "first-program: needs nc, as in Debian's package netcat-openbsd" >&2
    exit 1
fi

empty=$(mktemp -d)
server= first= second=
finish() {
    for process in $server $first $second; do
        kill "$process" 2> /dev/null || true
    done
    rm -rf "$empty"
}
trap finish EXIT
fail() {
    echo "first-program: $*" >&2
    for log in "$empty"/*.log; do
        echo "== $log" >&2
        cat "$log" >&2
    done
    exit 1
}

# Waits until a file contains a text.
expect() {
    for _ in $(seq 600); do
        if grep -q -- "$2" "$1"; then
            return
        fi
        sleep 0.1
    done
    fail "'$2' did not come"
}

cd "$empty"
mkdir .cargo
{
    echo "[patch.crates-io]"
    for folder in "$packages"/*/; do
        if [ -f "$folder/Cargo.toml.orig" ]; then
            name=$(sed -n '/^\[package\]/,/^\[/ s/^name = "\(.*\)"/\1/p' "$folder/Cargo.toml")
            echo "$name = { path = \"${folder%/}\" }"
        fi
    done
} > .cargo/config.toml

# The steps of the guide. Its `cargo add --git` becomes the line of a release.
cargo new --quiet --vcs none chat
cd chat
version=$(sed -n '/^\[package\]/,/^\[/ s/^version = "\(.*\)"/\1/p' "$packages"/reveille-[0-9]*/Cargo.toml)
echo "reveille = \"$version\"" >> Cargo.toml
cargo add --quiet clap --features derive
# The users of a package see its warnings.
export RUSTFLAGS="-D warnings"
for step in 1 2 3 4 5 6 7 8; do
    # As the tutorial says: without the line that belongs to the tests of the repository.
    sed '/use reveille_watchdog as _;/d' "$root/examples/tutorial/step$step.rs" > src/main.rs
    # The first build includes the dependencies.
    TIMEFORMAT="first-program: step $step built in %R s, with %U s of user time"
    time cargo build --quiet
done
cargo test --quiet > "$empty/tests.log" 2>&1 || fail "the tests of step 8 failed"

# The program of step 8, and two clients.
binary=${CARGO_TARGET_DIR:-target}/debug/chat
"$binary" --help > "$empty/help.log"
"$binary" 127.0.0.1:0 --metrics 127.0.0.1:0 > "$empty/server.log" 2>&1 &
server=$!
expect "$empty/server.log" "127.0.0.1:"
port=$(grep -o '127\.0\.0\.1:[0-9]*' "$empty/server.log" | head -n 1 | cut -d : -f 2)
mkfifo "$empty/first" "$empty/second"
nc 127.0.0.1 "$port" < "$empty/first" > "$empty/first.log" &
first=$!
nc 127.0.0.1 "$port" < "$empty/second" > "$empty/second.log" &
second=$!
exec 3> "$empty/first" 4> "$empty/second"
echo "ada" >&3
expect "$empty/first.log" "ada"
echo "bob" >&4
expect "$empty/first.log" "bob"
echo "good morning" >&3
expect "$empty/second.log" "ada: good morning"
# Ctrl-C: the server says goodbye, and ends in order.
kill -INT "$server"
status=0
wait "$server" || status=$?
server=
[ "$status" = 0 ] || fail "the server ended with $status"
echo "first-program: the tutorial's program serves two clients of nc and ends at Ctrl-C"
