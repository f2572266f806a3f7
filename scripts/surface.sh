#!/usr/bin/env bash
# Records the public API, with all features, in tests/surface/: one line for each item, with its
# types. A change of the API is a change of these files, which a reviewer sees and .ci/run compares.
# Needs cargo-public-api (scripts/tools.sh).
#
# The types of reveille that it takes from its internal crates are recorded there.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
for package in reveille async-std reveille-runtime reveille-task; do
    # The stable compiler describes crates as JSON if one insists, so no nightly has to be there.
    RUSTC_BOOTSTRAP=1 cargo rustdoc --quiet --package "$package" --lib --all-features -- \
        -Zunstable-options --output-format json --cap-lints allow
    # Without impls that follow from others: those of auto traits and derived ones.
    cargo public-api --rustdoc-json "$target/doc/${package//-/_}.json" -sss \
        --color never > "tests/surface/$package.txt"
done
