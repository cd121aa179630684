use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// What files in memory get their times from: the host's clock, unless it is told
/// another.
///
/// ```
/// use eryx_vfs::{FileClock, InMemoryStorage, VfsStorage};
/// use std::time::UNIX_EPOCH;
///
/// let storage = InMemoryStorage::new();
/// storage.set_clock(FileClock::new(|| UNIX_EPOCH));
/// let file = storage.create_file(storage.root(), "a")?;
/// assert_eq!(storage.stat(file)?.modified, Some(UNIX_EPOCH));
/// # Ok::<(), eryx_vfs::FsError>(())
/// ```
#[derive(Clone, Default)]
pub struct FileClock(Option<Arc<dyn Fn() -> SystemTime + Send + Sync>>);

impl FileClock {
    /// A clock that shows what `now` answers. It is asked in the midst of changes:
    /// it must not use a storage.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(now)))
    }

    /// What it shows.
    pub fn now(&self) -> SystemTime {
        self.0.as_ref().map_or_else(SystemTime::now, |now| now())
    }
}

impl fmt::Debug for FileClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "FileClock(its own)" } else { "FileClock(host)" })
    }
}
