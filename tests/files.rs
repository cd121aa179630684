//! Files: what a program finds, and what the host gets out.

use crate::support::{load_metered, sandbox, stdout};
use eryx::{
    ArcStorage, DirPerms, Error, FilePerms, InMemoryStorage, PythonException, ResourceLimits,
    Sandbox, StorageFiles, StorageLimits, VfsConfig, VfsStorage, VolumeMount,
};
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

pub(crate) async fn printed(sandbox: &Sandbox, code: &str) -> String {
    sandbox.execute(code).await.unwrap().stdout.into_string()
}

pub(crate) async fn exception(sandbox: &Sandbox, code: &str) -> PythonException {
    match sandbox.execute(code).await {
        Err(Error::Execution(exception)) => *exception,
        other => panic!("an exception was expected, not {other:?}"),
    }
}

/// Runs a statement that must fail with `OSError`; returns the error's name.
async fn errno(sandbox: &Sandbox, code: &str) -> String {
    printed(sandbox, &telling_errno(code)).await.trim().to_owned()
}

/// Statements that print the name of the `OSError` that they end in, if they do.
pub(crate) fn telling_errno(code: &str) -> String {
    let lines = code.replace('\n', "\n    ");
    format!(
        "import errno, os\ntry:\n    {lines}\nexcept OSError as e:\n    print(errno.errorcode[e.errno])"
    )
}

pub(crate) fn over(storage: &Arc<InMemoryStorage>) -> Sandbox {
    Sandbox::embedded().storage(ArcStorage::from(Arc::clone(storage))).build().unwrap()
}

pub(crate) fn volume(mount: VolumeMount) -> Sandbox {
    Sandbox::embedded().volume(mount).build().unwrap()
}

/// A folder of the host with something in it, and something beside it.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("vol/sub")).unwrap();
    fs::write(folder.path().join("vol/a.txt"), "from the host").unwrap();
    fs::write(folder.path().join("secret"), "not for guests").unwrap();
    folder
}

#[tokio::test]
async fn a_program_has_files_of_its_own() {
    let code = "import os, pathlib, shutil, tempfile\n\
        print(os.listdir('/'))\n\
        with tempfile.TemporaryDirectory() as d:\n    \
            p = pathlib.Path(d, 'x'); p.write_text('hello'); print(p.read_text())\n\
        home = pathlib.Path.home(); (home / 'n').mkdir(); print(home, os.listdir(home))\n\
        open('here.txt', 'w').write('x'); print(os.getcwd(), os.path.exists('here.txt'))";
    let expected = "['usr', 'data', 'home', 'tmp']\nhello\n/home/user ['n']\n/data True\n";
    assert_eq!(stdout(code).await, expected);
    assert_eq!(stdout("import os; print(os.listdir('/data'))").await, "[]\n");
}

#[tokio::test]
async fn links_times_and_modes() {
    let code = "import os, stat\n\
        open('/data/f', 'w').write('abc'); os.symlink('f', '/data/s'); os.link('/data/f', '/data/h')\n\
        s = os.stat('/data/h')\n\
        print(os.readlink('/data/s'), open('/data/s').read(), s.st_nlink, oct(s.st_mode))\n\
        print(oct(os.stat('/data').st_mode), os.path.samefile('/data/s', '/data/h'))\n\
        os.utime('/data/f', (1, 2)); print(os.stat('/data/s').st_mtime, os.lstat('/data/s').st_size)";
    let expected = "f abc 2 0o100644\n0o40755 True\n2.0 1\n";
    assert_eq!(stdout(code).await, expected);
}

#[tokio::test]
async fn files_go_in_and_come_out() {
    let storage = Arc::new(InMemoryStorage::new());
    storage.write("in/numbers.txt", "1 2 3").unwrap();
    let sandbox = over(&storage);
    let code = "n = open('/data/in/numbers.txt').read()\nopen('/data/out.txt', 'w').write(n[::-1])";
    sandbox.execute(code).await.unwrap();
    assert_eq!(storage.read("/out.txt").unwrap(), b"3 2 1");
    storage.remove("out.txt").unwrap();
    assert_eq!(printed(&sandbox, "import os; print(os.listdir('/data'))").await, "['in']\n");
}

