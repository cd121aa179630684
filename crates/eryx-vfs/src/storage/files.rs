//! A storage for the host: calls that take paths.

use super::{DirEntry, FileKind, Metadata, NodeId, VfsStorage, archive};
use crate::path::{MOST_LINKS, Step, Way};
use crate::{FsError, FsResult, StorageError};
use std::collections::VecDeque;
use std::io;

/// How much is read or written at a time.
const PIECE: usize = 1 << 20;

/// Getting files into and out of a storage, by their paths in it.
///
/// A path starts at the storage's root, with a slash or without, wherever the
/// guest sees the storage mounted. Symbolic links are followed.
pub trait StorageFiles: VfsStorage {
    /// The contents of a file.
    ///
    /// # Errors
    /// [`StorageError`] with the path and why it cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, StorageError> {
        read(self, path).map_err(failed("read", path))
    }

    /// Makes `bytes` the contents of a file, and the directories it is in. If
    /// they do not fit, the file is as before.
    ///
    /// # Errors
    /// [`StorageError`] with the path and why it cannot be written.
    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> Result<(), StorageError> {
        write(self, path, bytes.as_ref()).map_err(failed("write", path))
    }

    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// [`StorageError`] with the path and why it cannot be listed.
    fn list(&self, path: &str) -> Result<Vec<DirEntry>, StorageError> {
        find(self, path)
            .and_then(|dir| self.read_dir(dir, None, usize::MAX))
            .map_err(failed("list", path))
    }

    /// Removes a file, a link, or a directory with all that is in it. The root
    /// itself stays, empty.
    ///
    /// # Errors
    /// [`StorageError`] with the path and why it cannot be removed.
    fn remove(&self, path: &str) -> Result<(), StorageError> {
        remove(self, path).map_err(failed("remove", path))
    }

    /// Makes a directory, and those that it is in. One that exists is left.
    ///
    /// # Errors
    /// [`StorageError`] with the path and why it cannot be made.
    fn make_dirs(&self, path: &str) -> Result<(), StorageError> {
        make_dirs(self, path).map(drop).map_err(failed("make the directory", path))
    }

    /// What is known of a file; `None` if there is none.
    fn metadata(&self, path: &str) -> Option<Metadata> {
        find(self, path).and_then(|node| self.stat(node)).ok()
    }

    /// Puts all files of a tar stream into the directory `path`, which is made
    /// if it is missing. Entries that would lie outside, and devices, end it
    /// with an error; what was read before them stays.
    ///
    /// # Errors
    /// The reader's, or [`StorageError`] inside an [`io::Error`].
    fn import_tar(&self, path: &str, tar: impl io::Read) -> io::Result<()> {
        archive::import(self, path, tar)
    }

    /// Writes all that is in the directory `path` as a tar stream.
    ///
    /// # Errors
    /// The writer's, or [`StorageError`] inside an [`io::Error`].
    fn export_tar(&self, path: &str, tar: impl io::Write) -> io::Result<()> {
        archive::export(self, path, tar)
    }
}

impl<T: VfsStorage + ?Sized> StorageFiles for T {}

pub(super) fn failed<'a>(
    action: &'static str,
    path: &'a str,
) -> impl Fn(FsError) -> StorageError + 'a {
    move |reason| StorageError { action, path: path.to_owned(), reason }
}

fn read<S: VfsStorage + ?Sized>(storage: &S, path: &str) -> FsResult<Vec<u8>> {
    let file = find(storage, path)?;
    let mut bytes = Vec::new();
    loop {
        let offset = u64::try_from(bytes.len()).map_err(|_| FsError::TooLarge)?;
        let mut piece = storage.read_at(file, offset, PIECE)?;
        if piece.is_empty() {
            return Ok(bytes);
        }
        bytes.append(&mut piece);
    }
}

fn write<S: VfsStorage + ?Sized>(storage: &S, path: &str, bytes: &[u8]) -> FsResult<()> {
    let (dir, name) = parent(storage, path, true)?;
    let (file, is_new) = match storage.lookup(dir, name) {
        Ok(_) => (find(storage, path)?, false),
        Err(FsError::NoEntry) => (storage.create_file(dir, name)?, true),
        Err(error) => return Err(error),
    };
    let written = storage.replace(file, bytes);
    if written.is_err() && is_new {
        storage.unlink(dir, name)?;
    }
    written
}

fn remove<S: VfsStorage + ?Sized>(storage: &S, path: &str) -> FsResult<()> {
    if Way::parse(path)?.steps.is_empty() {
        return empty(storage, storage.root());
    }
    let (dir, name) = parent(storage, path, false)?;
    remove_entry(storage, dir, name)
}

fn remove_entry<S: VfsStorage + ?Sized>(storage: &S, dir: NodeId, name: &str) -> FsResult<()> {
    let node = storage.lookup(dir, name)?;
    if storage.stat(node)?.kind != FileKind::Directory {
        return storage.unlink(dir, name);
    }
    empty(storage, node)?;
    storage.remove_dir(dir, name)
}

