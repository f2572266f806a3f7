//! Three hosts on one thread: `spawn_local`.
//!
//! Each request is a task of this thread. `block_on` polls its future. While that future waits,
//! `block_on` polls the tasks that are ready to run. Nothing moves to another thread, so a task can
//! hold an `Rc`. The task can outlive this function, so it must own what it uses.
//!
//! The hosts answer after 400, 200 and 10 ms. The requests start in that order, and the answers
//! come in reverse order. All three together take as long as the slowest.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use reveille::io;
use reveille::net::TcpStream;
use reveille::prelude::*;
use reveille::task;

async fn cheapo_request(host: SocketAddr, path: String) -> io::Result<String> {
    let mut stream = TcpStream::connect(host).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

async fn three_hosts() -> io::Result<()> {
    let finished = Rc::new(RefCell::new(Vec::new()));
    let mut handles = Vec::new();
    for (name, delay_ms) in [("first", 400), ("second", 200), ("third", 10)] {
        let host = reveille_examples::loopback().await?;
        let finished = finished.clone();
        handles.push(task::spawn_local(async move {
            let answer = cheapo_request(host, format!("/delay/{delay_ms}/bytes/10")).await;
            finished.borrow_mut().push(name);
            answer
        }));
    }
    // Collect the results in the order of the requests, not of the answers.
    for handle in handles {
        let answer = handle.await?;
        println!("{}", answer.lines().next().unwrap_or_default());
    }
    println!("the answers came in this order: {}", finished.borrow().join(", "));
    Ok(())
}

fn main() -> io::Result<()> {
    let start = Instant::now();
    task::block_on(three_hosts())?;
    let together = Duration::from_millis(400 + 200 + 10);
    println!("less than one after the other: {}", start.elapsed() < together);
    Ok(())
}
