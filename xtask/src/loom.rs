//! Runs the loom models: every `crates/*/tests/loom_*.rs`, and the models inside the crates'
//! sources.
//!
//! loom runs a test repeatedly, with each order of the threads' steps that the memory model allows,
//! up to a number of preemptions. The full depth covers three preemptions. The short one, for every
//! change, covers two and ends each model after a while. The models are built with `--cfg
//! reveille_loom` into a folder of their own, so that the flag does not rebuild everything else.

use std::fs;
use std::path::Path;

use crate::shell::{self, Outcome};

/// The crates that have atomic protocols.
const CRATES: [&str; 4] = ["primitive", "task", "driver", "runtime"];

/// How much of the state space is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Takes minutes.
    Full,
    /// Takes seconds for each model.
    Short,
}

/// Runs all models.
pub(crate) fn run(depth: Depth) -> Outcome {
    let mut found = 0;
    for name in CRATES {
        let models = models(&shell::root().join("crates").join(name).join("tests"))?;
        for model in &models {
            run_model(name, model, depth)?;
        }
        found += models.len();
    }
    match found {
        0 => Err("there is no crates/*/tests/loom_*.rs".to_owned()),
        _ => {
            println!("loom: {found} files of models, none found a fault");
            Ok(())
        }
    }
}

fn run_model(name: &str, model: &str, depth: Depth) -> Outcome {
    let mut cargo = shell::cargo();
    // Optimised, because a model runs its body some hundred thousand times.
    cargo.args(shell::words("test --quiet --release"));
    cargo.args(["-p", &format!("reveille-{name}"), "--test", model]);
    if name == "primitive" {
        // For the other crates, the dev-dependencies enable it.
        cargo.args(["--features", "loom"]);
    }
    cargo.env("RUSTFLAGS", "--cfg reveille_loom");
    cargo.env("CARGO_TARGET_DIR", shell::target_dir().join("loom"));
    // The watchdog must not end a model, because the full depth has no time limit.
    cargo.env("REVEILLE_TEST_LIMIT", "7200");
    match depth {
        Depth::Full => cargo.env("LOOM_MAX_PREEMPTIONS", "3"),
        Depth::Short => {
            cargo.env("LOOM_MAX_PREEMPTIONS", "2").env("LOOM_MAX_DURATION", "10");
            // loom checks its time limit once in this many runs of the body. The default is 20,000.
            cargo.env("LOOM_CHECKPOINT_INTERVAL", "100")
        }
    };
    shell::run(&mut cargo)
}

/// Returns the names of the models in `folder`, in their order.
fn models(folder: &Path) -> Result<Vec<String>, String> {
    let mut models = Vec::new();
    if !folder.is_dir() {
        return Ok(models);
    }
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(stem) = name.strip_suffix(".rs").filter(|stem| stem.starts_with("loom_")) {
            models.push(stem.to_owned());
        }
    }
    models.sort();
    Ok(models)
}
