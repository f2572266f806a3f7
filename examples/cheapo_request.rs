//! One request, written twice: blocking and asynchronous.
//!
//! Both functions do the same things in the same order. The second releases its thread at each
//! `.await`. That is the only difference: the types come from `reveille` instead of `std`, and the
//! calls that can take long are awaited.
//!
//! Two blocking requests take the sum of their times. Two awaited ones, on one thread, take only as
//! long as the slower.

use std::net::SocketAddr;
use std::time::Instant;

use reveille::io;
use reveille::prelude::*;
use reveille::task;

/// A request that blocks its thread until the answer arrives.
fn blocking_request(server: SocketAddr, path: &str) -> io::Result<String> {
    use std::io::{Read, Write};

    let mut stream = std::net::TcpStream::connect(server)?;
    stream.write_all(request(server, path).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The same request. While it waits, its thread does other work.
async fn cheapo_request(server: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = reveille::net::TcpStream::connect(server).await?;
    stream.write_all(request(server, path).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn request(server: SocketAddr, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n")
}

fn main() -> io::Result<()> {
    let server = task::block_on(reveille_examples::loopback())?;
    let paths = ["/delay/200/bytes/11", "/delay/200/bytes/22"];

    let start = Instant::now();
    let first = blocking_request(server, paths[0])?;
    let second = blocking_request(server, paths[1])?;
    println!("blocking: {} and {}", status(&first), status(&second));
    let blocking = start.elapsed();

    let start = Instant::now();
    let (first, second) = task::block_on(async {
        let first = cheapo_request(server, paths[0]);
        let second = cheapo_request(server, paths[1]);
        first.try_join(second).await
    })?;
    println!("awaiting: {} and {}", status(&first), status(&second));
    let awaiting = start.elapsed();

    println!("one after the other: {} ms", blocking.as_millis());
    println!("both at once: {} ms", awaiting.as_millis());
    println!("awaiting took less time: {}", awaiting < blocking);
    Ok(())
}

fn status(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}
