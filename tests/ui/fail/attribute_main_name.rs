//~ only the function called `main` can be the entry point

#[reveille::main]
async fn start() {}
