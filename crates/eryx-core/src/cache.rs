//! The folder with compiled artefacts: private to the user, each file with a
//! tag that only this user's key can make.

use crate::Error;
use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const KEY: &str = "key";

/// The cache folder unless another is named: `$ERYX_CACHE_DIR`, or `eryx` in
/// the user's own. `None` if there is neither.
pub(crate) fn default_root() -> Option<PathBuf> {
    match env::var_os("ERYX_CACHE_DIR").filter(|path| !path.is_empty()) {
        Some(path) => Some(PathBuf::from(path)),
        None => dirs::cache_dir().map(|folder| folder.join("eryx")),
    }
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
        let key = load_key(&folder.join(KEY))?;
        Ok(Self { folder, key })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A lock under which one process fills an entry.
    pub(crate) fn lock(&self, name: &str) -> Result<File, Error> {
        let path = self.folder.join(format!("{name}.lock"));
        File::create(&path)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(Error::file("lock", path))
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
}

fn tag_path(path: &Path) -> PathBuf {
    path.with_extension("tag")
}

fn load_key(path: &Path) -> Result<[u8; 32], Error> {
    if let Ok(key) = fs::read(path)
        && let Ok(key) = key.try_into()
    {
        return Ok(key);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key)
        .map_err(|error| Error::file("make a key for", path)(io::Error::other(error)))?;
    write_whole(path, &key)?;
    // Another process may have been faster: what is on disk counts.
    fs::read(path)
        .ok()
        .and_then(|key| key.try_into().ok())
        .ok_or_else(|| Error::file("read", path)(io::ErrorKind::InvalidData.into()))
}

fn write_whole(path: &Path, content: &[u8]) -> Result<(), Error> {
    let partial = path.with_extension(format!("partial-{}", std::process::id()));
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
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if found.is_dir() && ours && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(Error::Config(format!(
        "the cache folder {} could be written by others, and native code is loaded from it: make \
         it yours alone (chmod 700), or name another with ERYX_CACHE_DIR",
        folder.display()
    )))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
fn check_private(_folder: &Path) -> Result<(), Error> {
    Ok(())
}
