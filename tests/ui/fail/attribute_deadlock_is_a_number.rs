//~ `deadlock` is `true` or `false`: whether a test that stands still fails

#[reveille::test(deadlock = 1)]
async fn test() {}

fn main() {}
