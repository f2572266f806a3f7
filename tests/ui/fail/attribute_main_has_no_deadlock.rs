//~ the options of this attribute are `workers = 4`

#[reveille::main(deadlock = false)]
async fn main() {}
