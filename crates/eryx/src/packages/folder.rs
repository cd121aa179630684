//! Packages that are folders of the host.

use super::{InMemoryStorage, MOST_ENTRIES, PackageError, SITE};
use eryx_vfs::{DirPerms, FileKind, FilePerms, FsError, MountTableBuilder, RealDir, StorageFiles};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// What the folders of a sandbox add to `site-packages`, by their paths in it.
#[derive(Default)]
pub(super) struct Folders(BTreeMap<String, RealDir>);

/// What has a path already.
enum Taken {
    File,
    /// A directory of a package that was unpacked, or of several folders.
    Shared,
    /// A directory of one folder.
    Folder,
}

impl Folders {
    /// Adds each entry of a folder. Where another package has a directory of that
    /// name, what is in it is added instead; no file takes the place of another.
    pub(super) fn add(
        &mut self,
        path: &Path,
        others: &InMemoryStorage,
    ) -> Result<(), PackageError> {
        let unreadable = |source| PackageError::Unreadable { path: path.to_owned(), source };
        let top = RealDir::open(path).map_err(unreadable)?.ok_or(PackageError::Unknown)?;
        let mut left = vec![(String::new(), top)];
        while let Some((above, dir)) = left.pop() {
            for entry in dir.entries().map_err(|error| unreadable(io::Error::other(error)))? {
                let new = below(&dir, &entry.name).map_err(|error| match error {
                    FsError::NotPermitted => PackageError::BadName(entry.name.clone()),
                    error => unreadable(io::Error::other(error)),
                })?;
                let Some(new) = new else { continue };
                if above.is_empty() && is_left_out(&entry.name, &new) {
                    continue;
                }
                let path = join(&above, &entry.name);
                match self.taken(&path, others) {
                    None => self.insert(path, new)?,
                    Some(Taken::File) => return Err(PackageError::Twice(path)),
                    // Links to folders could go round in circles.
                    Some(_) if entry.kind != FileKind::Directory => {
                        return Err(PackageError::Twice(path));
                    }
                    Some(Taken::Shared) => left.push((path, new)),
                    Some(Taken::Folder) => {
                        self.divide(&path)?;
                        left.push((path, new));
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn mount(self, mounts: MountTableBuilder) -> MountTableBuilder {
        self.0.into_iter().fold(mounts, |mounts, (path, dir)| {
            mounts.real_dir(format!("{SITE}/{path}"), dir, DirPerms::READ, FilePerms::READ)
        })
    }

    fn insert(&mut self, path: String, dir: RealDir) -> Result<(), PackageError> {
        if self.0.len() >= MOST_ENTRIES {
            return Err(PackageError::TooMany(self.0.len()));
        }
        self.0.insert(path, dir);
        Ok(())
    }

    fn taken(&self, path: &str, others: &InMemoryStorage) -> Option<Taken> {
        if let Some(dir) = self.0.get(path) {
            return Some(if dir.is_file() { Taken::File } else { Taken::Folder });
        }
        let inside = format!("{path}/");
        let next = self.0.range(inside.clone()..).next();
        if next.is_some_and(|(path, _)| path.starts_with(&inside)) {
            return Some(Taken::Shared);
        }
        let is_dir = others.metadata(path)?.kind == FileKind::Directory;
        Some(if is_dir { Taken::Shared } else { Taken::File })
    }

    /// Adds what is in a directory instead of the directory. What leads out of it
    /// could not be reached in it, either.
    fn divide(&mut self, path: &str) -> Result<(), PackageError> {
        let Some(dir) = self.0.remove(path) else { return Ok(()) };
        for entry in dir.entries().unwrap_or_default() {
            if let Ok(Some(inner)) = below(&dir, &entry.name) {
                self.insert(join(path, &entry.name), inner)?;
            }
        }
        Ok(())
    }
}

fn below(dir: &RealDir, name: &str) -> Result<Option<RealDir>, FsError> {
    match dir.below(name) {
        // A link that leads nowhere.
        Err(FsError::NoEntry) => Ok(None),
        found => found,
    }
}

/// What pip puts beside modules: all folders have it, and nothing imports it.
fn is_left_out(name: &str, dir: &RealDir) -> bool {
    match name {
        "__pycache__" => true,
        "bin" => !matches!(dir.below("__init__.py"), Ok(Some(_))),
        _ => false,
    }
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
}
