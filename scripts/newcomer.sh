#!/usr/bin/env bash
# Tests a newcomer's first steps: clones the repository into an empty folder and runs the two commands
# of the README there, unchanged.
#
#   scripts/newcomer.sh                  builds everything from scratch, as on a new machine
#   scripts/newcomer.sh --target-dir DIR builds into DIR and reuses its contents (as CI does)
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

# The commands are the first `sh` block in the README. There must be two.
mapfile -t commands < <(awk '/^```sh$/ { inside = 1; next } /^```$/ && inside { exit } inside' README.md)
if [ "${#commands[@]}" -ne 2 ]; then
    echo "newcomer: the README's first sh block has ${#commands[@]} lines, not 2" >&2
    exit 1
fi
for command in "${commands[@]}"; do
    echo "newcomer: $command"
    bash -euo pipefail -c "$command" < /dev/null
done
echo "newcomer: both commands of the README ran in $empty/reveille"