/// How a run can end, and what of it makes it end so.
const ENDS: &[(&str, &str)] = &[
    ("finished", ""),
    ("exception", "1 / 0"),
    ("exit", "raise SystemExit(1)"),
    ("timeout", "while True: pass"),
    ("fuel", "while True: pass"),
    ("memory", "x = []\nwhile True: x.append('a' * 100_000 + str(len(x)))"),
    ("output", "while True: print('x' * 1000)"),
    ("trap", "os.abort()"),
    (
        "stack",
        "sys.setrecursionlimit(10**6)\nclass A:\n    def __repr__(self): return repr(self)\nrepr(A())",
    ),
    ("cancelled", "print('on')\nwhile True: pass"),
    ("dropped", "print('on')\nwhile True: pass"),
];

#[tokio::test]
async fn files_survive_every_end() {
    load_metered().await;
    let storage = Arc::new(InMemoryStorage::new());
    let folder = folder();
    let limits = ResourceLimits::default()
        .with_timeout(Duration::from_secs(5))
        .with_output_policy(eryx::OutputPolicy::Stop);
    let config =
        VfsConfig::default().with_volume(VolumeMount::new(folder.path().join("vol"), "/vol"));
    let shared = ArcStorage::from(Arc::clone(&storage));
    let sandbox =
        Sandbox::embedded().limits(limits.clone()).files(shared, &config).build().unwrap();
    for (end, code) in ENDS {
        let code = format!(
            "import os, sys\nfor d in ('/data/', '/vol/'):\n    \
                os.makedirs(d + 'd', exist_ok=True)\n    \
                f = open(d + 'd/{end}', 'w'); f.write('kept'); f.flush()\n{code}"
        );
        let prepared = sandbox.prepare(code);
        let ended = match *end {
            "timeout" => {
                let short = limits.clone().with_timeout(Duration::from_millis(300));
                prepared.with_limits(short).run().await
            }
            "fuel" => prepared.with_fuel_limit(300_000_000).run().await,
            "cancelled" | "dropped" => {
                let (sender, mut listener) = tokio::sync::mpsc::channel(4);
                let run = prepared.with_output_streaming(sender).spawn();
                listener.recv().await.unwrap();
                if *end == "cancelled" {
                    run.cancel();
                    run.wait().await
                } else {
                    drop(run);
                    Ok(eryx::ExecutionOutput::default())
                }
            }
            _ => prepared.run().await,
        };
        let is_as_meant = match *end {
            "finished" | "exit" | "dropped" => ended.is_ok(),
            "exception" => matches!(ended, Err(Error::Execution(_))),
            "timeout" => matches!(ended, Err(Error::Timeout(_))),
            "fuel" => matches!(ended, Err(Error::FuelExhausted { .. })),
            "output" => matches!(ended, Err(Error::Output(_))),
            "trap" => matches!(ended, Err(Error::Trap(_))),
            "cancelled" => matches!(ended, Err(Error::Cancelled(_))),
            // Which of them it is, the guest's allocator and its stack decide.
            _ => ended.is_err(),
        };
        assert!(is_as_meant, "{end}: {ended:?}");
        let name = format!("d/{end}");
        assert_eq!(storage.read(&name).unwrap(), b"kept", "{end}");
        assert_eq!(fs::read(folder.path().join("vol").join(&name)).unwrap(), b"kept", "{end}");
    }
    let code = "import os; print(len(os.listdir('/data/d')), len(os.listdir('/vol/d')))";
    let expected = format!("{0} {0}\n", ENDS.len());
    assert_eq!(printed(&sandbox, code).await, expected);
}

