//! Whole sessions: forked, kept as images, and undone.

use crate::support::{rehashed, run_in as run, sandbox};
use eryx::{
    DynamicCallback, Error, PythonImageSnapshot, ResourceLimits, Sandbox, Session, SnapshotError,
    State,
};
use std::cell::Cell;
use std::time::Duration;

/// What no pickle can hold.
const UNSAVEABLE: &str = "
import asyncio, itertools, io, random, re, zlib
def numbers():
    n = 0
    while True:
        n += 1
        yield n
generator = numbers()
next(generator), next(generator)
cycle = itertools.cycle('ab')
next(cycle)
packer = zlib.compressobj()
packed = packer.compress(b'hello ' * 1000)
counter = (lambda: (count := [0], lambda: count.append(0) or len(count)))()[1]
counter()
match = re.match('(a+)', 'aab')
async def wait():
    await asyncio.sleep(0.05)
    return 'slept'
task = asyncio.create_task(wait())
await asyncio.sleep(0)
random.seed(1)
";

const LOOK: &str = "print(next(generator), next(cycle), counter(), match[1], await task, \
    zlib.decompress(packed + packer.flush()) == b'hello ' * 1000)";

const SEEN: &str = "3 b 3 aa slept True\n";

#[tokio::test]
async fn a_fork_goes_on_where_the_original_is() {
    let session = sandbox().session().await.unwrap();
    run(&session, UNSAVEABLE).await;
    let fork = session.fork().await.unwrap();
    let fork_of_fork = fork.fork().await.unwrap();
    for session in [&fork_of_fork, &fork, &session] {
        assert_eq!(run(session, LOOK).await, SEEN);
    }
    run(&fork, "only_here = 1").await;
    assert!(session.execute("only_here").await.is_err());
    let chance = "print(random.random())";
    assert_ne!(run(&fork, chance).await, run(&session, chance).await);
    assert_ne!(run(&fork, chance).await, run(&fork_of_fork, chance).await);
}

#[tokio::test]
async fn an_image_travels_as_bytes() {
    let session = sandbox().session().await.unwrap();
    run(&session, UNSAVEABLE).await;
    let image = session.snapshot_image().await.unwrap();
    drop(session);
    let bytes = image.to_bytes_with_key(&[7; 32]);
    let image = PythonImageSnapshot::from_bytes_with_key(&bytes, &[7; 32]).unwrap();
    for _ in 0..2 {
        let session = Session::from_image(&sandbox(), &image).await.unwrap();
        assert_eq!(run(&session, LOOK).await, SEEN);
    }
}

#[tokio::test]
async fn a_small_image_is_small() {
    let session = sandbox().session().await.unwrap();
    run(&session, "x=1").await;
    let size = session.snapshot_image().await.unwrap().to_bytes().len();
    assert!(size <= 60_000, "{size} bytes");
}

#[tokio::test]
async fn large_data_comes_along() {
    let session = sandbox().session().await.unwrap();
    run(&session, "data = list(range(500_000)); text = 'x' * 10_000_000").await;
    let fork = session.fork().await.unwrap();
    let code = "print(sum(data), len(text), data.append(1), len(data))";
    assert_eq!(run(&fork, code).await, "124999750000 10000000 None 500001\n");
    assert_eq!(run(&session, "print(len(data))").await, "500000\n");
}

