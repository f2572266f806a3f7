//! Runs `reveille view` on the traces of simulated programs.

mod perfetto;
#[path = "../../trace/tests/synthetic/mod.rs"]
mod synthetic;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use reveille_trace::Trace;
use reveille_watchdog::through_runner;
use serde_json::{Value, json};
use synthetic::{Size, program};

/// A folder of its own for a test, with a trace in it.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new(name: &str, trace: &[u8]) -> Folder {
        let path =
            std::env::temp_dir().join(format!("reveille-view-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("run.trace"), trace).unwrap();
        Folder { path }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Runs the command on the trace.
    fn view(&self, options: &[&str]) -> Output {
        reveille()
            .arg("view")
            .arg("run.trace")
            .args(options)
            .current_dir(&self.path)
            .output()
            .unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn reveille() -> Command {
    through_runner(Path::new(env!("CARGO_BIN_EXE_reveille")))
}

fn stdout(output: &Output) -> &str {
    assert!(output.status.success(), "{}", stderr(output));
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Asserts that the command fails with one line.
fn assert_fails(output: &Output, line: &str) {
    assert_eq!(stderr(output), format!("reveille: {line}\n"));
    assert_eq!(output.status.code(), Some(1));
}

fn middle() -> (Folder, Trace) {
    // Tests run at once, each in a folder of its own.
    let number = std::thread::current().name().unwrap_or("main").replace(':', "-");
    let file = program(Size::MIDDLE).file;
    let trace = Trace::read(&file).unwrap();
    (Folder::new(&number, &file), trace)
}

// ---- The page ----

/// Unpacks the data of a page as its script does: the head, and the numbers of each column.
fn unpack(page: &str) -> (Value, HashMap<String, Vec<u64>>) {
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    let text = rest.split_once("</script>").unwrap().0;
    let digit = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} in base64"),
    };
    let mut packed = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let letters: Vec<u8> = four.iter().filter(|letter| **letter != b'=').copied().collect();
        let word = letters.iter().fold(0_u32, |word, letter| word << 6 | u32::from(digit(*letter)));
        let word = word << (6 * (4 - letters.len()));
        packed.extend(&word.to_be_bytes()[1..letters.len()]);
    }
    let mut all = Vec::new();
    flate2::read::ZlibDecoder::new(&packed[..]).read_to_end(&mut all).unwrap();
    let len = u32::from_le_bytes(all[..4].try_into().unwrap()) as usize;
    let head: Value = serde_json::from_slice(&all[4..4 + len]).unwrap();
    let mut bytes = all[4 + len..].iter().copied();
    let mut columns = HashMap::new();
    for column in head["columns"].as_array().unwrap() {
        let (is_rising, count) = (column[1].as_bool().unwrap(), column[2].as_u64().unwrap());
        let mut before = 0_u64;
        let numbers = (0..count).map(|_| {
            let mut number = 0;
            for shift in (0..).step_by(7) {
                let byte = bytes.next().unwrap();
                number |= u64::from(byte & 127) << shift;
                if byte < 128 {
                    break;
                }
            }
            if is_rising {
                let difference = (number >> 1) as i64 ^ -((number & 1) as i64);
                before = before.wrapping_add(difference as u64);
                number = before;
            }
            number
        });
        columns.insert(column[0].as_str().unwrap().to_owned(), numbers.collect());
    }
    assert_eq!(bytes.next(), None, "bytes after the last column");
    (head, columns)
}

#[test]
fn the_page_is_written_beside_the_trace_with_all_of_it() {
    let (folder, trace) = middle();
    assert_eq!(stdout(&folder.view(&[])), "");
    let page = fs::read_to_string(folder.file("run.html")).unwrap();
    let (head, columns) = unpack(&page);
    assert_eq!(head["program"], "shop");
    assert_eq!(head["threads"].as_array().unwrap().len(), trace.threads.len());
    assert_eq!(head["groups"].as_array().unwrap().len(), trace.groups.len());
    assert_eq!(head["stacks"].as_array().unwrap().len(), trace.stacks.len());
    let starts: Vec<u64> = trace.polls.iter().map(|poll| poll.start).collect();
    assert_eq!(columns["pollStart"], starts);
    let tasks: Vec<u64> = trace.wakes.iter().map(|wake| wake.task.into()).collect();
    assert_eq!(columns["wakeTask"], tasks);
    let froms: Vec<u64> = trace.waits.iter().map(|wait| wait.from).collect();
    assert_eq!(columns["waitFrom"], froms);
    assert_eq!(columns["waitCount"].iter().sum::<u64>(), trace.waits.len() as u64);
    assert_eq!(columns["spanStart"].len(), trace.spans.len());
    let reasons = head["reasons"].as_array().unwrap().len() as u64;
    assert!(columns["waitReason"].iter().all(|reason| *reason < reasons));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let (folder, _) = middle();
    folder.view(&[]);
    let page = fs::read_to_string(folder.file("run.html")).unwrap();
    let (before, rest) = page.split_once("id=\"data\">").unwrap();
    let after = rest.split_once("</script>").unwrap().1;
    let own = before.to_owned() + after;
    for foreign in ["http://", "https://", "src=", "href=", "@import", "url(", "/*SCRIPT*/"] {
        assert!(!own.contains(foreign), "{foreign}");
    }
    let script = after.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
    assert!(script.len() <= 60_000, "{} bytes of script", script.len());
}

#[test]
fn a_page_replaces_an_older_page_and_no_other_file() {
    let (folder, _) = middle();
    stdout(&folder.view(&[]));
    let first = fs::read(folder.file("run.html")).unwrap();
    stdout(&folder.view(&[]));
    assert_eq!(fs::read(folder.file("run.html")).unwrap(), first);
    fs::write(folder.file("run.html"), "<h1>mine</h1>").unwrap();
    assert_fails(
        &folder.view(&[]),
        "run.html is there and is not a page of `reveille view`: name another file with --output",
    );
    assert_eq!(fs::read(folder.file("run.html")).unwrap(), b"<h1>mine</h1>");
    stdout(&folder.view(&["--output", "run.html"]));
    assert_eq!(fs::read(folder.file("run.html")).unwrap(), first);
    let names = fs::read_dir(&folder.path).unwrap().count();
    assert_eq!(names, 2, "a file is left over");
}

// ---- The other forms ----

#[test]
fn the_summary_fits_into_80_columns() {
    for size in [Size::SMALL, Size::MIDDLE, Size::LARGE] {
        let folder = Folder::new(&format!("summary-{}", size.tasks), &program(size).file);
        let output = folder.view(&["--summary"]);
        let text = stdout(&output);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line, line.trim_end());
        }
        assert!(text.starts_with("shop, process 4711, from 2026-09-21 14:13:20 UTC\n"), "{text}");
        for heading in ["Threads ", "Tasks by place ", "What tasks waited for ", "Longest polls\n"]
        {
            assert!(text.contains(&format!("\n\n{heading}")), "{heading}\n{text}");
        }
    }
}

