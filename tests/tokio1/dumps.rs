//! A dump shows where tasks wait for tokio's sockets and timers, and they continue afterwards.

use reveille_watchdog as _;

use std::time::Duration;

use reveille::observe::{self, Dump, TaskDump, TaskState};
use reveille::task;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const READ: u32 = line!() + 3;
async fn echoes(mut stream: TcpStream) -> [u8; 4] {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    bytes
}

const ACCEPT: u32 = line!() + 2;
async fn accepts(listener: TcpListener) -> [u8; 4] {
    let (stream, _) = listener.accept().await.unwrap();
    echoes(stream).await
}

const SLEEP: u32 = line!() + 2;
async fn sleeps() {
    tokio::time::sleep(Duration::from_secs(3600)).await;
}

fn find<'a>(dump: &'a Dump, name: &str) -> Option<&'a TaskDump> {
    dump.tasks().iter().find(|task| task.name.as_deref() == Some(name))
}

/// Takes dumps until the task of this name waits in this line of the file.
async fn until_it_waits(name: &str, line: u32) {
    loop {
        let dump = task::spawn_blocking(observe::dump).await;
        let place = format!("dumps.rs:{line}:");
        let is_there = find(&dump, name).is_some_and(|task| {
            let mut frames = dump.stacks(task).flatten();
            let is_place = |place_of: &String| place_of.contains(&place);
            task.state == TaskState::Waiting
                && frames.any(|frame| frame.place.as_ref().is_some_and(is_place))
        });
        if is_there {
            return;
        }
        task::sleep(Duration::from_millis(5)).await;
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    future: impl Future<Output = T> + Send + 'static,
) -> task::JoinHandle<T> {
    task::Builder::new().name(name.to_owned()).spawn(future).unwrap()
}

#[test]
fn tasks_that_wait_for_tokios_sockets_and_timers_have_their_awaits_and_continue() {
    task::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn("a server of tokio's", accepts(listener));
        until_it_waits("a server of tokio's", ACCEPT).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        until_it_waits("a server of tokio's", READ).await;
        let timer = spawn("a timer of tokio's", sleeps());
        until_it_waits("a timer of tokio's", SLEEP).await;

        client.write_all(b"ping").await.unwrap();
        assert_eq!(&server.await, b"ping");
        let mut bytes = [0; 4];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ping");
        timer.cancel().await;
    });
}
