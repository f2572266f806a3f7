//! The load generator of the echo workloads: a separate process with one thread and plain epoll.
//!
//! Every connection is a closed loop: it sends a batch, waits until all of it has come back, then
//! sends the next one: at once or, with a pace, when it is due. The process prints `go` when the
//! measured time starts and one line of figures when it ends.

use std::fmt;
use std::io::{self, Read, Write};
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use crate::http;
use crate::machine;
use crate::measure::{Sample, percentile};

/// The most bytes that one system call moves.
const CHUNK_BYTES: usize = 64 * 1024;

/// Describes a load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The server's address.
    pub addr: SocketAddr,
    /// The number of connections, all open the whole time.
    pub connections: usize,
    /// The size of one request in bytes.
    pub size: usize,
    /// The number of requests sent together.
    pub depth: usize,
    /// Sends [`http::REQUEST`] and expects its answer, instead of its own bytes.
    pub is_http: bool,
    /// The measured time.
    pub time: Duration,
    /// The time between two batches of a connection; `None` sends without pause.
    pub pace: Option<Duration>,
    /// The core to run on.
    pub core: Option<usize>,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addr, connections, size, depth, is_http, .. } = self;
        let core = self.core.map_or(-1, |core| core as i64);
        let pace = self.pace.unwrap_or_default().as_millis();
        let time = self.time.as_millis();
        write!(f, "{addr} {connections} {size} {depth} {is_http} {time} {pace} {core}")
    }
}

impl Load {
    /// Parses the words of [`Display`](fmt::Display).
    pub fn parse(words: &[String]) -> Option<Self> {
        let [addr, connections, size, depth, is_http, time, pace, core] = words else {
            return None;
        };
        let millis = |word: &String| Some(Duration::from_millis(word.parse().ok()?));
        Some(Self {
            addr: addr.parse().ok()?,
            connections: connections.parse().ok()?,
            size: size.parse().ok()?,
            depth: depth.parse().ok()?,
            is_http: is_http.parse().ok()?,
            time: millis(time)?,
            pace: Some(millis(pace)?).filter(|pace| !pace.is_zero()),
            core: core.parse::<i64>().ok().and_then(|core| usize::try_from(core).ok()),
        })
    }

    /// Runs the load and prints the two lines.
    pub fn run(&self) -> io::Result<()> {
        machine::pin(self.core)?;
        machine::raise_fd_limit();
        let mut generator = Generator::connect(self)?;
        generator.start_all()?;
        generator.run_until(Instant::now() + self.time / 4)?;
        println!("go");
        io::stdout().flush()?;
        generator.measured = Some(Vec::new());
        let start = Instant::now();
        generator.run_until(start + self.time)?;
        println!("{}", generator.report(start.elapsed()));
        io::stdout().flush()
    }
}

struct Connection {
    stream: TcpStream,
    /// Bytes of the current batch that are not sent, and not received, yet.
    to_send: usize,
    to_receive: usize,
    sent_at: Instant,
}

/// Many connections to one server, all in one thread.
pub struct Generator {
    epoll: std::os::fd::OwnedFd,
    connections: Vec<Connection>,
    batch_bytes: usize,
    depth: usize,
    pace: Option<Duration>,
    /// The microseconds of each batch since the measured time started.
    measured: Option<Vec<f64>>,
    /// The number of batches that came back completely.
    finished: u64,
    /// No further batch is started.
    is_draining: bool,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// A buffer for the events of a wait.
    events: Vec<Event>,
}

