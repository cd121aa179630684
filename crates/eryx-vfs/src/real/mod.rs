//! Directories of the host, reached by cap-std: no path leads out of them.

mod file;
mod quota;

pub(crate) use file::RealFile;
pub(crate) use quota::WriteQuota;

use crate::path::{Step, Way, check_name};
use crate::storage::{DirEntry, FileKind, Metadata};
use crate::{FsError, FsResult};
use cap_fs_ext::{DirExt, FollowSymlinks, MetadataExt, OpenOptionsFollowExt, SystemTimeSpec};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, FileType, OpenOptions, ReadDir};
use cap_std::time::SystemTime as CapTime;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// A directory of the host, or a single file in one, that a guest may be given.
///
/// Opened once, with the authority of whoever opens it; from then on all paths
/// are relative to what was opened, and none leads out, whatever links there
/// are and whoever moves things meanwhile. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RealDir {
    dir: Arc<Dir>,
    /// The only file that is shown, if it is not the whole directory.
    only: Option<Arc<Path>>,
    /// Whether links are an error instead of being followed.
    exact: bool,
}

/// A path from an open directory on.
struct At<'a> {
    dir: Arc<Dir>,
    path: &'a Path,
}

/// How a file is to be opened.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags of the guest's call")]
pub(crate) struct OpenHow {
    pub(crate) follow: bool,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) create: bool,
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
}