/// Removes all that is in `top`. However deep it is, this takes no stack.
fn empty<S: VfsStorage + ?Sized>(storage: &S, top: NodeId) -> FsResult<()> {
    let mut open = vec![(top, entries(storage, top)?)];
    while let Some((dir, left)) = open.last_mut() {
        let dir = *dir;
        let Some(entry) = left.last() else {
            open.pop();
            continue;
        };
        match storage.lookup(dir, &entry.name).and_then(|node| Ok((node, storage.stat(node)?))) {
            Ok((node, known)) if known.kind == FileKind::Directory => {
                match storage.remove_dir(dir, &entry.name) {
                    Err(FsError::NotEmpty) => {
                        open.push((node, entries(storage, node)?));
                        continue;
                    }
                    removed => removed?,
                }
            }
            Ok(_) => storage.unlink(dir, &entry.name)?,
            // Somebody else removed it just now.
            Err(FsError::NoEntry) => {}
            Err(error) => return Err(error),
        }
        left.pop();
    }
    Ok(())
}

fn entries<S: VfsStorage + ?Sized>(storage: &S, dir: NodeId) -> FsResult<Vec<DirEntry>> {
    storage.read_dir(dir, None, usize::MAX)
}

pub(super) fn make_dirs<S: VfsStorage + ?Sized>(storage: &S, path: &str) -> FsResult<NodeId> {
    Within::root(storage).make_dirs(path)
}

/// The directory that the last name of `path` is in, and that name.
fn parent<'a, S: VfsStorage + ?Sized>(
    storage: &S,
    path: &'a str,
    make: bool,
) -> FsResult<(NodeId, &'a str)> {
    Within::root(storage).parent(path, make)
}

/// The node at `path`; links are followed.
pub(super) fn find<S: VfsStorage + ?Sized>(storage: &S, path: &str) -> FsResult<NodeId> {
    Within::root(storage).find(path)
}

/// A storage, or a directory of it that no path leads out of.
pub(super) struct Within<'a, S: ?Sized> {
    storage: &'a S,
    top: NodeId,
    /// Whether what would lead out is an error; at the root it ends there.
    confined: bool,
}

/// A step that is left.
struct Left {
    /// None leads upwards.
    name: Option<String>,
    /// Whether a directory of that name is made if it is missing.
    make: bool,
}

impl<'a, S: VfsStorage + ?Sized> Within<'a, S> {
    fn root(storage: &'a S) -> Self {
        Self { storage, top: storage.root(), confined: false }
    }

    /// Only what is in the directory `top`.
    pub(super) fn directory(storage: &'a S, top: NodeId) -> Self {
        Self { storage, top, confined: true }
    }

    pub(super) fn make_dirs(&self, path: &str) -> FsResult<NodeId> {
        let way = Way::parse(path)?;
        if way.steps.contains(&Step::Up) {
            return Err(FsError::Invalid);
        }
        let dir = self.walk(&way.steps, true)?;
        match self.storage.stat(dir)?.kind {
            FileKind::Directory => Ok(dir),
            _ => Err(FsError::NotDirectory),
        }
    }

    pub(super) fn parent<'p>(&self, path: &'p str, make: bool) -> FsResult<(NodeId, &'p str)> {
        let way = Way::parse(path)?;
        let Some((Step::Into(name), above)) = way.steps.split_last() else {
            return Err(FsError::IsDirectory);
        };
        Ok((self.walk(above, make)?, name))
    }

    fn find(&self, path: &str) -> FsResult<NodeId> {
        self.walk(&Way::parse(path)?.steps, false)
    }

    fn walk(&self, steps: &[Step<'_>], make: bool) -> FsResult<NodeId> {
        let storage = self.storage;
        let mut above = Vec::new();
        let mut here = self.top;
        let mut left = VecDeque::new();
        let mut links = 0;
        push_front(&mut left, steps, make);
        while let Some(Left { name, make }) = left.pop_front() {
            let Some(name) = name else {
                here = match above.pop() {
                    None if self.confined => return Err(FsError::NotPermitted),
                    above => above.unwrap_or(self.top),
                };
                continue;
            };
            let node = match storage.lookup(here, &name) {
                Err(FsError::NoEntry) if make => storage.create_dir(here, &name)?,
                found => found?,
            };
            if storage.stat(node)?.kind != FileKind::Symlink {
                above.push(here);
                here = node;
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return Err(FsError::Loop);
            }
            let target = storage.read_link(node)?;
            let target = Way::parse(&target)?;
            if target.absolute {
                if self.confined {
                    return Err(FsError::NotPermitted);
                }
                above.clear();
                here = self.top;
            }
            push_front(&mut left, &target.steps, false);
        }
        Ok(here)
    }
}

fn push_front(left: &mut VecDeque<Left>, steps: &[Step<'_>], make: bool) {
    for step in steps.iter().rev() {
        let name = match step {
            Step::Up => None,
            Step::Into(name) => Some((*name).to_owned()),
        };
        left.push_front(Left { name, make });
    }
}
