use super::bindings::wasi::clocks::wall_clock::Datetime;
use super::bindings::wasi::filesystem::types::{
    DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, MetadataHashValue, NewTimestamp,
    OpenFlags,
};
use crate::known::Known;
use crate::open::Open;
use crate::real::OpenHow;
use crate::storage::FileKind;
use crate::{FsError, FsResult};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

impl From<FsError> for ErrorCode {
    fn from(error: FsError) -> Self {
        match error {
            FsError::NoEntry => Self::NoEntry,
            FsError::Exists => Self::Exist,
            FsError::NotDirectory => Self::NotDirectory,
            FsError::IsDirectory => Self::IsDirectory,
            FsError::NotEmpty => Self::NotEmpty,
            FsError::Invalid => Self::Invalid,
            FsError::NoSpace => Self::InsufficientSpace,
            FsError::TooLarge => Self::FileTooLarge,
            FsError::NameTooLong => Self::NameTooLong,
            FsError::Loop => Self::Loop,
            FsError::TooManyLinks => Self::TooManyLinks,
            FsError::ReadOnly => Self::ReadOnly,
            FsError::NotPermitted => Self::NotPermitted,
            FsError::Access => Self::Access,
            FsError::CrossDevice => Self::CrossDevice,
            FsError::Busy => Self::Busy,
            FsError::WouldBlock => Self::WouldBlock,
            FsError::BadDescriptor => Self::BadDescriptor,
            // WASI has no word for it.
            FsError::TooManyOpen => Self::InsufficientMemory,
            FsError::Unsupported => Self::Unsupported,
            FsError::IllegalName => Self::IllegalByteSequence,
            FsError::Io => Self::Io,
        }
    }
}

impl From<FileKind> for DescriptorType {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::File => Self::RegularFile,
            FileKind::Directory => Self::Directory,
            FileKind::Symlink => Self::SymbolicLink,
        }
    }
}

impl From<Known> for DescriptorStat {
    fn from(known: Known) -> Self {
        let metadata = known.metadata;
        Self {
            type_: metadata.kind.into(),
            link_count: metadata.links,
            size: metadata.size,
            data_access_timestamp: metadata.accessed.and_then(datetime),
            data_modification_timestamp: metadata.modified.and_then(datetime),
            status_change_timestamp: metadata.changed.and_then(datetime),
        }
    }
}

impl From<Known> for MetadataHashValue {
    fn from(known: Known) -> Self {
        Self { lower: known.id.number(), upper: 0 }
    }
}

/// WASI's times begin in 1970; earlier ones are unknown to the guest.
fn datetime(time: SystemTime) -> Option<Datetime> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Datetime { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() })
}

/// The time to set, if one is to be set.
pub(super) fn timestamp(time: NewTimestamp, now: SystemTime) -> FsResult<Option<SystemTime>> {
    match time {
        NewTimestamp::NoChange => Ok(None),
        NewTimestamp::Now => Ok(Some(now)),
        NewTimestamp::Timestamp(time) => {
            if time.nanoseconds >= 1_000_000_000 {
                return Err(FsError::Invalid);
            }
            let since = Duration::new(time.seconds, time.nanoseconds);
            UNIX_EPOCH.checked_add(since).map(Some).ok_or(FsError::Invalid)
        }
    }
}

pub(super) fn open(follow: bool, open: OpenFlags, flags: DescriptorFlags) -> Open {
    Open {
        how: OpenHow {
            follow,
            read: flags.contains(DescriptorFlags::READ),
            write: flags.contains(DescriptorFlags::WRITE),
            create: open.contains(OpenFlags::CREATE),
            exclusive: open.contains(OpenFlags::EXCLUSIVE),
            truncate: open.contains(OpenFlags::TRUNCATE),
        },
        directory: open.contains(OpenFlags::DIRECTORY),
    }
}
