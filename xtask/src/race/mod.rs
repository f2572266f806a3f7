//! Detects data races: runs tests and the program `stress` under ThreadSanitizer.
//!
//! ThreadSanitizer does not see synchronization in code that was compiled without it, and reports
//! false races there. An example is the fence before `Arc` frees its value. So a nightly compiler
//! builds the standard library with it too, from sources ([`sources`]).
//!
//! | form | what runs | processor time of a first run |
//! |---|---|---|
//! | `--planted` | the planted races | 95 s, half of it for the standard library |
//! | `--short` | also the tests of the crates with unsafe code, and 10 s of stress | 211 s |
//! | neither | also the tests of the protocols above them; 10 minutes of stress | more than `--short` |
//!
//! The planted races come first. Two programs with a race must be reported, and one without must
//! not be. A tool that reports nothing, or everything, fails here.
//!
//! If the compiler or the sources are missing, the command says which. With `--require` that is a
//! failure. Otherwise the command prints that it was skipped, and succeeds.

mod sources;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use self::sources::Sources;
use crate::memory::host;
use crate::shell::{self, Outcome};

/// How much runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Only the planted races, which the tool must find.
    Planted,
    /// For every change.
    Short,
    /// Before a release.
    Long,
}

/// The crates with unsafe code, whose protocols have loom models.
const MODELLED: [&str; 4] = ["primitive", "task", "driver", "runtime"];

/// A test that counts system calls. Under ThreadSanitizer a program is slower and makes more of
/// them.
const NOT_ABOUT_RACES: &str = "budgets";

/// The tests of the protocols that the public crate adds.
const ABOVE: [&str; 2] = ["-p reveille --lib", "-p reveille-tests --test structured --test sync"];

/// The programs of `planted_race`: the argument, and whether it has a race.
const PLANTED: [(&str, bool); 3] = [("plain", true), ("relaxed", true), ("acquire", false)];

/// How long `stress` runs in the short form, and in the long one.
const STRESS_SECONDS: (u64, u64) = (10, 600);

/// The exit code of a program in which ThreadSanitizer has found something.
const REPORTED: i32 = 66;

/// Runs `form`. If a part of the tool is missing on this machine, the command fails if
/// `is_required`.
pub(crate) fn run(form: Form, is_required: bool) -> Outcome {
    let tool = match Tool::find() {
        Ok(tool) => tool,
        Err(missing) if is_required => return Err(format!("race: {missing}")),
        Err(missing) => {
            println!("race: SKIPPED, nothing was checked: {missing}");
            return Ok(());
        }
    };
    tool.planted()?;
    if form == Form::Planted {
        return Ok(());
    }
    tool.tests(&modelled()?)?;
    if form == Form::Long {
        for tests in ABOVE {
            tool.tests(&shell::words(tests).map(str::to_owned).collect::<Vec<_>>())?;
        }
    }
    let seconds = if form == Form::Long { STRESS_SECONDS.1 } else { STRESS_SECONDS.0 };
    let mut stress = shell::program(tool.program("stress"));
    stress.args(["--light", "--seconds", &seconds.to_string()]);
    shell::run(options(&mut stress))?;
    println!("race: the planted races were found, and no others");
    Ok(())
}

/// A compiler with what it needs to build everything for ThreadSanitizer.
struct Tool {
    host: String,
    sources: Sources,
}

impl Tool {
    /// Finds the parts. The error is a sentence that names the missing one.
    fn find() -> Result<Tool, String> {
        let host = host().ok_or("rustc does not say what machine this is")?;
        if !host.ends_with("-linux-gnu") {
            return Err(format!("ThreadSanitizer runs on Linux with glibc here, not on {host}"));
        }
        if !shell::succeeds(shell::cargo_nightly().arg("--version")) {
            let remedy = "rustup toolchain install nightly --component rust-src";
            return Err(format!("no nightly compiler; `{remedy}` installs one"));
        }
        Ok(Tool { host, sources: Sources::find()? })
    }

    /// Builds the planted programs, and checks that exactly those with a race are reported.
    fn planted(&self) -> Outcome {
        let mut build = self.cargo("build --quiet");
        // Built together with `stress`, which saves a build.
        build.args(shell::words("-p reveille-tests --bin planted_race --bin stress"));
        shell::run(&mut build).map_err(|error| {
            format!("{error}\nIf the errors are in std: its sources are {}", self.sources)
        })?;
        for (name, is_racy) in PLANTED {
            let mut program = shell::program(self.program("planted_race"));
            let output = options(&mut program).arg(name).output();
            let output = output.map_err(|error| format!("cannot start planted_race: {error}"))?;
            let report = String::from_utf8_lossy(&output.stderr);
            let is_found = report.contains("ThreadSanitizer: data race");
            let expected = if is_racy { Some(REPORTED) } else { Some(0) };
            if is_found != is_racy || output.status.code() != expected {
                let (was, status) = (if is_found { "a" } else { "no" }, output.status);
                return Err(format!(
                    "the tool fails its own test: planted_race {name} ended with {status} and \
                     {was} report of a data race\n{report}"
                ));
            }
            let verdict = if is_racy { "the race is reported" } else { "nothing is reported" };
            println!("race: planted_race {name}: {verdict}, as it must be");
        }
        Ok(())
    }

    fn tests(&self, which: &[String]) -> Outcome {
        let mut cargo = self.cargo("test --quiet --no-fail-fast");
        shell::run(options(cargo.args(which)))
    }

    /// A cargo that builds with the sanitizer, the standard library included.
    fn cargo(&self, command: &str) -> Command {
        let mut cargo = shell::cargo_nightly();
        cargo.args(shell::words(command)).args(["-Zbuild-std", "--target", &self.host]);
        // Without an explicit target the sanitizer's flags would rebuild everything else. Reports
        // need only line numbers, and less debug information keeps the short form short.
        cargo.env("RUSTFLAGS", "-Zsanitizer=thread");
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
        cargo.env("CARGO_TARGET_DIR", shell::target_dir().join("thread"));
        self.sources.apply(&mut cargo);
        cargo
    }

    /// Where a program was built.
    fn program(&self, name: &str) -> PathBuf {
        shell::target_dir().join("thread").join(&self.host).join("debug").join(name)
    }
}

/// Returns the cargo options for the tests of the modelled crates, without the loom models.
fn modelled() -> Result<Vec<String>, String> {
    let mut arguments = vec!["--lib".to_owned()];
    for name in MODELLED {
        arguments.extend(["-p".to_owned(), format!("reveille-{name}")]);
        let folder = shell::root().join("crates").join(name).join("tests");
        let entries = fs::read_dir(&folder);
        let entries = entries.map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries.filter_map(Result::ok) {
            let file = entry.file_name().to_string_lossy().into_owned();
            // A file, or a folder with the modules of one program.
            let is_program = entry.path().join("main.rs").exists();
            let test = if is_program { Some(&*file) } else { file.strip_suffix(".rs") };
            let Some(test) = test else { continue };
            if !test.starts_with("loom_") && test != NOT_ABOUT_RACES {
                arguments.extend(["--test".to_owned(), test.to_owned()]);
            }
        }
    }
    Ok(arguments)
}

/// Sets ThreadSanitizer's options. Threads of a pool outlive `main`, and must not count as leaked.
fn options(command: &mut Command) -> &mut Command {
    // Tests run about ten times slower.
    command.env("REVEILLE_TEST_LIMIT", "600");
    command.env("TSAN_OPTIONS", format!("report_thread_leaks=0 exitcode={REPORTED}"))
}
