//! `io::copy` at positions that do not fit into 32 bits.

// Only on Unix: on other systems a hole may take its room on the disk.
#![cfg(unix)]

use std::io::SeekFrom;

use reveille::io;
use reveille::prelude::*;
use reveille::task;
use reveille_tests::conformance;
use reveille_tests::poll::tcp_pair;
use reveille_tests::scratch::Scratch;

use super::transfers::bytes;

/// Positions have 64 bits, on a processor of 32 bits too. The files are holes except for their end.
async fn a_copy_after_four_gibibytes_changes_no_byte() {
    const AT: SeekFrom = SeekFrom::Start(5 << 30);
    let all = bytes(2 << 20);
    let (source, target) = (Scratch::with(b""), Scratch::with(b""));
    let (mut from, mut to) = (source.update().await, target.update().await);
    from.seek(AT).await.unwrap();
    from.write_all(&all).await.unwrap();
    from.seek(AT).await.unwrap();
    to.seek(AT).await.unwrap();
    assert_eq!(io::copy(&mut from, &mut &to).await.unwrap(), all.len() as u64);
    to.seek(AT).await.unwrap();
    let mut arrived = Vec::new();
    to.read_to_end(&mut arrived).await.unwrap();
    assert!(arrived == all);

    let (socket, mut sink) = tcp_pair().await;
    from.seek(AT).await.unwrap();
    let copying = task::spawn(async move { io::copy(&mut from, &mut &socket).await.unwrap() });
    arrived.clear();
    sink.read_to_end(&mut arrived).await.unwrap();
    assert_eq!(copying.await, all.len() as u64);
    assert!(arrived == all);
}

conformance!(a_copy_after_four_gibibytes_changes_no_byte);
