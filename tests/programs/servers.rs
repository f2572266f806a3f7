//! The examples that are whole programs, each against a peer that is not made with reveille.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
#[cfg(windows)]
use std::os::windows::process::CommandExt as _;
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use reveille_tests::programs::{self, Finished};
use reveille_tests::scratch::Scratch;
#[cfg(unix)]
use rustix::process::{Pid, Signal, kill_process};
#[cfg(windows)]
use windows_sys::Win32::System::Threading::CREATE_NO_WINDOW;

/// The command that starts an example. The first test to ask waits until all of them are built.
fn example(name: &str) -> Command {
    reveille_watchdog::allow(900);
    programs::command(name)
}

/// A program that runs until it is told to end. It is killed when the test ends.
pub(crate) struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Server {
        Server::reading(name, arguments, Stdio::null())
    }

    fn reading(name: &str, arguments: &[&str], stdin: Stdio) -> Server {
        let mut command = example(name);
        // A console of its own, so that Ctrl-C does not reach the tests.
        #[cfg(windows)]
        command.creation_flags(CREATE_NO_WINDOW);
        command.args(arguments).stdin(stdin).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        Server { child, out }
    }

    /// Returns the next line that contains `text`.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let len = self.out.read_line(&mut line).unwrap();
            assert_ne!(len, 0, "it ended without a line with `{text}`");
            if line.contains(text) {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Returns the address in the next line that contains `text`.
    pub(crate) fn address(&mut self, text: &str) -> SocketAddr {
        let line = self.line_with(text);
        let mut words = line.split([' ', '/']);
        let address = words.find_map(|word| word.parse().ok());
        address.unwrap_or_else(|| panic!("no address in `{line}`"))
    }

    /// Sends what Ctrl-C sends.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// Sends Ctrl-C to the program's console.
    #[cfg(windows)]
    pub(crate) fn interrupt(&self) {
        let mut sender = Command::new(env!("CARGO_BIN_EXE_ctrl_c"));
        let sent = programs::finish(sender.arg(self.child.id().to_string()));
        assert!(sent.status.success(), "{}", sent.stderr);
    }

    /// Waits until it ends, and returns its remaining output and its status.
    pub(crate) fn end_of(&mut self) -> (String, ExitStatus) {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program until it ends.
fn run(name: &str, arguments: &[&str]) -> Finished {
    programs::finish(example(name).args(arguments))
}

/// A folder that is removed at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(Scratch::new().0.with_extension("folder"));
        std::fs::create_dir(&folder.0).unwrap();
        folder
    }

    /// The path of a file in it, as text.
    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the temporary directory's path is text").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns the head and the body of the answer to a GET request, by curl where it is installed.
pub(crate) fn http_get(address: SocketAddr, path: &str) -> (String, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--include", "--max-time", "60"]);
    let text = match curl.arg(format!("http://{address}{path}")).output() {
        Ok(output) => String::from_utf8(output.stdout).unwrap(),
        Err(_) => {
            let mut stream = TcpStream::connect(address).unwrap();
            let end = "HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            stream.write_all(format!("GET {path} {end}").as_bytes()).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        }
    };
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
    (head.to_lowercase(), body.to_owned())
}

/// The programs to copy from, besides the tutorial's.
const PROGRAMS: [&str; 6] = ["crawler", "forwarder", "jobs", "runner", "sockets", "tail"];

#[test]
fn each_program_explains_itself() {
    for name in PROGRAMS.into_iter().chain(["tutorial_step8"]) {
        let help = run(name, &["--help"]);
        assert!(help.status.success(), "{name}");
        assert!(help.stdout.contains("Usage:"), "{name}: {}", help.stdout);
        let wrong = run(name, &["--no-such-option"]);
        assert_eq!(wrong.status.code(), Some(2), "{name}: {}", wrong.stderr);
    }
}

#[test]
fn an_error_names_what_failed_and_why() {
    // The words of Windows depend on its language. 11001 is `WSAHOST_NOT_FOUND`, 3 is
    // `ERROR_PATH_NOT_FOUND`.
    let [unknown, no_socket, no_file] = if cfg!(windows) {
        ["(os error 11001)", "this system has no Unix sockets", "(os error 3)"]
    } else {
        let no_socket = "/no/such/socket`: No such file";
        ["256.0.0.1:1\"`: failed to lookup address", no_socket, "/no/such/file`: No such file"]
    };
    let cases: [(&str, &[&str], [&str; 2]); 4] = [
        ("forwarder", &["256.0.0.1:1", "127.0.0.1:2"], ["256.0.0.1:1\"`: ", unknown]),
        ("runner", &["nothing"], ["NAME=COMMAND", ""]),
        ("sockets", &["unix-send", "/no/such/socket", "x"], ["sockets: ", no_socket]),
        ("tail", &["/no/such/file"], ["/no/such/file`: ", no_file]),
    ];
    for (name, arguments, named) in cases {
        let failed = run(name, arguments);
        assert!(!failed.status.success(), "{name}");
        for text in named {
            assert!(failed.stderr.contains(text), "{name}: {}", failed.stderr);
        }
    }
}

#[test]
fn the_forwarder_passes_on_the_end_of_one_direction() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = target.local_addr().unwrap().to_string();
    let answering = thread::Builder::new().spawn(move || {
        let (mut stream, _) = target.accept().unwrap();
        let mut asked = String::new();
        // Ends only when the client has shut down its side.
        stream.read_to_string(&mut asked).unwrap();
        stream.write_all(format!("{asked}, {asked}!").as_bytes()).unwrap();
    });
    let mut forwarder = Server::start("forwarder", &["127.0.0.1:0", &name]);
    let mut client = TcpStream::connect(forwarder.address("forwards to")).unwrap();
    client.write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "hello, hello!");
    answering.unwrap().join().unwrap();

    forwarder.line_with("5 bytes sent, 13 bytes received");
    forwarder.interrupt();
    let (rest, status) = forwarder.end_of();
    assert!(status.success());
    let metrics = "1 accepted, 0 open, 0 failed, 5 bytes sent, 13 bytes received";
    assert!(rest.contains(metrics), "{rest}");
}

