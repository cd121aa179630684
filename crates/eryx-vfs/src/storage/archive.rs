//! Storages as tar streams.

use super::files::{failed, find, make_dirs, parent};
use super::{FileKind, NodeId, VfsStorage};
use crate::{FsError, StorageError};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tar::{Archive, Builder, EntryType, Header};

/// How much is read at a time, so that sizes in headers cost nothing.
const PIECE: usize = 256 << 10;

pub(super) fn import<S: VfsStorage + ?Sized>(
    storage: &S,
    into: &str,
    tar: impl Read,
) -> io::Result<()> {
    make_dirs(storage, into).map_err(|reason| refuse("import into", into, reason))?;
    let mut archive = Archive::new(tar);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = text(&entry.path_bytes())?;
        let path = below(into, &name)?;
        let bad = failed("import", &path);
        let kind = entry.header().entry_type();
        let modified = UNIX_EPOCH.checked_add(Duration::from_secs(entry.header().mtime()?));
        let node = match kind {
            EntryType::Directory => make_dirs(storage, &path).map_err(bad),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                copy_in(storage, &path, &mut entry)?
            }
            EntryType::Symlink | EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default();
                let target = text(&target)?;
                link_in(storage, into, &path, kind, &target)?
            }
            EntryType::XGlobalHeader => continue,
            _ => Err(bad(FsError::Unsupported)),
        };
        let node = node.map_err(io::Error::other)?;
        if kind != EntryType::Link {
            let _ = storage.set_times(node, None, modified);
        }
    }
    Ok(())
}

type Placed = Result<NodeId, StorageError>;

fn copy_in<S: VfsStorage + ?Sized>(
    storage: &S,
    path: &str,
    from: &mut impl Read,
) -> io::Result<Placed> {
    let bad = failed("import", path);
    let file = match replace(storage, path)
        .and_then(|(dir, name)| storage.create_file(dir, name))
        .map_err(&bad)
    {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece)?;
        let Some(bytes) = piece.get(..length).filter(|bytes| !bytes.is_empty()) else {
            return Ok(Ok(file));
        };
        if let Err(reason) = storage.append(file, bytes) {
            return Ok(Err(bad(reason)));
        }
    }
}

fn link_in<S: VfsStorage + ?Sized>(
    storage: &S,
    into: &str,
    path: &str,
    kind: EntryType,
    target: &str,
) -> io::Result<Placed> {
    let bad = failed("import", path);
    let (dir, name) = match replace(storage, path) {
        Ok(place) => place,
        Err(reason) => return Ok(Err(bad(reason))),
    };
    if kind == EntryType::Symlink {
        return Ok(storage.create_symlink(dir, name, target).map_err(bad));
    }
    let target = below(into, target)?;
    let linked = parent(storage, &target, false).and_then(|(from, old_name)| {
        let node = storage.lookup(from, old_name)?;
        storage.link(node, dir, name)?;
        Ok(node)
    });
    Ok(linked.map_err(bad))
}

/// Where `path` goes, with what was there removed.
fn replace<'a, S: VfsStorage + ?Sized>(
    storage: &S,
    path: &'a str,
) -> crate::FsResult<(NodeId, &'a str)> {
    let (dir, name) = parent(storage, path, true)?;
    match storage.unlink(dir, name) {
        Ok(()) | Err(FsError::NoEntry) => Ok((dir, name)),
        Err(error) => Err(error),
    }
}

/// The path of an archive's entry, which must not lead upwards.
fn below(into: &str, name: &str) -> io::Result<String> {
    if name.starts_with('/') || name.split('/').any(|part| part == "..") {
        return Err(refuse("import", name, FsError::NotPermitted));
    }
    Ok(format!("{into}/{name}"))
}

fn text(bytes: &[u8]) -> io::Result<String> {
    String::from_utf8(bytes.to_vec())
        .map_err(|_| refuse("import", &String::from_utf8_lossy(bytes), FsError::IllegalName))
}

fn refuse(action: &'static str, path: &str, reason: FsError) -> io::Error {
    io::Error::other(failed(action, path)(reason))
}

pub(super) fn export<S: VfsStorage + ?Sized>(
    storage: &S,
    path: &str,
    tar: impl Write,
) -> io::Result<()> {
    let top = find(storage, path).map_err(|reason| refuse("export", path, reason))?;
    let mut export = Export { storage, tar: Builder::new(tar), names: HashMap::new() };
    export.directory(top, "")?;
    export.tar.into_inner()?.flush()
}

struct Export<'a, S: ?Sized, W: Write> {
    storage: &'a S,
    tar: Builder<W>,
    /// The first name of each file that has several.
    names: HashMap<NodeId, String>,
}

impl<S: VfsStorage + ?Sized, W: Write> Export<'_, S, W> {
    fn directory(&mut self, dir: NodeId, prefix: &str) -> io::Result<()> {
        let bad = |reason| refuse("export", prefix, reason);
        for entry in self.storage.read_dir(dir, None, usize::MAX).map_err(bad)? {
            let path = format!("{prefix}{}", entry.name);
            let node = self.storage.lookup(dir, &entry.name).map_err(bad)?;
            self.node(node, &path).map_err(|error| match error {
                Failed::Tar(error) => error,
                Failed::Storage(reason) => refuse("export", &path, reason),
            })?;
            if entry.kind == FileKind::Directory {
                self.directory(node, &format!("{path}/"))?;
            }
        }
        Ok(())
    }

    fn node(&mut self, node: NodeId, path: &str) -> Result<(), Failed> {
        let known = self.storage.stat(node)?;
        let mut header = Header::new_gnu();
        header.set_mtime(seconds(known.modified));
        header.set_size(0);
        header.set_mode(if known.kind == FileKind::Directory { 0o755 } else { 0o644 });
        if let Some(first) = self.names.get(&node) {
            header.set_entry_type(EntryType::Link);
            return Ok(self.tar.append_link(&mut header, path, first)?);
        }
        match known.kind {
            FileKind::Directory => {
                header.set_entry_type(EntryType::Directory);
                self.tar.append_data(&mut header, format!("{path}/"), io::empty())?;
            }
            FileKind::Symlink => {
                header.set_entry_type(EntryType::Symlink);
                self.tar.append_link(&mut header, path, self.storage.read_link(node)?)?;
            }
            FileKind::File => {
                header.set_size(known.size);
                let file = Reading { storage: self.storage, node, offset: 0 };
                // A file that shrinks meanwhile still fills its entry.
                let full = file.chain(io::repeat(0)).take(known.size);
                self.tar.append_data(&mut header, path, full)?;
            }
        }
        if known.links > 1 && known.kind != FileKind::Directory {
            self.names.insert(node, path.to_owned());
        }
        Ok(())
    }
}

enum Failed {
    Tar(io::Error),
    Storage(FsError),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Tar(error)
    }
}

impl From<FsError> for Failed {
    fn from(error: FsError) -> Self {
        Self::Storage(error)
    }
}

fn seconds(time: Option<SystemTime>) -> u64 {
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_secs())
}

struct Reading<'a, S: ?Sized> {
    storage: &'a S,
    node: NodeId,
    offset: u64,
}

impl<S: VfsStorage + ?Sized> Read for Reading<'_, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes =
            self.storage.read_at(self.node, self.offset, into.len()).map_err(io::Error::other)?;
        let Some(place) = into.get_mut(..bytes.len()) else { return Ok(0) };
        place.copy_from_slice(&bytes);
        self.offset = self.offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
        Ok(bytes.len())
    }
}
