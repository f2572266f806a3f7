//! Tutorial, step 4: long lines, empty names and slow clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reveille::io::{self, Read};
use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::sync::broadcast::{self, RecvError};
use reveille::{select, task, time};

/// How many messages a room keeps for slow clients.
const BACKLOG: usize = 64;

/// The longest line that a client may send.
const LINE_MAX_BYTES: usize = 4096;

/// The longest name of a client or of a room.
const NAME_MAX_CHARS: usize = 20;

type Room = broadcast::Sender<String>;

/// The rooms with at least one client.
#[derive(Default)]
struct Rooms(Mutex<HashMap<String, Room>>);

impl Rooms {
    /// Returns the room, and creates it if it does not exist.
    fn get(&self, name: &str) -> Room {
        let mut rooms = self.0.lock().expect("no one panics with the lock");
        rooms.retain(|other, room| other == name || room.receiver_count() > 0);
        rooms.entry(name.to_owned()).or_insert_with(|| Room::new(BACKLOG)).clone()
    }
}

/// Reads lines of a limited length, without the control characters that could confuse a terminal.
struct Lines<S> {
    stream: S,
    bytes: Vec<u8>,
}

impl<S: Read + Unpin> Lines<S> {
    fn new(stream: S) -> Lines<S> {
        Lines { stream, bytes: Vec::new() }
    }

    /// Returns the next line, or `None` at the end. If this future is dropped, nothing is lost:
    /// what was read is in `self`, and a dropped `read` has read nothing.
    async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                return Ok(Some(line.chars().filter(|letter| !letter.is_control()).collect()));
            }
            if self.bytes.len() > LINE_MAX_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
            }
            let mut block = [0; 1024];
            let len = self.stream.read(&mut block).await?;
            if len == 0 {
                return Ok(None);
            }
            self.bytes.extend_from_slice(&block[..len]);
        }
    }
}

/// Returns the name without spaces around it, if it is neither empty nor too long.
fn valid(name: &str) -> Option<&str> {
    let name = name.trim();
    (!name.is_empty() && name.chars().count() <= NAME_MAX_CHARS).then_some(name)
}

/// Asks until the client has a name. Returns `None` if it disconnects.
async fn ask_name(
    mut stream: &TcpStream,
    lines: &mut Lines<&TcpStream>,
) -> io::Result<Option<String>> {
    loop {
        stream.write_all(b"your name?\n").await?;
        let Some(line) = lines.next().await? else { return Ok(None) };
        if let Some(name) = valid(&line) {
            return Ok(Some(name.to_owned()));
        }
    }
}

/// Serves one client until it disconnects.
async fn connection(stream: TcpStream, rooms: Arc<Rooms>) -> io::Result<()> {
    let mut lines = Lines::new(&stream);
    let Some(name) = ask_name(&stream, &mut lines).await? else { return Ok(()) };
    let mut room = rooms.get("lobby");
    let mut messages = room.subscribe();
    let _ = room.send(format!("* {name} is here\n"));
    let ended = loop {
        select! {
            line = lines.next() => match line {
                Ok(Some(line)) => match line.strip_prefix("/join ").map(valid) {
                    Some(Some(other)) => {
                        let _ = room.send(format!("* {name} goes to {other}\n"));
                        room = rooms.get(other);
                        messages = room.subscribe();
                        let _ = room.send(format!("* {name} is here\n"));
                    }
                    Some(None) => (&stream).write_all(b"* no such name\n").await?,
                    None => drop(room.send(format!("{name}: {line}\n"))),
                },
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            },
            message = messages.recv() => {
                let text = match message {
                    Ok(text) => text,
                    // The room has no memory for the slowest. It loses messages, and is told.
                    Err(RecvError::Lagged(count)) => format!("* you missed {count} messages\n"),
                    Err(RecvError::Closed) => break Ok(()),
                };
                if let Err(error) = (&stream).write_all(text.as_bytes()).await {
                    break Err(error);
                }
            },
        }
    };
    let _ = room.send(format!("* {name} has left\n"));
    ended
}

#[reveille::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7000".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("listening on {}", listener.local_addr()?);
    let rooms = Arc::new(Rooms::default());
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let connection = connection(stream, Arc::clone(&rooms));
                task::spawn(async move {
                    if let Err(error) = connection.await {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
            Err(error) => {
                eprintln!("{error}");
                time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