/// What tells a host's file from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl RealDir {
    /// Opens a directory or a regular file. `None` if `path` is something else.
    ///
    /// # Errors
    /// What the host says if there is no such path, or it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Option<Self>> {
        let path = path.as_ref().canonicalize()?;
        let kind = path.metadata()?.file_type();
        let (dir, only) = if kind.is_dir() {
            (path.as_path(), None)
        } else if kind.is_file() {
            let name = path.file_name().map(|name| Arc::from(Path::new(name)));
            (path.parent().unwrap_or(Path::new("/")), name)
        } else {
            return Ok(None);
        };
        let dir = Arc::new(Dir::open_ambient_dir(dir, ambient_authority())?);
        Ok(Some(Self { dir, only, exact: false }))
    }

    /// What a directory has in it, sorted by name; links are not followed. Names that
    /// are no UTF-8, pipes and devices are left out. None for a single file.
    ///
    /// # Errors
    /// What the host says.
    pub fn entries(&self) -> FsResult<Vec<DirEntry>> {
        if self.is_file() {
            return Ok(Vec::new());
        }
        let mut entries = next_entries(&mut self.read_dir("")?, usize::MAX)?;
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// The directory or file of that name in it. Links are followed, but none leads
    /// out. `None` if it is something else.
    ///
    /// # Errors
    /// [`FsError::NotPermitted`] for what leads out; else what the host says.
    pub fn below(&self, name: &str) -> FsResult<Option<Self>> {
        check_name(name)?;
        let At { dir, path } = self.at(name)?;
        match kind_of(dir.metadata(path)?.file_type()) {
            Some(FileKind::Directory) => {
                let dir = Arc::new(dir.open_dir(path)?);
                Ok(Some(Self { dir, only: None, exact: self.exact }))
            }
            Some(FileKind::File) => {
                let path = dir.canonicalize(path)?;
                let (parent, name) = (path.parent(), path.file_name());
                let dir = match parent.filter(|parent| !parent.as_os_str().is_empty()) {
                    Some(parent) => Arc::new(dir.open_dir(parent)?),
                    None => dir,
                };
                let only = name.map(|name| Arc::from(Path::new(name)));
                Ok(Some(Self { dir, only, exact: self.exact }))
            }
            _ => Ok(None),
        }
    }

    /// Whether it is a single file.
    pub fn is_file(&self) -> bool {
        self.only.is_some()
    }

    /// From now on follows no link, whoever makes one meanwhile.
    pub(crate) fn make_exact(&mut self) {
        self.exact = true;
    }

    pub(crate) fn is_exact(&self) -> bool {
        self.exact
    }

    /// Where `path` within the mount is.
    fn at<'a>(&'a self, path: &'a str) -> FsResult<At<'a>> {
        let path = match &self.only {
            None if path.is_empty() => Path::new("."),
            None if self.exact => return self.at_exactly(path),
            None => Path::new(path),
            Some(name) if path.is_empty() => name,
            Some(_) => return Err(FsError::NotDirectory),
        };
        Ok(At { dir: Arc::clone(&self.dir), path })
    }

    /// Opens each directory on the way, none of them by a link.
    fn at_exactly<'a>(&self, path: &'a str) -> FsResult<At<'a>> {
        let mut at = At { dir: Arc::clone(&self.dir), path: Path::new(path) };
        let mut names = path.split('/');
        let last = names.next_back().unwrap_or(path);
        for name in names {
            at.dir = Arc::new(at.dir.open_dir_nofollow(name)?);
        }
        at.path = Path::new(last);
        Ok(at)
    }

    fn follows(&self, follow: bool) -> bool {
        follow && self.only.is_none() && !self.exact
    }

    pub(crate) fn stat(&self, path: &str, follow: bool) -> FsResult<(Metadata, Identity)> {
        let At { dir, path } = self.at(path)?;
        let follow = self.follows(follow);
        metadata(&if follow { dir.metadata(path)? } else { dir.symlink_metadata(path)? })
    }

    /// The path of a directory without links and `..`.
    pub(crate) fn canonical(&self, path: &str) -> FsResult<String> {
        let At { dir, path } = self.at(path)?;
        let path = dir.canonicalize(path)?;
        if !dir.metadata(&path)?.is_dir() {
            return Err(FsError::NotDirectory);
        }
        match path.into_os_string().into_string() {
            Ok(path) if path == "." => Ok(String::new()),
            Ok(path) => Ok(path),
            Err(_) => Err(FsError::IllegalName),
        }
    }

    pub(crate) fn open_file(&self, path: &str, how: OpenHow) -> FsResult<RealFile> {
        let At { dir, path } = self.at(path)?;
        let mut options = OpenOptions::new();
        // Emptying is writing, whatever the guest may do afterwards.
        let write = how.write || how.truncate;
        options.read(how.read || !write).write(write).truncate(how.truncate);
        options.create(how.create && write).create_new(how.exclusive && write);
        let follow = self.follows(how.follow);
        options.follow(if follow { FollowSymlinks::Yes } else { FollowSymlinks::No });
        // Opening a pipe would wait for its other end, opening a device could
        // do anything: both are refused before, and if one takes a file's place
        // meanwhile it is opened without waiting and closed again.
        let before = if follow { dir.metadata(path) } else { dir.symlink_metadata(path) };
        match before {
            Ok(known) => check_kind(known.file_type())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        do_not_wait(&mut options);
        let file = dir.open_with(path, &options)?;
        check_kind(file.metadata()?.file_type())?;
        Ok(RealFile::new(file.into_std()))
    }

    pub(crate) fn read_dir(&self, path: &str) -> FsResult<ReadDir> {
        let At { dir, path } = self.at(path)?;
        Ok(if self.exact { dir.open_dir_nofollow(path)?.entries()? } else { dir.read_dir(path)? })
    }

    pub(crate) fn create_dir(&self, path: &str) -> FsResult<()> {
        let At { dir, path } = self.at(path)?;
        Ok(dir.create_dir(path)?)
    }

    /// Refuses targets that lead out, or would once the link or a directory that it
    /// is in has been moved: nothing here would follow them, but what runs on the
    /// host might.
    pub(crate) fn create_symlink(&self, path: &str, target: &str) -> FsResult<()> {
        let steps = Way::parse(target)?;
        if steps.absolute || steps.steps.contains(&Step::Up) {
            return Err(FsError::NotPermitted);
        }
        let At { dir, path } = self.at(path)?;
        Ok(DirExt::symlink(&*dir, target, path)?)
    }

    pub(crate) fn read_link(&self, path: &str) -> FsResult<String> {
        let At { dir, path } = self.at(path)?;
        let target = dir.read_link(path)?;
        target.into_os_string().into_string().map_err(|_| FsError::IllegalName)
    }

    pub(crate) fn link(&self, path: &str, new_path: &str) -> FsResult<()> {
        let (from, to) = (self.at(path)?, self.at(new_path)?);
        Ok(from.dir.hard_link(from.path, &to.dir, to.path)?)
    }

    pub(crate) fn unlink(&self, path: &str) -> FsResult<()> {
        let At { dir, path } = self.at(path)?;
        Ok(dir.remove_file_or_symlink(path)?)
    }

    pub(crate) fn remove_dir(&self, path: &str) -> FsResult<()> {
        let At { dir, path } = self.at(path)?;
        Ok(dir.remove_dir(path)?)
    }

    pub(crate) fn rename(&self, path: &str, new_path: &str) -> FsResult<()> {
        let (from, to) = (self.at(path)?, self.at(new_path)?);
        Ok(from.dir.rename(from.path, &to.dir, to.path)?)
    }

    pub(crate) fn set_times(
        &self,
        path: &str,
        follow: bool,
        accessed: Option<SystemTime>,
        modified: Option<SystemTime>,
    ) -> FsResult<()> {
        let spec = |time: SystemTime| SystemTimeSpec::Absolute(CapTime::from_std(time));
        let (accessed, modified) = (accessed.map(spec), modified.map(spec));
        let At { dir, path } = self.at(path)?;
        if self.follows(follow) {
            Ok(dir.set_times(path, accessed, modified)?)
        } else {
            Ok(dir.set_symlink_times(path, accessed, modified)?)
        }
    }
}