#[tokio::test]
async fn open_files_are_opened_again() {
    let session = sandbox().session().await.unwrap();
    let code = "
import os, tempfile
a = open('/data/a.txt', 'w+'); a.write('0123456789'); a.flush(); a.seek(4)
gap = open('/data/gap.txt', 'w'); b = open('/tmp/b.txt', 'a'); b.write('first '); b.flush()
gap.close()
gone = open('/tmp/gone', 'w+'); os.remove('/tmp/gone')
folder = os.open('/data', os.O_RDONLY); below = os.open('a.txt', os.O_RDONLY, dir_fd=folder)
unflushed = open('/data/c.txt', 'w'); unflushed.write('kept')
";
    run(&session, code).await;
    let files = session.snapshot_files();
    let image = session.snapshot_image().await.unwrap();
    let other = Session::from_image_with_files(&sandbox(), &image, &files).await.unwrap();
    let fork = session.fork().await.unwrap();
    for session in [&other, &fork] {
        let code = "
b.write('second'); b.close(); unflushed.close()
print(a.read(), open('/tmp/b.txt').read(), os.read(below, 3), open('/data/c.txt').read())
try:
    gone.write('x'); gone.flush()
except OSError as error:
    print('OSError')
new = open('/data/new', 'w'); print(new.fileno() in (a.fileno(), gone.fileno(), folder, below))
";
        let seen = "456789 first second b'012' kept\nOSError\nFalse\n";
        assert_eq!(run(session, code).await, seen);
    }
    assert_eq!(run(&session, "print(open('/tmp/b.txt').read())").await, "first \n");
}

#[tokio::test]
async fn a_call_under_way_fails_in_the_copy() {
    let slow = DynamicCallback::new("slow", |_| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(serde_json::json!(1))
    });
    let sandbox = Sandbox::embedded().callback(slow).build().unwrap();
    let session = sandbox.session().await.unwrap();
    let code = "import asyncio\ntask = asyncio.create_task(slow())\nawait asyncio.sleep(0)";
    run(&session, code).await;
    let fork = session.fork().await.unwrap();
    let code = "try:\n    print(await task)\nexcept CallbackError as e:\n    print(e.kind)\n\
        print(await slow())";
    assert_eq!(run(&fork, code).await, "cancelled\n1\n");
    assert_eq!(run(&session, code).await, "1\n1\n");
}

#[tokio::test]
async fn a_failed_run_is_undone() {
    let limits = ResourceLimits::default().with_timeout(Duration::from_secs(1));
    let sandbox = Sandbox::embedded().limits(limits).build().unwrap();
    let session = sandbox.session().await.unwrap();
    run(&session, UNSAVEABLE).await;
    run(&session, "open('/data/kept', 'w').write('before'); before = random.getstate()").await;
    let spoil = "next(generator); counter(); random.random(); task.cancel()\n\
        open('/data/kept', 'w').write('after'); open('/data/new', 'w').close()\n";
    for end in ["1 / 0", "while True: pass", "import os; os.abort()", "x = [0] * 10**9"] {
        let ended = session.execute_transactional(format!("{spoil}{end}")).await;
        assert!(ended.is_err(), "{end}: {ended:?}");
        assert_eq!(session.state(), State::Ready, "{end}");
    }
    let code = "import os\nprint(random.getstate() == before, open('/data/kept').read(), \
        os.path.exists('/data/new'))";
    assert_eq!(run(&session, code).await, "True before False\n");
    assert_eq!(run(&session, LOOK).await, SEEN);
    assert_eq!(session.lock().unwrap().execution_count(), 8);

    // One that succeeds is not.
    session.execute_transactional("y = next(generator)").await.unwrap();
    assert_eq!(run(&session, "print(y)").await, "4\n");
}

#[tokio::test]
async fn a_poisoned_session_is_brought_back() {
    let limits = ResourceLimits::default().with_timeout(Duration::from_millis(500));
    let sandbox = Sandbox::embedded().limits(limits).build().unwrap();
    let session = sandbox.session().await.unwrap();
    run(&session, "x = 5").await;
    let (image, state) =
        (session.snapshot_image().await.unwrap(), session.snapshot_state().await.unwrap());
    for by_image in [true, false] {
        assert!(session.execute("while True: pass").await.is_err());
        assert!(matches!(session.state(), State::Poisoned(_)));
        assert!(matches!(session.fork().await, Err(Error::Poisoned(_))));
        assert!(matches!(session.snapshot_image().await, Err(Error::Poisoned(_))));
        assert!(matches!(session.execute_transactional("1").await, Err(Error::Poisoned(_))));
        if by_image {
            session.restore_image(&image).await.unwrap();
        } else {
            session.restore_state(&state).await.unwrap();
        }
        assert_eq!(run(&session, "print(x)").await, "5\n");
    }
    session.close().unwrap();
    assert!(matches!(session.restore_image(&image).await, Err(Error::Closed)));
    assert!(matches!(session.fork().await, Err(Error::Closed)));
}

