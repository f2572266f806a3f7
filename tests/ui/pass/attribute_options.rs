#[reveille::main(
    workers = 4,
    max_blocking_threads = 64,
    thread_name = "bees",
    shutdown_grace = "10s",
    crate = ::reveille,
)]
async fn main() {}
