//! many_requests: HTTP/1.1 over loopback, client and server on the same runtime in one process.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::measure::{RunConfig, Sample, Stopwatch};
use crate::rt::Rt;

/// The number of tasks that fetch at the same time.
const CONCURRENCY: usize = 64;
/// The size of each response body in bytes.
const BODY_BYTES: usize = 1_024;

/// Fetches repeatedly, with one connection per request, or one per task with `keep_alive`. `wall`
/// and `cpu` are per request, client and server together.
pub fn run<R: Rt>(config: &RunConfig, keep_alive: bool) -> Sample {
    let rt = R::start(config.workers);
    let total = config.scaled(if keep_alive { 40_000 } else { 6_000 });
    rt.block_on_task(async move {
        let (listener, addr) = R::listen().await.expect("a loopback port is free");
        R::detach(R::spawn(serve::<R>(listener)));
        // Set up buffers, threads and connections before the clock starts.
        fetch_all::<R>(addr, total / 10, keep_alive).await;
        let stopwatch = Stopwatch::start();
        let fetched = fetch_all::<R>(addr, total, keep_alive).await;
        assert_eq!(fetched, total as u64, "every request is answered");
        stopwatch.per_op(fetched)
    })
}

async fn fetch_all<R: Rt>(addr: SocketAddr, total: usize, keep_alive: bool) -> u64 {
    let fetched = Arc::new(AtomicU64::new(0));
    let fetcher = |place: usize| {
        let share = total / CONCURRENCY + usize::from(place < total % CONCURRENCY);
        let fetched = fetched.clone();
        R::spawn(async move {
            let done = fetch_some::<R>(addr, share, keep_alive).await.expect("loopback serves");
            fetched.fetch_add(done, Ordering::Relaxed);
        })
    };
    let handles: Vec<_> = (0..CONCURRENCY).map(fetcher).collect();
    for handle in handles {
        handle.await;
    }
    fetched.load(Ordering::Relaxed)
}

async fn fetch_some<R: Rt>(addr: SocketAddr, count: usize, keep_alive: bool) -> io::Result<u64> {
    let mut kept = None;
    for _ in 0..count {
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => R::connect(addr).await?,
        };
        fetch::<R>(&mut stream).await?;
        if keep_alive {
            kept = Some(stream);
        }
    }
    Ok(count as u64)
}

async fn fetch<R: Rt>(stream: &mut R::Stream) -> io::Result<()> {
    R::write_all(stream, b"GET /page HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n").await?;
    let mut inbox = [0; 2_048];
    let mut len = 0;
    let expected = loop {
        len += read_some::<R>(stream, &mut inbox[len..]).await?;
        if let Some(head) = head_len(&inbox[..len]) {
            break head + content_length(&inbox[..head]).ok_or(io::ErrorKind::InvalidData)?;
        }
    };
    while len < expected {
        len += read_some::<R>(stream, &mut inbox[len..]).await?;
    }
    Ok(())
}

async fn serve<R: Rt>(listener: R::Listener) {
    loop {
        let mut stream = R::accept(&listener).await.expect("accept succeeds on loopback");
        R::detach(R::spawn(async move {
            // An error means that the client has closed the connection, as intended.
            let _closed = answer_all::<R>(&mut stream).await;
        }));
    }
}

async fn answer_all<R: Rt>(stream: &mut R::Stream) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
    let answer = [head.as_bytes(), &[b'x'; BODY_BYTES]].concat();
    let mut inbox = [0; 1_024];
    loop {
        let mut len = 0;
        while head_len(&inbox[..len]).is_none() {
            len += read_some::<R>(stream, &mut inbox[len..]).await?;
        }
        R::write_all(stream, &answer).await?;
    }
}

async fn read_some<R: Rt>(stream: &mut R::Stream, buf: &mut [u8]) -> io::Result<usize> {
    match R::read(stream, buf).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        len => Ok(len),
    }
}

/// The length of a message's head with its blank line, if the blank line has arrived.
fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|start| start + 4)
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    let line = head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?;
    line.parse().ok()
}
