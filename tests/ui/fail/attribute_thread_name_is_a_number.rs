//~ `thread_name` is a string without NUL

#[reveille::main(thread_name = 7)]
async fn main() {}
