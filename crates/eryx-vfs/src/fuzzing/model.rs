//! A storage in memory does what a plain model says, and counts what that counts.

use super::input::Input;
use crate::storage::FileKind;
use crate::{FsResult, InMemoryStorage, NodeId, StorageLimits, StorageSnapshot, VfsStorage};
use std::collections::{BTreeMap, BTreeSet};

/// So little that random operations come to its end.
const LIMITS: (u64, u64, u32) = (300, 12, 3);

const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Create(String),
    MakeDir(String),
    Write { path: String, offset: u64, length: usize },
    Append { path: String, length: usize },
    Replace { path: String, length: usize },
    Resize { path: String, size: u64 },
    Link { path: String, new: String },
    Unlink(String),
    RemoveDir(String),
    Rename { path: String, new: String },
    Open(String),
    Close,
    Save,
    Restore,
}

pub(crate) fn decode(input: &mut Input<'_>) -> Vec<Op> {
    input.all(decode_one)
}

fn decode_one(input: &mut Input<'_>) -> Op {
    let (what, path) = (input.byte(), decode_path(input));
    let length = usize::from(input.byte());
    let size = u64::from(input.byte()) * 2;
    match what % 16 {
        0..=2 => Op::Create(path),
        3..=5 => Op::MakeDir(path),
        6 => Op::Write { path, offset: size, length },
        7 => Op::Append { path, length },
        8 => Op::Replace { path, length },
        9 => Op::Resize { path, size },
        10 => Op::Link { path, new: decode_path(input) },
        11 => Op::Unlink(path),
        12 => Op::RemoveDir(path),
        13 => Op::Rename { path, new: decode_path(input) },
        14 if input.flag() => Op::Open(path),
        14 => Op::Close,
        _ if input.flag() => Op::Save,
        _ => Op::Restore,
    }
}

fn decode_path(input: &mut Input<'_>) -> String {
    let names: Vec<&str> = (0..=input.byte() % 4).map(|_| input.pick(&NAMES)).collect();
    names.join("/")
}

/// Names that lead to nodes, as a list of all paths; `None` is a directory.
#[derive(Debug, Clone, Default)]
struct Model {
    names: BTreeMap<String, usize>,
    nodes: Vec<Option<Vec<u8>>>,
    open: Vec<usize>,
}

impl Model {
    fn file(&self, path: &str) -> Option<usize> {
        self.names.get(path).copied().filter(|node| self.nodes[*node].is_some())
    }

    fn is_dir(&self, path: &str) -> bool {
        path.is_empty() || self.names.get(path).is_some_and(|node| self.nodes[*node].is_none())
    }

    fn is_free(&self, path: &str) -> bool {
        self.is_dir(above(path)) && !self.names.contains_key(path)
    }

    fn is_empty(&self, path: &str) -> bool {
        !self.names.keys().any(|name| is_below(name, path))
    }

    /// Nodes that have a name or are open.
    fn alive(&self) -> BTreeSet<usize> {
        self.names.values().chain(&self.open).copied().collect()
    }

    fn bytes(&self) -> u64 {
        let size = |node: usize| self.nodes[node].as_ref().map_or(0, Vec::len);
        self.alive().into_iter().map(size).sum::<usize>().try_into().unwrap()
    }

    /// Each name counts, and what is only open.
    fn count(&self) -> u64 {
        let named: BTreeSet<usize> = self.names.values().copied().collect();
        let only_open = self.alive().difference(&named).count();
        u64::try_from(self.names.len() + only_open).unwrap()
    }

    fn has_room(&self, more: usize) -> bool {
        more == 0 || self.bytes() + u64::try_from(more).unwrap() <= LIMITS.0
    }

    fn add(&mut self, path: &str, contents: Option<Vec<u8>>) -> bool {
        let fits = contents.is_some() || depth(above(path)) < LIMITS.2;
        let may = fits && self.is_free(path) && self.count() < LIMITS.1;
        if may {
            self.nodes.push(contents);
            self.names.insert(path.to_owned(), self.nodes.len() - 1);
        }
        may
    }

