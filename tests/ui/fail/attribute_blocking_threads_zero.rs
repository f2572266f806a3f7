//~ `max_blocking_threads` is a number of at least 1

#[reveille::main(max_blocking_threads = 0)]
async fn main() {}
