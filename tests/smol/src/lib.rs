//! Support for the tests: servers that other crates connect to, and the names of threads.

#![allow(clippy::disallowed_methods, reason = "tests read the environment and wait for servers")]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The names that threads of smol's crates begin with.
const FOREIGN: [&str; 5] = ["async-global-ex", "async-io", "async-process", "blocking-", "smol-"];

/// The names of this process' threads.
///
/// # Panics
///
/// Panics on systems other than Linux.
pub fn thread_names() -> Vec<String> {
    let threads = std::fs::read_dir("/proc/self/task").expect("the test runs on Linux");
    // A thread may end meanwhile.
    let names =
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim_end().to_owned()).collect()
}

/// Checks that reveille runs, and no thread of smol's crates.
///
/// # Panics
///
/// Panics if such a thread runs.
pub fn assert_only_reveille(what: &str) {
    let names = thread_names();
    for foreign in FOREIGN {
        let is_foreign = |name: &&String| name.starts_with(foreign);
        assert!(names.iter().find(is_foreign).is_none(), "{what}: {names:?}");
    }
}

/// Whether a test that lacks `program` may be left out: with `CI_SKIP_MISSING=1`.
///
/// # Panics
///
/// Panics if the program is missing and the variable is not set.
pub fn is_missing(program: &str) -> bool {
    if find(program).is_some() {
        return false;
    }
    let may_skip = std::env::var("CI_SKIP_MISSING").is_ok_and(|value| value == "1");
    assert!(may_skip, "{program} is not installed; CI_SKIP_MISSING=1 leaves this test out");
    eprintln!("NOT CHECKED: {program} is not installed");
    true
}

/// The path of a program. Debian keeps those of PostgreSQL outside of `PATH`.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).collect::<Vec<_>>();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let others = versions.map(|entry| entry.path().join("bin"));
    folders.into_iter().chain(others).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A server that runs until it is dropped, in a folder of its own.
#[derive(Debug)]
pub struct Server {
    child: Child,
    folder: PathBuf,
    /// The address that it listens at.
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("it is bound").port()
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("reveille-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the folder for temporary files is writable");
    folder
}

fn start(mut command: Command, folder: PathBuf, port: u16) -> Server {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let server = Server { child, folder, port };
    for _ in 0..600 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return server;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{command:?} does not listen at port {port}");
}

/// Starts redis.
///
/// # Panics
///
/// Panics if it does not start.
pub fn redis() -> Server {
    let (port, folder) = (free_port(), folder("redis"));
    let mut command = Command::new(find("redis-server").expect("the caller has checked"));
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    command.arg("--dir").arg(&folder);
    start(command, folder, port)
}

/// Starts PostgreSQL, with a user and a database `test`. It refuses to run as root.
///
/// # Panics
///
/// Panics if it does not start.
pub fn postgres() -> Server {
    let (port, folder) = (free_port(), folder("postgres"));
    let data = folder.join("data");
    if is_root() {
        let mut chown = Command::new("chown");
        assert!(chown.arg("postgres").arg(&folder).status().is_ok_and(|status| status.success()));
    }
    let mut initdb = unprivileged(&find("initdb").expect("it comes with the server"));
    initdb.args(["-U", "test", "-A", "trust", "-D"]).arg(&data).stdout(Stdio::null());
    assert!(initdb.status().is_ok_and(|status| status.success()), "{initdb:?} failed");
    let mut server = unprivileged(&find("postgres").expect("the caller has checked"));
    server.args(["-F", "-h", "127.0.0.1", "-p", &port.to_string(), "-k"]).arg(&folder);
    server.arg("-D").arg(&data).stderr(Stdio::null());
    start(server, folder, port)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("every system has `id`");
    id.stdout == b"0\n"
}

/// A command that root runs as the user of PostgreSQL.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}
