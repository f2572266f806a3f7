//! All checks that a change has to pass before it is submitted.

use crate::shell::{self, Outcome};
use crate::{parity, tidy};

/// Format, tidy, clippy, docs, parity and tests. The quick checks come first.
pub(crate) fn run() -> Outcome {
    shell::run(shell::cargo().args(shell::words("fmt --all --check")))?;
    tidy::run()?;
    let clippy = "clippy --workspace --all-targets -- -D warnings";
    shell::run(shell::cargo().args(shell::words(clippy)))?;
    let docs = "doc --workspace --no-deps";
    shell::run(shell::cargo().env("RUSTDOCFLAGS", "-D warnings").args(shell::words(docs)))?;
    parity::run()?;
    shell::run(shell::cargo().args(shell::words("test --workspace")))
}
