//! The files of a simulated machine. A machine has a folder of its own, in memory, for what the
//! program writes. The program sees that folder as an overlay over the files of the real machine,
//! which it can read but not change: a file that it opens for writing is copied first. Temporary
//! folders are empty at first. `/proc`, `/sys` and `/dev` are those of the system.
//!
//! The operations are the kernel's, so their errors are genuine. Around them,
//!
//! * an operation takes a drawn time, during which other threads run;
//! * `disk/data.rs` and `disk/names.rs` record what was changed and not synced, for a crash;
//! * `disk/sockets.rs` has the names of Unix sockets;
//! * times, inode numbers and devices are replaced by ones that are the same in each run
//!   (`disk/metadata.rs`).
//!
//! # Invariants
//! 1. Only the thread with the baton holds the lock of [`DISKS`], and not while it waits. So the
//!    lock is never contended, and taking it is not a step of the simulation.
//! 2. Inside [`unobserved`], the functions of `files.rs` are the original ones. So this module may
//!    use `std::fs`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr, c_int};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::thread::{Thread, me};
use super::world;
use crate::disk::Disk;
use data::{Fate, Files};
use names::{Names, Replaced, Roots};

mod data;
mod metadata;
mod names;
mod sockets;

pub(super) use data::Change as DataChange;
pub(super) use metadata::{attributes, now};
pub(super) use names::Change as NameChange;
pub(super) use sockets::{SocketName, socket_address};

/// The time of an operation on cached data, in nanoseconds.
const CACHED_NS: u64 = 1_000;

/// One read or write in this many has to wait for the disk.
const PER_MISS: u64 = 8;

/// The unit in which probabilities are drawn.
const PROBABILITY_UNIT: u64 = 1 << 20;

/// Folders that belong to the system.
const SYSTEM: [&[u8]; 3] = [b"/proc", b"/sys", b"/dev"];

/// Folders that are empty at first on a simulated machine.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

thread_local! {
    static IS_UNOBSERVED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `access` with the original functions (invariant 2).
pub(super) fn unobserved<R>(access: impl FnOnce() -> R) -> R {
    let before = IS_UNOBSERVED.replace(true);
    let result = access();
    IS_UNOBSERVED.set(before);
    result
}

/// Whether the calling thread is inside [`unobserved`], where it must not wait.
pub(super) fn is_unobserved() -> bool {
    IS_UNOBSERVED.get()
}

/// The calling thread, if its file operations are simulated.
pub(super) fn observed() -> Option<&'static Thread> {
    if is_unobserved() || world::is_entered() { None } else { me() }
}

static DISKS: Mutex<BTreeMap<usize, Machine>> = Mutex::new(BTreeMap::new());

fn disks() -> MutexGuard<'static, BTreeMap<usize, Machine>> {
    DISKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The files of one machine.
#[derive(Debug)]
pub(super) struct Machine {
    disk: Disk,
    roots: Roots,
    used: u64,
    files: Files,
    names: Names,
    /// The program's addresses of Unix sockets. The system knows them by their places here.
    sockets: Vec<Vec<u8>>,
}

/// Accesses the files of the calling thread's machine.
pub(super) fn with<R>(me: &Thread, access: impl FnOnce(&mut Machine) -> R) -> R {
    let host = world::host_of(me);
    unobserved(|| access(disks().entry(host).or_insert_with(|| Machine::new(host))))
}

/// The folder for all files of this process.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = crate::child::disk_folder(std::process::id());
        // A process that was killed had the same number, and nobody has removed its files.
        let _ = unobserved(|| fs::remove_dir_all(&folder));
        folder
    })
}

/// Removes the files of this process.
pub(super) fn remove_all() {
    // There are none if no machine was used.
    let _ = unobserved(|| fs::remove_dir_all(folder()));
}

/// The device on which the files of this process are; 0 before there are any.
fn device() -> u64 {
    static DEVICE: OnceLock<u64> = OnceLock::new();
    if let Some(&device) = DEVICE.get() {
        return device;
    }
    // If the lock is held, this is a call inside `with`, so there is a machine (invariant 1).
    if DISKS.try_lock().is_ok_and(|disks| disks.is_empty()) {
        return 0;
    }
    let found = unobserved(|| fs::metadata(folder()).map_or(0, |metadata| metadata.dev()));
    *DEVICE.get_or_init(|| found)
}

