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
use crate::step::Progress;
use crate::trace::{self, Row};

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
    /// Spawns a task with a name, which the recording has.
    #[track_caller]
    fn spawn_named<F>(self, name: String, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let builder = task::Builder::new().name(name);
        match self {
            Executor::Local => builder.local(future),
            Executor::Pool(_) => builder.spawn(future),
        }
    }

    /// Spawns a task. The recording has the caller's place.
    #[track_caller]
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
    /// From the task's first poll to its end. If it panicked, from its spawn.
    pub(crate) time: Duration,
    /// Its polls, from the recording. Empty until the run has ended, or if the recording has no
    /// room for it.
    pub(crate) row: Row,
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
    /// The number of requests that the chart lacks, because the recording has no room for more.
    pub(crate) fn unrecorded(&self) -> usize {
        self.requests.iter().filter(|request| request.row.polls.is_empty()).count()
    }

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
    let start = Instant::now();
    let (sender, receiver) = channel::unbounded();
    let mut slots: Vec<Option<Request>> = Vec::new();
    slots.resize_with(count, || None);
    let (mut started, mut printed) = (0, 0);
    for done in 0..count {
        while started < count && started - done < concurrency {
            let (index, url) = (started, urls[started % urls.len()].clone());
            let is_faulty = options.panic_at == Some(started as u64);
            let name = trace::task_name(index);
            let fetching =
                executor.spawn_named(name, request(url.clone(), options.timeout, is_faulty))?;
            let (sender, spawned) = (sender.clone(), Instant::now());
            // Dropping the handle detaches the task. Its result comes through the channel, in the
            // order in which the requests finish.
            executor.spawn(async move {
                let (outcome, time) = fetching
                    .result()
                    .await
                    .unwrap_or_else(|error| (Err(FetchError::from_join(error)), spawned.elapsed()));
                let request = Request { url, outcome, time, row: Row::default() };
                let _ = sender.send((index, request)).await;
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
    let time = start.elapsed();
    animation.cancel().await;
    screen.finish();
    let requests = slots.into_iter().flatten().collect();
    let run = Run { requests, time, concurrency, executor };
    screen.print(&report::totals(&run))?;
    Ok(run)
}

/// Fetches one URL. Returns the answer and how long that took.
async fn request(
    url: Arc<str>,
    limit: Duration,
    is_faulty: bool,
) -> (Result<Answer, FetchError>, Duration) {
    let start = Instant::now();
    assert!(!is_faulty, "requested by --panic-at");
    let outcome = fetch::fetch(&url, limit, &Progress::default()).await;
    (outcome, start.elapsed())
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
