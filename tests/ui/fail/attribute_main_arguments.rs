//~ `main` takes no arguments

#[reveille::main]
async fn main(name: &str) {
    let _ = name;
}