impl Generator {
    /// Opens the connections. Sends nothing yet.
    pub fn connect(load: &Load) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(load.connections);
        for index in 0..load.connections {
            let mut stream = TcpStream::connect(load.addr)?;
            if load.is_http && index == 0 {
                http::check_answer(&mut stream)?;
            }
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let interest = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(&epoll, &stream, EventData::new_u64(index as u64), interest)?;
            let sent_at = Instant::now();
            connections.push(Connection { stream, to_send: 0, to_receive: 0, sent_at });
        }
        let batch_bytes = load.size * load.depth;
        Ok(Self {
            epoll,
            connections,
            batch_bytes,
            depth: load.depth,
            pace: load.pace,
            measured: None,
            finished: 0,
            is_draining: false,
            inbox: vec![0; CHUNK_BYTES],
            outbox: if load.is_http { http::REQUEST.to_vec() } else { vec![b'e'; CHUNK_BYTES] },
            events: Vec::with_capacity(1_024),
        })
    }

    /// Sends for `time`, waits until everything has come back, and returns the number of requests.
    pub fn take_turn(&mut self, time: Duration) -> io::Result<u64> {
        let finished = self.finished;
        self.is_draining = false;
        self.start_all()?;
        self.run_until(Instant::now() + time)?;
        self.is_draining = true;
        while self.connections.iter().any(|connection| connection.to_receive > 0) {
            self.step()?;
        }
        Ok((self.finished - finished) * self.depth as u64)
    }

    fn start_all(&mut self) -> io::Result<()> {
        (0..self.connections.len()).try_for_each(|index| self.start_batch(index))
    }

    fn run_until(&mut self, end: Instant) -> io::Result<()> {
        while Instant::now() < end {
            self.step()?;
        }
        Ok(())
    }

    /// Waits for events once and serves their connections.
    fn step(&mut self) -> io::Result<()> {
        let wait = if self.pace.is_some() { 1_000_000 } else { 50_000_000 };
        let timeout = Timespec { tv_sec: 0, tv_nsec: wait };
        let mut events = mem::take(&mut self.events);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            self.advance(event.data.u64() as usize)?;
        }
        self.events = events;
        self.start_due()
    }

    /// With a pace, starts the batches that are due.
    fn start_due(&mut self) -> io::Result<()> {
        let Some(pace) = self.pace else { return Ok(()) };
        let now = Instant::now();
        for index in 0..self.connections.len() {
            let connection = &self.connections[index];
            let is_free = connection.to_receive == 0;
            if is_free && now.duration_since(connection.sent_at) >= pace {
                self.start_batch(index)?;
            }
        }
        Ok(())
    }

    fn start_batch(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        connection.to_send = self.batch_bytes;
        connection.to_receive = self.batch_bytes;
        connection.sent_at = Instant::now();
        self.send(index)
    }

    fn send(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        while connection.to_send > 0 {
            let len = connection.to_send.min(CHUNK_BYTES);
            match connection.stream.write(&self.outbox[..len]) {
                Ok(written) => connection.to_send -= written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Serves a connection after an event: sends the rest of its batch, receives what has arrived.
    fn advance(&mut self, index: usize) -> io::Result<()> {
        self.send(index)?;
        let connection = &mut self.connections[index];
        if connection.to_receive == 0 {
            return Ok(());
        }
        while connection.to_receive > 0 {
            match connection.stream.read(&mut self.inbox) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => connection.to_receive -= read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.finished += 1;
        if let Some(latencies) = &mut self.measured {
            latencies.push(connection.sent_at.elapsed().as_nanos() as f64 / 1e3);
        }
        // Nothing is left to read, so the answer to the next batch causes a new edge.
        let is_next_due = self.pace.is_none() && !self.is_draining;
        if is_next_due { self.start_batch(index) } else { Ok(()) }
    }

    fn report(&mut self, elapsed: Duration) -> Sample {
        let mut latencies = self.measured.take().unwrap_or_default();
        let requests = (latencies.len() * self.depth) as f64;
        // A batch that is not back yet counts with its age, or a stall at the end would not show.
        let pending = self.connections.iter().filter(|connection| connection.to_receive > 0);
        let ages = pending.map(|connection| connection.sent_at.elapsed().as_nanos() as f64 / 1e3);
        let oldest = ages.fold(0.0, f64::max);
        let max = percentile(&mut latencies, 1.0).max(oldest);
        Sample::default()
            .with("requests", requests)
            .with("elapsed", elapsed.as_secs_f64())
            .with("p50", percentile(&mut latencies, 0.5))
            .with("p99", percentile(&mut latencies, 0.99))
            .with("p999", percentile(&mut latencies, 0.999))
            .with("max", max)
    }
}
