//! Files that go with a snapshot: those in memory, and those that are open.

use crate::support::{run_in as run, sandbox};
use eryx::{
    Callbacks, CopyOptions, Error, PythonImageSnapshot, PythonStateSnapshot, Sandbox, Session,
    SessionExecutor, SnapshotError, SnapshotOptions, StorageLimits,
};

const WRITE: &str = "import os\nos.makedirs('/tmp/a')\nos.symlink('b', '/tmp/a/link')\n\
    open('/tmp/a/b', 'w').write('saved')\nx = 1";
const SHOW: &str = "print(open('/tmp/a/link').read(), x)";

fn with_files() -> SnapshotOptions {
    SnapshotOptions::default().with_files(true)
}

#[tokio::test]
async fn files_travel_with_variables() {
    let session = sandbox().session().await.unwrap();
    run(&session, WRITE).await;
    let (snapshot, _) = session.snapshot_state_with(&with_files()).await.unwrap();
    let snapshot = PythonStateSnapshot::from_bytes(&snapshot.to_bytes()).unwrap();
    run(&session, "open('/tmp/a/b', 'w').write('changed')\nopen('/tmp/new', 'w').close()").await;
    session.restore_state(&snapshot).await.unwrap();
    assert_eq!(run(&session, SHOW).await, "saved 1\n");
    assert_eq!(run(&session, "print(os.path.exists('/tmp/new'))").await, "False\n");
    let other = sandbox().session().await.unwrap();
    other.restore_state(&snapshot).await.unwrap();
    assert_eq!(run(&other, SHOW).await, "saved 1\n");
    // Without files a snapshot leaves them alone.
    let variables = session.snapshot_state().await.unwrap();
    run(&other, "open('/tmp/a/b', 'w').write('other')\nx = 2").await;
    other.restore_state(&variables).await.unwrap();
    assert_eq!(run(&other, SHOW).await, "other 1\n");
}

#[tokio::test]
async fn files_travel_with_an_image() {
    let session = sandbox().session().await.unwrap();
    run(&session, WRITE).await;
    run(&session, "f = open('/tmp/a/b')\nf.read(2)").await;
    let image = session.snapshot_image_with_files().await.unwrap();
    let image = PythonImageSnapshot::from_bytes(&image.to_bytes()).unwrap();
    let other = Session::from_image(&sandbox(), &image).await.unwrap();
    assert_eq!(run(&other, SHOW).await, "saved 1\n");
    assert_eq!(run(&other, "print(f.read())").await, "ved\n");
    run(&session, "f.close()\nopen('/tmp/a/b', 'w').write('changed')").await;
    session.restore_image(&image).await.unwrap();
    assert_eq!(run(&session, "print(f.read())").await, "ved\n");
    assert_eq!(run(&session, SHOW).await, "saved 1\n");
}

#[tokio::test]
async fn files_that_do_not_fit_leave_the_session_as_it_was() {
    let session = sandbox().session().await.unwrap();
    run(&session, "x = 1\nopen('/tmp/large', 'w').write('a' * 2_000_000)").await;
    let small = with_files().with_max_bytes(1_000_000);
    let refused = session.snapshot_state_with(&small).await;
    assert!(matches!(refused, Err(Error::Snapshot(SnapshotError::TooLarge { .. }))));
    let (large, _) = session.snapshot_state_with(&with_files()).await.unwrap();
    let image = session.snapshot_image_with_files().await.unwrap();

    let limits = StorageLimits::default().with_bytes(1_000_000);
    let narrow = Sandbox::embedded().scratch_limits(limits).build().unwrap();
    let session = narrow.session().await.unwrap();
    run(&session, "x = 2\nf = open('/tmp/f', 'w+')\nf.write('here')\nf.flush()").await;
    let damaged = large.clone().with_files(vec![9, 9, 9]);
    let cut = large.files().unwrap();
    let cut = large.clone().with_files(cut[..cut.len() - 1].to_vec());
    for bad in [&large, &damaged, &cut] {
        let refused = session.restore_state(bad).await;
        assert!(matches!(refused, Err(Error::Snapshot(SnapshotError::Files(_)))), "{refused:?}");
    }
    let refused = session.restore_image(&image).await;
    assert!(matches!(refused, Err(Error::Snapshot(SnapshotError::Files(_)))), "{refused:?}");
    let refused = Session::from_image(&narrow, &image).await;
    assert!(matches!(refused, Err(Error::Snapshot(SnapshotError::Files(_)))), "{refused:?}");

    // The files fit here, and the variables are refused after them.
    run(&session, "class Never:\n    def __reduce__(self): return exec, ('1 / 0',)\nbad = Never()")
        .await;
    let (fails, _) = session.snapshot_state_with(&with_files()).await.unwrap();
    run(&session, "del bad\nf.write(' still')").await;
    let refused = session.restore_state(&fails).await;
    assert!(matches!(refused, Err(Error::Snapshot(SnapshotError::Unusable(_)))), "{refused:?}");
    assert_eq!(
        run(&session, "f.seek(0)\nprint(x, f.read(), open('/tmp/f').read())").await,
        "2 here still here still\n"
    );
}

