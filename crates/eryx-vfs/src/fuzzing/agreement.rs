//! Operations do the same in memory as in a directory of the host.

use super::input::Input;
use crate::descriptor::Descriptor;
use crate::open::Open;
use crate::place::Place;
use crate::real::OpenHow;
use crate::storage::{FileKind, StorageFiles};
use crate::{ArcStorage, FsResult, HybridVfsCtx, InMemoryStorage, MountTable, VolumeMount};
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Create { path: String, exclusive: bool },
    Write { path: String, offset: u64, length: usize },
    Append { path: String, length: usize },
    Cut { path: String, size: u64 },
    Read { path: String, offset: u64, length: u64 },
    MakeDir(String),
    Symlink { to: String, path: String },
    Link { path: String, new: String },
    Unlink(String),
    RemoveDir(String),
    Rename { path: String, new: String },
    Stat { path: String, follow: bool },
    ReadLink(String),
    List(String),
}

pub(crate) fn decode(input: &mut Input<'_>) -> Vec<Op> {
    input.all(decode_one)
}

fn decode_one(input: &mut Input<'_>) -> Op {
    let what = input.byte();
    let path = decode_path(input);
    match what % 14 {
        0 => Op::Create { path, exclusive: input.flag() },
        1 => Op::Write { path, offset: input.offset(), length: usize::from(input.byte()) },
        2 => Op::Append { path, length: usize::from(input.byte()) },
        3 => Op::Cut { path, size: input.offset() },
        4 => Op::Read { path, offset: input.offset(), length: u64::from(input.byte()) },
        5 => Op::MakeDir(path),
        6 => Op::Symlink { to: input.pick(&["a", "b", "c", "b/c", "./a"]).to_owned(), path },
        7 => Op::Link { path, new: decode_path(input) },
        8 => Op::Unlink(path),
        9 => Op::RemoveDir(path),
        10 => Op::Rename { path, new: decode_path(input) },
        11 => Op::Stat { path, follow: input.flag() },
        12 => Op::ReadLink(path),
        _ => Op::List(path),
    }
}

fn decode_path(input: &mut Input<'_>) -> String {
    let names: Vec<_> = (0..=input.byte() % 3)
        .map(|_| input.pick(&["a", "b", "c", "a", "b", "c", "..", "."]))
        .collect();
    anchored(names.join("/"))
}

/// Leading upwards differs on purpose: see `the_way_up_ends_at_the_root`.
fn anchored(path: String) -> String {
    if path.starts_with("..") { format!("a/{path}") } else { path }
}

/// What an operation shows of the tree, without times and numbers.
#[derive(Debug, PartialEq)]
enum Seen {
    Nothing,
    Bytes(Vec<u8>),
    Text(String),
    About(FileKind, u64, u64),
    Names(BTreeSet<(String, FileKind)>),
}

struct Subject {
    ctx: HybridVfsCtx,
    top: Arc<Place>,
}

impl Subject {
    async fn new(mounts: &MountTable) -> Self {
        let ctx = HybridVfsCtx::new(mounts);
        let place = ctx.walk(&ctx.root().unwrap(), "/m", true).await.unwrap().place.unwrap();
        Self { ctx, top: Arc::new(place) }
    }

    async fn open(&self, path: &str, how: OpenHow) -> FsResult<Descriptor> {
        self.ctx.open_at(&self.top, path, Open { how, directory: false }).await
    }

    async fn perform(&self, op: &Op) -> FsResult<Seen> {
        let follow = OpenHow { follow: true, ..OpenHow::default() };
        let writing = OpenHow { write: true, ..follow };
        let (ctx, top) = (&self.ctx, &self.top);
        match op {
            Op::Create { path, exclusive } => {
                let how = OpenHow { create: true, exclusive: *exclusive, ..writing };
                self.open(path, how).await?;
            }
            Op::Write { path, offset, length } => {
                let file = self.open(path, writing).await?;
                let bytes = vec![u8::try_from(*length).unwrap(); *length];
                file.file()?.write(Some(*offset), bytes.into()).await?;
            }
            Op::Append { path, length } => {
                let file = self.open(path, writing).await?;
                file.file()?.write(None, vec![7; *length].into()).await?;
            }
            Op::Cut { path, size } => {
                self.open(path, writing).await?.file()?.set_size(*size).await?;
            }
            Op::Read { path, offset, length } => {
                let file = self.open(path, OpenHow { read: true, ..follow }).await?;
                return Ok(Seen::Bytes(file.file()?.read(*offset, *length).await?));
            }
            Op::MakeDir(path) => ctx.create_dir_at(top, path).await?,
            Op::Symlink { to, path } => ctx.symlink_at(to, top, path).await?,
            Op::Link { path, new } => ctx.link_at(top, path, false, top, new).await?,
            Op::Unlink(path) => ctx.unlink_at(top, path).await?,
            Op::RemoveDir(path) => ctx.remove_dir_at(top, path).await?,
            Op::Rename { path, new } => ctx.rename_at(top, path, top, new).await?,
            Op::Stat { path, follow } => {
                let known = ctx.stat_at(top, path, *follow).await?.metadata;
                let file = known.kind != FileKind::Directory;
                let (size, links) = if file { (known.size, known.links) } else { (0, 0) };
                return Ok(Seen::About(known.kind, size, links));
            }
            Op::ReadLink(path) => return Ok(Seen::Text(ctx.read_link_at(top, path).await?)),
            Op::List(path) => {
                let dir = self.open(path, OpenHow { read: true, ..follow }).await?;
                let mut listing = ctx.list(dir.dir()?).await?;
                let mut names = BTreeSet::new();
                while let Some(entry) = listing.next().await? {
                    assert!(names.insert((entry.name, entry.kind)), "an entry came twice");
                }
                return Ok(Seen::Names(names));
            }
        }
        Ok(Seen::Nothing)
    }
}

