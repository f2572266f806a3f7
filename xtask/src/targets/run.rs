//! Runs the tests of other systems: Windows under wine, 64-bit ARM under qemu, 32-bit x86 as it is.
//!
//! It builds the test programs with the standard library of that system, runs them one after the
//! other, and prints for each what its harness printed last. A program that does not end in time is
//! ended, and the tests that it had not finished are named. Then it lists the tests
//! that are compiled for Linux and not for that system, with the reasons in the sources
//! (`xtask/src/tidy/gates.rs`). Doc tests are not run: each of them is a program of its own.
//!
//! What is not installed is named. With the name of a system that is an error, and without one the
//! system is skipped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::system::{SYSTEMS, System};
use crate::shell::{self, Outcome};
use crate::tidy::gates;

/// Packages that are not run elsewhere, because they contain checks of the sources.
const EXCLUDED: [&str; 2] = ["xtask", "reveille-guide"];

/// The packages whose programs may be named.
const CORE: [&str; 5] = [
    "reveille-primitive",
    "reveille-task",
    "reveille-driver",
    "reveille-runtime",
    "reveille-tests",
];

/// How long a program may run, in seconds. The longest takes four minutes under wine on a busy
/// machine.
const LIMIT: &str = "900";

/// How `timeout` ends when it has ended its program.
const TIMED_OUT: i32 = 124;

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

