//! A dump on standard error when a signal arrives.
//!
//! A thread of its own waits for the signal and takes the dump, so it works while every other
//! thread is blocked.

use std::io::{self, Write};

use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::lock::Mutex;
use reveille_primitive::sys::{SignalHandlers, SignalReceiver, signals};

use super::DumpOptions;
use crate::threads::{ThreadSpec, system_spawner};

/// The name of the thread that waits for signals.
const THREAD_NAME: &str = "reveille-signal";

/// The signals that print dumps.
struct DumpSignals {
    /// A child process made by `fork` does not have the thread.
    process: u32,
    signals: Vec<i32>,
    handlers: SignalHandlers,
}

/// Whether the dumps have the stacks of threads.
static HAS_THREAD_STACKS: AtomicBool = AtomicBool::new(false);

/// Makes the dumps on signals show the stacks of threads from now on.
pub(crate) fn show_thread_stacks() {
    HAS_THREAD_STACKS.store(true, Ordering::Relaxed);
}

static DUMP_SIGNALS: Mutex<Option<DumpSignals>> = Mutex::new(None);

/// Makes `signal` print a dump from now on.
///
/// # Errors
///
/// Fails if no handler may be set for the signal, if the system refuses the handler or the thread,
/// and on systems without signals.
pub(crate) fn dump_on(signal: i32) -> io::Result<()> {
    install(signal).map_err(|error| {
        let text = format!("could not print dumps on signal {signal}: {error}");
        io::Error::new(error.kind(), text)
    })
}

fn install(signal: i32) -> io::Result<()> {
    let process = std::process::id();
    let mut installed = DUMP_SIGNALS.lock();
    if installed.as_ref().is_none_or(|installed| installed.process != process) {
        let (handlers, receiver) = signals()?;
        let body = Box::new(move || serve(receiver));
        let spec = ThreadSpec { name: THREAD_NAME.to_owned(), stack_size: None, body };
        system_spawner()(spec)?;
        *installed = Some(DumpSignals { process, signals: Vec::new(), handlers });
    }
    if let Some(installed) = &mut *installed
        && !installed.signals.contains(&signal)
    {
        installed.handlers.add(signal)?;
        installed.signals.push(signal);
    }
    Ok(())
}

/// The main function of the thread, which ends with the process.
fn serve(mut receiver: SignalReceiver) {
    while receiver.wait() {
        // Standard error may be closed; there is no better place to report the error.
        let dump =
            DumpOptions::new().thread_stacks(HAS_THREAD_STACKS.load(Ordering::Relaxed)).dump();
        let _ = io::stderr().write_all(format!("{dump}\n").as_bytes());
    }
}
