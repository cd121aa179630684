//! Where a path leads.

use crate::ctx::HybridVfsCtx;
use crate::path::{MOST_LINKS, Step, Way};
use crate::place::{Node, Place, Target, blocking};
use crate::real::join;
use crate::storage::FileKind;
use crate::{FsError, FsResult};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many steps of symbolic links and path may wait to be taken.
const MOST_STEPS: usize = 4096;

impl HybridVfsCtx {
    /// Follows `path` from `start`; a link at its end only if `follow`.
    pub(crate) async fn walk(
        &self,
        start: &Arc<Place>,
        path: &str,
        follow: bool,
    ) -> FsResult<Target> {
        let mut walk = Walk { ctx: self, here: Arc::clone(start), left: VecDeque::new(), links: 0 };
        let directory = walk.prepend(path, None, Cow::Borrowed)?;
        walk.go(follow || directory, directory).await
    }
}

/// A name of a link's target, which does not last as long as the path.
fn owned<'a>(name: &str) -> Cow<'a, str> {
    Cow::Owned(name.to_owned())
}

struct Walk<'a> {
    ctx: &'a HybridVfsCtx,
    here: Arc<Place>,
    left: VecDeque<Left<'a>>,
    links: u32,
}

/// A step that is left.
struct Left<'a> {
    /// None leads upwards.
    name: Option<Cow<'a, str>>,
    /// The host directory of the link that it is from: it must not lead out of that.
    within: Option<usize>,
}

/// What a name in a host directory turned out to be.
enum Seen {
    Kind(FileKind),
    Link(String),
}

impl<'a> Walk<'a> {
    /// Puts the steps of a path before those that are left; tells whether it
    /// has to name a directory. Those of a host's link stay within its mount.
    fn prepend<'p>(
        &mut self,
        path: &'p str,
        within: Option<usize>,
        keep: impl Fn(&'p str) -> Cow<'a, str>,
    ) -> FsResult<bool> {
        let steps = Way::parse(path)?;
        if self.left.len() + steps.steps.len() > MOST_STEPS {
            return Err(FsError::NameTooLong);
        }
        if steps.absolute {
            if within.is_some() {
                return Err(FsError::NotPermitted);
            }
            self.here = self.ctx.root()?;
        }
        for step in steps.steps.iter().rev() {
            let name = match step {
                Step::Up => None,
                Step::Into(name) => Some(keep(name)),
            };
            self.left.push_front(Left { name, within });
        }
        Ok(steps.directory)
    }

    async fn go(mut self, follow: bool, mut directory: bool) -> FsResult<Target> {
        while let Some(Left { name, within }) = self.left.pop_front() {
            let Some(name) = name else {
                self.up(within)?;
                continue;
            };
            let is_last = self.left.is_empty();
            let child = match self.point_below(&name).await? {
                Some(place) => Ok(place),
                None if matches!(self.here.node, Node::Real(_)) => {
                    let found = if self.ctx.real(self.here.mount)?.is_exact() {
                        self.exact(name.into_owned(), follow, &mut directory).await?
                    } else {
                        self.real(name.into_owned(), directory).await?
                    };
                    if let Some(target) = found {
                        return Ok(target);
                    }
                    continue;
                }
                None => self.lookup(&name),
            };
            let child = match child {
                Ok(child) => child,
                Err(FsError::NoEntry) if is_last => {
                    let name = Some(name.into_owned());
                    return Ok(Target { dir: self.here, name, place: None, directory });
                }
                Err(error) => return Err(error),
            };
            match self.kind(&child)? {
                FileKind::Symlink if !is_last || follow => {
                    let must = self.follow(&child)?;
                    directory = directory || (is_last && must);
                }
                FileKind::File if directory => return Err(FsError::NotDirectory),
                _ if is_last => {
                    let (name, place) = (Some(name.into_owned()), Some(child));
                    return Ok(Target { dir: self.here, name, place, directory });
                }
                FileKind::Directory => self.here = Arc::new(child),
                _ => return Err(FsError::NotDirectory),
            }
        }
        let place = Some((*self.here).clone());
        Ok(Target { dir: self.here, name: None, place, directory: true })
    }

    fn up(&mut self, within: Option<usize>) -> FsResult<()> {
        let is_top = matches!(&self.here.node, Node::Real(path) if path.is_empty());
        if is_top && within == Some(self.here.mount) {
            return Err(FsError::NotPermitted);
        }
        if let Some(above) = self.here.above.clone() {
            self.here = above;
        }
        Ok(())
    }

    /// The child that the mount table knows, if it knows one of that name.
    async fn point_below(&self, name: &str) -> FsResult<Option<Place>> {
        let points = &self.ctx.table().points;
        let here = self.here.point.and_then(|point| points.get(point));
        let Some(point) = here.and_then(|point| point.below.get(name)).copied() else {
            return Ok(None);
        };
        let above = Some(Arc::clone(&self.here));
        let mounted = points.get(point).and_then(|point| point.mount);
        let (mount, node) = match mounted {
            Some(mount) => (mount, self.ctx.top(mount)?),
            None => (self.here.mount, self.directory_below(name).await?),
        };
        Ok(Some(Place { mount, node, point: Some(point), above }))
    }

