//! Each program against a peer that is not made with reveille.
#![cfg(unix)]

use reveille_watchdog as _;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tungstenite::{Message, WebSocket};

const HASHER: &str = env!("CARGO_BIN_EXE_hasher");
const SQLITE: &str = env!("CARGO_BIN_EXE_sqlite");
const STATIC_FILES: &str = env!("CARGO_BIN_EXE_static_files");
const WEBSOCKET: &str = env!("CARGO_BIN_EXE_websocket");

/// A folder that is removed at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("reveille-apart-{}-{count}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir(&folder.0).unwrap();
        folder
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the temporary directory's path is text").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn each_program_explains_itself() {
    for program in [HASHER, SQLITE, STATIC_FILES, WEBSOCKET] {
        let help = run(program, &["--help"]);
        assert!(help.status.success(), "{program}");
        assert!(text(&help.stdout).contains("Usage:"), "{program}");
    }
}

#[test]
fn the_hasher_prints_what_sha256sum_prints() {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.join("below")).unwrap();
    // Around the size of the blocks in which files are read.
    for (name, len) in
        [("empty", 0), ("a", 1), ("b", 262_143), ("c", 262_144), ("below/d", 900_001)]
    {
        let bytes: Vec<u8> = (0..len).map(|n: u32| (n % 251) as u8).collect();
        std::fs::write(folder.file(name), bytes).unwrap();
    }
    let names = ["a", "b", "below/d", "c", "empty"].map(|name| folder.file(name));
    let theirs = Command::new("sha256sum").args(&names).output().unwrap();
    for jobs in ["1", "3"] {
        let ours = run(HASHER, &["--jobs", jobs, folder.0.to_str().unwrap()]);
        assert!(ours.status.success());
        assert_eq!(text(&ours.stdout), text(&theirs.stdout));
    }
}