#[tokio::test]
async fn limits_hold_for_copies() {
    let session = sandbox().session().await.unwrap();
    run(&session, "x = bytes(100_000_000)").await;
    let image = session.snapshot_image().await.unwrap();
    let small = ResourceLimits::default().with_memory_bytes(64 << 20);
    let sandbox = Sandbox::embedded().limits(small).build().unwrap();
    let refused = Session::from_image(&sandbox, &image).await;
    assert!(matches!(refused, Err(Error::Snapshot(SnapshotError::Memory { .. }))), "{refused:?}");
}

#[tokio::test]
async fn damaged_images_are_refused() {
    let session = sandbox().session().await.unwrap();
    run(&session, "x = 1").await;
    let bytes = session.snapshot_image().await.unwrap().to_bytes();
    let read = PythonImageSnapshot::from_bytes;
    assert!(read(&bytes).is_ok());
    let mut changed = bytes.clone();
    changed[100] ^= 1;
    assert!(matches!(read(&changed), Err(SnapshotError::Damaged)));
    assert!(matches!(read(&bytes[..bytes.len() - 1]), Err(SnapshotError::Truncated { .. })));
    assert!(matches!(read(b"something else"), Err(SnapshotError::Foreign)));
    let keyed = PythonImageSnapshot::from_bytes_with_key(&bytes, &[1; 32]);
    assert!(matches!(keyed, Err(SnapshotError::Key(_))));
}

#[tokio::test]
async fn files_outlive_a_reset() {
    let session = sandbox().session().await.unwrap();
    run(&session, "open('/data/a', 'w').write('kept')").await;
    session.reset().await.unwrap();
    assert_eq!(run(&session, "print(open('/data/a').read())").await, "kept\n");
}

/// How long this thread has worked.
#[cfg(target_os = "linux")]
fn worked() -> Duration {
    let all = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(all.split_whitespace().next().unwrap().parse().unwrap())
}

/// The longest that others on this thread had to wait because of `work`, as a part of
/// all that it has worked: 1 if it lets nobody have a turn.
#[cfg(target_os = "linux")]
async fn longest_turn<T>(work: impl Future<Output = T>) -> (T, f64) {
    let start = worked();
    let (longest, last) = (Cell::new(Duration::ZERO), Cell::new(start));
    let beat = || {
        let now = worked();
        longest.set(longest.get().max(now.saturating_sub(last.replace(now))));
    };
    let beats = async {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            beat();
        }
    };
    let done = tokio::select! {
        () = beats => unreachable!(),
        done = work => done,
    };
    beat();
    (done, longest.get().div_duration_f64(worked().saturating_sub(start)))
}

/// Taking and putting much memory lets others have their turn, also where there is
/// one thread for all.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn large_images_do_not_stop_the_others() {
    let limits = ResourceLimits::default().with_memory_bytes(512 << 20).with_restore_timeout(None);
    let sandbox = Sandbox::embedded().limits(limits).build().unwrap();
    let session = sandbox.session().await.unwrap();
    // The first of all learns what a fresh interpreter is like.
    session.snapshot_image().await.unwrap();
    run(&session, "x = bytearray(range(256)) * (800 << 10)").await;
    let (image, taking) = longest_turn(session.snapshot_image()).await;
    let image = image.unwrap();
    assert!(image.size() > 200 << 20);
    let (fork, forking) = longest_turn(session.fork()).await;
    assert_eq!(run(&fork.unwrap(), "print(len(x), x[-1])").await, "209715200 255\n");
    let (copy, putting) = longest_turn(Session::from_image(&sandbox, &image)).await;
    assert_eq!(run(&copy.unwrap(), "print(len(x), x[-1])").await, "209715200 255\n");
    let turns = [taking, forking, putting];
    assert!(turns.iter().all(|turn| *turn < 1.0 / 3.0), "{turns:?}");
}

