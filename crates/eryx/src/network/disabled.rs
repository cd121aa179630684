//! What stands for the network in a program that was built without one.
#![expect(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "with a network there is more to do, and it can fail"
)]

use crate::SandboxState;
use eryx_core::Error;
use wasmtime::component::Linker;

/// What the guest is told to be there.
pub(crate) const EXTENSIONS: &[&str] = &[];

/// What a builder was told of the network: nothing.
#[derive(Debug, Default)]
pub(crate) struct NetworkSetup(());

/// Nothing can be reached.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reach(());

/// No sockets.
#[derive(Debug)]
pub(crate) struct Sockets;

impl NetworkSetup {
    pub(crate) fn open(self, _environment: &mut [(String, String)]) -> Result<Reach, Error> {
        Ok(Reach(()))
    }
}

impl Sockets {
    pub(crate) fn new(_reach: &Reach) -> Self {
        Self
    }

    pub(crate) fn begin_run(&mut self) {}
}

pub(crate) fn link(_linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    Ok(())
}
