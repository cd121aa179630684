use super::file::Contents;
use super::limits::{StorageLimits, StorageUsage};
use super::table::Table;
use crate::path::{check_name, check_target};
use crate::storage::{DirEntry, FileKind, Metadata};
use crate::{FileClock, FsError, FsResult};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;

/// The root's number.
pub(super) const ROOT: u64 = 0;

/// The largest size of a file that can be spoken of.
const LARGEST_FILE: u64 = i64::MAX.unsigned_abs();

/// Names in a directory, shared with forks until one changes.
type Entries = Arc<BTreeMap<Arc<str>, u64>>;

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) what: What,
    pub(super) links: u64,
    pub(super) accessed: SystemTime,
    pub(super) modified: SystemTime,
    pub(super) changed: SystemTime,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    File(Contents),
    Directory { parent: u64, entries: Entries },
    Symlink(Arc<str>),
}

impl What {
    pub(super) fn kind(&self) -> FileKind {
        match self {
            Self::File(_) => FileKind::File,
            Self::Directory { .. } => FileKind::Directory,
            Self::Symlink(_) => FileKind::Symlink,
        }
    }

    /// What the node is charged.
    fn bytes(&self) -> u64 {
        match self {
            Self::File(contents) => contents.size(),
            Self::Directory { .. } => 0,
            Self::Symlink(target) => u64::try_from(target.len()).unwrap_or(u64::MAX),
        }
    }
}

/// A tree of files. Cloning it is cheap: clones share what does not change.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    nodes: Table,
    next: u64,
    clock: FileClock,
    pub(super) limits: StorageLimits,
    pub(super) usage: StorageUsage,
    /// How often each node is open. A clone has nothing open.
    open: HashMap<u64, u64>,
}

impl Tree {
    pub(super) fn new(limits: StorageLimits, clock: FileClock) -> Self {
        let mut nodes = Table::default();
        let root = What::Directory { parent: ROOT, entries: Entries::default() };
        nodes.insert(ROOT, Node::new(root, clock.now()));
        let usage = StorageUsage::default();
        Self { nodes, next: ROOT + 1, clock, limits, usage, open: HashMap::new() }
    }

    pub(super) fn set_clock(&mut self, clock: FileClock) {
        self.clock = clock;
    }

    /// The same files, with times from the clock of `other` from now on.
    pub(super) fn timed_as(self, other: &Self) -> Self {
        Self { clock: other.clock.clone(), ..self }
    }

    /// The same files for another owner. What only lived on because it was
    /// open does not come along.
    pub(super) fn fork(&self) -> Self {
        let mut fork = self.clone();
        for number in std::mem::take(&mut fork.open).into_keys() {
            fork.forget_if_unused(number);
        }
        fork
    }

    pub(super) fn lookup(&self, dir: u64, name: &str) -> FsResult<u64> {
        self.entries(dir)?.get(name).copied().ok_or(FsError::NoEntry)
    }

    pub(super) fn node(&self, number: u64) -> FsResult<&Node> {
        self.nodes.get(number).ok_or(FsError::NoEntry)
    }

    pub(super) fn stat(&self, number: u64) -> FsResult<Metadata> {
        let node = self.node(number)?;
        let size = if let What::Directory { .. } = node.what { 0 } else { node.what.bytes() };
        Ok(Metadata {
            kind: node.what.kind(),
            size,
            links: node.links,
            accessed: Some(node.accessed),
            modified: Some(node.modified),
            changed: Some(node.changed),
        })
    }

    pub(super) fn open(&mut self, number: u64) -> FsResult<()> {
        self.node(number)?;
        let count = self.open.entry(number).or_default();
        *count = count.saturating_add(1);
        Ok(())
    }

