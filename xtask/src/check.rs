//! Everything that must hold before a change is shown to anybody.

use crate::shell::{self, Outcome};
use crate::{parity, tidy};

/// Format, tidy, clippy, docs, parity and tests, the quick ones first.
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
