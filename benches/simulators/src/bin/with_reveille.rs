//! The ping-pong in reveille's simulation.

use std::io;
use std::time::Duration;

use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::{sim, task};

use reveille_benches_simulators::{CLIENTS, MESSAGE_LEN, NAME, PORT, rounds};

async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        task::spawn(async move {
            let mut message = [0; MESSAGE_LEN];
            while stream.read_exact(&mut message).await.is_ok() {
                stream.write_all(&message).await.expect("the client reads it");
            }
        });
    }
}

async fn ask(rounds: u64) -> io::Result<()> {
    task::sleep(Duration::from_millis(100)).await;
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
    let limit = Duration::from_secs(100_000);
    sim::Builder::new().seeds(0..1).test_name(NAME).time_limit(limit).check(|sim| {
        sim.host("server", serve);
        for number in 1..=CLIENTS {
            sim.client(format!("c{number}"), move || ask(rounds));
        }
        sim.at(Duration::ZERO, |net| {
            let latency = Duration::from_millis(1)..=Duration::from_millis(1);
            for number in 1..=CLIENTS {
                net.link("server", &format!("c{number}")).latency(latency.clone());
            }
        });
    });
}
