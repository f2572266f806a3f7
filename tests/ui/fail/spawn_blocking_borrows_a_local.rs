//! A closure for the blocking pool may outlive its caller too: a blocked thread cannot be stopped.
//~ error[E0373]: closure may outlive the current function, but it borrows `text`

fn main() {
    let text = String::from("reveille");
    let _ = reveille::task::spawn_blocking(|| text.len());
}