#[tokio::test]
async fn files_survive_the_ends_of_a_session() {
    let storage = Arc::new(InMemoryStorage::new());
    let sandbox = over(&storage);
    let session = sandbox.session().await.unwrap();
    let write = "for d in ('/data', '/tmp', '/home/user'):\n    open(d + '/f', 'a').write('kept')";
    let read = "print([open(d + '/f').read() for d in ('/data', '/tmp', '/home/user')])";
    let expected = "['kept', 'kept', 'kept']\n";
    session.execute(write).await.unwrap();
    let poisoned = session.execute("import os; os.abort()").await;
    assert!(matches!(poisoned, Err(Error::Trap(_))), "{poisoned:?}");
    session.reset().await.unwrap();
    assert_eq!(session.execute(read).await.unwrap().stdout, expected);
    session.clear_state().await.unwrap();
    assert_eq!(session.execute(read).await.unwrap().stdout, expected);
    session.close().unwrap();
    assert_eq!(session.files().read("/tmp/f").unwrap(), b"kept");
    drop(session);
    assert_eq!(storage.read("f").unwrap(), b"kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_share_a_storage_without_tearing() {
    let storage = Arc::new(InMemoryStorage::new());
    let sandbox = over(&storage);
    let code = |byte| {
        format!(
            "for _ in range(300):\n    with open('/data/log', 'a') as f: f.write('{byte}' * 99 + '\\n')"
        )
    };
    let (a, b) = tokio::join!(
        tokio::spawn(sandbox.clone().prepare(code('a')).run()),
        tokio::spawn(sandbox.clone().prepare(code('b')).run())
    );
    a.unwrap().unwrap();
    b.unwrap().unwrap();
    let log = String::from_utf8(storage.read("log").unwrap()).unwrap();
    assert_eq!(log.lines().count(), 600);
    let torn = |line: &&str| **line != "a".repeat(99) && **line != "b".repeat(99);
    assert_eq!(log.lines().find(torn), None);
}

/// Two write a file over and over, each with bytes of its own, and append to another;
/// whoever looks sees those of one or of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_writes_are_not_torn_either() {
    const LENGTH: usize = 3 << 20;
    let storage = Arc::new(InMemoryStorage::new());
    let sandbox = Sandbox::embedded()
        .limits(ResourceLimits::default().without_timeout())
        .storage(ArcStorage::from(Arc::clone(&storage)))
        .build()
        .unwrap();
    let code = |byte| {
        format!(
            "import os\ndata = b'{byte}' * {LENGTH}\nf = os.open('/data/f', os.O_CREAT | os.O_WRONLY)\n\
             a = os.open('/data/a', os.O_CREAT | os.O_WRONLY | os.O_APPEND)\n\
             for _ in range(20):\n    os.lseek(f, 0, 0); assert os.write(f, data) == {LENGTH}\n\
             for _ in range(5): assert os.write(a, data) == {LENGTH}"
        )
    };
    storage.write("f", vec![b'a'; LENGTH]).unwrap();
    let writing: Vec<_> = ["a", "b"]
        .map(|byte| tokio::spawn(sandbox.clone().prepare(code(byte)).run()))
        .into_iter()
        .collect();
    let of_one = |bytes: &[u8]| bytes.iter().all(|byte| *byte == bytes[0]);
    let (mut looks, node) = (0, storage.lookup(storage.root(), "f").unwrap());
    while looks < 3 || writing.iter().any(|one| !one.is_finished()) {
        let seen = storage.read_at(node, 0, LENGTH).unwrap();
        assert!(seen.len() == LENGTH && of_one(&seen), "torn after {looks} looks");
        looks += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for one in writing {
        one.await.unwrap().unwrap();
    }
    let log = storage.read("a").unwrap();
    assert_eq!(log.len(), 10 * LENGTH);
    assert!(log.chunks(LENGTH).all(of_one), "an append was torn");
}

#[tokio::test]
async fn volumes_nest_and_are_listed() {
    let folder = folder();
    let config = VfsConfig::new("/srv/work")
        .with_volume(VolumeMount::new(folder.path().join("vol"), "/srv/vol"))
        .with_volume(VolumeMount::read_only(folder.path().join("secret"), "/srv/vol/sub/one.txt"));
    let sandbox = Sandbox::embedded().files(InMemoryStorage::new(), &config).build().unwrap();
    let code = "import os\n\
        print(os.listdir('/'), os.listdir('/srv'), sorted(os.listdir('/srv/vol')))\n\
        print(os.listdir('/srv/vol/sub'), open('/srv/vol/sub/one.txt').read())\n\
        print(open('/srv/vol/sub/../a.txt').read(), os.path.isdir('/srv/vol/../work'))\n\
        open('/srv/vol/new', 'w').write('back')";
    let expected = "['srv', 'usr', 'data', 'home', 'tmp'] ['vol', 'work'] ['a.txt', 'sub']\n\
        ['one.txt'] not for guests\nfrom the host True\n";
    assert_eq!(printed(&sandbox, code).await, expected);
    assert_eq!(fs::read(folder.path().join("vol/new")).unwrap(), b"back");
    for statement in ["os.rmdir('/srv')", "os.rename('/srv/vol/sub', '/srv/vol/x')"] {
        assert_eq!(errno(&sandbox, statement).await, "EBUSY", "{statement}");
    }
}

#[tokio::test]
async fn a_single_file_is_a_volume() {
    let folder = folder();
    let host = folder.path().join("vol/a.txt");
    let sandbox = volume(VolumeMount::new(&host, "/in/one.txt"));
    let code = "import os\nprint(os.listdir('/in'), open('/in/one.txt').read())\n\
        with open('/in/one.txt', 'a') as f: f.write('!')\n\
        os.truncate('/in/one.txt', 4); open('/in/one.txt', 'r+').write('F')\n\
        print(os.stat('/in/one.txt').st_size, os.path.isfile('/in/one.txt'))";
    assert_eq!(printed(&sandbox, code).await, "['one.txt'] from the host\n4 True\n");
    assert_eq!(fs::read(&host).unwrap(), b"From");
    for (code, expected) in [
        ("os.unlink('/in/one.txt')", "EBUSY"),
        ("os.rename('/in/one.txt', '/in/b')", "EBUSY"),
        ("open('/in/one.txt/b')", "ENOTDIR"),
        ("os.listdir('/in/one.txt')", "ENOTDIR"),
        ("open('/in/one.txt/../sub')", "ENOTDIR"),
        ("open('/in/other', 'x')", "EROFS"),
    ] {
        assert_eq!(errno(&sandbox, code).await, expected, "{code}");
    }
    assert_eq!(fs::read_dir(folder.path().join("vol")).unwrap().count(), 2);
}

#[tokio::test]
async fn impossible_mounts_are_named() {
    let folder = folder();
    let vol = folder.path().join("vol");
    let twice = [VolumeMount::new(&vol, "/a"), VolumeMount::new(&vol, "/a/")];
    let below =
        [VolumeMount::new(folder.path().join("secret"), "/a"), VolumeMount::new(&vol, "/a/b")];
    let write_only = VolumeMount::new(&vol, "/a").with_dir_perms(DirPerms::MUTATE);
    let useless = VolumeMount::new(&vol, "/a").with_file_perms(FilePerms::empty());
    for (mounts, words) in [
        (twice.to_vec(), "share the guest path \"/a/\""),
        (below.to_vec(), "below \"/a\""),
        (vec![VolumeMount::new(&vol, "a")], "\"a\" must be absolute"),
        (vec![VolumeMount::new(&vol, "/a/../b")], "\"/a/../b\""),
        (vec![VolumeMount::new(folder.path().join("missing"), "/a")], "of the mount \"/a\""),
        (vec![write_only], "permissions of the mount \"/a\""),
        (vec![useless], "neither read nor changed"),
    ] {
        let builder = mounts.into_iter().fold(Sandbox::embedded(), eryx::SandboxBuilder::volume);
        let error = builder.build().unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// Names of this length end where a buffer of libc's would, and the adapter began
/// such directories again: what was removed meanwhile hid as many others.
#[tokio::test]
async fn directories_that_change_while_they_are_read() {
    let code = "import os
names = {f'{i:08}' for i in range(1000)}
for d in ('/data/a', '/data/b'):
    os.mkdir(d)
    for name in names: open(f'{d}/{name}', 'w').close()
both = list(zip(os.scandir('/data/a'), os.scandir('/data/b')))
assert {a.name for a, b in both} == {b.name for a, b in both} == names
for entry in os.scandir('/data/a'):
    assert entry.inode() == entry.stat().st_ino
    os.unlink(entry)
print(len(os.listdir('/data/a')), len(os.listdir('/data/b')))";
    assert_eq!(stdout(code).await, "0 1000\n");
}

#[tokio::test]
async fn the_write_quota_of_a_volume() {
    let folder = folder();
    let vol = folder.path().join("vol");
    let mount = || VolumeMount::new(&vol, "/vol").with_write_quota(100_000);
    let code = "f = open('/vol/f', 'wb', buffering=0)\nfor _ in range(1000): f.write(bytes(1000))";
    assert_eq!(errno(&volume(mount()), code).await, "ENOSPC");
    assert!(fs::metadata(vol.join("f")).unwrap().len() <= 100_000);
    let code = "for n in range(1000): open(f'/vol/{n}', 'w').close()";
    assert_eq!(errno(&volume(mount()), code).await, "ENOSPC");
    assert!(fs::read_dir(&vol).unwrap().count() < 40);
}

#[cfg(unix)]
#[tokio::test]
async fn no_way_leads_around_a_mount_in_a_volume() {
    let folder = folder();
    let vol = folder.path().join("vol");
    fs::create_dir_all(vol.join("a/b")).unwrap();
    fs::create_dir_all(vol.join("a/y")).unwrap();
    fs::write(vol.join("a/b/hidden"), "behind the mount").unwrap();
    let kept = tempfile::tempdir().unwrap();
    fs::write(kept.path().join("kept"), "as it was").unwrap();
    let config = VfsConfig::default()
        .with_volume(VolumeMount::new(&vol, "/vol"))
        .with_volume(VolumeMount::read_only(kept.path(), "/vol/a/b"));
    let sandbox = Sandbox::embedded().files(InMemoryStorage::new(), &config).build().unwrap();
    assert_eq!(errno(&sandbox, "os.symlink('a', '/vol/l')").await, "");
    for way in ["/vol/a/y/../b", "/vol/l/b", "/vol/l/y/../../l/b", "/vol/a/b"] {
        let code = format!("import os; print(os.listdir('{way}'), open('{way}/kept').read())");
        assert_eq!(printed(&sandbox, &code).await, "['kept'] as it was\n", "{way}");
        for code in [
            format!("open('{way}/kept', 'w')"),
            format!("open('{way}/new', 'w')"),
            format!("os.unlink('{way}/kept')"),
        ] {
            assert_eq!(errno(&sandbox, &code).await, "EROFS", "{code}");
        }
        assert_eq!(errno(&sandbox, &format!("open('{way}/hidden')")).await, "ENOENT");
    }
    for name in ["/vol/a", "/vol/sub/../a", "/vol/a/y/../../a"] {
        let code = format!("os.rename('{name}', '/vol/moved')");
        assert_eq!(errno(&sandbox, &code).await, "EBUSY", "{name}");
    }
    assert_eq!(fs::read(vol.join("a/b/hidden")).unwrap(), b"behind the mount");
    assert_eq!(fs::read(kept.path().join("kept")).unwrap(), b"as it was");
}

#[tokio::test]
async fn files_that_cannot_be_made_on_a_volume_cost_nothing() {
    let folder = folder();
    let mount = VolumeMount::new(folder.path().join("vol"), "/vol").with_write_quota(10_000);
    let sandbox = volume(mount);
    for (code, expected) in [
        ("open('/vol/missing/new', 'w')", "ENOENT"),
        ("open('/vol/new/', 'w')", "EISDIR"),
        ("open('/vol/missing/new/', 'w')", "ENOENT"),
        ("open('/vol/a.txt/', 'w')", "ENOTDIR"),
        // Each of these would be 4096 of the 10,000 bytes.
        ("for _ in range(9): os.makedirs('/vol/sub', exist_ok=True)\nopen('/vol/b', 'w')", ""),
    ] {
        assert_eq!(errno(&sandbox, code).await, expected, "{code}");
    }
    let code = "for _ in range(9):\n    try: open('/vol/missing/new', 'w')\n    except OSError: pass\n\
        open('/vol/c', 'w').write('x')";
    assert_eq!(errno(&sandbox, code).await, "");
}

#[tokio::test]
async fn opening_to_empty_a_file_empties_it_everywhere() {
    let folder = folder();
    let sandbox = volume(VolumeMount::new(folder.path().join("vol"), "/vol"));
    let code = "import os\nopen('/data/a.txt', 'w').write('x')\n\
        for d in ('/data', '/vol'):\n    f = os.open(d + '/a.txt', os.O_RDONLY | os.O_TRUNC)\n    \
        try: os.write(f, b'x')\n    except OSError: print(os.fstat(f).st_size)";
    assert_eq!(printed(&sandbox, code).await, "0\n0\n");
}

#[tokio::test]
async fn few_files_of_the_host_can_be_open() {
    let folder = folder();
    let sandbox = volume(VolumeMount::new(folder.path().join("vol"), "/vol"));
    let code = "import errno\nfiles = []\ntry:\n    \
        while True: files.append(open('/vol/a.txt'))\n\
        except OSError as e: print(errno.errorcode[e.errno], len(files))\n\
        print(open('/data/f', 'w').write('ok'))";
    assert_eq!(printed(&sandbox, code).await, "EMFILE 100\n2\n");
}

#[test]
fn limits_are_on_by_default() {
    let limits = StorageLimits::default();
    assert_eq!((limits.bytes, limits.nodes, limits.depth), (64 << 20, 10_000, 64));
    assert_eq!(VolumeMount::new("/", "/vol").write_quota(), 256 << 20);
}

#[tokio::test]
async fn depth_and_paths_have_limits() {
    let code = "path = '/data'\nfor n in range(100):\n    path += '/d'\n    os.mkdir(path)";
    assert_eq!(errno(&sandbox(), code).await, "ENOSPC");
    assert_eq!(errno(&sandbox(), "os.stat('/data' + '/.' * 2045)").await, "");
    assert_eq!(errno(&sandbox(), "os.stat('/data' + '/.' * 2048)").await, "ENAMETOOLONG");
}

#[tokio::test]
async fn an_open_file_keeps_its_room_until_it_is_closed() {
    let storage = Arc::new(InMemoryStorage::new());
    let sandbox = over(&storage);
    let code = "import os\nf = open('/data/f', 'wb+', buffering=0); f.write(bytes(1000))\n\
        os.unlink('/data/f'); f.seek(0); print(len(f.read()))\n\
        open('/data/g', 'w').write('new'); h = open('/data/h', 'w+'); h.write('old'); h.flush()\n\
        os.rename('/data/g', '/data/h'); h.seek(0); print(h.read(), open('/data/h').read())";
    assert_eq!(printed(&sandbox, code).await, "1000\nold new\n");
    assert_eq!((storage.usage().bytes, storage.usage().nodes), (3, 1));
}
