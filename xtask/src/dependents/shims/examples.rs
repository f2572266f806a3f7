//! Runs the examples of a published crate: servers with their clients, and programs that wait for a
//! signal or a file.
//!
//! The examples use fixed ports, so they run one after the other. Each program gets a minute for
//! each line that is awaited.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::shell;

use super::super::outcomes::{Ended, Outcomes};

/// How long to wait for a line of a program, or for its end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Threads that a program on the shims must not have.
const FOREIGN: [&str; 5] = ["async-global-ex", "async-io", "async-process", "blocking-", "smol-"];

/// Threads that an example starts itself, by the attribute of its `main`, for an executor of its
/// own.
const OWN: &str = "smol-macros-";

/// The certificates of the examples are encrypted by an algorithm that OpenSSL 3 has in a module of
/// its own, which this configuration loads.
const OPENSSL: &str = "openssl_conf = init\n[init]\nproviders = providers\n\
    [providers]\ndefault = active\nlegacy = active\n[active]\nactivate = 1\n";

/// A run of one example, or of a server and its client.
struct Scenario {
    /// The example that starts first.
    program: &'static str,
    /// What it prints before `then` happens. Empty if nothing has to.
    ready: &'static str,
    then: Then,
    /// What it prints afterwards, or its client does.
    expected: &'static str,
}

/// What happens once the first program is ready.
enum Then {
    /// It ends by itself.
    Nothing,
    /// It ends by itself, with an error if there is no network.
    Network,
    /// It gets SIGINT, and ends.
    Interrupt,
    /// A file is created in its folder.
    Touch,
    /// It gets a request on port 8000.
    Request,
    /// Another example starts, with this input. The client prints what is expected.
    Client(&'static str, &'static str),
    /// The same, and the first program prints what is expected.
    ServedClient(&'static str, &'static str),
}

const fn scenario(
    program: &'static str,
    ready: &'static str,
    then: Then,
    expected: &'static str,
) -> Scenario {
    Scenario { program, ready, then, expected }
}

/// The runs. A crate has those whose examples it has.
const SCENARIOS: [Scenario; 20] = [
    scenario("linux-timerfd", "", Then::Nothing, "Woke up after"),
    scenario("windows-uds", "", Then::Nothing, "works only on Windows"),
    scenario("windows-command", "", Then::Nothing, "only supported on Windows"),
    scenario("kqueue-process", "", Then::Nothing, "only works for kqueue"),
    scenario("timeout", "", Then::Nothing, "timed out"),
    scenario("unix-signal", "Waiting for Ctrl-C", Then::Interrupt, "Done!"),
    scenario("ctrl-c", "Waiting for Ctrl-C", Then::Interrupt, "Done!"),
    scenario("linux-inotify", "Try opening a file", Then::Touch, "touched"),
    scenario("tcp-server", "Now start", Then::Client("tcp-client", "over TCP\n"), "over TCP"),
    scenario("tls-server", "Now start", Then::Client("tls-client", "over TLS\n"), "over TLS"),
    scenario("chat-server", "Start a chat", Then::ServedClient("chat-client", "hi\n"), "says: hi"),
    scenario("simple-server", "Listening on http:", Then::Request, "Hello!"),
    scenario("async-h1-server", "Listening on http:", Then::Request, "Hello from async-h1!"),
    scenario("hyper-server", "Listening on http:", Then::Request, "Hello from hyper!"),
    scenario(
        "websocket-server",
        "Listening on wss:",
        Then::Client("websocket-client", ""),
        "Hello!",
    ),
    scenario("async-h1-client", "", Then::Network, ""),
    scenario("get-request", "", Then::Network, ""),
    scenario("hyper-client", "", Then::Network, ""),
    scenario("simple-client", "", Then::Network, ""),
    scenario("web-crawler", "", Then::Network, ""),
];

/// Runs the examples that were built, and adds how each run ended to `outcomes`. `are_ours` tells
/// whether the threads of the programs have to be reveille's.
pub(super) fn run(
    names: &[String],
    built: &Path,
    folder: &Path,
    are_ours: bool,
    outcomes: &mut Outcomes,
) -> io::Result<()> {
    fs::write(folder.join("openssl.cnf"), OPENSSL)?;
    for scenario in SCENARIOS.iter().filter(|one| names.iter().any(|name| name == one.program)) {
        let ended = match scenario.run(built, folder, are_ours) {
            Ok(()) => Ended::Ok,
            Err(message) => {
                println!("    example {}: {message}", scenario.program);
                Ended::Failed
            }
        };
        outcomes.insert(format!("example {}", scenario.program), ended);
    }
    Ok(())
}