impl Machine {
    fn new(host: usize) -> Machine {
        let folder = folder().join(host.to_string());
        let (tree, graveyard) = (folder.join("t"), folder.join("g"));
        let roots = Roots { tree, graveyard, sockets: folder.join(sockets::FOLDER) };
        let made = fs::create_dir_all(&roots.tree)
            .and_then(|()| fs::create_dir(&roots.graveyard))
            .and_then(|()| fs::create_dir(&roots.sockets));
        if let Err(error) = made {
            super::say(&format!(
                "reveille-sim: the folder {} for the files of a simulation: {error}\n",
                folder.display()
            ));
        }
        for folder in temporary_folders() {
            // Without the folder, creating a file there fails, and the program gets that error.
            let _ = fs::create_dir_all(roots.real(folder));
        }
        let (files, names) = (Files::default(), Names::default());
        Machine { disk: Disk::new(), roots, used: 0, files, names, sockets: Vec::new() }
    }

    /// Whether the path exists in the machine's own folder.
    fn has(&self, path: &Path) -> bool {
        fs::symlink_metadata(self.roots.real(path)).is_ok()
    }

    /// Whether the program sees something at a path.
    pub(super) fn exists(&self, path: &Path) -> bool {
        self.has(path) || self.is_outside(path)
    }

    /// Whether the program sees the real machine's file at a path.
    fn shows(&self, path: &Path) -> bool {
        let is_temporary = temporary_folders().iter().any(|folder| path.starts_with(folder));
        !is_temporary && !path.ancestors().any(|it| self.names.hidden.contains(it))
    }

    /// The real path for the program's path, for an operation that only reads.
    fn readable(&self, path: &Path) -> PathBuf {
        if self.is_outside(path) { path.to_owned() } else { self.roots.real(path) }
    }

    /// The real path for the program's path, for an operation that creates or removes it. Creates
    /// its directory if the program sees one.
    fn writable(&self, path: &Path) -> PathBuf {
        if let Some(parent) = path.parent()
            && !self.has(parent)
            && self.shows(parent)
            && parent.is_dir()
        {
            // If this fails, so does the operation.
            let _ = fs::create_dir_all(self.roots.real(parent));
        }
        self.roots.real(path)
    }

    /// Like [`Machine::writable`], for an operation on the file itself. A file of the real machine
    /// is copied first.
    fn changeable(&self, path: &Path) -> PathBuf {
        let real = self.writable(path);
        if !self.has(path) && self.shows(path) && path.is_file() {
            // If this fails, the operation does not find the file.
            let _ = fs::copy(path, &real);
        }
        real
    }

    /// Whether the path is one of the real machine only.
    pub(super) fn is_outside(&self, path: &Path) -> bool {
        !self.has(path) && self.shows(path) && fs::symlink_metadata(path).is_ok()
    }

    /// Returns how many of `growth` more bytes fit on the disk.
    pub(super) fn room(&self, growth: u64) -> u64 {
        let left = self.disk.full_at.map_or(u64::MAX, |full| full.saturating_sub(self.used));
        growth.min(left)
    }

    /// Records a change of the contents of an open file, which had the length `before`.
    pub(super) fn change(&mut self, fd: c_int, before: u64, change: DataChange) {
        let Some(Status { inode, len }) = status(fd) else { return };
        self.used = (self.used + len).saturating_sub(before);
        let contents = || fs::read(format!("/proc/self/fd/{fd}")).unwrap_or_default();
        // The change is already part of the contents of an unknown file. A file is known if the
        // program has created it, so this one is a copy of a file of the real machine.
        self.files.file(inode, contents).add(change);
    }

    /// Records the contents of a file before its first change.
    pub(super) fn know(&mut self, fd: c_int) {
        if let Some(Status { inode, .. }) = status(fd) {
            let contents = || fs::read(format!("/proc/self/fd/{fd}")).unwrap_or_default();
            let _ = self.files.file(inode, contents);
        }
    }

    pub(super) fn sync_file(&mut self, fd: c_int) {
        if let Some(Status { inode, .. }) = status(fd) {
            self.files.sync(inode);
        }
    }

