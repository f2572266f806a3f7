//! Files that a test makes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use reveille::fs::{File, OpenOptions};
use reveille::path::Path;

/// A path in the temporary directory that belongs to this test. The file or folder is removed when
/// this is dropped.
#[derive(Debug)]
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// A path that does not exist yet.
    pub fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("reveille-scratch-{}-{count}", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }

    /// A file with these contents.
    ///
    /// # Panics
    ///
    /// Panics if the temporary directory refuses it.
    pub fn with(contents: &[u8]) -> Scratch {
        let scratch = Scratch::new();
        std::fs::write(&scratch.0, contents).expect("the temporary directory is writable");
        scratch
    }

    /// The path as reveille's type.
    pub fn path(&self) -> &Path {
        self.0.as_path().into()
    }

    /// Returns the contents of the file.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be read.
    pub fn contents(&self) -> Vec<u8> {
        std::fs::read(&self.0).expect("the file is there")
    }

    /// Opens the file for reading.
    ///
    /// # Panics
    ///
    /// Panics if that fails.
    pub async fn open(&self) -> File {
        File::open(self.path()).await.expect("the file can be opened")
    }

    /// Opens the file for writing, and creates it or makes it empty.
    ///
    /// # Panics
    ///
    /// Panics if that fails.
    pub async fn create(&self) -> File {
        File::create(self.path()).await.expect("the file can be created")
    }

    /// Opens the file for reading and writing, and creates it if it does not exist.
    ///
    /// # Panics
    ///
    /// Panics if that fails.
    pub async fn update(&self) -> File {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        options.open(self.path()).await.expect("the file can be opened")
    }
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Most tests make a file, some a folder, and some nothing.
        let _ = std::fs::remove_file(&self.0).or_else(|_| std::fs::remove_dir_all(&self.0));
    }
}
