#!/usr/bin/env bash
# Checks `reveille view --perfetto` with the published definitions of Perfetto: every wake of the
# summary is a flow that begins once, and ends once at the latest. Needs Python 3 with pip and the network, so CI
# does not run it: `crates/cli/tests/view.rs` does the same with a copy of the definitions.
#
# Without an argument it checks the trace of a simulated program.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cargo build --quiet --package reveille-cli --package reveille-trace --example synthetic --bins
built=${CARGO_TARGET_DIR:-target}/debug
trace=${1:-$folder/synthetic.rvt}
if [ $# -eq 0 ]; then
    "$built/examples/synthetic" middle "$trace"
fi
"$built/reveille" view "$trace" --perfetto "$folder/perfetto" > "$folder/messages"
"$built/reveille" view "$trace" --summary > "$folder/summary"
python3 -m pip install --quiet --target "$folder/python" perfetto protobuf 2> "$folder/pip"
PYTHONPATH="$folder/python" python3 - "$folder" << 'PYTHON'
import collections, pathlib, re, sys
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

folder = pathlib.Path(sys.argv[1])
trace = Trace()
trace.ParseFromString((folder / "perfetto").read_bytes())
begun, ended = collections.Counter(), collections.Counter()
for packet in trace.packet:
    begun.update(packet.track_event.flow_ids)
    ended.update(packet.track_event.terminating_flow_ids)
summary = (folder / "summary").read_text()
recorded = int(re.search(r"([\d,]+) wakes", summary)[1].replace(",", ""))
print(f"{recorded} wakes, {len(begun)} flows begin, {len(ended)} of them end")
if max(begun.values(), default=1) > 1 or max(ended.values(), default=1) > 1:
    sys.exit("a flow begins or ends twice")
if not ended.keys() <= begun.keys():
    sys.exit("a flow ends that has not begun")
if len(begun) != recorded:
    sys.exit("there are not as many flows as wakes")
PYTHON
