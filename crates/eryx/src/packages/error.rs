use std::io;
use std::path::PathBuf;

/// What is wrong with a package.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The host could not read it.
    #[error("cannot read {path:?}")]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the host says.
        #[source]
        source: io::Error,
    },
    /// It is neither a wheel, nor a source archive, nor a folder.
    #[error("it is no wheel (.whl), no source archive (.tar.gz) and no folder")]
    Unknown,
    /// It is not what its name says.
    #[error("the archive is damaged: {0}")]
    Damaged(String),
    /// A limit on sizes.
    #[error("{what} has {size} bytes; more than {limit} are refused")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        size: u64,
        /// The most it may have.
        limit: u64,
    },
    /// It grows too much, as archives made to fill memory do.
    #[error("{packed} bytes would become {unpacked}; more than a hundredfold is refused")]
    Ratio {
        /// Bytes packed.
        packed: u64,
        /// Bytes unpacked.
        unpacked: u64,
    },
    /// It has too many files.
    #[error("it has {0} files; more than 20,000 are refused")]
    TooMany(usize),
    /// A name that no honest package has.
    #[error("the entry {0:?} would not stay in its folder, or is no plain file")]
    BadName(String),
    /// Two entries, or two packages, have a file of that name.
    #[error("the file {0:?} is there twice")]
    Twice(String),
    /// RECORD, the wheel's list of its files, is missing or says otherwise.
    #[error("{file:?} does not match the wheel's RECORD: {why}")]
    Record {
        /// The file.
        file: String,
        /// What does not match.
        why: &'static str,
    },
    /// Made for another platform or another Python.
    #[error("it is for {0}; only plain Python for any platform (py3-none-any) runs here")]
    Tag(String),
    /// A wheel of a later form.
    #[error("it is a wheel of version {0}; only version 1 is known")]
    Version(String),
    /// It does not fit beside the other packages.
    #[error(transparent)]
    Storage(eryx_vfs::StorageError),
}
