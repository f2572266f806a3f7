//! Child processes that are tied to the thread that started them.

use std::os::unix::process::CommandExt as _;
use std::process::Command as StdCommand;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use reveille::process::Command;
use reveille::runtime::Builder;
use reveille::task;
use reveille_tests::measure::{block_thread, settle, settled, threads};
use reveille_tests::{child, test_name};

/// A command for a child that is killed when the thread that starts it ends.
fn tied() -> StdCommand {
    let mut command = StdCommand::new("sleep");
    command.arg("1000");
    // SAFETY: the closure makes one system call, with numbers only.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    command
}

/// Starts a child on any thread and returns its id.
type Start = fn() -> u32;

/// Starts children with reveille, with std, and with the system call that both of them make.
const STARTS: [Start; 3] = [
    || {
        let child = Command::from(tied()).spawn().unwrap();
        let id = child.id();
        // No code waits for it or takes its status.
        std::mem::forget(child);
        id
    },
    || tied().spawn().unwrap().id(),
    || {
        // SAFETY: the child makes system calls with numbers only.
        unsafe {
            let id = libc::fork();
            if id == 0 {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::sleep(1000);
                libc::_exit(0);
            }
            id as u32
        }
    },
];

/// Starts a child while no other one is being started. A child of a bare `fork` inherits what std
/// keeps open until its own child has executed its program, and std waits for that.
fn start_alone(start: Start) -> u32 {
    static STARTING: Mutex<()> = Mutex::new(());
    let _alone = STARTING.lock().unwrap();
    start()
}

fn is_alive(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

#[test]
fn children_of_spare_and_blocking_threads_outlive_the_keep_alive() {
    if child::has_run(test_name!()) {
        return;
    }
    let builder = Builder::new().workers(1).keep_alive(Duration::from_millis(20));
    let runtime = builder.build().unwrap();
    // The watcher of threads in `block_on` starts, and stays.
    runtime.block_on(task::sleep(Duration::from_millis(1)));
    let before = settled(threads);
    let (sender, receiver) = mpsc::channel();
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for start in STARTS {
            let (in_task, in_closure) = (sender.clone(), sender.clone());
            // Each child is started on a thread that has handed off its worker or has taken one
            // over.
            tasks.push(task::spawn(async move {
                block_thread(Duration::from_millis(100));
                in_task.send(start_alone(start)).unwrap();
            }));
            let closure = move || in_closure.send(start_alone(start)).unwrap();
            tasks.push(task::spawn_blocking(closure));
        }
        for task in tasks {
            task.await;
        }
        // This is many times the keep-alive.
        task::sleep(Duration::from_millis(500)).await;
    });
    drop(sender);
    let ids: Vec<_> = receiver.iter().collect();
    let alive = ids.iter().filter(|id| is_alive(**id)).count();
    for id in &ids {
        // SAFETY: both calls take numbers; the ids are those of our children, not yet waited for.
        unsafe {
            libc::kill(*id as i32, libc::SIGKILL);
            libc::waitpid(*id as i32, std::ptr::null_mut(), 0);
        }
    }
    assert_eq!(alive, ids.len(), "of {} children", ids.len());
    assert_eq!(settle(before, threads), before, "the threads leave when their children have ended");
}
