//! Writes the spans and events of the crate [`tracing`] into the recordings of
//! [reveille](https://docs.rs/reveille): `reveille view` shows them beside the polls and wakes of
//! the tasks that they happen in. A span of tracing begins in the recording when it is first
//! entered, and ends when it is closed. So the span of an instrumented future is one span of its
//! task, which includes all its waits. It belongs to the task that entered it first, even if
//! another task closes it. Its number is tracing's. An event is a mark. Both have their fields in
//! their names; fields that are recorded after the span was first entered are left out.
//!
//! A span that was first entered before the recording began is not in it. Use the layer's filter to
//! leave out what you do not need:
//!
//! ```
//! use tracing_subscriber::filter::LevelFilter;
//! use tracing_subscriber::prelude::*;
//!
//! let layer = reveille_tracing::RecorderLayer::new().with_filter(LevelFilter::INFO);
//! tracing_subscriber::registry().with(layer).init();
//! ```
//!
//! While nothing is recorded, the layer checks that with a load and a branch at each span and each
//! event. In a recording it formats the name. A recording keeps 200,000 different names; spans and
//! events with further names are left out.
//!
//! [`tracing`]: https://docs.rs/tracing
//!
//! # Examples
//!
//! ```
//! use tracing_subscriber::prelude::*;
//!
//! tracing_subscriber::registry().with(reveille_tracing::RecorderLayer::new()).init();
//! # let path = std::env::temp_dir().join("tracing-crate-example.rvt");
//! let recording = reveille::observe::record_to(&path)?;
//! reveille::task::block_on(async {
//!     let _span = tracing::info_span!("request", user = 7).entered();
//!     tracing::info!("accepted");
//! });
//! recording.finish()?;
//! # std::fs::remove_file(path)?;
//! # std::io::Result::Ok(())
//! ```

#![forbid(unsafe_code)]

#[cfg(test)]
use reveille_watchdog as _;

use std::fmt::{self, Write};

use reveille::observe;
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// A layer that writes spans and events into the recording of the process, if there is one.
///
/// # Examples
///
/// ```
/// use tracing_subscriber::prelude::*;
///
/// let subscriber = tracing_subscriber::registry().with(reveille_tracing::RecorderLayer::new());
/// tracing::subscriber::with_default(subscriber, || tracing::info!("this is recorded"));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RecorderLayer {
    _private: (),
}

impl RecorderLayer {
    /// Makes the layer.
    ///
    /// # Examples
    ///
    /// ```
    /// let layer = reveille_tracing::RecorderLayer::new();
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn new() -> RecorderLayer {
        RecorderLayer::default()
    }
}

/// The fields of a span, as text.
struct Fields(String);

/// A span that has begun in the recording. Its drop ends it.
struct Begun(#[expect(dead_code, reason = "its drop counts")] observe::Span);

impl<S> Layer<S> for RecorderLayer
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !observe::is_recording() {
            return;
        }
        let mut fields = String::new();
        attributes.record(&mut Text(&mut fields));
        if let Some(span) = context.span(id).filter(|_| !fields.is_empty()) {
            span.extensions_mut().insert(Fields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if !observe::is_recording() {
            return;
        }
        // Formatting calls code of the program, which may use this span. So it holds no lock.
        let mut new = String::new();
        values.record(&mut Text(&mut new));
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        match extensions.get_mut::<Fields>() {
            Some(Fields(fields)) => fields.push_str(&new),
            None => extensions.insert(Fields(new)),
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if !observe::is_recording() {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        if extensions.get_mut::<Begun>().is_some() {
            return;
        }
        let name = span.name();
        let fields = extensions.get_mut::<Fields>().map_or("", |Fields(fields)| fields);
        // The number identifies this span among those of the same name when it ends.
        let begun = observe::span!("{name}{fields}", number = id.into_u64());
        extensions.insert(Begun(begun));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if !observe::is_recording() {
            return;
        }
        let mut fields = String::new();
        event.record(&mut Text(&mut fields));
        let metadata = event.metadata();
        let (level, target) = (metadata.level(), metadata.target());
        observe::mark!("{level} {target}:{fields}");
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        // The extensions are dropped later, with the registry's slot.
        let begun = context.span(&id).and_then(|span| span.extensions_mut().remove::<Begun>());
        drop(begun);
    }
}

/// Appends fields to a text. The message comes without its name.
struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
