//! The triggers for which a flight recorder writes a snapshot: a signal, a panic, a lint.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Once, Weak};

use reveille_primitive::atomic::{AtomicU32, Ordering};
use reveille_primitive::lock::Mutex;
use reveille_primitive::sys::{SignalHandlers, SignalReceiver, signals};

use super::snapshot::{Trigger, write};
use crate::lint::{self, HookGuard};
use crate::record::complain;
use crate::record::flight::FlightLog;
use crate::threads::{ThreadSpec, system_spawner};

/// The most snapshots that panics and lints write, so that a program that panics again and again
/// does not fill the disk.
const BY_ITSELF_MAX: u32 = 10;

/// The name of the thread that waits for the signal.
const THREAD_NAME: &str = "reveille-snap";

/// When a flight recorder writes snapshots, and where.
#[derive(Clone, Debug, Default)]
pub(super) struct Triggers {
    pub(super) folder: PathBuf,
    pub(super) signal: Option<i32>,
    pub(super) on_panic: bool,
    pub(super) on_lint: bool,
}

/// The flight recorder that has triggers, if there is one.
static ARMED: Mutex<Option<Armed>> = Mutex::new(None);

struct Armed {
    log: Weak<FlightLog>,
    folder: PathBuf,
    signal: Option<i32>,
    on_panic: bool,
}

/// The number of the next snapshot of this process, and how many came from panics and lints.
static NEXT: AtomicU32 = AtomicU32::new(1);
static BY_ITSELF: AtomicU32 = AtomicU32::new(0);

/// The handlers of the process, with the signals that have one.
static HANDLERS: Mutex<Option<(u32, SignalHandlers, Vec<i32>)>> = Mutex::new(None);

impl Triggers {
    /// Installs the handlers, which stay for the rest of the process.
    ///
    /// # Errors
    ///
    /// Fails if the system refuses the handler or its thread, and if the folder does not exist.
    pub(super) fn prepare(&self) -> io::Result<()> {
        let is_used = self.signal.is_some() || self.on_panic || self.on_lint;
        if is_used && !self.folder.as_os_str().is_empty() && !self.folder.is_dir() {
            let text =
                format!("the folder for snapshots, `{}`, does not exist", self.folder.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        if let Some(signal) = self.signal {
            handle(signal).map_err(|error| {
                let text = format!("could not write snapshots on signal {signal}: {error}");
                io::Error::new(error.kind(), text)
            })?;
        }
        if self.on_panic {
            hook_panics();
        }
        Ok(())
    }

    /// Makes the triggers write snapshots of `log`. Returns the hook for lints.
    pub(super) fn arm(&self, log: &Arc<FlightLog>) -> Option<HookGuard> {
        *ARMED.lock() = Some(Armed {
            log: Arc::downgrade(log),
            folder: self.folder.clone(),
            signal: self.signal,
            on_panic: self.on_panic,
        });
        self.on_lint.then(|| lint::add_hook(Arc::new(|_| take(Trigger::Lint))))
    }
}

/// Writes a snapshot, and reports its path on standard error.
fn take(trigger: Trigger) {
    let armed = ARMED.lock();
    let Some(log) = armed.as_ref().and_then(|armed| armed.log.upgrade()) else { return };
    let Some(is_wanted) = armed.as_ref().map(|armed| match trigger {
        Trigger::Signal => armed.signal.is_some(),
        Trigger::Panic => armed.on_panic,
        Trigger::Call | Trigger::Lint => true,
    }) else {
        return;
    };
    let folder = armed.as_ref().map(|armed| armed.folder.clone()).unwrap_or_default();
    drop(armed);
    let is_by_itself = matches!(trigger, Trigger::Panic | Trigger::Lint);
    if !is_wanted || is_by_itself && BY_ITSELF.fetch_add(1, Ordering::Relaxed) >= BY_ITSELF_MAX {
        return;
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("reveille-{}-{number}.rvt", std::process::id()));
    match write(&log, &path, trigger) {
        Ok(path) => complain(&format!("snapshot of what happened last: {}", path.display())),
        Err(error) => complain(&error.to_string()),
    }
}

fn hook_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            before(info);
            take(Trigger::Panic);
        }));
    });
}

fn handle(signal: i32) -> io::Result<()> {
    let process = std::process::id();
    let mut installed = HANDLERS.lock();
    if installed.as_ref().is_none_or(|(owner, ..)| *owner != process) {
        let (handlers, receiver) = signals()?;
        let body = Box::new(move || serve(receiver));
        let spec = ThreadSpec { name: THREAD_NAME.to_owned(), stack_size: None, body };
        system_spawner()(spec)?;
        *installed = Some((process, handlers, Vec::new()));
    }
    if let Some((_, handlers, added)) = &mut *installed
        && !added.contains(&signal)
    {
        handlers.add(signal)?;
        added.push(signal);
    }
    Ok(())
}

/// The main function of the thread, which ends with the process.
fn serve(mut receiver: SignalReceiver) {
    while receiver.wait() {
        take(Trigger::Signal);
    }
}