/// A file of the host's is opened again by its path, where the original stands.
#[tokio::test]
async fn open_files_of_the_host_are_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "0123456789").unwrap();
    let volume = || eryx::VolumeMount::read_only(folder.path(), "/host");
    let sandbox = || Sandbox::embedded().volume(volume()).build().unwrap();
    let session = sandbox().session().await.unwrap();
    run(&session, "f = open('/host/a'); f.read(3)\ng = open('/host/a', 'rb', 0)").await;
    let fork = session.fork().await.unwrap();
    let image = session.snapshot_image().await.unwrap();
    let copy = Session::from_image(&sandbox(), &image).await.unwrap();
    for session in [&fork, &copy, &session] {
        assert_eq!(run(session, "print(f.read(), g.read(2))").await, "3456789 b'01'\n");
    }
    // Where it is not to be had, who uses it learns that.
    std::fs::remove_file(folder.path().join("a")).unwrap();
    let fork = session.fork().await.unwrap();
    let code = "try: print(g.read(1))\nexcept OSError: print('OSError')";
    assert_eq!(run(&fork, code).await, "OSError\n");
    assert_eq!(run(&session, code).await, "b'2'\n");
}

/// Well-wrapped, and of another runtime: refused, and nothing has changed.
#[tokio::test]
async fn an_image_of_another_runtime() {
    let session = sandbox().session().await.unwrap();
    run(&session, UNSAVEABLE).await;
    run(&session, "open('/tmp/a', 'w').write('saved')").await;
    let mut bytes = session.snapshot_image_with_files().await.unwrap().to_bytes();
    // After magic, format, kind and whether it is keyed.
    bytes[12] ^= 1;
    let image = PythonImageSnapshot::from_bytes(&rehashed(bytes)).unwrap();
    let refused = Session::from_image(&sandbox(), &image).await;
    assert!(matches!(refused, Err(Error::Snapshot(SnapshotError::Runtime))), "{refused:?}");
    run(&session, "open('/tmp/a', 'w').write('changed')").await;
    let refused = session.restore_image(&image).await;
    assert!(matches!(refused, Err(Error::Snapshot(SnapshotError::Runtime))), "{refused:?}");
    assert_eq!(session.state(), State::Ready);
    assert_eq!(run(&session, LOOK).await, SEEN);
    assert_eq!(run(&session, "print(open('/tmp/a').read())").await, "changed\n");
}

/// A connection stays with the original; its copy is closed.
#[tokio::test]
async fn connections_stay_behind() {
    use crate::peers::{Server, echo, network, sandbox_with};

    let server = Server::tcp(|mut stream| echo(&mut stream));
    let sandbox = sandbox_with(network());
    let session = sandbox.session().await.unwrap();
    let code = "import socket\ns = socket.create_connection(('server.test', PORT), timeout=5)";
    run(&session, &code.replace("PORT", &server.port.to_string())).await;
    let image = session.snapshot_image().await.unwrap();
    let copies =
        [session.fork().await.unwrap(), Session::from_image(&sandbox, &image).await.unwrap()];
    let code = "
try:
    s.sendall(b'hello'); print(s.recv(9))
except OSError as error:
    print('OSError')";
    for copy in &copies {
        assert_eq!(run(copy, code).await, "OSError\n");
        assert!(run(copy, "s.close(); print(s)").await.contains("closed"));
    }
    assert_eq!(run(&session, code).await, "b'hello'\n");
    // By value it cannot be saved, and that is told.
    let error = session.snapshot_state().await.unwrap_err();
    assert!(matches!(error, Error::Snapshot(SnapshotError::Unsaveable(_))), "{error:?}");
    assert!(error.to_string().contains("cannot save s, a socket"), "{error}");
}
