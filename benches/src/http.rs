//! The request of the hyper rows. It is as long as its answer, so the load generator of the echo
//! rows, which expects as many bytes as it sends, can send it too.

use std::io::{self, Read, Write};

/// The body of each answer.
#[cfg(feature = "hyper")]
pub const BODY: &str = "hello";

/// The whole request.
pub const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nhost: localhost\r\nuser-agent: reveille benchmarks, hyper rows\r\n\r\n";

/// Sends one request, and checks that its answer is the expected one and as long as the request.
pub fn check_answer<S: Read + Write>(stream: &mut S) -> io::Result<()> {
    stream.write_all(REQUEST)?;
    let mut answer = [0; REQUEST.len()];
    stream.read_exact(&mut answer)?;
    let is_expected =
        answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(b"\r\n\r\nhello");
    if is_expected {
        return Ok(());
    }
    let answer = String::from_utf8_lossy(&answer);
    Err(io::Error::other(format!("an unexpected answer, or one of another length: {answer:?}")))
}
