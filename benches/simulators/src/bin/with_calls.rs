//! The ping-pong in reveille's simulation without the runtime: threads that make the system calls
//! that the runtime makes for each message, and nothing else. So it shows what the simulation of
//! the calls costs, below which no runtime of this simulation can get.
//!
//! For each message that is one `send`, a `recv` that would block, a wait in `epoll_wait`, another
//! `recv`, and four reads of the clock.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use reveille::{sim, task};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;

use reveille_benches_simulators::{CLIENTS, MESSAGE_LEN, NAME, PORT, rounds};

/// How often the runtime reads the clock for each message, by callgrind.
const CLOCK_READS: usize = 4;

/// A connection that does not block, in an epoll set of its own.
struct Connection {
    stream: TcpStream,
    set: OwnedFd,
    events: Vec<Event>,
}

impl Connection {
    fn new(stream: TcpStream) -> Connection {
        stream.set_nonblocking(true).expect("the option exists");
        let set = epoll::create(CreateFlags::CLOEXEC).expect("there are descriptors left");
        let interest = EventFlags::IN | EventFlags::ET;
        epoll::add(&set, &stream, EventData::new_u64(0), interest).expect("the socket is open");
        Connection { stream, set, events: Vec::with_capacity(16) }
    }

    /// Sends a message.
    fn send(&mut self, message: &[u8; MESSAGE_LEN]) {
        for _ in 0..CLOCK_READS {
            let _ = Instant::now();
        }
        self.stream.write_all(message).expect("the peer reads it");
    }

    /// Receives a message, or the end of the connection. Returns whether it is a message.
    fn receive(&mut self, message: &mut [u8; MESSAGE_LEN]) -> bool {
        let mut len = 0;
        while len < MESSAGE_LEN {
            match self.stream.read(&mut message[len..]) {
                Ok(0) => return false,
                Ok(count) => len += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(),
                Err(error) => panic!("the network works: {error}"),
            }
        }
        true
    }

    fn wait(&mut self) {
        self.events.clear();
        epoll::wait(&self.set, spare_capacity(&mut self.events), None).expect("the set is open");
    }
}

fn serve() {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).expect("the port is free");
    loop {
        let (stream, _) = listener.accept().expect("the network works");
        thread::spawn(|| {
            let mut connection = Connection::new(stream);
            let mut message = [0; MESSAGE_LEN];
            while connection.receive(&mut message) {
                connection.send(&message);
            }
        });
    }
}

fn ask(rounds: u64) {
    thread::sleep(Duration::from_millis(100));
    let stream = TcpStream::connect(("server", PORT)).expect("the server listens");
    let mut connection = Connection::new(stream);
    let mut message = [7; MESSAGE_LEN];
    for _ in 0..rounds {
        connection.send(&message);
        assert!(connection.receive(&mut message), "the server answers");
    }
}

fn main() {
    let rounds = rounds();
    let limit = Duration::from_secs(100_000);
    sim::Builder::new().seeds(0..1).test_name(NAME).time_limit(limit).check(|sim| {
        sim.host("server", || async {
            task::spawn_blocking(serve).await;
        });
        for number in 1..=CLIENTS {
            sim.client(format!("c{number}"), move || async move {
                task::spawn_blocking(move || ask(rounds)).await;
            });
        }
        sim.at(Duration::ZERO, |net| {
            let latency = Duration::from_millis(1)..=Duration::from_millis(1);
            for number in 1..=CLIENTS {
                net.link("server", &format!("c{number}")).latency(latency.clone());
            }
        });
    });
}