#[test]
fn the_forwarder_survives_a_target_that_refuses() {
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut forwarder = Server::start("forwarder", &["127.0.0.1:0", &refusing]);
    let address = forwarder.address("forwards to");
    for _ in 0..2 {
        let mut client = TcpStream::connect(address).unwrap();
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer); // closed, or reset
        assert!(answer.is_empty());
    }
    forwarder.interrupt();
    let (rest, status) = forwarder.end_of();
    assert!(status.success());
    assert!(rest.contains("2 accepted, 0 open, 2 failed"), "{rest}");
}

/// Runs `jobs` with these commands on its input.
#[cfg(unix)]
fn jobs(arguments: &[&str], input: &str) -> Finished {
    let input = Scratch::with(input.as_bytes());
    let mut command = example("jobs");
    let stdin = std::fs::File::open(&input.0).unwrap();
    programs::finish_reading(command.args(arguments), stdin.into())
}

// Only on Unix: the commands are those of its shell.
#[cfg(unix)]
#[test]
fn jobs_that_fail_are_tried_again() {
    let folder = Folder::new();
    let mark = folder.file("mark");
    // Fails once.
    let flaky = format!("test -e {mark} || {{ touch {mark}; exit 1; }}");
    let arguments = ["--attempts", "2", "--backoff", "1", "--rate", "1000"];
    let done = jobs(&arguments, &format!("true\n\n{flaky}\n"));
    assert!(done.status.success(), "{}", done.stdout);
    assert!(done.stdout.contains(&format!("done at attempt 2: {flaky}")), "{}", done.stdout);
    assert!(done.stdout.ends_with("2 done, 0 failed\n"), "{}", done.stdout);
}

