//~ `workers` is a number of threads from 1 to 512

#[reveille::main(workers = "4")]
async fn main() {}
