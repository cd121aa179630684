//! The cases of THREATS.md about files, by their numbers. Each is tried in a session:
//! what it asks for is refused by its proper name, the host has paid little for that,
//! and the session is as usable as before.

use crate::files::{folder, over, telling_errno, volume};
use crate::support::sandbox;
use eryx::{
    ArcStorage, DirPerms, FilePerms, InMemoryStorage, Sandbox, Session, StorageFiles,
    StorageLimits, VfsConfig, VolumeMount,
};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A session that is about to try something, and what the process held before.
struct Attempt {
    session: Session,
    before: Held,
    start: Instant,
}

/// How long one may take with all that it tries.
const MOST_TIME: Duration = Duration::from_secs(30);

/// What the host must not pay with.
#[derive(Debug, Clone, Copy)]
struct Held {
    memory_kib: u64,
    handles: usize,
}

#[cfg(target_os = "linux")]
fn held() -> Held {
    use crate::support::process;
    Held { memory_kib: process::memory_kib(), handles: process::handles() }
}

#[cfg(not(target_os = "linux"))]
fn held() -> Held {
    Held { memory_kib: 0, handles: 0 }
}

impl Attempt {
    async fn new(sandbox: &Sandbox) -> Self {
        let session = sandbox.session().await.unwrap();
        let warm = "import errno, os\nwith open('/tmp/warm', 'w') as f: f.write('x')";
        session.execute(warm).await.unwrap();
        Self { session, before: held(), start: Instant::now() }
    }

    async fn printed(&self, code: &str) -> String {
        self.session.execute(code).await.unwrap().stdout.into_string()
    }

    /// Runs statements; returns the name of the `OSError` that they end in, "" for none.
    async fn errno(&self, code: &str) -> String {
        self.printed(&telling_errno(code)).await.trim().to_owned()
    }

    /// What must hold whatever was tried.
    async fn ends_well(self) {
        self.ends_within(8 << 10).await;
    }

    /// As [`ends_well`](Self::ends_well), where as much memory was allowed.
    async fn ends_within(self, most_kib: u64) {
        assert!(self.start.elapsed() < MOST_TIME, "{:?}", self.start.elapsed());
        let after = held();
        let grown = after.memory_kib.saturating_sub(self.before.memory_kib);
        assert!(grown < most_kib, "{grown} KiB more: {:?}, {after:?}", self.before);
        let code = "print(1 + 1)\nwith open('/tmp/next', 'w') as f: print(f.write('ok'))";
        assert_eq!(self.printed(code).await, "2\n2\n");
        drop(self.session);
        assert!(held().handles <= self.before.handles, "{:?}, {:?}", self.before, held());
    }
}

/// Names, contents and times of all that is in a folder.
fn image(folder: &Path) -> Vec<(String, Vec<u8>, std::time::SystemTime)> {
    let mut seen = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let known = fs::symlink_metadata(&path).unwrap();
        let mut bytes = Vec::new();
        if known.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if known.is_file() {
            bytes = fs::read(&path).unwrap();
        }
        seen.push((path.display().to_string(), bytes, known.modified().unwrap()));
    }
    seen.sort();
    seen
}

/// A place of each kind to write to.
struct Everywhere {
    storage: Arc<InMemoryStorage>,
    folder: TempDir,
    sandbox: Sandbox,
}

impl Everywhere {
    const PLACES: [&str; 3] = ["/data", "/tmp", "/vol"];

    fn new() -> Self {
        let storage = Arc::new(InMemoryStorage::new());
        let folder = folder();
        let volume = VolumeMount::new(folder.path().join("vol"), "/vol");
        let config = VfsConfig::default().with_volume(volume);
        let shared = ArcStorage::from(Arc::clone(&storage));
        let sandbox = Sandbox::embedded().files(shared, &config).build().unwrap();
        Self { storage, folder, sandbox }
    }

    /// The file `f` has taken no place in any of them.
    fn holds_nothing(&self) {
        assert_eq!(self.storage.usage().bytes, 0);
        assert_eq!(fs::metadata(self.folder.path().join("vol/f")).unwrap().len(), 0);
    }
}

