#!/usr/bin/env bash
# The newcomer's path: clones the repository into an empty folder and runs the two commands of the
# README there, word for word.
#
#   scripts/newcomer.sh                  builds everything anew, as on a fresh machine
#   scripts/newcomer.sh --target-dir DIR builds into DIR and reuses what lies there (CI does)
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
unset CARGO_TARGET_DIR
case "${1-}" in
    "") ;;
    --target-dir) export CARGO_TARGET_DIR=${2:?"--target-dir wants a folder"} ;;
    *) echo "usage: scripts/newcomer.sh [--target-dir DIR]" >&2; exit 2 ;;
esac

empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
git clone --quiet "$root" "$empty/reveille"
cd "$empty/reveille"

# The commands are the first block of shell in the README; there must be two.
mapfile -t commands < <(awk '/^```sh$/ { inside = 1; next } /^```$/ && inside { exit } inside' README.md)
if [ "${#commands[@]}" -ne 2 ]; then
    echo "newcomer: the README's first block of shell has ${#commands[@]} lines, not 2" >&2
    exit 1
fi
for command in "${commands[@]}"; do
    echo "newcomer: $command"
    bash -euo pipefail -c "$command" < /dev/null
done
echo "newcomer: both commands of the README ran in $empty/reveille"
