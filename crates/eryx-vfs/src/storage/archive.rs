//! Storages as tar streams.

use super::files::{Within, failed, find, make_dirs};
use super::for_each_entry;
use super::{FileKind, NodeId, VfsStorage};
use crate::{FsError, FsResult};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tar::{Builder, Entry, EntryType, Header};

/// How much is read at a time, so that sizes in headers cost nothing.
const PIECE: usize = 256 << 10;

pub(super) fn import<S: VfsStorage + ?Sized>(
    storage: &S,
    into: &str,
    tar: impl Read,
) -> io::Result<()> {
    let top = make_dirs(storage, into).map_err(|reason| refuse("import into", into, reason))?;
    let import = Import { storage, within: Within::directory(storage, top) };
    for_each_entry(tar, |entry| {
        let path = text(&entry.path_bytes())?;
        import.entry(&path, entry)
    })
}

/// What an archive is read into. Its links are followed, but lead nowhere else.
struct Import<'a, S: ?Sized> {
    storage: &'a S,
    within: Within<'a, S>,
}

impl<S: VfsStorage + ?Sized> Import<'_, S> {
    fn entry(&self, path: &str, entry: &mut Entry<'_, impl Read>) -> io::Result<()> {
        let bad = |reason| refuse("import", path, reason);
        let kind = entry.header().entry_type();
        let modified = UNIX_EPOCH.checked_add(Duration::from_secs(entry.header().mtime()?));
        let node = match kind {
            EntryType::Directory => {
                check_below(path).and_then(|()| self.within.make_dirs(path)).map_err(bad)?
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let file = self.new_file(path).map_err(bad)?;
                self.fill(file, path, entry)?;
                file
            }
            EntryType::Symlink | EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default();
                self.link(path, kind, &text(&target)?).map_err(bad)?
            }
            EntryType::XGlobalHeader => return Ok(()),
            _ => return Err(bad(FsError::Unsupported)),
        };
        if kind != EntryType::Link {
            let _ = self.storage.set_times(node, None, modified);
        }
        Ok(())
    }

    fn new_file(&self, path: &str) -> FsResult<NodeId> {
        let (dir, name) = self.replace(path)?;
        self.storage.create_file(dir, name)
    }

    fn fill(&self, file: NodeId, path: &str, from: &mut impl Read) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let length = from.read(&mut piece)?;
            let Some(bytes) = piece.get(..length).filter(|bytes| !bytes.is_empty()) else {
                return Ok(());
            };
            let written = self.storage.append(file, bytes);
            written.map_err(|reason| refuse("import", path, reason))?;
        }
    }

    fn link(&self, path: &str, kind: EntryType, target: &str) -> FsResult<NodeId> {
        let (dir, name) = self.replace(path)?;
        if kind == EntryType::Symlink {
            return self.storage.create_symlink(dir, name, target);
        }
        check_below(target)?;
        let (from, old_name) = self.within.parent(target, false)?;
        let node = self.storage.lookup(from, old_name)?;
        self.storage.link(node, dir, name)?;
        Ok(node)
    }

    /// Where `path` goes, with what was there removed.
    fn replace<'p>(&self, path: &'p str) -> FsResult<(NodeId, &'p str)> {
        check_below(path)?;
        let (dir, name) = self.within.parent(path, true)?;
        match self.storage.unlink(dir, name) {
            Ok(()) | Err(FsError::NoEntry) => Ok((dir, name)),
            Err(error) => Err(error),
        }
    }
}

/// Refuses paths of entries that say themselves that they lead out.
fn check_below(path: &str) -> FsResult<()> {
    if path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return Err(FsError::NotPermitted);
    }
    Ok(())
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
    // What changes meanwhile is not in it, if that can be had.
    match storage.snapshot() {
        Ok(now) => export_from(&now.to_storage(), path, tar),
        Err(_) => export_from(storage, path, tar),
    }
}

fn export_from<S: VfsStorage + ?Sized>(storage: &S, path: &str, tar: impl Write) -> io::Result<()> {
    let top = find(storage, path).map_err(|reason| refuse("export", path, reason))?;
    let mut export = Export { storage, tar: Builder::new(tar), names: HashMap::new() };
    export.directory(top)?;
    export.tar.into_inner()?.flush()
}

struct Export<'a, S: ?Sized, W: Write> {
    storage: &'a S,
    tar: Builder<W>,
    /// The first name of each file that has several.
    names: HashMap<NodeId, String>,
}

impl<S: VfsStorage + ?Sized, W: Write> Export<'_, S, W> {
    fn directory(&mut self, top: NodeId) -> io::Result<()> {
        let mut dirs = vec![(top, String::new())];
        while let Some((dir, prefix)) = dirs.pop() {
            let bad = |reason| refuse("export", &prefix, reason);
            for entry in self.storage.read_dir(dir, None, usize::MAX).map_err(bad)? {
                let path = format!("{prefix}{}", entry.name);
                let node = self.storage.lookup(dir, &entry.name).map_err(bad)?;
                self.node(node, &path).map_err(|error| match error {
                    Failed::Tar(error) => error,
                    Failed::Storage(reason) => refuse("export", &path, reason),
                })?;
                if entry.kind == FileKind::Directory {
                    dirs.push((node, format!("{path}/")));
                }
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