#[tokio::test]
async fn case_18_a_jump_takes_no_memory() {
    let everywhere = Everywhere::new();
    let attempt = Attempt::new(&everywhere.sandbox).await;
    for place in Everywhere::PLACES {
        let code =
            format!("f = open('{place}/f', 'wb', buffering=0)\nf.seek(2**40)\nf.write(b'x')");
        assert_eq!(attempt.errno(&code).await, "ENOSPC", "{place}");
        let code = format!("print(os.stat('{place}/f').st_size)\nf.close()");
        assert_eq!(attempt.printed(&code).await, "0\n", "{place}");
    }
    everywhere.holds_nothing();
    attempt.ends_well().await;
}

#[tokio::test]
async fn case_19_a_huge_size() {
    let everywhere = Everywhere::new();
    let attempt = Attempt::new(&everywhere.sandbox).await;
    for place in Everywhere::PLACES {
        for size in ["2**62", "2**63 - 1", "2**40"] {
            let code = format!("open('{place}/f', 'w').close()\nos.truncate('{place}/f', {size})");
            assert_eq!(attempt.errno(&code).await, "ENOSPC", "{code}");
        }
    }
    everywhere.holds_nothing();
    attempt.ends_well().await;
}

#[tokio::test]
async fn case_20_many_files() {
    let storage = Arc::new(InMemoryStorage::new());
    let attempt = Attempt::new(&over(&storage)).await;
    let code = "for n in range(10**6): os.close(os.open(f'/data/{n}', os.O_CREAT | os.O_WRONLY))";
    assert_eq!(attempt.errno(code).await, "ENOSPC");
    assert_eq!(storage.usage().nodes, StorageLimits::default().nodes);
    assert_eq!(attempt.printed("print(len(os.listdir('/data')))").await, "10000\n");
    // One more name for what is there counts as well, and so do links and folders.
    for code in
        ["os.link('/data/1', '/data/l')", "os.symlink('1', '/data/l')", "os.mkdir('/data/l')"]
    {
        assert_eq!(attempt.errno(code).await, "ENOSPC", "{code}");
    }
    assert_eq!(attempt.errno("os.unlink('/data/1')\nopen('/data/l', 'x').close()").await, "");
    attempt.ends_within(16 << 10).await;
}

#[tokio::test]
async fn case_21_open_without_closing() {
    let folder = folder();
    let sandbox = volume(VolumeMount::new(folder.path().join("vol"), "/vol"));
    // What a run leaves open does not count for another interpreter.
    let code = "files = [open('/data/f', 'w') for n in range(100)]";
    for _ in 0..20 {
        sandbox.execute(code).await.unwrap();
    }
    let attempt = Attempt::new(&sandbox).await;
    for (place, least, most) in [("/data", 1000, 1024), ("/vol", 100, 100)] {
        // The standard streams need no more handles.
        let code = format!(
            "files = []\ntry:\n    for n in range(10**5): files.append(open('{place}/f', 'w'))\n\
             except OSError as e: print(errno.errorcode[e.errno], {least} <= len(files) <= {most})\n\
             print(os.isatty(0), os.isatty(1), os.fstat(1).st_size)\n\
             try: input()\nexcept EOFError: print('end')\ndel files"
        );
        assert_eq!(attempt.printed(&code).await, "EMFILE True\nFalse False 0\nend\n", "{place}");
    }
    attempt.ends_well().await;
}

