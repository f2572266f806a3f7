//~ the only option of this attribute is `crate = path`

#[reveille::test(workers = 2)]
async fn test() {}

fn main() {}
