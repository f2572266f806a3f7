//! The report about lock files, which are written here.

use super::*;
use crate::lock::parse;

const REGISTRY: &str = "registry+https://example.org/index";

fn lock(version: &str) -> String {
    format!(
        "[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\"web\"]\n\
         [[package]]\nname = \"web\"\nversion = \"2.0.0\"\nsource = \"{REGISTRY}\"\n\
         dependencies = [\"async-std\", \"cycle\"]\n\
         [[package]]\nname = \"cycle\"\nversion = \"1.0.0\"\nsource = \"{REGISTRY}\"\n\
         dependencies = [\"web\"]\n\
         [[package]]\nname = \"async-std\"\nversion = \"{version}\"\n\
         source = \"{REGISTRY}\"\n"
    )
}

#[test]
fn the_path_to_a_dependent_starts_at_the_program() {
    let text = report(&parse(&lock("1.13.2")).unwrap());
    assert!(text.contains("Other packages:\n  app 0.1.0 > web 2.0.0\n"), "{text}");
    assert!(!text.contains("Your own"), "{text}");
    assert!(text.contains("[patch.crates-io]"), "{text}");
    assert!(!text.contains("cargo update"), "{text}");
}

#[test]
fn an_older_version_needs_an_update_and_0_99_cannot_be_patched() {
    let text = report(&parse(&lock("1.12.0")).unwrap());
    assert!(text.contains("cargo update -p async-std@1.12.0"), "{text}");
    let text = report(&parse(&lock("0.99.12")).unwrap());
    assert!(text.contains("A patch cannot replace these versions."), "{text}");
    assert!(text.ends_with("depend on them:\n  async-std 0.99.12\n"), "{text}");
    assert!(!text.contains("[patch"), "{text}");
}

#[test]
fn a_tree_without_async_std_or_with_a_replaced_one_needs_nothing() {
    assert_eq!(report(&[]), "Nothing here depends on async-std.\n");
    let replaced = lock("1.13.2").replace(REGISTRY, "git+https://example.org/reveille#0");
    let text = report(&parse(&replaced).unwrap());
    assert!(text.contains("it has been replaced") && !text.contains("[patch"), "{text}");
}

#[test]
fn the_report_also_patches_an_async_process_that_the_tree_uses() {
    let with = |user: &str| {
        let process = format!(
            "[[package]]\nname = \"async-process\"\nversion = \"2.5.0\"\n\
             source = \"{REGISTRY}\"\n"
        );
        lock("1.13.2").replace(user, &format!("{user}, \"async-process\"")) + &process
    };
    let text = report(&parse(&with("\"async-std\", \"cycle\"")).unwrap());
    assert!(text.contains("    async-process = { git = "), "{text}");
    let alone = lock("1.13.2")
        + "dependencies = [\"async-process\"]\n"
        + "[[package]]\nname = \"async-process\"\nversion = \"2.5.0\"\n"
        + &format!("source = \"{REGISTRY}\"\n");
    let text = report(&parse(&alone).unwrap());
    assert!(!text.contains("async-process"), "only async-std uses it: {text}");
}

fn package(name: &str, version: &str, dependencies: &[&str]) -> String {
    let names: Vec<String> = dependencies.iter().map(|name| format!("\"{name}\"")).collect();
    format!(
        "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{REGISTRY}\"\n\
         dependencies = [{}]\n",
        names.join(", ")
    )
}

fn own(dependencies: &[&str]) -> String {
    package("app", "0.1.0", dependencies).replace(&format!("source = \"{REGISTRY}\"\n"), "")
}

#[test]
fn what_smol_would_start_is_replaced_unless_only_async_std_uses_it() {
    let tail = package("async-io", "2.4.0", &[]) + &package("blocking", "1.7.0", &[]);
    let used = "dependencies = [\"async-io\", \"blocking\"]\n";
    let text = report(&parse(&(lock("1.13.2") + used + &tail)).unwrap());
    assert!(!text.contains("async-io"), "only async-std uses them: {text}");
    let own = own(&["async-io", "blocking"]) + &tail;
    let text = report(&parse(&own).unwrap());
    assert!(text.starts_with("Nothing here depends on async-std."), "{text}");
    for line in ["    async-io = { git = ", "    blocking = { git = "] {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.contains("cargo update -p async-io@2.4.0\n"), "{text}");
    assert!(!text.contains("blocking@"), "{text}");
    let replaced = own.replace(REGISTRY, "git+https://example.org/reveille#0");
    assert_eq!(report(&parse(&replaced).unwrap()), "Nothing here depends on async-std.\n");
    let text = report(&parse(&own.replace("2.4.0", "1.13.0")).unwrap());
    assert!(!text.contains("async-io = "), "no shim of async-io 1: {text}");
    assert!(text.contains("A patch cannot replace these versions"), "{text}");
    assert!(text.contains("\n  async-io 1.13.0: a second reactor"), "{text}");
}

