//! Runs the command on lock files that cargo has written.

use std::path::{Path, PathBuf};
use std::process::Output;

use reveille_watchdog::through_runner;

fn migrate(path: &Path) -> Output {
    let mut command = through_runner(Path::new(env!("CARGO_BIN_EXE_reveille")));
    command.arg("migrate").arg(path).output().expect("the command was just built")
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn each_dependent_of_a_program_is_named_with_the_path_to_it() {
    let output = migrate(&here("tests/locks/shop.lock"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for line in [
        "shop.lock: async-std 1.13.2\n",
        "Your own packages that depend on it:\n  shop 0.3.1\n",
        "  shop 0.3.1 > surf 2.3.2\n",
        "  shop 0.3.1 > surf 2.3.2 > http-client 6.5.3\n",
        "    async-std = { package = \"reveille\", git = \"https://github.com/reveille-rs/reveille\" }\n",
        "`path = \"../reveille/crates/reveille\"`",
        "    [patch.crates-io]\n",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
}

#[test]
fn async_std_of_this_repository_is_replaced() {
    let output = migrate(&here("../.."));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("async-std 1.13.2 comes from a folder: it has been replaced."), "{text}");
    assert!(!text.contains("[patch.crates-io]"), "{text}");
}

/// A workspace has one lock file, at its root.
#[test]
fn a_member_or_its_manifest_leads_to_the_lock_file_above() {
    let root = here("../..").canonicalize().unwrap();
    for path in ["src", "Cargo.toml"] {
        let text = String::from_utf8(migrate(&here(path)).stdout).unwrap();
        let begin = format!("{}: async-std 1.13.2", root.join("Cargo.lock").display());
        assert!(text.starts_with(&begin), "{text}");
    }
}

#[test]
fn a_folder_without_a_lock_file_is_an_error_that_says_how_to_get_one() {
    let output = migrate(Path::new("/"));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("cargo generate-lockfile"), "{text}");
}

#[test]
fn a_file_that_is_not_a_lock_file_is_an_error_that_names_the_line() {
    let output = migrate(&here("src/main.rs"));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(text.starts_with("reveille: cannot parse ") && text.contains("line 1"), "{text}");

    let output = migrate(&here("tests/locks/nothing.lock"));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("cannot read"), "{text}");
}
