use crate::{Sandbox, SandboxBuilder, SandboxState, Session};
use eryx_core::{Error, RuntimeCtx, RuntimeSource, STDLIB, SnapshotError, Undo};
use eryx_session::{CopyOptions, PythonImageSnapshot, WithFiles};
use eryx_vfs::{
    ArcStorage, ConfigError, FileClock, HybridVfsCtx, InMemoryStorage, MountTable,
    MountTableBuilder, OneFile, StorageLimits, StorageSnapshot, VfsConfig, VfsCtxView, VfsView,
    VolumeMount,
};
use std::sync::Arc;
use wasmtime::component::Linker;

/// What all runs of a sandbox have mounted.
pub(crate) type Mounts = MountTable;

/// The files of one interpreter.
#[derive(Debug)]
pub(crate) struct Files {
    ctx: HybridVfsCtx,
    clock: FileClock,
    /// Those that outlive it.
    own: Option<OwnFiles>,
}

impl Files {
    pub(crate) fn new(mounts: &Mounts, own: Option<&OwnFiles>, runtime: &RuntimeCtx) -> Self {
        let clock = clock_of(runtime);
        let ctx = match own {
            Some(own) => HybridVfsCtx::with_scratch(mounts, Arc::clone(own.storage())),
            None => HybridVfsCtx::new(mounts),
        };
        Self { ctx: ctx.with_clock(clock.clone()), clock, own: own.cloned() }
    }

    /// The same with other mounts.
    pub(crate) fn mounted(self, mounts: &Mounts, runtime: &RuntimeCtx) -> Self {
        Self::new(mounts, self.own.as_ref(), runtime)
    }

    /// Those of an interpreter whose files outlive it, unless they do already.
    pub(crate) fn lasting(
        self,
        mounts: &Mounts,
        own: impl FnOnce() -> OwnFiles,
        runtime: &RuntimeCtx,
    ) -> Self {
        if self.own.is_some() { self } else { Self::new(mounts, Some(&own()), runtime) }
    }

    /// Those that outlive their interpreters go by the clock of the one that runs.
    pub(crate) fn begin_run(&self) {
        if let Some(own) = &self.own {
            own.storage().set_clock(self.clock.clone());
        }
    }

    /// A copy of those that outlive the interpreter, if any do.
    pub(crate) fn fork_own(&self) -> Option<OwnFiles> {
        self.own.as_ref().map(OwnFiles::fork)
    }

    pub(crate) fn checkpoint(&self) -> Undo {
        let Some(own) = self.own.clone() else { return Box::new(|| ()) };
        let before = own.storage().snapshot();
        Box::new(move || {
            // The limits are those under which it was made: it fits.
            let _ = own.storage().restore(&before);
        })
    }

    pub(crate) fn save(&self, limit: u64) -> Result<Vec<u8>, SnapshotError> {
        self.lasts()?.save(limit)
    }

    pub(crate) fn load(&self, saved: &[u8]) -> Result<Undo, SnapshotError> {
        self.lasts()?.load(saved)
    }

    fn lasts(&self) -> Result<&OwnFiles, SnapshotError> {
        let why = "the interpreter's files end with it";
        self.own.as_ref().ok_or_else(|| SnapshotError::Files(why.to_owned()))
    }
}

/// The host's clock, or the interpreter's own if it has a seed.
fn clock_of(runtime: &RuntimeCtx) -> FileClock {
    runtime.virtual_clock().map(FileClock::new).unwrap_or_default()
}

/// The files of a session that are under no mount: they outlive its
/// interpreters.
#[derive(Debug, Clone)]
pub(crate) struct OwnFiles(Arc<InMemoryStorage>);

impl OwnFiles {
    pub(crate) fn new(mounts: &Mounts) -> Self {
        Self::of(mounts.new_scratch(&FileClock::default()))
    }

    /// As [`new`](Self::new), made in the time of an interpreter.
    pub(crate) fn new_for(mounts: &Mounts, runtime: &RuntimeCtx) -> Self {
        Self::of(mounts.new_scratch(&clock_of(runtime)))
    }

    pub(crate) fn of(storage: InMemoryStorage) -> Self {
        Self(Arc::new(storage))
    }

    pub(crate) fn storage(&self) -> &Arc<InMemoryStorage> {
        &self.0
    }

    pub(crate) fn fork(&self) -> Self {
        Self::of(self.0.fork())
    }

    /// All of them as bytes, of which there may be so many.
    fn save(&self, limit: u64) -> Result<Vec<u8>, SnapshotError> {
        let snapshot = self.0.snapshot();
        snapshot.to_bytes(limit).map_err(|_| {
            let size = self.0.usage().bytes.max(limit.saturating_add(1));
            SnapshotError::TooLarge { size, limit }
        })
    }

    /// Makes them what was saved; the answer puts back what they were.
    fn load(&self, bytes: &[u8]) -> Result<Undo, SnapshotError> {
        let saved = StorageSnapshot::from_bytes(bytes, self.0.limits());
        let was = saved.and_then(|saved| self.0.exchange(&saved));
        let was = was.map_err(|error| SnapshotError::Files(error.to_string()))?;
        let own = self.clone();
        Ok(Box::new(move || own.0.put_back(was)))
    }
}

