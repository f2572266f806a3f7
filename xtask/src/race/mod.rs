//! Data races: tests and the program `stress` under ThreadSanitizer.
//!
//! ThreadSanitizer reports whatever it was not compiled into: `Arc` frees behind a fence that it
//! does not see. So the standard library is compiled with it too, from sources ([`sources`]), by a
//! nightly compiler.
//!
//! | form | what runs | processor time of a first run |
//! |---|---|---|
//! | `--planted` | the planted races | 95 s, half of it for the standard library |
//! | `--short` | also the tests of the crates with unsafe code, and 10 s of stress | 211 s |
//! | neither | also the tests of the protocols above them; 10 minutes of stress | that and more |
//!
//! The planted races come first. Two programs with a race must be reported, and one without must
//! not be. A tool that reports nothing, or everything, fails here.
//!
//! If the compiler or the sources are missing, the command says which. That is a failure with
//! `--require`. Without, the command says that it was skipped and succeeds.

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
    /// The races that the tool must find, and nothing else.
    Planted,
    /// As for every change.
    Short,
    /// As before a release.
    Long,
}

/// The crates with unsafe code, whose protocols have loom models.
const MODELLED: [&str; 4] = ["primitive", "task", "driver", "runtime"];

/// Counts system calls, and a program is slower under ThreadSanitizer and makes more of them.
const NOT_ABOUT_RACES: &str = "budgets";

/// The tests of the protocols that the public crate adds.
const ABOVE: [&str; 2] = ["-p reveille --lib", "-p reveille-tests --test structured --test sync"];

/// The programs of `planted_race`: the argument, and whether it has a race.
const PLANTED: [(&str, bool); 3] = [("plain", true), ("relaxed", true), ("acquire", false)];

/// How long `stress` runs in the short form, and in the long one.
const STRESS_SECONDS: (u64, u64) = (10, 600);

/// The exit code of a program in which ThreadSanitizer has found something.
const REPORTED: i32 = 66;

/// Runs `form`. If the machine lacks a part of the tool, that is a failure if `is_required`.
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
    /// Finds the parts, or says in a sentence which one is missing.
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

    /// Builds the planted races, and checks that those and only those are reported.
    fn planted(&self) -> Outcome {
        let mut build = self.cargo("build --quiet");
        // Together with `stress`, which is one build less.
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
        // Without a target of its own each flag of the sanitizer would rebuild the rest. Reports
        // need lines and no more, and the short form must be short.
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

/// Returns what names the tests of the modelled crates to cargo: the models have none here.
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

/// Sets what ThreadSanitizer reads: threads of a pool outlive `main`, and are no leak.
fn options(command: &mut Command) -> &mut Command {
    // Tests run about ten times slower.
    command.env("REVEILLE_TEST_LIMIT", "600");
    command.env("TSAN_OPTIONS", format!("report_thread_leaks=0 exitcode={REPORTED}"))
}
