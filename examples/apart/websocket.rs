//! A WebSocket server that sends back what it receives, and a client for it.
//!
//! ```sh
//! cargo run --manifest-path examples/apart/Cargo.toml --bin websocket -- --listen 127.0.0.1:9001
//! cargo run --manifest-path examples/apart/Cargo.toml --bin websocket -- --send hello
//! ```
//!
//! async-tungstenite takes any stream with the traits of futures-io, and reveille's streams have
//! them. So no feature and no adapter is needed.

use std::process::ExitCode;
use std::time::Duration;

use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use async_tungstenite::tungstenite::{Error, Message};
use async_tungstenite::{accept_async_with_config, client_async};
use clap::Parser;
use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::task::{self, CancellationToken, JoinSet};
use reveille::{io, select, signal, time};

/// A WebSocket server that sends back what it receives, and a client for it.
#[derive(Parser)]
struct Options {
    /// Sends a text to a server instead, and prints its answer
    #[arg(long, value_name = "TEXT")]
    send: Option<String>,
    /// Where it listens, or the address of the server
    #[arg(long, default_value = "127.0.0.1:9001")]
    listen: String,
    /// The largest message, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    message_max: usize,
    /// How long a client may be silent, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    idle: u64,
}

/// Time limit of the handshake, and of each message to a client.
const PATIENCE: Duration = Duration::from_secs(10);

fn too_late(_: time::TimeoutError) -> Error {
    Error::Io(io::ErrorKind::TimedOut.into())
}

async fn echo(
    stream: TcpStream,
    config: WebSocketConfig,
    idle: Duration,
    stop: CancellationToken,
) -> Result<u64, Error> {
    let handshake = accept_async_with_config(stream, Some(config));
    let mut socket = time::timeout(PATIENCE, handshake).await.map_err(too_late)??;
    let mut count = 0;
    loop {
        let message = select! {
            message = time::timeout(idle, socket.next()) => message.map_err(too_late)?,
            _ = stop.cancelled() => None,
        };
        match message.transpose()? {
            Some(message) if message.is_text() || message.is_binary() => {
                time::timeout(PATIENCE, socket.send(message)).await.map_err(too_late)??;
                count += 1;
            }
            // Pings are answered by the library, with the next read or write.
            Some(message) if !message.is_close() => {}
            _ => {
                // Says goodbye. The client may be gone already.
                let _ = time::timeout(PATIENCE, socket.close(None)).await;
                return Ok(count);
            }
        }
    }
}

async fn serve(listener: TcpListener, options: Options, stop: CancellationToken) {
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(options.message_max);
    config.max_frame_size = Some(options.message_max);
    let idle = Duration::from_secs(options.idle);
    let mut clients = JoinSet::new();
    while let Ok(accepted) = stop.run(listener.accept()).await {
        while clients.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let echo = echo(stream, config, idle, stop.clone());
                clients.spawn(async move {
                    match echo.await {
                        Ok(count) => println!("{peer}: {count} messages"),
                        Err(error) => eprintln!("websocket: {peer}: {error:#}"),
                    }
                });
            }
            Err(error) => {
                eprintln!("websocket: {error:#}");
                time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let drained = async { while clients.join_next().await.is_some() {} };
    let _ = time::timeout(2 * PATIENCE, drained).await;
}

/// Sends one message and prints the answer.
async fn send(address: &str, text: &str) -> Result<(), Error> {
    let stream = TcpStream::connect(address).await?;
    let (mut socket, _) = client_async(format!("ws://{address}/"), stream).await?;
    socket.send(Message::Text(text.into())).await?;
    if let Some(answer) = socket.next().await.transpose()? {
        println!("{answer}");
    }
    socket.close(None).await
}

async fn run(options: Options) -> io::Result<()> {
    if let Some(text) = &options.send {
        let sent = time::timeout(PATIENCE, send(&options.listen, text)).await?;
        return sent.map_err(io::Error::other);
    }
    let interrupt = signal::ctrl_c();
    let listener = TcpListener::bind(&options.listen).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let stop = CancellationToken::new();
    let server = task::spawn(serve(listener, options, stop.clone()));
    interrupt.await?;
    stop.cancel();
    server.await;
    Ok(())
}

#[reveille::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("websocket: {error:#}");
            ExitCode::FAILURE
        }
    }
}
