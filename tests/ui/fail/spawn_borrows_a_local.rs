//! A spawned task may outlive the function that made it, so it cannot borrow that one's locals.
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
