//! Support for the tests: servers that other crates connect to, and the names of threads.

#![allow(clippy::disallowed_methods, reason = "tests read the environment and wait for servers")]

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// The names that threads of smol's crates begin with.
const FOREIGN: [&str; 5] = ["async-global-ex", "async-io", "async-process", "blocking-", "smol-"];

/// RabbitMQ takes minutes if other programs use the processors.
const START_SECONDS_MAX: u64 = 600;

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
/// Panics if such a thread runs, or if there is no thread of reveille.
pub fn assert_only_reveille(what: &str) {
    let names = thread_names();
    for foreign in FOREIGN {
        let is_foreign = |name: &String| name.starts_with(foreign);
        assert!(!names.iter().any(is_foreign), "{what} started {foreign}: {names:?}");
    }
    let is_ours = |name: &String| name.starts_with("reveille");
    assert!(names.iter().any(is_ours), "{what} runs without reveille: {names:?}");
}

/// Whether a test that lacks one of these programs may be left out: with `CI_SKIP_MISSING=1`.
///
/// # Panics
///
/// Panics if a program is missing and the variable is not set.
pub fn lacks(programs: &[&str]) -> bool {
    let Some(missing) = programs.iter().find(|program| find(program).is_none()) else {
        return false;
    };
    let may_skip = std::env::var("CI_SKIP_MISSING").is_ok_and(|value| value == "1");
    assert!(may_skip, "{missing} is not installed; CI_SKIP_MISSING=1 leaves this test out");
    eprintln!("NOT CHECKED: {missing} is not installed");
    true
}

/// The path of a program. Debian keeps those of PostgreSQL and RabbitMQ outside of `PATH`, because
/// it starts them as users of their own.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let postgres = versions.map(|entry| entry.path().join("bin"));
    [PathBuf::from("/usr/lib/rabbitmq/bin")]
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(postgres)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

fn command(program: &str) -> Command {
    Command::new(find(program).expect("the test has asked whether it is installed"))
}

/// A folder for the files of a server. It is removed with its contents.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("reveille-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the folder for temporary files is writable");
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A server that was killed may have left a process that still writes there.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server that runs until it is dropped, in a folder of its own.
#[derive(Debug)]
pub struct Server {
    /// The server, and then what it needs. They end in this order.
    children: Vec<Child>,
    /// What ends them. They get no SIGKILL, because RabbitMQ is a script that passes signals on.
    signal: Signal,
    _folder: Folder,
    /// The address that it listens at.
    pub url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended.
            let _ = kill_process(Pid::from_child(child), self.signal);
            let _ = child.wait();
        }
    }
}

impl Server {
    fn new(folder: Folder, url: String) -> Server {
        Server { children: Vec::new(), signal: Signal::TERM, _folder: folder, url }
    }

    fn start(&mut self, mut command: Command) {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        self.children.insert(0, child);
    }

    /// Waits until it listens.
    fn wait<S, E>(self, mut connect: impl FnMut() -> Result<S, E>) -> Server {
        for _ in 0..START_SECONDS_MAX * 10 {
            if connect().is_ok() {
                return self;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("nothing listens at {} after {START_SECONDS_MAX} s", self.url);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("it is bound").port()
}

fn connect(port: u16) -> impl FnMut() -> std::io::Result<TcpStream> {
    move || TcpStream::connect(("127.0.0.1", port))
}

/// Starts redis.
///
/// # Panics
///
/// Panics if it does not start.
pub fn redis() -> Server {
    let (port, folder) = (free_port(), Folder::new("redis"));
    let mut redis = command("redis-server");
    redis.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    redis.arg("--dir").arg(&folder.0);
    let mut server = Server::new(folder, format!("redis://127.0.0.1:{port}/"));
    server.start(redis);
    server.wait(connect(port))
}

/// Starts RabbitMQ, and the daemon with which Erlang's nodes find each other.
///
/// # Panics
///
/// Panics if it does not start.
pub fn rabbitmq() -> Server {
    let [port, node, names] = [(); 3].map(|()| free_port().to_string());
    let folder = Folder::new("rabbitmq");
    let mut daemon = command("epmd");
    daemon.args(["-address", "127.0.0.1", "-port", &names]);
    let mut rabbitmq = command("rabbitmq-server");
    rabbitmq
        .env("HOME", &folder.0)
        .env("ERL_EPMD_PORT", &names)
        .env("RABBITMQ_NODENAME", "reveille@localhost")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", &port)
        .env("RABBITMQ_DIST_PORT", &node)
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
    let files = [
        ("RABBITMQ_CONFIG_FILE", "config"),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", "plugins"),
        ("RABBITMQ_LOG_BASE", "log"),
        ("RABBITMQ_MNESIA_BASE", "data"),
        ("RABBITMQ_PID_FILE", "pid"),
    ];
    for (variable, file) in files {
        rabbitmq.env(variable, folder.0.join(file));
    }
    let mut server = Server::new(folder, format!("amqp://127.0.0.1:{port}/%2f"));
    server.start(daemon);
    server.start(rabbitmq);
    server.wait(connect(port.parse().expect("it is a number")))
}

/// Starts a message bus.
///
/// # Panics
///
/// Panics if it does not start.
pub fn dbus() -> Server {
    let folder = Folder::new("dbus");
    let socket = folder.0.join("socket");
    let url = format!("unix:path={}", socket.display());
    let mut daemon = command("dbus-daemon");
    daemon.args(["--session", "--nofork", "--nopidfile", &format!("--address={url}")]);
    let mut server = Server::new(folder, url);
    server.start(daemon);
    server.wait(|| UnixStream::connect(&socket))
}

/// Starts PostgreSQL, with a user `test`. It refuses to run as root.
///
/// # Panics
///
/// Panics if it does not start.
pub fn postgres() -> Server {
    let (port, folder) = (free_port(), Folder::new("postgres"));
    let data = folder.0.join("data");
    if is_root() {
        let mut chown = Command::new("chown");
        assert!(chown.arg("postgres").arg(&folder.0).status().is_ok_and(|status| status.success()));
    }
    let mut initdb = unprivileged("initdb");
    initdb.args(["-U", "test", "-A", "trust", "-D"]).arg(&data).stdout(Stdio::null());
    assert!(initdb.status().is_ok_and(|status| status.success()), "{initdb:?} failed");
    let mut postgres = unprivileged("postgres");
    postgres.args(["-F", "-h", "127.0.0.1", "-p", &port.to_string(), "-k"]).arg(&folder.0);
    postgres.arg("-D").arg(&data).stderr(Stdio::null());
    let mut server = Server::new(folder, format!("postgres://test@127.0.0.1:{port}/postgres"));
    // With SIGTERM it would wait for its clients.
    server.signal = Signal::INT;
    server.start(postgres);
    server.wait(connect(port))
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("every system has `id`");
    id.stdout == b"0\n"
}

/// A command that root runs as the user of PostgreSQL.
fn unprivileged(program: &str) -> Command {
    if !is_root() {
        return command(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    let path: &Path = &find(program).expect("the test has asked whether it is installed");
    command.arg(path);
    command
}
