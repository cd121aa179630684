//! Packages: read from memory, checked first, never unpacked to disk.

mod error;
mod folder;
#[cfg(any(test, feature = "fuzzing"))]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is found is told by panicking"
)]
pub mod fuzzing;
mod layout;
mod name;
mod record;
mod sdist;
mod wheel;

pub use error::PackageError;

use crate::SandboxBuilder;
use eryx_core::{Error, SITE_PACKAGES as SITE};
use eryx_vfs::{InMemoryStorage, MountTableBuilder, StorageFiles, StorageLimits};
use folder::Folders;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

/// The largest package as a file, in bytes.
const LARGEST_FILE: u64 = 64 << 20;
/// What all packages of a sandbox may take together once unpacked.
const MOST_UNPACKED: u64 = 256 << 20;
/// The most files in a package.
const MOST_ENTRIES: usize = 20_000;
/// How much larger a package may be unpacked than packed.
const LARGEST_RATIO: u64 = 100;

/// Python code that programs can import: a wheel, a source archive or a folder.
///
/// ```no_run
/// # async fn example() -> Result<(), eryx::Error> {
/// use eryx::{Package, Sandbox};
///
/// let jinja2 = Package::from_path("wheels/jinja2-3.1.6-py3-none-any.whl");
/// let markupsafe = Package::from_path("vendor/markupsafe");
/// let sandbox = Sandbox::embedded().package(jinja2).package(markupsafe).build()?;
/// sandbox.execute("import jinja2").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Package {
    name: String,
    from: From,
}

#[derive(Clone)]
enum From {
    Path(PathBuf),
    Wheel(Vec<u8>),
    Source(Vec<u8>),
}

impl Package {
    /// A wheel (`.whl`), a source archive (`.tar.gz`) of plain Python, or a
    /// folder in which programs find modules, as `site-packages` is one. It is
    /// looked at when the sandbox is built; of a folder, what its entries are
    /// then. Links of a folder that lead out of it are refused, and its `bin` and
    /// `__pycache__` left out.
    pub fn from_path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self { name: name.to_string_lossy().into_owned(), from: From::Path(path) }
    }

    /// A wheel in memory; errors call it `name`.
    pub fn wheel(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), from: From::Wheel(bytes.into()) }
    }

    /// A source archive (`.tar.gz`) in memory; errors call it `name`.
    pub fn source(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), from: From::Source(bytes.into()) }
    }
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Package").field("name", &self.name).finish_non_exhaustive()
    }
}

impl SandboxBuilder {
    /// Lets programs import what is in `package`. They cannot change it.
    ///
    /// A wheel has to be for any platform: compiled code for another machine
    /// cannot run here. Its names, sizes and hashes are checked when the sandbox
    /// is built.
    pub fn package(mut self, package: Package) -> Self {
        self.files.packages.push(package);
        self
    }
}

/// Mounts the packages, all of them or none.
pub(crate) fn mount(
    packages: Vec<Package>,
    mounts: MountTableBuilder,
) -> Result<MountTableBuilder, Error> {
    if packages.is_empty() {
        return Ok(mounts);
    }
    let limits = StorageLimits::default().with_bytes(MOST_UNPACKED).with_nodes(100_000);
    let storage = InMemoryStorage::with_limits(limits);
    let failed = |package| |source| Error::Package { package, source: Box::new(source) };
    let mut in_folders = Vec::new();
    for Package { name, from } in packages {
        let added = match from {
            From::Wheel(bytes) => wheel::unpack(&bytes, &storage),
            From::Source(bytes) => sdist::unpack(&bytes, &storage),
            From::Path(path) if path.is_dir() => {
                in_folders.push((name, path));
                continue;
            }
            From::Path(path) => file(&path, &storage),
        };
        added.map_err(failed(name))?;
    }
    // Last, so that they see what has been unpacked.
    let mut folders = Folders::default();
    for (name, path) in in_folders {
        folders.add(&path, &storage).map_err(failed(name))?;
    }
    Ok(folders.mount(mounts.read_only_storage(SITE, storage)))
}

fn file(path: &Path, storage: &InMemoryStorage) -> Result<(), PackageError> {
    let unreadable = |source| PackageError::Unreadable { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST_FILE {
        return Err(PackageError::TooLarge { what: "the file", size, limit: LARGEST_FILE });
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let name = path.to_string_lossy();
    if name.ends_with(".whl") {
        wheel::unpack(&bytes, storage)
    } else if name.ends_with(".tar.gz") {
        sdist::unpack(&bytes, storage)
    } else {
        Err(PackageError::Unknown)
    }
}

/// Puts a file where no other package has put one.
fn place(storage: &InMemoryStorage, path: &str, bytes: &[u8]) -> Result<(), PackageError> {
    if storage.metadata(path).is_some() {
        return Err(PackageError::Twice(path.to_owned()));
    }
    storage.write(path, bytes).map_err(PackageError::Storage)
}

/// What is used of the limit that all packages share.
fn room(storage: &InMemoryStorage) -> u64 {
    storage.limits().bytes.saturating_sub(storage.usage().bytes)
}
