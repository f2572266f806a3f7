//! The cure for a borrowed local: the task takes it along.

fn main() {
    let name = String::from("reveille");
    let greeting = reveille::task::spawn(async move { format!("good morning, {name}") });
    assert_eq!(reveille::task::block_on(greeting), "good morning, reveille");
}
