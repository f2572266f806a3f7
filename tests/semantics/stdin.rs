//! Point 13: handles of standard input. More tests are in `tests/io/stdio.rs`.

use std::fs::File;

use async_std::io::ReadExt as _;
use async_std::task::block_on;
use reveille_tests::child::in_own_process;

use crate::scratch::Scratch;

/// Bytes that one handle has read ahead are available to the other handles.
#[test]
fn point_13_handles_share_the_buffer_of_std() {
    let scratch = Scratch::new();
    let path = scratch.file(b"one\ntwo\nthree\nrest");
    let finished = in_own_process(
        |_| File::open(&path).unwrap().into(),
        || {
            let mut line = String::new();
            block_on(async {
                async_std::io::stdin().read_line(&mut line).await.unwrap();
                assert_eq!(line, "one\n");
            });
            line.clear();
            std::io::stdin().read_line(&mut line).unwrap();
            assert_eq!(line, "two\n");
            line.clear();
            block_on(async {
                async_std::io::stdin().read_line(&mut line).await.unwrap();
                assert_eq!(line, "three\n");
                let mut rest = String::new();
                async_std::io::stdin().read_to_string(&mut rest).await.unwrap();
                assert_eq!(rest, "rest");
            });
        },
    );
    if let Some(finished) = finished {
        assert!(finished.status.success(), "{}\n{}", finished.stdout, finished.stderr);
    }
}
