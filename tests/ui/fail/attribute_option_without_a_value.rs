//~ the options of this attribute are `workers = 4`

#[reveille::main(workers)]
async fn main() {}
