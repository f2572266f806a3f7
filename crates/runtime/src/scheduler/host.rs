//! One thread that turns timers and sockets for the threads in `block_on` that cannot turn them.
//!
//! Three kinds of threads need it:
//!
//! * threads that are stuck in a poll (`rescue.rs`);
//! * threads for which no descriptors are left for a driver of their own (`own_driver.rs`);
//! * a thread that shuts a runtime down and drops a future whose destructor waits for a timer or a
//!   socket.
//!
//! The host starts when the first such thread needs it. While there are no events it sleeps in its
//! driver.
//!
//! The host also has a blocking pool, which opens files and looks up names for threads whose
//! runtime has ended or is ending. Rejected: using the global runtime for these calls. A program
//! that ends its last runtime would then have started a new one.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reveille_driver::{Driver, Events, Kind};
use reveille_primitive::biased::OwnerToken;
use reveille_primitive::lock::Mutex;
use reveille_primitive::simulation;
use reveille_primitive::sys::TimerSlack;

use super::wake;
use crate::blocking::{Pool, PoolConfig};
use crate::threads::{ThreadSpec, system_spawner};
use crate::timer::clock::system_clock;
use crate::timer::{self, Timers};

/// The name of the host's thread.
const THREAD_NAME: &str = "reveille-host";

/// The host's timers and driver. Never freed, because entries of timers refer to its timers.
#[derive(Debug)]
pub(crate) struct Host {
    driver: Arc<Driver>,
    timers: &'static Timers,
    /// The process that the host's thread runs in. A forked child has no such thread.
    process: u32,
}

static HOST: Mutex<Option<&'static Host>> = Mutex::new(None);

/// The blocking pool, and the process that its threads run in.
static BLOCKING: Mutex<Option<(u32, Arc<Pool>)>> = Mutex::new(None);

/// How long a thread of the blocking pool waits for another call.
const BLOCKING_KEEP_ALIVE: Duration = Duration::from_millis(500);

/// The host of this process, started by the first call.
///
/// # Errors
///
/// When the system refuses the descriptors or the thread. The next call tries again.
pub(crate) fn host() -> io::Result<&'static Host> {
    simulation::for_all_hosts(host_of_process)
}

fn host_of_process() -> io::Result<&'static Host> {
    let mut host = HOST.lock();
    if let Some(host) = *host
        && host.process == std::process::id()
    {
        return Ok(host);
    }
    let driver = Arc::new(Driver::new(Kind::Native)?);
    let (timers, token) = (timer::acquire_timers(), OwnerToken::unique());
    timers.set_owner(Some(token.id()));
    let notified = Arc::clone(&driver);
    timers.set_notify(Some(Arc::new(move || notified.notify())));
    let turned = Arc::clone(&driver);
    let spec = ThreadSpec {
        name: THREAD_NAME.to_owned(),
        stack_size: None,
        body: Box::new(move || run(&turned, timers, token)),
    };
    match system_spawner()(spec) {
        Ok(_detached) => {
            let process = std::process::id();
            Ok(host.insert(Box::leak(Box::new(Host { driver, timers, process }))))
        }
        Err(error) => {
            timer::release_timers(timers);
            let text = format!("could not start the thread {THREAD_NAME}: {error}");
            Err(io::Error::new(error.kind(), text))
        }
    }
}

/// The blocking pool for file operations and name lookups of threads whose runtime ends. It has
/// threads only while there are calls, and for [`BLOCKING_KEEP_ALIVE`] after that.
pub(crate) fn blocking() -> Arc<Pool> {
    let mut blocking = BLOCKING.lock();
    let this = std::process::id();
    if let Some((_, pool)) = blocking.as_ref().filter(|(process, _)| *process == this) {
        return Arc::clone(pool);
    }
    let config = PoolConfig {
        keep_alive: BLOCKING_KEEP_ALIVE,
        thread_name: Arc::new(|number| format!("reveille-host-{number}")),
        ..PoolConfig::default()
    };
    let pool = Arc::new(Pool::new(config, system_spawner(), None));
    // The threads of the parent's pool do not exist in this process, so they are not waited for.
    std::mem::forget(blocking.replace((this, Arc::clone(&pool))));
    pool
}

/// That pool, if there is one in this process.
pub(crate) fn started_blocking() -> Option<Arc<Pool>> {
    let blocking = BLOCKING.lock();
    let own = blocking.as_ref().filter(|(process, _)| *process == std::process::id());
    own.map(|(_, pool)| Arc::clone(pool))
}

/// Whether nothing waits for the host's driver or its blocking pool. Its timers are acquired ones.
pub(crate) fn is_quiet() -> bool {
    let host = *HOST.lock();
    let jobs = started_blocking().map(|pool| pool.metrics()).unwrap_or_default();
    host.is_none_or(|host| !host.driver.has_waiting()) && jobs.running == 0 && jobs.queued == 0
}

impl Host {
    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    pub(crate) fn timers(&self) -> &'static Timers {
        self.timers
    }
}

/// The main loop of the host's thread, which runs until the process ends.
fn run(driver: &Arc<Driver>, timers: &'static Timers, token: OwnerToken) {
    // Never restored: the thread is ours, and every timer of the host ends with a wait of this
    // thread.
    let _ = TimerSlack::least();
    let token = RefCell::new(token);
    let (mut events, mut wakers) = (Events::new(), Vec::new());
    let clock = system_clock();
    loop {
        let deadline = timers.release_spare_and_park(&token);
        let now = clock.now_ns();
        let timeout = deadline.map(|deadline| Duration::from_nanos(deadline.saturating_sub(now)));
        wake::turn(driver, timeout, &mut events);
        while timers.turn_batch(&token, clock.now_ns(), &mut wakers, wake::wake_all) {}
    }
}
