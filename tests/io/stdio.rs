//! `io::{stdin, stdout, stderr}`: each test runs itself again as a process with pipes for the
//! three.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use futures_lite::future;
use reveille::io::{self, ErrorKind};
use reveille::prelude::*;
use reveille::task::{self, block_on};
use reveille_tests::child;

/// A process that runs the other half of a test, with its standard error line by line.
struct Half {
    process: Child,
    stdin: Option<ChildStdin>,
    said: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

impl Half {
    fn send(&mut self, text: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(text).unwrap();
    }

    fn expect(&mut self, line: &str) {
        assert_eq!(self.said.next().expect("it says more").unwrap(), line);
    }

    /// Types a line after the process has ended its runtime. The process must receive it.
    fn types_after_the_end(mut self) {
        self.expect("ended");
        self.send(b"typed\n");
        self.expect("typed");
        self.finish();
    }

    /// Closes the process's input and returns its standard output.
    fn finish(mut self) -> String {
        drop(self.stdin.take());
        let mut output = String::new();
        if let Some(mut stdout) = self.process.stdout.take() {
            stdout.read_to_string(&mut output).unwrap();
        }
        let rest: Vec<_> = self.said.map(Result::unwrap).collect();
        assert!(self.process.wait().unwrap().success(), "{output}\n{rest:?}");
        assert!(rest.is_empty(), "{rest:?}");
        output
    }
}

/// Runs `body` in a process of its own, and returns that process in the test.
fn start(body: impl Future<Output = ()>) -> Option<Half> {
    start_with(Stdio::piped(), Stdio::piped(), body)
}

/// Like [`start`], with the given standard streams.
fn start_with(stdin: Stdio, stdout: Stdio, body: impl Future<Output = ()>) -> Option<Half> {
    let name = child::name_around(&body);
    if child::is_inside(name) {
        block_on(body);
        return None;
    }
    let mut command = child::command(name);
    let mut process = command.stdin(stdin).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    let stdin = process.stdin.take();
    let said = BufReader::new(process.stderr.take().unwrap()).lines();
    Some(Half { process, stdin, said })
}

fn say(text: impl std::fmt::Display) {
    std::eprintln!("{text}");
}

/// async-std#1055: a read that had timed out consumed the next key press.
#[test]
fn a_read_that_timed_out_consumes_nothing() {
    let Some(mut half) = start(async {
        let mut line = String::new();
        let short = Duration::from_millis(10);
        let error = io::timeout(short, io::stdin().read_line(&mut line)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        say("timed out");
        // Another handle and another kind of read receive the first key press.
        let mut byte = [0];
        io::stdin().read_exact(&mut byte).await.unwrap();
        say(char::from(byte[0]));
        io::stdin().read_line(&mut line).await.unwrap();
        say(line.trim_end());

        // The same in the other direction: a read of bytes is dropped, and the line is complete.
        let mut bytes = [0; 2];
        let error = io::timeout(short, io::stdin().read(&mut bytes)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        say("timed out");
        line.clear();
        io::stdin().read_line(&mut line).await.unwrap();
        say(line.trim_end());
    }) else {
        return;
    };
    half.expect("timed out");
    half.send(b"key press\n");
    half.expect("k");
    half.expect("ey press");
    half.expect("timed out");
    half.send(b"whole line\n");
    half.expect("whole line");
    half.finish();
}

/// A dropped read takes nothing from std, and no runtime waits for it.
#[test]
fn a_line_after_a_dropped_read_is_read_by_std() {
    let Some(half) = start(async {
        let runtime = reveille::runtime::Builder::new().workers(1).build().unwrap();
        runtime.block_on(async {
            let mut line = String::new();
            let reads = async { io::stdin().read_line(&mut line).await };
            reveille::future::timeout(Duration::from_millis(10), reads).await.unwrap_err();
            // A read that is dropped by the end of the runtime.
            drop(task::spawn(async { io::stdin().read_line(&mut String::new()).await }));
            task::sleep(Duration::from_millis(10)).await;
        });
        drop(runtime);
        say("ended");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        say(line.trim_end());
    }) else {
        return;
    };
    half.types_after_the_end();
}

/// The end of a runtime does not consume the read that another one waits for.
#[test]
fn read_outlives_the_runtime_that_began_it() {
    let Some(half) = start(async {
        let runtime = reveille::runtime::Builder::new().workers(1).build().unwrap();
        drop(runtime.spawn(async { io::stdin().read_line(&mut String::new()).await }));
        task::sleep(Duration::from_millis(10)).await;
        let mut line = String::new();
        let stdin = io::stdin();
        let mut reads = Box::pin(stdin.read_line(&mut line));
        assert!(future::poll_once(&mut reads).await.is_none());
        drop(runtime);
        say("ended");
        reads.as_mut().await.unwrap();
        drop(reads);
        say(line.trim_end());
    }) else {
        return;
    };
    half.types_after_the_end();
}

/// At a terminal, input typed after a read was dropped is not read: a child process receives it.
// Only on Linux: it makes a terminal.
#[cfg(target_os = "linux")]
#[test]
fn a_line_typed_after_a_dropped_read_is_read_by_a_child() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new()).unwrap();
    let other = std::fs::OpenOptions::new().read(true).write(true).open(path.to_str().unwrap());
    let half = start_with(other.unwrap().into(), Stdio::null(), async {
        let mut line = String::new();
        let reads = async { io::stdin().read_line(&mut line).await };
        reveille::future::timeout(Duration::from_millis(20), reads).await.unwrap_err();
        say("given up");
        let mut head = std::process::Command::new("head");
        let head = head.args(["-n", "1"]).stdin(Stdio::inherit()).output().unwrap();
        say(String::from_utf8_lossy(&head.stdout).trim_end());
        io::stdin().read_line(&mut line).await.unwrap();
        say(line.trim_end());
    });
    let Some(mut half) = half else { return };
    let mut keys = std::fs::File::from(terminal);
    half.expect("given up");
    keys.write_all(b"for the child\n").unwrap();
    half.expect("for the child");
    keys.write_all(b"for the parent\n").unwrap();
    half.expect("for the parent");
    half.finish();
}

/// The system accepts a text that is longer than a pipe or than std's buffers in many parts.
#[test]
fn one_write_is_not_mixed_with_writes_of_other_tasks() {
    const LENGTH: usize = 300_000;
    let Some(half) = start(async {
        let tasks: Vec<_> = (b'a'..b'e')
            .map(|letter| {
                task::spawn(async move {
                    let mut line = vec![letter; LENGTH];
                    line.push(b'\n');
                    for _ in 0..10 {
                        io::stdout().write_all(&line).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        io::stdout().flush().await.unwrap();
    }) else {
        return;
    };
    let output = half.finish();
    let is_long = |line: &&str| line.len() > 1000;
    let lines: Vec<_> = output.lines().filter(is_long).collect();
    assert_eq!(lines.len(), 40);
    for line in lines {
        // The first line may follow output of the test harness.
        let line = &line[line.len() - LENGTH..];
        assert!(line.bytes().all(|byte| byte == line.as_bytes()[0]), "a torn line");
    }
}

/// All handles, and std's, read from one stream: what one takes, the others do not see.
#[test]
fn handles_share_the_buffer_of_std() {
    let Some(mut half) = start(async {
        let (mut line, mut rest) = (String::new(), String::new());
        io::stdin().read_line(&mut line).await.unwrap();
        say(line.trim_end());
        line.clear();
        std::io::stdin().read_line(&mut line).unwrap();
        say(line.trim_end());
        line.clear();
        io::stdin().read_line(&mut line).await.unwrap();
        say(line.trim_end());
        let mut stdin = io::stdin();
        let mut bytes = [0; 2];
        stdin.read_exact(&mut bytes).await.unwrap();
        say(std::str::from_utf8(&bytes).unwrap());
        stdin.read_to_string(&mut rest).await.unwrap();
        say(rest);
    }) else {
        return;
    };
    half.send(b"one\ntwo\nthree\nfour five");
    drop(half.stdin.take());
    for line in ["one", "two", "three", "fo", "ur five"] {
        half.expect(line);
    }
    half.finish();
}

#[test]
fn tasks_that_wait_get_a_line_each() {
    let Some(mut half) = start(async {
        let read = || async {
            let mut line = String::new();
            io::stdin().read_line(&mut line).await.unwrap();
            line
        };
        let dropped = read();
        assert!(future::poll_once(dropped).await.is_none());
        let tasks: Vec<_> = (0..5).map(|_| task::spawn(read())).collect();
        say("ready");
        let mut lines = Vec::new();
        for task in tasks {
            lines.push(task.await.trim_end().to_owned());
        }
        lines.sort();
        say(lines.join(" "));
    }) else {
        return;
    };
    half.expect("ready");
    half.send(b"1\n2\n3\n");
    half.send(b"4\n5\n");
    half.expect("1 2 3 4 5");
    half.finish();
}

#[test]
fn a_panicking_waker_does_not_lose_the_input_of_other_readers() {
    struct Boom;
    impl std::task::Wake for Boom {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let half = start(async {
        std::panic::set_hook(Box::new(|_| {}));
        let (mut first, mut second) = (io::stdin(), io::stdin());
        let boom = std::task::Waker::from(std::sync::Arc::new(Boom));
        let mut cx = std::task::Context::from_waker(&boom);
        assert!(std::pin::Pin::new(&mut first).poll_read(&mut cx, &mut [0]).is_pending());
        let mut buf = [0; 8];
        let mut read = Box::pin(second.read(&mut buf));
        assert!(future::poll_once(&mut read).await.is_none());
        say("both wait");
        let read = reveille::future::timeout(Duration::from_secs(20), read).await;
        say(read.expect("it is woken").unwrap());
    });
    let Some(mut half) = half else { return };
    half.expect("both wait");
    half.send(b"x");
    // The thread that wakes reports the panic, and the woken task continues, in no particular
    // order.
    let mut lines = [half.said.next().unwrap().unwrap(), half.said.next().unwrap().unwrap()];
    lines.sort();
    assert_eq!(lines[0], "1");
    assert!(lines[1].contains("a waker that panics"), "{lines:?}");
    half.finish();
}

#[test]
fn the_end_and_lines_of_invalid_utf8_are_distinguished() {
    let Some(mut half) = start(async {
        let stdin = io::stdin();
        let mut line = String::from("kept ");
        let error = stdin.read_line(&mut line).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(error.to_string(), "could not read line on stdin");
        assert_eq!(stdin.read_line(&mut line).await.unwrap(), 3);
        say(&line);
        assert_eq!(stdin.read_line(&mut line).await.unwrap(), 0);
        assert_eq!(stdin.read_line(&mut line).await.unwrap(), 0, "the end stays the end");
    }) else {
        return;
    };
    half.send(b"\xff\xfe\nend");
    drop(half.stdin.take());
    half.expect("kept end");
    half.finish();
}

#[test]
fn output_comes_in_the_order_of_the_calls() {
    let Some(half) = start(async {
        let (mut a, mut b) = (io::stdout(), io::stdout());
        std::print!("<1");
        a.write_all(b" 2").await.unwrap();
        std::print!(" 3");
        b.write_all(b" 4\n").await.unwrap();
        std::print!("5");
        write!(a, " {}", 6).await.unwrap();
        reveille::print!(" {}", 7).await;
        reveille::println!(" {}>", 8).await;
        a.flush().await.unwrap();
    }) else {
        return;
    };
    let output = half.finish();
    assert!(output.contains("<1 2 3 4\n5 6 7 8>\n"), "{output}");
}

/// An argument that is not `Send`, which the task creates only for the text.
fn local(text: &str) -> std::rc::Rc<std::cell::RefCell<String>> {
    std::rc::Rc::new(std::cell::RefCell::new(text.to_owned()))
}

/// The value of `format_args!` is not `Send`, and used to live across the await of the macro.
#[test]
fn macros_with_arguments_are_awaited_in_spawned_tasks() {
    let Some(mut half) = start(async {
        let n = 1;
        task::spawn(async move {
            reveille::print!("<{n} ").await;
            reveille::print!("{:?} {:>width$}", local("rc").borrow(), 3, width = 2).await;
            reveille::println!(" {}", n + 3).await;
            reveille::println!().await;
            async_std::print!("{n} {} ", local("old").borrow()).await;
            async_std::println!("{}>", n + 4).await;
        })
        .await;
        task::spawn(async move {
            reveille::eprint!("{n}, ").await;
            reveille::eprintln!("{}", local("two").borrow()).await;
            reveille::eprintln!().await;
            async_std::eprint!("{n} ").await;
            async_std::eprintln!("{}", local("four").borrow()).await;
        })
        .await;
        let written = task::spawn(async move {
            let mut page = Vec::new();
            let lent = &mut page;
            reveille::write!(lent, "{n} {}", local("two").borrow()).await?;
            reveille::writeln!(page, ", {:?}", Some(3)).await?;
            reveille::writeln!(page).await?;
            reveille::writeln!(io::sink(), "{n}").await?;
            let count = page.len();
            reveille::write!(page, "{count} {}", page.len()).await?;
            io::Result::Ok(page)
        });
        assert_eq!(written.await.unwrap(), b"1 two, Some(3)\n\n16 16");
    }) else {
        return;
    };
    for line in ["1, two", "", "1 four"] {
        half.expect(line);
    }
    let output = half.finish();
    assert!(output.contains("<1 \"rc\"  3 4\n\n1 old 5>\n"), "{output}");
}

/// async-std took the result of the dropped write for that of the next one, and skipped its text.
#[test]
fn write_after_a_dropped_one_is_not_skipped() {
    let Some(half) = start(async {
        let mut stdout = io::stdout();
        for _ in 0..50 {
            let _ = future::poll_once(stdout.write(b"dropped\n")).await;
            stdout.write_all(b"<next>\n").await.unwrap();
        }
        let _ = future::poll_once(stdout.flush()).await;
        stdout.write_all(b"<last>\n").await.unwrap();
        stdout.flush().await.unwrap();
    }) else {
        return;
    };
    let output = half.finish();
    assert_eq!(output.matches("<next>\n").count(), 50, "{output}");
    assert_eq!(output.matches("<last>\n").count(), 1, "{output}");
}

#[test]
fn text_longer_than_a_pipe_arrives_whole() {
    const LEN: usize = 1_000_000;
    let Some(half) = start(async {
        let mut stdout = io::stdout();
        stdout.write_all(&vec![b'#'; LEN]).await.unwrap();
        stdout.flush().await.unwrap();
    }) else {
        return;
    };
    assert_eq!(half.finish().matches('#').count(), LEN);
}

#[test]
fn standard_error_is_written_too() {
    let Some(mut half) = start(async {
        let mut stderr = io::stderr();
        stderr.write_all(b"one\n").await.unwrap();
        writeln!(stderr, "two").await.unwrap();
        reveille::eprintln!("three").await;
    }) else {
        return;
    };
    for line in ["one", "two", "three"] {
        half.expect(line);
    }
    half.finish();
}

#[test]
fn handles_are_send_sync_and_unwind_safe() {
    fn is_all<T: Send + Sync + Unpin + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    is_all::<io::Stdin>();
    is_all::<io::Stdout>();
    is_all::<io::Stderr>();
}
