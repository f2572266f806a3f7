//! The lower bound for a runtime: an echo server with one loop around `epoll_wait`, `recv` and
//! `send`, without tasks, wakers or locks.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// The listener's key in the epoll set. Connections are numbered from 0.
const LISTENER: u64 = u64::MAX;

/// Starts an echo server on its own thread. It runs until the process ends.
pub fn serve() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    let mut server = Loop::new(listener)?;
    thread::spawn(move || server.run().expect("a loop around epoll serves"));
    Ok(addr)
}

struct Loop {
    set: OwnedFd,
    listener: TcpListener,
    connections: HashMap<u64, (TcpStream, Vec<u8>)>,
    next: u64,
}

impl Loop {
    fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let set = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&set, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        Ok(Self { set, listener, connections: HashMap::new(), next: 0 })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(1_024);
        loop {
            match epoll::wait(&self.set, spare_capacity(&mut events), None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                let flags = event.flags;
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    number if flags.contains(EventFlags::IN) => self.answer(number),
                    _ => {}
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.set, &stream, EventData::new_u64(self.next), interest)?;
            self.connections.insert(self.next, (stream, vec![0; super::echo::BUFFER_BYTES]));
            self.next += 1;
        }
    }

    /// Reads once, since a request is shorter than the buffer, and writes it back.
    fn answer(&mut self, number: u64) {
        let Some((stream, buf)) = self.connections.get_mut(&number) else { return };
        let answered = match stream.read(buf) {
            Ok(0) => false,
            Ok(len) => stream.write_all(&buf[..len]).is_ok(),
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        if !answered {
            // Closing the socket removes it from the set.
            self.connections.remove(&number);
        }
    }
}
