//! Translation between WASI's words and ours; the work is done elsewhere.

pub(crate) mod bindings;
mod convert;
mod descriptor;

use crate::view::VfsCtxView;
use crate::{FsError, FsResult};
use bindings::wasi::filesystem::types::ErrorCode;
use bindings::wasi::filesystem::{preopens, types};
use wasmtime::component::{Resource, ResourceTableError};
use wasmtime_wasi_io::streams::Error as IoError;

use crate::descriptor::Descriptor;
use crate::listing::Listing;

/// How a call fails: with a code for the guest, or by ending the guest, which
/// used a handle that it does not have.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub enum Failure {
    Code(FsError),
    Trap(wasmtime::Error),
}

/// The result of a call from the guest.
pub(crate) type Answer<T> = Result<T, Failure>;

impl From<FsError> for Failure {
    fn from(error: FsError) -> Self {
        Self::Code(error)
    }
}

impl From<ResourceTableError> for Failure {
    fn from(error: ResourceTableError) -> Self {
        match error {
            ResourceTableError::Full => Self::Code(FsError::TooManyOpen),
            other => Self::Trap(other.into()),
        }
    }
}

impl types::Host for VfsCtxView<'_> {
    fn convert_error_code(&mut self, failure: Failure) -> wasmtime::Result<ErrorCode> {
        match failure {
            Failure::Code(error) => Ok(error.into()),
            Failure::Trap(error) => Err(error),
        }
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<IoError>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(self.table.get(&error)?.downcast_ref::<FsError>().copied().map(Into::into))
    }
}

impl preopens::Host for VfsCtxView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        // This call cannot fail. Who has all handles open that there are finds none.
        match self.open_root() {
            Ok(root) => Ok(vec![(self.table.push(root)?, "/".to_owned())]),
            Err(FsError::TooManyOpen) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

impl VfsCtxView<'_> {
    fn open_root(&mut self) -> FsResult<Descriptor> {
        Ok(Descriptor::Dir {
            place: self.ctx.root()?,
            may_change: true,
            _handle: self.ctx.handle()?,
        })
    }
}

impl types::HostDirectoryEntryStream for VfsCtxView<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<Listing>,
    ) -> Answer<Option<types::DirectoryEntry>> {
        let entry = self.table.get_mut(&stream)?.next().await?;
        Ok(entry.map(|entry| types::DirectoryEntry { type_: entry.kind.into(), name: entry.name }))
    }

    fn drop(&mut self, stream: Resource<Listing>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}
