//! Files that the host puts in and takes out, one by one and as archives.

use crate::files::{over, printed};
use eryx::{ArcStorage, InMemoryStorage, StorageFiles};
use std::sync::Arc;

#[test]
fn the_host_puts_files_where_it_says() {
    let storage = InMemoryStorage::new();
    for name in ["a/dots...", "a/b.", "a/b./c", "d"] {
        if name == "a/b./c" {
            storage.remove("a/b.").unwrap();
        }
        storage.write(name, name).unwrap();
        assert_eq!(storage.read(name).unwrap(), name.as_bytes());
    }
    let names: Vec<_> = storage.list("/").unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["a", "d"]);
}

fn tar_of(entries: &[(tar::EntryType, &str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (kind, path, target) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(0);
        header.set_mode(0o644);
        if target.is_empty() {
            archive.append_data(&mut header, path, std::io::empty()).unwrap();
        } else {
            archive.append_link(&mut header, path, target).unwrap();
        }
    }
    archive.into_inner().unwrap()
}

#[test]
fn an_archive_stays_where_it_is_put() {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    for target in ["/other", "../other", "d/../../other"] {
        let storage = InMemoryStorage::new();
        storage.write("other/secret", "x").unwrap();
        for last in [(Regular, "l/new", ""), (Link, "hard", "l/secret"), (Directory, "l/dir", "")] {
            let tar = tar_of(&[(Directory, "d", ""), (Symlink, "l", target), last]);
            let error = storage.import_tar("/into", tar.as_slice()).unwrap_err();
            assert!(error.to_string().contains("import"), "{error}");
            assert_eq!(storage.list("other").unwrap().len(), 1);
            storage.remove("into").unwrap();
        }
    }
    let storage = InMemoryStorage::new();
    let tar = tar_of(&[(Directory, "a/b", ""), (Symlink, "a/l", "../a/b"), (Regular, "a/l/f", "")]);
    storage.import_tar("/into", tar.as_slice()).unwrap();
    assert_eq!(storage.read("/into/a/b/f").unwrap(), b"");
}

#[test]
fn an_archive_cannot_fill_memory_with_a_name() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 30);
    header.set_cksum();
    let endless = std::io::Read::chain(&header.as_bytes()[..], std::io::repeat(b'n'));
    let error = InMemoryStorage::new().import_tar("/", endless).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    let cut = &tar_of(&[(tar::EntryType::Regular, "a", "")])[..512];
    assert!(InMemoryStorage::new().import_tar("/", cut).is_err());
}

/// A storage with one of everything, as a program makes it.
async fn one_of_each() -> Arc<InMemoryStorage> {
    let storage = Arc::new(InMemoryStorage::new());
    let code = "import os\nos.makedirs('/data/d/empty')\nopen('/data/d/f', 'w').write('contents')\n\
        os.link('/data/d/f', '/data/again')\nos.symlink('d/f', '/data/l')\n\
        os.symlink('nowhere', '/data/broken')\nopen('/data/\u{fc}', 'wb').truncate(100_000)\n\
        os.utime('/data/d/f', (5, 6))";
    over(&storage).execute(code).await.unwrap();
    storage
}

/// What a program sees of that.
async fn all_of_it(storage: &Arc<InMemoryStorage>) -> String {
    let code = "import os\n\
        for d, ds, fs in os.walk('/data'):\n    for n in sorted(ds + fs):\n        \
        p = os.path.join(d, n); s = os.lstat(p)\n        \
        print(p, oct(s.st_mode), s.st_size, s.st_nlink, os.path.islink(p) and os.readlink(p),\n              \
        s.st_mtime == 6)\n\
        print(os.path.samefile('/data/again', '/data/d/f'), open('/data/l').read())\n\
        print(open('/data/\u{fc}', 'rb').read() == bytes(100_000))";
    printed(&over(storage), code).await
}

#[tokio::test]
async fn files_go_as_an_archive_as_serde_and_as_bytes() {
    let storage = one_of_each().await;
    let all = all_of_it(&storage).await;
    assert!(
        all.contains("/data/d/f 0o100644 8 2 False True\n") && all.ends_with("True\n"),
        "{all}"
    );
    let mut tar = Vec::new();
    storage.export_tar("/", &mut tar).unwrap();
    let from_tar = Arc::new(InMemoryStorage::new());
    from_tar.import_tar("/", tar.as_slice()).unwrap();
    let text = serde_json::to_string(&storage.snapshot()).unwrap();
    let saved: eryx::StorageSnapshot = serde_json::from_str(&text).unwrap();
    let from_serde = Arc::new(saved.to_storage());
    let bytes = storage.snapshot().to_bytes(1 << 20).unwrap();
    let saved = eryx::StorageSnapshot::from_bytes(&bytes, storage.limits()).unwrap();
    let from_bytes = Arc::new(InMemoryStorage::new());
    from_bytes.restore(&saved).unwrap();
    let fork = Arc::new(storage.fork());
    for copy in [from_tar, from_serde, from_bytes, fork] {
        assert_eq!(all_of_it(&copy).await, all);
        assert_eq!(copy.usage(), storage.usage());
        copy.remove("/").unwrap();
        assert_eq!(copy.usage(), eryx::StorageUsage::default());
    }
    assert_eq!(all_of_it(&storage).await, all);
}

#[test]
fn an_archive_brings_back_contents_and_times() {
    let storage = ArcStorage::new(InMemoryStorage::new());
    storage.write("d/f", "contents").unwrap();
    let mut tar = Vec::new();
    storage.export_tar("/", &mut tar).unwrap();
    let modified = storage.metadata("d/f").unwrap().modified.unwrap();
    let copy = ArcStorage::new(InMemoryStorage::new());
    copy.import_tar("/", tar.as_slice()).unwrap();
    assert_eq!(copy.read("d/f").unwrap(), b"contents");
    let seconds =
        |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let copied = copy.metadata("d/f").unwrap().modified.unwrap();
    assert_eq!(seconds(copied), seconds(modified));
    let fork = copy.fork().unwrap();
    fork.write("d/f", "changed").unwrap();
    assert_eq!(copy.read("d/f").unwrap(), b"contents");
    copy.restore(&fork.snapshot().unwrap()).unwrap();
    assert_eq!(copy.read("d/f").unwrap(), b"changed");
    assert_eq!(copy.usage().unwrap().bytes, 7);
}
