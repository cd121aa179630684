use crate::path::{Step, Way};
use crate::real::RealDir;
use crate::storage::{FileKind, StorageFiles};
use crate::volume::WRITE_QUOTA;
use crate::{
    ArcStorage, ConfigError, DirPerms, FileClock, FilePerms, InMemoryStorage, StorageLimits,
    VfsConfig, VolumeMount,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is mounted where, checked and opened once for any number of runs.
///
/// At the root lies a scratch storage, in memory, that each context has for
/// itself: with `/tmp` and a home directory in it, and `/data` unless something
/// is mounted there. Cheap to clone.
///
/// ```
/// use eryx_vfs::{InMemoryStorage, MountTable, VfsConfig};
///
/// let table = MountTable::builder()
///     .config(InMemoryStorage::new(), &VfsConfig::default())
///     .build()?;
/// # Ok::<(), eryx_vfs::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MountTable(Arc<Table>);

#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) mounts: Vec<Mount>,
    pub(crate) points: Vec<Point>,
    pub(crate) scratch_limits: StorageLimits,
}

/// The scratch storage, which is the root.
pub(crate) const SCRATCH: usize = 0;
/// The root's point.
pub(crate) const ROOT_POINT: usize = 0;

/// Directories of every scratch storage.
const SCRATCH_DIRS: &[&str] = &["data", "home/user", "tmp"];

/// One mount.
#[derive(Debug, Clone)]
pub(crate) struct Mount {
    pub(crate) what: Mounted,
    pub(crate) dir_perms: DirPerms,
    pub(crate) file_perms: FilePerms,
}

#[derive(Debug, Clone)]
pub(crate) enum Mounted {
    Scratch,
    Storage(ArcStorage),
    Real { dir: RealDir, write_quota: u64 },
}

/// A directory that is a mount's place or leads to one.
#[derive(Debug, Default, Clone)]
pub(crate) struct Point {
    pub(crate) mount: Option<usize>,
    pub(crate) below: BTreeMap<String, usize>,
}

impl MountTable {
    /// Starts with nothing but the scratch storage.
    pub fn builder() -> MountTableBuilder {
        MountTableBuilder::default()
    }

    /// Starts with what is mounted here. What is mounted anew takes the place of what
    /// has the same path.
    ///
    /// ```
    /// use eryx_vfs::{InMemoryStorage, MountTable};
    ///
    /// let table = MountTable::builder().storage("/data", InMemoryStorage::new()).build()?;
    /// let more = table.extend().storage("/more", InMemoryStorage::new()).build()?;
    /// # Ok::<(), eryx_vfs::ConfigError>(())
    /// ```
    pub fn extend(&self) -> MountTableBuilder {
        MountTable::builder().scratch_limits(self.0.scratch_limits).on(self)
    }

    /// A scratch storage as each context gets one, for several that are to have
    /// the same: a session's, say. Its files get their times from `clock`.
    pub fn new_scratch(&self, clock: &FileClock) -> InMemoryStorage {
        self.0.new_scratch(clock)
    }

    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.0
    }
}

impl Default for MountTable {
    fn default() -> Self {
        Self(Arc::new(Table::new()))
    }
}

/// Sets up a [`MountTable`].
#[derive(Debug, Default)]
#[must_use = "nothing is opened before `build`"]
pub struct MountTableBuilder {
    scratch_limits: StorageLimits,
    /// What is mounted already.
    base: Option<MountTable>,
    wanted: Vec<Wanted>,
}

#[derive(Debug)]
enum Wanted {
    Storage { path: String, storage: ArcStorage, dir_perms: DirPerms, file_perms: FilePerms },
    Volume(VolumeMount),
    Real { path: String, dir: RealDir, dir_perms: DirPerms, file_perms: FilePerms },
}

impl Wanted {
    fn path(&self) -> &str {
        match self {
            Self::Storage { path, .. } | Self::Real { path, .. } => path,
            Self::Volume(volume) => &volume.guest_path,
        }
    }
}

impl MountTableBuilder {
    /// Mounts what `base` has, except where something else is mounted.
    pub fn on(mut self, base: &MountTable) -> Self {
        self.base = Some(base.clone());
        self
    }

