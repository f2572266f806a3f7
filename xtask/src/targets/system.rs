//! The systems whose programs this machine can run, and what that takes.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell;
use crate::tidy::gates::Facts;

/// A system that `--run` knows.
#[derive(Debug)]
pub(super) struct System {
    pub(super) name: &'static str,
    /// The compiler's name for it.
    pub(super) target: &'static str,
    pub(super) facts: Facts,
    /// The packages of Debian that bring the other programs.
    pub(super) packages: &'static str,
    /// Parts of the names of tests that are not run here, with the reason.
    pub(super) skipped: &'static [(&'static str, &'static str)],
}

/// Tests that start cargo and the compiler.
const COMPILES: (&str, &str) = ("compile_fail::", "starts the compiler, which is this machine's");

/// What `tests/src/bin/wine_faults.rs` shows first.
const REFUSED: &str = "wine loses the error of a refused datagram (program wine_faults)";

pub(super) const SYSTEMS: [System; 3] = [
    System {
        name: "windows",
        target: "x86_64-pc-windows-gnu",
        facts: Facts { os: "windows", arch: "x86_64", pointer_width: "64" },
        packages: "wine64 gcc-mingw-w64-x86-64",
        skipped: &[COMPILES, ("a_wait_after_an_error_was_taken_does_not_spin", REFUSED)],
    },
    System {
        name: "aarch64",
        target: "aarch64-unknown-linux-gnu",
        facts: Facts { os: "linux", arch: "aarch64", pointer_width: "64" },
        packages: "qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
        skipped: &[COMPILES],
    },
    System {
        name: "i686",
        target: "i686-unknown-linux-gnu",
        facts: Facts { os: "linux", arch: "x86", pointer_width: "32" },
        packages: "gcc-multilib",
        skipped: &[COMPILES],
    },
];

/// Where Debian's cross compiler looks for libraries of aarch64, and so qemu.
const ARM_ROOT: &str = "/usr/aarch64-linux-gnu";

/// The places of wine's loader for 64 bits: Debian keeps it out of the path.
const WINE: [&str; 4] = ["wine64", "/usr/lib/wine/wine64", "/usr/lib/wine/wine", "wine"];

/// std imports it for random numbers, and wine has it since version 9 only.
const RANDOM: &str = "bcryptprimitives.dll";
const RANDOM_SOURCE: &str = "#include <windows.h>\n\
    BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);\n\
    __declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE to, SIZE_T count) {\n\
    return SystemFunction036(to, (ULONG)count); }\n";

impl System {
    /// Returns the first word of the runner's command and its arguments; nothing if programs of
    /// this system run by themselves.
    pub(super) fn runner(&self) -> Vec<String> {
        match self.name {
            "windows" => wine().into_iter().collect(),
            "aarch64" => ["qemu-aarch64", "-L", ARM_ROOT].map(str::to_owned).to_vec(),
            _ => Vec::new(),
        }
    }

