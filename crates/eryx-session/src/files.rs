use crate::SessionExecutor;
use eryx_core::{Callbacks, Error, PythonExecutor, RuntimeCtx, RuntimeView};
use eryx_vfs::{ArcStorage, MountTable, VfsConfig, VfsView};

/// Data of a store that can be made with these files or those.
pub trait WithFiles: RuntimeView + VfsView {
    /// The data of an interpreter that sees what `mounts` says.
    fn with_files(runtime: RuntimeCtx, mounts: &MountTable) -> Self;
}

/// Sessions with a storage that the embedder keeps: its files are there before
/// the first run, and after the last.
impl<T: WithFiles> SessionExecutor<T> {
    /// As [`new`](Self::new), with `storage` mounted at `/data`.
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
    /// says. A [`reset`](Self::reset) keeps all of them.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::Config`] names the mount that cannot be.
    pub async fn new_with_vfs_config(
        executor: PythonExecutor<T>,
        callbacks: &Callbacks,
        storage: impl Into<ArcStorage>,
        config: VfsConfig,
    ) -> Result<Self, Error> {
        let mounts = MountTable::builder().config(storage, &config).build().map_err(|error| {
            let cause = std::error::Error::source(&error);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            Error::Config(format!("{error}{cause}"))
        })?;
        let executor = executor.with_state(move |runtime| T::with_files(runtime, &mounts));
        Self::new(executor, callbacks).await
    }
}