#[tokio::test]
async fn open_files_travel_with_variables() {
    let session = sandbox().session().await.unwrap();
    let code = r"
import os
os.chdir('/data')
with open('closed', 'w') as closed: closed.write('0123456789')
read = open('closed'); read.read(3)
append = open('/data/append', 'a'); append.write('one ')
write = open('/data/write', 'w', newline='\r\n', encoding='latin-1'); write.write('ä\n')
both = open('/data/both', 'w+b', buffering=0); both.write(b'abcdef'); both.seek(2)
again = read.buffer
lines = open('/data/lines', 'w+', newline=''); lines.write('a\r\nb\r\n'); lines.seek(0)
";
    run(&session, code).await;
    let (snapshot, _) = session.snapshot_state_with(&with_files()).await.unwrap();
    let snapshot = PythonStateSnapshot::from_bytes(&snapshot.to_bytes()).unwrap();
    let other = sandbox().session().await.unwrap();
    other.restore_state(&snapshot).await.unwrap();
    let code = r"
print(read.read(), again is read.buffer, read.name, read.mode)
print(closed.closed, closed.name, closed.mode)
append.write('two'); append.close(); print(open('/data/append').read())
write.write('b\n'); write.close(); print(open('/data/write', 'rb').read(), write.encoding)
print(both.read(2), both.tell(), both.mode); both.write(b'X'); print(open('/data/both').read())
print(lines.readlines())
try: closed.write('x')
except ValueError as e: print(e)
";
    let seen = r"3456789 True closed r
True closed w
one two
b'\xe4\r\nb\r\n' latin-1
b'cd' 4 rb+
abcdXf
['a\r\n', 'b\r\n']
I/O operation on closed file.
";
    for session in [&session, &other] {
        assert_eq!(run(session, code).await, seen);
    }
    // Of files that were closed there is nothing to open.
    session.snapshot_state_with(&with_files().with_files(false)).await.unwrap_err();
    run(&session, "del read, again, both, lines").await;
    let variables = session.snapshot_state().await.unwrap();
    let other = sandbox().session().await.unwrap();
    other.restore_state(&variables).await.unwrap();
    assert_eq!(run(&other, "print(write.closed, append.name)").await, "True /data/append\n");
}

#[tokio::test]
async fn open_files_are_saved_with_what_is_in_them_or_not_at_all() {
    let session = sandbox().session().await.unwrap();
    let code = "
import os
with open('/tmp/a', 'w') as closed: pass
f = open('/tmp/a', 'w'); gone = open('/tmp/gone', 'w'); os.remove('/tmp/gone'); number = open(os.open('/tmp/a', os.O_RDONLY))
";
    run(&session, code).await;
    let omitted = |error| match error {
        Error::Snapshot(SnapshotError::Unsaveable(omitted)) => omitted,
        other => panic!("{other:?}"),
    };
    let without = omitted(session.snapshot_state().await.unwrap_err());
    let names: Vec<_> = without.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["f", "gone", "number"]);
    assert!(without[0].reason.contains("a snapshot with files would have it"), "{without:?}");
    let with = omitted(session.snapshot_state_with(&with_files()).await.unwrap_err());
    let reasons: Vec<_> = with.iter().map(|one| (one.name.as_str(), one.reason.as_str())).collect();
    assert_eq!(reasons[0].0, "gone");
    assert!(reasons[0].1.contains("it is no longer at /tmp/gone"), "{reasons:?}");
    assert_eq!(reasons[1].0, "number");
    assert!(reasons[1].1.contains("it was not opened by a path"), "{reasons:?}");
    assert_eq!(reasons.len(), 2);
}

