//! Puts the faults of `tests/FAULTS.md` back, one at a time, and runs the test that must fail.
//!
//! `tests/mutations.txt` lists the changes. Each is made in a copy of the tree with a target folder
//! of its own, `target/mutants`; the test is built and run there, and the file is put back. A test
//! that fails, crashes or hangs has caught the fault. All mutations take an hour or two, so this is
//! not part of `check`. tidy checks that the list fits the sources.
//!
//! Rejected: cargo-mutants. It changes operators and results, but most faults of this list are two
//! steps in the wrong order. It also cannot run loom models.

pub(crate) mod list;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use self::list::{Change, LIST, Mutation};
use crate::shell::{self, Outcome};

/// The time limit of a test program in seconds. Its watchdog ends it then.
const TEST_LIMIT: &str = "40";

/// How a mutation ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Ended {
    Caught,
    /// No thread of the test made progress any more.
    Hung,
    /// The crate compiles, but its test does not.
    Refused,
    Survived,
    NotBuilt,
    /// The old lines are not in the file, or no test has the name.
    Stale,
}

impl Ended {
    fn word(self) -> &'static str {
        match self {
            Ended::Caught => "caught",
            Ended::Hung => "caught, hung",
            Ended::Refused => "caught, E0xxx",
            Ended::Survived => "SURVIVED",
            Ended::NotBuilt => "NOT BUILT",
            Ended::Stale => "STALE",
        }
    }
}

/// Prints or runs the chosen entries: all, or those with one of `names` in their texts.
pub(crate) fn run(names: &[&str], lists_only: bool) -> Outcome {
    let path = shell::root().join(LIST);
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read {LIST}: {error}"))?;
    let all = list::parse(&text)?;
    let is_chosen =
        |mutation: &&Mutation| names.is_empty() || names.iter().any(|name| mutation.is_named(name));
    let mut chosen: Vec<&Mutation> = all.iter().filter(is_chosen).collect();
    // The mutations of one test program run one after the other, so that least is rebuilt.
    chosen.sort_by_key(|mutation| {
        let change = mutation.change.as_ref();
        change.map(|change| (program(&change.test), change.file.clone()))
    });
    if chosen.is_empty() {
        return Err(format!("no entry of {LIST} has {} in it", names.join(" or ")));
    }
    let copy = shell::target_dir().join("mutants/tree");
    if !lists_only {
        copy_tree(&copy)?;
    }
    let mut sums: BTreeMap<Ended, usize> = BTreeMap::new();
    for mutation in chosen {
        let faults = mutation.faults.join("; ");
        match &mutation.change {
            Err(reason) => println!("{:15} {faults}: {reason}", "no mutation"),
            Ok(change) if lists_only => println!("{faults}\n    {} {}", change.file, change.test),
            Ok(change) => {
                let begin = now();
                let ended = try_one(&copy, change)?;
                *sums.entry(ended).or_default() += 1;
                let seconds = begin.elapsed().as_secs();
                println!("{:15} {seconds:3} s  {faults}\n    {}", ended.word(), change.test);
            }
        }
    }
    let sum: Vec<String> =
        sums.iter().map(|(ended, count)| format!("{count} {}", ended.word())).collect();
    println!("mutants: {}", sum.join(", "));
    let is_bad = sums.keys().any(|ended| *ended > Ended::Refused);
    if is_bad { Err("mutants: not every fault was caught".to_owned()) } else { Ok(()) }
}

#[expect(clippy::disallowed_methods, reason = "only to print how long it took")]
fn now() -> Instant {
    Instant::now()
}

