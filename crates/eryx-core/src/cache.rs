//! The folder with compiled artefacts: private to the user, each file with a
//! tag that only this user's key can make.

use crate::Error;
use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

const KEY: &str = "key";

const DAY: Duration = Duration::from_hours(24);

/// What nobody has used for so long is removed.
const KEPT: Duration = Duration::from_hours(30 * 24);

/// Why a cache folder is not trusted with native code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheFault {
    /// It is a symbolic link.
    #[error("it is a symbolic link: remove that, or name another folder with ERYX_CACHE_DIR")]
    Link,
    /// It is a file, say.
    #[error("it is no folder: remove it, or name another with ERYX_CACHE_DIR")]
    NoFolder,
    /// It belongs to another user, who has this number.
    #[error("it belongs to the user {0}: name a folder of your own with ERYX_CACHE_DIR")]
    Owner(u32),
    /// Others may write to it.
    #[error(
        "others can write to it: make it yours alone (chmod 700), or name another with ERYX_CACHE_DIR"
    )]
    Writable,
}

/// The folder that `$ERYX_CACHE_DIR` names.
pub(crate) fn named_root() -> Option<PathBuf> {
    env::var_os("ERYX_CACHE_DIR").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The folder where none is named: `eryx` in the user's own cache folder.
pub(crate) fn users_root() -> Option<PathBuf> {
    dirs::cache_dir().map(|folder| folder.join("eryx"))
}

/// An open cache folder.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; 32],
}

impl Cache {
    /// Opens the folder, making it if need be.
    ///
    /// # Errors
    /// If it cannot be made, or others can write to it: whoever can write there
    /// could have native code of theirs loaded.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let folder = root.join("compiled");
        make_private_folder(&folder).map_err(Error::file("create the cache folder", &folder))?;
        check_private(&folder)?;
        let key = load_key(&folder)?;
        Ok(Self { folder, key })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A lock under which one process fills an entry.
    pub(crate) fn lock(&self, name: &str) -> Result<File, Error> {
        lock(&self.folder, name)
    }

    /// Whether `path` holds what this user's key signed, unchanged.
    pub(crate) fn is_authentic(&self, path: &Path) -> bool {
        let tag = fs::read(tag_path(path)).ok().and_then(|tag| <[u8; 32]>::try_from(tag).ok());
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        match (tag, hasher.update_mmap_rayon(path)) {
            // The comparison of hashes takes the same time wherever they differ.
            (Some(tag), Ok(hasher)) => hasher.finalize() == blake3::Hash::from_bytes(tag),
            _ => false,
        }
    }

    /// Writes an entry and its tag, each in one step.
    pub(crate) fn store(&self, path: &Path, content: &[u8]) -> Result<(), Error> {
        let tag = blake3::keyed_hash(&self.key, content);
        write_whole(&tag_path(path), tag.as_bytes())?;
        write_whole(path, content)
    }

    /// Notes, to the day, that an entry is in use.
    pub(crate) fn touch(path: &Path) {
        for path in [path, &tag_path(path)] {
            if age(path).is_some_and(|age| age > DAY) {
                let file = File::options().write(true).open(path);
                // In a folder that cannot be written nothing is removed either.
                let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
            }
        }
    }

    /// Removes what has not been used for long: code of other versions, mostly.
    pub(crate) fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_key = path.file_name().is_some_and(|name| name == KEY);
            if !is_key && age(&path).is_some_and(|age| age > KEPT) {
                // Another process may have been faster.
                let _ = fs::remove_file(&path);
            }
        }
    }
}

/// How long ago a file was written or [touched](Cache::touch).
fn age(path: &Path) -> Option<Duration> {
    fs::symlink_metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

fn lock(folder: &Path, name: &str) -> Result<File, Error> {
    let path = folder.join(format!("{name}.lock"));
    File::create(&path)
        .and_then(|file| file.lock().map(|()| file))
        .map_err(Error::file("lock", path))
}

fn tag_path(path: &Path) -> PathBuf {
    path.with_extension("tag")
}

fn load_key(folder: &Path) -> Result<[u8; 32], Error> {
    let path = folder.join(KEY);
    let read = || fs::read(&path).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
    if let Some(key) = read() {
        return Ok(key);
    }
    let _one_makes_it = lock(folder, KEY)?;
    if let Some(key) = read() {
        return Ok(key);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key)
        .map_err(|error| Error::file("make a key for", &path)(io::Error::other(error)))?;
    write_whole(&path, &key)?;
    Ok(key)
}

fn write_whole(path: &Path, content: &[u8]) -> Result<(), Error> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let partial = path.with_extension(format!("partial-{}-{number}", std::process::id()));
    let result = create_private(&partial)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&partial, path));
    result.map_err(|error| {
        // Nothing half-written stays behind; the first error is the one to tell.
        let _ = fs::remove_file(&partial);
        Error::file("write", path)(error)
    })
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> io::Result<File> {
    File::create(path)
}

#[cfg(unix)]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(not(unix))]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(unix)]
fn check_private(folder: &Path) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::symlink_metadata(folder).map_err(Error::file("look at", folder))?;
    let fault = if found.is_symlink() {
        CacheFault::Link
    } else if !found.is_dir() {
        CacheFault::NoFolder
    } else if found.uid() != rustix::process::geteuid().as_raw() {
        CacheFault::Owner(found.uid())
    } else if found.mode() & 0o022 != 0 {
        CacheFault::Writable
    } else {
        return Ok(());
    };
    Err(Error::CacheUntrusted { path: folder.to_owned(), fault })
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
fn check_private(_folder: &Path) -> Result<(), Error> {
    Ok(())
}
