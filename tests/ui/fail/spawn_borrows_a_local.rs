//! A spawned task may outlive the function that started it, so it cannot borrow the function's
//! locals.
//~ error[E0373]: async block may outlive the current function, but it borrows `name`

fn greet() {
    let name = String::from("reveille");
    reveille::task::spawn(async {
        println!("good morning, {name}");
    });
}

fn main() {
    greet();
}
