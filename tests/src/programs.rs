//! Builds the examples with cargo and runs them as separate processes, as a user does.
//!
//! cargo gives tests the paths of a package's binaries, but not of its examples. So the first test
//! that needs an example has cargo build all of them and reads their paths from cargo's output.
//! This also ensures that no example is older than its source.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

pub use crate::itself::{is_emulated, itself, through_runner};

/// The variable with a folder of examples that are built already, for a system that has no cargo.
const EXAMPLES: &str = "REVEILLE_TEST_EXAMPLES";

/// The time limit of a program. A program that works takes less than a tenth of it.
const LIMIT: Duration = Duration::from_secs(120);

/// By how much the limits are longer if an emulator runs the programs.
const EMULATOR_FACTOR: u32 = 4;

/// The variable with the time limit of a test.
const CHILD_LIMIT: &str = "REVEILLE_TEST_LIMIT";

/// Its value in seconds for a process that a test starts. The watchdog of that process reports and
/// ends it before [`LIMIT`] is reached.
const CHILD_LIMIT_SECONDS: u32 = 90;

/// What a program printed and how it ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed on its standard output.
    pub stdout: String,
    /// What it printed on its standard error.
    pub stderr: String,
}

/// Builds the example `name` and returns the command that starts it.
///
/// # Panics
///
/// Panics if it cannot be built.
pub fn command(name: &str) -> Command {
    through_runner(&example(name))
}

/// Builds the example `name` and returns the words that start it in a shell.
///
/// # Panics
///
/// Panics if it cannot be built.
pub fn shell_words(name: &str) -> String {
    let command = command(name);
    let words = iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| format!("'{}'", word.to_string_lossy()));
    words.collect::<Vec<_>>().join(" ")
}

/// Builds the example `name` and returns its path.
///
/// # Panics
///
/// Panics if it cannot be built.
pub fn example(name: &str) -> PathBuf {
    if let Some(folder) = env::var_os(EXAMPLES) {
        return PathBuf::from(folder).join(format!("{name}{}", env::consts::EXE_SUFFIX));
    }
    static BUILT: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    let examples = BUILT.get_or_init(build_examples);
    examples.get(name).unwrap_or_else(|| panic!("there is no example {name}")).clone()
}

/// Runs `command` until it ends, with empty input.
///
/// # Panics
///
/// Panics if it cannot be started or does not end within two minutes.
pub fn finish(command: &mut Command) -> Finished {
    finish_reading(command, Stdio::null())
}

/// Like [`finish`], with input.
///
/// # Panics
///
/// Panics as [`finish`] does.
pub fn finish_reading(command: &mut Command, stdin: Stdio) -> Finished {
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let factor = if is_emulated() { EMULATOR_FACTOR } else { 1 };
    let limit = LIMIT * factor;
    if !command.get_envs().any(|(name, _)| name == CHILD_LIMIT) {
        command.env(CHILD_LIMIT, (CHILD_LIMIT_SECONDS * factor).to_string());
    }
    let mut child =
        command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let (sender, receiver) = mpsc::channel();
    let pipes: [Box<dyn Read + Send>; 2] = [
        Box::new(child.stdout.take().expect("it was asked for above")),
        Box::new(child.stderr.take().expect("it was asked for above")),
    ];
    let texts = thread::scope(|scope| {
        // Each pipe is read by a thread of its own, so that a program which fills one pipe can
        // still write to the other.
        for (index, mut pipe) in pipes.into_iter().enumerate() {
            let sender = sender.clone();
            scope.spawn(move || {
                let mut text = Vec::new();
                let _ = pipe.read_to_end(&mut text);
                let _ = sender.send((index, String::from_utf8_lossy(&text).into_owned()));
            });
        }
        let mut texts = [const { String::new() }; 2];
        for _ in 0..2 {
            match receiver.recv_timeout(limit) {
                Ok((index, text)) => texts[index] = text,
                Err(_) => {
                    let _ = child.kill();
                    panic!("{command:?} has not ended within {limit:?}");
                }
            }
        }
        texts
    });
    let status = child.wait().expect("the child is ours and was not waited for before");
    let [stdout, stderr] = texts;
    Finished { status, stdout, stderr }
}

/// Builds a program that uses only reveille, with `panic = "abort"` in its profile, in `folder`.
/// Returns its path, or `None` on a system that has no cargo.
///
/// # Panics
///
/// Panics if it cannot be built.
pub fn build_with_abort(source: &str, folder: &Path) -> Option<PathBuf> {
    if env::var_os(EXAMPLES).is_some() || env::var_os("CARGO_BUILD_TARGET").is_some() {
        return None;
    }
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let reveille = workspace.join("crates/reveille");
    let manifest = format!(
        "[workspace]\n[package]\nname = \"aborts\"\nedition = \"2024\"\n\
         [dependencies]\nreveille.path = {reveille:?}\n\
         [profile.dev]\npanic = \"abort\"\ndebug = false\nincremental = false\n"
    );
    let written = fs::create_dir(folder.join("src"))
        .and_then(|()| fs::write(folder.join("src/main.rs"), source))
        .and_then(|()| fs::write(folder.join("Cargo.toml"), manifest))
        .and_then(|()| fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock")));
    written.expect("the folder can be written");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(folder).env("CARGO_TARGET_DIR", folder.join("target"));
    // The workspace was built with the same versions, so all sources are here.
    command.args(["build", "--quiet", "--offline"]);
    let status = command.status().expect("cargo runs this test");
    assert!(status.success(), "the program does not build");
    Some(folder.join("target/debug/aborts"))
}

fn build_examples() -> HashMap<String, PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command.args(["build", "--quiet", "--package", "reveille-examples", "--examples"]);
    command.arg("--message-format=json");
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.stderr(Stdio::inherit()).output().expect("cargo runs this test");
    assert!(output.status.success(), "the examples do not build");
    // Each message is a line of JSON. The path has a field of its own, and its last part is the
    // name of the example.
    let text = String::from_utf8_lossy(&output.stdout);
    let executables = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once("\"executable\":\"")?;
        Some(PathBuf::from(rest.split('"').next()?.replace("\\\\", "\\")))
    });
    executables
        .filter_map(|path| Some((path.file_stem()?.to_string_lossy().into_owned(), path)))
        .collect()
}