#[cfg(unix)]
#[tokio::test]
async fn case_22_ways_out_of_a_volume() {
    let folder = folder();
    let vol = folder.path().join("vol");
    std::os::unix::fs::symlink("../secret", vol.join("up")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", vol.join("passwd")).unwrap();
    std::os::unix::fs::symlink("..", vol.join("dir")).unwrap();
    let attempt = Attempt::new(&volume(VolumeMount::new(&vol, "/vol"))).await;
    for path in ["/vol/../../etc/passwd", "/vol/../secret"] {
        assert_eq!(attempt.errno(&format!("open('{path}')")).await, "ENOENT", "{path}");
    }
    for path in ["/vol/up", "/vol/passwd", "/vol/dir/secret"] {
        for code in [
            format!("open('{path}')"),
            format!("open('{path}', 'w')"),
            format!("os.stat('{path}')"),
            format!("os.truncate('{path}', 0)"),
            format!("os.utime('{path}')"),
        ] {
            assert_eq!(attempt.errno(&code).await, "EPERM", "{code}");
        }
    }
    for code in
        ["os.listdir('/vol/dir')", "os.mkdir('/vol/dir/new')", "os.unlink('/vol/dir/secret')"]
    {
        assert_eq!(attempt.errno(code).await, "EPERM", "{code}");
    }
    for code in ["os.symlink('/etc/passwd', '/vol/l')", "os.symlink('../secret', '/vol/l')"] {
        assert_eq!(attempt.errno(code).await, "EPERM", "{code}");
    }
    assert_eq!(attempt.errno("os.symlink('a.txt', '/vol/l')").await, "");
    // Where they are it would lead to what is in the volume; moved, it would not.
    let code = "os.symlink('../a.txt', '/vol/sub/l')";
    assert_eq!(attempt.errno(code).await, "EPERM");
    let code = "os.symlink('.', '/vol/here')\nos.symlink('../secret', '/vol/here/l')";
    assert_eq!(attempt.errno(code).await, "EPERM");
    assert_eq!(fs::read(folder.path().join("secret")).unwrap(), b"not for guests");
    attempt.ends_well().await;
}

/// While the host swaps a folder for a link that leads out, and back.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_22_nobody_is_faster_than_the_check() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let folder = folder();
    let vol = folder.path().join("vol");
    fs::write(vol.join("sub/secret"), "for guests").unwrap();
    std::os::unix::fs::symlink("..", folder.path().join("link")).unwrap();
    let attempt = Attempt::new(&volume(VolumeMount::new(&vol, "/vol"))).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, top) = (Arc::clone(&stop), folder.path().to_owned());
    let swapping = std::thread::spawn(move || {
        let (vol, link, real) = (top.join("vol/sub"), top.join("link"), top.join("real"));
        let mut swaps = 0_u32;
        while !stopped.load(Ordering::Relaxed) {
            fs::rename(&vol, &real).unwrap();
            fs::rename(&link, &vol).unwrap();
            fs::rename(&vol, &link).unwrap();
            fs::rename(&real, &vol).unwrap();
            swaps += 1;
        }
        swaps
    });
    let code = "seen = set()\nfor n in range(2000):\n    \
        try: seen.add(open('/vol/sub/secret').read())\n    \
        except OSError as e: seen.add(errno.errorcode[e.errno])\n\
        print(sorted(seen - {'ENOENT', 'EPERM'}))";
    let seen = attempt.printed(code).await;
    stop.store(true, Ordering::Relaxed);
    assert!(swapping.join().unwrap() > 10);
    assert_eq!(seen, "['for guests']\n");
    attempt.ends_well().await;
}

