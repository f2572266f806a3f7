//! One request: resolve, connect, write, read.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use reveille::future;
use reveille::io;
use reveille::net::{TcpStream, ToSocketAddrs};
use reveille::prelude::*;

use crate::response::{self, Answer, ResponseError};
use crate::seconds::Seconds;
use crate::trace::{Payload, Step, Trace};
use crate::url::{Url, UrlError};

/// The reason why a URL could not be fetched. The message does not name the URL, because the caller
/// does.
#[derive(Debug)]
pub(crate) enum FetchError {
    Url(UrlError),
    Resolve(io::Error),
    Connect(io::Error),
    Write(io::Error),
    Response(ResponseError),
    TimedOut {
        limit: Duration,
        step: Step,
    },
    /// A bug of this program.
    Panicked(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            // Both messages name the operation and the address; `#` adds the cause.
            Self::Resolve(error) | Self::Connect(error) => write!(f, "{error:#}"),
            Self::Write(error) => write!(f, "cannot send the request: {error}"),
            Self::Response(error) => error.fmt(f),
            Self::TimedOut { limit, step } => {
                write!(f, "timed out after {} {}", Seconds(*limit), step.in_words())
            }
            // Escape the message, so that the output is one line.
            Self::Panicked(message) => {
                write!(f, "the request's task panicked: {}", message.escape_debug())
            }
        }
    }
}

impl FetchError {
    /// Returns the error of a request that panicked.
    pub(crate) fn panicked(payload: &Payload) -> FetchError {
        let text = payload.downcast_ref::<&'static str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        FetchError::Panicked(text.unwrap_or("no message").to_owned())
    }
}

/// Fetches the URL `text` within `limit`, and records in `trace` the await that it has reached.
pub(crate) async fn fetch(
    text: &str,
    limit: Duration,
    trace: &Trace,
) -> Result<Answer, FetchError> {
    let url = Url::parse(text).map_err(FetchError::Url)?;
    match future::timeout(limit, exchange(&url, trace)).await {
        Ok(result) => result,
        Err(_) => Err(FetchError::TimedOut { limit, step: trace.step() }),
    }
}

async fn exchange(url: &Url, trace: &Trace) -> Result<Answer, FetchError> {
    trace.at(Step::Resolve);
    let addresses = (url.host.as_str(), url.port).to_socket_addrs().await;
    let addresses: Vec<SocketAddr> = addresses.map_err(FetchError::Resolve)?.collect();

    trace.at(Step::Connect);
    let mut stream = TcpStream::connect(&addresses[..]).await.map_err(FetchError::Connect)?;

    trace.at(Step::Write);
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: many_requests\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n",
        url.path, url.authority
    );
    stream.write_all(request.as_bytes()).await.map_err(FetchError::Write)?;

    response::read(stream, trace).await.map_err(FetchError::Response)
}
