use super::limits::StorageLimits;
use super::tree::{ROOT, Tree, What};
use crate::{FileClock, FsError, FsResult};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_bytes::ByteBuf;
use std::collections::HashMap;
use std::time::SystemTime;

/// The files of an [`InMemoryStorage`](super::InMemoryStorage) at one moment.
///
/// It shares memory with the storage until one of them changes. With serde it
/// becomes a list of all files, so that it takes as much room as they do. What is
/// read back may come from anywhere: its limits are then at most the defaults, or
/// what its files take. [`restore`](super::InMemoryStorage::restore) it into a
/// storage to have others.
#[derive(Debug, Clone)]
pub struct StorageSnapshot(Tree);

impl StorageSnapshot {
    pub(super) fn of(tree: Tree) -> Self {
        Self(tree)
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.0
    }

    /// A storage with these files, and the limits of the storage they are from. Its
    /// clock is the host's.
    pub fn to_storage(&self) -> super::InMemoryStorage {
        let mut tree = self.0.fork();
        tree.set_clock(FileClock::default());
        super::InMemoryStorage::of(tree)
    }

    /// All files as bytes, at most `limit`.
    ///
    /// # Errors
    /// [`FsError::TooLarge`] if they would be more.
    pub fn to_bytes(&self, limit: u64) -> FsResult<Vec<u8>> {
        let check = |size: u64| if size > limit { Err(FsError::TooLarge) } else { Ok(()) };
        check(self.0.usage.bytes)?;
        let mut bytes = vec![FORMAT];
        walk(&self.0, |entry| {
            bytes = postcard::to_extend(&entry, std::mem::take(&mut bytes))
                .map_err(|_| FsError::Invalid)?;
            check(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
        })?;
        Ok(bytes)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, as far as files may be
    /// within `limits`. The bytes may come from anywhere.
    ///
    /// # Errors
    /// [`FsError::NoSpace`] if they are more than `limits` allow; another if the
    /// bytes are something else.
    pub fn from_bytes(bytes: &[u8], limits: StorageLimits) -> FsResult<Self> {
        let (format, mut rest) = bytes.split_first().ok_or(FsError::Invalid)?;
        if *format != FORMAT {
            return Err(FsError::Unsupported);
        }
        let mut loader = Loader::new(limits);
        while !rest.is_empty() {
            let (entry, after) = postcard::take_from_bytes(rest).map_err(|_| FsError::Invalid)?;
            loader.add(entry)?;
            rest = after;
        }
        loader.finish().map(Self)
    }
}

/// Of [`StorageSnapshot::to_bytes`].
const FORMAT: u8 = 1;

/// A storage as bytes: entries, each after the directory that it is in.
#[derive(Serialize, Deserialize)]
struct Saved {
    limits: StorageLimits,
    entries: Vec<SavedEntry>,
}

#[derive(Serialize, Deserialize)]
struct SavedEntry {
    /// 0 for the root, else one more than the place of its entry.
    parent: u64,
    name: String,
    what: SavedWhat,
    accessed: SystemTime,
    modified: SystemTime,
}

#[derive(Serialize, Deserialize)]
enum SavedWhat {
    Directory,
    File(ByteBuf),
    Symlink(String),
    /// A further name of the file at this place, counted as in `parent`.
    Again(u64),
}

impl Serialize for StorageSnapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        save(&self.0).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StorageSnapshot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let saved = Saved::deserialize(deserializer)?;
        load(saved).map(Self).map_err(de::Error::custom)
    }
}

