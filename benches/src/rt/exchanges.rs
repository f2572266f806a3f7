//! Exchanges with other sockets and other processes, with each runtime's own types.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use super::signals::Operations;

/// The partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// Two UDP sockets of the loopback device.
    Udp,
    /// A pair of Unix domain streams.
    Unix,
    /// Children that end at once, one after the other.
    Children,
    /// A gibibyte from one TCP stream to another, by the runtime's `io::copy`.
    Copy,
}

impl Exchange {
    /// The exchange that a workload of this name measures.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "udp_ping_pong" => Some(Self::Udp),
            "unix_ping_pong" => Some(Self::Unix),
            "children" => Some(Self::Children),
            "io_copy" => Some(Self::Copy),
            _ => None,
        }
    }

    /// The one of these that is meant.
    pub fn choose(self, [udp, unix, children, copy]: [fn() -> Operations; 4]) -> Operations {
        match self {
            Self::Udp => udp(),
            Self::Unix => unix(),
            Self::Children => children(),
            Self::Copy => copy(),
        }
    }
}

/// Bytes of one copy.
pub const COPIED: u64 = 1 << 30;

/// Another process that fills the connection to `addr` with as many bytes, so that its time does
/// not count.
pub fn feeder(addr: SocketAddr) -> Child {
    let mut command = Command::new("dd");
    command.args(["if=/dev/zero", "bs=1M", "status=none"]);
    command.arg(format!("count={}", COPIED >> 20)).stdout(connected(addr));
    command.spawn().expect("dd is installed")
}

/// Another process that empties the connection to `addr`.
pub fn drain(addr: SocketAddr) -> Child {
    let mut command = Command::new("cat");
    command.stdin(connected(addr)).stdout(Stdio::null()).spawn().expect("cat is installed")
}

fn connected(addr: SocketAddr) -> Stdio {
    OwnedFd::from(TcpStream::connect(addr).expect("the listener lives")).into()
}

/// Implements the exchanges of `$rt`. The traits of `$traits` read and write streams. `$process`
/// and `$io` are modules.
macro_rules! exchanges {
    ($rt:ty, $udp:path, $unix:path, $process:path, $io:path, {$($traits:path),*}) => {
        use $udp as UdpSocket;
        use $unix as UnixStream;
        $(#[allow(unused_imports, reason = "tokio and futures-io name them differently")]
        use $traits as _;)*

        use $io as io;
        use $process as process;
        use $crate::rt::Rt;
        use $crate::rt::exchanges::{self, Exchange};
        use $crate::rt::signals::Operations;

        /// Round trips of one future.
        const TIMES: usize = 500;

        /// Bytes of a message.
        const LEN: usize = 64;

        /// Many round trips or children, or a copy.
        pub fn operations(exchange: Exchange) -> Operations {
            exchange.choose([
                || Box::pin(udp()),
                || Box::pin(unix()),
                || Box::pin(children()),
                || Box::pin(copy()),
            ])
        }

        async fn children() -> usize {
            const CHILDREN: usize = 100;
            for _ in 0..CHILDREN {
                let status = process::Command::new("true").status().await;
                assert!(status.expect("it is installed").success());
            }
            CHILDREN
        }

        async fn copy() -> usize {
            let (listener, addr) = <$rt>::listen().await.expect("a loopback port is free");
            let mut feeder = exchanges::feeder(addr);
            let mut from = <$rt>::accept(&listener).await.expect("it has connected");
            let mut drain = exchanges::drain(addr);
            let mut to = <$rt>::accept(&listener).await.expect("it has connected");
            let copied = io::copy(&mut from, &mut to).await.expect("both sides live");
            assert_eq!(copied, exchanges::COPIED);
            drop(to);
            <$rt>::spawn_blocking(move || {
                for child in [&mut feeder, &mut drain] {
                    assert!(child.wait().expect("it is a child").success());
                }
            })
            .await;
            1
        }

        async fn udp() -> usize {
            let here = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
            let there = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
            here.connect(there.local_addr().expect("it is bound")).await.expect("it is bound");
            there.connect(here.local_addr().expect("it is bound")).await.expect("it is bound");
            let partner = <$rt>::spawn(async move {
                let mut buf = [0; LEN];
                for _ in 0..TIMES {
                    let len = there.recv(&mut buf).await.expect("a message");
                    there.send(&buf[..len]).await.expect("it is sent");
                }
            });
            let mut buf = [7; LEN];
            for _ in 0..TIMES {
                here.send(&buf).await.expect("it is sent");
                assert_eq!(here.recv(&mut buf).await.expect("a message"), LEN, "it is whole");
            }
            partner.await;
            TIMES
        }

        async fn unix() -> usize {
            let (mut here, mut there) = UnixStream::pair().expect("a pair of sockets");
            let partner = <$rt>::spawn(async move {
                let mut buf = [0; LEN];
                for _ in 0..TIMES {
                    there.read_exact(&mut buf).await.expect("a message");
                    there.write_all(&buf).await.expect("it is sent");
                }
            });
            let mut buf = [7; LEN];
            for _ in 0..TIMES {
                here.write_all(&buf).await.expect("it is sent");
                here.read_exact(&mut buf).await.expect("a message");
            }
            partner.await;
            TIMES
        }
    };
}

#[cfg(feature = "reveille")]
pub mod reveille {
    //! reveille.
    exchanges!(
        crate::rt::Reveille,
        reveille::net::UdpSocket,
        reveille::os::unix::net::UnixStream,
        reveille::process,
        reveille::io,
        {reveille::io::ReadExt, reveille::io::WriteExt}
    );
}

pub mod tokio {
    //! tokio, on either of its runtimes.
    exchanges!(
        crate::rt::Tokio<true>,
        tokio::net::UdpSocket,
        tokio::net::UnixStream,
        tokio::process,
        tokio::io,
        {tokio::io::AsyncReadExt, tokio::io::AsyncWriteExt}
    );
}

pub mod smol {
    //! smol.
    exchanges!(
        crate::rt::Smol,
        smol::net::UdpSocket,
        smol::net::unix::UnixStream,
        smol::process,
        smol::io,
        {smol::io::AsyncReadExt, smol::io::AsyncWriteExt}
    );
}

pub mod async_std {
    //! async-std.
    exchanges!(
        crate::rt::AsyncStd,
        async_std::net::UdpSocket,
        async_std::os::unix::net::UnixStream,
        // Its own are these, by a feature that is not stable.
        smol::process,
        async_std::io,
        {async_std::io::ReadExt, async_std::io::WriteExt}
    );
}
