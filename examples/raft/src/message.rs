//! The messages of nodes and clients: one line of text for each request and each answer.

use std::io;

use reveille::io::{BufReadExt, BufReader, Write, WriteExt};
use reveille::net::TcpStream;

/// An entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub term: u64,
    pub value: u64,
}

#[derive(Clone, Debug)]
pub enum Request {
    Vote {
        term: u64,
        candidate: usize,
        last_index: u64,
        last_term: u64,
    },
    Append {
        term: u64,
        leader: usize,
        previous: (u64, u64),
        commit: u64,
        entries: Vec<Entry>,
    },
    /// From a client.
    Propose {
        value: u64,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Vote {
        term: u64,
        is_granted: bool,
    },
    /// `matches` is the last index up to which the logs are the same, if the append succeeded, and
    /// otherwise one that the leader should try.
    Append {
        term: u64,
        is_success: bool,
        matches: u64,
    },
    /// The value is committed.
    Done,
    /// Ask this node, if it is known.
    NotLeader {
        leader: Option<usize>,
    },
}

fn bad(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a message: {line:?}"))
}

fn numbers(line: &str) -> Option<(&str, Vec<u64>)> {
    let (kind, rest) = line.trim_end().split_once(' ')?;
    let numbers: Result<Vec<u64>, _> = rest.split(' ').map(str::parse).collect();
    Some((kind, numbers.ok()?))
}

fn line(kind: &str, numbers: &[u64]) -> String {
    let words: Vec<String> = numbers.iter().map(u64::to_string).collect();
    format!("{kind} {}\n", words.join(" "))
}

impl Request {
    fn to_line(&self) -> String {
        match self {
            Request::Vote { term, candidate, last_index, last_term } => {
                line("vote", &[*term, *candidate as u64, *last_index, *last_term])
            }
            Request::Append { term, leader, previous, commit, entries } => {
                let mut all = vec![*term, *leader as u64, previous.0, previous.1, *commit];
                all.extend(entries.iter().flat_map(|entry| [entry.term, entry.value]));
                line("append", &all)
            }
            Request::Propose { value } => line("propose", &[*value]),
        }
    }

    fn from_line(text: &str) -> io::Result<Request> {
        let parsed = numbers(text).and_then(|(kind, numbers)| match (kind, &numbers[..]) {
            ("vote", &[term, candidate, last_index, last_term]) => {
                Some(Request::Vote { term, candidate: candidate as usize, last_index, last_term })
            }
            ("append", [term, leader, index, of, commit, rest @ ..]) if rest.len() % 2 == 0 => {
                let pairs = rest.chunks_exact(2);
                let entries = pairs.map(|pair| Entry { term: pair[0], value: pair[1] }).collect();
                let (term, leader, commit) = (*term, *leader as usize, *commit);
                Some(Request::Append { term, leader, previous: (*index, *of), commit, entries })
            }
            ("propose", &[value]) => Some(Request::Propose { value }),
            _ => None,
        });
        parsed.ok_or_else(|| bad(text))
    }
}

impl Answer {
    fn to_line(self) -> String {
        match self {
            Answer::Vote { term, is_granted } => line("vote", &[term, u64::from(is_granted)]),
            Answer::Append { term, is_success, matches } => {
                line("append", &[term, u64::from(is_success), matches])
            }
            Answer::Done => line("done", &[0]),
            // Nodes are counted from 1, so 0 is free.
            Answer::NotLeader { leader } => line("ask", &[leader.unwrap_or(0) as u64]),
        }
    }

    fn from_line(text: &str) -> io::Result<Answer> {
        let parsed = numbers(text).and_then(|(kind, numbers)| match (kind, &numbers[..]) {
            ("vote", &[term, is_granted]) => {
                Some(Answer::Vote { term, is_granted: is_granted == 1 })
            }
            ("append", &[term, is_success, matches]) => {
                Some(Answer::Append { term, is_success: is_success == 1, matches })
            }
            ("done", _) => Some(Answer::Done),
            ("ask", &[leader]) => {
                Some(Answer::NotLeader { leader: Some(leader as usize).filter(|&it| it > 0) })
            }
            _ => None,
        });
        parsed.ok_or_else(|| bad(text))
    }
}

/// A connection to a node, on which requests are answered in turn.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn new(stream: TcpStream) -> Connection {
        Connection(BufReader::new(stream))
    }

    pub async fn call(&mut self, request: &Request) -> io::Result<Answer> {
        self.send(&request.to_line()).await?;
        let line = self.line().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        Answer::from_line(&line)
    }

    /// The next request. `None` if the other side has ended the connection.
    pub async fn request(&mut self) -> io::Result<Option<Request>> {
        self.line().await?.map(|line| Request::from_line(&line)).transpose()
    }

    pub async fn answer(&mut self, answer: Answer) -> io::Result<()> {
        self.send(&answer.to_line()).await
    }

    async fn send(&mut self, line: &str) -> io::Result<()> {
        let stream = self.0.get_mut();
        stream.write_all(line.as_bytes()).await?;
        std::future::poll_fn(|cx| std::pin::Pin::new(&mut *stream).poll_flush(cx)).await
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let len = self.0.read_line(&mut line).await?;
        Ok(Some(line).filter(|line| len > 0 && line.ends_with('\n')))
    }
}
