//! `net::TcpListener`: every accept gets a connection, also when resources run out.

use std::sync::Arc;

use futures_lite::future;
use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::task;

use crate::connections::listen;

async fn dropped_accept_loses_no_connection() {
    let (listener, address) = listen().await;
    for _ in 0..3 {
        assert!(future::poll_once(listener.accept()).await.is_none());
    }
    let client = TcpStream::connect(address).await.unwrap();
    let (_, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
}

async fn every_task_that_accepts_gets_a_connection() {
    let (listener, address) = listen().await;
    let listener = Arc::new(listener);
    let accept = |listener: Arc<TcpListener>| async move {
        listener.incoming().next().await.unwrap().unwrap()
    };
    let accept = || task::spawn(accept(Arc::clone(&listener)));
    let tasks: Vec<_> = (0..8).map(|_| accept()).collect();
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(TcpStream::connect(address).await.unwrap());
    }
    for task in tasks {
        task.await;
    }
}

async fn listener_turns_into_a_stream() {
    let (listener, address) = listen().await;
    let server = task::spawn(async move {
        let mut incoming = std::pin::pin!(listener.into_incoming().take(3));
        let mut count = 0;
        while let Some(stream) = incoming.next().await {
            stream.unwrap().write_all(b"x").await.unwrap();
            count += 1;
        }
        count
    });
    for _ in 0..3 {
        let mut text = String::new();
        TcpStream::connect(address).await.unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "x");
    }
    assert_eq!(server.await, 3);
}

/// async-std#658: the accept loop of its documentation ended at the first error.
// Only on Linux: it sets a limit on descriptors.
#[cfg(target_os = "linux")]
mod out_of_descriptors {
    use std::fs::File;
    use std::time::Duration;

    use reveille::io;
    use reveille_tests::child::passes_in_own_process;
    use rustix::process::{Resource, Rlimit, setrlimit};

    use super::*;

    /// The limit in the process that runs out of descriptors.
    const DESCRIPTORS: u64 = 64;

    #[test]
    fn accepting_without_descriptors_is_an_error_and_no_spin_and_recovers() {
        passes_in_own_process(&[], || {
            // Both, because the runtime raises the limit to the maximum.
            let limit = Rlimit { current: Some(DESCRIPTORS), maximum: Some(DESCRIPTORS) };
            setrlimit(Resource::Nofile, limit).unwrap();
            task::block_on(run_out());
        });
    }

    async fn run_out() {
        let (listener, address) = listen().await;
        // The connection is in the queue before the descriptors run out.
        let client = TcpStream::connect(address).await.unwrap();
        let mut hoard = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            hoard.push(file);
        }
        assert!((hoard.len() as u64) < DESCRIPTORS);

        const EMFILE: i32 = 24;
        // A loop without special handling of descriptors: it reports errors and continues.
        let mut errors = 0;
        let naive = async {
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => break (stream, peer),
                    Err(error) => {
                        assert_eq!(error.raw_os_error(), Some(EMFILE));
                        errors += 1;
                    }
                }
            }
        };
        let release = async {
            task::sleep(Duration::from_millis(300)).await;
            hoard.clear();
            future::pending().await
        };
        let (_, peer) = future::or(naive, release).await;
        assert_eq!(peer, client.local_addr().unwrap(), "the connection was still there");
        assert!(errors >= 1);
        // 300 ms in steps of 50: a loop that spins makes a hundred thousand.
        assert!(errors <= 30, "{errors} errors");

        let error = {
            while let Ok(file) = File::open("/dev/null") {
                hoard.push(file);
            }
            TcpStream::connect(address).await.unwrap_err()
        };
        assert_eq!(io::raw_os_error(&error), Some(EMFILE));
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        hoard.clear();
        TcpStream::connect(address).await.unwrap();
    }
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    dropped_accept_loses_no_connection,
    every_task_that_accepts_gets_a_connection,
    listener_turns_into_a_stream,
);
