//! Faults of wine that tests of reveille meet, shown with std alone.
//!
//! `cargo xtask targets --run windows` skips the tests that fail because of them, and prints what
//! this program prints. On Windows each line ends with the expected value.

use std::io;
use std::net::UdpSocket;
use std::time::Duration;

fn main() -> io::Result<()> {
    refused_datagram()
}

/// Wine takes the error from the system's socket when it polls it, and keeps it for `take_error`.
fn refused_datagram() -> io::Result<()> {
    let nobody = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(nobody)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    socket.send(b"?")?;
    let received = socket.recv(&mut [0; 8]).map_err(|error| error.kind());
    println!("a receive after a refused datagram: {received:?}; expected: an error at once");
    Ok(())
}
