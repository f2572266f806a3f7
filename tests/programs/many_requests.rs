//! The example `many_requests`, end to end: its output, the order of its lines, and the text of
//! each failure.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
#[cfg(unix)]
use std::process::Command;
use std::process::Stdio;
use std::thread;

use reveille_tests::programs::{self, Finished};
use reveille_trace::Trace;

fn many_requests(arguments: &[&str]) -> Finished {
    programs::finish(programs::command("many_requests").args(arguments))
}

/// Returns the lines of the single requests, which come before the first empty line.
fn request_lines(finished: &Finished) -> Vec<&str> {
    finished.stdout.lines().take_while(|line| !line.is_empty()).collect()
}

/// Starts a server that answers each connection by `answer`, until the test program ends.
fn server(answer: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || listener.incoming().flatten().for_each(answer);
    thread::Builder::new().spawn(serve).unwrap();
    address
}

fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        request.push(byte[0]);
    }
}

fn answer_well(mut stream: TcpStream) {
    read_request(&mut stream);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

fn close_at_once(mut stream: TcpStream) {
    read_request(&mut stream);
}

fn close_inside_the_body(mut stream: TcpStream) {
    read_request(&mut stream);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
}

fn speak_another_protocol(mut stream: TcpStream) {
    read_request(&mut stream);
    let _ = stream.write_all(b"220 mail ready\r\n");
}

#[test]
fn embedded_server_answers_in_the_order_of_the_list() {
    for mode in [&["--local"][..], &["--threads", "2"], &["--threads", "1"], &[]] {
        let finished = many_requests(mode);
        assert!(finished.status.success(), "{mode:?}: {}", finished.stderr);
        assert_eq!(finished.stderr, "", "{mode:?}");
        let lines = request_lines(&finished);
        assert_eq!(lines.len(), 10, "{mode:?}");
        let expected = ["200 B", "5,000 B", "100,000 B", "30,000 B", "40,000 B", "1,000,000 B"];
        for (line, bytes) in lines.iter().zip(expected) {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[0], "200", "{line}");
            assert_eq!(format!("{} {}", words[1], words[2]), bytes, "{line}");
        }
        assert!(finished.stdout.contains("10 of 10 fetched; "), "{}", finished.stdout);
        assert!(finished.stdout.contains("█ polled"), "{}", finished.stdout);
        let is_short = |line: &str| line.chars().count() <= 80;
        assert!(finished.stdout.lines().all(is_short), "{}", finished.stdout);
    }
}

#[test]
fn each_failure_is_one_line_with_url_and_cause_and_the_others_complete() {
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // The listener never accepts: the connection is established, but no answer comes.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    // No name may have a part this long, so no query is sent.
    let nameless = format!("{}.invalid", "x".repeat(70));
    let url = |address: SocketAddr| format!("http://{address}/");
    let good = url(server(answer_well));
    let cases = [
        (good.clone(), "200           5 B".to_owned()),
        (url(refused), format!("/: could not connect to `{refused}`: ")),
        (
            format!("http://{nameless}/"),
            format!("/: could not resolve address `(\"{nameless}\", 80)`: "),
        ),
        ("nonsense".into(), "malformed URL: it does not start with http://".into()),
        ("https://127.0.0.1/".into(), "malformed URL: only http:// is supported".into()),
        (url(server(close_at_once)), "closed the connection without an answer".into()),
        (url(server(close_inside_the_body)), "after 5 of 100 bytes of the body".into()),
        (url(server(speak_another_protocol)), "not an HTTP answer: the status line".into()),
        (
            url(silent.local_addr().unwrap()),
            "timed out after 1.5 s waiting for the head of the answer".into(),
        ),
        (good, "200           5 B".to_owned()),
    ];
    for mode in ["--local", "--threads=2"] {
        let mut arguments = vec![mode, "--timeout", "1.5"];
        arguments.extend(cases.iter().map(|(url, _)| url.as_str()));
        let finished = many_requests(&arguments);
        assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
        let lines = request_lines(&finished);
        assert_eq!(lines.len(), cases.len(), "{}", finished.stdout);
        for (line, (url, cause)) in lines.iter().zip(&cases) {
            assert!(line.contains(url.as_str()) && line.contains(cause.as_str()), "{line}");
        }
        assert!(finished.stdout.contains("2 of 10 fetched, 8 failed; 10 bytes"));
        // The run takes longer than a second, but not on a terminal, so there is no bar and no
        // colour.
        assert_eq!(finished.stderr, "");
        assert!(!finished.stdout.contains('\u{1b}'));
    }
}

