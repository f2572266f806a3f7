//! The recipes of `examples/ecosystem`: other people's crates on reveille.

use crate::shell::{self, Outcome};

/// The programs in `examples/ecosystem/src/bin`. Each is a feature, too, so that it is built alone.
const RECIPES: [&str; 3] = ["middleware", "tls", "traces"];

/// Builds and runs these recipes, or all.
pub(crate) fn run(names: &[&str]) -> Outcome {
    if let Some(unknown) = names.iter().find(|name| !RECIPES.contains(name)) {
        return Err(format!("examples/ecosystem has no recipe `{unknown}`"));
    }
    for name in RECIPES.iter().filter(|name| names.is_empty() || names.contains(name)) {
        let recipe = format!(
            "run --locked --quiet --manifest-path examples/ecosystem/Cargo.toml \
             --no-default-features --features {name} --bin {name}"
        );
        shell::run(shell::cargo().args(shell::words(&recipe)))?;
    }
    Ok(())
}
