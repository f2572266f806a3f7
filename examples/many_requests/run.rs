//! Runs each request as a task, a limited number at a time. Results come in the order of the URLs.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reveille::channel;
use reveille::task::{self, JoinHandle};
use reveille_examples as server;

use crate::fetch::{self, FetchError};
use crate::options::Options;
use crate::report::{self, Screen};
use crate::response::Answer;
use crate::trace::{Row, Trace, Traced};

/// The requests to the embedded server, with different sizes, delays and framings.
const EMBEDDED_PATHS: [&str; 10] = [
    "/bytes/200",
    "/delay/20/bytes/5000",
    "/bytes/100000",
    "/delay/50/chunked/30000",
    "/pause/30/bytes/40000",
    "/chunked/1000000",
    "/delay/35/until-close/4000",
    "/bytes/0",
    "/delay/10/chunked/500",
    "/delay/65/bytes/2000",
];

/// The executor of the tasks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Executor {
    /// This thread only.
    Local,
    /// A pool with this number of threads.
    Pool(usize),
}

impl fmt::Display for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Executor::Local => f.write_str("this thread"),
            Executor::Pool(1) => f.write_str("a pool of 1 thread"),
            Executor::Pool(threads) => write!(f, "a pool of {threads} threads"),
        }
    }
}

impl Executor {
    fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self {
            Executor::Local => task::spawn_local(future),
            Executor::Pool(_) => task::spawn(future),
        }
    }
}

/// A finished request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) url: Arc<str>,
    pub(crate) outcome: Result<Answer, FetchError>,
    pub(crate) row: Row,
}

impl Request {
    /// Returns the time from the task's first poll to the end of its last.
    pub(crate) fn time(&self) -> Duration {
        let start = self.row.polls.first().map_or(self.row.spawned, |poll| poll.start);
        self.row.end().saturating_sub(start)
    }
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) requests: Vec<Request>,
    pub(crate) time: Duration,
    pub(crate) concurrency: usize,
    pub(crate) executor: Executor,
}

impl Run {
    /// Whether no request failed.
    pub(crate) fn is_complete(&self) -> bool {
        self.requests.iter().all(|request| request.outcome.is_ok())
    }
}

/// Makes the requests, `concurrency` at a time, and prints a line for each.
pub(crate) async fn run(
    options: &Options,
    concurrency: usize,
    executor: Executor,
) -> io::Result<Run> {
    let urls = urls(options, executor).await?;
    let count = options.request_count();
    let screen = Screen::new(count);
    let animation = executor.spawn(screen.clone().animate());
    let origin = Instant::now();
    let (sender, receiver) = channel::unbounded();
    let mut slots: Vec<Option<Request>> = Vec::new();
    slots.resize_with(count, || None);
    let (mut started, mut printed) = (0, 0);
    for done in 0..count {
        while started < count && started - done < concurrency {
            let (index, url) = (started, urls[started % urls.len()].clone());
            let is_faulty = options.panic_at == Some(started as u64);
            let finished = request(url, options.timeout, origin, is_faulty);
            let sender = sender.clone();
            // Dropping the handle detaches the task. Its result comes through the channel, in the
            // order in which the requests finish.
            executor.spawn(async move {
                let _ = sender.send((index, finished.await)).await;
            });
            started += 1;
        }
        let (index, request) = receiver.recv().await.expect("this function holds a sender");
        slots[index] = Some(request);
        screen.advance();
        let ready: Vec<&Request> = slots[printed..].iter().map_while(Option::as_ref).collect();
        printed += ready.len();
        screen.print(&ready.into_iter().map(report::line).collect::<String>())?;
    }
    let time = origin.elapsed();
    animation.cancel().await;
    screen.finish();
    let requests = slots.into_iter().flatten().collect();
    let run = Run { requests, time, concurrency, executor };
    screen.print(&report::totals(&run))?;
    Ok(run)
}

/// Creates one request, with its polls recorded from now on.
fn request(
    url: Arc<str>,
    limit: Duration,
    origin: Instant,
    is_faulty: bool,
) -> impl Future<Output = Request> + Send + 'static {
    let trace = Arc::new(Trace::new(origin));
    let traced = Traced::new(trace.clone(), {
        let (url, trace) = (url.clone(), trace.clone());
        async move {
            assert!(!is_faulty, "requested by --panic-at");
            fetch::fetch(&url, limit, &trace).await
        }
    });
    async move {
        let outcome = traced.await.unwrap_or_else(|payload| Err(FetchError::panicked(&payload)));
        Request { url, outcome, row: trace.take_row() }
    }
}

/// Returns the URLs of the command line. Without any, starts the embedded server and returns its
/// URLs.
async fn urls(options: &Options, executor: Executor) -> io::Result<Vec<Arc<str>>> {
    if !options.is_embedded() {
        return Ok(options.urls.iter().map(|url| Arc::from(url.as_str())).collect());
    }
    let listener = server::bind().await?;
    let address = listener.local_addr()?;
    executor.spawn(server::serve(listener, move |stream| {
        executor.spawn(server::answer(stream));
    }));
    Ok(EMBEDDED_PATHS.iter().map(|path| Arc::from(format!("http://{address}{path}"))).collect())
}
