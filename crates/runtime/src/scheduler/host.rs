//! Timers and sockets of threads in `block_on` that cannot turn them: one thread turns them all.
//!
//! Three kinds of threads need it: those that are stuck in a poll (`rescue.rs`), those for which
//! there are no descriptors left for a driver of their own (`own_driver.rs`), and one that shuts a
//! runtime down and drops what waits for a timer or a socket in its drop. It starts with the first
//! of them, and sleeps in its driver while nothing happens.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reveille_driver::{Driver, Events, Kind};
use reveille_primitive::biased::OwnerToken;
use reveille_primitive::lock::Mutex;
use reveille_primitive::sys::TimerSlack;

use super::wake;
use crate::threads::{ThreadSpec, system_spawner};
use crate::timer::clock::system_clock;
use crate::timer::{self, Timers};

/// The name of the host's thread.
const THREAD_NAME: &str = "reveille-host";

/// See the module's header. Never freed: entries of timers name its timers.
#[derive(Debug)]
pub(crate) struct Host {
    driver: Arc<Driver>,
    timers: &'static Timers,
    /// The process that its thread runs in: a fork has none.
    process: u32,
}

static HOST: Mutex<Option<&'static Host>> = Mutex::new(None);

/// The host of this process, started by the first call.
///
/// # Errors
///
/// When the system refuses the descriptors or the thread. The next call tries again.
pub(crate) fn host() -> io::Result<&'static Host> {
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
            let text = format!("start the thread {THREAD_NAME}: {error}");
            Err(io::Error::new(error.kind(), text))
        }
    }
}

impl Host {
    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    pub(crate) fn timers(&self) -> &'static Timers {
        self.timers
    }
}

/// The life of the host's thread, which ends with the process.
fn run(driver: &Arc<Driver>, timers: &'static Timers, token: OwnerToken) {
    // For good: the thread is ours, and its wait is what ends every timer.
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
