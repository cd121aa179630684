//! Paths never lead outside: next to the mounted folders of the host lies a secret,
//! with links to it in them and links to links in memory. Nor behind what is mounted
//! in a folder of the host: another secret lies there.

use super::input::Input;
use crate::descriptor::Descriptor;
use crate::known::Id;
use crate::open::Open;
use crate::path::check_name;
use crate::place::{Node, Place};
use crate::real::OpenHow;
use crate::{FsError, FsResult, HybridVfsCtx, InMemoryStorage, MountTable, RealDir, VolumeMount};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const SECRET: &[u8] = b"not for guests";

/// Where it lies. The last is behind a mount.
const SECRETS: [&str; 3] = ["secret", "private/secret", "two/x/y/secret"];

/// What paths and targets of links are made of.
const NAMES: &[&str] = &[
    "..",
    "..",
    "..",
    ".",
    "",
    "a",
    "b",
    "m",
    "vol",
    "inner",
    "other",
    "deep",
    "er",
    "two",
    "x",
    "y",
    "out",
    "up",
    "abs",
    "secret",
    "outside",
    "a\0b",
    "\u{e9}",
    "..\u{2044}..",
    "...",
    " ",
    "~",
    "a\\..\\..",
];

/// A folder of the host: what is mounted, and what is not.
struct Outside {
    folder: TempDir,
    listed: Vec<String>,
    ids: Vec<Id>,
}

impl Outside {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        for dir in ["vol/a/b", "other/a", "private", "two/x/y", "two/a", "kept/a"] {
            fs::create_dir_all(top.join(dir)).unwrap();
        }
        for secret in SECRETS {
            fs::write(top.join(secret), SECRET).unwrap();
        }
        fs::write(top.join("kept/secret"), "shown, but kept").unwrap();
        fs::write(top.join("vol/b"), "inside").unwrap();
        #[cfg(unix)]
        for (to, link) in [
            ("../secret", "vol/out"),
            ("../..", "vol/a/up"),
            ("/", "vol/abs"),
            ("../private", "other/out"),
            ("../../private", "other/a/up"),
            ("x", "two/b"),
            ("../x", "two/a/up"),
            ("../x/y", "two/a/b"),
        ] {
            std::os::unix::fs::symlink(to, top.join(link)).unwrap();
        }
        let mut ids: Vec<_> =
            ["", "private", "two/x/y"].iter().map(|name| id(&top.join(name), "")).collect();
        ids.extend(SECRETS.iter().map(|name| id(top, name)));
        Self { listed: names(top), ids, folder }
    }

    fn mounts(&self) -> MountTable {
        let host = |name: &str| self.folder.path().join(name);
        MountTable::builder()
            .storage("/m", InMemoryStorage::new())
            .volume(VolumeMount::new(host("vol"), "/vol"))
            .storage("/vol/inner", InMemoryStorage::new())
            .volume(VolumeMount::new(host("other"), "/m/other"))
            .volume(VolumeMount::read_only(host("vol"), "/deep/er"))
            .volume(VolumeMount::new(host("two"), "/two"))
            .volume(VolumeMount::read_only(host("kept"), "/two/x/y"))
            .build()
            .unwrap()
    }

    /// What lies outside is as it was.
    fn check(&self) {
        let top = self.folder.path();
        assert_eq!(names(top), self.listed);
        assert_eq!(names(&top.join("private")), ["secret"]);
        assert_eq!(names(&top.join("two/x/y")), ["secret"]);
        for secret in SECRETS {
            assert_eq!(fs::read(top.join(secret)).unwrap(), SECRET);
        }
        assert_eq!(names(&top.join("kept")), ["a", "secret"]);
        assert_eq!(names(&top.join("kept/a")), [""; 0]);
        assert_eq!(fs::read(top.join("kept/secret")).unwrap(), b"shown, but kept");
    }
}

fn id(dir: &Path, name: &str) -> Id {
    Id::real(RealDir::open(dir).unwrap().unwrap().stat(name, false).unwrap().1)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn path(input: &mut Input<'_>) -> String {
    let first = ["", "/", "/m/", "/vol/", "/m/other/", "/deep/er/", "/vol/inner/", "/two/"];
    let mut path = input.pick(&first).to_owned();
    for number in 0..input.byte() % 8 {
        if number > 0 {
            path.push('/');
        }
        match input.byte() {
            0xff => path += &"n".repeat(255 + usize::from(input.flag())),
            0xfe => path += &"a/../".repeat(16 * usize::from(input.byte())),
            0xf0.. => path += &String::from_utf8_lossy(input.bytes(6)),
            _ => path += input.pick(NAMES),
        }
    }
    path
}

pub(crate) fn check(input: &mut Input<'_>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outside = Outside::new();
    let ctx = HybridVfsCtx::new(&outside.mounts());
    runtime.block_on(async {
        let mut steps = 0;
        while !input.is_empty() && steps < 64 {
            steps += 1;
            let tried = Tried { ctx: &ctx, outside: &outside, start: ctx.root().unwrap() };
            tried.perform(input).await;
        }
    });
    drop(ctx);
    outside.check();
}

struct Tried<'a> {
    ctx: &'a HybridVfsCtx,
    outside: &'a Outside,
    start: Arc<Place>,
}