/// What a builder was told of files.
#[derive(Debug)]
pub(crate) struct FilesSetup {
    mounts: MountTableBuilder,
    #[cfg(feature = "packages")]
    pub(crate) packages: Vec<crate::Package>,
}

impl Default for FilesSetup {
    fn default() -> Self {
        Self {
            mounts: MountTable::builder(),
            #[cfg(feature = "packages")]
            packages: Vec::new(),
        }
    }
}

impl FilesSetup {
    fn change(&mut self, change: impl FnOnce(MountTableBuilder) -> MountTableBuilder) {
        let mounts = std::mem::replace(&mut self.mounts, MountTable::builder());
        self.mounts = change(mounts);
    }

    /// Opens what is to be mounted, for this runtime.
    pub(crate) fn open(self, runtime: &RuntimeSource) -> Result<Mounts, Error> {
        #[cfg(feature = "packages")]
        let mounts = crate::packages::mount(self.packages, self.mounts)?;
        #[cfg(not(feature = "packages"))]
        let mounts = self.mounts;
        let opened = library(runtime).and_then(|library| mounts.on(&library).build());
        opened.map_err(|error| {
            let cause = std::error::Error::source(&error);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            Error::Config(format!("{error}{cause}"))
        })
    }
}

/// The runtime's standard library, as the file that programs believe it to be in.
fn library(runtime: &RuntimeSource) -> Result<MountTable, ConfigError> {
    let runtime = runtime.clone();
    let archive = OneFile::lazy(move || runtime.stdlib());
    MountTable::builder().read_only_storage(STDLIB, archive).build()
}

pub(crate) fn link(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    eryx_vfs::add_to_linker(linker)
}

impl VfsView for SandboxState {
    fn vfs(&mut self) -> VfsCtxView<'_> {
        let (files, wasi) = self.files();
        VfsCtxView { ctx: &mut files.ctx, table: wasi.table }
    }
}

/// Files. Without any of these a program has `/data`, `/tmp` and a home
/// directory in memory, and they end with its run. It can read the standard library's
/// archive, its first entry of `sys.path`, unless something is mounted there.
impl SandboxBuilder {
    /// Mounts `storage` at `/data`, so that files outlive a run, and can be put
    /// there before and taken out after it.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use eryx::{ArcStorage, InMemoryStorage, Sandbox, StorageFiles};
    ///
    /// let storage = ArcStorage::new(InMemoryStorage::new());
    /// storage.write("/numbers.txt", "1 2 3")?;
    /// let sandbox = Sandbox::embedded().storage(storage.clone()).build()?;
    /// sandbox.execute("open('/data/copy.txt', 'w').write(open('/data/numbers.txt').read())").await?;
    /// assert_eq!(storage.read("/copy.txt")?, b"1 2 3");
    /// # Ok(())
    /// # }
    /// ```
    pub fn storage(self, storage: impl Into<ArcStorage>) -> Self {
        self.files(storage, &VfsConfig::default())
    }

    /// Mounts `storage` and volumes as `config` says.
    pub fn files(mut self, storage: impl Into<ArcStorage>, config: &VfsConfig) -> Self {
        self.files.change(|mounts| mounts.config(storage, config));
        self
    }

    /// Mounts a directory or file of the host.
    pub fn volume(mut self, volume: VolumeMount) -> Self {
        self.files.change(|mounts| mounts.volume(volume));
        self
    }

    /// Sets the limits of the files that each run has for itself.
    pub fn scratch_limits(mut self, limits: StorageLimits) -> Self {
        self.files.change(|mounts| mounts.scratch_limits(limits));
        self
    }
}

impl WithFiles for SandboxState {
    fn mounts(&self) -> &MountTable {
        self.world_mounts()
    }

    fn with_mounts(self, mounts: &MountTable) -> Self {
        self.mounted(mounts)
    }
}

impl SandboxState {
    /// The files that the interpreter sees.
    pub fn vfs_ctx(&mut self) -> &mut HybridVfsCtx {
        self.vfs().ctx
    }
}

/// Files that are under no mount: `/tmp`, the home directory, and `/data` unless
/// something is mounted there. They outlive the session's interpreters.
impl Session {
    /// The session's own files, for putting some there, taking them out, or
    /// saving them beside a snapshot.
    pub fn files(&self) -> ArcStorage {
        ArcStorage::from(Arc::clone(self.own_files().storage()))
    }

    /// The session's own files as they are now: with an image, all of the
    /// session.
    pub fn snapshot_files(&self) -> StorageSnapshot {
        self.own_files().storage().snapshot()
    }

    /// As [`from_image`](Self::from_image), with files of its own that are there
    /// already, whatever the image carries: files that were open in the image are opened again.
    ///
    /// # Errors
    /// As [`from_image`](Self::from_image); [`Error::Config`] if they are more
    /// than the sandbox lets a session have.
    pub async fn from_image_with_files(
        sandbox: &Sandbox,
        image: &PythonImageSnapshot,
        files: &StorageSnapshot,
    ) -> Result<Self, Error> {
        let own = OwnFiles::new(&sandbox.world().mounts);
        own.storage().restore(files).map_err(|error| {
            Error::Config(format!("the files do not fit into the session: {error}"))
        })?;
        let copied = CopyOptions::default().with_keep_files(true);
        Self::from_image_and(sandbox, image, own, copied).await
    }
}