    pub(super) fn sync_failed(&mut self, fd: c_int) {
        if let Some(Status { inode, .. }) = status(fd) {
            self.files.forget_changes(inode);
        }
    }

    /// Syncs a directory that is open.
    pub(super) fn sync_dir(&mut self, fd: c_int) {
        if let Some(path) = path_of(fd) {
            let dir = self.virtual_path(&path);
            self.names.sync_dir(&dir, &self.roots);
        }
    }

    pub(super) fn sync_all(&mut self) {
        self.files.sync_all();
        self.names.sync_all(&self.roots);
    }

    /// The path that the program has for a file of the system.
    pub(super) fn virtual_path(&self, real: &Path) -> PathBuf {
        match real.strip_prefix(&self.roots.tree) {
            Ok(rest) => Path::new("/").join(rest),
            Err(_) => real.to_owned(),
        }
    }

    /// The target of a symbolic link, in the form in which the kernel finds it.
    pub(super) fn link_target(&self, target: &Path) -> PathBuf {
        if target.is_absolute() && !is_of_system(target) {
            return self.roots.real(target);
        }
        target.to_owned()
    }

    /// Removes a file. The caller has found that it is not a directory.
    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        if self.has(path) {
            let grave = self.names.new_grave();
            let real = self.roots.real(path);
            self.release(&real);
            fs::rename(real, self.roots.grave(grave))?;
            self.add_name(NameChange::Remove { path: path.to_owned(), grave });
        }
        self.hide(path);
        Ok(())
    }

    /// Frees the space of a file whose last name is removed.
    fn release(&mut self, real: &Path) {
        if let Ok(metadata) = fs::symlink_metadata(real)
            && metadata.is_file()
            && metadata.nlink() == 1
        {
            self.used = self.used.saturating_sub(metadata.len());
        }
    }

    /// Hides the real machine's file at a path, if there is one.
    pub(super) fn hide(&mut self, path: &Path) {
        if self.shows(path) && fs::symlink_metadata(path).is_ok() {
            self.names.hidden.insert(path.to_owned());
            self.names.add(NameChange::Hide { path: path.to_owned() });
        }
    }

    /// Renames a file or directory.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if self.is_outside(from) && from.is_dir() {
            // An overlay file system returns this error too.
            return Err(io::Error::from_raw_os_error(libc::EXDEV));
        }
        let (real_from, real_to) = (self.changeable(from), self.writable(to));
        let is_dir = fs::symlink_metadata(&real_from).is_ok_and(|metadata| metadata.is_dir());
        let replaced = match fs::symlink_metadata(&real_to) {
            // Both are the same file, so nothing happens.
            Ok(_) if real_from == real_to => return fs::rename(real_from, real_to),
            Ok(metadata) if metadata.is_dir() => Replaced::Dir,
            Ok(_) => {
                let grave = self.names.new_grave();
                fs::hard_link(&real_to, self.roots.grave(grave))?;
                Replaced::File { grave }
            }
            Err(_) => Replaced::Nothing,
        };
        if let Err(error) = fs::rename(real_from, real_to) {
            if let Replaced::File { grave } = replaced {
                let _ = fs::remove_file(self.roots.grave(grave));
            }
            return Err(error);
        }
        if let Replaced::File { grave } = replaced {
            let grave = self.roots.grave(grave);
            self.release(&grave);
        }
        self.hide(from);
        let (from, to) = (from.to_owned(), to.to_owned());
        self.add_name(NameChange::Rename { from, to, replaced, is_dir });
        Ok(())
    }

    /// Makes a directory or a symbolic link, or gives a file another name. `make` does it, and gets
    /// the real path.
    pub(super) fn make(
        &mut self,
        path: &Path,
        change: impl FnOnce(&mut Names) -> NameChange,
        make: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.is_outside(path) {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        let real = self.writable(path);
        make(&real)?;
        let change = change(&mut self.names);
        self.add_name(change);
        Ok(())
    }

    /// Removes an empty directory.
    pub(super) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let is_outside = self.shows(path) && fs::symlink_metadata(path).is_ok();
        if is_outside && path.is_dir() && fs::read_dir(path)?.next().is_some() {
            return Err(io::Error::from_raw_os_error(libc::ENOTEMPTY));
        }
        if self.has(path) {
            fs::remove_dir(self.roots.real(path))?;
            self.add_name(NameChange::RemoveDir { path: path.to_owned() });
        } else if !is_outside {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        }
        self.hide(path);
        Ok(())
    }

    /// Records that opening a path has created a file.
    pub(super) fn created(&mut self, path: &Path) {
        let grave = self.names.new_grave();
        self.add_name(NameChange::Create { path: path.to_owned(), grave });
    }

    /// The real path of a file that gets a second name.
    pub(super) fn linked(&self, from: &Path) -> PathBuf {
        self.changeable(from)
    }

    /// Records a change of directories, and sets their times to now.
    fn add_name(&mut self, change: NameChange) {
        let paths: Vec<PathBuf> = match &change {
            NameChange::Rename { from, to, .. } | NameChange::Link { from, to } => {
                vec![from.clone(), to.clone()]
            }
            NameChange::MakeDir { path } => vec![path.clone(), path.join("x")],
            NameChange::Create { path, .. }
            | NameChange::Remove { path, .. }
            | NameChange::RemoveDir { path }
            | NameChange::Hide { path } => vec![path.clone()],
        };
        for parent in paths.iter().filter_map(|path| path.parent()) {
            metadata::touch(&self.roots.real(parent));
        }
        self.names.add(change);
    }

    /// Cuts the power.
    fn crash(&mut self, host: usize) -> io::Result<()> {
        let stream = format!("crash {host}");
        let draw =
            |count: usize| world::with(|world| world.draw_from(&stream, count as u64)) as usize;
        // 0 keeps everything, so that a shrunk run has no crash that matters.
        let kind = if self.disk.lose_unsynced { draw(4) } else { 0 };
        let names = |kind| match kind {
            0 => true,
            1 => false,
            _ => draw(2) == 0,
        };
        self.names.crash(&self.roots, || names(kind))?;
        let fates = if self.disk.torn { 3 } else { 2 };
        let fate = || match kind {
            0 => Fate::Kept,
            1 => Fate::Lost,
            _ => [Fate::Kept, Fate::Lost, Fate::Torn][draw(fates)],
        };
        let left = self.files.crash(fate, draw);
        let mut paths = Vec::new();
        paths_of(&self.roots.tree, &mut paths)?;
        for path in paths {
            let inode = fs::symlink_metadata(&path)?.ino();
            if let Some(contents) = left.get(&inode) {
                fs::write(&path, contents)?;
            }
        }
        fs::remove_dir_all(&self.roots.graveyard)?;
        fs::create_dir(&self.roots.graveyard)
    }
}

