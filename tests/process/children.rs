//! `process`: pipes, exits, and the absence of zombies.

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future};
use reveille::process::{Command, Stdio};
use reveille::task::block_on;

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

async fn status_is_that_of_the_child() {
    assert_eq!(shell("exit 7").status().await.unwrap().code(), Some(7));
    let mut child = shell("exit 3").spawn().unwrap();
    assert_eq!(child.status().await.unwrap().code(), Some(3));
    assert_eq!(child.status().await.unwrap().code(), Some(3), "as often as asked");
    assert_eq!(child.try_status().unwrap().unwrap().code(), Some(3));
}

async fn output_reads_both_pipes_beyond_what_they_hold() {
    let script = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; exit 1";
    let output = shell(script).output().await.unwrap();
    assert_eq!((output.stdout.len(), output.stderr.len()), (300_000, 300_000));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn child_is_started_by_the_call_and_not_by_the_poll() {
    let marker = std::env::temp_dir().join(format!("reveille-process-{}", std::process::id()));
    let waiting = Command::new("touch").arg(&marker).status();
    while !marker.exists() {
        std::thread::yield_now();
    }
    assert!(block_on(waiting).unwrap().success());
    std::fs::remove_file(marker).unwrap();
}

/// Workers have no timer slack, which children would inherit.
// Only on Linux: it alone has a timer slack.
#[cfg(target_os = "linux")]
#[test]
fn children_and_blocking_threads_have_the_usual_timer_slack() {
    const FILE: &str = "/proc/self/timerslack_ns";
    fn of_this_thread() -> Vec<u8> {
        std::process::Command::new("cat").arg(FILE).output().unwrap().stdout
    }
    let usual = of_this_thread();
    assert!(!usual.is_empty());
    let task = reveille::task::spawn(async {
        let least = of_this_thread();
        let child = Command::new("cat").arg(FILE).output().await.unwrap().stdout;
        let closure = reveille::task::spawn_blocking(of_this_thread).await;
        [least, child, closure]
    });
    let [least, child, closure] = block_on(task);
    assert_eq!((child, closure), (usual, of_this_thread()));
    assert_eq!(least, b"1\n", "what std starts in a task is as punctual as the worker");
}

async fn pipes_carry_more_than_they_hold_in_both_directions() {
    let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
    let bytes = vec![42; 1_000_000];
    let write = async {
        stdin.write_all(&bytes).await.unwrap();
        drop(stdin);
    };
    let mut echo = Vec::new();
    future::zip(write, async { stdout.read_to_end(&mut echo).await.unwrap() }).await;
    assert!(echo == bytes);
    assert!(cat.status().await.unwrap().success());
}

async fn status_closes_the_standard_input() {
    let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    assert!(cat.try_status().unwrap().is_none());
    assert!(cat.status().await.unwrap().success());
}

async fn kill_ends_a_child_that_is_waited_for() {
    let mut sleep = Command::new("sleep").arg("1000").spawn().unwrap();
    let status = sleep.status();
    sleep.kill().unwrap();
    assert!(!status.await.unwrap().success());
}

async fn two_futures_may_wait_for_one_child() {
    let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let stdin = cat.stdin.take();
    let (first, second) = (cat.status(), cat.status());
    drop(stdin);
    let (first, second) = future::zip(first, second).await;
    assert_eq!(first.unwrap(), second.unwrap());
}

async fn missing_program_is_an_error() {
    let error = Command::new("/no/such/program").output().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

/// The state of a process as the system reports it: `Z` is a zombie, `None` is gone.
#[cfg(target_os = "linux")]
fn state_of(id: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

// Only on Linux: it looks for zombies in /proc.
#[cfg(target_os = "linux")]
#[test]
fn dropped_child_leaves_no_zombie() {
    block_on(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (id, stdin) = (child.id(), child.stdin.take());
        drop(child);
        assert!(matches!(state_of(id), Some(state) if state != 'Z'), "dropping does not end it");
        drop(stdin);
        while state_of(id).is_some() {
            reveille::task::spawn_blocking(std::thread::yield_now).await;
        }
    });
}

// Only on Linux: it looks for zombies in /proc.
#[cfg(target_os = "linux")]
#[test]
fn kill_on_drop_ends_the_child_and_its_zombie() {
    block_on(async {
        let child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
        let id = child.id();
        drop(child);
        while state_of(id).is_some() {
            reveille::task::spawn_blocking(std::thread::yield_now).await;
        }
    });
}

async fn kill_on_drop_waits_for_the_last_future() {
    let mut child = shell("exit 5").kill_on_drop(true).spawn().unwrap();
    let status = child.status();
    drop(child);
    assert_eq!(status.await.unwrap().code(), Some(5));
}

async fn pipe_of_one_child_is_the_input_of_another() {
    let mut echo = Command::new("echo").arg("hi").stdout(Stdio::piped()).spawn().unwrap();
    let stdout = echo.stdout.take().unwrap().into_stdio().await.unwrap();
    let output = Command::new("cat").stdin(stdout).output().await.unwrap();
    assert_eq!(output.stdout, b"hi\n");
    assert!(echo.status().await.unwrap().success());
}

async fn many_children_at_once_are_all_waited_for() {
    let mut waits: Vec<_> = (0..40).map(|i| shell(&format!("exit {i}")).status()).collect();
    for (code, wait) in waits.drain(..).enumerate() {
        assert_eq!(wait.await.unwrap().code(), Some(code as i32));
    }
}

async fn std_command_keeps_what_only_std_can_set() {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "echo $ONLY"]).env("ONLY", "std");
    let output = Command::from(command).output().await.unwrap();
    assert_eq!(output.stdout, b"std\n");
}

