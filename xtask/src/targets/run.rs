//! Runs the tests of other systems: Windows under wine, 64-bit ARM under qemu, 32-bit x86 as it is.
//!
//! It builds the test programs with the standard library of that system and runs them one after the
//! other. A program that does not end in time is ended, and the tests that it had not finished are
//! named; the next program runs all the same. At the end a table has the counts of each program
//! (`report.rs`). Then it lists the tests that are compiled for Linux and not for that system, with
//! the reasons in the sources (`xtask/src/tidy/gates.rs`). Doc tests are not run: each of them is a
//! program of its own.
//!
//! What is not installed is named. With the name of a system that is an error, and without one the
//! system is skipped.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde_json::Value;

use super::report::{Counts, Report};
use super::system::{SYSTEMS, System};
use crate::shell::{self, Outcome};
use crate::tidy::gates;

/// Packages that are not run elsewhere: two contain checks of the sources, and the test program of
/// procedural macros is one of this machine.
const EXCLUDED: [&str; 3] = ["xtask", "reveille-guide", "reveille-macros"];

/// The packages whose programs may be named.
const CORE: [&str; 5] = [
    "reveille-primitive",
    "reveille-task",
    "reveille-driver",
    "reveille-runtime",
    "reveille-tests",
];

/// How long a program may run, in seconds, without [`LIMIT_VARIABLE`]. The longest takes four
/// minutes under wine on a busy machine.
const LIMIT: &str = "600";
const LIMIT_VARIABLE: &str = "REVEILLE_TARGETS_LIMIT";

/// The programs of the short form, by package.
const SHORT: [(&str, &str); 5] = [
    ("reveille-driver", "reveille_driver"),
    ("reveille-driver", "sockets"),
    ("reveille-runtime", "reveille_runtime"),
    ("reveille-runtime", "executors"),
    ("reveille-tests", "net"),
];

/// What is run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent<'a> {
    /// Everything.
    Full,
    /// The driver, the runtime, sockets, and `many_requests`.
    Short,
    /// The programs with these names, of the packages in [`CORE`].
    Programs(&'a [&'a str]),
}

/// A test program.
#[derive(Debug)]
struct Program {
    package: String,
    name: String,
    path: PathBuf,
    /// The folder of its package, in which cargo would run it.
    folder: PathBuf,
}

/// Runs the short form for Windows if wine is installed, and prints what is missing otherwise.
pub(crate) fn run_short_on_windows() -> Outcome {
    let windows = SYSTEMS.iter().find(|system| system.name == "windows");
    let windows = windows.ok_or("Windows is not in the list of systems")?;
    let missing = windows.missing();
    if missing.is_empty() {
        return run_one(windows, Extent::Short)?.map_or(Ok(()), Err);
    }
    println!("windows: NOT RUN, missing: {}", missing.join("; "));
    Ok(())
}

/// Runs the system with this name, or all of them.
pub(crate) fn run(name: Option<&str>, extent: Extent<'_>) -> Outcome {
    let mut problems = Vec::new();
    for system in systems(name)? {
        let missing = system.missing();
        if missing.is_empty() {
            problems.extend(run_one(system, extent)?);
        } else {
            let text = format!("{}: NOT RUN, missing: {}", system.name, missing.join("; "));
            println!("{text}");
            problems.extend(name.map(|_| text));
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems.join("\n")),
    }
}

/// Prints the tests that the system with this name lacks, or each of them. It builds and runs
/// nothing.
pub(crate) fn list_absent(name: Option<&str>) -> Outcome {
    systems(name)?.into_iter().try_for_each(print_absent)
}

/// The system with this name, or all of them.
fn systems(name: Option<&str>) -> Result<Vec<&'static System>, String> {
    let systems = SYSTEMS.iter().filter(|system| name.is_none_or(|name| name == system.name));
    let systems: Vec<&System> = systems.collect();
    if systems.is_empty() {
        let known: Vec<&str> = SYSTEMS.iter().map(|system| system.name).collect();
        return Err(format!("no such system; there are {}", known.join(", ")));
    }
    Ok(systems)
}

