//! Many requests at once, with borrowed arguments: `future::scope`.
//!
//! A task can outlive the function that spawned it, so it must own what it uses. That is why the
//! example `spawn_local` has `String`s and clones. Here the requests are children of a scope
//! instead. They live inside the future of `many_requests`, which ends after them, so they can
//! borrow its arguments. A child that was woken is polled even while the body awaits something
//! else.
//!
//! The children take turns on one thread, which is enough for requests that wait. For long
//! computations use tasks: see `task::scope`.

use std::time::{Duration, Instant};

use reveille::net::TcpStream;
use reveille::prelude::*;
use reveille::task::{self, CancellationToken};
use reveille::{future, io};

/// A request whose arguments are borrowed.
async fn request(host: &str, port: u16, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((host, port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Makes all requests at once. Returns the answers in the order of the requests.
async fn many_requests(requests: &[(&str, u16, &str)]) -> Vec<io::Result<String>> {
    future::scope(async |s| {
        let mut answers = Vec::new();
        for (host, port, path) in requests {
            answers.push(s.spawn(request(host, *port, path)));
        }
        future::join_all(answers).await
    })
    .await
}

/// All or nothing: the first error drops the other requests.
async fn all_or_nothing(requests: &[(&str, u16, &str)], limit: Duration) -> io::Result<usize> {
    let token = CancellationToken::new().with_timeout(limit);
    future::try_scope(async |s| {
        let mut answers = Vec::new();
        for (host, port, path) in requests {
            // When the time runs out, this fails, whether it connects, writes or reads.
            answers.push(s.try_spawn(token.try_run(request(host, *port, path))));
        }
        let answers = future::join_all(answers).await;
        Ok(answers.iter().map(String::len).sum())
    })
    .await
}

fn main() -> io::Result<()> {
    let server = task::block_on(reveille_examples::loopback())?;
    let host = server.ip().to_string();
    let paths: Vec<String> = (1..=10).map(|n| format!("/delay/100/bytes/{n}")).collect();
    let requests: Vec<_> =
        paths.iter().map(|path| (host.as_str(), server.port(), path.as_str())).collect();

    let start = Instant::now();
    let answers = task::block_on(many_requests(&requests));
    for (path, answer) in paths.iter().zip(answers) {
        let answer = answer?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.lines().next().unwrap_or_default();
        println!("{path}: {status}, {} bytes", body.len());
    }
    let together = Duration::from_millis(100 * 10);
    println!("less than one after the other: {}", start.elapsed() < together);

    let enough = task::block_on(all_or_nothing(&requests, Duration::from_secs(60)))?;
    println!("all of them have answered: {}", enough > 0);
    let error = task::block_on(all_or_nothing(&requests, Duration::from_millis(20)));
    println!("and in 20 ms: {}", error.expect_err("each takes 100 ms").kind());
    Ok(())
}
