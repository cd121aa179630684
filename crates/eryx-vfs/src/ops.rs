//! What can be done with the tree, by path.

use crate::ctx::HybridVfsCtx;
use crate::known::{Id, Known, nowhere};
use crate::path::check_name;
use crate::place::{Node, Place, Target, blocking};
use crate::real::{RealDir, WriteQuota};
use crate::storage::{FileKind, NodeId};
use crate::{ArcStorage, DirPerms, FilePerms, FsError, FsResult};
use std::sync::Arc;
use std::time::SystemTime;

/// A name that is to be made, removed or moved.
enum Entry<'a> {
    Memory { storage: &'a ArcStorage, dir: NodeId, name: &'a str },
    Real { dir: RealDir, path: String, quota: WriteQuota },
}

impl HybridVfsCtx {
    pub(crate) async fn stat(&self, place: &Place) -> FsResult<Known> {
        self.stat_place(place, true).await
    }

    pub(crate) async fn stat_at(
        &self,
        dir: &Arc<Place>,
        path: &str,
        follow: bool,
    ) -> FsResult<Known> {
        let target = self.walk(dir, path, follow).await?;
        let place = target.place.as_ref().ok_or(FsError::NoEntry)?;
        let known = self.stat_place(place, follow || target.directory).await?;
        if target.directory && known.metadata.kind != FileKind::Directory {
            return Err(FsError::NotDirectory);
        }
        Ok(known)
    }

    async fn stat_place(&self, place: &Place, follow: bool) -> FsResult<Known> {
        match &place.node {
            Node::Nowhere => Ok(nowhere(place.point)),
            Node::Memory(node) => {
                let metadata = self.storage(place.mount)?.stat(*node)?;
                Ok(Known { metadata, id: Id::memory(place.mount, *node) })
            }
            Node::Real(path) => {
                let (real, path) = (self.real(place.mount)?, path.clone());
                let (metadata, identity) = blocking(move || real.stat(&path, follow)).await?;
                Ok(Known { metadata, id: Id::real(identity) })
            }
        }
    }

    pub(crate) async fn set_times(
        &self,
        place: &Place,
        follow: bool,
        accessed: Option<SystemTime>,
        modified: Option<SystemTime>,
    ) -> FsResult<()> {
        let mount = self.mount(place.mount)?;
        let directory = self.stat_place(place, follow).await?.metadata.kind == FileKind::Directory;
        let allowed = if directory {
            mount.dir_perms.contains(DirPerms::MUTATE)
        } else {
            mount.file_perms.contains(FilePerms::WRITE)
        };
        if !allowed {
            return Err(FsError::ReadOnly);
        }
        match &place.node {
            Node::Nowhere => Err(FsError::ReadOnly),
            Node::Memory(node) => self.storage(place.mount)?.set_times(*node, accessed, modified),
            Node::Real(path) => {
                let (real, path) = (self.real(place.mount)?, path.clone());
                blocking(move || real.set_times(&path, follow, accessed, modified)).await
            }
        }
    }

    pub(crate) async fn set_times_at(
        &self,
        dir: &Arc<Place>,
        path: &str,
        follow: bool,
        accessed: Option<SystemTime>,
        modified: Option<SystemTime>,
    ) -> FsResult<()> {
        let target = self.walk(dir, path, follow).await?;
        let place = target.place.as_ref().ok_or(FsError::NoEntry)?;
        self.set_times(place, follow, accessed, modified).await
    }

    pub(crate) async fn create_dir_at(&self, dir: &Arc<Place>, path: &str) -> FsResult<()> {
        let target = self.name(dir, path).await?;
        match self.new_entry(&target)? {
            Entry::Memory { storage, dir, name } => storage.create_dir(dir, name).map(drop),
            Entry::Real { dir, path, quota } => {
                blocking(move || quota.spend_entry(|| dir.create_dir(&path))).await
            }
        }
    }

    pub(crate) async fn symlink_at(&self, to: &str, dir: &Arc<Place>, path: &str) -> FsResult<()> {
        let target = self.name(dir, path).await?;
        if target.directory {
            return Err(FsError::NoEntry);
        }
        match self.new_entry(&target)? {
            Entry::Memory { storage, dir, name } => storage.create_symlink(dir, name, to).map(drop),
            Entry::Real { dir, path, quota } => {
                let to = to.to_owned();
                blocking(move || quota.spend_entry(|| dir.create_symlink(&path, &to))).await
            }
        }
    }

    pub(crate) async fn read_link_at(&self, dir: &Arc<Place>, path: &str) -> FsResult<String> {
        let target = self.walk(dir, path, false).await?;
        let place = target.place.ok_or(FsError::NoEntry)?;
        match place.node {
            Node::Nowhere => Err(FsError::Invalid),
            Node::Memory(node) => self.storage(place.mount)?.read_link(node),
            Node::Real(path) => {
                let real = self.real(place.mount)?;
                blocking(move || real.read_link(&path)).await
            }
        }
    }

