#!/usr/bin/env bash
# Runs the example programs against the programs that users have: curl, nc, sha256sum, tail, sqlite3, and the web server
# of Python.
#
#   scripts/real-peers.sh                builds the programs first
#   scripts/real-peers.sh --built DIR    takes them from DIR, such as target/debug
#
# The tests run all of them too, with sockets of std where no peer is needed. This script needs Debian's packages curl,
# netcat-openbsd, sqlite3 and python3, and names what is missing.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
case "${1-}" in
    "")
        target=${CARGO_TARGET_DIR:-$root/target}
        cargo build --quiet --package reveille-examples --examples
        cargo build --quiet --manifest-path examples/apart/Cargo.toml --target-dir "$target" --bins
        built=$target/debug
        ;;
    --built) built=$(cd "${2:?"--built wants a folder"}" && pwd) ;;
    *) echo "usage: scripts/real-peers.sh [--built DIR]" >&2; exit 2 ;;
esac
for peer in curl nc sha256sum tail sqlite3 python3; do
    if ! command -v "$peer" > /dev/null; then
        echo "real-peers: needs $peer" >&2
        exit 1
    fi
done

empty=$(mktemp -d)
server=
stop() {
    if [ -n "$server" ]; then
        kill "$server" 2> /dev/null || true
        wait "$server" 2> /dev/null || true
        server=
    fi
}
trap 'stop; rm -rf "$empty"' EXIT
fail() {
    echo "real-peers: $*" >&2
    exit 1
}

# Starts a server and waits until its first line has arrived.
serve() {
    "$@" > "$empty/server.log" 2>&1 &
    server=$!
    for _ in $(seq 600); do
        if [ -s "$empty/server.log" ]; then
            address=$(grep -o '127\.0\.0\.1:[0-9]*' "$empty/server.log" | head -n 1 || true)
            port=${address##*:}
            return
        fi
        kill -0 "$server" 2> /dev/null || break
        sleep 0.1
    done
    cat "$empty/server.log" >&2
    fail "$1 did not start"
}

# Compares what a program printed with what is expected.
same() {
    if [ "$2" != "$3" ]; then
        printf 'real-peers: %s printed\n%s\nand not\n%s\n' "$1" "$2" "$3" >&2
        exit 1
    fi
    echo "real-peers: $1"
}

mkdir "$empty/files"
head -c 3000000 /dev/urandom > "$empty/files/large"
printf 'one\ntwo\nthree\n' > "$empty/files/lines"

# Files over HTTP, whole and in part.
serve "$built/static_files" "$empty/files" --listen 127.0.0.1:0
same "static_files and curl" \
    "$(curl --silent --fail --max-time 60 "http://$address/large" | sha256sum)" "$(sha256sum < "$empty/files/large")"
same "static_files and curl, a file that is not there" \
    "$(curl --silent --max-time 60 --output /dev/null --write-out '%{http_code}' "http://$address/none")" 404

# A forwarder before that server: the same file through it.
files=$server target=$address
server=
serve "$built/examples/forwarder" 127.0.0.1:0 "$target"
same "forwarder and curl" \
    "$(curl --silent --fail --max-time 60 "http://$address/large" | sha256sum)" "$(sha256sum < "$empty/files/large")"
# With HTTP/1.0, the end of the answer is the end of the connection, which has to be passed on.
same "forwarder and nc" \
    "$(printf 'GET /lines HTTP/1.0\r\n\r\n' | nc 127.0.0.1 "$port" | tail -n 3)" "$(cat "$empty/files/lines")"
stop
server=$files
stop

serve "$built/examples/sockets" udp-serve 127.0.0.1:0
same "sockets and nc, UDP" "$(echo ping | nc -u -w 2 -W 1 127.0.0.1 "$port")" ping
stop
serve "$built/examples/sockets" unix-serve "$empty/socket"
greeting=$(echo ping | nc -N -U "$empty/socket")
case "$greeting" in
    *ping) echo "real-peers: sockets and nc, Unix" ;;
    *) fail "the Unix server answered '$greeting'" ;;
esac
stop

mkdir -p "$empty/files/folder"
touch "$empty/files/folder/page"
serve python3 -u -m http.server --bind 127.0.0.1 --directory "$empty/files" 0
port=$(sed -n 's/^Serving HTTP on .* port \([0-9]*\) .*/\1/p' "$empty/server.log")
same "crawler and the web server of Python" \
    "$("$built/examples/crawler" "127.0.0.1:$port" --rate 1000 | tail -n 1)" "5 pages, 0 failed, 0 left"
stop

same "tail and tail" \
    "$("$built/examples/tail" --once -n 2 "$empty/files/lines")" "$(tail -n 2 "$empty/files/lines")"
same "runner and sh" \
    "$("$built/examples/runner" "a=echo one")" "$(printf 'a | one\na | ended with exit status: 0')"
printf 'true\nfalse\n' > "$empty/jobs"
same "jobs and sh" \
    "$("$built/examples/jobs" --attempts 1 < "$empty/jobs" | tail -n 1)" "1 done, 1 failed"
same "hasher and sha256sum" \
    "$(cd "$empty/files" && "$built/hasher" --quiet large lines)" "$(cd "$empty/files" && sha256sum large lines)"
sqlite3 "$empty/db" "CREATE TABLE t (n); INSERT INTO t VALUES (1), (2);"
same "sqlite and sqlite3" "$("$built/sqlite" "$empty/db" "SELECT n FROM t ORDER BY n")" \
    "$(sqlite3 "$empty/db" "SELECT n FROM t ORDER BY n")"

# curl 7.86 and later speak WebSocket. The handshake is enough here: the tests exchange messages.
serve "$built/websocket" --listen 127.0.0.1:0
key=dGhlIHNhbXBsZSBub25jZQ==
accept=$(curl --silent --include --max-time 5 --http1.1 --header "Connection: Upgrade" --header "Upgrade: websocket" \
    --header "Sec-WebSocket-Version: 13" --header "Sec-WebSocket-Key: $key" "http://$address/" \
    | tr -d '\r' | sed -n 's/^[Ss]ec-[Ww]eb[Ss]ocket-[Aa]ccept: //p' || true)
# The answer that RFC 6455 gives for this key.
same "websocket and curl" "$accept" "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
echo "real-peers: all programs agree with their peers"
