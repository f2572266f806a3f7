//! Implementations of other crates' runtime traits on reveille. Copy the file that you need.

#[cfg(feature = "amqp")]
pub mod for_async_rs;
#[cfg(feature = "traces")]
pub mod for_opentelemetry;
#[cfg(feature = "dbus")]
pub mod for_zbus;