    pub(crate) async fn link_at(
        &self,
        dir: &Arc<Place>,
        path: &str,
        follow: bool,
        new_dir: &Arc<Place>,
        new_path: &str,
    ) -> FsResult<()> {
        let from = self.walk(dir, path, follow).await?.place.ok_or(FsError::NoEntry)?;
        let to = self.name(new_dir, new_path).await?;
        if from.mount != to.dir.mount {
            return Err(FsError::CrossDevice);
        }
        if to.directory {
            return Err(FsError::NoEntry);
        }
        match (self.new_entry(&to)?, from.node) {
            (Entry::Memory { storage, dir, name }, Node::Memory(node)) => {
                storage.link(node, dir, name)
            }
            (Entry::Real { dir, path: new_path, quota }, Node::Real(path)) => {
                blocking(move || quota.spend_entry(|| dir.link(&path, &new_path))).await
            }
            _ => Err(FsError::NotPermitted),
        }
    }

    pub(crate) async fn unlink_at(&self, dir: &Arc<Place>, path: &str) -> FsResult<()> {
        let target = self.name(dir, path).await?;
        if target.directory {
            let known = self.stat_at(dir, path, false).await?;
            let is_directory = known.metadata.kind == FileKind::Directory;
            return Err(if is_directory { FsError::IsDirectory } else { FsError::NotDirectory });
        }
        match self.old_entry(&target)? {
            Entry::Memory { storage, dir, name } => storage.unlink(dir, name),
            Entry::Real { dir, path, .. } => blocking(move || dir.unlink(&path)).await,
        }
    }

    pub(crate) async fn remove_dir_at(&self, dir: &Arc<Place>, path: &str) -> FsResult<()> {
        let target = self.name(dir, path).await?;
        match self.old_entry(&target)? {
            Entry::Memory { storage, dir, name } => storage.remove_dir(dir, name),
            Entry::Real { dir, path, .. } => blocking(move || dir.remove_dir(&path)).await,
        }
    }

    pub(crate) async fn rename_at(
        &self,
        dir: &Arc<Place>,
        path: &str,
        new_dir: &Arc<Place>,
        new_path: &str,
    ) -> FsResult<()> {
        let from = self.name(dir, path).await?;
        let to = self.name(new_dir, new_path).await?;
        if from.dir.mount != to.dir.mount {
            return Err(FsError::CrossDevice);
        }
        if from.directory || to.directory {
            let known = self.stat_at(dir, path, false).await?;
            if known.metadata.kind != FileKind::Directory {
                return Err(FsError::NotDirectory);
            }
        }
        match (self.old_entry(&from)?, self.writable_entry(&to)?) {
            (
                Entry::Memory { storage, dir, name },
                Entry::Memory { dir: new_dir, name: new_name, .. },
            ) => storage.rename(dir, name, new_dir, new_name),
            (Entry::Real { dir, path, quota }, Entry::Real { path: new_path, .. }) => {
                blocking(move || quota.spend_entry(|| dir.rename(&path, &new_path))).await
            }
            _ => Err(FsError::Io),
        }
    }

    /// Walks to a name that is to be changed itself, link or not.
    async fn name(&self, dir: &Arc<Place>, path: &str) -> FsResult<Target> {
        let bare = path.trim_end_matches('/');
        if bare == "." || bare.ends_with("/.") {
            // The directory is not named here, so its name cannot be changed.
            let target = self.walk(dir, path, true).await?;
            let place = target.place.ok_or(FsError::NoEntry)?;
            self.stat(&place).await?;
            return Ok(Target { name: None, place: Some(place), ..target });
        }
        let target = self.walk(dir, if bare.is_empty() { path } else { bare }, false).await?;
        Ok(Target { directory: target.directory || bare.len() < path.len(), ..target })
    }

    /// The entry of a name that must be free.
    fn new_entry<'a>(&'a self, target: &'a Target) -> FsResult<Entry<'a>> {
        if target.name.is_none() || is_mounted(target) {
            return Err(FsError::Exists);
        }
        if target.place.is_some() && !matches!(target.dir.node, Node::Real(_)) {
            return Err(FsError::Exists);
        }
        self.writable_entry(target)
    }

    /// The entry of a name that must be there.
    fn old_entry<'a>(&'a self, target: &'a Target) -> FsResult<Entry<'a>> {
        if target.place.is_none() {
            return Err(FsError::NoEntry);
        }
        self.writable_entry(target)
    }

    /// The entry of a name in a directory that may be changed.
    fn writable_entry<'a>(&'a self, target: &'a Target) -> FsResult<Entry<'a>> {
        let dir = &target.dir;
        let name = target.name.as_deref().ok_or(FsError::Busy)?;
        if is_mounted(target) {
            return Err(FsError::Busy);
        }
        if !self.mount(dir.mount)?.dir_perms.contains(DirPerms::MUTATE) {
            return Err(FsError::ReadOnly);
        }
        match (&dir.node, target.place.as_ref().map(|place| &place.node)) {
            (Node::Nowhere, _) => Err(FsError::ReadOnly),
            (Node::Memory(node), _) => {
                check_name(name)?;
                Ok(Entry::Memory { storage: self.storage(dir.mount)?, dir: *node, name })
            }
            (Node::Real(_), Some(Node::Real(path))) => Ok(Entry::Real {
                dir: self.real(dir.mount)?,
                path: path.clone(),
                quota: self.quota(dir.mount)?,
            }),
            (Node::Real(_), _) => Err(FsError::Io),
        }
    }
}

/// Whether something is mounted at the name or below it.
fn is_mounted(target: &Target) -> bool {
    target.place.as_ref().is_some_and(|place| place.point.is_some())
}