#[tokio::test]
async fn case_23_read_only_means_read_only() {
    let folder = folder();
    let vol = folder.path().join("vol");
    let before = image(&vol);
    let storage = Arc::new(InMemoryStorage::new());
    storage.write("a.txt", "x").unwrap();
    storage.make_dirs("sub").unwrap();
    let used = storage.usage();
    // Volumes of a folder and of a file, and a storage.
    let config = VfsConfig::new("/memory")
        .with_dir_perms(DirPerms::READ)
        .with_file_perms(FilePerms::READ)
        .with_volume(VolumeMount::read_only(&vol, "/vol"))
        .with_volume(VolumeMount::read_only(vol.join("a.txt"), "/one.txt"));
    let shared = ArcStorage::from(Arc::clone(&storage));
    let sandbox = Sandbox::embedded().files(shared, &config).build().unwrap();
    let attempt = Attempt::new(&sandbox).await;
    for file in ["/vol/a.txt", "/memory/a.txt", "/one.txt"] {
        for code in [
            "open(FILE, 'w')",
            "open(FILE, 'a')",
            "open(FILE, 'r+')",
            "os.open(FILE, os.O_RDONLY | os.O_TRUNC)",
            "os.truncate(FILE, 0)",
            "os.utime(FILE, (1, 2))",
            "f = open(FILE)\nos.utime(f.fileno(), (1, 2))",
        ] {
            let code = code.replace("FILE", &format!("'{file}'"));
            assert_eq!(attempt.errno(&code).await, "EROFS", "{code}");
        }
        let code = format!("f = open('{file}')\nos.ftruncate(f.fileno(), 0)");
        assert!(["EBADF", "EINVAL"].contains(&attempt.errno(&code).await.as_str()), "{code}");
    }
    for dir in ["/vol", "/memory"] {
        for code in [
            "open('DIR/new', 'x')",
            "os.rename('DIR/a.txt', 'DIR/b')",
            "os.link('DIR/a.txt', 'DIR/b')",
            "os.symlink('a.txt', 'DIR/b')",
            "os.unlink('DIR/a.txt')",
            "os.rmdir('DIR/sub')",
            "os.mkdir('DIR/b')",
            "os.utime('DIR/sub', (1, 2))",
        ] {
            let code = code.replace("DIR", dir);
            assert_eq!(attempt.errno(&code).await, "EROFS", "{code}");
        }
    }
    for code in ["os.unlink('/one.txt')", "os.rename('/one.txt', '/b')"] {
        assert_eq!(attempt.errno(code).await, "EBUSY", "{code}");
    }
    assert_eq!(image(&vol), before);
    assert_eq!(storage.usage(), used);
    assert_eq!(storage.read("a.txt").unwrap(), b"x");
    attempt.ends_well().await;
}

/// With one thread for what may block: were it to wait for somebody at the other end of the
/// pipe, nothing on a volume would be answered any more.
#[cfg(unix)]
#[test]
fn case_24_pipes_are_refused() {
    let one = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    one.block_on(refuse_pipes());
}

