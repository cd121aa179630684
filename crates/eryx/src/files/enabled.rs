use crate::{SandboxBuilder, SandboxState};
use eryx_core::Error;
use eryx_vfs::{
    ArcStorage, HybridVfsCtx, MountTable, MountTableBuilder, StorageLimits, VfsConfig, VfsCtxView,
    VfsView, VolumeMount,
};
use wasmtime::component::Linker;

/// What all runs of a sandbox have mounted.
pub(crate) type Mounts = MountTable;

/// The files of one interpreter.
#[derive(Debug)]
pub(crate) struct Files(HybridVfsCtx);

impl Files {
    pub(crate) fn new(mounts: &Mounts) -> Self {
        Self(HybridVfsCtx::new(mounts))
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

    pub(crate) fn open(self) -> Result<Mounts, Error> {
        #[cfg(feature = "packages")]
        let mounts = crate::packages::mount(self.packages, self.mounts)?;
        #[cfg(not(feature = "packages"))]
        let mounts = self.mounts;
        mounts.build().map_err(|error| {
            let cause = std::error::Error::source(&error);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            Error::Config(format!("{error}{cause}"))
        })
    }
}

pub(crate) fn link(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    eryx_vfs::add_to_linker(linker)
}

impl VfsView for SandboxState {
    fn vfs(&mut self) -> VfsCtxView<'_> {
        let (files, wasi) = self.files();
        VfsCtxView { ctx: &mut files.0, table: wasi.table }
    }
}

/// Files. Without any of these a program has `/data`, `/tmp` and a home
/// directory in memory, and they end with its run.
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

impl SandboxState {
    /// The files that the interpreter sees.
    pub fn vfs_ctx(&mut self) -> &mut HybridVfsCtx {
        self.vfs().ctx
    }
}
