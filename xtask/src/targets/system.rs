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
    /// Packages that are not run here, with the reason.
    pub(super) without: &'static [(&'static str, &'static str)],
    /// The program of `reveille-tests` that shows what the runner lacks.
    pub(super) faults: Option<&'static str>,
    /// Parts of the names of tests that are not run here, with the reason.
    pub(super) skipped: &'static [(&'static str, &'static str)],
}

/// Tests that start cargo and the compiler.
const COMPILES: (&str, &str) = ("compile_fail::", "starts the compiler, which is this machine's");

/// What `tests/src/bin/wine_faults.rs` shows.
const REFUSED: &str = "wine loses the error of a refused datagram (program wine_faults)";
const UNLOCKED: &str = "wine reports another error for a file that is not locked (wine_faults)";
const RESET: &str = "wine loses the error of a reset connection (program wine_faults)";
const BUFFERS: &str = "wine refuses more than 1,024 buffers (program wine_faults)";
const PROBES: &str = "wine lacks the number of keep-alive probes (program wine_faults)";
const OPTIONS: &str = "wine lacks options that quinn-udp asks for (program wine_faults)";
const EVENTS: &str = "wine sends no event to a process group (program wine_faults)";

/// What `tests/src/bin/qemu_faults.rs` shows.
const SECCOMP: &str = "qemu has no filters of system calls (program qemu_faults)";
const EXEC: &str = "qemu loses the error of a program that cannot start (program qemu_faults)";
const FORK: &str = "qemu ends a forked child that starts a thread (program qemu_faults)";
const URING: &str = "qemu has no io_uring (program qemu_faults)";
const LIMIT_AS: &str = "qemu ignores a limit of the addresses (program qemu_faults)";
const MEMORY: &str = "qemu keeps memory of threads that have ended (program qemu_faults)";
const PREADV2: &str = "qemu has no reads that do not wait (program qemu_faults)";
const TERMINAL: &str = "qemu lacks TCGETS2 (program qemu_faults)";
const THREAD: &str = "qemu has a thread that the kernel counts (program qemu_faults)";
const SIGNAL: &str = "qemu does not send the last signal (program qemu_faults)";

