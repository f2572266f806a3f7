//! A result crosses threads on its way to the awaiting task.
//~ error[E0277]: `Rc<i32>` cannot be sent between threads safely

fn main() {
    let _ = reveille::task::spawn(async { std::rc::Rc::new(1_i32) });
}