    /// Names what is missing.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        let installed =
            shell::output(shell::program("rustup").args(["target", "list", "--installed"]));
        if !installed.unwrap_or_default().lines().any(|line| line.trim() == self.target) {
            missing.push(format!("std (rustup target add {})", self.target));
        }
        let mut need = |what: &str, is_here: bool| {
            if !is_here {
                missing.push(format!("{what} (Debian: {})", self.packages));
            }
        };
        match self.name {
            "windows" => {
                need("wine for 64 bits", wine().is_some());
                need("x86_64-w64-mingw32-gcc", is_in_path("x86_64-w64-mingw32-gcc"));
            }
            "aarch64" => {
                need("qemu-aarch64", is_in_path("qemu-aarch64"));
                need("aarch64-linux-gnu-gcc", is_in_path("aarch64-linux-gnu-gcc"));
                need("the C library", Path::new(ARM_ROOT).join("lib").is_dir());
            }
            _ => {
                let asked = shell::output(
                    shell::program("gcc").args(["-m32", "-print-file-name=libgcc_eh.a"]),
                );
                // A bare name means that the compiler does not have the file.
                need("gcc for 32 bits", asked.is_ok_and(|path| path.trim().contains('/')));
                need("the loader", Path::new("/lib/ld-linux.so.2").exists());
            }
        }
        missing
    }

    /// Sets the linker, and what the programs need to start.
    pub(super) fn prepare(&self, folder: &Path) -> Result<Vec<(String, String)>, String> {
        let mut variables = vec![
            ("CARGO_INCREMENTAL".to_owned(), "0".to_owned()),
            ("CARGO_PROFILE_DEV_DEBUG".to_owned(), "line-tables-only".to_owned()),
            ("CARGO_TARGET_DIR".to_owned(), folder.display().to_string()),
            ("REVEILLE_TEST_RUNNER".to_owned(), self.restarter().join(" ")),
        ];
        match self.name {
            "windows" => {
                let prefix = folder.join("wine");
                variables.push(("WINEDEBUG".to_owned(), "-all".to_owned()));
                variables.push(("WINEPREFIX".to_owned(), prefix.display().to_string()));
                self.make_prefix(&prefix)?;
            }
            "aarch64" => variables.push((
                "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER".to_owned(),
                "aarch64-linux-gnu-gcc".to_owned(),
            )),
            _ => {}
        }
        Ok(variables)
    }

    /// What a test puts before the path of its own program to start it again. Wine's programs start
    /// each other. A kernel without a handler for binaries of aarch64 cannot start those.
    fn restarter(&self) -> Vec<String> {
        if self.name == "windows" { Vec::new() } else { self.runner() }
    }

    /// Makes wine's folder, with the library for random numbers if wine lacks it.
    fn make_prefix(&self, prefix: &Path) -> Result<(), String> {
        let library = prefix.join("drive_c/windows/system32").join(RANDOM);
        if library.is_file() {
            return Ok(());
        }
        std::fs::create_dir_all(prefix)
            .map_err(|error| format!("{}: {error}", prefix.display()))?;
        let mut command = self.command(Path::new("wineboot"));
        command.arg("--init").env("WINEDEBUG", "-all").env("WINEPREFIX", prefix);
        shell::run(&mut command)?;
        if library.is_file() {
            return Ok(());
        }
        let source = prefix.join("random.c");
        std::fs::write(&source, RANDOM_SOURCE)
            .map_err(|error| format!("{}: {error}", source.display()))?;
        let mut compiler = shell::program("x86_64-w64-mingw32-gcc");
        compiler.arg("-shared").arg("-o").arg(&library).arg(&source).arg("-ladvapi32");
        shell::run(&mut compiler)
    }

    /// Returns a command that runs a program of this system.
    pub(super) fn command(&self, program: &Path) -> Command {
        let runner = self.runner();
        match runner.split_first() {
            Some((first, rest)) => {
                let mut command = shell::program(first);
                command.args(rest).arg(program);
                command
            }
            None => shell::program(program),
        }
    }

    /// The name of a program's file.
    pub(super) fn file_name(&self, program: &str) -> String {
        let suffix = if self.name == "windows" { ".exe" } else { "" };
        format!("{program}{suffix}")
    }

    /// What runs the programs, with its version.
    pub(super) fn description(&self) -> String {
        let Some(runner) = self.runner().into_iter().next() else {
            return "this machine's processor".to_owned();
        };
        let version = shell::output(shell::program(runner).arg("--version")).unwrap_or_default();
        version.lines().next().unwrap_or("an unknown version").to_owned()
    }

    /// Ends the processes that the runner leaves behind: wine's server and services of this folder.
    pub(super) fn end(&self, variables: &[(String, String)]) {
        if self.name == "windows" {
            let paths = ["wineserver", "/usr/lib/wine/wineserver64", "/usr/lib/wine/wineserver"];
            let server = paths.into_iter().find(|path| is_in_path(path));
            let Some(server) = server else { return };
            let mut command = shell::program(server);
            command.arg("-k").envs(variables.iter().cloned());
            // It fails if there is no server.
            let _ = shell::succeeds(&mut command);
        }
    }
}

fn wine() -> Option<String> {
    WINE.into_iter().find(|path| is_in_path(path)).map(str::to_owned)
}

/// Whether a program with this name, or at this path, exists.
fn is_in_path(name: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&folders).chain([PathBuf::from("/")]);
    folders.any(|folder| folder.join(name).is_file())
}
