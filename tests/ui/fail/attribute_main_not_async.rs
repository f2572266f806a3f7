//~ the `async` keyword is missing from the function declaration

#[reveille::main]
fn main() {}