/// The sums of a system.
#[derive(Debug, Default)]
struct Sums {
    programs: usize,
    passed: usize,
    failed: usize,
    /// Programs that failed.
    bad: Vec<String>,
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
    let systems = SYSTEMS.iter().filter(|system| name.is_none_or(|name| name == system.name));
    let systems: Vec<&System> = systems.collect();
    if systems.is_empty() {
        let known: Vec<&str> = SYSTEMS.iter().map(|system| system.name).collect();
        return Err(format!("no such system; there are {}", known.join(", ")));
    }
    let mut problems = Vec::new();
    for system in systems {
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

/// Returns what failed.
fn run_one(system: &System, extent: Extent<'_>) -> Result<Option<String>, String> {
    println!("== {}: {}, {}", system.name, system.target, system.description());
    let folder = shell::target_dir().join("targets").join(system.name);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut variables = system.prepare(&folder)?;
    let examples = folder.join(system.target).join("debug/examples");
    variables.push(("REVEILLE_TEST_EXAMPLES".to_owned(), examples.display().to_string()));
    let mut build = cargo(system, &variables);
    build.args(["build", "--quiet", "-p", "reveille-examples", "--examples"]);
    shell::run(&mut build)?;
    let mut sums = Sums::default();
    for program in programs(system, extent, &variables)? {
        run_program(system, &program, extent, &variables, &mut sums)?;
    }
    if !matches!(extent, Extent::Programs(_)) {
        let mut build = cargo(system, &variables);
        build.args(["build", "--quiet", "-p", "reveille-tests"]);
        shell::run(build.args(["--bin", "sleep_overshoot", "--bin", "wine_faults"]))?;
        show(system, "sleep_overshoot", &examples, &variables)?;
        if system.name == "windows" {
            show(system, "wine_faults", &examples, &variables)?;
        }
        many_requests(system, &examples, &variables, &mut sums)?;
    }
    system.end(&variables);
    let Sums { programs, passed, failed, bad } = &sums;
    println!("{}: {passed} passed; {failed} failed; {programs} programs", system.name);
    for (test, reason) in system.skipped {
        println!("{}: skipped {test}: {reason}", system.name);
    }
    print_absent(system)?;
    let text = format!("{}: failed: {}", system.name, bad.join(", "));
    Ok((!bad.is_empty()).then_some(text))
}

fn cargo(system: &System, variables: &[(String, String)]) -> Command {
    let mut cargo = system.cargo();
    cargo.envs(variables.iter().cloned());
    cargo.env("CARGO_BUILD_TARGET", system.target);
    cargo
}

/// Builds the test programs.
fn programs(
    system: &System,
    extent: Extent<'_>,
    variables: &[(String, String)],
) -> Result<Vec<Program>, String> {
    let mut build = cargo(system, variables);
    build.args(["test", "--quiet", "--no-run", "--tests", "--message-format=json"]);
    if matches!(extent, Extent::Full) {
        build.arg("--workspace");
        for package in EXCLUDED {
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

/// Runs a program, prints its result, and its whole output if it failed.
fn run_program(
    system: &System,
    program: &Program,
    extent: Extent<'_>,
    variables: &[(String, String)],
    sums: &mut Sums,
) -> Outcome {
    let name = format!("{} {}", program.package, program.name);
    let mut command = system.command(&program.path, LIMIT);
    command.current_dir(&program.folder).envs(variables.iter().cloned());
    command.env_remove("CARGO_TARGET_DIR").env("CARGO_MANIFEST_DIR", &program.folder);
    if matches!(extent, Extent::Short) && program.name == "net" {
        command.arg("tcp");
    }
    for (test, _) in system.skipped {
        command.args(["--skip", test]);
    }
    let (status, output) = logged(&mut command, &shell::target_dir().join("targets/log"))?;
    let result = output.lines().rfind(|line| line.starts_with("test result: "));
    sums.programs += 1;
    let Some(result) = result else {
        println!("{name}: ended with {status} and without a result\n{output}");
        if status.code() == Some(TIMED_OUT) {
            let (passed, failed) = finished(&output);
            println!("{name}: no end in {LIMIT} s; {passed} passed and {failed} failed until then");
            sums.passed += passed;
            sums.failed += failed;
        }
        sums.bad.push(name);
        return Ok(());
    };
    println!("{name}: {}", result.trim_start_matches("test result: "));
    sums.passed += count(result, "passed");
    sums.failed += count(result, "failed");
    if !status.success() {
        println!("{output}");
        sums.bad.push(name);
    }
    Ok(())
}

/// Runs a command, with both of its outputs in one file.
fn logged(command: &mut Command, log: &Path) -> Result<(std::process::ExitStatus, String), String> {
    let fail = |error: std::io::Error| format!("{}: {error}", log.display());
    let file = File::create(log).map_err(fail)?;
    command.stdout(file.try_clone().map_err(fail)?).stderr(file);
    let status = command.status().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let text = fs::read(log).map_err(fail)?;
    Ok((status, String::from_utf8_lossy(&text).into_owned()))
}

/// How many tests have passed, and how many have failed, in the output of a harness that was ended.
fn finished(output: &str) -> (usize, usize) {
    let with = |end: &str| output.lines().filter(|line| line.trim_end().ends_with(end)).count();
    (with(" ... ok"), with(" ... FAILED"))
}

/// The number before `what` in the line with the result of a harness.
fn count(result: &str, what: &str) -> usize {
    let mut parts = result.split([';', '.']).map(str::trim);
    let part = parts.find_map(|part| part.strip_suffix(what));
    part.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

/// Makes 2,000 requests, 200 at a time.
fn many_requests(
    system: &System,
    examples: &Path,
    variables: &[(String, String)],
    sums: &mut Sums,
) -> Outcome {
    let mut command = system.command(&examples.join(system.file_name("many_requests")), LIMIT);
    // The limit of an attempt is for a machine that emulates and does other work too.
    command
        .args(["--requests", "2000", "--concurrency", "200", "--timeout", "600"])
        .envs(variables.iter().cloned());
    let (status, output) = logged(&mut command, &shell::target_dir().join("targets/log"))?;
    let line = output.lines().find(|line| line.contains(" fetched; "));
    println!("many_requests: {}", line.unwrap_or("no result"));
    if !status.success() || !line.is_some_and(|line| line.starts_with("2,000 of 2,000 ")) {
        println!("many_requests ended with {status}\n{output}");
        sums.bad.push("many_requests".to_owned());
    }
    Ok(())
}

/// Runs a program that prints figures, and prints them.
fn show(system: &System, name: &str, examples: &Path, variables: &[(String, String)]) -> Outcome {
    let folder = examples.parent().unwrap_or(examples);
    let mut command = system.command(&folder.join(system.file_name(name)), LIMIT);
    let log = shell::target_dir().join("targets/log");
    let (status, output) = logged(command.envs(variables.iter().cloned()), &log)?;
    print!("{output}");
    match status.success() {
        true => Ok(()),
        false => Err(format!("{name} ended with {status}")),
    }
}

fn print_absent(system: &System) -> Outcome {
    let absent = gates::absent(&shell::root(), system.facts)?;
    let count: usize = absent.iter().map(|one| one.count).sum();
    println!("{}: {count} tests of Linux on x86-64 are compiled out:", system.name);
    for one in absent {
        println!("{:5}  {} {}: {}", one.count, one.path.display(), one.name, one.reason);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_are_those_of_the_harness() {
        let line =
            "test result: FAILED. 41 passed; 2 failed; 0 ignored; 0 measured; 3 filtered out";
        assert_eq!((count(line, "passed"), count(line, "failed")), (41, 2));
    }

    #[test]
    fn the_counts_of_a_program_that_was_ended_are_those_of_its_lines() {
        let output = "running 4 tests\ntest a ... ok\r\ntest b ... FAILED\ntest c ... ok\n";
        assert_eq!(finished(output), (2, 1));
    }

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
