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
    let size = u64::try_from(bytes.len()).map_err(|_| FsError::TooLarge)?;
    // Overwrites first and cuts afterwards: if it does not fit nothing is lost.
    let written = storage.write_at(file, 0, bytes).and_then(|()| storage.set_size(file, size));
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

/// The depth of this recursion is the storage's limit of depth.
fn empty<S: VfsStorage + ?Sized>(storage: &S, dir: NodeId) -> FsResult<()> {
    for entry in storage.read_dir(dir, None, usize::MAX)? {
        remove_entry(storage, dir, &entry.name)?;
    }
    Ok(())
}

pub(super) fn make_dirs<S: VfsStorage + ?Sized>(storage: &S, path: &str) -> FsResult<NodeId> {
    let mut dir = storage.root();
    for step in Way::parse(path)?.steps {
        let Step::Into(name) = step else { return Err(FsError::Invalid) };
        dir = match storage.lookup(dir, name) {
            Ok(_) => walk(storage, dir, name)?,
            Err(FsError::NoEntry) => storage.create_dir(dir, name)?,
            Err(error) => return Err(error),
        };
    }
    match storage.stat(dir)?.kind {
        FileKind::Directory => Ok(dir),
        _ => Err(FsError::NotDirectory),
    }
}

/// The directory that the last name of `path` is in, and that name.
pub(super) fn parent<'a, S: VfsStorage + ?Sized>(
    storage: &S,
    path: &'a str,
    make: bool,
) -> FsResult<(NodeId, &'a str)> {
    let steps = Way::parse(path)?;
    let Some(Step::Into(name)) = steps.steps.last().copied() else {
        return Err(FsError::IsDirectory);
    };
    let above = path.trim_end_matches(['/', '.']).strip_suffix(name).unwrap_or("");
    let above = format!("/{above}");
    let dir = if make { make_dirs(storage, &above)? } else { find(storage, &above)? };
    Ok((dir, name))
}

/// The node at `path`; links are followed.
pub(super) fn find<S: VfsStorage + ?Sized>(storage: &S, path: &str) -> FsResult<NodeId> {
    walk(storage, storage.root(), path)
}

fn walk<S: VfsStorage + ?Sized>(storage: &S, start: NodeId, path: &str) -> FsResult<NodeId> {
    let mut way = vec![start];
    let mut left: VecDeque<String> = VecDeque::new();
    let mut links = 0;
    push_front(&mut left, path)?;
    while let Some(step) = left.pop_front() {
        if step == ".." {
            way.pop();
            continue;
        }
        let here = way.last().copied().unwrap_or_else(|| storage.root());
        let node = storage.lookup(here, &step)?;
        if storage.stat(node)?.kind != FileKind::Symlink {
            way.push(node);
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(FsError::Loop);
        }
        let target = storage.read_link(node)?;
        if target.starts_with('/') {
            way.clear();
        }
        push_front(&mut left, &target)?;
    }
    Ok(way.last().copied().unwrap_or_else(|| storage.root()))
}

fn push_front(left: &mut VecDeque<String>, path: &str) -> FsResult<()> {
    for step in Way::parse(path)?.steps.into_iter().rev() {
        left.push_front(match step {
            Step::Up => "..".to_owned(),
            Step::Into(name) => name.to_owned(),
        });
    }
    Ok(())
}
