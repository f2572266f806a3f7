//! The ping-pong in madsim's simulation.

use std::net::SocketAddr;
use std::time::Duration;

use madsim::net::{TcpListener, TcpStream};
use madsim::{runtime, task, time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use reveille_benches_simulators::{CLIENTS, MESSAGE_LEN, PORT, rounds};

async fn serve() {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await.expect("the port is free");
    loop {
        let (mut stream, _) = listener.accept().await.expect("the network works");
        task::spawn(async move {
            let mut message = [0; MESSAGE_LEN];
            while stream.read_exact(&mut message).await.is_ok() {
                stream.write_all(&message).await.expect("the client reads it");
                // Its streams are buffered.
                stream.flush().await.expect("the client reads it");
            }
        });
    }
}

async fn ask(server: SocketAddr, rounds: u64) {
    time::sleep(Duration::from_millis(100)).await;
    let mut stream = TcpStream::connect(server).await.expect("the server listens");
    let mut message = [7; MESSAGE_LEN];
    for _ in 0..rounds {
        stream.write_all(&message).await.expect("the server reads it");
        stream.flush().await.expect("the server reads it");
        stream.read_exact(&mut message).await.expect("the server answers");
    }
}

fn main() {
    let rounds = rounds();
    let mut config = madsim::Config::default();
    config.net.send_latency = Duration::from_millis(1)..Duration::from_nanos(1_000_001);
    let runtime = runtime::Runtime::with_seed_and_config(1, config);
    runtime.block_on(async move {
        let handle = runtime::Handle::current();
        let server: SocketAddr = ([10, 0, 0, 1], PORT).into();
        let node = |number: u64| {
            let ip = [10, 0, 0, number as u8];
            handle.create_node().name(format!("n{number}")).ip(ip.into()).build()
        };
        drop(node(1).spawn(serve()));
        let clients: Vec<_> =
            (0..CLIENTS).map(|number| node(number + 2).spawn(ask(server, rounds))).collect();
        for client in clients {
            client.await.expect("it does not panic");
        }
    });
}
