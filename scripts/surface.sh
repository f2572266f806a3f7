#!/usr/bin/env bash
# Records the public API, with all features, in tests/surface/: one line for each item, with its
# types. Every change of the API changes these files. Reviewers see that, and .ci/run compares them.
# Needs cargo-public-api (scripts/tools.sh).
#
# Types that reveille re-exports from its internal crates are recorded with those crates.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
for package in reveille async-std reveille-hyper reveille-metrics reveille-quinn reveille-runtime \
    reveille-task reveille-tracing; do
    # With this variable the stable compiler writes JSON, so no nightly compiler is needed.
    RUSTC_BOOTSTRAP=1 cargo rustdoc --quiet --package "$package" --lib --all-features -- \
        -Zunstable-options --output-format json --cap-lints allow
    # Impls of auto traits, blanket impls and derived impls are left out.
    cargo public-api --rustdoc-json "$target/doc/${package//-/_}.json" -sss \
        --color never > "tests/surface/$package.txt"
done
