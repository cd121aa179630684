use crate::SessionExecutor;
use eryx_core::{Callbacks, Error, PythonExecutor, RuntimeView};
use eryx_vfs::{ArcStorage, MountTable, VfsConfig, VfsView};

/// Data of a store that can have these files or those.
pub trait WithFiles: RuntimeView + VfsView {
    /// What is mounted.
    fn mounts(&self) -> &MountTable;

    /// The same data with other mounts; everything else of it stays, as its network.
    #[must_use]
    fn with_mounts(self, mounts: &MountTable) -> Self;
}

/// Sessions with a storage that the embedder keeps: its files are there before
/// the first run, and after the last.
impl<T: WithFiles> SessionExecutor<T> {
    /// As [`new`](Self::new), with `storage` mounted at `/data`. What else the
    /// executor's interpreters have stays: other mounts, packages, the network.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub async fn new_with_vfs(
        executor: PythonExecutor<T>,
        callbacks: &Callbacks,
        storage: impl Into<ArcStorage>,
    ) -> Result<Self, Error> {
        Self::new_with_vfs_config(executor, callbacks, storage, VfsConfig::default()).await
    }

    /// As [`new`](Self::new), with `storage` and volumes mounted as `config`
    /// says, in the place of what has the same paths. A [`reset`](Self::reset) keeps
    /// all of them.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::Config`] names the mount that cannot be.
    pub async fn new_with_vfs_config(
        executor: PythonExecutor<T>,
        callbacks: &Callbacks,
        storage: impl Into<ArcStorage>,
        config: VfsConfig,
    ) -> Result<Self, Error> {
        let mounts = executor.sample_state().mounts().extend().config(storage, &config);
        let mounts = mounts.build().map_err(|error| {
            let cause = std::error::Error::source(&error);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            Error::Config(format!("{error}{cause}"))
        })?;
        let executor = executor.map_state(move |state| state.with_mounts(&mounts));
        Self::new(executor, callbacks).await
    }
}