/// All files below a folder.
fn paths_of(folder: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            paths_of(&entry.path(), into)?;
        } else {
            into.push(entry.path());
        }
    }
    Ok(())
}

fn temporary_folders() -> &'static [PathBuf] {
    static FOLDERS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FOLDERS.get_or_init(|| {
        let of_environment = crate::child::variable_of("TMPDIR").map(PathBuf::from);
        TEMPORARY.iter().map(PathBuf::from).chain(of_environment).collect()
    })
}

/// The kind of an operation, for the time that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// It reads or writes data that are mostly cached.
    Transfer,
    /// It reads or changes names and attributes, in memory.
    Name,
    /// It waits for the disk.
    Sync,
}

/// Begins an operation: it takes a drawn time, and may fail.
///
/// # Errors
///
/// Returns an error number if the draw says so.
pub(super) fn begin(me: &'static Thread, work: Work) -> Result<(), c_int> {
    let (latency, eio) = with(me, |machine| (machine.disk.latency.clone(), machine.disk.eio));
    let host = world::host_of(me);
    let (stream, error_stream) = (format!("disk {host}"), format!("fault of disk {host}"));
    let ns = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4);
    let (least, most) = (ns(*latency.start()), ns(*latency.end()));
    let (time_ns, fails) = world::with(|world| {
        let waits = match work {
            Work::Transfer => world.draw_from(&stream, PER_MISS) == PER_MISS - 1,
            Work::Name => false,
            Work::Sync => true,
        };
        let range = most.saturating_sub(least).saturating_add(1);
        let time_ns = if waits { least + world.draw_from(&stream, range) } else { CACHED_NS };
        let chance = (eio * PROBABILITY_UNIT as f64) as u64;
        let fails = eio > 0.0
            && work != Work::Name
            && world.streams.happens(&error_stream, chance, PROBABILITY_UNIT);
        (time_ns, fails)
    });
    world::sleep(me, time_ns);
    if fails { Err(libc::EIO) } else { Ok(()) }
}

