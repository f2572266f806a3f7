//! Tutorial, step 7: Ctrl-C ends the server without cutting off a client.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reveille::io::{self, Read};
use reveille::net::{OwnedReadHalf, OwnedWriteHalf, TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::runtime::Handle;
use reveille::signal;
use reveille::sync::broadcast::{self, RecvError};
use reveille::task::{self, CancellationToken, JoinSet};
use reveille::{select, time};

/// How many messages a room keeps for slow clients.
const BACKLOG: usize = 64;

/// The longest line that a client may send.
const LINE_MAX_BYTES: usize = 4096;

/// The longest name of a client or of a room.
const NAME_MAX_CHARS: usize = 20;

/// How long a client may take.
#[derive(Clone, Copy)]
struct Limits {
    /// To give its name.
    login: Duration,
    /// Between two lines.
    idle: Duration,
    /// To accept a message.
    write: Duration,
    /// For all clients together, after Ctrl-C.
    grace: Duration,
}

const LIMITS: Limits = Limits {
    login: Duration::from_secs(30),
    idle: Duration::from_secs(600),
    write: Duration::from_secs(10),
    grace: Duration::from_secs(10),
};

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

/// What all clients share.
#[derive(Default)]
struct Chat {
    rooms: Rooms,
    metrics: Metrics,
}

/// Counts of events. Nothing depends on their order, so relaxed operations are enough.
#[derive(Default)]
struct Metrics {
    accepted: AtomicU64,
    connected: AtomicU64,
    lines: AtomicU64,
    missed: AtomicU64,
}

impl Metrics {
    /// The text that Prometheus reads.
    fn text(&self) -> String {
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let runtime = Handle::current().metrics();
        format!(
            "chat_accepted_total {}\nchat_connected {}\nchat_lines_total {}\n\
             chat_missed_total {}\nruntime_polls_total {}\nruntime_takeovers_total {}\n",
            load(&self.accepted),
            load(&self.connected),
            load(&self.lines),
            load(&self.missed),
            runtime.polls,
            runtime.takeovers,
        )
    }
}

/// Counts a client while it is connected, also if its future is dropped.
struct Connected<'a>(&'a Metrics);

impl<'a> Connected<'a> {
    fn new(metrics: &'a Metrics) -> Connected<'a> {
        metrics.accepted.fetch_add(1, Ordering::Relaxed);
        metrics.connected.fetch_add(1, Ordering::Relaxed);
        Connected(metrics)
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers every HTTP request with the metrics.
async fn serve_metrics(listener: TcpListener, chat: Arc<Chat>) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let body = chat.metrics.text();
        let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        task::spawn(io::timeout(LIMITS.write, async move {
            // The request is not parsed: every request gets the same answer.
            let _ = stream.read(&mut [0; 1024]).await?;
            stream.write_all((head + &body).as_bytes()).await?;
            stream.close().await
        }));
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

/// One client.
struct Client {
    lines: Lines<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    limits: Limits,
}

impl Client {
    async fn write(&mut self, text: &str) -> io::Result<()> {
        io::timeout(self.limits.write, self.writer.write_all(text.as_bytes())).await
    }

    /// Asks until the client has a name. Returns `None` if it disconnects.
    async fn ask_name(&mut self) -> io::Result<Option<String>> {
        loop {
            self.write("your name?\n").await?;
            let Some(line) = self.lines.next().await? else { return Ok(None) };
            if let Some(name) = valid(&line) {
                return Ok(Some(name.to_owned()));
            }
        }
    }

    /// Carries messages in both directions until the client leaves.
    async fn talk(
        &mut self,
        name: &str,
        chat: &Chat,
        room: &mut Room,
        stop: &CancellationToken,
    ) -> io::Result<()> {
        let mut messages = room.subscribe();
        let _ = room.send(format!("* {name} is here\n"));
        let mut last = Instant::now();
        loop {
            select! {
                line = self.lines.next() => {
                    let Some(line) = line? else { return Ok(()) };
                    last = Instant::now();
                    chat.metrics.lines.fetch_add(1, Ordering::Relaxed);
                    match line.strip_prefix("/join ").map(valid) {
                        Some(Some(other)) => {
                            let _ = room.send(format!("* {name} goes to {other}\n"));
                            *room = chat.rooms.get(other);
                            messages = room.subscribe();
                            let _ = room.send(format!("* {name} is here\n"));
                        }
                        Some(None) => self.write("* no such name\n").await?,
                        None => drop(room.send(format!("{name}: {line}\n"))),
                    }
                },
                message = messages.recv() => match message {
                    Ok(text) => self.write(&text).await?,
                    Err(RecvError::Lagged(count)) => {
                        chat.metrics.missed.fetch_add(count, Ordering::Relaxed);
                        self.write(&format!("* you missed {count} messages\n")).await?;
                    }
                    Err(RecvError::Closed) => return Ok(()),
                },
                _ = time::sleep_until(last + self.limits.idle) => {
                    return self.write("* you were silent for too long\n").await;
                },
                _ = stop.cancelled() => return self.write("* the server ends\n").await,
            }
        }
    }
}

/// Serves one client until it disconnects.
async fn connection(stream: TcpStream, chat: Arc<Chat>, stop: CancellationToken) -> io::Result<()> {
    let _connected = Connected::new(&chat.metrics);
    let (reader, writer) = stream.into_split();
    let mut client = Client { lines: Lines::new(reader), writer, limits: LIMITS };
    // The time limit and the shutdown both end the wait for the name.
    let asked = stop.run(io::timeout(LIMITS.login, client.ask_name())).await;
    let Some(name) = asked.unwrap_or(Ok(None))? else { return Ok(()) };
    let mut room = chat.rooms.get("lobby");
    let ended = client.talk(&name, &chat, &mut room, &stop).await;
    let _ = room.send(format!("* {name} has left\n"));
    ended
}

/// Accepts clients until `stop` is cancelled, and waits for those that are connected. Returns how
/// many it had to cut off.
async fn serve(listener: TcpListener, chat: Arc<Chat>, stop: CancellationToken) -> usize {
    let mut clients = JoinSet::new();
    while let Ok(accepted) = stop.run(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                let connection = connection(stream, Arc::clone(&chat), stop.clone());
                clients.spawn(async move {
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
        while clients.try_join_next().is_some() {} // forget those that have left
    }
    drop(listener);
    let drained = async { while clients.join_next().await.is_some() {} };
    let _ = time::timeout(LIMITS.grace, drained).await;
    let left = clients.len();
    clients.shutdown().await;
    left
}

#[reveille::main]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:7000".to_owned());
    let metrics = arguments.next().unwrap_or_else(|| "127.0.0.1:7001".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("listening on {}", listener.local_addr()?);
    let metrics = TcpListener::bind(&metrics).await?;
    println!("metrics on {}", metrics.local_addr()?);
    let chat = Arc::new(Chat::default());
    let interrupt = signal::ctrl_c();
    let stop = CancellationToken::new();
    task::spawn(serve_metrics(metrics, Arc::clone(&chat)));
    let server = task::spawn(serve(listener, chat, stop.clone()));
    interrupt.await?;
    println!("the server ends");
    stop.cancel();
    // A second Ctrl-C ends it at once.
    select! {
        left = server => println!("{left} clients were cut off"),
        _ = signal::ctrl_c() => println!("not everybody was told"),
    }
    Ok(())
}