/// The next `count` entries. Those whose names are no UTF-8 are left out: a
/// guest could not open them.
pub(crate) fn next_entries(entries: &mut ReadDir, count: usize) -> FsResult<Vec<DirEntry>> {
    let mut batch = Vec::new();
    while batch.len() < count {
        let Some(entry) = entries.next() else { break };
        let entry = entry?;
        let name: OsString = entry.file_name();
        let (Ok(name), Some(kind)) = (name.into_string(), kind_of(entry.file_type()?)) else {
            continue;
        };
        batch.push(DirEntry { name, kind });
    }
    Ok(batch)
}

fn metadata(known: &cap_std::fs::Metadata) -> FsResult<(Metadata, Identity)> {
    let kind = kind_of(known.file_type()).ok_or(FsError::NotPermitted)?;
    let time = |time: io::Result<CapTime>| time.ok().map(CapTime::into_std);
    let about = Metadata {
        kind,
        size: known.len(),
        links: known.nlink(),
        accessed: time(known.accessed()),
        modified: time(known.modified()),
        changed: changed(known),
    };
    Ok((about, Identity { device: known.dev(), inode: known.ino() }))
}

/// What a file is; `None` for pipes, sockets and devices.
fn kind_of(kind: FileType) -> Option<FileKind> {
    if kind.is_file() {
        Some(FileKind::File)
    } else if kind.is_dir() {
        Some(FileKind::Directory)
    } else if kind.is_symlink() {
        Some(FileKind::Symlink)
    } else {
        None
    }
}

fn check_kind(kind: FileType) -> FsResult<()> {
    match kind_of(kind) {
        Some(FileKind::File) => Ok(()),
        Some(FileKind::Directory) => Err(FsError::IsDirectory),
        Some(FileKind::Symlink) => Err(FsError::Loop),
        None => Err(FsError::NotPermitted),
    }
}

#[cfg(unix)]
fn do_not_wait(options: &mut OpenOptions) {
    use cap_std::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
}

#[cfg(not(unix))]
fn do_not_wait(_options: &mut OpenOptions) {}

#[cfg(unix)]
fn changed(known: &cap_std::fs::Metadata) -> Option<SystemTime> {
    use std::time::{Duration, UNIX_EPOCH};
    let seconds = u64::try_from(cap_std::fs::MetadataExt::ctime(known)).ok()?;
    let nanos = u32::try_from(cap_std::fs::MetadataExt::ctime_nsec(known)).ok()?;
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

#[cfg(not(unix))]
fn changed(known: &cap_std::fs::Metadata) -> Option<SystemTime> {
    known.modified().ok().map(CapTime::into_std)
}

/// A path within a mount, one step further.
pub(crate) fn join(base: &str, name: &str) -> String {
    if base.is_empty() { name.to_owned() } else { format!("{base}/{name}") }
}