#[test]
fn smol_is_replaced_with_all_that_its_parts_use() {
    let tree = own(&["smol"])
        + &package("smol", "2.0.2", &["async-net", "async-process"])
        + &package("async-net", "2.0.0", &["async-io", "blocking"])
        + &package("async-process", "2.5.0", &["async-io"])
        + &package("async-io", "2.6.0", &[])
        + &package("blocking", "1.7.0", &[]);
    let text = report(&parse(&tree).unwrap());
    for name in ["async-io", "async-process", "blocking", "smol"] {
        let line = format!("    {name} = {{ git = \"{REPOSITORY}\" }}\n");
        assert!(text.contains(&line), "no {line:?} in {text}");
    }
    assert!(!text.contains("async-net") && !text.contains("cargo update"), "{text}");
}

/// TOML rejects a manifest in which a section occurs twice.
#[test]
fn a_tree_that_needs_several_shims_gets_one_section() {
    let tree = own(&["web", "async-std", "async-io"])
        + &package("web", "2.0.0", &["async-std"])
        + &package("async-std", "1.12.0", &["async-io"])
        + &package("async-io", "2.5.0", &[]);
    let text = report(&parse(&tree).unwrap());
    assert_eq!(text.matches("[patch.crates-io]").count(), 1, "{text}");
    let section = format!(
        "    [patch.crates-io]\n    async-std = {{ git = \"{REPOSITORY}\" }}\n    \
         async-io = {{ git = \"{REPOSITORY}\" }}\n\n"
    );
    assert!(text.contains(&section), "{text}");
    let updates = "    cargo update -p async-std@1.12.0\n    cargo update -p async-io@2.5.0\n";
    assert!(text.ends_with(&format!("Then run once:\n\n{updates}")), "{text}");
}

#[test]
fn a_tree_made_for_tokio_is_led_to_its_guide() {
    let tree = own(&["tokio"]) + &package("tokio", "1.48.0", &[]);
    let text = report(&parse(&tree).unwrap());
    assert!(text.starts_with("Nothing here depends on async-std."), "{text}");
    assert!(text.contains(FROM_TOKIO) && !text.contains("[patch"), "{text}");
    let libraries =
        own(&["web"]) + &package("web", "2.0.0", &["tokio"]) + &package("tokio", "1.48.0", &[]);
    assert!(!report(&parse(&libraries).unwrap()).contains("tokio"), "no own code for tokio");
}

#[test]
fn both_versions_of_the_global_executor_are_replaced_and_what_only_they_use_goes_with_them() {
    let name = "async-global-executor";
    let io = package("async-io", "2.6.0", &[]);
    let two = package(name, "2.3.1", &["async-io"]);
    let text = report(&parse(&(own(&[name]) + &two + &io)).unwrap());
    let line = format!("    {name} = {{ version = \"2\", git = \"{REPOSITORY}\" }}\n");
    assert!(text.contains(&line), "{text}");
    assert!(text.contains(&format!("cargo update -p {name}@2.3.1\n")), "{text}");
    assert!(!text.contains("async-io"), "the shim has its own: {text}");
    let both = own(&["lib", &format!("{name} 2.3.1")])
        + &package("lib", "1.0.0", &[&format!("{name} 3.1.0")])
        + &two
        + &package(name, "3.1.0", &["async-io"])
        + &io;
    let text = report(&parse(&both).unwrap());
    for line in [
        format!("    {name} = {{ version = \"3\", git = \"{REPOSITORY}\" }}\n"),
        format!(
            "    {name}-2 = {{ package = \"{name}\", version = \"2\", \
             git = \"{REPOSITORY}\" }}\n"
        ),
    ] {
        assert!(text.contains(&line), "no {line:?} in {text}");
    }
}

#[test]
fn a_sparse_registry_is_a_registry() {
    let sparse = lock("1.13.2").replace("registry+", "sparse+");
    let text = report(&parse(&sparse).unwrap());
    assert!(text.contains("[patch.crates-io]"), "{text}");
}
