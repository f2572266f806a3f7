//! Code written for tokio, inside each kind of poll of reveille.

use reveille_watchdog as _;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_std::io::{BufReadExt as _, BufReader, WriteExt as _};
use async_std::stream::StreamExt as _;
use async_std::task;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A job that is created for each context in which it runs.
type Job = fn() -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs `job` in each kind of poll.
fn everywhere(job: Job) {
    task::block_on(job());
    task::block_on(task::spawn(job()));
    task::block_on(async move { task::spawn_local(job()).await });
    task::block_on(task::spawn(async move { task::spawn_local(job()).await }));
    task::block_on(task::spawn_blocking(move || task::block_on(job())));
    let runtime = reveille::runtime::Builder::new().workers(1).build().unwrap();
    task::block_on(runtime.spawn(job()));
}

#[test]
fn sleeps_end_and_are_not_early() {
    everywhere(|| {
        Box::pin(async {
            let start = tokio::time::Instant::now();
            tokio::time::sleep(Duration::from_millis(3)).await;
            assert!(start.elapsed() >= Duration::from_millis(3));
        })
    });
}

#[test]
fn timeouts_expire() {
    everywhere(|| {
        Box::pin(async {
            let never = std::future::pending::<()>();
            assert!(tokio::time::timeout(Duration::from_millis(3), never).await.is_err());
        })
    });
}

/// One task waits for the timers of both runtimes.
#[test]
fn both_kinds_of_timers_wake_one_task() {
    everywhere(|| {
        Box::pin(async {
            let short = Duration::from_millis(2);
            let (ours, theirs) = (task::sleep(short), tokio::time::sleep(short));
            async_std::prelude::FutureExt::join(ours, theirs).await;
        })
    });
}

#[test]
fn tasks_are_spawned_joined_and_aborted() {
    everywhere(|| {
        Box::pin(async {
            let sum = tokio::spawn(async { tokio::spawn(async { 1 + 2 }).await.unwrap() + 4 });
            assert_eq!(sum.await.unwrap(), 7);
            let endless = tokio::spawn(std::future::pending::<()>());
            endless.abort();
            assert!(endless.await.unwrap_err().is_cancelled());
            assert_eq!(tokio::task::spawn_blocking(|| 8).await.unwrap(), 8);
        })
    });
}

/// reveille's functions mean the same inside tokio's tasks.
#[test]
fn reveille_works_inside_the_librarys_tasks() {
    everywhere(|| {
        Box::pin(async {
            let task = tokio::spawn(async {
                task::sleep(Duration::from_millis(1)).await;
                task::spawn(async { 5 }).await
            });
            assert_eq!(task.await.unwrap(), 5);
        })
    });
}

#[test]
fn a_task_of_the_library_may_block_in_place() {
    everywhere(|| {
        Box::pin(async {
            let task = tokio::spawn(async { tokio::task::block_in_place(|| 9) });
            assert_eq!(task.await.unwrap(), 9);
            assert_eq!(tokio::task::block_in_place(|| 10), 10);
        })
    });
}

#[test]
fn sockets_carry_bytes() {
    everywhere(|| {
        Box::pin(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut word = [0; 4];
                stream.read_exact(&mut word).await.unwrap();
                stream.write_all(&word).await.unwrap();
            });
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.write_all(b"ping").await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, b"ping");
            server.await.unwrap();
        })
    });
}

/// The two ends of a connection belong to different runtimes.
#[test]
fn sockets_of_both_talk_to_each_other() {
    everywhere(|| {
        Box::pin(async {
            let listener = async_std::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = task::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(b"pong").await.unwrap();
            });
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, "pong");
            server.await;
        })
    });
}

#[test]
fn files_are_written_and_read() {
    everywhere(|| {
        Box::pin(async {
            let path = std::env::temp_dir().join(format!(
                "reveille-tokio1-{}-{}",
                std::process::id(),
                task::current().id()
            ));
            tokio::fs::write(&path, b"through tokio").await.unwrap();
            assert_eq!(async_std::fs::read(&path).await.unwrap(), b"through tokio");
            let mut file = tokio::fs::File::open(&path).await.unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "through tokio");
            tokio::fs::remove_file(&path).await.unwrap();
        })
    });
}

/// Answers `count` requests for a path with the path, over connections that stay open.
async fn serve(listener: async_std::net::TcpListener) {
    let mut incoming = listener.incoming();
    while let Some(Ok(stream)) = incoming.next().await {
        task::spawn(async move {
            let mut lines = BufReader::new(stream.clone()).lines();
            let mut path = String::new();
            while let Some(Ok(line)) = lines.next().await {
                if let Some(rest) = line.strip_prefix("GET ") {
                    path = rest.split(' ').next().unwrap_or_default().to_owned();
                } else if line.is_empty() {
                    let length = path.len();
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                    let _ = (&stream).write_all((head + &path).as_bytes()).await;
                }
            }
        });
    }
}

/// The client of hyper: a pool of connections, each driven by a task that the client spawns.
#[test]
fn point_17_an_http_client_made_for_tokio_fetches() {
    everywhere(|| {
        Box::pin(async {
            let listener = async_std::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = task::spawn(serve(listener));
            let client: Client<_, Empty<&[u8]>> =
                Client::builder(TokioExecutor::new()).build_http();
            for path in ["/one", "/two", "/three"] {
                let url = format!("http://{address}{path}").parse().unwrap();
                let response = client.get(url).await.unwrap();
                assert_eq!(response.status(), 200);
                let body = response.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(body, path.as_bytes());
            }
            server.cancel().await;
        })
    });
}
