//! Responses of peers, complete and incomplete.

use reveille_watchdog as _;

use std::pin::Pin;
use std::task::{Context, Poll};

use reveille::task::block_on;

use super::*;

/// A peer that sends one byte at a time, so that the reader enters every state with an empty
/// buffer.
struct OneByOne<'a>(&'a [u8]);

impl io::Read for OneByOne<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let len = self.0.len().min(buffer.len()).min(1);
        buffer[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Poll::Ready(Ok(len))
    }
}

/// Reads `text` twice, at once and byte by byte, and checks that both results are equal.
fn answer(text: &str) -> Result<(u16, u64), String> {
    let progress = Progress::default();
    let shorten = |result: Result<Answer, ResponseError>| {
        result.map(|answer| (answer.status, answer.body_bytes)).map_err(|error| error.to_string())
    };
    let whole = shorten(block_on(read(text.as_bytes(), &progress)));
    let slowly = shorten(block_on(read(OneByOne(text.as_bytes()), &progress)));
    assert_eq!(whole, slowly, "{text:?}");
    whole
}

#[test]
fn each_framing_is_read_to_its_end() {
    assert_eq!(answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"), Ok((200, 3)));
    assert_eq!(answer("HTTP/1.0 200\r\n\r\nabcdef"), Ok((200, 6)));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n\
                   3;name=value\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
    assert_eq!(answer(chunked), Ok((200, 13)));
    assert_eq!(answer("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n"), Ok((204, 0)));
    assert_eq!(answer("HTTP/1.1 304 Not Modified\r\n\r\n"), Ok((304, 0)));
}

#[test]
fn unusual_but_valid_heads_are_read() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1";
    assert_eq!(answer(&format!("{early}\r\n\r\nx")), Ok((404, 1)));
    assert_eq!(answer("HTTP/1.1 200 OK\nContent-Length: 2\n\nab"), Ok((200, 2)));
    assert_eq!(answer("HTTP/1.1 200 \r\nContent-Length: 2, 2\r\n\r\nab"), Ok((200, 2)));
    assert_eq!(answer("HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"), Ok((200, 0)));
}

#[test]
fn a_connection_that_closes_early_is_an_error_that_says_where() {
    let error = |text: &str| answer(text).unwrap_err();
    assert!(error("").contains("without an answer"));
    assert!(error("HTTP/1.1 200 OK\r\nContent").contains("inside the head"));
    assert!(error("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").contains("3 of 10 bytes"));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(error(chunked).contains("after 0 bytes of an unfinished body"));
    assert!(error(&format!("{chunked}5\r\nab")).contains("after 2 bytes of an unfinished body"));
    assert!(error(&format!("{chunked}2\r\nab")).contains("after 2 bytes of an unfinished body"));
}

#[test]
fn responses_that_are_not_http_are_refused() {
    let refused = [
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000\r\n\r\n",
        "HTTP/1.1 +20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded: first\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    ];
    for text in refused {
        assert!(answer(text).unwrap_err().contains("not an HTTP answer"), "{text:?}");
    }
}

#[test]
fn a_head_that_is_too_long_is_an_error() {
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_MAX_BYTES));
    assert!(answer(&endless).unwrap_err().contains("longer than"));
}

#[test]
fn a_long_chunked_body_does_not_exceed_the_limit_of_the_head() {
    let chunks = "1\r\nx\r\n".repeat(HEAD_MAX_BYTES);
    let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    assert_eq!(answer(&text), Ok((200, HEAD_MAX_BYTES as u64)));
}
