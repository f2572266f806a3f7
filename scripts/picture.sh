#!/usr/bin/env bash
# Draws the picture of `reveille view` that the README shows: records many_requests, writes the page
# and has Chromium take a picture of it. Needs Chromium (Debian's package of that name).
#
# Without an argument the picture replaces docs/view.png.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-docs/view.png}
most=150000
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cargo build --package reveille-cli
cargo build --package reveille-examples --example many_requests
built=${CARGO_TARGET_DIR:-target}/debug
"$built/examples/many_requests" --trace "$folder/requests.rvt" > "$folder/printed"
"$built/reveille" view "$folder/requests.rvt" --output "$folder/requests.html"
# As root, Chromium runs without its sandbox only. The page is our own.
chromium --headless=new --no-sandbox --hide-scrollbars --window-size=1200,640 --timeout=5000 \
    --user-data-dir="$folder/profile" --screenshot="$folder/view.png" \
    "file://$folder/requests.html#request%204" 2> "$folder/messages" || { cat "$folder/messages" >&2; exit 1; }
size=$(stat -c %s "$folder/view.png")
if [ "$size" -gt "$most" ]; then
    echo "the picture has $size bytes, more than the $most that the README may load" >&2
    exit 1
fi
cp "$folder/view.png" "$out"
echo "$out: $size bytes"
