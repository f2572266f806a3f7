//! Reads an HTTP/1.1 response: status line, headers, and a body in one of three framings.
//!
//! The body is counted and discarded. All input from the peer is bounded: a head has at most
//! [`HEAD_MAX_BYTES`], and a body needs only one buffer.

use std::fmt;

use reveille::io;
use reveille::prelude::*;

use crate::step::{Progress, Step};

/// The longest head to read: status line, headers, and the trailers of a chunked body together.
/// Servers commonly refuse to send half as much.
pub(crate) const HEAD_MAX_BYTES: usize = 64 * 1024;

/// The size of one read.
const BUFFER_BYTES: usize = 16 * 1024;

/// A response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body_bytes: u64,
}

/// The reason why a response could not be read.
#[derive(Debug)]
pub(crate) enum ResponseError {
    /// A read failed.
    Read(io::Error),
    /// The peer closed the connection before it sent a byte.
    Silent,
    /// The peer closed the connection inside the head.
    ClosedInHead,
    /// The peer closed the connection inside the body.
    ClosedInBody { got: u64, of: Option<u64> },
    /// The head is longer than [`HEAD_MAX_BYTES`].
    HeadTooLong,
    /// The peer did not send HTTP.
    Malformed(&'static str),
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "cannot read the answer: {error}"),
            Self::Silent => f.write_str("the peer closed the connection without an answer"),
            Self::ClosedInHead => {
                f.write_str("the peer closed the connection inside the head of its answer")
            }
            Self::ClosedInBody { got, of: Some(of) } => {
                write!(f, "the peer closed the connection after {got} of {of} bytes of the body")
            }
            Self::ClosedInBody { got, of: None } => {
                write!(f, "the peer closed the connection after {got} bytes of an unfinished body")
            }
            Self::HeadTooLong => {
                write!(f, "the head of the answer is longer than {HEAD_MAX_BYTES} bytes")
            }
            Self::Malformed(what) => write!(f, "not an HTTP answer: {what}"),
        }
    }
}

/// Reads the response to one GET request from `stream`.
pub(crate) async fn read<R>(stream: R, progress: &Progress) -> Result<Answer, ResponseError>
where
    R: io::Read + Unpin,
{
    let mut wire = Wire::new(stream);
    progress.at(Step::Head);
    let (status, headers) = loop {
        let status = parse_status(&wire.line().await?)?;
        let headers = read_headers(&mut wire).await?;
        // After 1xx another head follows. 101 would change the protocol, which was not requested.
        match status {
            101 => return Err(ResponseError::Malformed("it switches protocols unasked")),
            100..=199 => continue,
            _ => break (status, headers),
        }
    };
    progress.at(Step::Body);
    let body_bytes = match framing(status, &headers)? {
        Framing::Length(len) => wire.skip_body(len).await?,
        Framing::Chunked => wire.skip_chunks().await?,
        Framing::UntilClose => wire.skip_rest().await?,
    };
    Ok(Answer { status, body_bytes })
}

/// How a response marks the end of its body.
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

fn parse_status(line: &[u8]) -> Result<u16, ResponseError> {
    let malformed = ResponseError::Malformed("the status line");
    let Some(rest) = line.strip_prefix(b"HTTP/1.") else { return Err(malformed) };
    match rest {
        [b'0'..=b'9', b' ', code @ ..] if code.len() == 3 || code.get(3) == Some(&b' ') => {
            let digits = str::from_utf8(&code[..3]).unwrap_or_default();
            match digits.bytes().all(|byte| byte.is_ascii_digit()) {
                true => digits.parse().ok().filter(|code| *code >= 100).ok_or(malformed),
                false => Err(malformed),
            }
        }
        _ => Err(malformed),
    }
}

/// A header's name in lower case, and its value.
type Header = (String, String);

