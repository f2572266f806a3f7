//! Makes the drivers and the blocking threads of a pool from its configuration.

use std::io;
use std::sync::Arc;

use reveille_driver::Driver;

use super::runtime_ref::{RuntimeRef, set_own_pool};
use crate::blocking::{Pool, PoolConfig};
use crate::config::Config;

/// Makes the driver of a worker.
pub(super) fn driver(config: &Config) -> io::Result<Arc<Driver>> {
    Driver::new(config.driver).map(Arc::new)
}

/// Makes the pool of blocking threads that belongs to `pool`.
pub(super) fn blocking_pool(config: &Config, pool: RuntimeRef) -> Arc<Pool> {
    let names = config.thread_names.clone();
    let started = config.on_thread_start.clone();
    let pool_config = PoolConfig {
        max_threads: config.max_blocking_threads,
        keep_alive: config.keep_alive,
        stack_size: config.stack_size,
        thread_name: Arc::new(move |number| names.blocking(number)),
        on_start: Some(Arc::new(move || {
            set_own_pool(pool);
            started.iter().for_each(|hook| hook());
        })),
        on_stop: config.on_thread_stop.clone(),
        ..PoolConfig::default()
    };
    Arc::new(Pool::new(pool_config, Arc::clone(&config.spawner), config.on_panic.clone()))
}
