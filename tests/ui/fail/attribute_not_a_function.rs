//~ expected an `async fn`: this attribute belongs on a function

#[reveille::test]
struct Test;

fn main() {}
