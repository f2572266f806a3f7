//! Marks and spans of programs.

use std::fmt;

use reveille_trace::Event;

use super::thread;

/// A span of the program in the recording: see [`span!`]. Its drop ends the span.
///
/// [`span!`]: https://docs.rs/reveille/latest/reveille/observe/macro.span.html
///
/// # Examples
///
/// ```
/// use reveille::observe;
///
/// let span = observe::span!("a long computation");
/// drop(span);
/// ```
#[derive(Debug)]
#[must_use = "the span ends when this is dropped"]
pub struct Span(Option<SpanBegun>);

/// A span in a recording.
#[derive(Clone, Copy, Debug)]
struct SpanBegun {
    session: u32,
    name: u32,
    number: u64,
}

impl Span {
    /// Begins a span. For the macro.
    #[doc(hidden)]
    #[inline]
    pub fn begin(name: fmt::Arguments<'_>, number: u64) -> Span {
        Span(if reveille_task::is_recording() { begin(name, number) } else { None })
    }
}

#[cold]
fn begin(name: fmt::Arguments<'_>, number: u64) -> Option<SpanBegun> {
    let (session, name) = thread::name(name)?;
    thread::record_inside(Event::span_start(name, number));
    Some(SpanBegun { session, name, number })
}

impl Drop for Span {
    #[inline]
    fn drop(&mut self) {
        if let Some(SpanBegun { session, name, number }) = self.0.take()
            && super::session::current_number() == session
        {
            thread::record_inside(Event::span_end(name, number));
        }
    }
}

/// Records a mark. For the macro.
#[doc(hidden)]
#[inline]
pub fn mark(name: fmt::Arguments<'_>, number: u64) {
    if reveille_task::is_recording() {
        mark_recorded(name, number);
    }
}

#[cold]
fn mark_recorded(name: fmt::Arguments<'_>, number: u64) {
    if let Some((_, name)) = thread::name(name) {
        thread::record_inside(Event::mark(name, number));
    }
}