#[cfg(unix)]
async fn refuse_pipes() {
    let folder = folder();
    let vol = folder.path().join("vol");
    let made = std::process::Command::new("mkfifo").arg(vol.join("pipe")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(vol.join("socket")).unwrap();
    let config = VfsConfig::default()
        .with_volume(VolumeMount::new(&vol, "/vol"))
        .with_volume(VolumeMount::new("/dev", "/dev"));
    let sandbox = Sandbox::embedded().files(InMemoryStorage::new(), &config).build().unwrap();
    let attempt = Attempt::new(&sandbox).await;
    for path in ["/vol/pipe", "/vol/socket", "/dev/zero", "/dev/tty"] {
        for code in [
            format!("open('{path}', 'rb')"),
            format!("open('{path}', 'wb')"),
            format!("open('{path}', 'r+b')"),
            format!("os.stat('{path}')"),
        ] {
            assert_eq!(attempt.errno(&code).await, "EPERM", "{code}");
        }
    }
    assert_eq!(attempt.printed("print(open('/vol/a.txt').read())").await, "from the host\n");
    attempt.ends_well().await;
}

#[tokio::test]
async fn case_25_names_that_cannot_be() {
    let folder = folder();
    let sandbox = volume(VolumeMount::new(folder.path().join("vol"), "/vol"));
    let attempt = Attempt::new(&sandbox).await;
    for place in ["/data/", "/vol/"] {
        for length in ["10_000", "256"] {
            let code = format!("open('{place}' + 'n' * {length}, 'w')");
            assert_eq!(attempt.errno(&code).await, "ENAMETOOLONG", "{code}");
        }
        let code = format!("open('{place}' + 'n' * 255, 'w').close()");
        assert_eq!(attempt.errno(&code).await, "", "{code}");
        let code = format!("try: open('{place}a\\0b', 'w')\nexcept ValueError: print('refused')");
        assert_eq!(attempt.printed(&code).await, "refused\n");
    }
    for code in [
        "open(b'/data/\\xff', 'w')",
        "open('/data/\\udcff')",
        "os.mkdir(b'/data/\\xff')",
        "os.listdir(b'\\xff')",
        "os.rename('/data', b'/\\xff')",
        "os.symlink(b'\\xff', '/data/l')",
        "os.stat(b'\\xff')",
        "os.unlink(b'/data/\\xff')",
        "os.chdir(b'/data/\\xff')",
    ] {
        assert_eq!(attempt.errno(code).await, "EILSEQ", "{code}");
    }
    attempt.ends_well().await;
}

#[tokio::test]
async fn case_26_a_directory_into_itself() {
    let folder = folder();
    let sandbox = volume(VolumeMount::new(folder.path().join("vol"), "/vol"));
    let attempt = Attempt::new(&sandbox).await;
    for place in ["/data", "/vol"] {
        let make = format!("os.chdir('{place}')\nos.makedirs('a/b')\nopen('a/b/f', 'w').close()");
        assert_eq!(attempt.errno(&make).await, "");
        for to in ["a/b", "a/b/c", "a/new"] {
            let code = format!("os.rename('a', '{to}')");
            assert_eq!(attempt.errno(&code).await, "EINVAL", "{place}: {code}");
        }
        let code = "print([(d, f) for _, d, f in os.walk('a')])";
        assert_eq!(attempt.printed(code).await, "[(['b'], []), ([], ['f'])]\n", "{place}");
    }
    attempt.ends_well().await;
}

#[tokio::test]
async fn case_27_moves_between_mounts() {
    let folder = folder();
    let sandbox = volume(VolumeMount::new(folder.path().join("vol"), "/vol"));
    let attempt = Attempt::new(&sandbox).await;
    let code = "with open('/data/f', 'w') as f: f.write('x')\nos.rename('/data/f', '/vol/f')";
    assert_eq!(attempt.errno(code).await, "EXDEV");
    assert_eq!(attempt.errno("os.link('/data/f', '/vol/f')").await, "EXDEV");
    assert_eq!(attempt.errno("os.rename('/vol/a.txt', '/data/a.txt')").await, "EXDEV");
    let code = "print(open('/data/f').read(), os.listdir('/data'), sorted(os.listdir('/vol')))";
    assert_eq!(attempt.printed(code).await, "x ['f'] ['a.txt', 'sub']\n");
    let code = "import shutil\nshutil.move('/data/f', '/vol/f')\n\
        print(os.listdir('/data'), open('/vol/f').read())";
    assert_eq!(attempt.printed(code).await, "[] x\n");
    assert_eq!(fs::read(folder.path().join("vol/f")).unwrap(), b"x");
    attempt.ends_well().await;
}

#[tokio::test]
async fn case_65_the_next_tenant_finds_no_files() {
    let pool = eryx::SandboxPool::new(sandbox(), eryx::PoolOptions::default().with_ready(1));
    pool.fill().await.unwrap();
    let hostile = "import builtins, os\n\
        for d in ('/data', '/tmp', '/home/user'):\n    os.symlink('/', d + '/l'); open(d + '/f', 'w').write('x')\n\
        os.chdir('/tmp')\nkept = [os.open('/tmp/f', os.O_RDWR) for _ in range(50)]\n\
        builtins.len = builtins.open = None";
    let looked = "import os\nf = open('/tmp/mine', 'w').fileno()\n\
        print([os.listdir(d) for d in ('/data', '/tmp', '/home/user')], os.getcwd(), f, len('ab'))";
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let session = pool.acquire().await.unwrap();
        seen.insert(session.execute(looked).await.unwrap().stdout.into_string());
        session.execute(hostile).await.unwrap();
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
    let only = seen.pop_first().unwrap();
    assert!(only.starts_with("[[], ['mine'], []] /data ") && only.ends_with(" 2\n"), "{only}");
}
