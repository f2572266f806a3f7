//~ a test takes no arguments

#[reveille::test]
async fn test(_n: i32) {}

fn main() {}