#[test]
fn the_summary_names_tasks_that_wait_forever_and_where() {
    let (folder, _) = middle();
    let output = folder.view(&["--summary"]);
    let text = stdout(&output);
    let begin =
        text.find("× shop::cart::transfer at src/cart.rs:173\n    for a lock, ").expect(text);
    let stack: Vec<_> = text[begin..].lines().skip(2).take(2).map(str::trim).collect();
    let [leaf, own] = *stack else { panic!("{text}") };
    assert_eq!(leaf, "in async_lock::Mutex::lock");
    let own: Vec<_> = own.split_whitespace().collect();
    assert_eq!(own, ["at", "shop::cart::transfer", "src/cart.rs:173:13"]);
}

#[test]
fn the_page_and_the_summary_name_the_same_awaits() {
    let (folder, _) = middle();
    folder.view(&[]);
    let (head, _) = unpack(&fs::read_to_string(folder.file("run.html")).unwrap());
    let awaits = json!([
        ["in", "async_lock::Mutex::lock", ""],
        ["at", "shop::cart::transfer", "src/cart.rs:173:13"],
    ]);
    assert!(head["stacks"].as_array().unwrap().contains(&awaits), "{}", head["stacks"]);
}

#[test]
fn folded_stacks_add_up_to_the_time_waited() {
    let (folder, trace) = middle();
    let output = folder.view(&["--folded"]);
    let mut sum = 0;
    let mut lines = 0;
    for line in stdout(&output).lines() {
        let (frames, us) = line.rsplit_once(' ').unwrap();
        assert!(frames.split(';').count() >= 3, "{line}");
        sum += us.parse::<u64>().unwrap();
        lines += 1;
    }
    let waited: u64 = trace.tasks.iter().map(|task| task.waited).sum();
    assert!((waited / 1_000).abs_diff(sum) <= lines, "{waited} ns and {sum} us");
    let stack = "shop::server::handle at src/server.rs:88;shop::server::handle (src/server.rs:88);\
                 shop::http::read_head (src/server.rs:98);reveille::net::read;\
                 [a socket] ";
    assert!(stdout(&output).contains(stack), "{}", stdout(&output));
}