async fn read_headers<R>(wire: &mut Wire<R>) -> Result<Vec<Header>, ResponseError>
where
    R: io::Read + Unpin,
{
    let mut headers: Vec<Header> = Vec::new();
    loop {
        let line = wire.line().await?;
        if line.is_empty() {
            return Ok(headers);
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.starts_with([' ', '\t']) {
            // Obsolete line folding, which continues the previous header.
            let (_, value) =
                headers.last_mut().ok_or(ResponseError::Malformed("the first header"))?;
            value.push_str(line.trim_end());
            continue;
        }
        match line.split_once(':') {
            Some((name, value)) if !name.is_empty() && !name.contains([' ', '\t']) => {
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            _ => return Err(ResponseError::Malformed("a header")),
        }
    }
}

fn framing(status: u16, headers: &[Header]) -> Result<Framing, ResponseError> {
    if status == 204 || status == 304 {
        return Ok(Framing::Length(0));
    }
    let values = |name: &'static str| headers.iter().filter(move |(header, _)| header == name);
    if let Some((_, codings)) = values("transfer-encoding").next_back() {
        let last = codings.rsplit(',').next().unwrap_or_default().trim();
        return match last.eq_ignore_ascii_case("chunked") {
            true => Ok(Framing::Chunked),
            false => Ok(Framing::UntilClose),
        };
    }
    let mut length = None;
    for part in values("content-length").flat_map(|(_, value)| value.split(',')) {
        let part = part.trim();
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| part.parse::<u64>().ok()).flatten();
        let number = number.ok_or(ResponseError::Malformed("the Content-Length"))?;
        if length.is_some_and(|length| length != number) {
            return Err(ResponseError::Malformed("two different Content-Lengths"));
        }
        length = Some(number);
    }
    Ok(length.map_or(Framing::UntilClose, Framing::Length))
}

fn parse_chunk_size(line: &[u8]) -> Option<u64> {
    let text = str::from_utf8(line).ok()?.split(';').next()?.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// The reading end of a connection, with the bytes that were read but not consumed yet.
struct Wire<R> {
    stream: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// The bytes that the head may still have.
    head_left: usize,
    /// Whether the peer has sent a byte.
    has_spoken: bool,
}

impl<R: io::Read + Unpin> Wire<R> {
    fn new(stream: R) -> Wire<R> {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Wire { stream, buffer, start: 0, end: 0, head_left: HEAD_MAX_BYTES, has_spoken: false }
    }

    /// Reads into an empty buffer. Returns `false` at the end of the stream.
    async fn fill(&mut self) -> Result<bool, ResponseError> {
        if self.start < self.end {
            return Ok(true);
        }
        let len = loop {
            match self.stream.read(&mut self.buffer).await {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(ResponseError::Read)?,
            }
        };
        (self.start, self.end) = (0, len);
        self.has_spoken |= len > 0;
        Ok(len > 0)
    }

    /// Returns the next line without its line break.
    async fn line(&mut self) -> Result<Vec<u8>, ResponseError> {
        let mut line = Vec::new();
        loop {
            if !self.fill().await? {
                return Err(match self.has_spoken {
                    true => ResponseError::ClosedInHead,
                    false => ResponseError::Silent,
                });
            }
            let held = &self.buffer[self.start..self.end];
            let newline = held.iter().position(|byte| *byte == b'\n');
            let taken = newline.map_or(held.len(), |index| index + 1);
            self.head_left = self.head_left.checked_sub(taken).ok_or(ResponseError::HeadTooLong)?;
            line.extend_from_slice(&held[..taken]);
            self.start += taken;
            if newline.is_some() {
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
        }
    }

    /// Skips up to `len` bytes of a body. Returns the number of bytes skipped.
    async fn skip(&mut self, len: u64) -> Result<u64, ResponseError> {
        let mut got = 0;
        while got < len && self.fill().await? {
            let held = (self.end - self.start) as u64;
            let taken = held.min(len - got);
            self.start += taken as usize;
            got += taken;
        }
        Ok(got)
    }

    async fn skip_body(&mut self, len: u64) -> Result<u64, ResponseError> {
        let got = self.skip(len).await?;
        match got == len {
            true => Ok(got),
            false => Err(ResponseError::ClosedInBody { got, of: Some(len) }),
        }
    }

    async fn skip_rest(&mut self) -> Result<u64, ResponseError> {
        self.skip(u64::MAX).await
    }

    async fn skip_chunks(&mut self) -> Result<u64, ResponseError> {
        let mut got: u64 = 0;
        loop {
            let line = self.chunk_line(got).await?;
            let len = parse_chunk_size(&line).ok_or(ResponseError::Malformed("a chunk's size"))?;
            if len == 0 {
                break;
            }
            let skipped = self.skip(len).await?;
            got = got.saturating_add(skipped);
            if skipped < len {
                return Err(ResponseError::ClosedInBody { got, of: None });
            }
            if !self.chunk_line(got).await?.is_empty() {
                return Err(ResponseError::Malformed("a chunk is longer than it says"));
            }
        }
        self.head_left = HEAD_MAX_BYTES;
        while !self.trailer(got).await?.is_empty() {}
        Ok(got)
    }

    /// Returns a line that belongs to a chunk. Each has the limit of a whole head, because the many
    /// lines of a long body would exceed one limit.
    async fn chunk_line(&mut self, got: u64) -> Result<Vec<u8>, ResponseError> {
        self.head_left = HEAD_MAX_BYTES;
        self.trailer(got).await
    }

    /// Returns a line after the head. If it is missing, the error is that the body ends early.
    async fn trailer(&mut self, got: u64) -> Result<Vec<u8>, ResponseError> {
        self.line().await.map_err(|error| match error {
            ResponseError::ClosedInHead => ResponseError::ClosedInBody { got, of: None },
            other => other,
        })
    }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
