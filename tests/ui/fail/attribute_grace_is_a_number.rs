//~ `shutdown_grace` is a time with the unit ms, s, m or h

#[reveille::main(shutdown_grace = 10)]
async fn main() {}