#[test]
fn the_profile_for_speedscope_adds_up_and_is_consistent() {
    let (folder, trace) = middle();
    stdout(&folder.view(&["--speedscope", "-o", "waited.json"]));
    let profile: Value =
        serde_json::from_slice(&fs::read(folder.file("waited.json")).unwrap()).unwrap();
    assert_eq!(profile["$schema"], "https://www.speedscope.app/file-format-schema.json");
    let frames = profile["shared"]["frames"].as_array().unwrap();
    assert!(frames.iter().all(|frame| frame["name"].is_string()));
    let one = &profile["profiles"][0];
    assert_eq!((&one["type"], &one["unit"]), (&"sampled".into(), &"nanoseconds".into()));
    let numbers = |value: &Value| -> Vec<u64> {
        value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
    };
    let samples = one["samples"].as_array().unwrap();
    let weights = numbers(&one["weights"]);
    assert_eq!(samples.len(), weights.len());
    assert!(samples.iter().flat_map(numbers).all(|frame| frame < frames.len() as u64));
    let waited: u64 = trace.tasks.iter().map(|task| task.waited).sum();
    assert_eq!(weights.iter().sum::<u64>(), waited);
    assert_eq!(one["endValue"], waited);
}

/// By Perfetto's own definitions: a flow for each wake, each slice with its end, and known names.
#[test]
fn perfetto_sees_a_flow_for_each_wake() {
    let (folder, trace) = middle();
    stdout(&folder.view(&["--perfetto", "run.pftrace"]));
    let file = perfetto::read(&fs::read(folder.file("run.pftrace")).unwrap());
    let (mut rows, mut names, mut flows) = (HashSet::new(), HashSet::new(), HashSet::new());
    let (mut ended, mut polls) = (HashSet::new(), 0);
    let mut open: HashMap<u64, i64> = HashMap::new();
    let mut before = 0;
    for packet in file.all("packet") {
        let perfetto::Value::Message(packet) = packet else { panic!("{packet:?}") };
        assert_eq!(packet.number("trusted_packet_sequence_id"), Some(1));
        if let Some(row) = packet.message("track_descriptor") {
            let parent = row.number("parent_uuid");
            assert!(parent.is_none_or(|parent| rows.contains(&parent)), "{row:?}");
            assert!(rows.insert(row.number("uuid").unwrap()), "two rows with one number");
        }
        if let Some(data) = packet.message("interned_data") {
            for name in data.all("event_names") {
                let perfetto::Value::Message(name) = name else { panic!("{name:?}") };
                names.insert(name.number("iid").unwrap());
            }
        }
        let Some(event) = packet.message("track_event") else { continue };
        let at = packet.number("timestamp").unwrap();
        assert!(at >= before, "out of order");
        before = at;
        let row = event.number("track_uuid").unwrap();
        assert!(rows.contains(&row));
        assert!(event.number("name_iid").is_none_or(|name| names.contains(&name)));
        match event.number("type").unwrap() {
            1 => *open.entry(row).or_default() += 1,
            2 => {
                let open = open.get_mut(&row).expect("an end without a begin");
                *open -= 1;
                assert!(*open >= 0, "an end without a begin");
            }
            3 => {}
            other => panic!("type {other}"),
        }
        for flow in event.numbers("flow_ids") {
            assert!(flow != 0 && flows.insert(flow), "a flow begins twice");
        }
        let ends = event.numbers("terminating_flow_ids");
        polls += usize::from(!ends.is_empty());
        for flow in ends {
            assert!(ended.insert(flow), "a flow ends twice");
        }
    }
    assert_eq!(flows.len(), trace.wakes.len());
    assert!(ended.is_subset(&flows) && polls > 1_000, "{} of {}", ended.len(), flows.len());
    assert!(open.values().all(|open| *open == 0), "a slice without an end");
    assert!(rows.len() > trace.tasks.len() + trace.threads.len());
}

// ---- Failures ----

#[test]
fn a_trace_that_is_cut_off_is_shown_with_what_is_missing() {
    let file = program(Size::SMALL).file;
    let folder = Folder::new("cut", &file[..file.len() / 2]);
    let output = folder.view(&["--summary"]);
    let said = "the file has no end: it was cut off while it was written";
    assert!(stdout(&output).contains(&format!("\n\nMissing from the trace\n  {said}\n")));
    assert!(stderr(&output).contains(&format!("reveille: run.trace: {said}\n")));
    stdout(&folder.view(&[]));
    let (head, _) = unpack(&fs::read_to_string(folder.file("run.html")).unwrap());
    assert!(head["missing"].as_array().unwrap().iter().any(|missing| missing == said));
}