// Only on Unix: the commands are those of its shell.
#[cfg(unix)]
#[test]
fn jobs_that_keep_failing_or_take_too_long_are_counted() {
    let arguments = ["--attempts", "2", "--backoff", "1", "--timeout", "1"];
    let failed = jobs(&arguments, "exit 7\nsleep 600\ntrue\n");
    assert_eq!(failed.status.code(), Some(1));
    let text = &failed.stdout;
    assert!(text.contains("FAILED after 2 attempts (exit status: 7): exit 7"), "{text}");
    assert!(text.contains("FAILED after 2 attempts (") && text.contains("): sleep 600"), "{text}");
    assert!(text.ends_with("1 done, 2 failed\n"), "{text}");
}

// Only on Unix: the commands are those of its shell.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_jobs_with_all_that_they_have_started() {
    // The shell starts another process, which would keep the output open.
    let input = Scratch::with(b"echo up; sleep 600; true\n");
    let stdin = std::fs::File::open(&input.0).unwrap();
    let mut jobs = Server::reading("jobs", &[], stdin.into());
    jobs.line_with("up");
    jobs.interrupt();
    let (rest, status) = jobs.end_of();
    assert_eq!(status.code(), Some(1), "{rest}");
    assert!(rest.ends_with("0 done, 0 failed\n"), "{rest}");
}

// Only on Unix: the commands are those of its shell.
#[cfg(unix)]
#[test]
fn the_runner_names_each_line_and_ends_the_others() {
    let ran = run("runner", &["one=echo out; echo err >&2; exit 3", "three=exec sleep 600"]);
    assert_eq!(ran.status.code(), Some(3), "{}", ran.stderr);
    for line in ["one   | out\n", "one   | err\n", "three | ended with signal: 15"] {
        assert!(ran.stdout.contains(line), "{}", ran.stdout);
    }
}

// Only on Unix: the commands are those of its shell.
#[cfg(unix)]
#[test]
fn the_runner_ends_its_commands_at_ctrl_c() {
    let mut runner = Server::start("runner", &["a=echo up; sleep 600", "b=echo up; sleep 600"]);
    runner.line_with("up");
    runner.line_with("up");
    runner.interrupt();
    let (rest, status) = runner.end_of();
    assert!(!status.success());
    for line in ["a | ended with", "b | ended with"] {
        assert!(rest.contains(line), "{rest}");
    }
}

/// Serves pages until the test ends, and tells which were asked for. A page without text is not
/// answered with HTTP.
#[expect(clippy::disallowed_methods, reason = "the peer of the program uses no runtime")]
fn site(pages: &'static [(&str, &str)]) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, requests) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // The whole head: a socket that is closed with unread bytes resets the connection.
            let lines = BufReader::new(&stream).lines().map(Result::unwrap);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let path = head[0].split(' ').nth(1).unwrap();
            let answer = match pages.iter().find(|(known, _)| *known == path) {
                Some((_, "")) => "what?".to_owned(),
                Some((_, text)) => format!("HTTP/1.0 200 OK\r\nx: y\r\n\r\n{text}"),
                None => "HTTP/1.0 404 Not Found\r\n\r\n".to_owned(),
            };
            let _ = asked.send(path.to_owned());
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, requests)
}