#[test]
fn the_hasher_names_what_it_cannot_read_and_hashes_the_rest() {
    let folder = Folder::new();
    std::fs::write(folder.file("a"), "abc").unwrap();
    let ran = run(HASHER, &[&folder.file("none"), &folder.file("a")]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(text(&ran.stderr).contains(&folder.file("none")), "{}", text(&ran.stderr));
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(text(&ran.stdout), format!("{digest}  {}\n", folder.file("a")));
}

#[test]
fn a_query_prints_its_rows() {
    let folder = Folder::new();
    let path = folder.file("my.db");
    let missing = run(SQLITE, &[&path, "SELECT 1"]);
    assert_eq!(missing.status.code(), Some(1), "it must not make a database to read from");

    for query in [
        "CREATE TABLE people (name TEXT, born INTEGER, height REAL, picture BLOB)",
        "INSERT INTO people VALUES ('Ada', 1815, 1.5, x'00'), ('Alan', 1912, NULL, NULL)",
    ] {
        let ran = run(SQLITE, &["--write", &path, query]);
        assert!(ran.status.success(), "{}", text(&ran.stderr));
    }
    let query = "SELECT * FROM people WHERE name LIKE ?1 ORDER BY born";
    let ran = run(SQLITE, &["--header", &path, query, "A%"]);
    let expected = "name\tborn\theight\tpicture\nAda\t1815\t1.5\t<1 bytes>\nAlan\t1912\t\t\n";
    assert_eq!(text(&ran.stdout), expected, "{}", text(&ran.stderr));

    let wrong = run(SQLITE, &[&path, "SELECT * FROM ghosts"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("no such table: ghosts"), "{}", text(&wrong.stderr));

    // SQLite's own program reads the same, where it is installed.
    let query = "SELECT born FROM people ORDER BY born";
    if let Ok(theirs) = Command::new("sqlite3").args([&path, query]).output() {
        assert_eq!(text(&run(SQLITE, &[&path, query]).stdout), text(&theirs.stdout));
    }
}

#[test]
fn an_endless_query_is_interrupted() {
    let folder = Folder::new();
    let path = folder.file("empty.db");
    let count = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) ";
    // One that computes without an end, and one that prints without an end.
    for select in ["SELECT count(*) FROM n", "SELECT x FROM n"] {
        let query = format!("{count}{select}");
        let ran = run(SQLITE, &["--write", "--timeout", "1", &path, &query]);
        assert_eq!(ran.status.code(), Some(1));
        assert_eq!(text(&ran.stderr), "sqlite: it took too long\n");
    }
}

/// A server that is killed at the end of the test.
struct Server(Child);

impl Server {
    /// Sends what Ctrl-C sends.
    fn interrupt(&self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server on a free port, and returns the address in its first line.
fn start(program: &str, arguments: &[&str]) -> (Server, String) {
    let mut command = Command::new(program);
    command.args(["--listen", "127.0.0.1:0"]).args(arguments).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.split(['/', ' ', '\n']).find(|word| word.starts_with("127.0.0.1:"));
    (Server(child), address.unwrap_or_else(|| panic!("no address in `{line}`")).to_owned())
}

fn connect(address: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    tungstenite::client(format!("ws://{address}/"), stream).unwrap().0
}

#[test]
fn messages_come_back() {
    let (_server, address) = start(WEBSOCKET, &[]);
    let mut one = connect(&address);
    let mut two = connect(&address);
    for message in [Message::Text("hello".into()), Message::Binary(vec![0; 100_000])] {
        for client in [&mut one, &mut two] {
            client.send(message.clone()).unwrap();
            assert_eq!(client.read().unwrap(), message);
        }
    }
    one.send(Message::Ping(vec![1])).unwrap();
    assert_eq!(one.read().unwrap(), Message::Pong(vec![1]));
    one.close(None).unwrap();
    while one.read().is_ok() {} // up to the end of the connection
}

#[test]
fn what_is_no_websocket_or_too_large_ends_one_connection_only() {
    let (_server, address) = start(WEBSOCKET, &["--message-max", "1000"]);
    let mut good = connect(&address);
    let mut large = connect(&address);
    large.send(Message::Binary(vec![0; 1001])).unwrap();
    while large.read().is_ok() {}
    let mut plain = TcpStream::connect(&address).unwrap();
    plain.write_all(b"hello\r\n\r\n").unwrap();
    let _ = plain.read_to_end(&mut Vec::new()); // closed, or reset
    good.send(Message::Text("still here".into())).unwrap();
    assert_eq!(good.read().unwrap(), Message::Text("still here".into()));
}

#[test]
fn the_client_prints_the_answer() {
    let (_server, address) = start(WEBSOCKET, &[]);
    let client = run(WEBSOCKET, &["--listen", &address, "--send", "hello"]);
    assert!(client.status.success(), "{}", text(&client.stderr));
    assert_eq!(text(&client.stdout), "hello\n");
    let refused = run(WEBSOCKET, &["--listen", "127.0.0.1:1", "--send", "hello"]);
    assert!(text(&refused.stderr).contains("127.0.0.1:1"), "{}", text(&refused.stderr));
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn ctrl_c_closes_the_connections_in_order() {
    let (mut server, address) = start(WEBSOCKET, &[]);
    let mut client = connect(&address);
    client.send(Message::Text("hello".into())).unwrap();
    client.read().unwrap();
    server.interrupt();
    assert!(client.read().unwrap().is_close());
    while client.read().is_ok() {}
    assert!(server.0.wait().unwrap().success());
}

/// Returns the head, in lower case, and the body of the answer to an HTTP request.
fn http(address: &str, method: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let end = "HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(format!("{method} {path} {end}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

#[test]
fn files_are_served_and_nothing_else_is() {
    let folder = Folder::new();
    let root = folder.0.join("root");
    std::fs::create_dir(&root).unwrap();
    let large = "0123456789abcdef".repeat(20_000);
    std::fs::write(root.join("index.html"), "<h1>home</h1>").unwrap();
    std::fs::write(root.join("with space.txt"), &large).unwrap();
    std::fs::write(folder.file("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(folder.file("secret"), root.join("link")).unwrap();

    let (mut server, address) = start(STATIC_FILES, &[root.to_str().unwrap()]);
    let (head, body) = http(&address, "GET", "/");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/html"), "{head}");
    assert_eq!(body, "<h1>home</h1>");
    let (head, body) = http(&address, "GET", "/with%20space.txt");
    assert!(head.contains(&format!("content-length: {}", large.len())), "{head}");
    assert_eq!(body, large);
    let (head, body) = http(&address, "HEAD", "/with%20space.txt");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(body, "");
    for path in ["/none", "/../secret", "/%2e%2e/secret", "/..%2fsecret", "/link", "/%zz", "/%00"] {
        let (head, body) = http(&address, "GET", path);
        assert!(head.starts_with("http/1.1 404"), "{path}: {head}");
        assert!(!body.contains("secret"), "{path}");
    }
    assert!(http(&address, "DELETE", "/").0.starts_with("http/1.1 405"));
    server.interrupt();
    assert!(server.0.wait().unwrap().success());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let failed = run(STATIC_FILES, &["/no/such/folder"]);
    assert!(!failed.status.success());
    assert!(text(&failed.stderr).contains("/no/such/folder"), "{}", text(&failed.stderr));
}
