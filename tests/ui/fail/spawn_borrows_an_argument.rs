//! The same for a reference that was passed in.
//~ error[E0521]: borrowed data escapes outside of function
//~ argument requires that `'1` must outlive `'static`

fn greet(name: &str) {
    reveille::task::spawn(async move {
        println!("good morning, {name}");
    });
}

fn main() {
    greet("reveille");
}