#[test]
fn a_file_that_is_not_a_trace_is_refused_in_one_sentence() {
    let folder = Folder::new("foreign", b"# Notes");
    assert_fails(&folder.view(&[]), "cannot read run.trace: this is not a trace of reveille");
    assert!(!folder.file("run.html").exists());
    fs::write(folder.file("run.trace"), "").unwrap();
    assert_fails(&folder.view(&["--folded"]), "cannot read run.trace: the file is empty");
    let mut file = program(Size::SMALL).file;
    file.truncate(40);
    fs::write(folder.file("run.trace"), &file).unwrap();
    assert_fails(
        &folder.view(&[]),
        "cannot read run.trace: the trace has no events that can be read",
    );
    file[8] += 1;
    fs::write(folder.file("run.trace"), &file).unwrap();
    let output = folder.view(&["--summary"]);
    assert!(stderr(&output).starts_with("reveille: cannot read run.trace: the trace has version "));
    assert_eq!(output.status.code(), Some(1));
    assert!(!folder.file("run.html").exists());
    let output = reveille().arg("view").arg(&folder.path).output().unwrap();
    let said = format!("reveille: cannot read {}: ", folder.path.display());
    assert!(stderr(&output).starts_with(&said), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
    fs::remove_file(folder.file("run.trace")).unwrap();
    let output = folder.view(&[]);
    assert!(stderr(&output).starts_with("reveille: cannot read run.trace: "), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = Folder::new("unwritable", &program(Size::SMALL).file);
    let output = folder.view(&["-o", "no/such/folder.html"]);
    assert!(stderr(&output).starts_with("reveille: cannot write no/such/folder.html: "));
    assert_fails(&folder.view(&["-o", "."]), "cannot write .: it is a folder");
    for options in [["-o", "run.trace"], ["--perfetto", "./run.trace"]] {
        let line = format!("{} is the trace itself: name another file", options[1]);
        assert_fails(&folder.view(&options), &line);
    }
    assert!(Trace::read(&fs::read(folder.file("run.trace")).unwrap()).is_ok());
}

// Only on Linux: /dev/full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let folder = Folder::new("full", &program(Size::SMALL).file);
    let output = folder.view(&["-o", "/dev/full"]);
    assert!(stderr(&output).starts_with("reveille: cannot write /dev/full: No space left"));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = reveille();
    command.args(["view", "run.trace", "--summary"]).current_dir(&folder.path).stdout(full);
    let output = command.output().unwrap();
    let said = "reveille: cannot write to the standard output: No space left";
    assert!(stderr(&output).starts_with(said), "{output:?}");
}

#[test]
fn a_reader_that_closes_the_pipe_is_not_an_error() {
    let folder = Folder::new("pipe", &program(Size::MIDDLE).file);
    for form in ["--summary", "--folded", "--speedscope", "--output=-"] {
        let mut command = reveille();
        command.args(["view", "run.trace", form]).current_dir(&folder.path);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it was built");
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""), "{form}");
    }
}

#[test]
fn a_trace_may_come_from_the_standard_input() {
    let (folder, _) = middle();
    let mut command = reveille();
    command.args(["view", "-", "--summary"]);
    command.stdin(fs::File::open(folder.file("run.trace")).unwrap());
    let output = command.output().unwrap();
    assert_eq!(stdout(&output), stdout(&folder.view(&["--summary"])));
}

// ---- The command line ----

#[test]
fn forms_exclude_each_other_and_unknown_options_are_refused() {
    for arguments in [
        &["view", "x", "--summary", "--folded"][..],
        &["view", "x", "--perfetto", "a", "--output", "b"],
        &["view"],
        &["view", "x", "--frobnicate"],
        &["migrate", "a", "b"],
        &["frobnicate"],
        &[],
    ] {
        let output = reveille().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains("Usage: reveille"), "{arguments:?}");
    }
}

#[test]
fn completions_and_manual_pages_know_each_option() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = reveille().args(["completions", shell]).output().unwrap();
        for word in ["migrate", "speedscope", "perfetto"] {
            assert!(stdout(&output).contains(word), "{shell}: {word}");
        }
    }
    let output = reveille().arg("man").output().unwrap();
    assert!(stdout(&output).contains(".TH reveille 1"));
    let folder = Folder::new("man", b"");
    let pages = folder.file("pages");
    let write = |folder: &Path| reveille().arg("man").arg(folder).output().unwrap();
    fs::create_dir(&pages).unwrap();
    stdout(&write(&pages));
    let page = fs::read_to_string(pages.join("reveille-view.1")).unwrap();
    assert!(page.contains("\\-\\-perfetto") && page.contains("\\-\\-summary"), "{page}");
    let output = write(&folder.file("absent"));
    assert!(stderr(&output).starts_with("reveille: cannot write to "), "{output:?}");
}
