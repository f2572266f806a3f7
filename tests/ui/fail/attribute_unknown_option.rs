//~ the options of this attribute are `workers = 4`

#[reveille::main(threads = 4)]
async fn main() {}