/// Returns what failed.
fn run_one(system: &System, extent: Extent<'_>) -> Result<Option<String>, String> {
    println!("== {}: {}, {}", system.name, system.target, system.description());
    let folder = folder(system);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut variables = system.prepare(&folder)?;
    let examples = folder.join(system.target).join("debug/examples");
    variables.push(("REVEILLE_TEST_EXAMPLES".to_owned(), examples.display().to_string()));
    let mut build = cargo(system, &variables);
    build.args(["build", "--quiet", "-p", "reveille-examples", "--examples"]);
    shell::run(&mut build)?;
    let mut report = Report::default();
    for program in programs(system, extent, &variables)? {
        run_program(system, &program, extent, &variables, &mut report)?;
    }
    if !matches!(extent, Extent::Programs(_)) {
        let mut build = cargo(system, &variables);
        build.args(["build", "--quiet", "-p", "reveille-tests"]);
        let figures = iter::once("sleep_overshoot").chain(system.faults);
        shell::run(build.args(figures.clone().flat_map(|name| ["--bin", name])))?;
        for name in figures {
            show(system, name, &examples, &variables, &mut report)?;
        }
        many_requests(system, &examples, &variables, &mut report)?;
    }
    system.end(&variables);
    report.print(system.name);
    for (test, reason) in system.without.iter().chain(system.skipped) {
        println!("{}: skipped {test}: {reason}", system.name);
    }
    print_absent(system)?;
    Ok(report.problem(system.name))
}

/// What is built for the system, and what its programs print.
fn folder(system: &System) -> PathBuf {
    shell::target_dir().join("targets").join(system.name)
}

fn cargo(system: &System, variables: &[(String, String)]) -> Command {
    let mut cargo = system.cargo();
    cargo.envs(variables.iter().cloned());
    cargo.env("CARGO_BUILD_TARGET", system.target);
    cargo
}

/// How long a program may run, in seconds.
fn limit() -> String {
    let limit = env::var_os(LIMIT_VARIABLE);
    limit.map_or_else(|| LIMIT.to_owned(), |limit| limit.to_string_lossy().into_owned())
}

/// Builds the test programs.
fn programs(
    system: &System,
    extent: Extent<'_>,
    variables: &[(String, String)],
) -> Result<Vec<Program>, String> {
    let mut build = cargo(system, variables);
    build.args([
        "test",
        "--quiet",
        "--no-run",
        "--tests",
        "--message-format=json-render-diagnostics",
    ]);
    if matches!(extent, Extent::Full) {
        build.arg("--workspace");
        let without = system.without.iter().map(|(package, _)| *package);
        for package in EXCLUDED.into_iter().chain(without) {
            build.args(["--exclude", package]);
        }
    } else {
        for package in CORE {
            build.args(["-p", package]);
        }
    }
    let output = shell::output(&mut build)?;
    let messages = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let programs = messages.filter_map(|message| program(&message));
    let is_wanted = |program: &Program| match extent {
        Extent::Full => true,
        Extent::Short => SHORT.contains(&(&*program.package, &*program.name)),
        Extent::Programs(names) => names.contains(&&*program.name),
    };
    Ok(programs.filter(is_wanted).collect())
}

fn program(message: &Value) -> Option<Program> {
    if message["profile"]["test"] != true {
        return None;
    }
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    // `path+file:///work/crates/driver#reveille-driver@0.1.0`, or without the name if the folder
    // has the same.
    let id = message["package_id"].as_str()?;
    let named = id.rsplit('#').next().and_then(|name| name.split_once('@'));
    let package = named.map_or_else(
        || folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        |(name, _)| name.to_owned(),
    );
    Some(Program {
        package,
        name: message["target"]["name"].as_str()?.to_owned(),
        path: message["executable"].as_str()?.into(),
        folder: folder.to_owned(),
    })
}

