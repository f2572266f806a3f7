//! The ping-pong in turmoil's simulation.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use turmoil::net::{TcpListener, TcpStream};

use reveille_benches_simulators::{CLIENTS, MESSAGE_LEN, PORT, rounds};

async fn serve() -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut message = [0; MESSAGE_LEN];
            while stream.read_exact(&mut message).await.is_ok() {
                stream.write_all(&message).await.expect("the client reads it");
            }
        });
    }
}

async fn ask(rounds: u64) -> turmoil::Result {
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut stream = TcpStream::connect(("server", PORT)).await?;
    let mut message = [7; MESSAGE_LEN];
    for _ in 0..rounds {
        stream.write_all(&message).await?;
        stream.read_exact(&mut message).await?;
    }
    Ok(())
}

fn main() {
    let rounds = rounds();
    let millisecond = Duration::from_millis(1);
    let mut sim = turmoil::Builder::new()
        .simulation_duration(Duration::from_secs(100_000))
        // Its time advances by ticks, so a shorter latency would not be simulated faster.
        .tick_duration(millisecond)
        .min_message_latency(millisecond)
        .max_message_latency(millisecond)
        .build();
    sim.host("server", serve);
    for number in 1..=CLIENTS {
        sim.client(format!("c{number}"), ask(rounds));
    }
    sim.run().expect("all clients end");
}
