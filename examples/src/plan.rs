//! What a path of the server asks for.
//!
//! A path is a list of words: `/delay/50/bytes/1000` waits 50 ms and then sends 1,000 bytes.
//! Everything here is pure, so the tests need no socket.

use std::time::Duration;

/// The longest body the server sends, in bytes, so that no path asks for the whole memory.
const BODY_MAX_BYTES: u64 = 1 << 30;

/// The longest delay a path may ask for.
const DELAY_MAX: Duration = Duration::from_secs(60);

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A `Content-Length` header gives the number of bytes.
    Length,
    /// The body comes in chunks, each with its length in front.
    Chunked,
    /// The body ends where the connection does.
    UntilClose,
}

/// What the server does for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The status of the answer.
    pub status: u16,
    /// How long the server waits before it answers.
    pub delay: Duration,
    /// How long it pauses in the middle of the body.
    pub pause: Duration,
    /// The length of the body in bytes.
    pub body_bytes: u64,
    /// How the end of the body is told.
    pub framing: Framing,
}

impl Plan {
    /// Reads `path`; whatever the server does not know is answered with 404.
    pub fn of(path: &str) -> Plan {
        Plan::parse(path).unwrap_or(Plan {
            status: 404,
            delay: Duration::ZERO,
            pause: Duration::ZERO,
            body_bytes: 10,
            framing: Framing::Length,
        })
    }

    fn parse(path: &str) -> Option<Plan> {
        let mut plan = Plan {
            status: 200,
            delay: Duration::ZERO,
            pause: Duration::ZERO,
            body_bytes: 100,
            framing: Framing::Length,
        };
        let mut words = path.split('/').filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            let number: u64 = words.next()?.parse().ok()?;
            match word {
                "delay" => plan.delay = Duration::from_millis(number).min(DELAY_MAX),
                "pause" => plan.pause = Duration::from_millis(number).min(DELAY_MAX),
                "bytes" => (plan.framing, plan.body_bytes) = (Framing::Length, number),
                "chunked" => (plan.framing, plan.body_bytes) = (Framing::Chunked, number),
                "until-close" => (plan.framing, plan.body_bytes) = (Framing::UntilClose, number),
                _ => return None,
            }
        }
        (plan.body_bytes <= BODY_MAX_BYTES).then_some(plan)
    }

    /// Returns the status line and the headers, up to and including the empty line.
    pub fn head(&self) -> String {
        let reason = if self.status == 200 { "OK" } else { "Not Found" };
        let framing = match self.framing {
            Framing::Length => format!("Content-Length: {}\r\n", self.body_bytes),
            Framing::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
            Framing::UntilClose => String::new(),
        };
        format!("HTTP/1.1 {} {reason}\r\n{framing}Connection: close\r\n\r\n", self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_path_add_up() {
        let plan = Plan::of("/delay/50/chunked/1000");
        assert_eq!((plan.status, plan.body_bytes), (200, 1000));
        assert_eq!((plan.delay, plan.framing), (Duration::from_millis(50), Framing::Chunked));
        assert_eq!(Plan::of("/").status, 200);
    }

    #[test]
    fn what_the_server_does_not_know_is_404() {
        for path in ["/nothing", "/bytes", "/bytes/x", "/bytes/-1", "/bytes/99999999999"] {
            assert_eq!(Plan::of(path).status, 404, "{path}");
        }
    }
}
