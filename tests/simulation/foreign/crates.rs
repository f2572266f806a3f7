//! Crates that use async-std run unmodified on the shim in a simulation: over several hosts, while
//! the network is cut and heals. `checked` compares the steps of two processes for each seed.

#![cfg(target_os = "linux")]

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_std::future::timeout;
use async_std::io::{BufReadExt, BufReader, ReadExt, WriteExt};
use async_std::net::{TcpListener, TcpStream};
use async_std::prelude::*;
use async_std::task;
use async_tungstenite::tungstenite::Message;
use reveille::sim;
use reveille_watchdog as _;

const SEEDS: u64 = 6;

/// How many answers a client wants.
const ANSWERS: u64 = 40;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_millis(300);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Tries until `ask` has returned `ANSWERS` answers, with pauses, and checks that some attempts
/// failed: those while the network was cut. `ask` gets the number of the answer.
async fn insist<F>(mut ask: impl FnMut(u64) -> F)
where
    F: Future<Output = Result<(), Error>>,
{
    let mut failures = 0;
    for number in 0..ANSWERS {
        while !matches!(timeout(PATIENCE, ask(number)).await, Ok(Ok(()))) {
            failures += 1;
            assert!(failures < 1_000, "the network has healed, and nothing works");
            task::sleep(Duration::from_millis(20)).await;
        }
        task::sleep(Duration::from_millis(50)).await;
    }
    assert!(failures > 0, "the client has not noticed that the network was cut");
    sim::note(failures);
}

/// Adds a server and two clients. The network is cut between the server and the first client, and
/// then between the server and both.
fn cut<S, C>(
    sim: &mut sim::Sim,
    server: impl Fn() -> S + Send + Sync + Clone + 'static,
    client: impl Fn() -> C + Send + Sync + Clone + 'static,
) where
    S: Future<Output = Result<(), Error>> + 'static,
    C: Future<Output = ()> + 'static,
{
    let second = Duration::from_secs(1);
    sim.host("server", move || {
        let served = server();
        async move { served.await.map_err(|error| io::Error::other(error.to_string())) }
    });
    for name in ["c1", "c2"] {
        sim.client(name, client.clone());
    }
    sim.at(second, |net| net.partition(["server"], ["c1"]));
    sim.at(2 * second, |net| net.partition(["server"], ["c1", "c2"]));
    sim.at(3 * second, |net| net.heal());
}

fn seeds() -> sim::Builder {
    sim::Builder::new().seeds(0..SEEDS).checked()
}

type WebSocket = async_tungstenite::WebSocketStream<TcpStream>;

async fn serve_web_sockets() -> Result<(), Error> {
    let listener = TcpListener::bind("0.0.0.0:9001").await?;
    while let Some(stream) = listener.incoming().next().await {
        let stream = stream?;
        task::spawn(async move {
            let mut socket = async_tungstenite::accept_async(stream).await?;
            while let Some(message) = socket.next().await {
                let message = message?;
                if message.is_text() {
                    socket.send(message).await?;
                }
            }
            Ok::<(), Error>(())
        });
    }
    Ok(())
}

/// Sends a message on the connection, or on a new one, and waits for it to come back.
async fn ask_web_socket(open: &mut Option<WebSocket>, number: u64) -> Result<(), Error> {
    let mut socket = match open.take() {
        Some(socket) => socket,
        None => {
            let stream = TcpStream::connect("server:9001").await?;
            async_tungstenite::client_async("ws://server:9001/", stream).await?.0
        }
    };
    socket.send(Message::text(format!("message {number}"))).await?;
    let answer = socket.next().await.ok_or("the server has closed the connection")??;
    assert_eq!(answer.into_text()?.as_str(), format!("message {number}"));
    *open = Some(socket);
    Ok(())
}

#[test]
fn web_sockets_of_async_tungstenite() {
    seeds().check(|sim| {
        cut(sim, serve_web_sockets, || async {
            let open = async_std::sync::Arc::new(async_std::sync::Mutex::new(None));
            insist(|number| {
                let open = Arc::clone(&open);
                async move { ask_web_socket(&mut *open.lock().await, number).await }
            })
            .await;
        })
    });
}

/// Sends lines back.
async fn serve_lines() -> Result<(), Error> {
    let listener = TcpListener::bind("0.0.0.0:7").await?;
    while let Some(stream) = listener.incoming().next().await {
        let stream = stream?;
        task::spawn(async move { async_std::io::copy(&mut &stream, &mut &stream).await });
    }
    Ok(())
}

/// Makes the connections of the pool.
struct Lines {
    made: Arc<AtomicU64>,
}

async fn ask_line(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).await?;
    if back == text.as_bytes() { Ok(()) } else { Err(io::Error::other("another line")) }
}

#[mobc::async_trait]
impl mobc::Manager for Lines {
    type Connection = TcpStream;
    type Error = io::Error;

    async fn connect(&self) -> io::Result<TcpStream> {
        self.made.fetch_add(1, Ordering::Relaxed);
        TcpStream::connect("server:7").await
    }

    async fn check(&self, mut connection: TcpStream) -> io::Result<TcpStream> {
        ask_line(&mut connection, "are you there?").await?;
        Ok(connection)
    }
}

/// Asks with connections of the pool. Returns how many questions were answered.
async fn ask_often(pool: mobc::Pool<Lines>, number: u64) -> u64 {
    let mut asked = 0;
    for round in 0..20 {
        if let Ok(mut line) = pool.get().await {
            let text = format!("{number} {round}");
            asked += u64::from(ask_line(&mut line, &text).await.is_ok());
        }
        task::sleep(Duration::from_millis(30)).await;
    }
    asked
}

