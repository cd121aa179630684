//! Opening files.

use crate::ctx::HybridVfsCtx;
use crate::descriptor::Descriptor;
use crate::mounts::Mount;
use crate::open_file::{Contents, OpenFile, Pin};
use crate::place::{Node, Place, Target, blocking};
use crate::real::{OpenHow, RealDir, RealFile, WriteQuota};
use crate::storage::FileKind;
use crate::{DirPerms, FilePerms, FsError, FsResult};
use std::sync::{Arc, OnceLock};

/// How often a file that others make and remove meanwhile is tried again.
const TRIES: u32 = 8;

/// How a guest wants to open something.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Open {
    pub(crate) how: OpenHow,
    /// It has to be a directory.
    pub(crate) directory: bool,
}

impl HybridVfsCtx {
    pub(crate) async fn open_at(
        &self,
        dir: &Arc<Place>,
        path: &str,
        mut open: Open,
    ) -> FsResult<Descriptor> {
        let how = &mut open.how;
        if how.create && open.directory {
            return Err(FsError::Invalid);
        }
        // Who wants a new file does not want what a link leads to.
        how.follow &= !(how.create && how.exclusive);
        let how = open.how;
        for _ in 0..TRIES {
            let target = self.walk(dir, path, how.follow).await?;
            let open = Open { directory: open.directory || target.directory, ..open };
            let opened = match &target.place {
                Some(place) if how.create && how.exclusive && !is_real(place) => {
                    self.stat(place).await?;
                    Err(FsError::Exists)
                }
                Some(place) => self.open_place(place, open).await,
                None if how.create => self.create(&target, open),
                None => Err(FsError::NoEntry),
            };
            match opened {
                // Another user of the storage made or removed it just now.
                Err(FsError::Exists) if how.create && !how.exclusive => {}
                Err(FsError::NoEntry)
                    if how.create && target.place.as_ref().is_some_and(|place| !is_real(place)) => {
                }
                other => return other,
            }
        }
        Err(FsError::Busy)
    }

    fn create(&self, target: &Target, open: Open) -> FsResult<Descriptor> {
        let (Some(name), Node::Memory(dir)) = (&target.name, &target.dir.node) else {
            return Err(FsError::ReadOnly);
        };
        if target.directory {
            return Err(FsError::IsDirectory);
        }
        let mount = self.mount(target.dir.mount)?;
        check_create(mount)?;
        check_file(mount, open.how)?;
        let handle = self.handle()?;
        let storage = self.storage(target.dir.mount)?;
        let node = storage.create_file(*dir, name)?;
        let contents = Contents::Memory(Pin::new(storage, node)?);
        Ok(descriptor(target.dir.mount, mount, contents, open.how, handle))
    }

    async fn open_place(&self, place: &Place, open: Open) -> FsResult<Descriptor> {
        let mount = self.mount(place.mount)?;
        let Open { how, directory } = open;
        let kind = match &place.node {
            Node::Nowhere => FileKind::Directory,
            Node::Memory(node) => self.storage(place.mount)?.stat(*node)?.kind,
            Node::Real(path) => return self.open_real(place, path, mount, open).await,
        };
        match (kind, &place.node) {
            (FileKind::Directory, _) => self.open_dir(place, mount, how),
            _ if directory => Err(FsError::NotDirectory),
            (FileKind::File, Node::Memory(node)) => {
                check_file(mount, how)?;
                let handle = self.handle()?;
                let storage = self.storage(place.mount)?;
                let contents = Contents::Memory(Pin::new(storage, *node)?);
                if how.truncate {
                    storage.set_size(*node, 0)?;
                }
                Ok(descriptor(place.mount, mount, contents, how, handle))
            }
            _ => Err(FsError::Loop),
        }
    }

    fn open_dir(&self, place: &Place, mount: &Mount, how: OpenHow) -> FsResult<Descriptor> {
        if how.write || how.truncate || how.create {
            return Err(FsError::IsDirectory);
        }
        let may_change = mount.dir_perms.contains(DirPerms::MUTATE);
        let place = Arc::new(place.clone());
        Ok(Descriptor::Dir { place, may_change, _handle: self.handle()? })
    }

