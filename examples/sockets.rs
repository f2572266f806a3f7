//! UDP and Unix sockets: a server and a client for each.
//!
//! ```sh
//! cargo run --example sockets -- udp-serve 127.0.0.1:9000
//! cargo run --example sockets -- udp-send 127.0.0.1:9000 hello
//! cargo run --example sockets -- unix-serve /tmp/greeter
//! cargo run --example sockets -- unix-send /tmp/greeter hello
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use reveille::io;
use reveille::net::UdpSocket;
#[cfg(unix)]
use reveille::os::unix::net::{UnixListener, UnixStream};
#[cfg(unix)]
use reveille::prelude::*;
use reveille::time;
#[cfg(unix)]
use reveille::{signal, task};

/// UDP and Unix sockets: two servers that answer, and clients for them.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Sends each datagram back
    UdpServe { address: String },
    /// Sends a datagram until an answer comes, up to five times
    UdpSend { address: String, text: String },
    /// Greets each client with its user, and sends back what it sends
    UnixServe { path: PathBuf },
    /// Sends a text and prints the answer
    UnixSend { path: PathBuf, text: String },
}

/// A datagram has at most this many bytes.
const DATAGRAM_MAX_BYTES: usize = 65_535;

/// How long a client waits for an answer to one datagram.
const PATIENCE: Duration = Duration::from_millis(500);

async fn udp_serve(address: &str) -> io::Result<()> {
    let socket = UdpSocket::bind(address).await?;
    println!("listening on {}", socket.local_addr()?);
    let mut datagram = vec![0; DATAGRAM_MAX_BYTES];
    loop {
        let (len, peer) = match socket.recv_from(&mut datagram).await {
            Ok(received) => received,
            // The system reports here that an earlier answer did not arrive.
            Err(error) => {
                eprintln!("sockets: {error:#}");
                time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        println!("{len} bytes from {peer}");
        if let Err(error) = socket.send_to(&datagram[..len], peer).await {
            eprintln!("sockets: {error:#}");
        }
    }
}

async fn udp_send(address: &str, text: &str) -> io::Result<()> {
    // Datagrams are lost in networks, so the client repeats its own.
    let socket = UdpSocket::bind("0.0.0.0:0").await?;
    socket.connect(address).await?;
    let mut answer = vec![0; DATAGRAM_MAX_BYTES];
    for _ in 0..5 {
        socket.send(text.as_bytes()).await?;
        if let Ok(len) = time::timeout(PATIENCE, socket.recv(&mut answer)).await {
            println!("{}", String::from_utf8_lossy(&answer[..len?]));
            return Ok(());
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer")))
}

#[cfg(unix)]
async fn greet(mut stream: UnixStream) -> io::Result<()> {
    let user = stream.peer_credentials()?.uid;
    stream.write_all(format!("hello, user {user}\n").as_bytes()).await?;
    io::copy(&mut &stream, &mut &stream).await?;
    stream.close().await
}

#[cfg(unix)]
async fn unix_serve(path: PathBuf) -> io::Result<()> {
    let interrupt = signal::ctrl_c();
    let listener = UnixListener::bind(&path).await?;
    println!("listening on {}", path.display());
    let server = task::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(task::spawn(async move {
                    if let Err(error) = greet(stream).await {
                        eprintln!("sockets: {error:#}");
                    }
                })),
                Err(error) => {
                    eprintln!("sockets: {error:#}");
                    time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
    interrupt.await?;
    server.cancel().await;
    // The socket stays in the file system when its listener is closed.
    reveille::fs::remove_file(&path).await
}

#[cfg(unix)]
async fn unix_send(path: PathBuf, text: &str) -> io::Result<()> {
    let mut stream = UnixStream::connect(&path).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.close().await?; // the server reads to here, and can still answer
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    println!("{answer}");
    Ok(())
}

#[reveille::main]
async fn main() -> ExitCode {
    let done = match Options::parse().mode {
        Mode::UdpServe { address } => udp_serve(&address).await,
        Mode::UdpSend { address, text } => udp_send(&address, &text).await,
        #[cfg(unix)]
        Mode::UnixServe { path } => unix_serve(path).await,
        #[cfg(unix)]
        Mode::UnixSend { path, text } => unix_send(path, &text).await,
        #[cfg(not(unix))]
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sockets: {error:#}");
            ExitCode::FAILURE
        }
    }
}