    /// Makes a file `size` bytes long, then puts `bytes` there.
    fn change(
        &mut self,
        path: &str,
        size: impl Fn(usize) -> usize,
        at: usize,
        bytes: &[u8],
    ) -> bool {
        let Some(node) = self.file(path) else { return false };
        let before = self.nodes[node].as_ref().unwrap().len();
        let size = size(before);
        if !self.has_room(size.saturating_sub(before)) {
            return false;
        }
        let contents = self.nodes[node].as_mut().unwrap();
        contents.resize(size, 0);
        contents[at..at + bytes.len()].copy_from_slice(bytes);
        true
    }

    fn rename(&mut self, path: &str, new: &str) -> bool {
        let Some(node) = self.names.get(path).copied() else { return false };
        let is_dir = self.nodes[node].is_none();
        if !self.is_dir(above(new)) || (is_dir && is_below(new, path)) {
            return false;
        }
        if is_dir && !self.stays_shallow(path, new) {
            return false;
        }
        if let Some(other) = self.names.get(new).copied() {
            if other == node {
                return true;
            }
            if is_dir != self.nodes[other].is_none() || !self.is_empty(new) {
                return false;
            }
            self.names.remove(new);
        }
        let moved = |name: &String| name == path || is_below(name, path);
        let names: Vec<String> = self.names.keys().filter(|name| moved(name)).cloned().collect();
        for name in names {
            let node = self.names.remove(&name).unwrap();
            self.names.insert(format!("{new}{}", &name[path.len()..]), node);
        }
        true
    }

    /// Only who moves a directory further down can make it too deep.
    fn stays_shallow(&self, path: &str, new: &str) -> bool {
        let dirs = self.names.keys().filter(|name| self.is_dir(name));
        let lowest =
            dirs.filter(|name| *name == path || is_below(name, path)).map(|name| depth(name));
        let height = lowest.max().unwrap() - depth(above(path));
        depth(above(new)) <= depth(above(path)) || depth(above(new)) + height <= LIMITS.2
    }

    /// What the operation does; false if it cannot.
    fn apply(&mut self, op: &Op) -> bool {
        match op {
            Op::Create(path) => self.add(path, Some(Vec::new())),
            Op::MakeDir(path) => self.add(path, None),
            Op::Write { path, length: 0, .. } => self.file(path).is_some(),
            Op::Write { path, offset, length } => {
                let at = usize::try_from(*offset).unwrap();
                self.change(path, |size| size.max(at + length), at, &pattern(*length))
            }
            Op::Append { path, length } => {
                let Some(node) = self.file(path) else { return false };
                let at = self.nodes[node].as_ref().unwrap().len();
                self.change(path, |size| size + length, at, &pattern(*length))
            }
            Op::Replace { path, length } => self.change(path, |_| *length, 0, &pattern(*length)),
            Op::Resize { path, size } => {
                self.change(path, |_| usize::try_from(*size).unwrap(), 0, &[])
            }
            Op::Link { path, new } => {
                let may = self.is_free(new) && self.count() < LIMITS.1;
                let Some(node) = self.file(path).filter(|_| may) else { return false };
                self.names.insert(new.clone(), node);
                true
            }
            Op::Unlink(path) => self.file(path).is_some() && self.names.remove(path).is_some(),
            Op::RemoveDir(path) => {
                self.is_dir(path) && self.is_empty(path) && self.names.remove(path).is_some()
            }
            Op::Rename { path, new } => self.rename(path, new),
            Op::Open(path) => {
                let found = self.names.get(path).copied();
                self.open.extend(found);
                found.is_some()
            }
            Op::Close => self.open.pop().is_some(),
            Op::Save | Op::Restore => unreachable!("they are no operations of a storage"),
        }
    }
}

fn above(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(above, _)| above)
}

fn is_below(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

fn depth(path: &str) -> u32 {
    path.split('/').filter(|name| !name.is_empty()).count().try_into().unwrap()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap() + 1).collect()
}

/// The storage, and what is open in it.
struct Tried {
    storage: InMemoryStorage,
    open: Vec<NodeId>,
}

