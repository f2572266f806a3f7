//~ the options of this attribute are `deadlock = false` and `crate = path`

#[reveille::test(workers = 2)]
async fn test() {}

fn main() {}