/// Files of its own travel without the facade's help.
#[tokio::test]
async fn files_of_a_bare_session_travel() {
    let none = Callbacks::default();
    let start = async || SessionExecutor::new(sandbox().executor().clone(), &none).await.unwrap();
    let write = "open('/tmp/a', 'w').write('saved')\nf = open('/tmp/a')\nf.read(2)\nx = 1";
    let show = "print(open('/tmp/a').read(), f.read(), x)";
    let mut session = start().await;
    session.execute(write).run().await.unwrap();
    let (state, _) = session.snapshot_state_with(&with_files()).await.unwrap();
    let image = session.snapshot_image_with_files().await.unwrap();
    assert!(state.files().is_some() && image.files().is_some());
    let state = PythonStateSnapshot::from_bytes(&state.to_bytes()).unwrap();
    let image = PythonImageSnapshot::from_bytes(&image.to_bytes()).unwrap();

    let spoil = "open('/tmp/a', 'w').write('other')\nopen('/tmp/b', 'w').close()\nx = 2";
    let count = "import os\nprint(os.path.exists('/tmp/b'))";
    for by_image in [true, false] {
        let mut other = start().await;
        for session in [&mut session, &mut other] {
            session.execute(spoil).run().await.unwrap();
            if by_image {
                session.restore_image(&image).await.unwrap();
            } else {
                session.restore_state(&state).await.unwrap();
            }
            assert_eq!(session.execute(show).run().await.unwrap().stdout, "saved ved 1\n");
            assert_eq!(session.execute(count).run().await.unwrap().stdout, "False\n");
        }
    }
    let executor = sandbox().executor().clone();
    let mut other =
        SessionExecutor::from_image(executor, &image, eryx::RunOptions::default()).await.unwrap();
    assert_eq!(other.execute(show).run().await.unwrap().stdout, "saved ved 1\n");
    // It has them to itself.
    other.execute(spoil).run().await.unwrap();
    assert_eq!(session.execute(count).run().await.unwrap().stdout, "False\n");

    // What is damaged changes nothing.
    let damaged = state.clone().with_files(vec![9, 9, 9]);
    let refused = other.restore_state(&damaged).await;
    assert!(matches!(refused, Err(Error::Snapshot(SnapshotError::Files(_)))), "{refused:?}");
    assert_eq!(other.execute("print(x)\n").run().await.unwrap().stdout, "2\n");
    // As an image can leave files as they are.
    let keep = CopyOptions::default().with_keep_files(true);
    other.restore_image_with(&image, keep).await.unwrap();
    assert_eq!(
        other.execute("print(open('/tmp/a').read())").run().await.unwrap().stdout,
        "other\n"
    );
}

/// Variables and files together are no more than they may be, whatever is asked for.
#[tokio::test]
async fn files_are_of_the_largest_size_too() {
    let session = sandbox().session().await.unwrap();
    let code = "x = bytes(40 << 20)\nwith open('/tmp/a', 'wb') as f: f.write(x)";
    run(&session, code).await;
    let mut options = with_files();
    options.max_bytes = u64::MAX;
    let refused = session.snapshot_state_with(&options).await;
    let Err(Error::Snapshot(SnapshotError::TooLarge { size, limit })) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(limit, eryx::MAX_SNAPSHOT_SIZE as u64);
    assert!(size > limit, "{size}");
    run(&session, "x = bytes(10 << 20)").await;
    let (snapshot, _) = session.snapshot_state_with(&options).await.unwrap();
    PythonStateSnapshot::from_bytes(&snapshot.to_bytes()).unwrap();
}