impl Tried {
    fn find(&self, path: &str) -> FsResult<NodeId> {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.into_iter().try_fold(self.storage.root(), |dir, name| self.storage.lookup(dir, name))
    }

    fn apply(&mut self, op: &Op) -> FsResult<()> {
        let storage = &self.storage;
        let dir = |path: &str| self.find(above(path));
        let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        match op {
            Op::Create(path) => storage.create_file(dir(path)?, &name(path)).map(drop),
            Op::MakeDir(path) => storage.create_dir(dir(path)?, &name(path)).map(drop),
            Op::Write { path, offset, length } => {
                storage.write_at(self.find(path)?, *offset, &pattern(*length))
            }
            Op::Append { path, length } => storage.append(self.find(path)?, &pattern(*length)),
            Op::Replace { path, length } => storage.replace(self.find(path)?, &pattern(*length)),
            Op::Resize { path, size } => storage.set_size(self.find(path)?, *size),
            Op::Link { path, new } => storage.link(self.find(path)?, dir(new)?, &name(new)),
            Op::Unlink(path) => storage.unlink(dir(path)?, &name(path)),
            Op::RemoveDir(path) => storage.remove_dir(dir(path)?, &name(path)),
            Op::Rename { path, new } => {
                storage.rename(dir(path)?, &name(path), dir(new)?, &name(new))
            }
            Op::Open(path) => {
                let node = self.find(path)?;
                storage.open(node)?;
                self.open.push(node);
                Ok(())
            }
            Op::Close => {
                let node = self.open.pop().ok_or(crate::FsError::BadDescriptor)?;
                storage.close(node);
                Ok(())
            }
            Op::Save | Op::Restore => unreachable!("they are no operations of a storage"),
        }
    }

    /// All paths, with what is there.
    fn all(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let mut all = BTreeMap::new();
        let mut left = vec![(String::new(), self.storage.root())];
        while let Some((path, dir)) = left.pop() {
            for entry in self.storage.read_dir(dir, None, usize::MAX).unwrap() {
                let path = format!("{path}/{}", entry.name);
                let node = self.storage.lookup(dir, &entry.name).unwrap();
                let contents = match entry.kind {
                    FileKind::Directory => None,
                    _ => Some(self.storage.read_at(node, 0, usize::MAX).unwrap()),
                };
                if contents.is_none() {
                    left.push((path.clone(), node));
                }
                all.insert(path.trim_start_matches('/').to_owned(), contents);
            }
        }
        all
    }
}

pub(crate) fn compare(ops: &[Op]) {
    let (bytes, nodes, depth) = LIMITS;
    let limits = StorageLimits::default().with_bytes(bytes).with_nodes(nodes).with_depth(depth);
    let mut tried = Tried { storage: InMemoryStorage::with_limits(limits), open: Vec::new() };
    let mut model = Model::default();
    let mut saved: Option<(StorageSnapshot, Model)> = None;
    for op in ops {
        match op {
            Op::Save => {
                saved =
                    Some((tried.storage.snapshot(), Model { open: Vec::new(), ..model.clone() }));
            }
            Op::Restore => {
                if let Some((snapshot, then)) = &saved {
                    tried.storage.restore(snapshot).unwrap();
                    model = then.clone();
                    // What was open means nothing any more, and is no harm.
                    tried.open.drain(..).for_each(|node| tried.storage.close(node));
                }
            }
            op => {
                let done = tried.apply(op);
                assert_eq!(done.is_ok(), model.apply(op), "{op:?}: {done:?}\n{model:?}");
            }
        }
        let expected: BTreeMap<_, _> = model
            .names
            .iter()
            .map(|(path, node)| (path.clone(), model.nodes[*node].clone()))
            .collect();
        assert_eq!(tried.all(), expected, "after {op:?}");
        let usage = tried.storage.usage();
        assert_eq!((usage.bytes, usage.nodes), (model.bytes(), model.count()), "after {op:?}");
        assert!(usage.bytes <= bytes && usage.nodes <= nodes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn memory_does_what_the_model_says(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            compare(&decode(&mut Input(&bytes)));
        }
    }
}