async fn closing_the_standard_input_is_the_end_of_the_childs_input() {
    let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = cat.stdin.take().unwrap();
    stdin.write_all(b"meow").await.unwrap();
    stdin.close().await.unwrap();
    let mut echo = Vec::new();
    cat.stdout.take().unwrap().read_to_end(&mut echo).await.unwrap();
    assert_eq!(echo, b"meow");
    assert!(cat.status().await.unwrap().success());
    // Closing twice is allowed.
    stdin.close().await.unwrap();
    stdin.flush().await.unwrap();
    let error = stdin.write(b"more").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "{error}");
    assert_eq!(std::os::fd::AsRawFd::as_raw_fd(&stdin), -1);
    let error = stdin.into_stdio().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "{error}");
}

/// A file whose contents can be checked.
struct Written(std::path::PathBuf);

impl Written {
    fn new() -> Written {
        use std::sync::atomic::{AtomicU32, Ordering};

        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "reveille-written-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        Written(std::env::temp_dir().join(name))
    }

    fn open(&self) -> std::fs::File {
        std::fs::File::create(&self.0).unwrap()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn std_shell(script: &str) -> std::process::Command {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script]);
    command
}

async fn std_command_keeps_its_streams_in_each_way_to_start_it() {
    let script = "cat; echo out; echo err >&2";
    let (input, out, err) = (Written::new(), Written::new(), Written::new());
    std::fs::write(&input.0, "in\n").unwrap();
    let command = || {
        let mut command = std_shell(script);
        command.stdin(std::fs::File::open(&input.0).unwrap()).stdout(out.open()).stderr(err.open());
        Command::from(command)
    };
    let check = |way: &str| {
        assert_eq!((out.text().as_str(), err.text().as_str()), ("in\nout\n", "err\n"), "{way}");
    };
    assert!(command().status().await.unwrap().success());
    check("status");
    let mut child = command().spawn().unwrap();
    assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
    assert!(child.status().await.unwrap().success());
    check("spawn");
    let output = command().output().await.unwrap();
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    check("output");
    // The later setting takes effect.
    let output = command().stdout(Stdio::piped()).output().await.unwrap();
    assert_eq!((output.stdout.as_slice(), err.text().as_str()), (&b"in\nout\n"[..], "err\n"));

    let mut piped = std_shell("exit 0");
    piped.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Command::from(piped).spawn().unwrap();
    assert!(child.stdin.is_some() && child.stdout.is_some() && child.stderr.is_some());
    assert!(child.status().await.unwrap().success());
}

async fn std_command_has_the_defaults_of_each_start_where_it_set_nothing() {
    // The text of a command may look like the names of its streams.
    let mut std =
        std_shell("cat >&2; echo '\n    stdin: Some('; echo err >&2\n    stdout: Some(0)");
    std.env("X", "\n    stderr: Some(").current_dir("/");
    let mut command = Command::from(std);
    let output = command.output().await.unwrap();
    assert!(!output.stdout.is_empty(), "it is a pipe by default");
    assert!(!output.stderr.is_empty(), "and so is this");
    // What `output` set is not kept for the next start.
    let mut child = command.spawn().unwrap();
    assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
    child.kill().unwrap();
    child.status().await.unwrap();
    assert!(!command.output().await.unwrap().stdout.is_empty());
}

