use crate::HybridVfsCtx;
use crate::host::bindings::wasi::filesystem::{preopens, types};
use std::fmt;
use wasmtime::component::{HasData, Linker, ResourceTable};

/// What a store's data must lend so that a guest can have files.
///
/// ```
/// use eryx_vfs::{HybridVfsCtx, MountTable, VfsCtxView, VfsView};
/// use wasmtime::component::{Linker, ResourceTable};
///
/// struct Data {
///     files: HybridVfsCtx,
///     table: ResourceTable,
/// }
///
/// impl VfsView for Data {
///     fn vfs(&mut self) -> VfsCtxView<'_> {
///         VfsCtxView { ctx: &mut self.files, table: &mut self.table }
///     }
/// }
///
/// let engine = wasmtime::Engine::default();
/// let mut linker = Linker::<Data>::new(&engine);
/// eryx_vfs::add_to_linker(&mut linker)?;
/// # Ok::<(), wasmtime::Error>(())
/// ```
pub trait VfsView: Send {
    /// The files, and the table that holds what the guest has open. It must be
    /// the table that the store's `wasi:io` uses.
    fn vfs(&mut self) -> VfsCtxView<'_>;
}

/// What [`VfsView`] lends.
pub struct VfsCtxView<'a> {
    /// The files.
    pub ctx: &'a mut HybridVfsCtx,
    /// What the guest has open, streams included.
    pub table: &'a mut ResourceTable,
}

impl fmt::Debug for VfsCtxView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VfsCtxView").field("ctx", &self.ctx).finish_non_exhaustive()
    }
}

struct Files;

impl HasData for Files {
    type Data<'a> = VfsCtxView<'a>;
}

/// Links `wasi:filesystem` 0.2 (`types` and `preopens`) to the files of the
/// store's data. `wasi:io` and the rest have to be linked beside it; where
/// another `wasi:filesystem` is linked already, allow shadowing.
///
/// # Errors
/// [`wasmtime::Error`] if the interfaces are linked already.
pub fn add_to_linker<T: VfsView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    types::add_to_linker::<T, Files>(linker, T::vfs)?;
    preopens::add_to_linker::<T, Files>(linker, T::vfs)
}
