//! `reveille::path`: std's paths under another type.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::*;
use reveille::path::{Path, PathBuf};
use reveille::stream;
use reveille::task::block_on;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn text_methods_agree_with_std(a in "[./a-c]{0,12}", b in "[./a-c]{0,6}") {
        let (ours, theirs) = (Path::new(&a), std::path::Path::new(&a));
        let as_std = |p: &Path| AsRef::<std::path::Path>::as_ref(p).to_path_buf();
        let back = |p: PathBuf| -> std::path::PathBuf { p.into() };
        prop_assert_eq!(as_std(ours), theirs);
        prop_assert_eq!(ours.parent().map(as_std), theirs.parent().map(Into::into));
        prop_assert_eq!(ours.file_name(), theirs.file_name());
        prop_assert_eq!(ours.file_stem(), theirs.file_stem());
        prop_assert_eq!(ours.extension(), theirs.extension());
        prop_assert_eq!(ours.is_absolute(), theirs.is_absolute());
        prop_assert_eq!(ours.has_root(), theirs.has_root());
        prop_assert_eq!(back(ours.join(&b)), theirs.join(&b));
        prop_assert_eq!(back(ours.with_file_name(&b)), theirs.with_file_name(&b));
        prop_assert_eq!(ours.starts_with(&b), theirs.starts_with(&b));
        prop_assert_eq!(ours.ends_with(&b), theirs.ends_with(&b));
        prop_assert_eq!(ours.strip_prefix(&b).ok().map(as_std),
            theirs.strip_prefix(&b).ok().map(Into::into));
        prop_assert!(ours.components().eq(theirs.components()));
        prop_assert!(ours.components().rev().eq(theirs.components().rev()));
        prop_assert!(ours.iter().eq(theirs.iter()));
        prop_assert_eq!(ours.ancestors().map(as_std).collect::<Vec<_>>(),
            theirs.ancestors().map(Into::into).collect::<Vec<std::path::PathBuf>>());
        prop_assert_eq!(format!("{:?}", ours.iter()), format!("{:?}", theirs.iter()));
        prop_assert_eq!(ours.cmp(Path::new(&b)), theirs.cmp(std::path::Path::new(&b)));
    }

    #[test]
    fn changes_agree_with_std(a in "[./a-c]{0,12}", b in "[./a-c]{0,6}", e in "[a-c]{0,3}") {
        let (mut ours, mut theirs) = (PathBuf::from(&a), std::path::PathBuf::from(&a));
        ours.push(&b);
        theirs.push(&b);
        prop_assert_eq!(ours.set_extension(&e), theirs.set_extension(&e));
        prop_assert_eq!(ours.as_os_str(), theirs.as_os_str());
        ours.set_file_name(&e);
        theirs.set_file_name(&e);
        prop_assert_eq!(ours.pop(), theirs.pop());
        prop_assert_eq!(ours.into_os_string(), theirs.into_os_string());
    }
}

#[test]
fn every_pointer_to_a_path_keeps_its_text() {
    let path = Path::new("/etc/hosts");
    let boxed: Box<Path> = path.into();
    let arc: Arc<Path> = path.into();
    let rc: Rc<Path> = path.into();
    let cow: Cow<'_, Path> = path.into();
    assert_eq!(&*boxed.clone(), path);
    assert_eq!(&*Arc::clone(&arc), path);
    assert_eq!(&*Rc::clone(&rc), path);
    assert_eq!(cow, path);

    let owned = path.to_path_buf();
    assert_eq!(&*Box::<Path>::from(owned.clone()), path);
    assert_eq!(&*Arc::<Path>::from(owned.clone()), path);
    assert_eq!(&*Rc::<Path>::from(owned.clone()), path);
    assert_eq!(Cow::from(&owned), path);
    assert_eq!(PathBuf::from(boxed), owned);
    assert_eq!(OsString::from(owned.clone()), "/etc/hosts");
    assert_eq!("/etc/hosts".parse::<PathBuf>(), Ok(owned));
}

#[test]
fn paths_compare_with_the_strings_of_the_system() {
    let path = PathBuf::from("a/b");
    assert!(path == *OsStr::new("a/b") && path == OsString::from("a//b"));
    assert!(*Path::new("a/c") > *OsStr::new("a/b"));
    assert!(OsStr::new("a/./b") == path.as_path());
}

#[test]
fn a_path_is_found_by_its_borrowed_form() {
    let set = HashSet::from([PathBuf::from("/etc")]);
    assert!(set.contains(Path::new("/etc")));
    assert!(!set.contains(Path::new("/tmp")));
}

#[test]
fn the_parts_of_a_stream_make_a_path() {
    block_on(async {
        let mut path = PathBuf::from("/usr");
        stream::extend(&mut path, stream::from_iter(["share", "doc"])).await;
        assert_eq!(path, PathBuf::from_iter(["/", "usr", "share", "doc"]));
    });
}

#[test]
fn the_file_system_is_asked() {
    block_on(async {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let manifest = here.join("Cargo.toml");
        assert!(here.is_dir().await && !here.is_file().await);
        assert!(manifest.is_file().await && manifest.exists().await);
        assert!(manifest.metadata().await.unwrap().len() > 0);
        assert!(manifest.symlink_metadata().await.is_ok());
        assert!(here.read_dir().await.is_ok());
        assert!(manifest.read_link().await.is_err());
        assert!(here.join("../no-such-thing").canonicalize().await.is_err());
        assert!(!here.join("no-such-thing").try_exists().await.unwrap());
    });
}
