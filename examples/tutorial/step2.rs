//! Tutorial, step 2: every client reads every message.

use std::time::Duration;

use reveille::io::{self, BufReader};
use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::sync::broadcast;
use reveille::{task, time};

/// How many messages the channel keeps for slow clients.
const BACKLOG: usize = 64;

/// Serves one client until it disconnects.
async fn connection(stream: TcpStream, chat: broadcast::Sender<String>) -> io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    (&stream).write_all(b"your name?\n").await?;
    let Some(name) = lines.next().await.transpose()? else { return Ok(()) };
    let mut messages = chat.subscribe();
    // `send` fails only if there is no receiver. Ours is there.
    let say = |text: String| drop(chat.send(text));
    say(format!("* {name} is here\n"));

    // Two things at once: send this client's lines to all, and all messages to this client.
    let reading = async {
        while let Some(line) = lines.next().await {
            say(format!("{name}: {}\n", line?));
        }
        Ok(())
    };
    let writing = async {
        while let Ok(message) = messages.recv().await {
            (&stream).write_all(message.as_bytes()).await?;
        }
        Ok(())
    };
    // The client is gone when one of the two ends. The other one is dropped.
    let ended = reading.race(writing).await;
    say(format!("* {name} has left\n"));
    ended
}

#[reveille::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7000".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("listening on {}", listener.local_addr()?);
    let chat = broadcast::Sender::new(BACKLOG);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let connection = connection(stream, chat.clone());
                task::spawn(async move {
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
    }
}
