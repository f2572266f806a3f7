//~ the only option of this attribute is `crate = path`

#[reveille::main(threads = 4)]
async fn main() {}
