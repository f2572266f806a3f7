//! What a spawn passes on besides the future: the options of the task, and whether to box the
//! future first.

use std::panic::Location;
use std::sync::Arc;

use reveille_task::Options;

use crate::lint::{self, About, Facts, LintKind};

/// Futures and closures above this size, in bytes, are boxed before they are passed on.
///
/// Without optimisation, each function that passes a future on keeps a copy of it on the stack: the
/// spawn of a future of 150 KiB overflowed a stack of 2 MiB. A box costs one more allocation, which
/// is negligible compared with the copy of so many bytes.
const LARGE_BYTES: usize = 16 * 1024;

/// The `options` of a task whose future [`is_large`]. Reports that.
#[cold]
pub(crate) fn large<F>(options: Options) -> Options {
    lint::report_with(LintKind::HugeFuture, options.location, || {
        let bytes = size_of::<F>();
        let text = format!("the future of a task has {bytes} bytes; box its largest parts");
        (Facts::measured(About::Polled, bytes as u128), text)
    });
    options
}

/// Whether a value of this type is boxed before it is passed on.
pub(crate) const fn is_large<T>() -> bool {
    size_of::<T>() > LARGE_BYTES
}

/// Options of a task that the caller spawns, with the caller's location.
#[track_caller]
pub(crate) fn here() -> Options {
    named(None)
}

/// Like [`here`], with a name.
#[track_caller]
pub(crate) fn named(name: Option<Arc<str>>) -> Options {
    Options { name, location: Some(Location::caller()) }
}
