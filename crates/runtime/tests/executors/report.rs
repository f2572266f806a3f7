//! Without a hook, a panic that no code awaits is reported in one line on standard error.

use reveille_runtime::{Runtime, task};

use crate::child;

#[test]
fn without_a_hook_a_panic_is_one_line_on_standard_error() {
    let line = line!() + 4;
    let output = child::run(|| {
        let runtime = Runtime::start().unwrap();
        runtime.block_on(async {
            drop(task::spawn_named(Some("fragile".into()), async { panic!("alone") }));
            drop(task::spawn_named(Some("awaited".into()), async {}));
        });
        // The shutdown waits for the poll.
        assert_eq!(runtime.block_on(runtime.spawn(async { 5 })), 5);
        drop(runtime);
    });
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let reports: Vec<_> = stderr.lines().filter(|line| line.contains("nobody awaits")).collect();
    println!("{reports:?}");
    let [report] = reports[..] else { panic!("one report, not {reports:?}") };
    assert!(report.starts_with("task "), "{report}");
    let told = format!("'fragile', spawned at {}:{line}:", file!());
    assert!(report.contains(&told), "`{told}` is not in {report}");
    assert!(report.ends_with("panicked and nobody awaits it: alone"), "{report}");
}
