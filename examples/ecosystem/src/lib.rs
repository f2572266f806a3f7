//! The runtimes that other crates ask for, on reveille. Copy the file that you need.

#[cfg(feature = "traces")]
pub mod for_opentelemetry;
