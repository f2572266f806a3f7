//! Tutorial, step 3: rooms.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reveille::io::{self, BufReader};
use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::sync::broadcast;
use reveille::{select, task, time};

/// How many messages a room keeps for slow clients.
const BACKLOG: usize = 64;

type Room = broadcast::Sender<String>;

/// The rooms with at least one client.
///
/// The lock is std's: it is held for a few lines, and never across an `.await`.
#[derive(Default)]
struct Rooms(Mutex<HashMap<String, Room>>);

impl Rooms {
    /// Returns the room, and creates it if it does not exist.
    fn get(&self, name: &str) -> Room {
        let mut rooms = self.0.lock().expect("no one panics with the lock");
        rooms.retain(|other, room| other == name || room.receiver_count() > 0);
        rooms.entry(name.to_owned()).or_insert_with(|| Room::new(BACKLOG)).clone()
    }
}

/// Serves one client until it disconnects.
async fn connection(stream: TcpStream, rooms: Arc<Rooms>) -> io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    (&stream).write_all(b"your name?\n").await?;
    let Some(name) = lines.next().await.transpose()? else { return Ok(()) };
    let mut room = rooms.get("lobby");
    let mut messages = room.subscribe();
    let _ = room.send(format!("* {name} is here\n"));
    loop {
        // The bodies of the arms are not dropped, only the two waits are, and those lose nothing.
        select! {
            line = lines.next() => {
                let Some(line) = line.transpose()? else { break };
                if let Some(other) = line.strip_prefix("/join ") {
                    let _ = room.send(format!("* {name} goes to {other}\n"));
                    room = rooms.get(other);
                    messages = room.subscribe();
                    let _ = room.send(format!("* {name} is here\n"));
                } else {
                    let _ = room.send(format!("{name}: {line}\n"));
                }
            },
            message = messages.recv() => match message {
                Ok(message) => (&stream).write_all(message.as_bytes()).await?,
                Err(_) => break, // it was too slow; step 4 tells the client
            },
        }
    }
    let _ = room.send(format!("* {name} has left\n"));
    Ok(())
}

#[reveille::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7000".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("listening on {}", listener.local_addr()?);
    let rooms = Arc::new(Rooms::default());
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let connection = connection(stream, Arc::clone(&rooms));
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