#[test]
fn connections_of_mobc() {
    seeds().check(|sim| {
        cut(sim, serve_lines, || async {
            let made = Arc::new(AtomicU64::new(0));
            let lines = Lines { made: Arc::clone(&made) };
            let pool = mobc::Pool::builder().max_open(3).get_timeout(Some(PATIENCE)).build(lines);
            let others: Vec<_> =
                (0..3).map(|number| task::spawn(ask_often(pool.clone(), number))).collect();
            insist(|number| {
                let pool = pool.clone();
                async move {
                    let mut line = pool.get().await.map_err(|error| error.to_string())?;
                    ask_line(&mut line, &format!("line {number}")).await?;
                    Ok(())
                }
            })
            .await;
            for other in others {
                let asked = other.await;
                assert!(asked > 0, "the pool served only one task");
                sim::note(asked);
            }
            sim::note(made.load(Ordering::Relaxed));
        })
    });
}

/// Reads a command of the Redis protocol: an array of strings. `None` at the end.
async fn read_command(from: &mut BufReader<&TcpStream>) -> Result<Option<Vec<String>>, Error> {
    let mut line = String::new();
    if from.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let count: usize = line.trim_end().strip_prefix('*').ok_or("not an array")?.parse()?;
    let mut words = Vec::new();
    for _ in 0..count {
        line.clear();
        from.read_line(&mut line).await?;
        let len: usize = line.trim_end().strip_prefix('$').ok_or("not a string")?.parse()?;
        let mut word = vec![0; len + 2];
        from.read_exact(&mut word).await?;
        word.truncate(len);
        words.push(String::from_utf8(word)?);
    }
    Ok(Some(words))
}

async fn serve_redis_client(stream: TcpStream, count: Arc<Mutex<u64>>) -> Result<(), Error> {
    let mut from = BufReader::new(&stream);
    while let Some(words) = read_command(&mut from).await? {
        let answer = match words[0].to_ascii_uppercase().as_str() {
            "INCRBY" => {
                let mut count = count.lock().expect("no task panics");
                *count += words[2].parse::<u64>()?;
                format!(":{count}\r\n")
            }
            "CLIENT" | "SELECT" => "+OK\r\n".to_owned(),
            other => format!("-ERR unknown command {other}\r\n"),
        };
        (&stream).write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

async fn serve_redis() -> Result<(), Error> {
    let count = Arc::new(Mutex::new(0));
    let listener = TcpListener::bind("0.0.0.0:6379").await?;
    while let Some(stream) = listener.incoming().next().await {
        task::spawn(serve_redis_client(stream?, Arc::clone(&count)));
    }
    Ok(())
}

#[test]
fn a_client_of_redis() {
    seeds().check(|sim| {
        cut(sim, serve_redis, || async {
            let open = async_std::sync::Arc::new(async_std::sync::Mutex::new(None));
            let last = Arc::new(AtomicU64::new(0));
            insist(|_| {
                let (open, last) = (Arc::clone(&open), Arc::clone(&last));
                async move {
                    let mut open = open.lock().await;
                    let mut connection = match open.take() {
                        Some(connection) => connection,
                        None => {
                            let client = redis::Client::open("redis://server:6379/")?;
                            client.get_multiplexed_async_connection().await?
                        }
                    };
                    let mut command = redis::cmd("INCRBY");
                    command.arg("count").arg(1);
                    let count: u64 = command.query_async(&mut connection).await?;
                    assert!(count > last.swap(count, Ordering::Relaxed), "the count went back");
                    sim::note(count);
                    *open = Some(connection);
                    Ok(())
                }
            })
            .await;
        })
    });
}

/// Counts the requests, and answers each with its text and with the count.
async fn serve_http() -> Result<(), Error> {
    let mut app = tide::with_state(Arc::new(AtomicU64::new(0)));
    app.at("/echo/:name").post(|mut request: tide::Request<Arc<AtomicU64>>| async move {
        let text = request.body_string().await?;
        let name = request.param("name")?;
        let count = request.state().fetch_add(1, Ordering::Relaxed) + 1;
        Ok(format!("{count} {name} {text}"))
    });
    Ok(app.listen("0.0.0.0:80").await?)
}

/// Sends a text, and checks that it comes back with a higher count than `last`.
async fn ask_http(client: &surf::Client, number: u64, last: &AtomicU64) -> Result<(), Error> {
    // More than one segment, so that the cut may come between two of them.
    let text = format!("{number} ").repeat(1_000);
    let mut answer = client.post("http://server/echo/me").body(text.clone()).await?;
    if answer.status() != surf::StatusCode::Ok {
        return Err(answer.status().canonical_reason().into());
    }
    let answer = answer.body_string().await?;
    let (count, rest) = answer.split_once(' ').ok_or("an answer has a count")?;
    let count = count.parse()?;
    assert_eq!(rest, format!("me {text}"));
    assert!(count > last.swap(count, Ordering::Relaxed), "the count went back");
    sim::note(count);
    Ok(())
}

#[test]
fn a_server_of_tide_and_clients_of_surf() {
    seeds().check(|sim| {
        cut(sim, serve_http, || async {
            // Not the one that all of the process share, whose pool has the connections of both.
            let client = surf::Client::new();
            let last = Arc::new(AtomicU64::new(0));
            insist(|number| {
                let (client, last) = (client.clone(), Arc::clone(&last));
                async move { ask_http(&client, number, &last).await }
            })
            .await;
        })
    });
}