/// Sets the disk of the calling thread's machine.
pub(super) fn set_disk(me: &Thread, disk: Disk) {
    with(me, |machine| machine.disk = disk);
}

/// Cuts the power of the disk of a machine. The caller has stopped what runs on it, or accepts that
/// open descriptors stay open.
pub(super) fn crash(host: usize) {
    let result = unobserved(|| disks().get_mut(&host).map(|machine| machine.crash(host)));
    if let Some(Err(error)) = result {
        super::say(&format!("reveille-sim: a bug: a crash of the files of host {host}: {error}\n"));
        std::process::abort();
    }
}

/// The system's status of an open file of the simulation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Status {
    pub(super) inode: u64,
    pub(super) len: u64,
}

/// The status of an open regular file of the simulation. `None` for everything else.
pub(super) fn status(fd: c_int) -> Option<Status> {
    let device = device();
    if device == 0 {
        return None;
    }
    let found = unobserved(|| metadata::stat_fd(fd))?;
    let is_file = found.st_mode & libc::S_IFMT == libc::S_IFREG;
    (is_file && found.st_dev == device)
        .then_some(Status { inode: found.st_ino, len: found.st_size.cast_unsigned() })
}

/// Whether the descriptor is an open directory of the simulation.
pub(super) fn is_dir(fd: c_int) -> bool {
    let device = device();
    let found = if device == 0 { None } else { unobserved(|| metadata::stat_fd(fd)) };
    found.is_some_and(|it| it.st_mode & libc::S_IFMT == libc::S_IFDIR && it.st_dev == device)
}

/// The path of an open file.
fn path_of(fd: c_int) -> Option<PathBuf> {
    unobserved(|| fs::read_link(format!("/proc/self/fd/{fd}")).ok())
}

fn is_of_system(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    SYSTEM.iter().any(|folder| {
        bytes.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    })
}

/// Whether the path is that of the recorder's file, which is read after the simulation.
fn is_recording(path: &Path) -> bool {
    static RECORDING: OnceLock<Option<PathBuf>> = OnceLock::new();
    let recording = RECORDING.get_or_init(|| {
        let file = crate::child::variable_of(crate::child::RECORDING)?;
        unobserved(|| std::path::absolute(file)).ok()
    });
    recording.as_deref() == Some(path)
}

/// The absolute path of a file that the program names. `None` if the file belongs to the system.
/// `..` is resolved by name, so after a symbolic link it leads to the folder that contains the
/// link.
pub(super) fn absolute(me: &Thread, dir: c_int, path: &CStr) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    if is_of_system(path) || path.as_os_str().is_empty() {
        return None;
    }
    let base = if path.is_absolute() {
        PathBuf::new()
    } else if dir == libc::AT_FDCWD {
        unobserved(std::env::current_dir).ok()?
    } else {
        path_of(dir)?
    };
    let whole = with(me, |machine| machine.virtual_path(&base.join(path)));
    let mut clean = PathBuf::from("/");
    for component in whole.components() {
        match component {
            Component::ParentDir => drop(clean.pop()),
            Component::Normal(name) => clean.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => (),
        }
    }
    (!is_of_system(&clean) && !is_recording(&clean)).then_some(clean)
}

/// How an operation uses a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    /// It makes or changes what is there.
    Change,
}

/// The real path for the program's path.
pub(super) fn real(me: &Thread, path: &Path, how: Use) -> CString {
    let real = with(me, |machine| match how {
        Use::Read => machine.readable(path),
        Use::Change => machine.changeable(path),
    });
    // The path was one of C, so it has no zero byte.
    CString::new(real.into_os_string().into_vec()).unwrap_or_default()
}