#[cfg(target_os = "linux")]
async fn messages_of_a_child_that_writes_packets_all_arrive() {
    use std::os::unix::process::CommandExt as _;
    use std::time::Duration;

    let mut packets = std_shell("echo hello; read go; echo one; echo two; echo three; read end");
    packets.stdin(Stdio::piped()).stdout(Stdio::piped());
    let switch = || {
        // SAFETY: the call takes two numbers, and works between fork and exec.
        match unsafe { libc::fcntl(1, libc::F_SETFL, libc::O_WRONLY | libc::O_DIRECT) } {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    // SAFETY: it makes one system call and allocates nothing.
    unsafe { packets.pre_exec(switch) };
    let mut child = Command::from(packets).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut buf = [0; 64];
    let n = stdout.read(&mut buf).await.unwrap();
    assert_eq!(&buf[..n], b"hello\n");
    // Now the reader waits for the pipe.
    let is_empty = future::poll_once(stdout.read(&mut buf)).await.is_none();
    assert!(is_empty);
    stdin.write_all(b"go\n").await.unwrap();
    // All three are there before the thread checks again.
    while held(&stdout) < 14 {
        std::thread::yield_now();
    }
    for message in [&b"one\n"[..], b"two\n", b"three\n"] {
        let read = reveille::future::timeout(Duration::from_secs(20), stdout.read(&mut buf));
        let n = read.await.expect("it is there").unwrap();
        assert_eq!(&buf[..n], message);
    }
    drop(stdin);
    child.status().await.unwrap();
}

/// Bytes in a pipe.
#[cfg(target_os = "linux")]
fn held(pipe: &impl std::os::fd::AsRawFd) -> i32 {
    let mut count = 0;
    // SAFETY: the call writes one integer to the given address.
    let result = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    assert_eq!(result, 0);
    count
}

/// Waits until nothing is left of the child `id`.
#[cfg(target_os = "linux")]
fn wait_until_gone(id: u32) {
    while state_of(id).is_some() {
        std::thread::yield_now();
    }
}

// Only on Linux: it looks for zombies in /proc.
#[cfg(target_os = "linux")]
#[test]
fn a_child_whose_runtime_ends_leaves_no_zombie() {
    use reveille::runtime::Builder;

    let runtime = || Builder::new().workers(1).build().unwrap();
    let endless = || Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
    // Cancelled by the shutdown, while a task waits for it.
    let ended = runtime();
    let (tell, told) = std::sync::mpsc::channel();
    drop(ended.spawn(async move {
        let mut child = endless();
        tell.send(child.id()).unwrap();
        child.status().await
    }));
    let id = told.recv().unwrap();
    drop(ended);
    wait_until_gone(id);
    // Dropped in `block_on`, and the runtime ends at once.
    let ended = runtime();
    let id = ended.block_on(async { endless().id() });
    drop(ended);
    wait_until_gone(id);
    // It outlives the runtime.
    let ended = runtime();
    let (id, stdin) = ended.block_on(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        (child.id(), child.stdin.take())
    });
    drop(ended);
    drop(stdin);
    wait_until_gone(id);
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    closing_the_standard_input_is_the_end_of_the_childs_input,
    std_command_keeps_its_streams_in_each_way_to_start_it,
    std_command_has_the_defaults_of_each_start_where_it_set_nothing,
    // Only on Linux: pipes in packet mode.
    #[cfg(target_os = "linux")]
    messages_of_a_child_that_writes_packets_all_arrive,
    status_is_that_of_the_child,
    output_reads_both_pipes_beyond_what_they_hold,
    pipes_carry_more_than_they_hold_in_both_directions,
    status_closes_the_standard_input,
    kill_ends_a_child_that_is_waited_for,
    two_futures_may_wait_for_one_child,
    missing_program_is_an_error,
    kill_on_drop_waits_for_the_last_future,
    pipe_of_one_child_is_the_input_of_another,
    many_children_at_once_are_all_waited_for,
    std_command_keeps_what_only_std_can_set,
);