    /// The directory of that name, or one that is none but leads to a mount.
    async fn directory_below(&self, name: &str) -> FsResult<Node> {
        match &self.here.node {
            Node::Nowhere => Ok(Node::Nowhere),
            Node::Memory(dir) => {
                let storage = self.ctx.storage(self.here.mount)?;
                match storage.lookup(*dir, name) {
                    Ok(node) if storage.stat(node)?.kind == FileKind::Directory => {
                        Ok(Node::Memory(node))
                    }
                    _ => Ok(Node::Nowhere),
                }
            }
            Node::Real(path) => {
                let (real, path) = (self.ctx.real(self.here.mount)?, join(path, name));
                blocking(move || match real.stat(&path, false) {
                    Ok((known, _)) if known.kind == FileKind::Directory => Ok(Node::Real(path)),
                    _ => Ok(Node::Nowhere),
                })
                .await
            }
        }
    }

    fn lookup(&self, name: &str) -> FsResult<Place> {
        let Node::Memory(dir) = self.here.node else { return Err(FsError::NoEntry) };
        let node = self.ctx.storage(self.here.mount)?.lookup(dir, name)?;
        let above = Some(Arc::clone(&self.here));
        Ok(Place { mount: self.here.mount, node: Node::Memory(node), point: None, above })
    }

    fn kind(&self, place: &Place) -> FsResult<FileKind> {
        match place.node {
            Node::Memory(node) => Ok(self.ctx.storage(place.mount)?.stat(node)?.kind),
            Node::Real(_) if self.ctx.mount(place.mount)?.is_file() => Ok(FileKind::File),
            Node::Real(_) | Node::Nowhere => Ok(FileKind::Directory),
        }
    }

    /// Goes on where a link leads; tells whether that has to be a directory.
    fn follow(&mut self, link: &Place) -> FsResult<bool> {
        let Node::Memory(node) = link.node else { return Err(FsError::Invalid) };
        self.count_link()?;
        let target = self.ctx.storage(link.mount)?.read_link(node)?;
        self.prepend(&target, None, owned)
    }

    fn count_link(&mut self) -> FsResult<()> {
        self.links += 1;
        if self.links > MOST_LINKS { Err(FsError::Loop) } else { Ok(()) }
    }

    /// Goes on within a host directory, where cap-std follows the path at once.
    /// Only before a `..` its place has to be known.
    async fn real(&mut self, name: String, directory: bool) -> FsResult<Option<Target>> {
        let Node::Real(base) = &self.here.node else { return Err(FsError::Invalid) };
        let mut way = name;
        while let Some(Left { name: Some(next), .. }) = self.left.front() {
            way = join(&way, next);
            self.left.pop_front();
        }
        let path = join(base, &way);
        if self.left.is_empty() {
            let node = Node::Real(if directory { path + "/" } else { path });
            let above = Some(Arc::clone(&self.here));
            let place = Some(Place { mount: self.here.mount, node, point: None, above });
            let (dir, name) = (Arc::clone(&self.here), Some(way));
            return Ok(Some(Target { dir, name, place, directory }));
        }
        let real = self.ctx.real(self.here.mount)?;
        let path = blocking(move || real.canonical(&path)).await?;
        self.here = self.below_top(&path);
        Ok(None)
    }

    /// Takes one name in a host directory that something else is mounted in: each
    /// has to be seen by the mount table, whichever links lead there.
    async fn exact(
        &mut self,
        name: String,
        follow: bool,
        directory: &mut bool,
    ) -> FsResult<Option<Target>> {
        let Node::Real(base) = &self.here.node else { return Err(FsError::Invalid) };
        let (mount, path) = (self.here.mount, join(base, &name));
        let (real, looked_at) = (self.ctx.real(mount)?, path.clone());
        let seen = blocking(move || match real.stat(&looked_at, false)?.0.kind {
            FileKind::Symlink => real.read_link(&looked_at).map(Seen::Link),
            kind => Ok(Seen::Kind(kind)),
        })
        .await;
        let is_last = self.left.is_empty();
        let place = Place {
            mount,
            node: Node::Real(path),
            point: None,
            above: Some(Arc::clone(&self.here)),
        };
        match seen {
            Ok(Seen::Link(target)) if !is_last || follow => {
                self.count_link()?;
                let must = self.prepend(&target, Some(mount), owned)?;
                *directory = *directory || (is_last && must);
            }
            Ok(Seen::Kind(FileKind::File)) if is_last && *directory => {
                return Err(FsError::NotDirectory);
            }
            _ if is_last => {
                let (dir, name) = (Arc::clone(&self.here), Some(name));
                return Ok(Some(Target { dir, name, place: Some(place), directory: *directory }));
            }
            Ok(Seen::Kind(FileKind::Directory)) => self.here = Arc::new(place),
            Ok(_) => return Err(FsError::NotDirectory),
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// The place of a path without links in the host directory we are in. Nothing
    /// is mounted below that.
    fn below_top(&self, path: &str) -> Arc<Place> {
        let mount = self.here.mount;
        let mut place = Arc::clone(&self.here);
        while let Some(above) = place.above.clone().filter(|above| above.mount == mount) {
            place = above;
        }
        let mut way = String::new();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            way = join(&way, name);
            let node = Node::Real(way.clone());
            place = Arc::new(Place { mount, node, point: None, above: Some(place) });
        }
        place
    }
}