    async fn open_real(
        &self,
        place: &Place,
        path: &str,
        mount: &Mount,
        open: Open,
    ) -> FsResult<Descriptor> {
        let handle = self.host_handle()?;
        let (real, path) = (self.real(place.mount)?, path.to_owned());
        let quota = self.quota(place.mount)?;
        let rules = Rules {
            create: check_create(mount).and_then(|()| check_file(mount, open.how)),
            open: check_file(mount, open.how),
            quota: quota.clone(),
        };
        let opened = blocking(move || {
            for _ in 0..TRIES {
                match open_on_host(&real, &path, open, &rules)? {
                    OnHost::Gone => {}
                    OnHost::Directory => return Ok(None),
                    OnHost::File(file) => return Ok(Some(file)),
                }
            }
            Err(FsError::Busy)
        });
        match opened.await? {
            None => {
                drop(handle);
                self.open_dir(place, mount, open.how)
            }
            Some(file) => {
                let contents = Contents::Real(file, quota);
                Ok(descriptor(place.mount, mount, contents, open.how, handle))
            }
        }
    }
}

/// What a mount's permissions say to a request.
struct Rules {
    create: FsResult<()>,
    open: FsResult<()>,
    quota: WriteQuota,
}

/// What was opened, or found.
enum OnHost {
    File(RealFile),
    Directory,
    /// It was there, and then no longer.
    Gone,
}

fn open_on_host(real: &RealDir, path: &str, open: Open, rules: &Rules) -> FsResult<OnHost> {
    let how = open.how;
    match real.stat(path, how.follow) {
        Ok(_) if how.create && how.exclusive => Err(FsError::Exists),
        Ok((known, _)) if known.kind == FileKind::Directory => Ok(OnHost::Directory),
        Ok(_) if open.directory => Err(FsError::NotDirectory),
        Ok((known, _)) if known.kind == FileKind::Symlink => Err(FsError::Loop),
        Ok(_) => {
            rules.open?;
            match real.open_file(path, OpenHow { create: false, exclusive: false, ..how }) {
                Err(FsError::NoEntry) if how.create => Ok(OnHost::Gone),
                opened => opened.map(OnHost::File),
            }
        }
        Err(FsError::NoEntry) if how.create && open.directory => {
            // The name of a directory to be, if it lies in one.
            let bare = path.trim_end_matches('/');
            real.stat(bare.rsplit_once('/').map_or("", |(above, _)| above), true)?;
            Err(FsError::IsDirectory)
        }
        Err(FsError::NoEntry) if how.create => {
            rules.create?;
            // The host makes files only for who writes to them.
            let how = OpenHow { write: true, ..how };
            rules.quota.spend_entry(|| real.open_file(path, how)).map(OnHost::File)
        }
        Err(error) => Err(error),
    }
}

fn is_real(place: &Place) -> bool {
    matches!(place.node, Node::Real(_))
}

fn check_create(mount: &Mount) -> FsResult<()> {
    let may = mount.dir_perms.contains(DirPerms::MUTATE);
    if may { Ok(()) } else { Err(FsError::ReadOnly) }
}

fn check_file(mount: &Mount, how: OpenHow) -> FsResult<()> {
    if (how.write || how.truncate) && !mount.file_perms.contains(FilePerms::WRITE) {
        return Err(FsError::ReadOnly);
    }
    if how.read && !mount.file_perms.contains(FilePerms::READ) {
        return Err(FsError::NotPermitted);
    }
    Ok(())
}

fn descriptor(
    number: usize,
    mount: &Mount,
    contents: Contents,
    how: OpenHow,
    handle: crate::ctx::Handle,
) -> Descriptor {
    Descriptor::File(Arc::new(OpenFile {
        mount: number,
        contents,
        may_read: how.read,
        may_write: how.write,
        may_change: mount.file_perms.contains(FilePerms::WRITE),
        handle,
        locked: OnceLock::new(),
    }))
}