/// Runs a program, and prints its whole output if it failed.
fn run_program(
    system: &System,
    program: &Program,
    extent: Extent<'_>,
    variables: &[(String, String)],
    report: &mut Report,
) -> Outcome {
    let name = format!("{} {}", program.package, program.name);
    let mut command = system.command(&program.path, &limit());
    command.current_dir(&program.folder).envs(variables.iter().cloned());
    command.env_remove("CARGO_TARGET_DIR").env("CARGO_MANIFEST_DIR", &program.folder);
    if matches!(extent, Extent::Short) && program.name == "net" {
        command.arg("tcp");
    }
    for (test, _) in system.skipped {
        command.args(["--skip", test]);
    }
    let (status, output) = logged(system, &mut command)?;
    let mut counts = Counts::of(&output);
    if !counts.is_complete {
        // Processes that its tests had started may still run.
        system.end(variables);
        let (_, list) = logged(system, command.arg("--list"))?;
        counts.find_unfinished(&list, &output);
    }
    println!("{name}: {counts}");
    if !status.success() {
        println!("{name} ended with {status}\n{output}");
    }
    report.add(name, counts, status.success());
    Ok(())
}

/// Runs a command, with both of its outputs in one file.
fn logged(system: &System, command: &mut Command) -> Result<(ExitStatus, String), String> {
    let log = folder(system).join("log");
    let fail = |error: std::io::Error| format!("{}: {error}", log.display());
    let file = File::create(&log).map_err(fail)?;
    command.stdout(file.try_clone().map_err(fail)?).stderr(file);
    let status = command.status().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let text = fs::read(&log).map_err(fail)?;
    Ok((status, String::from_utf8_lossy(&text).into_owned()))
}

/// Makes 2,000 requests, 200 at a time.
fn many_requests(
    system: &System,
    examples: &Path,
    variables: &[(String, String)],
    report: &mut Report,
) -> Outcome {
    let mut command = system.command(&examples.join(system.file_name("many_requests")), &limit());
    // The limit of an attempt is for a machine that emulates and does other work too.
    command
        .args(["--requests", "2000", "--concurrency", "200", "--timeout", "600"])
        .envs(variables.iter().cloned());
    let (status, output) = logged(system, &mut command)?;
    let line = output.lines().find(|line| line.contains(" fetched; "));
    println!("many_requests: {}", line.unwrap_or("no result"));
    if !status.success() || !line.is_some_and(|line| line.starts_with("2,000 of 2,000 ")) {
        println!("many_requests ended with {status}\n{output}");
        report.fail("many_requests");
    }
    Ok(())
}

/// Runs a program that prints figures, and prints them.
fn show(
    system: &System,
    name: &str,
    examples: &Path,
    variables: &[(String, String)],
    report: &mut Report,
) -> Outcome {
    let folder = examples.parent().unwrap_or(examples);
    let mut command = system.command(&folder.join(system.file_name(name)), &limit());
    let (status, output) = logged(system, command.envs(variables.iter().cloned()))?;
    print!("{output}");
    if !status.success() {
        println!("{name} ended with {status}");
        report.fail(name);
    }
    Ok(())
}

fn print_absent(system: &System) -> Outcome {
    let absent = gates::absent(&shell::root(), system.facts)?;
    let count: usize = absent.iter().map(|one| one.count).sum();
    let mut list = format!("{}: {count} tests of Linux on x86-64 are compiled out:\n", system.name);
    for one in absent {
        list += &format!("{:5}  {} {}: {}\n", one.count, one.path.display(), one.name, one.reason);
    }
    match io::stdout().write_all(list.as_bytes()) {
        // The reader, such as `head`, has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| format!("cannot print the list: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_program_is_found_in_cargos_messages() {
        let text = r#"{"package_id":"path+file:///w/crates/driver#reveille-driver@0.1.0",
            "manifest_path":"/w/crates/driver/Cargo.toml","target":{"name":"sockets"},
            "profile":{"test":true},"executable":"/w/target/sockets-1"}"#;
        let message: Value = serde_json::from_str(text).unwrap();
        let found = program(&message).unwrap();
        assert_eq!((&*found.package, &*found.name), ("reveille-driver", "sockets"));
        assert_eq!(found.folder, Path::new("/w/crates/driver"));
    }
}