    pub(super) fn close(&mut self, number: u64) {
        let Some(count) = self.open.get_mut(&number) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.open.remove(&number);
            self.forget_if_unused(number);
        }
    }

    pub(super) fn read_at(&self, file: u64, offset: u64, length: usize) -> FsResult<Vec<u8>> {
        match &self.node(file)?.what {
            What::File(contents) => Ok(contents.read(offset, length)),
            What::Directory { .. } => Err(FsError::IsDirectory),
            What::Symlink(_) => Err(FsError::Invalid),
        }
    }

    pub(super) fn write_at(&mut self, file: u64, offset: u64, bytes: &[u8]) -> FsResult<()> {
        let length = u64::try_from(bytes.len()).map_err(|_| FsError::TooLarge)?;
        let end = offset.checked_add(length).ok_or(FsError::TooLarge)?;
        let size = self.file_size(file)?;
        if bytes.is_empty() {
            return Ok(());
        }
        self.grow(size, end)?;
        self.change(file, |contents| contents.write(offset, bytes))
    }

    pub(super) fn append(&mut self, file: u64, bytes: &[u8]) -> FsResult<()> {
        self.write_at(file, self.file_size(file)?, bytes)
    }

    pub(super) fn set_size(&mut self, file: u64, size: u64) -> FsResult<()> {
        let before = self.file_size(file)?;
        self.grow(before, size)?;
        self.usage.bytes = self.usage.bytes.saturating_sub(before.saturating_sub(size));
        self.change(file, |contents| contents.set_size(size))
    }

    /// Makes `bytes` all that is in a file.
    pub(super) fn replace(&mut self, file: u64, bytes: &[u8]) -> FsResult<()> {
        let before = self.file_size(file)?;
        let size = u64::try_from(bytes.len()).map_err(|_| FsError::TooLarge)?;
        self.grow(before, size)?;
        self.usage.bytes = self.usage.bytes.saturating_sub(before.saturating_sub(size));
        self.change(file, |contents| {
            contents.set_size(0);
            contents.write(0, bytes);
        })
    }

    pub(super) fn set_times(
        &mut self,
        number: u64,
        accessed: Option<SystemTime>,
        modified: Option<SystemTime>,
    ) -> FsResult<()> {
        let node = self.changing(number)?;
        node.accessed = accessed.unwrap_or(node.accessed);
        node.modified = modified.unwrap_or(node.modified);
        Ok(())
    }

    pub(super) fn read_dir(
        &self,
        dir: u64,
        after: Option<&str>,
        count: usize,
    ) -> FsResult<Vec<DirEntry>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries(dir)?
            .range::<str, _>((start, Bound::Unbounded))
            .take(count)
            .map(|(name, number)| {
                let kind = self.node(*number)?.what.kind();
                Ok(DirEntry { name: name.to_string(), kind })
            })
            .collect()
    }

    pub(super) fn create_file(&mut self, dir: u64, name: &str) -> FsResult<u64> {
        self.create(dir, name, What::File(Contents::default()))
    }

    pub(super) fn create_dir(&mut self, dir: u64, name: &str) -> FsResult<u64> {
        if self.depth(dir)? >= self.limits.depth {
            return Err(FsError::NoSpace);
        }
        self.create(dir, name, What::Directory { parent: dir, entries: Entries::default() })
    }

    pub(super) fn create_symlink(&mut self, dir: u64, name: &str, target: &str) -> FsResult<u64> {
        check_target(target)?;
        self.check_free(dir, name)?;
        let bytes = u64::try_from(target.len()).map_err(|_| FsError::NameTooLong)?;
        self.room_for_bytes(bytes)?;
        let number = self.create(dir, name, What::Symlink(target.into()))?;
        self.usage.bytes = self.usage.bytes.saturating_add(bytes);
        Ok(number)
    }

    pub(super) fn read_link(&self, link: u64) -> FsResult<String> {
        match &self.node(link)?.what {
            What::Symlink(target) => Ok(target.to_string()),
            _ => Err(FsError::Invalid),
        }
    }

    pub(super) fn link(&mut self, number: u64, dir: u64, name: &str) -> FsResult<()> {
        let node = self.node(number)?;
        if let What::Directory { .. } = node.what {
            return Err(FsError::NotPermitted);
        }
        if node.links == 0 {
            return Err(FsError::NoEntry);
        }
        self.check_free(dir, name)?;
        self.room_for_node()?;
        self.usage.nodes = self.usage.nodes.saturating_add(1);
        self.entries_mut(dir)?.insert(name.into(), number);
        let node = self.changing(number)?;
        node.links = node.links.saturating_add(1);
        Ok(())
    }

    pub(super) fn unlink(&mut self, dir: u64, name: &str) -> FsResult<()> {
        let number = self.lookup(dir, name)?;
        if let What::Directory { .. } = self.node(number)?.what {
            return Err(FsError::IsDirectory);
        }
        self.remove_name(dir, name, number)
    }

    pub(super) fn remove_dir(&mut self, dir: u64, name: &str) -> FsResult<()> {
        let number = self.lookup(dir, name)?;
        if !self.entries(number)?.is_empty() {
            return Err(FsError::NotEmpty);
        }
        self.remove_name(dir, name, number)
    }

    pub(super) fn rename(
        &mut self,
        from: u64,
        name: &str,
        to: u64,
        new_name: &str,
    ) -> FsResult<()> {
        let moved = self.lookup(from, name)?;
        check_name(new_name)?;
        self.live_directory(to)?;
        let is_directory = matches!(self.node(moved)?.what, What::Directory { .. });
        if is_directory {
            self.check_move(moved, from, to)?;
        }
        if let Some(replaced) = self.entries(to)?.get(new_name).copied() {
            if replaced == moved {
                return Ok(());
            }
            match (&self.node(replaced)?.what, is_directory) {
                (What::Directory { entries, .. }, true) if !entries.is_empty() => {
                    return Err(FsError::NotEmpty);
                }
                (What::Directory { .. }, false) => return Err(FsError::IsDirectory),
                (What::File(_) | What::Symlink(_), true) => return Err(FsError::NotDirectory),
                _ => {}
            }
            self.remove_name(to, new_name, replaced)?;
        }
        self.entries_mut(from)?.remove(name);
        self.entries_mut(to)?.insert(new_name.into(), moved);
        let node = self.changing(moved)?;
        if let What::Directory { parent, .. } = &mut node.what {
            *parent = to;
        }
        Ok(())
    }

    /// A directory must not end up inside itself, nor too deep.
    fn check_move(&self, moved: u64, from: u64, to: u64) -> FsResult<()> {
        let mut above = to;
        while above != ROOT {
            if above == moved {
                return Err(FsError::Invalid);
            }
            above = self.parent(above)?;
        }
        let depth = self.depth(to)?;
        if depth > self.depth(from)?
            && depth.saturating_add(self.height(moved)?) > self.limits.depth
        {
            return Err(FsError::NoSpace);
        }
        Ok(())
    }

    /// How many directories `dir` lies in.
    fn depth(&self, mut dir: u64) -> FsResult<u32> {
        let mut depth = 0_u32;
        while dir != ROOT {
            dir = self.parent(dir)?;
            depth = depth.saturating_add(1);
        }
        Ok(depth)
    }

    /// How many directories lie inside each other from `top` down, with it.
    fn height(&self, top: u64) -> FsResult<u32> {
        let mut height = 0;
        let mut level = vec![top];
        while !level.is_empty() {
            height += 1;
            let mut below = Vec::new();
            for dir in level {
                for number in self.entries(dir)?.values() {
                    if let What::Directory { .. } = self.node(*number)?.what {
                        below.push(*number);
                    }
                }
            }
            level = below;
        }
        Ok(height)
    }

    fn parent(&self, dir: u64) -> FsResult<u64> {
        match self.node(dir)?.what {
            What::Directory { parent, .. } => Ok(parent),
            _ => Err(FsError::NotDirectory),
        }
    }

    pub(super) fn entries(&self, dir: u64) -> FsResult<&BTreeMap<Arc<str>, u64>> {
        match &self.node(dir)?.what {
            What::Directory { entries, .. } => Ok(entries),
            _ => Err(FsError::NotDirectory),
        }
    }

    /// A node that changes now.
    fn changing(&mut self, number: u64) -> FsResult<&mut Node> {
        let now = self.clock.now();
        let node = self.nodes.get_mut(number).ok_or(FsError::NoEntry)?;
        node.changed = now;
        Ok(node)
    }

    /// The entries of a directory that is about to change.
    fn entries_mut(&mut self, dir: u64) -> FsResult<&mut BTreeMap<Arc<str>, u64>> {
        let node = self.changing(dir)?;
        node.modified = node.changed;
        match &mut node.what {
            What::Directory { entries, .. } => Ok(Arc::make_mut(entries)),
            _ => Err(FsError::NotDirectory),
        }
    }

    /// Refuses a directory that was removed while open: nothing can be put in.
    fn live_directory(&self, dir: u64) -> FsResult<()> {
        self.entries(dir)?;
        if self.node(dir)?.links == 0 { Err(FsError::NoEntry) } else { Ok(()) }
    }

    fn check_free(&self, dir: u64, name: &str) -> FsResult<()> {
        check_name(name)?;
        self.live_directory(dir)?;
        if self.entries(dir)?.contains_key(name) { Err(FsError::Exists) } else { Ok(()) }
    }

    fn create(&mut self, dir: u64, name: &str, what: What) -> FsResult<u64> {
        self.check_free(dir, name)?;
        self.room_for_node()?;
        let number = self.next;
        self.next = self.next.checked_add(1).ok_or(FsError::NoSpace)?;
        self.nodes.insert(number, Node::new(what, self.clock.now()));
        self.usage.nodes = self.usage.nodes.saturating_add(1);
        self.entries_mut(dir)?.insert(name.into(), number);
        Ok(number)
    }

    fn remove_name(&mut self, dir: u64, name: &str, number: u64) -> FsResult<()> {
        self.entries_mut(dir)?.remove(name);
        let node = self.changing(number)?;
        node.links = node.links.saturating_sub(1);
        if node.links > 0 {
            self.usage.nodes = self.usage.nodes.saturating_sub(1);
        } else {
            self.forget_if_unused(number);
        }
        Ok(())
    }

    /// Gives back what a node takes once it has no name and nobody has it open.
    fn forget_if_unused(&mut self, number: u64) {
        let Some(node) = self.nodes.get(number) else { return };
        if node.links > 0 || self.open.contains_key(&number) {
            return;
        }
        let bytes = node.what.bytes();
        self.usage.bytes = self.usage.bytes.saturating_sub(bytes);
        self.usage.nodes = self.usage.nodes.saturating_sub(1);
        self.nodes.remove(number);
    }

    fn file_size(&self, file: u64) -> FsResult<u64> {
        match &self.node(file)?.what {
            What::File(contents) => Ok(contents.size()),
            What::Directory { .. } => Err(FsError::IsDirectory),
            What::Symlink(_) => Err(FsError::Invalid),
        }
    }

    fn change(&mut self, file: u64, work: impl FnOnce(&mut Contents)) -> FsResult<()> {
        let node = self.changing(file)?;
        node.modified = node.changed;
        match &mut node.what {
            What::File(contents) => work(contents),
            _ => return Err(FsError::Invalid),
        }
        Ok(())
    }

    /// Charges a file's growth from `before` to `after` bytes.
    fn grow(&mut self, before: u64, after: u64) -> FsResult<()> {
        if after > LARGEST_FILE {
            return Err(FsError::TooLarge);
        }
        let more = after.saturating_sub(before);
        self.room_for_bytes(more)?;
        self.usage.bytes = self.usage.bytes.saturating_add(more);
        Ok(())
    }

    fn room_for_bytes(&self, more: u64) -> FsResult<()> {
        match self.usage.bytes.checked_add(more) {
            Some(total) if more == 0 || total <= self.limits.bytes => Ok(()),
            _ => Err(FsError::NoSpace),
        }
    }

    fn room_for_node(&self) -> FsResult<()> {
        if self.usage.nodes < self.limits.nodes { Ok(()) } else { Err(FsError::NoSpace) }
    }
}

impl Node {
    fn new(what: What, now: SystemTime) -> Self {
        Self { what, links: 1, accessed: now, modified: now, changed: now }
    }
}
