//~ `main` cannot be generic

#[reveille::main]
async fn main<T: Default>() {
    let _ = T::default();
}
