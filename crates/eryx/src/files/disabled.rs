use crate::SandboxState;
use eryx_core::Error;
use wasmtime::component::Linker;

/// What a builder was told of files: nothing.
#[derive(Debug, Default)]
pub(crate) struct FilesSetup;

/// No mounts.
#[derive(Debug, Default)]
pub(crate) struct Mounts;

/// No files.
#[derive(Debug)]
pub(crate) struct Files;

impl FilesSetup {
    #[expect(clippy::unnecessary_wraps, reason = "with files it can fail")]
    pub(crate) fn open(self) -> Result<Mounts, Error> {
        Ok(Mounts)
    }
}

impl Files {
    pub(crate) fn new(_mounts: &Mounts) -> Self {
        Self
    }
}

#[expect(clippy::unnecessary_wraps, reason = "with files it can fail")]
pub(crate) fn link(_linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    Ok(())
}
