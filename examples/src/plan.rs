//! The paths that the server understands.
//!
//! A path is a list of commands: `/delay/50/bytes/1000` waits 50 ms and then sends 1,000 bytes. All
//! functions here are pure, so the tests need no socket.

use std::time::Duration;

/// The longest body that the server sends, in bytes.
const BODY_MAX_BYTES: u64 = 1 << 30;

/// The longest delay that a path can request.
const DELAY_MAX: Duration = Duration::from_secs(60);

/// How a response marks the end of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A `Content-Length` header gives the number of bytes.
    Length,
    /// The body comes in chunks, each with its length in front.
    Chunked,
    /// The body ends where the connection does.
    UntilClose,
}

/// The server's response to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The status of the response.
    pub status: u16,
    /// The time that the server waits before it responds.
    pub delay: Duration,
    /// The pause in the middle of the body.
    pub pause: Duration,
    /// The length of the body in bytes.
    pub body_bytes: u64,
    /// How the response marks the end of its body.
    pub framing: Framing,
}

impl Plan {
    /// Parses `path`. The response to an unknown path is 404.
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
    fn the_commands_of_a_path_combine() {
        let plan = Plan::of("/delay/50/chunked/1000");
        assert_eq!((plan.status, plan.body_bytes), (200, 1000));
        assert_eq!((plan.delay, plan.framing), (Duration::from_millis(50), Framing::Chunked));
        assert_eq!(Plan::of("/").status, 200);
    }

    #[test]
    fn an_unknown_path_is_404() {
        for path in ["/nothing", "/bytes", "/bytes/x", "/bytes/-1", "/bytes/99999999999"] {
            assert_eq!(Plan::of(path).status, 404, "{path}");
        }
    }
}