impl Tried<'_> {
    /// Changes something, or looks; errors are welcome.
    async fn perform(mut self, input: &mut Input<'_>) {
        let (what, from, one, two) = (input.byte(), path(input), path(input), path(input));
        // Directories that are open are where paths begin, too.
        if let Ok(Descriptor::Dir { place, .. }) = self.open(&from, false).await {
            self.start = place;
        }
        let (ctx, start) = (self.ctx, &self.start);
        match what % 8 {
            0 => drop(ctx.create_dir_at(start, &one).await),
            1 | 2 => drop(ctx.symlink_at(&two, start, &one).await),
            3 => drop(ctx.link_at(start, &one, what > 127, start, &two).await),
            4 => drop(ctx.rename_at(start, &one, start, &two).await),
            5 => drop(ctx.unlink_at(start, &one).await),
            6 => drop(ctx.remove_dir_at(start, &one).await),
            _ => drop(self.write(&one).await),
        }
        for path in [&one, &two] {
            self.look(path).await;
        }
    }

    async fn open(&self, path: &str, write: bool) -> FsResult<Descriptor> {
        let how =
            OpenHow { follow: true, read: !write, write, create: write, ..OpenHow::default() };
        self.ctx.open_at(&self.start, path, Open { how, directory: false }).await
    }

    async fn write(&self, path: &str) -> FsResult<()> {
        let file = self.open(path, true).await?;
        file.file()?.write(Some(0), b"by a guest"[..].into()).await
    }

    async fn look(&self, path: &str) {
        for follow in [true, false] {
            let seen = self.ctx.stat_at(&self.start, path, follow).await;
            if let Ok(known) = &seen {
                assert!(!self.outside.ids.contains(&known.id), "{path:?} leads outside");
            }
            let spelled = format!("././/{path}");
            if !path.starts_with('/') && !path.is_empty() && spelled.len() <= 4096 {
                let same = self.ctx.stat_at(&self.start, &spelled, follow).await;
                assert_eq!(same.map(|known| known.id).ok(), seen.map(|known| known.id).ok());
            }
        }
        if let Ok(Descriptor::File(file)) = self.open(path, false).await {
            let bytes = file.read(0, 64).await.unwrap();
            assert_ne!(bytes, SECRET, "{path:?} shows the secret");
        }
        let found = self.ctx.walk(&self.start, path, true).await;
        let is_bad = |name: &str| name.len() > 255 || name.contains('\0');
        if path.is_empty() || path.len() > 4096 || path.split('/').any(is_bad) {
            assert!(found.is_err(), "{path:?} leads somewhere");
        }
        let Ok(target) = found else { return };
        if let (Some(name), Node::Memory(_)) = (&target.name, &target.dir.node) {
            assert_eq!(check_name(name), Ok(()));
        }
        self.leave(target.place.unwrap_or_else(|| (*target.dir).clone())).await;
    }

    /// Whoever goes upwards comes to the root, and no further.
    async fn leave(&self, place: Place) {
        let mut place = Arc::new(place);
        let mut steps = 0;
        while let Some(above) = place.above.clone() {
            steps += 1;
            assert!(steps < 5000, "there is no end upwards");
            place = above;
        }
        let root = self.ctx.stat(&self.ctx.root().unwrap()).await.unwrap().id;
        assert_eq!(self.ctx.stat(&place).await.map(|known| known.id), Ok::<_, FsError>(root));
        let above = self.ctx.stat_at(&place, "..", true).await;
        assert_eq!(above.map(|known| known.id), Ok(root));
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Ways that a program would try to get behind `/two/x/y`.
    #[tokio::test]
    async fn no_way_leads_behind_a_mount() {
        let outside = Outside::new();
        let ctx = HybridVfsCtx::new(&outside.mounts());
        let start = ctx.root().unwrap();
        ctx.symlink_at("x", &start, "/two/l").await.unwrap();
        ctx.symlink_at(".", &start, "/two/self").await.unwrap();
        ctx.symlink_at("self/x/y", &start, "/two/far").await.unwrap();
        ctx.create_dir_at(&start, "/two/x/z").await.unwrap();
        let tried = Tried { ctx: &ctx, outside: &outside, start: Arc::clone(&start) };
        for dir in ["l/y", "x/z/../y", "self/self/x/y", "far", "b/y", "a/up/y", "a/b", "a/../x/y"] {
            let path = format!("/two/{dir}/secret");
            tried.look(&path).await;
            let shown = ctx.stat_at(&start, &path, true).await.unwrap().metadata.size;
            assert_eq!(shown, 15, "{path}");
            for write in [tried.write(&path).await, tried.write(&format!("/two/{dir}/new")).await] {
                assert_eq!(write, Err(FsError::ReadOnly), "{path}");
            }
            assert_eq!(ctx.unlink_at(&start, &path).await, Err(FsError::ReadOnly), "{path}");
        }
        for path in ["/two/x", "/two/self/x", "/two/a/../x", "/two/l/../x", "/two/a/up/../x"] {
            let moved = ctx.rename_at(&start, path, &start, "/two/moved").await;
            assert_eq!(moved, Err(FsError::Busy), "{path}");
        }
        let opened = tried.open("/two/l", false).await.unwrap();
        let Descriptor::Dir { place, .. } = opened else { panic!("a directory") };
        assert_eq!(ctx.stat_at(&place, "y/secret", true).await.unwrap().metadata.size, 15);
        // Who swaps a directory for a link meanwhile gains nothing.
        let opened = tried.open("/two/x/z", false).await.unwrap();
        let Descriptor::Dir { place, .. } = opened else { panic!("a directory") };
        fs::remove_dir(outside.folder.path().join("two/x/z")).unwrap();
        std::os::unix::fs::symlink("y", outside.folder.path().join("two/x/z")).unwrap();
        assert!(ctx.stat_at(&place, "secret", true).await.is_err());
        assert!(ctx.list(&place).await.is_err());
        outside.check();
    }
}
