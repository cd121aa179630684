//! Files: what a program finds, and what the host gets out.

use crate::support::{sandbox, stdout};
use eryx::{
    ArcStorage, DirPerms, Error, FilePerms, InMemoryStorage, PythonException, ResourceLimits,
    Sandbox, Session, StorageFiles, StorageLimits, VfsConfig, VfsStorage, VolumeMount,
};
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

async fn printed(sandbox: &Sandbox, code: &str) -> String {
    sandbox.execute(code).await.unwrap().stdout.into_string()
}

async fn exception(sandbox: &Sandbox, code: &str) -> PythonException {
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
    let expected = "['data', 'home', 'tmp']\nhello\n/home/user ['n']\n/data True\n";
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

/// `tests/files/descriptors.py`, which native CPython agrees with, too.
#[tokio::test]
async fn descriptors_do_what_posix_says() {
    let program = include_str!("files/descriptors.py");
    let folder = folder();
    let sandbox = volume(VolumeMount::new(folder.path().join("vol"), "/vol"));
    for (path, seeds) in [("/data/f", 1..=4), ("/vol/f", 5..=6)] {
        for seed in seeds {
            let run = sandbox.prepare(program).with_args([path, &seed.to_string(), "2000"]);
            let output = run.run().await.unwrap_or_else(|error| panic!("{path}, {seed}: {error}"));
            assert_eq!(output.stdout, "agreed\n");
        }
    }
}

#[tokio::test]
async fn descriptors_do_what_posix_says_natively() {
    let folder = folder();
    let native = crate::programs::native();
    let program = crate::support::repository().join("tests/files/descriptors.py");
    for seed in ["1", "2"] {
        let mut command = std::process::Command::new(&native);
        command.arg(&program).arg(folder.path().join("f")).args([seed, "2000"]);
        assert_eq!(String::from_utf8(command.output().unwrap().stdout).unwrap(), "agreed\n");
    }
}

#[tokio::test]
async fn large_files_are_written_whole() {
    let code = "import os\nlarge = os.urandom(1 << 20) * 20\n\
        for mode in 'wb', 'ab', 'xb':\n    \
            with open('/data/' + mode, mode, buffering=0) as f:\n        \
                print(f.write(large) == len(large), f.tell() == len(large))\n    \
            with open('/data/' + mode, 'rb') as f: print(f.read() == large)\n    \
            os.unlink('/data/' + mode)\n\
        fd = os.open('/data/p', os.O_RDWR | os.O_CREAT)\n\
        print(os.pwrite(fd, large, 3) == len(large), os.pread(fd, len(large), 3) == large)";
    assert_eq!(stdout(code).await, "True True\nTrue\n".repeat(3) + "True True\n");
}

#[tokio::test]
async fn to_read_is_what_no_flag_stands_for() {
    let code = "import os\nfd = os.open('/data/n', os.O_CREAT | os.O_EXCL); os.close(fd)\n\
        with open('/data/n', 'w') as f: f.write('x')\n\
        fd = os.open('/data/n', 0); print(os.read(fd, 9), os.O_RDWR == os.O_RDONLY | os.O_WRONLY)\n\
        try: os.write(os.open('/data/n', 0), b'x')\n\
        except OSError as e: print(e.strerror)";
    assert_eq!(stdout(code).await, "b'x' True\nBad file descriptor\n");
}

/// What one has appended moves its own position, not what others append after it.
#[tokio::test]
async fn an_append_ends_where_it_ended() {
    let code = "import os\nf = open('/data/f', 'ab+', buffering=0)\n\
        f.write(b'mine'); open('/data/f', 'ab').write(b' theirs'); print(f.read())\n\
        f.write(b'!'); f.truncate(2); print(f.tell())\n\
        g = open('/data/g', 'ab', buffering=0); g.write(b'x' * 100); g.truncate(10)\n\
        print(g.tell(), os.fstat(g.fileno()).st_size)";
    assert_eq!(stdout(code).await, "b' theirs'\n12\n100 10\n");
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
    let expected = "['srv', 'data', 'home', 'tmp'] ['vol', 'work'] ['a.txt', 'sub']\n\
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

#[tokio::test]
async fn databases_in_memory_and_on_a_volume() {
    let folder = folder();
    let sandbox = volume(VolumeMount::new(folder.path().join("vol"), "/vol"));
    for place in ["/data/x.db", "/vol/x.db"] {
        let code = format!(
            "import sqlite3\nc = sqlite3.connect('{place}')\n\
             c.execute('create table t (n)')\n\
             with c: c.executemany('insert into t values (?)', [(n,) for n in range(1000)])\n\
             c.close()\n\
             print(sqlite3.connect('{place}').execute('select sum(n) from t').fetchone()[0])"
        );
        assert_eq!(printed(&sandbox, &code).await, "499500\n");
    }
    let _ = exception(&sandbox, "import sqlite3; sqlite3.connect('/none/x.db')").await;
}

/// What a program does with two connections, one of which is writing.
const TWO_CONNECTIONS: &str = r"
import sqlite3
one = sqlite3.connect(place, timeout=0)
two = sqlite3.connect(place, timeout=0)
with one:
    one.execute('create table t (n)')
    one.execute('insert into t values (1)')
one.execute('insert into t values (2)')
print(two.execute('select * from t').fetchall())
try:
    two.execute('insert into t values (3)')
except sqlite3.OperationalError as error:
    print(error)
one.commit()
print(two.execute('select * from t').fetchall())
two.execute('insert into t values (4)')
one.close()
two.rollback()
print(two.execute('select count(*) from t').fetchone())
";

#[tokio::test]
async fn a_connection_reads_while_another_writes() {
    let folder = folder();
    let sandbox = volume(VolumeMount::new(folder.path().join("vol"), "/vol"));
    for place in ["/data/x.db", "/vol/x.db"] {
        let code = format!("place = '{place}'\n{TWO_CONNECTIONS}");
        let seen = "[(1,)]\ndatabase is locked\n[(1,), (2,)]\n(2,)\n";
        assert_eq!(printed(&sandbox, &code).await, seen);
    }
    let left = |name: &str| folder.path().join("vol").join(name).exists();
    assert!(left("x.db") && !left("x.db-journal") && !left("x.db.lock"));
}

#[tokio::test]
async fn a_run_that_ends_in_a_transaction_locks_nobody_out() {
    let storage = Arc::new(InMemoryStorage::new());
    let sandbox = over(&storage);
    let begin = "import os, sqlite3\nc = sqlite3.connect('/data/x.db')\n\
                 with c: c.execute('create table t (n)'); c.execute('insert into t values (1)')\n\
                 c.execute('pragma cache_size = 1')\n\
                 c.executemany('insert into t values (?)', [(str(n) * 100,) for n in range(5000)])\n\
                 print(os.path.exists('/data/x.db-journal'), os.stat('/data/x.db').st_size > 100000)";
    assert_eq!(printed(&sandbox, begin).await, "True True\n");
    // What was half written is taken back.
    let read = "import sqlite3; c = sqlite3.connect('/data/x.db', timeout=0)\n\
                with c: c.execute('insert into t values (2)')\n\
                print(c.execute('select * from t').fetchall())";
    assert_eq!(printed(&sandbox, read).await, "[(1,), (2,)]\n");
}

const SHARED: &str = "
import sqlite3
c = sqlite3.connect(place, timeout=0, isolation_level=None)
def attempt(*statement):
    try:
        return c.execute(*statement).fetchall()
    except sqlite3.OperationalError as error:
        return str(error)
";

/// Sessions that have the same files, and open a database in `places`.
async fn sharing<const N: usize>(sandbox: &Sandbox, places: [&str; N]) -> [Session; N] {
    let mut sessions = Vec::new();
    for place in places {
        let session = sandbox.session().await.unwrap();
        session.execute(format!("place = '{place}'\n{SHARED}")).await.unwrap();
        sessions.push(session);
    }
    sessions.try_into().unwrap()
}

async fn said(session: &Session, statement: &str) -> String {
    let code = format!("print(attempt({statement:?}))");
    session.execute(code).await.unwrap().stdout.trim_end().to_owned()
}

#[tokio::test]
async fn two_sessions_share_a_database() {
    let folder = folder();
    let config = VfsConfig::default()
        .with_volume(VolumeMount::new(folder.path().join("vol"), "/vol"))
        .with_volume(VolumeMount::new(folder.path().join("vol"), "/again"));
    let sandbox = Sandbox::embedded().files(InMemoryStorage::new(), &config).build().unwrap();
    for places in
        [["/data/x.db", "/data/x.db"], ["/vol/x.db", "/vol/x.db"], ["/vol/y.db", "/again/y.db"]]
    {
        let [one, two] = sharing(&sandbox, places).await;
        said(&one, "create table t (n)").await;
        assert_eq!(said(&one, "begin immediate").await, "[]");
        assert_eq!(said(&one, "insert into t values (1)").await, "[]");
        assert_eq!(said(&two, "select * from t").await, "[]", "what was not committed is not seen");
        assert_eq!(said(&two, "insert into t values (2)").await, "database is locked");
        assert_eq!(said(&one, "commit").await, "[]");
        assert_eq!(said(&two, "insert into t values (2)").await, "[]");
        assert_eq!(said(&one, "select * from t").await, "[(1,), (2,)]");
        // Who goes lets go.
        said(&one, "begin immediate").await;
        drop(one);
        assert_eq!(said(&two, "insert into t values (3)").await, "[]");
    }
}

#[tokio::test]
async fn who_is_stopped_in_a_transaction_lets_go() {
    let limits = ResourceLimits::default().with_timeout(Duration::from_secs(3));
    let storage = InMemoryStorage::new();
    let sandbox = Sandbox::embedded().limits(limits).storage(storage).build().unwrap();
    let [one, two] = sharing(&sandbox, ["/data/x.db"; 2]).await;
    said(&one, "create table t (n)").await;
    said(&one, "insert into t values (1)").await;
    let endless = "c.execute('pragma cache_size = 1')\nc.execute('begin exclusive')\n\
        c.executemany('insert into t values (?)', [('x' * 100,) for _ in range(5000)])\nwhile True: pass";
    let stopped = one.execute(endless);
    let meanwhile = async {
        while said(&two, "select count(*) from t").await != "database is locked" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (stopped, ()) = tokio::join!(stopped, meanwhile);
    assert!(matches!(stopped, Err(Error::Timeout(_))), "{stopped:?}");
    drop(one);
    assert_eq!(said(&two, "select * from t").await, "[(1,)]");
    assert_eq!(said(&two, "insert into t values (2)").await, "[]");
    assert_eq!(said(&two, "pragma integrity_check").await, "[('ok',)]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_of_a_shared_database_is_lost() {
    let sandbox = over(&Arc::new(InMemoryStorage::new()));
    let [first, others @ ..] = sharing(&sandbox, ["/data/x.db"; 4]).await;
    said(&first, "create table t (n)").await;
    said(&first, "insert into t values (0)").await;
    let add = "c.execute('pragma busy_timeout = 20000')\nfor _ in range(50):\n    \
        c.execute('begin immediate')\n    \
        n, = c.execute('select n from t').fetchone()\n    \
        c.execute('update t set n = ?', (n + 1,))\n    c.execute('commit')";
    let running: Vec<_> = others
        .into_iter()
        .map(|session| tokio::spawn(async move { session.execute(add).await.map(drop) }))
        .collect();
    for one in running {
        one.await.unwrap().unwrap();
    }
    assert_eq!(said(&first, "select n from t").await, "[(150,)]");
    assert_eq!(said(&first, "pragma integrity_check").await, "[('ok',)]");
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

#[tokio::test]
async fn who_only_reads_keeps_nobody_from_writing() {
    let storage = ArcStorage::new(InMemoryStorage::new());
    let mine = Sandbox::embedded().storage(storage.clone()).build().unwrap();
    let code = "import sqlite3\nc = sqlite3.connect('/data/x.db')\n\
        with c: c.execute('create table t (n)'); c.execute('insert into t values (1)')";
    printed(&mine, code).await;
    let config =
        VfsConfig::new("/data").with_dir_perms(DirPerms::READ).with_file_perms(FilePerms::READ);
    let theirs = Sandbox::embedded().files(storage, &config).build().unwrap();
    let reader = theirs.session().await.unwrap();
    let code = "import sqlite3\nc = sqlite3.connect('/data/x.db', isolation_level=None)\n\
        c.execute('begin')\nprint(c.execute('select * from t').fetchall())";
    assert_eq!(reader.execute(code).await.unwrap().stdout, "[(1,)]\n");
    let code = "import sqlite3\nc = sqlite3.connect('/data/x.db', timeout=0)\n\
        with c: c.execute('insert into t values (2)')\nprint('written')";
    assert_eq!(printed(&mine, code).await, "written\n");
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
