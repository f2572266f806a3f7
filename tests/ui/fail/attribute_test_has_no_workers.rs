//~ the options of this attribute are `simulate = 20`, `deadlock = false` and `crate = path`

#[reveille::test(workers = 2)]
async fn test() {}

fn main() {}