pub(super) const SYSTEMS: [System; 3] = [
    System {
        name: "windows",
        target: "x86_64-pc-windows-gnu",
        facts: Facts { os: "windows", arch: "x86_64", pointer_width: "64" },
        packages: "wine64 gcc-mingw-w64-x86-64",
        without: &[("reveille-quinn", OPTIONS)],
        faults: Some("wine_faults"),
        skipped: &[
            COMPILES,
            ("a_wait_after_an_error_was_taken_does_not_spin", REFUSED),
            ("peer_that_is_not_there_is_reported_once_and_the_socket_stays_usable", REFUSED),
            ("a_dropped_wait_leaves_no_lock_behind", UNLOCKED),
            ("a_lock_excludes_and_is_passed_on", UNLOCKED),
            ("shared_locks_exclude_the_exclusive_one_only", UNLOCKED),
            ("waiters_do_not_take_the_threads_that_the_owner_needs", UNLOCKED),
            ("peer_that_closes_unread_resets_the_connection", RESET),
            ("zero_linger_resets_the_connection", RESET),
            ("any_number_of_buffers_is_taken", BUFFERS),
            ("options_reach_the_connection", PROBES),
            ("every_listener_receives_the_event_and_the_process_continues", EVENTS),
            ("without_a_listener_the_event_ends_the_process", EVENTS),
        ],
    },
    System {
        name: "aarch64",
        target: "aarch64-unknown-linux-gnu",
        facts: Facts { os: "linux", arch: "aarch64", pointer_width: "64" },
        packages: "qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
        without: &[],
        faults: Some("qemu_faults"),
        skipped: &[
            COMPILES,
            ("sandbox::a_runtime_works_without_", SECCOMP),
            ("waits_are_exact_with_and_without_epoll_pwait2", SECCOMP),
            ("a_run_is_the_same_in_strict_mode", SECCOMP),
            ("batched::", URING),
            ("missing_program_is_an_error", EXEC),
            ("a_group_that_does_not_exist_is_an_error", EXEC),
            ("errors_of_socket_paths_and_programs_contain_that_of_the_system", EXEC),
            ("forked::", FORK),
            ("a_child_made_by_fork_does_not_write_to_its_parents_file", FORK),
            ("children_dropped_when_no_thread_can_be_started", LIMIT_AS),
            ("the_blocking_pool_does_without_threads_that_cannot_be_started", LIMIT_AS),
            ("a_blocked_worker_is_handed_off_once_a_thread_can_start", LIMIT_AS),
            ("closures_without_a_thread_are_refused_and_everything_else_continues", LIMIT_AS),
            ("runtimes_that_end_with_a_stuck_poll_are_used_again_when_it_returns", MEMORY),
            ("read_of_a_regular_file_fills_the_buffer_where_only_a_part_is_in_memory", PREADV2),
            ("a_long_read_fills_its_buffer_where_nothing_is_in_memory", PREADV2),
            ("the_end_of_a_file_is_found_without_the_pool", PREADV2),
            ("what_is_in_memory_is_read_without_the_pool_whatever_the_size", PREADV2),
            ("kinds::a_dropped_read_does_not_block_a_write", TERMINAL),
            ("kinds::a_waiting_read_does_not_block_a_write", TERMINAL),
            ("a_thread_that_blocks_shows_its_stack_and_continues", SIGNAL),
            ("a_poll_that_blocks_has_the_stack_of_its_thread", SIGNAL),
            ("a_thread_whose_block_on_blocks_has_its_stack", SIGNAL),
            ("a_deadlocked_program_is_reported", THREAD),
        ],
    },
    System {
        name: "i686",
        target: "i686-unknown-linux-gnu",
        facts: Facts { os: "linux", arch: "x86", pointer_width: "32" },
        packages: "gcc-multilib",
        without: &[],
        faults: None,
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

    /// Whether rustup has installed the standard library of this system.
    fn has_std(&self) -> bool {
        let installed =
            shell::output(shell::program("rustup").args(["target", "list", "--installed"]));
        installed.unwrap_or_default().lines().any(|line| line.trim() == self.target)
    }

    /// The cargo that builds for this system. Without an installed standard library, that of the
    /// nightly toolchain builds it from its sources.
    pub(super) fn cargo(&self) -> Command {
        if self.has_std() {
            return shell::cargo();
        }
        let mut cargo = shell::cargo_nightly();
        cargo.env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort,panic_unwind,test");
        cargo
    }

    /// Names what is missing.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if !self.has_std() && !has_sources_of_std() {
            missing.push(format!(
                "std (rustup target add {}, or rustup component add rust-src --toolchain nightly)",
                self.target
            ));
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
            // Less than "limited" leaves the paths of functions out of dumps.
            ("CARGO_PROFILE_DEV_DEBUG".to_owned(), "limited".to_owned()),
            ("CARGO_TARGET_DIR".to_owned(), folder.display().to_string()),
            ("REVEILLE_TEST_RUNNER".to_owned(), self.restarter().join(" ")),
            ("REVEILLE_SIM_RUNNER".to_owned(), self.restarter().join(" ")),
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
        let mut command = self.command(Path::new("wineboot"), "300");
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

    /// Returns a command that runs a program of this system for at most `limit` seconds.
    pub(super) fn command(&self, program: &Path, limit: &str) -> Command {
        let mut command = shell::program("timeout");
        command.args(["--kill-after=5", limit]).args(self.runner()).arg(program);
        command
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

/// Whether the nightly toolchain has the sources of the standard library.
fn has_sources_of_std() -> bool {
    let mut rustc = shell::program("rustc");
    let root = shell::output(rustc.args(["+nightly", "--print", "sysroot"]));
    let library = Path::new("lib/rustlib/src/rust/library/std");
    root.is_ok_and(|root| Path::new(root.trim()).join(library).is_dir())
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
