use super::{Identity, metadata};
use crate::storage::Metadata;
use crate::{FsError, FsResult};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

/// An open file of the host. Clones are the same open file.
#[derive(Debug, Clone)]
pub(crate) struct RealFile(Arc<File>);

impl RealFile {
    pub(super) fn new(file: File) -> Self {
        Self(Arc::new(file))
    }

    pub(crate) fn stat(&self) -> FsResult<(Metadata, Identity)> {
        metadata(&cap_std::fs::Metadata::from_file(&self.0)?)
    }

    pub(crate) fn size(&self) -> FsResult<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// At most `length` bytes; none at the end of the file.
    pub(crate) fn read_at(&self, offset: u64, length: usize) -> FsResult<Vec<u8>> {
        let left = self.size()?.saturating_sub(offset);
        // A file that just grew is read to its old end; the next call sees more.
        let length = usize::try_from(left).map_or(length, |left| left.min(length));
        let mut bytes = vec![0; length];
        let read = read_at(&self.0, &mut bytes, offset)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    pub(crate) fn write_at(&self, offset: u64, mut bytes: &[u8]) -> FsResult<()> {
        let mut at = offset;
        while !bytes.is_empty() {
            let written = write_at(&self.0, bytes, at)?;
            bytes = bytes.get(written..).filter(|_| written > 0).ok_or(FsError::Io)?;
            at = at.saturating_add(u64::try_from(written).map_err(|_| FsError::Io)?);
        }
        Ok(())
    }

    pub(crate) fn set_size(&self, size: u64) -> FsResult<()> {
        Ok(self.0.set_len(size)?)
    }

    pub(crate) fn set_times(
        &self,
        accessed: Option<SystemTime>,
        modified: Option<SystemTime>,
    ) -> FsResult<()> {
        let mut times = std::fs::FileTimes::new();
        if let Some(time) = accessed {
            times = times.set_accessed(time);
        }
        if let Some(time) = modified {
            times = times.set_modified(time);
        }
        Ok(self.0.set_times(times)?)
    }

    pub(crate) fn sync(&self) -> FsResult<()> {
        match self.0.sync_all() {
            // A file that is only read has nothing to bring to the disk.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            other => Ok(other?),
        }
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, offset)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset)
}

impl RealFile {
    /// Writes at the end, wherever that is by then.
    #[cfg(target_os = "linux")]
    pub(crate) fn append(&self, mut bytes: &[u8]) -> FsResult<()> {
        while !bytes.is_empty() {
            let flags = rustix::io::ReadWriteFlags::APPEND;
            let parts = [io::IoSlice::new(bytes)];
            let written = rustix::io::pwritev2(&*self.0, &parts, 0, flags);
            let written = written.map_err(io::Error::from)?;
            bytes = bytes.get(written..).filter(|_| written > 0).ok_or(FsError::Io)?;
        }
        Ok(())
    }

    /// Writes at the end as it is now.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn append(&self, bytes: &[u8]) -> FsResult<()> {
        self.write_at(self.size()?, bytes)
    }
}