    /// Sets the limits of the scratch storage that each context gets.
    pub fn scratch_limits(mut self, limits: StorageLimits) -> Self {
        self.scratch_limits = limits;
        self
    }

    /// Mounts a storage, for reading and writing.
    pub fn storage(self, path: impl Into<String>, storage: impl Into<ArcStorage>) -> Self {
        self.storage_with(path, storage, DirPerms::all(), FilePerms::all())
    }

    /// Mounts a storage that cannot be changed from here.
    pub fn read_only_storage(
        self,
        path: impl Into<String>,
        storage: impl Into<ArcStorage>,
    ) -> Self {
        self.storage_with(path, storage, DirPerms::READ, FilePerms::READ)
    }

    /// Mounts a storage with permissions.
    pub fn storage_with(
        mut self,
        path: impl Into<String>,
        storage: impl Into<ArcStorage>,
        dir_perms: DirPerms,
        file_perms: FilePerms,
    ) -> Self {
        let (path, storage) = (path.into(), storage.into());
        self.wanted.push(Wanted::Storage { path, storage, dir_perms, file_perms });
        self
    }

    /// Mounts a directory or file of the host.
    pub fn volume(mut self, volume: VolumeMount) -> Self {
        self.wanted.push(Wanted::Volume(volume));
        self
    }

    /// Mounts a directory or file of the host that is open already, with
    /// permissions, and 256 MiB to be written where they allow it.
    pub fn real_dir(
        mut self,
        path: impl Into<String>,
        dir: RealDir,
        dir_perms: DirPerms,
        file_perms: FilePerms,
    ) -> Self {
        self.wanted.push(Wanted::Real { path: path.into(), dir, dir_perms, file_perms });
        self
    }

    /// Mounts a storage and volumes as `config` says.
    pub fn config(self, storage: impl Into<ArcStorage>, config: &VfsConfig) -> Self {
        let VfsConfig { mount_path, dir_perms, file_perms, volumes } = config;
        let with = self.storage_with(mount_path, storage, *dir_perms, *file_perms);
        volumes.iter().cloned().fold(with, Self::volume)
    }

    /// Checks all mounts and opens what is on the host.
    ///
    /// # Errors
    /// [`ConfigError`], which names the mount: its path is not absolute or holds
    /// `..`, two share a path, one lies below a single file, its permissions
    /// contradict each other, or the host's path cannot be opened.
    pub fn build(self) -> Result<MountTable, ConfigError> {
        let mut table = self.base.map_or_else(Table::new, |base| Table::clone(&base.0));
        table.scratch_limits = self.scratch_limits;
        let of_base = SCRATCH + 1..table.mounts.len();
        for wanted in self.wanted {
            let point = table.point(wanted.path())?;
            let path = wanted.path().to_owned();
            let mount = open(wanted)?;
            table.mounts.push(mount);
            let number = table.mounts.len() - 1;
            match table.points.get_mut(point) {
                Some(point) if point.mount.is_none_or(|mount| of_base.contains(&mount)) => {
                    point.mount = Some(number);
                }
                _ => return Err(ConfigError::Overlap(path)),
            }
        }
        table.check_files(ROOT_POINT, "")?;
        table.mark_outer();
        Ok(MountTable(Arc::new(table)))
    }
}

impl Mount {
    fn all(what: Mounted) -> Self {
        Self { what, dir_perms: DirPerms::all(), file_perms: FilePerms::all() }
    }

    pub(crate) fn is_file(&self) -> bool {
        match &self.what {
            Mounted::Scratch => false,
            Mounted::Storage(storage) => {
                storage.stat(storage.root()).is_ok_and(|known| known.kind == FileKind::File)
            }
            Mounted::Real { dir, .. } => dir.is_file(),
        }
    }
}

impl Table {
    /// With nothing but the scratch storage.
    fn new() -> Self {
        Self {
            mounts: vec![Mount::all(Mounted::Scratch)],
            points: vec![Point { mount: Some(SCRATCH), below: BTreeMap::new() }],
            scratch_limits: StorageLimits::default(),
        }
    }

