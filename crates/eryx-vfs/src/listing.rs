use crate::ctx::{Handle, HybridVfsCtx};
use crate::open_file::Pin;
use crate::place::{Node, Place, blocking};
use crate::real::next_entries;
use crate::storage::{ArcStorage, DirEntry, FileKind, NodeId};
use crate::{FsError, FsResult};
use cap_std::fs::ReadDir;
use std::collections::{BTreeSet, VecDeque};

/// How many entries are fetched at a time.
const BATCH: usize = 64;

/// A directory that a guest is reading: first what is mounted in it, then the
/// rest, in parts.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub struct Listing {
    ready: VecDeque<DirEntry>,
    mounted: BTreeSet<String>,
    source: Source,
    _handle: Handle,
}

enum Source {
    Memory { storage: ArcStorage, dir: NodeId, after: Option<String>, _pin: Pin },
    Real(Box<ReadDir>),
    Done,
}

impl HybridVfsCtx {
    pub(crate) async fn list(&self, place: &Place) -> FsResult<Listing> {
        let mounted = self.mounted_in(place)?;
        let on_host = matches!(place.node, Node::Real(_));
        let handle = if on_host { self.host_handle()? } else { self.handle()? };
        let source = match &place.node {
            Node::Nowhere => Source::Done,
            Node::Memory(dir) => {
                let storage = self.storage(place.mount)?;
                storage.read_dir(*dir, None, 0)?;
                let pin = Pin::new(storage, *dir)?;
                Source::Memory { storage: storage.clone(), dir: *dir, after: None, _pin: pin }
            }
            Node::Real(path) => {
                let (real, path) = (self.real(place.mount)?, path.clone());
                Source::Real(Box::new(blocking(move || real.read_dir(&path)).await?))
            }
        };
        let names = mounted.iter().map(|entry| entry.name.clone()).collect();
        Ok(Listing { ready: mounted.into(), mounted: names, source, _handle: handle })
    }

    fn mounted_in(&self, place: &Place) -> FsResult<Vec<DirEntry>> {
        let points = &self.table().points;
        let Some(here) = place.point.and_then(|point| points.get(point)) else {
            return Ok(Vec::new());
        };
        let mut entries = Vec::new();
        for (name, below) in &here.below {
            let mount = points.get(*below).and_then(|point| point.mount);
            let is_file = match mount {
                Some(number) => self.mount(number)?.is_file(),
                None => false,
            };
            let kind = if is_file { FileKind::File } else { FileKind::Directory };
            entries.push(DirEntry { name: name.clone(), kind });
        }
        Ok(entries)
    }
}

impl Listing {
    /// The next entry; none at the end.
    pub(crate) async fn next(&mut self) -> FsResult<Option<DirEntry>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(Some(entry));
            }
            let batch = self.source.batch().await?;
            if batch.is_empty() {
                return Ok(None);
            }
            let shown = |entry: &DirEntry| !self.mounted.contains(&entry.name);
            self.ready = batch.into_iter().filter(shown).collect();
        }
    }
}

impl Source {
    async fn batch(&mut self) -> FsResult<Vec<DirEntry>> {
        match self {
            Self::Done => Ok(Vec::new()),
            Self::Memory { storage, dir, after, .. } => {
                let batch = storage.read_dir(*dir, after.as_deref(), BATCH)?;
                *after = batch.last().map(|entry| entry.name.clone()).or(after.take());
                Ok(batch)
            }
            Self::Real(_) => {
                let Self::Real(mut entries) = std::mem::replace(self, Self::Done) else {
                    return Err(FsError::Io);
                };
                let (batch, entries) =
                    blocking(move || Ok((next_entries(&mut entries, BATCH)?, entries))).await?;
                *self = Self::Real(entries);
                Ok(batch)
            }
        }
    }
}
