//! One request: resolve, connect, write, read.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use reveille::future;
use reveille::io;
use reveille::net::{TcpStream, ToSocketAddrs};
use reveille::prelude::*;
use reveille::task::JoinError;

use crate::response::{self, Answer, ResponseError};
use crate::seconds::Seconds;
use crate::step::{Progress, Step};
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
    /// Returns the error of a request whose task did not return an answer.
    pub(crate) fn from_join(error: JoinError) -> FetchError {
        let message = match error.try_into_panic() {
            Ok(payload) => message_of(&*payload).unwrap_or("no message").to_owned(),
            Err(error) => error.to_string(),
        };
        FetchError::Panicked(message)
    }
}

/// Returns the message of a panic.
fn message_of(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// Fetches the URL `text` within `limit`, and says in `progress` which await it has reached.
pub(crate) async fn fetch(
    text: &str,
    limit: Duration,
    progress: &Progress,
) -> Result<Answer, FetchError> {
    let url = Url::parse(text).map_err(FetchError::Url)?;
    match future::timeout(limit, exchange(&url, progress)).await {
        Ok(result) => result,
        Err(_) => Err(FetchError::TimedOut { limit, step: progress.step() }),
    }
}

async fn exchange(url: &Url, progress: &Progress) -> Result<Answer, FetchError> {
    progress.at(Step::Resolve);
    let addresses = (url.host.as_str(), url.port).to_socket_addrs().await;
    let addresses: Vec<SocketAddr> = addresses.map_err(FetchError::Resolve)?.collect();

    progress.at(Step::Connect);
    let mut stream = TcpStream::connect(&addresses[..]).await.map_err(FetchError::Connect)?;

    progress.at(Step::Write);
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: many_requests\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n",
        url.path, url.authority
    );
    stream.write_all(request.as_bytes()).await.map_err(FetchError::Write)?;

    response::read(stream, progress).await.map_err(FetchError::Response)
}
