//! Serves the files of a folder over HTTP, with hyper.
//!
//! ```sh
//! cargo run --manifest-path examples/apart/Cargo.toml --bin static_files -- ./public
//! curl http://127.0.0.1:8000/
//! ```
//!
//! Files are sent block by block, so a large file needs little memory. Ctrl-C lets the answers that
//! have begun finish.

use std::convert::Infallible;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use reveille::fs::{self, File};
use reveille::net::TcpListener;
use reveille::prelude::*;
use reveille::{io, signal, stream};

/// Serves the files of a folder over HTTP.
#[derive(Parser)]
struct Options {
    /// The folder
    folder: PathBuf,
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: String,
    /// Time that answers have after Ctrl-C, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    grace: u64,
}

type Body = BoxBody<Bytes, io::Error>;

const BLOCK_BYTES: usize = 64 * 1024;

fn content_type(path: &Path) -> &'static str {
    match path.extension().unwrap_or_default().to_string_lossy().to_lowercase().as_str() {
        "css" => "text/css",
        "html" => "text/html; charset=utf-8",
        "jpg" => "image/jpeg",
        "js" => "text/javascript",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Replaces `%20` and its like. Returns `None` if the result is not text.
fn decode(path: &str) -> Option<String> {
    let mut parts = path.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

/// The file that a URL names. Nothing outside of the folder is named: parts such as `..` are
/// refused, and links are followed only if they stay inside.
async fn find(folder: &Path, url: &str) -> Option<PathBuf> {
    let decoded = decode(url)?;
    let relative = Path::new(decoded.trim_start_matches('/'));
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let mut path = fs::canonicalize(folder.join(relative)).await.ok()?;
    if fs::metadata(&path).await.ok()?.is_dir() {
        path = fs::canonicalize(path.join("index.html")).await.ok()?;
    }
    let path = PathBuf::from(&path);
    path.starts_with(folder).then_some(path)
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let body = Full::from(text).map_err(|never: Infallible| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

async fn answer(folder: Arc<PathBuf>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refusal.headers_mut().insert(ALLOW, "GET, HEAD".parse().expect("it is plain text"));
        return Ok(refusal);
    }
    let Some(path) = find(&folder, request.uri().path()).await else {
        return Ok(text(StatusCode::NOT_FOUND, "there is no such file\n"));
    };
    let file = match File::open(&path).await {
        Ok(file) => file,
        Err(_) => return Ok(text(StatusCode::FORBIDDEN, "this file cannot be read\n")),
    };
    let len = file.metadata().await?.len();
    // No more than the length that is announced, even if the file grows.
    let blocks = stream::unfold((file, len), async |(mut file, left)| {
        let mut block = vec![0; left.min(BLOCK_BYTES as u64) as usize];
        match file.read(&mut block).await {
            _ if left == 0 => None,
            Ok(0) => Some((Err(io::ErrorKind::UnexpectedEof.into()), (file, 0))),
            Ok(len) => {
                block.truncate(len);
                Some((Ok(Frame::data(Bytes::from(block))), (file, left - len as u64)))
            }
            Err(error) => Some((Err(error), (file, 0))),
        }
    });
    let response = Response::builder()
        .header(CONTENT_TYPE, content_type(&path))
        .header(CONTENT_LENGTH, len)
        .body(BodyExt::boxed(StreamBody::new(blocks)));
    response.map_err(io::Error::other)
}

async fn run(options: Options) -> io::Result<()> {
    let interrupt = signal::ctrl_c();
    let folder = PathBuf::from(&fs::canonicalize(&options.folder).await?);
    let listener = TcpListener::bind(&options.listen).await?;
    println!("{} on http://{}/", folder.display(), listener.local_addr()?);
    let folder = Arc::new(folder);
    let service = service_fn(move |request| answer(Arc::clone(&folder), request));
    let report = reveille_hyper::serve(listener, service)
        .with_graceful_shutdown(async { drop(interrupt.await) })
        .grace_time(Duration::from_secs(options.grace))
        .await;
    println!("{report}");
    Ok(())
}

#[reveille::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("static_files: {error:#}");
            ExitCode::FAILURE
        }
    }
}