    pub(crate) fn new_scratch(&self, clock: &FileClock) -> InMemoryStorage {
        let storage = InMemoryStorage::with_clock(self.scratch_limits, clock.clone());
        for dir in SCRATCH_DIRS {
            // Limits too small even for this leave the directory out.
            let _ = storage.make_dirs(dir);
        }
        storage
    }

    /// The point of a path, made if it is missing.
    fn point(&mut self, path: &str) -> Result<usize, ConfigError> {
        if !path.starts_with('/') {
            return Err(ConfigError::Relative(path.to_owned()));
        }
        let bad = |reason| ConfigError::BadPath { path: path.to_owned(), reason };
        let mut point = ROOT_POINT;
        for step in Way::parse(path).map_err(bad)?.steps {
            let Step::Into(name) = step else {
                return Err(ConfigError::Upwards(path.to_owned()));
            };
            let new = self.points.len();
            let below = self.points.get_mut(point).map(|point| &mut point.below);
            point = below.map_or(new, |below| *below.entry(name.to_owned()).or_insert(new));
            if point == new {
                self.points.push(Point::default());
            }
        }
        Ok(point)
    }

    /// Where something else is mounted in a host directory, no link may be
    /// followed but by way of the table.
    fn mark_outer(&mut self) {
        for point in self.points.iter().filter(|point| !point.below.is_empty()) {
            let mount = point.mount.and_then(|number| self.mounts.get_mut(number));
            if let Some(Mount { what: Mounted::Real { dir, .. }, .. }) = mount {
                dir.make_exact();
            }
        }
    }

    /// Nothing can be mounted below a file.
    fn check_files(&self, point: usize, path: &str) -> Result<(), ConfigError> {
        let Some(here) = self.points.get(point) else { return Ok(()) };
        let mount = here.mount.and_then(|number| self.mounts.get(number));
        for (name, below) in &here.below {
            let inner = format!("{path}/{name}");
            if mount.is_some_and(Mount::is_file) {
                return Err(ConfigError::BelowFile { outer: path.to_owned(), inner });
            }
            self.check_files(*below, &inner)?;
        }
        Ok(())
    }
}

fn open(wanted: Wanted) -> Result<Mount, ConfigError> {
    match wanted {
        Wanted::Storage { path, storage, dir_perms, file_perms } => {
            check_perms(&path, dir_perms, file_perms, false)?;
            Ok(Mount { what: Mounted::Storage(storage), dir_perms, file_perms })
        }
        Wanted::Volume(volume) => {
            let VolumeMount { host_path: host, guest_path: guest, .. } = volume;
            let (dir_perms, file_perms) = (volume.dir_perms, volume.file_perms);
            let dir = match RealDir::open(&host) {
                Ok(Some(dir)) => dir,
                Ok(None) => return Err(ConfigError::NoFile { host, guest }),
                Err(source) => return Err(ConfigError::Host { host, guest, source }),
            };
            check_perms(&guest, dir_perms, file_perms, dir.is_file())?;
            let what = Mounted::Real { dir, write_quota: volume.write_quota };
            Ok(Mount { what, dir_perms, file_perms })
        }
        Wanted::Real { path, dir, dir_perms, file_perms } => {
            check_perms(&path, dir_perms, file_perms, dir.is_file())?;
            let what = Mounted::Real { dir, write_quota: WRITE_QUOTA };
            Ok(Mount { what, dir_perms, file_perms })
        }
    }
}

fn check_perms(
    guest: &str,
    dir_perms: DirPerms,
    file_perms: FilePerms,
    is_file: bool,
) -> Result<(), ConfigError> {
    let why = if file_perms.is_empty() {
        "its files may be neither read nor changed"
    } else if dir_perms.contains(DirPerms::READ) || is_file {
        return Ok(());
    } else if dir_perms.contains(DirPerms::MUTATE) {
        "its directories may be changed but not read"
    } else {
        "its directories may not be read, so nothing in it can be reached"
    };
    Err(ConfigError::Permissions { guest: guest.to_owned(), why })
}