#[test]
fn a_request_that_panics_is_one_line_and_the_others_complete() {
    for mode in ["--local", "--threads=1", "--threads=2"] {
        let finished = many_requests(&[mode, "--panic-at", "3", "--concurrency", "2"]);
        assert_eq!(finished.status.code(), Some(1), "{mode}: {}", finished.stderr);
        let lines = request_lines(&finished);
        assert_eq!(lines.len(), 10, "{mode}: {}", finished.stdout);
        for (index, line) in lines.iter().enumerate() {
            let is_faulty = line.trim_start().starts_with("failed");
            assert_eq!(is_faulty, index == 3, "{mode}: {line}");
        }
        let cause = "/delay/50/chunked/30000: the request's task panicked: requested by --panic-at";
        assert!(lines[3].ends_with(cause), "{mode}: {}", lines[3]);
        assert!(finished.stdout.contains("9 of 10 fetched, 1 failed; "), "{}", finished.stdout);
    }
}

#[test]
fn a_url_cannot_break_the_line_it_is_named_on() {
    let finished = many_requests(&["http://127.0.0.1/\nHost: elsewhere"]);
    assert_eq!(finished.status.code(), Some(1));
    let lines = request_lines(&finished);
    assert_eq!(lines.len(), 1, "{}", finished.stdout);
    assert!(lines[0].contains("malformed URL"), "{}", finished.stdout);
}

#[test]
fn an_answer_of_404_is_an_answer() {
    fn not_here(mut stream: TcpStream) {
        read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    }
    let url = format!("http://{}/gone", server(not_here));
    let finished = many_requests(&[&url]);
    assert!(finished.status.success());
    assert!(request_lines(&finished)[0].trim_start().starts_with("404"));
}

#[test]
fn urls_are_requested_again_and_again() {
    let urls = [0, 1].map(|_| format!("http://{}/", server(answer_well)));
    let finished = many_requests(&["--requests", "5", &urls[0], &urls[1]]);
    let lines = request_lines(&finished);
    let named: Vec<bool> = lines.iter().map(|line| line.ends_with(&urls[0])).collect();
    assert_eq!(named, [true, false, true, false, true]);
}

#[test]
fn options_out_of_bounds_are_refused() {
    for arguments in [
        &["--requests", "0"][..],
        &["--concurrency", "0"],
        &["--threads", "0"],
        // A runtime has 512 workers at most. The program refuses more, so the runtime does not
        // panic.
        &["--threads", "513"],
        &["--timeout", "0"],
        &["--timeout", "soon"],
        &["--local", "--threads", "2"],
    ] {
        let finished = many_requests(arguments);
        assert_eq!(finished.status.code(), Some(2), "{arguments:?}");
        assert!(finished.stderr.starts_with("error: "), "{arguments:?}: {}", finished.stderr);
    }
}

