//! What files of Windows have and others have not: share modes, flags, long and verbatim paths.

use std::os::windows::fs::MetadataExt as _;

use reveille::fs::{self, File, OpenOptions};
use reveille::io;
use reveille::os::windows::fs::OpenOptionsExt as _;
use reveille::path::PathBuf;
use reveille::prelude::*;
use reveille::task;
use reveille_tests::scratch::Scratch;

const ERROR_SHARING_VIOLATION: i32 = 32;
const FILE_ATTRIBUTE_READONLY: u32 = 1;
const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
const FILE_SHARE_READ: u32 = 1;
const GENERIC_READ: u32 = 0x8000_0000;
const DELETE: u32 = 0x0001_0000;

async fn a_share_mode_keeps_others_out_until_the_file_is_closed() {
    let scratch = Scratch::with(b"shared");
    let alone = OpenOptions::new().read(true).share_mode(0).open(scratch.path()).await.unwrap();
    let error = File::open(scratch.path()).await.unwrap_err();
    assert_eq!(io::raw_os_error(&error), Some(ERROR_SHARING_VIOLATION), "{error}");
    assert!(error.to_string().contains("reveille-scratch"), "{error}");
    drop(alone);
    // A thread of the pool closes it.
    while File::open(scratch.path()).await.is_err() {
        task::yield_now().await;
    }
    let mut options = OpenOptions::new();
    let _reads = options.read(true).share_mode(FILE_SHARE_READ).open(scratch.path()).await.unwrap();
    assert_eq!(fs::read(scratch.path()).await.unwrap(), b"shared");
    let error = OpenOptions::new().write(true).open(scratch.path()).await.unwrap_err();
    assert_eq!(io::raw_os_error(&error), Some(ERROR_SHARING_VIOLATION), "{error}");
}

async fn access_flags_and_attributes_reach_the_system() {
    let scratch = Scratch::with(b"deleted when it is closed");
    let mut options = OpenOptions::new();
    options.access_mode(GENERIC_READ | DELETE).custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
    let mut file = options.open(scratch.path()).await.unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "deleted when it is closed");
    assert!(file.write_all(b"x").await.is_err() || file.flush().await.is_err(), "it only reads");
    drop(file);
    while scratch.0.exists() {
        task::yield_now().await;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).attributes(FILE_ATTRIBUTE_READONLY);
    drop(options.open(scratch.path()).await.unwrap());
    let metadata = fs::metadata(scratch.path()).await.unwrap();
    assert_eq!(metadata.file_attributes() & FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_READONLY);
    let mut permissions = metadata.permissions();
    #[allow(clippy::permissions_set_readonly_false, reason = "Windows has this bit only")]
    permissions.set_readonly(false);
    fs::set_permissions(scratch.path(), permissions).await.unwrap();
}

async fn a_path_may_be_long_and_verbatim() {
    const LEVELS: usize = 12;
    let scratch = Scratch::new();
    let mut folder = PathBuf::from(scratch.0.clone());
    for _ in 0..LEVELS {
        folder.push("a folder whose name has forty characters");
    }
    assert!(folder.as_os_str().len() > 260, "more than Windows takes without a prefix");
    fs::create_dir_all(&folder).await.unwrap();
    let file = folder.join("file.txt");
    fs::write(&file, b"far below").await.unwrap();
    // As `canonicalize` returns it, which wine refuses for a long path (program `wine_faults`).
    let temp = fs::canonicalize(std::env::temp_dir()).await.unwrap();
    assert!(temp.to_str().unwrap().starts_with(r"\\?\"), "{temp:?}");
    let verbatim = PathBuf::from(format!(r"\\?\{}", file.display()));
    assert_eq!(fs::read(&verbatim).await.unwrap(), b"far below");
    let moved = verbatim.with_file_name("moved.txt");
    fs::rename(&verbatim, &moved).await.unwrap();
    let names: Vec<_> = fs::read_dir(&folder).await.unwrap().collect().await;
    let names: Vec<_> = names.into_iter().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["moved.txt"]);
    assert!(fs::metadata(&file).await.is_err());
    fs::remove_dir_all(scratch.path()).await.unwrap();
}

reveille_tests::conformance!(
    a_share_mode_keeps_others_out_until_the_file_is_closed,
    access_flags_and_attributes_reach_the_system,
    a_path_may_be_long_and_verbatim,
);
