//~ the `async` keyword is missing from the function declaration

#[reveille::test]
fn test() {}

fn main() {}
