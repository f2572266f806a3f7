//! The processor time of QUIC: one connection that sends bytes over loopback, by quinn on reveille
//! and by quinn on tokio.
//!
//! ```text
//! cd benches; cargo run --release --features quic --bin quic
//! cd benches; cargo run --release --features quic --bin quic -- 1024 10 2
//! ```
//!
//! The arguments are the MiB to send (default 1024), the rounds (default 10) and the threads of
//! each runtime (default 2). Each round runs both runtimes, each in a process of its own, and they
//! take turns in going first. Client and server are in the same process. The figures are the
//! processor time of the whole process, of user and system together, handshake and start included,
//! and the time that passed.

use std::error::Error;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use quinn::{ClientConfig, Endpoint, EndpointConfig, Runtime, ServerConfig};
use reveille_quinn::ReveilleRuntime;
use rustix::time::{ClockId, clock_gettime};
use rustls::pki_types::PrivatePkcs8KeyDer;

type Failure = Box<dyn Error + Send + Sync>;

const RUNTIMES: [&str; 2] = ["reveille", "tokio"];

/// The length of each write and of the buffer of each read.
const BLOCK_BYTES: usize = 64 * 1024;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default| words.get(index).map_or(Ok(default), |word| word.parse());
    if let Some(runtime) = words.first().filter(|word| RUNTIMES.contains(&word.as_str())) {
        return child(runtime, number(1, 1024)?, number(2, 2)?);
    }
    let (mib, rounds, threads) = (number(0, 1024)?, number(1, 10)?, number(2, 2)?);
    let mut ratios = Vec::new();
    for round in 0..rounds {
        let mut cpu = [0.0; 2];
        for turn in 0..2 {
            let index = (round + turn) % 2;
            let mut command = Command::new(std::env::current_exe()?);
            command.args([RUNTIMES[index], &mib.to_string(), &threads.to_string()]);
            let output = command.output()?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into());
            }
            let line = String::from_utf8(output.stdout)?;
            println!("{:8} {}", RUNTIMES[index], line.trim());
            cpu[index] = line.split(' ').next().unwrap_or_default().parse::<f64>()?;
        }
        ratios.push(cpu[0] / cpu[1]);
    }
    ratios.sort_by(f64::total_cmp);
    let list: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.3}")).collect();
    println!("reveille / tokio: median {:.3} of {}", ratios[ratios.len() / 2], list.join(" "));
    Ok(())
}

/// Transfers the bytes and prints the processor time.
fn child(runtime: &str, mib: usize, threads: usize) -> Result<(), Failure> {
    let start = Instant::now();
    match runtime {
        "reveille" => {
            let own = reveille::runtime::Builder::new().workers(threads).build()?;
            let spawn = |future| drop(own.spawn(future));
            own.block_on(async { transfer(Arc::new(ReveilleRuntime::current()), mib, spawn).await })
        }
        _ => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let own = builder.worker_threads(threads).enable_all().build()?;
            let spawn = |future| drop(own.spawn(future));
            own.block_on(async { transfer(Arc::new(quinn::TokioRuntime), mib, spawn).await })
        }
    }?;
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    println!("{cpu:.3} s of CPU, {:.3} s passed", start.elapsed().as_secs_f64());
    Ok(())
}

/// Sends from a client to a server. All of it runs in tasks, and the caller only waits.
async fn transfer<S>(runtime: Arc<dyn Runtime>, mib: usize, spawn: S) -> Result<(), Failure>
where
    S: Fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>),
{
    let (server_config, client_config) = configs()?;
    let endpoint = |config| {
        let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        Endpoint::new(EndpointConfig::default(), config, socket, Arc::clone(&runtime))
    };
    let server = endpoint(Some(server_config))?;
    let client = endpoint(None)?;
    let address = server.local_addr()?;
    let (sender, receiver) = async_channel::bounded(2);
    let received = sender.clone();
    spawn(Box::pin(async move {
        let _ = received.send(receive(server).await).await;
    }));
    spawn(Box::pin(async move {
        let _ = sender.send(send(client, client_config, address, mib).await).await;
    }));
    let (one, other) = (receiver.recv().await??, receiver.recv().await??);
    if (one, other) != (mib << 20, mib << 20) {
        return Err(format!("{one} and {other} bytes of {mib} MiB arrived").into());
    }
    Ok(())
}

async fn send(
    endpoint: Endpoint,
    config: ClientConfig,
    to: SocketAddr,
    mib: usize,
) -> Result<usize, Failure> {
    let connection = endpoint.connect_with(config, to, "localhost")?.await?;
    let mut stream = connection.open_uni().await?;
    let block = vec![7; BLOCK_BYTES];
    for _ in 0..(mib << 20) / BLOCK_BYTES {
        stream.write_all(&block).await?;
    }
    stream.finish()?;
    stream.stopped().await?;
    connection.close(0u32.into(), b"done");
    endpoint.wait_idle().await;
    Ok(mib << 20)
}

async fn receive(endpoint: Endpoint) -> Result<usize, Failure> {
    let incoming = endpoint.accept().await.ok_or("the endpoint is closed")?;
    let connection = incoming.await?;
    let mut stream = connection.accept_uni().await?;
    let mut block = vec![0; BLOCK_BYTES];
    let mut bytes = 0;
    while let Some(len) = stream.read(&mut block).await? {
        bytes += len;
    }
    connection.closed().await;
    Ok(bytes)
}

fn configs() -> Result<(ServerConfig, ClientConfig), Failure> {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = key.cert.der().clone();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone())?;
    let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let server = ServerConfig::with_single_cert(vec![certificate], private.into())?;
    Ok((server, ClientConfig::with_root_certificates(Arc::new(roots))?))
}
