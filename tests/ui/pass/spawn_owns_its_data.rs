//! The fix for a borrowed local: move it into the task.

fn main() {
    let name = String::from("reveille");
    let greeting = reveille::task::spawn(async move { format!("good morning, {name}") });
    assert_eq!(reveille::task::block_on(greeting), "good morning, reveille");
}
