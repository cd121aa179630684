use super::limits::StorageLimits;
use super::tree::{ROOT, Tree, What};
use crate::{FsError, FsResult};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_bytes::ByteBuf;
use std::collections::HashMap;
use std::time::SystemTime;

/// The files of an [`InMemoryStorage`](super::InMemoryStorage) at one moment.
///
/// It shares memory with the storage until one of them changes. With serde it
/// becomes a list of all files, so that it takes as much room as they do.
#[derive(Debug, Clone)]
pub struct StorageSnapshot(Tree);

impl StorageSnapshot {
    pub(super) fn of(tree: Tree) -> Self {
        Self(tree)
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.0
    }

    /// A storage with these files, and the limits of the storage they are from.
    pub fn to_storage(&self) -> super::InMemoryStorage {
        super::InMemoryStorage::of(self.0.fork())
    }
}

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
            entries.push(SavedEntry { parent, name: name.to_string(), what, accessed, modified });
            let place = u64::try_from(entries.len()).map_err(|_| FsError::TooLarge)?;
            places.entry(*number).or_insert(place);
        }
    }
    Ok(Saved { limits: tree.limits, entries })
}

/// Rebuilds the tree by the same calls that a guest's would be built by, so
/// that bytes from anywhere make a sound tree or none.
fn load(saved: Saved) -> FsResult<Tree> {
    let mut tree = Tree::new(saved.limits);
    let mut numbers = vec![ROOT];
    let mut times = Vec::new();
    for entry in saved.entries {
        let parent = at(&numbers, entry.parent)?;
        let number = match entry.what {
            SavedWhat::Directory => tree.create_dir(parent, &entry.name)?,
            SavedWhat::Symlink(target) => tree.create_symlink(parent, &entry.name, &target)?,
            SavedWhat::File(bytes) => {
                let number = tree.create_file(parent, &entry.name)?;
                tree.write_at(number, 0, &bytes)?;
                number
            }
            SavedWhat::Again(place) => {
                let number = at(&numbers, place)?;
                tree.link(number, parent, &entry.name)?;
                number
            }
        };
        numbers.push(number);
        times.push((number, entry.accessed, entry.modified));
    }
    for (number, accessed, modified) in times {
        tree.set_times(number, Some(accessed), Some(modified))?;
    }
    Ok(tree)
}

fn at(numbers: &[u64], place: u64) -> FsResult<u64> {
    let place = usize::try_from(place).map_err(|_| FsError::Invalid)?;
    numbers.get(place).copied().ok_or(FsError::Invalid)
}