fn save(tree: &Tree) -> FsResult<Saved> {
    let mut entries = Vec::new();
    walk(tree, |entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(Saved { limits: tree.limits, entries })
}

/// Shows each entry after the directory that it is in.
fn walk(tree: &Tree, mut show: impl FnMut(SavedEntry) -> FsResult<()>) -> FsResult<()> {
    let mut shown = 0_u64;
    let mut places = HashMap::from([(ROOT, 0_u64)]);
    let mut dirs = vec![ROOT];
    while let Some(dir) = dirs.pop() {
        let parent = places.get(&dir).copied().ok_or(FsError::NoEntry)?;
        for (name, number) in tree.entries(dir)? {
            let node = tree.node(*number)?;
            let what = match (&node.what, places.get(number)) {
                (_, Some(place)) => SavedWhat::Again(*place),
                (What::Directory { .. }, _) => SavedWhat::Directory,
                (What::File(contents), _) => {
                    SavedWhat::File(ByteBuf::from(contents.read(0, usize::MAX)))
                }
                (What::Symlink(target), _) => SavedWhat::Symlink(target.to_string()),
            };
            if let SavedWhat::Directory = what {
                dirs.push(*number);
            }
            let (accessed, modified) = (node.accessed, node.modified);
            show(SavedEntry { parent, name: name.to_string(), what, accessed, modified })?;
            shown = shown.checked_add(1).ok_or(FsError::TooLarge)?;
            places.entry(*number).or_insert(shown);
        }
    }
    Ok(())
}

fn load(saved: Saved) -> FsResult<Tree> {
    let mut loader = Loader::new(saved.limits.while_read());
    for entry in saved.entries {
        loader.add(entry)?;
    }
    let mut tree = loader.finish()?;
    tree.limits = saved.limits.once_read(tree.usage);
    Ok(tree)
}

/// Rebuilds the tree by the same calls that a guest's would be built by, so
/// that bytes from anywhere make a sound tree or none.
struct Loader {
    tree: Tree,
    numbers: Vec<u64>,
    times: Vec<(u64, SystemTime, SystemTime)>,
}

impl Loader {
    fn new(limits: StorageLimits) -> Self {
        let tree = Tree::new(limits, FileClock::default());
        Self { tree, numbers: vec![ROOT], times: Vec::new() }
    }

    /// The depth is counted by the tree: nothing here calls itself.
    fn add(&mut self, entry: SavedEntry) -> FsResult<()> {
        let tree = &mut self.tree;
        let parent = at(&self.numbers, entry.parent)?;
        let number = match entry.what {
            SavedWhat::Directory => tree.create_dir(parent, &entry.name)?,
            SavedWhat::Symlink(target) => tree.create_symlink(parent, &entry.name, &target)?,
            SavedWhat::File(bytes) => {
                let number = tree.create_file(parent, &entry.name)?;
                tree.write_at(number, 0, &bytes)?;
                number
            }
            SavedWhat::Again(place) => {
                let number = at(&self.numbers, place)?;
                tree.link(number, parent, &entry.name)?;
                number
            }
        };
        self.numbers.push(number);
        self.times.push((number, entry.accessed, entry.modified));
        Ok(())
    }

    fn finish(mut self) -> FsResult<Tree> {
        for (number, accessed, modified) in self.times {
            self.tree.set_times(number, Some(accessed), Some(modified))?;
        }
        Ok(self.tree)
    }
}

fn at(numbers: &[u64], place: u64) -> FsResult<u64> {
    let place = usize::try_from(place).map_err(|_| FsError::Invalid)?;
    numbers.get(place).copied().ok_or(FsError::Invalid)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::{InMemoryStorage, StorageFiles, VfsStorage};

    fn bytes() -> Vec<u8> {
        let storage = InMemoryStorage::new();
        storage.write("/a/b", b"hello").unwrap();
        storage.write("/c", b"12").unwrap();
        storage.snapshot().to_bytes(1000).unwrap()
    }

    #[test]
    fn times_are_by_the_clock_of_the_storage_that_files_are_in() {
        let (storage, others) = (InMemoryStorage::new(), InMemoryStorage::new());
        storage.set_clock(FileClock::new(|| SystemTime::UNIX_EPOCH));
        others.write("/a", b"1").unwrap();
        let modified = |storage: &InMemoryStorage| {
            storage.write("/b", b"2").unwrap();
            let node = storage.lookup(storage.root(), "b").unwrap();
            storage.stat(node).unwrap().modified.unwrap()
        };
        let was = storage.exchange(&others.snapshot()).unwrap();
        assert_eq!(modified(&storage), SystemTime::UNIX_EPOCH);
        assert_eq!(modified(&storage.fork()), SystemTime::UNIX_EPOCH);
        assert_ne!(modified(&storage.snapshot().to_storage()), SystemTime::UNIX_EPOCH);
        storage.set_clock(FileClock::default());
        storage.put_back(was);
        assert_ne!(modified(&storage), SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn files_come_back_from_bytes() {
        let read = StorageSnapshot::from_bytes(&bytes(), StorageLimits::default()).unwrap();
        assert_eq!(read.to_storage().read("/a/b").unwrap(), b"hello");
    }

    #[test]
    fn limits_hold_both_ways() {
        let snapshot = StorageSnapshot::from_bytes(&bytes(), StorageLimits::default()).unwrap();
        assert!(matches!(snapshot.to_bytes(6), Err(FsError::TooLarge)));
        assert!(matches!(snapshot.to_bytes(8), Err(FsError::TooLarge)));
        for limits in
            [StorageLimits::default().with_bytes(6), StorageLimits::default().with_nodes(2)]
        {
            let read = StorageSnapshot::from_bytes(&bytes(), limits);
            assert!(matches!(read, Err(FsError::NoSpace)), "{read:?}");
        }
    }

    #[test]
    fn what_is_read_has_no_limits_of_its_own_choice() {
        let limits =
            StorageLimits::default().with_bytes(u64::MAX).with_nodes(u64::MAX).with_depth(u32::MAX);
        let storage = InMemoryStorage::with_limits(limits);
        storage.write("/a", b"hello").unwrap();
        let saved = serde_json::to_string(&storage.snapshot()).unwrap();
        let read: StorageSnapshot = serde_json::from_str(&saved).unwrap();
        let (limits, most) = (read.to_storage().limits(), StorageLimits::default());
        assert_eq!((limits.bytes, limits.nodes, limits.depth), (most.bytes, most.nodes, 2048));
        let small = InMemoryStorage::with_limits(most.with_bytes(1));
        assert_eq!(small.restore(&read), Err(FsError::NoSpace));
    }

    #[test]
    fn depth_takes_no_stack() {
        let time = SystemTime::UNIX_EPOCH;
        let entries = |depth: u64| {
            let dir = |parent| SavedEntry {
                parent,
                name: "d".to_owned(),
                what: SavedWhat::Directory,
                accessed: time,
                modified: time,
            };
            let limits = StorageLimits::default().with_depth(u32::MAX);
            Saved { limits, entries: (0..depth).map(dir).collect() }
        };
        assert!(matches!(load(entries(2049)), Err(FsError::NoSpace)));
        let deep = StorageSnapshot(load(entries(2048)).unwrap());
        let small = std::thread::Builder::new().stack_size(256 << 10);
        let work = move || {
            let storage = deep.to_storage();
            let mut tar = Vec::new();
            storage.export_tar("/", &mut tar).unwrap();
            drop(serde_json::to_string(&storage.snapshot()).unwrap());
            storage.remove("/").unwrap();
            assert_eq!(storage.usage(), crate::StorageUsage::default());
        };
        small.spawn(work).unwrap().join().unwrap();
    }

    #[test]
    fn other_bytes_are_refused_or_make_a_sound_tree() {
        let bytes = bytes();
        let limits = StorageLimits::default();
        assert!(StorageSnapshot::from_bytes(&[], limits).is_err());
        assert!(StorageSnapshot::from_bytes(&[2], limits).is_err());
        assert!(StorageSnapshot::from_bytes(&bytes[..bytes.len() - 1], limits).is_err());
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                if let Ok(read) = StorageSnapshot::from_bytes(&changed, limits) {
                    read.to_bytes(1000).unwrap();
                }
            }
        }
    }
}
