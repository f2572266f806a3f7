#!/usr/bin/env bash
# Measures reveille as what a service needs it for, against its peers: HTTP, QUIC, copies, children, signals between
# tasks, timeouts, the start of a process. Prints a table: row, ours, peer, ratio, wanted, met?
#
#   scripts/figures-17.sh                 everything: about 25 minutes on an idle machine with two cores or more
#   scripts/figures-17.sh --rounds N      rounds of each row (default 5)
#   scripts/figures-17.sh --only NAME[,NAME]   only rows of the harness whose name contains one of these
#   scripts/figures-17.sh --built DIR     takes the programs from DIR, such as target/release
#
# What a service needs besides, tests show: `cargo xtask shims`, `cargo xtask fleet`, `cargo test --manifest-path
# tests/smol/Cargo.toml`, `cargo test -p reveille-hyper --test ctrl_c`.
#
# `ours` and `peer` are medians over rounds in which the runtimes take turns. A row whose limit is a number has no peer.
# It needs Debian's package strace.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
built=
rounds=5
only=hyper_,echo_1x64,echo_8x64,echo_50x64,echo_1000x64,idle,io_copy,children,startup,timeout_ready,block_on_ready
only=$only,udp_ping_pong,unix_ping_pong,oneshot,notify,watch,broadcast,semaphore
is_whole=1
while [ $# -gt 0 ]; do
    case "$1" in
        --rounds) rounds=$2; shift 2 ;;
        --only) only=$2; is_whole=; shift 2 ;;
        --built) built=$(cd "$2" && pwd); shift 2 ;;
        *) echo "usage: scripts/figures-17.sh [--rounds N] [--only NAME[,NAME]] [--built DIR]" >&2; exit 2 ;;
    esac
done
if [ -z "$built" ]; then
    cargo build --release --manifest-path "$root/benches/Cargo.toml" --target-dir "$target" --features hyper,quic --bins
    built=$target/release
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Rows without a runtime as their peer: `line ROW OURS PEER RATIO WANTED MET`.
line() {
    printf '%-36s %8s %8s %7s  %-24s %s\n' "$@"
}
# `is_at_most FIGURE LIMIT` prints a mark.
is_at_most() {
    awk -v figure="$1" -v limit="$2" 'BEGIN { print (figure <= limit ? "✓" : "✗") }'
}

# The figures of each row appear while it runs, and the table comes last.
"$built/reveille-benches" --only "$only" --rounds "$rounds" --targets \
    --runtimes reveille,tokio,smol,async-std | tee "$work/rows"
if [ -n "$is_whole" ]; then
    "$built/reveille-benches" --only echo_1x64 --rounds 3 --syscalls --runtimes reveille,tokio > "$work/calls"
    "$built/quic" 1024 "$((2 * rounds))" 2 > "$work/quic"
fi

echo
echo "== the table"
sed -n '/^row .* met?$/,/^[0-9-]*, /p' "$work/rows" | sed '$d'
[ -n "$is_whole" ] || exit 0
calls=$(sed -nE 's/^ *syscalls.* reveille ([0-9.]+) .*/\1/p' "$work/calls")
theirs=$(sed -nE 's/^ *syscalls.* tokio ([0-9.]+) .*/\1/p' "$work/calls")
line "echo_1x64 system calls per request" "$calls" "$theirs" \
    "$(awk -v one="$calls" -v other="$theirs" 'BEGIN { printf "%.3f", one / other }')" "≤ 3.1" "$(is_at_most "$calls" 3.1)"
median() {
    sed -nE "s/^$1 +([0-9.]+) s of CPU.*/\\1/p" "$work/quic" | sort -n |
        awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'
}
ratio=$(sed -nE 's/^reveille \/ tokio: median ([0-9.]+) .*/\1/p' "$work/quic")
line "quic 1 GiB cpu, s" "$(median reveille)" "$(median tokio)" "$ratio" "≤ 1.00 of tokio" "$(is_at_most "$ratio" 1)"
crates=$(cargo tree --manifest-path "$root/Cargo.toml" -p reveille -e normal --prefix none | sed 's/ (\*)$//' | sort -u | wc -l)
line "crates of reveille alone" "$crates" - - "≤ 30" "$(is_at_most "$crates" 30)"
