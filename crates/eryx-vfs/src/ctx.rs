use crate::locks::LockOwner;
use crate::mounts::{Mount, MountTable, Mounted, ROOT_POINT, SCRATCH, Table};
use crate::place::{Node, Place};
use crate::real::{RealDir, WriteQuota};
use crate::{ArcStorage, ConfigError, FileClock, FsError, FsResult, VfsConfig};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// How many files and directories may be open at a time.
const MOST_HANDLES: usize = 1024;
/// How many of them may be the host's, which the whole process has few of.
const MOST_ON_HOST: usize = 100;
/// How many streams may be open at a time: of each file one to read and one to write.
const MOST_STREAMS: usize = 2 * MOST_HANDLES;

/// One guest's file tree: storages in memory and directories of the host under
/// one root.
///
/// A context belongs to one store: it has its own scratch files, its own count
/// of open files and its own write quotas. Making one is cheap; the mounts are
/// made once, as a [`MountTable`]. Work on host directories needs a tokio
/// runtime, whose blocking threads it uses.
#[derive(Debug)]
pub struct HybridVfsCtx {
    table: Arc<Table>,
    scratch: OnceLock<ArcStorage>,
    clock: FileClock,
    quotas: OnceLock<Vec<WriteQuota>>,
    handles: Arc<Handles>,
}

impl HybridVfsCtx {
    /// A tree with these mounts.
    pub fn new(mounts: &MountTable) -> Self {
        Self {
            table: Arc::clone(mounts.table()),
            scratch: OnceLock::new(),
            clock: FileClock::default(),
            quotas: OnceLock::new(),
            handles: Arc::default(),
        }
    }

    /// A tree with these mounts and `scratch`, which other contexts may have too:
    /// see [`MountTable::new_scratch`].
    pub fn with_scratch(mounts: &MountTable, scratch: impl Into<ArcStorage>) -> Self {
        Self { scratch: OnceLock::from(scratch.into()), ..Self::new(mounts) }
    }

    /// A tree with `storage` and the volumes mounted as `config` says.
    ///
    /// # Errors
    /// [`ConfigError`] if a mount cannot be.
    pub fn with_config(
        storage: impl Into<ArcStorage>,
        config: &VfsConfig,
    ) -> Result<Self, ConfigError> {
        Ok(Self::new(&MountTable::builder().config(storage, config).build()?))
    }

    /// Has the scratch files get their times from `clock`, unless they are there
    /// already, and the guest's own wish for "now" mean what it shows. Other storages
    /// have clocks of their own.
    #[must_use]
    pub fn with_clock(self, clock: FileClock) -> Self {
        Self { clock, ..self }
    }

    /// What the clock shows.
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// The files at the root, `/tmp`, the home directory: all that is under no
    /// mount. They live as long as this context, or a clone of the answer.
    pub fn scratch(&self) -> &ArcStorage {
        self.scratch.get_or_init(|| ArcStorage::new(self.table.new_scratch(&self.clock)))
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn mount(&self, number: usize) -> FsResult<&Mount> {
        self.table.mounts.get(number).ok_or(FsError::Io)
    }

    /// The storage that is mounted as `number`.
    pub(crate) fn storage(&self, number: usize) -> FsResult<&ArcStorage> {
        match &self.mount(number)?.what {
            Mounted::Scratch => Ok(self.scratch()),
            Mounted::Storage(storage) => Ok(storage),
            Mounted::Real { .. } => Err(FsError::Io),
        }
    }

    /// The host directory that is mounted as `number`.
    pub(crate) fn real(&self, number: usize) -> FsResult<RealDir> {
        match &self.mount(number)?.what {
            Mounted::Real { dir, .. } => Ok(dir.clone()),
            _ => Err(FsError::Io),
        }
    }

    pub(crate) fn quota(&self, number: usize) -> FsResult<WriteQuota> {
        let quotas = self.quotas.get_or_init(|| {
            let quota = |mount: &Mount| match mount.what {
                Mounted::Real { write_quota, .. } => write_quota,
                _ => 0,
            };
            self.table.mounts.iter().map(|mount| WriteQuota::new(quota(mount))).collect()
        });
        quotas.get(number).cloned().ok_or(FsError::Io)
    }

    /// The root of a mount.
    pub(crate) fn top(&self, number: usize) -> FsResult<Node> {
        match &self.mount(number)?.what {
            Mounted::Real { .. } => Ok(Node::Real(String::new())),
            _ => Ok(Node::Memory(self.storage(number)?.root())),
        }
    }

    pub(crate) fn root(&self) -> FsResult<Arc<Place>> {
        let node = self.top(SCRATCH)?;
        Ok(Arc::new(Place { mount: SCRATCH, node, point: Some(ROOT_POINT), above: None }))
    }

    /// Charges one open file or directory.
    pub(crate) fn handle(&self) -> FsResult<Handle> {
        self.handles.take(Kind::InMemory)
    }

    /// Charges one open file of the host.
    pub(crate) fn host_handle(&self) -> FsResult<Handle> {
        self.handles.take(Kind::OnHost)
    }
}

/// What the open files of a context have in common.
#[derive(Debug, Default)]
struct Handles {
    open: AtomicUsize,
    on_host: AtomicUsize,
    streams: AtomicUsize,
    locks: LockOwner,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    InMemory,
    /// Counts among all that are open, too.
    OnHost,
    Stream,
}

impl Handles {
    fn take(self: &Arc<Self>, kind: Kind) -> FsResult<Handle> {
        match kind {
            Kind::InMemory => count(&self.open, MOST_HANDLES)?,
            Kind::Stream => count(&self.streams, MOST_STREAMS)?,
            Kind::OnHost => {
                count(&self.on_host, MOST_ON_HOST)?;
                count(&self.open, MOST_HANDLES).inspect_err(|_| uncount(&self.on_host))?;
            }
        }
        Ok(Handle { all: Arc::clone(self), kind })
    }
}

fn count(open: &AtomicUsize, most: usize) -> FsResult<()> {
    if open.fetch_add(1, Ordering::Relaxed) >= most {
        uncount(open);
        return Err(FsError::TooManyOpen);
    }
    Ok(())
}

fn uncount(open: &AtomicUsize) {
    open.fetch_sub(1, Ordering::Relaxed);
}

/// One of the open files or streams; dropping it lets another be opened.
#[derive(Debug)]
pub(crate) struct Handle {
    all: Arc<Handles>,
    kind: Kind,
}

impl Handle {
    pub(crate) fn locks(&self) -> &LockOwner {
        &self.all.locks
    }

    /// Charges one stream of the open file.
    pub(crate) fn stream(&self) -> FsResult<Self> {
        self.all.take(Kind::Stream)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        match self.kind {
            Kind::InMemory => uncount(&self.all.open),
            Kind::Stream => uncount(&self.all.streams),
            Kind::OnHost => {
                uncount(&self.all.open);
                uncount(&self.all.on_host);
            }
        }
    }
}
