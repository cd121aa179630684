use crate::ctx::Handle;
use crate::open_file::OpenFile;
use crate::place::Place;
use crate::{FsError, FsResult};
use std::sync::Arc;

/// What a guest has open.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub enum Descriptor {
    Dir { place: Arc<Place>, may_change: bool, _handle: Handle },
    File(Arc<OpenFile>),
}

impl Descriptor {
    pub(crate) fn dir(&self) -> FsResult<&Arc<Place>> {
        match self {
            Self::Dir { place, .. } => Ok(place),
            Self::File(_) => Err(FsError::NotDirectory),
        }
    }

    pub(crate) fn file(&self) -> FsResult<&Arc<OpenFile>> {
        match self {
            Self::File(file) => Ok(file),
            Self::Dir { .. } => Err(FsError::IsDirectory),
        }
    }
}
