//~ this option is given twice

#[reveille::main(workers = 1, workers = 2)]
async fn main() {}
