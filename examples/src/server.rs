//! The accept loop and the connections of the loopback server.

use std::net::SocketAddr;
use std::time::Duration;

use reveille::io;
use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::task;

use crate::plan::{Framing, Plan};

/// The longest request head that the server reads.
const HEAD_MAX_BYTES: usize = 16 * 1024;

/// The size of one write of a body, which is also the size of a chunk.
const BLOCK_BYTES: usize = 16 * 1024;

/// The content of bodies.
static BLOCK: [u8; BLOCK_BYTES] = [b'.'; BLOCK_BYTES];

/// The pause of the accept loop after an error. An error such as "too many open files" would
/// otherwise come back at once, again and again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Binds the server to a free port of 127.0.0.1.
///
/// # Errors
///
/// Fails if the system refuses the socket.
pub async fn bind() -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0)).await
}

/// Accepts connections and passes each one to `start`. Never returns.
///
/// `start` must run [`answer`] as a task, on an executor of its choice.
pub async fn serve(listener: TcpListener, start: impl Fn(TcpStream)) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => start(stream),
            // The peer has disconnected, or descriptors have run out. Keep serving.
            Err(_) => task::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Starts a server on the pool and returns its address. It runs until the program ends.
///
/// # Errors
///
/// Fails if the system refuses the socket.
pub async fn loopback() -> io::Result<SocketAddr> {
    let listener = bind().await?;
    let address = listener.local_addr()?;
    task::spawn(serve(listener, |stream| {
        task::spawn(answer(stream));
    }));
    Ok(address)
}

/// Answers the only request of a connection. Stops without an error if the peer disconnects.
pub async fn answer(mut stream: TcpStream) {
    if let Ok(Some(path)) = read_path(&mut stream).await {
        let plan = Plan::of(&path);
        task::sleep(plan.delay).await;
        let _ = send(&mut stream, &plan).await;
    }
}

/// Reads a request's head and returns its path, or `None` if the peer did not send a GET request.
async fn read_path(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut block = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        let len = stream.read(&mut block).await?;
        if len == 0 || head.len() + len > HEAD_MAX_BYTES {
            return Ok(None);
        }
        head.extend_from_slice(&block[..len]);
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split(' ');
    Ok(match (words.next(), words.next()) {
        (Some("GET"), Some(path)) => Some(path.to_owned()),
        _ => None,
    })
}

async fn send(stream: &mut TcpStream, plan: &Plan) -> io::Result<()> {
    stream.write_all(plan.head().as_bytes()).await?;
    let mut left = plan.body_bytes;
    let mut is_paused = plan.pause.is_zero();
    while left > 0 {
        if !is_paused && left <= plan.body_bytes / 2 {
            is_paused = true;
            task::sleep(plan.pause).await;
        }
        let len = left.min(BLOCK_BYTES as u64) as usize;
        left -= len as u64;
        if plan.framing == Framing::Chunked {
            stream.write_all(format!("{len:x}\r\n").as_bytes()).await?;
            stream.write_all(&BLOCK[..len]).await?;
            stream.write_all(b"\r\n").await?;
        } else {
            stream.write_all(&BLOCK[..len]).await?;
        }
    }
    if plan.framing == Framing::Chunked {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    stream.flush().await
}
