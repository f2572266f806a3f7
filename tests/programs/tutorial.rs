//! Each step of the tutorial does what its page says, with plain sockets as clients.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::servers::{Server, http_get};

/// A client of the chat.
struct Client {
    lines: BufReader<TcpStream>,
}

impl Client {
    fn new(address: SocketAddr) -> Client {
        Client { lines: BufReader::new(TcpStream::connect(address).unwrap()) }
    }

    /// A client that has given its name and is in the lobby.
    fn named(address: SocketAddr, name: &str) -> Client {
        let mut client = Client::new(address);
        client.hears("your name?");
        client.says(name);
        client.hears(&format!("* {name} is here"));
        client
    }

    fn says(&mut self, line: &str) {
        self.lines.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Reads up to the line that is `expected`, and returns what came before it.
    fn hears(&mut self, expected: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let mut line = String::new();
            let len = self.lines.read_line(&mut line).unwrap();
            assert_ne!(len, 0, "disconnected before `{expected}`, after {before:?}");
            if line.trim_end() == expected {
                return before;
            }
            before.push(line);
        }
    }

    /// Reads until the server closes the connection.
    fn is_sent_away(&mut self) {
        if let Err(error) = self.lines.read_to_end(&mut Vec::new()) {
            // The server closed it with input that it had not read. On Windows the error is also
            // that of this side, if the reset has arrived during a write.
            let is_aborted = cfg!(windows) && error.kind() == ErrorKind::ConnectionAborted;
            assert!(is_aborted || error.kind() == ErrorKind::ConnectionReset, "{error}");
        }
    }
}

/// Starts a step, and returns it with its address.
fn step(number: u32) -> (Server, SocketAddr) {
    let free = "127.0.0.1:0";
    let arguments: &[&str] = match number {
        ..=5 => &[free],
        6 | 7 => &[free, free],
        _ => &[free, "--metrics", free],
    };
    let mut server = Server::start(&format!("tutorial_step{number}"), arguments);
    let address = server.address("listening on");
    (server, address)
}

#[test]
fn step_1_answers_each_client() {
    let (_server, address) = step(1);
    let (mut one, mut two) = (Client::new(address), Client::new(address));
    two.says("hello");
    two.hears("you said: hello");
    one.says("later");
    one.hears("you said: later");
}

#[test]
fn from_step_2_on_every_client_reads_every_message() {
    for number in 2..=8 {
        let (_server, address) = step(number);
        let mut ann = Client::named(address, "ann");
        let mut bob = Client::named(address, "bob");
        ann.hears("* bob is here");
        bob.says("hello");
        ann.hears("bob: hello");
        bob.hears("bob: hello");
        drop(bob);
        ann.hears("* bob has left");
    }
}

#[test]
fn from_step_3_on_rooms_are_separate() {
    for number in 3..=8 {
        let (_server, address) = step(number);
        let mut ann = Client::named(address, "ann");
        let mut bob = Client::named(address, "bob");
        bob.says("/join kitchen");
        bob.hears("* bob is here");
        ann.hears("* bob goes to kitchen");
        bob.says("a secret");
        bob.hears("bob: a secret");
        ann.says("/join kitchen");
        let before = ann.hears("* ann is here");
        assert!(!before.iter().any(|line| line.contains("secret")), "step {number}: {before:?}");
        bob.hears("* ann is here");
    }
}

#[test]
fn from_step_4_on_bad_input_harms_no_other_client() {
    for number in 4..=8 {
        let (_server, address) = step(number);
        let mut ann = Client::named(address, "ann");
        let mut bad = Client::new(address);
        bad.hears("your name?");
        for name in ["", "   ", "a name that is far too long"] {
            bad.says(name);
            bad.hears("your name?");
        }
        bad.says("bad");
        ann.hears("* bad is here");
        bad.says("\u{1b}[31mred\u{7}");
        ann.hears("bad: [31mred");
        bad.says("/join ");
        bad.hears("* no such name");
        // The server may close the connection before all of it is sent.
        let _ = bad.lines.get_mut().write_all(&[b'x'; 100_000]);
        ann.hears("* bad has left");
        bad.is_sent_away();
    }
}

/// Later steps have a time limit for such a client. Step 8 has this test without it.
#[test]
fn in_step_4_slow_clients_lose_messages_and_learn_how_many() {
    let (_server, address) = step(4);
    let mut ann = Client::named(address, "ann");
    let mut slow = Client::named(address, "slow");
    ann.hears("* slow is here");
    // More than the buffers of both sockets can hold. Ann reads meanwhile; `slow` does not.
    let long = "x".repeat(4000);
    let expected = format!("ann: {long}");
    for _ in 0..4_000 {
        ann.says(&long);
        ann.hears(&expected);
    }
    ann.says("/join kitchen");
    let mut missed = false;
    let mut line = String::new();
    while line.trim_end() != "* ann goes to kitchen" {
        line.clear();
        assert_ne!(slow.lines.read_line(&mut line).unwrap(), 0, "it is disconnected");
        missed |= line.starts_with("* you missed ");
    }
    assert!(missed);
}

#[test]
fn from_step_6_on_there_are_metrics() {
    for number in 6..=8 {
        let (mut server, address) = step(number);
        let metrics = server.address("metrics on");
        let mut ann = Client::named(address, "ann");
        ann.says("hello");
        ann.hears("ann: hello");
        let (head, body) = http_get(metrics, "/");
        assert!(head.starts_with("http/1.0 200"), "{head}");
        for line in ["chat_accepted_total 1", "chat_connected 1", "chat_lines_total 1"] {
            assert!(body.lines().any(|printed| printed == line), "step {number}: {body}");
        }
    }
}

#[test]
fn from_step_7_on_ctrl_c_says_goodbye() {
    for number in [7, 8] {
        let (mut server, address) = step(number);
        let mut ann = Client::named(address, "ann");
        let mut nameless = Client::new(address);
        nameless.hears("your name?");
        server.interrupt();
        ann.hears("* the server ends");
        nameless.is_sent_away();
        let (rest, status) = server.end_of();
        assert!(status.success(), "step {number}");
        assert!(rest.contains("0 clients were cut off"), "step {number}: {rest}");
    }
}
