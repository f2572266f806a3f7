//! Two tasks that exchange messages through sockets other than TCP, with each runtime's own types.

use super::signals::Operations;

/// The sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// Two UDP sockets of the loopback device.
    Udp,
    /// A pair of Unix domain streams.
    Unix,
}

impl Exchange {
    /// The exchange that a workload of this name measures.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "udp_ping_pong" => Some(Self::Udp),
            "unix_ping_pong" => Some(Self::Unix),
            _ => None,
        }
    }

    /// Many round trips.
    pub fn operations(self, udp: fn() -> Operations, unix: fn() -> Operations) -> Operations {
        match self {
            Self::Udp => udp(),
            Self::Unix => unix(),
        }
    }
}

/// Implements the exchanges of `$rt`. The traits of `$traits` read and write streams.
macro_rules! exchanges {
    ($rt:ty, $udp:path, $unix:path, {$($traits:path),*}) => {
        use $udp as UdpSocket;
        use $unix as UnixStream;
        $(#[allow(unused_imports, reason = "tokio and futures-io name them differently")]
        use $traits as _;)*

        use $crate::rt::Rt;
        use $crate::rt::exchanges::Exchange;
        use $crate::rt::signals::Operations;

        /// Round trips of one future.
        const TIMES: usize = 500;

        /// Bytes of a message.
        const LEN: usize = 64;

        /// Many round trips.
        pub fn operations(exchange: Exchange) -> Operations {
            exchange.operations(|| Box::pin(udp()), || Box::pin(unix()))
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
        {reveille::io::ReadExt, reveille::io::WriteExt}
    );
}

pub mod tokio {
    //! tokio, on either of its runtimes.
    exchanges!(
        crate::rt::Tokio<true>,
        tokio::net::UdpSocket,
        tokio::net::UnixStream,
        {tokio::io::AsyncReadExt, tokio::io::AsyncWriteExt}
    );
}

pub mod smol {
    //! smol.
    exchanges!(
        crate::rt::Smol,
        smol::net::UdpSocket,
        smol::net::unix::UnixStream,
        {smol::io::AsyncReadExt, smol::io::AsyncWriteExt}
    );
}

pub mod async_std {
    //! async-std.
    exchanges!(
        crate::rt::AsyncStd,
        async_std::net::UdpSocket,
        async_std::os::unix::net::UnixStream,
        {async_std::io::ReadExt, async_std::io::WriteExt}
    );
}
