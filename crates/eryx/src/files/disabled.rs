//! What stands for files in a program that was built without them.
#![expect(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "with files there is more to do, and it can fail"
)]

use crate::SandboxState;
use eryx_core::{Error, RuntimeCtx, RuntimeSource, SnapshotError, Undo};
use wasmtime::component::Linker;

/// What a builder was told of files: nothing.
#[derive(Debug, Default)]
pub(crate) struct FilesSetup(());

/// No mounts.
#[derive(Debug, Default, Clone)]
pub(crate) struct Mounts;

/// No files.
#[derive(Debug)]
pub(crate) struct Files;

/// No files that last.
#[derive(Debug, Clone)]
pub(crate) struct OwnFiles;

impl OwnFiles {
    pub(crate) fn new(_mounts: &Mounts) -> Self {
        Self
    }

    pub(crate) fn new_for(_mounts: &Mounts, _runtime: &RuntimeCtx) -> Self {
        Self
    }

    pub(crate) fn fork(&self) -> Self {
        Self
    }
}

impl FilesSetup {
    pub(crate) fn open(self, _runtime: &RuntimeSource) -> Result<Mounts, Error> {
        Ok(Mounts)
    }
}

impl Files {
    pub(crate) fn new(_mounts: &Mounts, _own: Option<&OwnFiles>, _runtime: &RuntimeCtx) -> Self {
        Self
    }

    pub(crate) fn lasting(
        self,
        _mounts: &Mounts,
        _own: impl FnOnce() -> OwnFiles,
        _runtime: &RuntimeCtx,
    ) -> Self {
        self
    }

    pub(crate) fn begin_run(&self) {}

    pub(crate) fn fork_own(&self) -> Option<OwnFiles> {
        None
    }

    pub(crate) fn checkpoint(&self) -> Undo {
        Box::new(|| ())
    }

    pub(crate) fn save(&self, _limit: u64) -> Result<Vec<u8>, SnapshotError> {
        Ok(Vec::new())
    }

    pub(crate) fn load(&self, _bytes: &[u8]) -> Result<Undo, SnapshotError> {
        let why = "this program was built without files (the feature `vfs`)";
        Err(SnapshotError::Files(why.to_owned()))
    }
}

pub(crate) fn link(_linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    Ok(())
}
