//! Children run in turns: two of them cannot both have the same thing exclusively.
//~ error[E0524]: two closures require unique access to `*count` at the same time

use reveille::{future, task};

fn main() {
    let mut count = 0;
    let count = &mut count;
    task::block_on(future::scope(async move |s| {
        let one = s.spawn(async { *count += 1 });
        let two = s.spawn(async { *count += 1 });
        one.await;
        two.await;
    }));
}