/// Two errors may both be right: which one a host reports first where several
/// apply depends on the host.
fn agree(memory: &FsResult<Seen>, host: &FsResult<Seen>) -> bool {
    match (memory, host) {
        (Ok(memory), Ok(host)) => memory == host,
        (Err(_), Err(_)) => true,
        _ => false,
    }
}

/// What a storage says it uses is what is in it.
fn check_usage(storage: &InMemoryStorage) {
    let (mut bytes, mut nodes) = (0, 0);
    let mut seen = BTreeSet::new();
    let mut paths = vec![String::new()];
    while let Some(dir) = paths.pop() {
        let node = crate::storage::node_at(storage, &dir);
        for entry in crate::VfsStorage::read_dir(storage, node, None, usize::MAX).unwrap() {
            nodes += 1;
            let node = crate::VfsStorage::lookup(storage, node, &entry.name).unwrap();
            if seen.insert(node) {
                bytes += crate::VfsStorage::stat(storage, node).unwrap().size;
            }
            if entry.kind == FileKind::Directory {
                paths.push(format!("{dir}/{}", entry.name));
            }
        }
    }
    let usage = storage.usage();
    assert_eq!((usage.bytes, usage.nodes), (bytes, nodes));
}

pub(crate) fn compare(ops: &[Op]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(InMemoryStorage::new());
    let memory =
        MountTable::builder().storage("/m", ArcStorage::from(Arc::clone(&storage))).build();
    let host = MountTable::builder().volume(VolumeMount::new(folder.path(), "/m")).build();
    runtime.block_on(async {
        let memory = Subject::new(&memory.unwrap()).await;
        let host = Subject::new(&host.unwrap()).await;
        for op in ops {
            let (in_memory, on_host) = (memory.perform(op).await, host.perform(op).await);
            assert!(
                agree(&in_memory, &on_host),
                "{op:?} in {ops:#?}: memory {in_memory:?}, host {on_host:?}"
            );
        }
    });
    check_usage(&storage);
    let saved = serde_json::to_string(&storage.snapshot()).unwrap();
    let loaded: crate::StorageSnapshot = serde_json::from_str(&saved).unwrap();
    assert_eq!(loaded.to_storage().usage(), storage.usage());
    let bytes = storage.snapshot().to_bytes(u64::MAX).unwrap();
    let loaded = crate::StorageSnapshot::from_bytes(&bytes, storage.limits()).unwrap();
    assert_eq!(loaded.to_storage().usage(), storage.usage());
    assert_eq!(loaded.to_bytes(u64::MAX).unwrap(), bytes);
    let mut tar = Vec::new();
    storage.export_tar("/", &mut tar).unwrap();
    let copy = InMemoryStorage::new();
    copy.import_tar("/", tar.as_slice()).unwrap();
    assert_eq!(copy.usage(), storage.usage());
    storage.remove("/").unwrap();
    assert_eq!(storage.usage(), crate::StorageUsage::default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FsError;
    use proptest::prelude::*;

    fn path() -> impl Strategy<Value = String> {
        let name = prop_oneof![4 => "[abc]", 1 => Just("..".to_owned()), 1 => Just(".".to_owned())];
        (prop::collection::vec(name, 1..4), prop::bool::weighted(0.1)).prop_map(|(names, slash)| {
            let names = anchored(names.join("/"));
            if slash { names + "/" } else { names }
        })
    }

    fn operation() -> impl Strategy<Value = Op> {
        let target = prop_oneof!["[abc]", Just("b/c".to_owned()), Just("./a".to_owned())];
        prop_oneof![
            4 => (path(), any::<bool>()).prop_map(|(path, exclusive)| Op::Create { path, exclusive }),
            3 => (path(), 0..200_000_u64, 0..100_usize)
                .prop_map(|(path, offset, length)| Op::Write { path, offset, length }),
            1 => (path(), 0..100_usize).prop_map(|(path, length)| Op::Append { path, length }),
            1 => (path(), 0..200_000_u64).prop_map(|(path, size)| Op::Cut { path, size }),
            2 => (path(), 0..200_000_u64, 0..300_u64)
                .prop_map(|(path, offset, length)| Op::Read { path, offset, length }),
            4 => path().prop_map(Op::MakeDir),
            2 => (target, path()).prop_map(|(to, path)| Op::Symlink { to, path }),
            2 => (path(), path()).prop_map(|(path, new)| Op::Link { path, new }),
            2 => path().prop_map(Op::Unlink),
            2 => path().prop_map(Op::RemoveDir),
            4 => (path(), path()).prop_map(|(path, new)| Op::Rename { path, new }),
            2 => (path(), any::<bool>()).prop_map(|(path, follow)| Op::Stat { path, follow }),
            1 => path().prop_map(Op::ReadLink),
            2 => path().prop_map(Op::List),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
        #[test]
        fn memory_and_host_agree(ops in prop::collection::vec(operation(), 1..60)) {
            compare(&ops);
        }
    }

    #[test]
    fn the_way_up_ends_at_the_root() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let ctx = HybridVfsCtx::new(&MountTable::default());
            let root = ctx.root().unwrap();
            let known = ctx.stat_at(&root, "../../data/../..", true).await.unwrap();
            assert_eq!(known.id, ctx.stat(&root).await.unwrap().id);
            assert_eq!(ctx.stat_at(&root, "nothing/..", true).await.err(), Some(FsError::NoEntry));
        });
    }
}
