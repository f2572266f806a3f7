//! A server that drains after SIGTERM, or on Windows after Ctrl-C. It runs in a process of its own,
//! with connections in the middle of requests. Each request is answered completely before the
//! process exits with 0.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};
#[cfg(windows)]
use std::os::windows::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::runtime::shutdown_global;
use reveille::task::{self, CancellationToken};
use reveille_tests::{child, test_name};
#[cfg(windows)]
use windows_sys::Win32::System::Threading::CREATE_NO_WINDOW;

/// The number of connections in each state.
const BUSY: usize = 200;
const IDLE: usize = 50;

const ANSWER_LEN: usize = 64 << 10;

/// The position in an answer at which the server waits for the client. So the server is in the
/// middle of the request when the signal arrives.
const PAUSE_AT: usize = ANSWER_LEN / 2;

/// The number of requests that were read completely.
static BEGUN: AtomicUsize = AtomicUsize::new(0);

/// The bytes of an answer depend on the request and the position.
fn byte(request: u8, at: usize) -> u8 {
    (at % 251) as u8 ^ request
}

async fn answer(stream: &mut TcpStream, request: u8) -> std::io::Result<()> {
    let bytes: Vec<u8> = (0..ANSWER_LEN).map(|at| byte(request, at)).collect();
    stream.write_all(&bytes[..PAUSE_AT]).await?;
    stream.read_exact(&mut [0]).await?;
    stream.write_all(&bytes[PAUSE_AT..]).await?;
    stream.flush().await
}

/// Serves a connection until the peer closes it or the server stops. A request that has begun is
/// always answered.
async fn serve(mut stream: TcpStream, stop: CancellationToken) -> std::io::Result<()> {
    let mut request = [0; 1];
    while let Ok(read) = stop.run(stream.read(&mut request)).await {
        if read? == 0 {
            return Ok(());
        }
        if BEGUN.fetch_add(1, Ordering::SeqCst) + 1 == BUSY {
            println!("all requests have begun");
        }
        answer(&mut stream, request[0]).await?;
    }
    stream.shutdown(std::net::Shutdown::Write)
}

/// Waits for the signal, which may come from the call on.
#[cfg(unix)]
fn terminated() -> impl Future<Output = ()> {
    use reveille::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate()).unwrap();
    async move { terminate.recv().await.unwrap() }
}

#[cfg(windows)]
fn terminated() -> impl Future<Output = ()> {
    let interrupt = reveille::signal::ctrl_c();
    async { interrupt.await.unwrap() }
}

async fn server() {
    let terminated = terminated();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let accept = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let served = serve(stream, stop.clone());
            drop(task::spawn(async move { served.await.unwrap() }));
        }
    };
    accept.race(terminated).await;
    drop(listener);
    stop.cancel();
    let report = shutdown_global(Duration::from_secs(100_000)).await;
    assert!(report.is_complete(), "{report}");
    println!("drained {} tasks", report.finished_tasks);
}

/// The server's process. It is killed if the test fails.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads lines until one contains `text`, and returns what follows it.
fn line_with(lines: &mut impl Iterator<Item = std::io::Result<String>>, text: &str) -> String {
    let mut found = lines.map(|line| line.unwrap()).filter_map(|line| {
        let (_, rest) = line.split_once(text)?;
        Some(rest.to_owned())
    });
    found.next().expect("the server prints it before it ends")
}

impl Server {
    /// Starts the test `name` as the server.
    fn start(name: &str) -> Server {
        let mut command = child::command(name);
        // A console of its own, which alone gets the event.
        #[cfg(windows)]
        command.creation_flags(CREATE_NO_WINDOW);
        Server(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    #[cfg(unix)]
    fn terminate(&self) {
        // SAFETY: the call takes numbers. The process was not waited for, so the id is its own.
        assert_eq!(unsafe { libc::kill(self.0.id() as i32, libc::SIGTERM) }, 0);
    }

    #[cfg(windows)]
    fn terminate(&self) {
        let mut sender = std::process::Command::new(env!("CARGO_BIN_EXE_ctrl_c"));
        let sent = reveille_tests::programs::finish(sender.arg(self.0.id().to_string()));
        assert!(sent.status.success(), "{}", sent.stderr);
    }
}

#[test]
fn each_request_in_flight_is_answered_whole_after_sigterm() {
    if child::is_inside(test_name!()) {
        task::block_on(server());
        return;
    }
    let mut server = Server::start(test_name!());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
    let address: SocketAddr = line_with(&mut lines, "listening on ").parse().unwrap();
    let mut idle: Vec<_> = (0..IDLE).map(|_| StdStream::connect(address).unwrap()).collect();
    let mut busy: Vec<_> = (0..BUSY)
        .map(|number| {
            let mut stream = StdStream::connect(address).unwrap();
            stream.write_all(&[number as u8]).unwrap();
            stream
        })
        .collect();
    line_with(&mut lines, "all requests have begun");

    server.terminate();

    // Idle connections are closed without a byte, while requests are in flight.
    for stream in &mut idle {
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
    }
    let error = StdStream::connect(address).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused, "it accepts nothing new");
    assert!(server.0.try_wait().unwrap().is_none(), "it waits for the answers");
    for (number, stream) in busy.iter_mut().enumerate() {
        stream.write_all(b"!").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer.len(), ANSWER_LEN, "request {number}");
        let is_whole = answer.iter().enumerate().all(|(at, got)| *got == byte(number as u8, at));
        assert!(is_whole, "request {number}");
    }
    let drained: String = line_with(&mut lines, "drained ");
    // In an emulator, one may be answered before the shutdown has listed its tasks.
    let least = if cfg!(target_arch = "x86_64") { BUSY } else { 1 };
    let count: usize = drained.split(' ').next().unwrap().parse().unwrap();
    assert!(count >= least, "{drained}");
    assert!(server.0.wait().unwrap().success());
}
