//! The load generator of the rows `partial_load`: a separate process that sends requests at their
//! times, whether or not earlier ones are answered, as users do.
//!
//! One thread sends. It sleeps until a request is due and sends it on the next connection. The gaps
//! between requests are random, exponentially distributed, from a fixed seed, so every server gets
//! the same ones. The other thread receives. A request carries the time at which it was due, and
//! its latency counts from then, so a late answer also delays what waits behind it in the figures.
//! The process prints `go` when the measured time starts and one line of figures when it ends.
//!
//! Rejected: one thread with a timeout of `epoll_wait`, because that counts whole milliseconds, and
//! a feature of rustix that changes this would change it for the measured runtimes too.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::Timespec;

use crate::machine;
use crate::measure::{Sample, percentile};

/// The size of a request. It begins with the time at which it is due.
const REQUEST_BYTES: usize = 64;

/// The start of the random gaps.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Describes a load.
#[derive(Clone, Copy, Debug)]
pub struct OpenLoop {
    /// The server's address.
    pub addr: SocketAddr,
    /// The number of connections, all open the whole time.
    pub connections: usize,
    /// Requests per second, over all connections together.
    pub rate: u32,
    /// The measured time.
    pub time: Duration,
}

impl fmt::Display for OpenLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addr, connections, rate, time } = self;
        write!(f, "{addr} {connections} {rate} {}", time.as_millis())
    }
}

impl OpenLoop {
    /// Parses the words of [`Display`](fmt::Display).
    pub fn parse(words: &[String]) -> Option<Self> {
        let [addr, connections, rate, time] = words else { return None };
        Some(Self {
            addr: addr.parse().ok()?,
            connections: connections.parse().ok().filter(|count| *count > 0)?,
            rate: rate.parse().ok().filter(|rate| *rate > 0)?,
            time: Duration::from_millis(time.parse().ok()?),
        })
    }

    /// Runs the load and prints the two lines.
    pub fn run(&self) -> io::Result<()> {
        machine::raise_fd_limit();
        let mut receiving = Vec::with_capacity(self.connections);
        let mut sending = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            let stream = TcpStream::connect(self.addr)?;
            stream.set_nodelay(true)?;
            sending.push(stream.try_clone()?);
            receiving.push(stream);
        }
        let sent = AtomicU64::new(0);
        let start = Instant::now();
        let end = start + self.time / 4 + self.time;
        thread::scope(|scope| {
            let sender = scope.spawn(|| send(self.rate, &sending, start, end, &sent));
            let mut receiver = Receiver::new(receiving, start)?;
            receiver.run_until(start + self.time / 4)?;
            println!("go");
            io::stdout().flush()?;
            receiver.latencies.clear();
            let (sent_before, begun) = (sent.load(Ordering::Relaxed), Instant::now());
            receiver.run_until(end)?;
            let elapsed = begun.elapsed();
            let sent = sent.load(Ordering::Relaxed) - sent_before;
            println!("{}", receiver.report(sent, elapsed));
            io::stdout().flush()?;
            sender.join().expect("the sending thread does not panic")
        })
    }
}

/// Sends requests at their times until `end`.
fn send(
    rate: u32,
    streams: &[TcpStream],
    start: Instant,
    end: Instant,
    sent: &AtomicU64,
) -> io::Result<()> {
    // By default the kernel may wake a sleeping thread 50 µs late.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    let mut gaps = Gaps::new(rate);
    let mut due = start;
    let mut request = [b'e'; REQUEST_BYTES];
    for stream in streams.iter().cycle() {
        due += gaps.next();
        if due >= end {
            break;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let nanos = due.duration_since(start).as_nanos() as u64;
        request[..8].copy_from_slice(&nanos.to_le_bytes());
        // If the server does not read, this waits; what is due then counts as late.
        let mut stream = stream;
        stream.write_all(&request)?;
        sent.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// The random times between requests, by Marsaglia's xorshift.
#[derive(Debug)]
struct Gaps {
    mean: Duration,
    state: u64,
}

impl Gaps {
    fn new(rate: u32) -> Self {
        Self { mean: Duration::from_secs(1) / rate, state: SEED }
    }

    fn next(&mut self) -> Duration {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        // 53 bits, from just above 0 to 1.
        let share = ((self.state >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        self.mean.mul_f64(-share.ln())
    }
}

/// The connections on which answers arrive.
struct Receiver {
    epoll: std::os::fd::OwnedFd,
    /// Each with the bytes of an incomplete answer.
    connections: Vec<(TcpStream, Vec<u8>)>,
    start: Instant,
    /// The microseconds from the due time of each request to its answer.
    latencies: Vec<f64>,
}

impl Receiver {
    fn new(streams: Vec<TcpStream>, start: Instant) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        for (index, stream) in streams.iter().enumerate() {
            epoll::add(&epoll, stream, EventData::new_u64(index as u64), EventFlags::IN)?;
        }
        let connections = streams.into_iter().map(|stream| (stream, Vec::new())).collect();
        Ok(Self { epoll, connections, start, latencies: Vec::new() })
    }

    fn run_until(&mut self, end: Instant) -> io::Result<()> {
        let mut events = Vec::with_capacity(1_024);
        let mut inbox = [0; 4 * 1024];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let timeout = Timespec::try_from(left).expect("the rest of a run is below a minute");
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                self.receive(event.data.u64() as usize, &mut inbox)?;
            }
        }
    }

    /// Reads once. The socket blocks, but the event says that there is something to read.
    fn receive(&mut self, index: usize, inbox: &mut [u8]) -> io::Result<()> {
        let (stream, rest) = &mut self.connections[index];
        let read = stream.read(inbox)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        rest.extend_from_slice(&inbox[..read]);
        let now = self.start.elapsed();
        let (answers, left) = rest.as_chunks::<REQUEST_BYTES>();
        for answer in answers {
            let due = answer.first_chunk().expect("an answer has more than 8 bytes");
            let due = Duration::from_nanos(u64::from_le_bytes(*due));
            self.latencies.push(now.saturating_sub(due).as_nanos() as f64 / 1e3);
        }
        *rest = left.to_vec();
        Ok(())
    }

    fn report(&mut self, sent: u64, elapsed: Duration) -> Sample {
        Sample::default()
            .with("sent", sent as f64)
            .with("requests", self.latencies.len() as f64)
            .with("elapsed", elapsed.as_secs_f64())
            .with("p50", percentile(&mut self.latencies, 0.5))
            .with("p99", percentile(&mut self.latencies, 0.99))
            .with("p999", percentile(&mut self.latencies, 0.999))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Gaps, OpenLoop};

    #[test]
    fn the_gaps_have_the_mean_of_the_rate_and_are_the_same_each_time() {
        let total = |rate| {
            let mut gaps = Gaps::new(rate);
            (0..100_000).map(|_| gaps.next()).sum::<Duration>()
        };
        let seconds = total(2_000).as_secs_f64();
        assert!((49.0..51.0).contains(&seconds), "{seconds}");
        assert_eq!(total(2_000), total(2_000));
    }

    #[test]
    fn a_load_parses_from_its_words() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let text = "127.0.0.1:7000 50 2000 1500";
        assert_eq!(OpenLoop::parse(&words(text)).unwrap().to_string(), text);
        assert!(OpenLoop::parse(&words("127.0.0.1:7000 50 0 1500")).is_none());
        assert!(OpenLoop::parse(&words("127.0.0.1:7000 0 5 1500")).is_none());
    }
}
