use crate::SandboxState;
use eryx_core::Error;
use wasmtime::component::Linker;

/// What the guest is told to be there.
pub(crate) const EXTENSIONS: &[&str] = &[];

/// What a builder was told of the network: nothing.
#[derive(Debug, Default)]
pub(crate) struct NetworkSetup;

/// Nothing can be reached.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reach;

/// No sockets.
#[derive(Debug)]
pub(crate) struct Sockets;

impl NetworkSetup {
    #[expect(clippy::unnecessary_wraps, reason = "with a network it can fail")]
    pub(crate) fn open(self, _environment: &mut [(String, String)]) -> Result<Reach, Error> {
        Ok(Reach)
    }
}

impl Sockets {
    pub(crate) fn new(_reach: &Reach) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "with a network it has something to do")]
    pub(crate) fn begin_run(&mut self) {}
}

#[expect(clippy::unnecessary_wraps, reason = "with a network it can fail")]
pub(crate) fn link(_linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    Ok(())
}