impl Scenario {
    fn run(&self, built: &Path, folder: &Path, are_ours: bool) -> Result<(), String> {
        let mut first = Program::start(built.join(self.program), folder, None)?;
        first.wait_for(self.ready)?;
        match self.then {
            Then::Nothing => {
                first.wait_for(self.expected)?;
                first.ends_well()
            }
            Then::Network => first.ends(),
            Then::Interrupt => {
                first.check_threads(are_ours)?;
                shell::run_quietly(shell::program("kill").args(["-INT", &first.id()]))?;
                first.wait_for(self.expected)?;
                first.ends_well()
            }
            Then::Touch => {
                let path = folder.join("touched");
                fs::write(&path, "").map_err(|error| error.to_string())?;
                let seen = first.wait_for(self.expected);
                // The next run creates it again.
                let _ = fs::remove_file(path);
                seen?;
                first.check_threads(are_ours)
            }
            Then::Request => {
                let answer = request().map_err(|error| format!("no answer: {error}"))?;
                if !answer.contains(self.expected) {
                    return Err(format!("answered {answer:?}"));
                }
                first.check_threads(are_ours)
            }
            Then::Client(name, input) => {
                let mut client = Program::start(built.join(name), folder, Some(input))?;
                client.wait_for(self.expected)?;
                client.check_threads(are_ours)?;
                first.check_threads(are_ours)
            }
            Then::ServedClient(name, input) => {
                let mut client = Program::start(built.join(name), folder, Some(input))?;
                first.wait_for(self.expected)?;
                client.check_threads(are_ours)?;
                client.close_input();
                first.wait_for("has left")?;
                client.ends_well()?;
                first.check_threads(are_ours)
            }
        }
    }
}

/// Sends a request to the server on port 8000, and returns what came before the connection ended.
fn request() -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", 8000))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    // A server may close the connection before it has read the request, which is an error here.
    let end = stream.read_to_end(&mut answer);
    if answer.is_empty() {
        end?;
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A running example. It is killed when this is dropped.
struct Program {
    child: Child,
    /// The lines of its standard output and error. Both end when it does.
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Program {
    fn start(path: PathBuf, folder: &Path, input: Option<&str>) -> Result<Program, String> {
        let mut command = Command::new(&path);
        command.env("OPENSSL_CONF", folder.join("openssl.cnf"));
        command.current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let cannot = |error| format!("cannot start {}: {error}", path.display());
        let mut child = command.spawn().map_err(cannot)?;
        if let (Some(input), Some(pipe)) = (input, &mut child.stdin) {
            pipe.write_all(input.as_bytes()).map_err(cannot)?;
        }
        let (sender, lines) = mpsc::channel();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as _),
            child.stderr.take().map(|pipe| Box::new(pipe) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let sender = sender.clone();
            std::thread::Builder::new()
                .spawn(move || {
                    // Fails when the program has been dropped.
                    BufReader::new(output)
                        .lines()
                        .map_while(Result::ok)
                        .try_for_each(|line| sender.send(line))
                })
                .map_err(cannot)?;
        }
        Ok(Program { child, lines, seen: Vec::new() })
    }

    fn id(&self) -> String {
        self.child.id().to_string()
    }

    /// Waits until the program has printed a line with `text`.
    fn wait_for(&mut self, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Ok(());
        }
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            let is_it = line.contains(text);
            self.seen.push(line);
            if is_it {
                return Ok(());
            }
        }
        Err(format!("never printed {text:?}, but:\n      {}", self.seen.join("\n      ")))
    }

    /// Waits until the program has ended.
    fn ends(&mut self) -> Result<(), String> {
        self.close_input();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.seen.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
                Err(mpsc::RecvTimeoutError::Timeout) => return Err("it does not end".to_owned()),
            }
        }
    }

    fn ends_well(&mut self) -> Result<(), String> {
        self.ends()?;
        let status = self.child.wait().map_err(|error| error.to_string())?;
        let seen = || format!("ended with {status}:\n      {}", self.seen.join("\n      "));
        if status.success() { Ok(()) } else { Err(seen()) }
    }

    fn close_input(&mut self) {
        self.child.stdin = None;
    }

    /// Checks that no thread of the program has a name of smol's threads.
    fn check_threads(&self, are_ours: bool) -> Result<(), String> {
        if !are_ours {
            return Ok(());
        }
        let folder = format!("/proc/{}/task", self.id());
        // Elsewhere than on Linux there is nothing to read.
        let Ok(threads) = fs::read_dir(folder) else { return Ok(()) };
        for thread in threads.flatten() {
            // A thread may end meanwhile.
            let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
            let is_foreign = FOREIGN.iter().any(|foreign| name.starts_with(foreign));
            if is_foreign && !name.starts_with(OWN) {
                return Err(format!("it has a thread called {:?}", name.trim_end()));
            }
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