/// Updates the copy. An unchanged file keeps its modification time, so that cargo rebuilds little.
fn copy_tree(copy: &Path) -> Outcome {
    let mut git = shell::program("git");
    git.args(shell::words("ls-files --cached --others --exclude-standard"));
    let listed = shell::output(&mut git)?;
    let files: Vec<&str> =
        listed.lines().filter(|file| shell::root().join(file).exists()).collect();
    remove_others(copy, copy, &files)?;
    for file in files {
        let (from, to) = (shell::root().join(file), copy.join(file));
        let fail = |error| format!("cannot copy {file}: {error}");
        let bytes = fs::read(from).map_err(fail)?;
        if fs::read(&to).is_ok_and(|old| old == bytes) {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap_or(copy)).map_err(fail)?;
        fs::write(to, bytes).map_err(fail)?;
    }
    Ok(())
}

/// Removes every file that is not in `files` from `folder`, a part of the copy. cargo would build
/// it.
fn remove_others(copy: &Path, folder: &Path, files: &[&str]) -> Outcome {
    // In the first run there is no copy yet.
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let own = path.strip_prefix(copy).unwrap_or(&path);
        if path.is_dir() {
            remove_others(copy, &path, files)?;
        } else if !files.iter().any(|file| Path::new(file) == own) {
            fs::remove_file(&path).map_err(|error| format!("cannot remove {own:?}: {error}"))?;
        }
    }
    Ok(())
}

