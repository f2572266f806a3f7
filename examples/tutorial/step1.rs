//! Tutorial, step 1: a server that answers each line.
//!
//! ```sh
//! cargo run --example tutorial_step1 &
//! nc 127.0.0.1 7000
//! ```

use std::time::Duration;

use reveille::io::{self, BufReader};
use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::{task, time};

/// Serves one client until it disconnects.
async fn connection(stream: TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    while let Some(line) = lines.next().await {
        (&stream).write_all(format!("you said: {}\n", line?).as_bytes()).await?;
    }
    Ok(())
}

#[reveille::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7000".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            // A task for each client, so that one does not wait for another.
            Ok((stream, peer)) => drop(task::spawn(async move {
                if let Err(error) = connection(stream).await {
                    eprintln!("{peer}: {error}");
                }
            })),
            // For example: too many open files. Keep serving the others, and try again.
            Err(error) => {
                eprintln!("{error}");
                time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