#[test]
fn the_crawler_fetches_each_page_once_and_stays_on_the_server() {
    let (address, requests) = site(&[
        ("/docs/", r#"<a href="a">, <a href="/b#part">, <a href="a#again">, <a href="/docs/">"#),
        ("/docs/a", r#"<a href="http://other.example/">, <a href="../x">, <a href="//y/">"#),
        ("/b", r#"<a href="docs/a">, <a href="/none">, <a href="/odd">, <a href="mailto:z">"#),
        ("/odd", ""),
    ]);
    let start = format!("http://{address}/docs/");
    let finished = run("crawler", &[&start, "--jobs", "2", "--rate", "10000"]);
    let mut asked: Vec<String> = requests.try_iter().collect();
    asked.sort_unstable();
    assert_eq!(asked, ["/b", "/docs/", "/docs/a", "/none", "/odd"], "{}", finished.stdout);
    assert!(finished.stdout.contains("404         0 B  /none"), "{}", finished.stdout);
    assert!(finished.stdout.contains("/odd: the answer is not HTTP"), "{}", finished.stdout);
    assert!(finished.stdout.ends_with("5 pages, 2 failed, 0 left\n"), "{}", finished.stdout);
    assert!(!finished.status.success());
    let first = run("crawler", &[&start, "--pages", "1"]);
    assert_eq!(first.stdout.lines().last(), Some("1 pages, 0 failed, 0 left"));
    assert!(first.status.success());
}

#[test]
fn tail_follows_files_that_grow_and_are_replaced() {
    let folder = Folder::new();
    let path = folder.file("log");
    std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
    let once = run("tail", &["--once", "--lines", "2", &path]);
    assert_eq!((once.stdout.as_str(), once.status.success()), ("two\nthree\n", true));

    let mut tail = Server::start("tail", &["--lines", "1", "--interval", "5", &path]);
    assert_eq!(tail.line_with(""), "three");
    let append = |text: &str| {
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append("four\n");
    assert_eq!(tail.line_with(""), "four");
    std::fs::rename(&path, folder.file("log.1")).unwrap();
    std::fs::write(&path, "five\n").unwrap();
    assert_eq!(tail.line_with(""), "five");
    // Shorter than before.
    std::fs::write(&path, "6\n").unwrap();
    assert_eq!(tail.line_with(""), "6");
}

/// What `tail -n COUNT` prints.
fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines[lines.len().saturating_sub(count)..].concat()
}

#[test]
fn tail_counts_lines_as_the_systems_tail() {
    let folder = Folder::new();
    let path = folder.file("text");
    // Longer than the blocks in which it is read, with and without a newline at the end.
    let long = (0..20_000).map(|n| format!("line {n}\n")).collect::<String>();
    for text in [long.as_str(), long.trim_end(), "", "\n", "a", "a\n\n"] {
        std::fs::write(&path, text).unwrap();
        for count in [0, 1, 2, 9999] {
            let arguments = ["-n", &count.to_string(), &path];
            let ours = programs::finish(example("tail").arg("--once").args(arguments)).stdout;
            let expected = last_lines(text, count);
            assert!(ours == expected, "{count} lines of {} bytes", text.len());
            // Windows has no such program.
            if cfg!(unix) {
                let theirs = Command::new("tail").args(arguments).output().unwrap().stdout;
                assert!(ours.as_bytes() == theirs, "{count} lines of {} bytes", text.len());
            }
        }
    }
}

#[test]
fn datagrams_come_back() {
    let mut server = Server::start("sockets", &["udp-serve", "127.0.0.1:0"]);
    let address = server.address("listening on");
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"ping", address).unwrap();
    let mut answer = [0; 16];
    let (len, from) = client.recv_from(&mut answer).unwrap();
    assert_eq!((&answer[..len], from), (&b"ping"[..], address));
    let sent = run("sockets", &["udp-send", &address.to_string(), "hello"]);
    assert_eq!(sent.stdout, "hello\n", "{}", sent.stderr);
}

// Only on Unix: a socket with a path.
#[cfg(unix)]
#[test]
fn the_unix_server_knows_its_client() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let mut server = Server::start("sockets", &["unix-serve", &path]);
    server.line_with("listening on");
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"ping").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let user = rustix::process::getuid().as_raw();
    assert_eq!(answer, format!("hello, user {user}\nping"));
    let sent = run("sockets", &["unix-send", &path, "pong"]);
    assert_eq!(sent.stdout, format!("hello, user {user}\npong\n"), "{}", sent.stderr);
    server.interrupt();
    assert!(server.end_of().1.success());
    assert!(!Path::new(&path).exists(), "the socket is left over");
}