#[test]
fn timeline_has_a_row_for_each_request() {
    for count in [3, 300] {
        let path = format!("{}/timeline-{count}.svg", env!("CARGO_TARGET_TMPDIR"));
        let finished =
            many_requests(&["--requests", &count.to_string(), "--timeline", path.as_str()]);
        assert!(finished.status.success(), "{}", finished.stderr);
        assert!(finished.stdout.ends_with(&format!("timeline: {path}\n")));
        let svg = std::fs::read_to_string(&path).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("<g>").count(), count);
        for tag in ["g", "title", "text"] {
            let opened =
                svg.matches(&format!("<{tag}>")).count() + svg.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, svg.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}

/// The chart comes from the same recording, so the polls of each request are in it.
#[test]
fn a_trace_has_each_request_as_a_task_with_its_name_and_its_steps() {
    for (mode, number) in [("--local", 1), ("--threads=2", 2)] {
        let path = format!("{}/requests-{number}.rvt", env!("CARGO_TARGET_TMPDIR"));
        let finished = many_requests(&[mode, "--trace", &path]);
        assert!(finished.status.success(), "{}", finished.stderr);
        assert!(finished.stdout.ends_with(&format!("trace: {path}\n")), "{}", finished.stdout);
        let trace = Trace::read(&std::fs::read(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        for request in 1..=10 {
            let name = format!("request {request}");
            let mut tasks = trace.tasks.iter();
            let task = tasks.position(|task| trace.text(task.name) == name).expect(&name) as u32;
            assert!(trace.polls_of(task).count() >= 1, "{name}");
            let marks = trace.marks.iter().filter(|mark| mark.task == task);
            let steps: Vec<&str> = marks.map(|mark| trace.text(mark.name)).collect();
            assert_eq!(steps, ["name", "connect", "write", "head", "body"], "{name}");
        }
    }
}

#[test]
fn a_trace_that_cannot_be_written_is_an_error_that_names_it() {
    let finished = many_requests(&["--requests", "1", "--trace", "/nowhere/at/all.rvt"]);
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.stderr.contains("/nowhere/at/all.rvt"), "{}", finished.stderr);
}

#[test]
fn a_timeline_that_cannot_be_written_is_an_error_that_names_it() {
    let finished = many_requests(&["--requests", "1", "--timeline", "/nowhere/at/all.svg"]);
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.stderr.contains("/nowhere/at/all.svg"), "{}", finished.stderr);
}

/// Runs the program under a limit on open descriptors, which a shell sets.
#[cfg(unix)]
fn limited(limit: &str, arguments: &str) -> Finished {
    let program = programs::shell_words("many_requests");
    let line = format!("{limit} && exec {program} {arguments}");
    programs::finish(Command::new("sh").args(["-c", &line]))
}

// Only on Unix: a limit on descriptors.
#[cfg(unix)]
#[test]
fn a_soft_limit_on_descriptors_is_raised() {
    let finished = limited("ulimit -Sn 256", "--requests 2000 --concurrency 400 --timeout 60");
    assert!(finished.status.success(), "{}{}", finished.stdout, finished.stderr);
    assert_eq!(finished.stderr, "");
    assert!(finished.stdout.contains("2,000 of 2,000 fetched; "));
    assert!(finished.stdout.contains("400 at a time"));
}

// Only on Unix: a limit on descriptors.
#[cfg(unix)]
#[test]
fn a_hard_limit_on_descriptors_lowers_the_concurrency_and_says_so() {
    // Each thread has descriptors of its own, which no connection can have.
    for (mode, possible) in [("--local", 96), ("--threads 2", 94), ("--threads 60", 36)] {
        let arguments = format!("{mode} --requests 1000 --concurrency 500 --timeout 60");
        let finished = limited("ulimit -n 256", &arguments);
        assert!(finished.status.success(), "{}{}", finished.stdout, finished.stderr);
        let note = format!(
            "note: 256 descriptors are allowed here, which is enough for {possible} requests at a \
             time, not 500\n"
        );
        assert_eq!(finished.stderr, note);
        assert!(finished.stdout.contains("1,000 of 1,000 fetched; "));
    }
}

#[test]
fn a_reader_that_closes_the_output_early_is_no_error() {
    let mut command = programs::command("many_requests");
    command.args(["--requests", "3000"]).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    // The reader is dropped with the rest.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.ends_with('\n'), "{line}");
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(errors, "");
    assert!(child.wait().unwrap().success());
}

/// Runs the program with a terminal for its standard error and returns what was drawn there.
#[cfg(target_os = "linux")]
fn on_a_terminal(arguments: &[&str]) -> String {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let here = openpt(flags).unwrap();
    grantpt(&here).unwrap();
    unlockpt(&here).unwrap();
    let terminal = ioctl_tiocgptpeer(&here, flags).unwrap();
    let mut command = programs::command("many_requests");
    command.args(arguments).env("TERM", "xterm").env_remove("NO_COLOR");
    let mut child = command.stdout(Stdio::null()).stderr(terminal).spawn().unwrap();
    // The command holds a copy of the terminal, which would keep the terminal open.
    drop(command);
    let mut drawn = Vec::new();
    // Where the last one has closed a terminal, reading is an error and not an end.
    let _ = File::from(here).read_to_end(&mut drawn);
    child.wait().unwrap();
    String::from_utf8_lossy(&drawn).into_owned()
}

/// The listener never accepts, so the request waits until its time limit.
// Only on Linux: it makes a terminal.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_a_bar_once_the_run_takes_longer_than_a_second() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = format!("http://{}/", silent.local_addr().unwrap());
    let fast = format!("http://{}/", server(answer_well));
    for mode in ["--local", "--threads=2"] {
        let drawn = on_a_terminal(&[mode, "--timeout", "2", &fast, &slow]);
        assert!(drawn.contains("1/2"), "{drawn:?}");
        assert_eq!(on_a_terminal(&[mode, "--timeout", "0.1", &fast, &slow]), "");
    }
}
