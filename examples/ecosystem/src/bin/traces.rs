//! opentelemetry: spans that a task of reveille exports in batches.
//!
//! `for_opentelemetry.rs` has the runtime for `BatchSpanProcessor`, which then needs no thread of
//! its own. The exporter prints the spans. One that sends them (opentelemetry-otlp) takes a client
//! of hyper-util over reveille-hyper.

use std::time::Duration;

use opentelemetry::trace::{Tracer, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::span_processor_with_async_runtime::BatchSpanProcessor;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use reveille::channel::{self, Sender};
use reveille::task;
use reveille_ecosystem::for_opentelemetry::Reveille;

/// Prints the spans, and passes their names on.
#[derive(Debug)]
struct Printer(Sender<String>);

impl SpanExporter for Printer {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        for span in batch {
            let time = span.end_time.duration_since(span.start_time).unwrap_or_default();
            println!("{} took {time:?}", span.name);
            let _ = self.0.send(span.name.into_owned()).await;
        }
        Ok(())
    }
}

#[reveille::main]
async fn main() -> OTelSdkResult {
    let (sender, names) = channel::unbounded();
    let batches = BatchSpanProcessor::builder(Printer(sender), Reveille).build();
    let provider = SdkTracerProvider::builder().with_span_processor(batches).build();
    let tracer = provider.tracer("recipe");
    for _ in 0..3 {
        let _span = tracer.start("work");
        task::sleep(Duration::from_millis(10)).await;
    }
    // Waits on its own thread for the task, so it is no work for an asynchronous one.
    task::spawn_blocking(move || provider.shutdown()).await?;
    assert_eq!(names.len(), 3);
    Ok(())
}