/// Makes the change in the copy, runs its test, and reverts the change.
fn try_one(copy: &Path, change: &Change) -> Result<Ended, String> {
    let path = copy.join(&change.file);
    let Ok(mutated) = change.apply_below(copy) else { return Ok(Ended::Stale) };
    let original = fs::read(&path).map_err(|error| error.to_string())?;
    let write = |bytes: &[u8]| {
        fs::write(&path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    write(mutated.as_bytes())?;
    let ended = test(copy, change);
    write(&original)?;
    ended
}

/// Builds and runs the test of `change` in the copy.
fn test(copy: &Path, change: &Change) -> Result<Ended, String> {
    let log = copy.with_file_name("log");
    let mut build = cargo(copy, &change.test);
    build.arg("--no-run");
    if !run_logged(&mut build, &log)? {
        let mut alone = shell::cargo();
        let package = package_of(&change.file).unwrap_or_default();
        alone.current_dir(copy).args(["build", "--quiet", "-p", &package]);
        alone.env("CARGO_TARGET_DIR", copy.with_file_name("target"));
        let compiles = run_logged(&mut alone, &copy.with_file_name("log-alone"))?;
        return Ok(if compiles { Ended::Refused } else { Ended::NotBuilt });
    }
    let mut list = cargo(copy, &change.test);
    let listed = shell::output(list.args(["--", "--list", "--format", "terse"]))?;
    let names: Vec<&str> = names_of(&change.test, &listed).collect();
    if names.is_empty() {
        return Ok(Ended::Stale);
    }
    let mut run = cargo(copy, &change.test);
    run.args(["--", "--exact"]).args(names);
    let succeeded = run_logged(&mut run, &log)?;
    let said = fs::read(&log).map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&said);
    Ok(match succeeded {
        true => Ended::Survived,
        false if said.contains("watchdog: ") => Ended::Hung,
        false => Ended::Caught,
    })
}

/// Returns the harness's names of `test`, out of those that its program lists. A test of
/// `conformance!` has one for each executor.
fn names_of<'a>(test: &'a str, listed: &'a str) -> impl Iterator<Item = &'a str> {
    let (file, claim) = test.split_once("::").unwrap_or((test, ""));
    let stem = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let claims = names.filter(move |name| name.split("::").any(|part| part == claim));
    // In a program of one file, names do not begin with the file's name as a module.
    let (own, others): (Vec<_>, Vec<_>) =
        claims.partition(|name| name.split("::").any(|part| part == stem));
    if own.is_empty() { others.into_iter() } else { own.into_iter() }
}

/// Returns the package and the options that choose the program of `test`.
fn program(test: &str) -> (String, String) {
    let (file, _) = test.split_once("::").unwrap_or((test, ""));
    let path = Path::new(file);
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    // The file of a program, or its folder.
    let option = |program: &str| format!("--test {}", program.trim_end_matches(".rs"));
    match &parts[..] {
        [name, folder, rest @ ..] if ["src", "tests"].contains(&&**folder) => {
            let package = package_of(&format!("crates/{name}")).unwrap_or_default();
            let is_integration = folder == "tests";
            let options = rest.first().filter(|_| is_integration).map(|program| option(program));
            (package, options.unwrap_or_else(|| "--lib".to_owned()))
        }
        [program, ..] => ("reveille-tests".to_owned(), option(program)),
        [] => (String::new(), String::new()),
    }
}

/// Returns the package to which a file of `crates/` belongs.
fn package_of(file: &str) -> Option<String> {
    let name = Path::new(file).strip_prefix("crates").ok()?.iter().next()?.to_string_lossy();
    match &*name {
        "reveille" | "async-std" => Some(name.into_owned()),
        name => Some(format!("reveille-{name}")),
    }
}

/// Returns the cargo that tests the program of `test` in the copy.
fn cargo(copy: &Path, test: &str) -> Command {
    let (package, options) = program(test);
    let is_model = options.contains("loom_");
    let target: PathBuf = copy.with_file_name(if is_model { "loom" } else { "target" });
    let mut cargo = shell::cargo();
    cargo.current_dir(copy).args(["test", "--quiet", "-p", &package]).args(shell::words(&options));
    cargo.env("CARGO_TARGET_DIR", target).env("REVEILLE_TEST_LIMIT", TEST_LIMIT);
    // The stacks are not needed, and the program links faster without debug information.
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_PROFILE_RELEASE_INCREMENTAL", "true");
    if is_model {
        cargo.arg("--release").env("RUSTFLAGS", "--cfg reveille_loom");
        cargo.env("LOOM_MAX_PREEMPTIONS", "2").env("REVEILLE_TEST_LIMIT", "400");
        cargo.env("LOOM_MAX_DURATION", "60").env("LOOM_CHECKPOINT_INTERVAL", "100");
        if package == "reveille-primitive" {
            cargo.args(["--features", "loom"]);
        }
    }
    cargo
}

/// Runs the command with its output in `log`, and returns whether it succeeded. It ends by itself:
/// each test program has a watchdog.
fn run_logged(command: &mut Command, log: &Path) -> Result<bool, String> {
    let fail = |error| format!("cannot run cargo: {error}");
    let file = fs::File::create(log).map_err(fail)?;
    command.stdout(file.try_clone().map_err(fail)?).stderr(file).stdin(Stdio::null());
    command.status().map(|status| status.success()).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_in_the_program_of_its_file() {
        let of = |test| program(test);
        let pair = |package: &str, options: &str| (package.to_owned(), options.to_owned());
        assert_eq!(of("net/tcp.rs::a"), pair("reveille-tests", "--test net"));
        assert_eq!(of("faults/shim/api.rs::a"), pair("reveille-tests", "--test faults"));
        assert_eq!(of("task/tests/cell/join.rs::a"), pair("reveille-task", "--test cell"));
        assert_eq!(of("task/tests/loom_task.rs::a"), pair("reveille-task", "--test loom_task"));
        assert_eq!(of("driver/src/stock/tests.rs::a"), pair("reveille-driver", "--lib"));
        assert_eq!(of("reveille/src/fs/file/waiters.rs::a"), pair("reveille", "--lib"));
    }

    #[test]
    fn a_test_is_found_by_its_claim_and_its_module() {
        let listed = "tcp::a: test\ntcp::ab: test\nudp::a: test\nudp::b::on_this_thread: test\n\
                      tcp::x::c: test\n";
        let names = |test| names_of(test, listed).collect::<Vec<_>>();
        assert_eq!(names("net/tcp.rs::a"), ["tcp::a"]);
        assert_eq!(names("net/udp.rs::b"), ["udp::b::on_this_thread"]);
        assert_eq!(names("net/tcp.rs::c"), ["tcp::x::c"]);
        assert_eq!(names("task/tests/loom_task.rs::b"), ["udp::b::on_this_thread"]);
        assert!(names("net/tcp.rs::d").is_empty());
    }
}
