//! Live sessions: what lasts, what ends them, and what is refused.

use crate::support::{run_in as run, sandbox, session};
use eryx::{DynamicCallback, Error, Poison, ResourceLimits, Sandbox, Session, State};
use std::time::Duration;

#[tokio::test]
async fn what_a_run_defines_the_next_finds() {
    let session = session().await;
    run(&session, "import math\nx = 1\ndef f(y):\n    return x + y\nclass C:\n    z = 3").await;
    run(&session, "x += 1").await;
    assert_eq!(run(&session, "print(f(1), C().z, math.pi > 3)").await, "3 3 True\n");
    let output = session.execute("f(10)").await.unwrap();
    assert_eq!(output.result.unwrap().as_str(), "12");
    assert_eq!(session.lock().unwrap().execution_count(), 4);
}

#[tokio::test]
async fn tasks_and_files_go_on() {
    let session = session().await;
    let code = "import asyncio\nasync def count():\n    global n\n    while True:\n        n += 1\n        \
        await asyncio.sleep(0.001)\nn = 0\ntask = asyncio.create_task(count())\nawait asyncio.sleep(0)\n\
        f = open('/tmp/a', 'w+')";
    run(&session, code).await;
    run(&session, "f.write('abc')").await;
    let code = "before = n\nawait asyncio.sleep(0.05)\nf.seek(0)\nprint(n > before, f.read())";
    assert_eq!(run(&session, code).await, "True abc\n");
    run(&session, "task.cancel()").await;
}

#[tokio::test]
async fn an_exception_and_an_exit_leave_it_ready() {
    let session = session().await;
    run(&session, "def f():\n    # the first run\n    return 1 / 0\nx = 5").await;
    let Err(Error::Execution(exception)) = session.execute("f()").await else { panic!() };
    let last = exception.frames.last().unwrap();
    assert_eq!(
        (last.filename.as_str(), last.line, last.source.as_str()),
        ("<run 1>", 3, "return 1 / 0")
    );
    assert_eq!(exception.frames[0].filename, "<run 2>");
    assert_eq!(session.execute("import sys\nsys.exit(4)").await.unwrap().exit_status, 4);
    assert_eq!(session.state(), State::Ready);
    assert_eq!(run(&session, "print(x)").await, "5\n");
}

#[tokio::test]
async fn case_68_the_next_run_has_stdout() {
    let session = session().await;
    let error = session.execute("import os\nos.close(1)\nprint(1, flush=True)").await.unwrap_err();
    assert!(error.to_string().contains("OSError"), "{error}");
    assert_eq!(run(&session, "print(2)").await, "2\n");
    session.execute("import sys\nsys.stdout.close()").await.unwrap();
    assert_eq!(run(&session, "print(3)").await, "3\n");
}

#[tokio::test]
async fn a_stopped_run_poisons_and_reset_heals() {
    let limits = ResourceLimits::default().with_timeout(Duration::from_millis(200));
    let sandbox = Sandbox::embedded().limits(limits).build().unwrap();
    let session = sandbox.session().await.unwrap();
    assert!(matches!(session.execute("while True: pass").await, Err(Error::Timeout(_))));
    assert_eq!(session.state(), State::Poisoned(Poison::Limit));
    assert!(matches!(session.execute("1").await, Err(Error::Poisoned(Poison::Limit))));
    assert!(matches!(session.clear_state().await, Err(Error::Poisoned(_))));
    session.reset().await.unwrap();
    assert_eq!(run(&session, "print('x' in globals())").await, "False\n");
    assert!(matches!(session.execute("import time\ntime.sleep(9)").await, Err(Error::Timeout(_))));
}

#[tokio::test]
async fn case_59_two_runs_at_once() {
    let session = session().await;
    let other = session.clone();
    let first =
        tokio::spawn(async move { other.execute("import time\ntime.sleep(0.3)\nprint(1)").await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(session.state(), State::Running);
    assert!(matches!(session.execute("1").await, Err(Error::Busy)));
    assert_eq!(first.await.unwrap().unwrap().stdout, "1\n");
    assert_eq!(run(&session, "print(2)").await, "2\n");
}

#[tokio::test]
async fn case_42_a_callback_that_runs_code_in_its_own_session() {
    let place = std::sync::Arc::new(std::sync::OnceLock::<Session>::new());
    let inner = std::sync::Arc::clone(&place);
    let again = DynamicCallback::new("again", move |_| {
        let session = inner.get().unwrap().clone();
        async move {
            let ended = session.execute("1").await;
            assert!(matches!(ended, Err(Error::Busy)), "{ended:?}");
            Ok(serde_json::json!("busy"))
        }
    });
    let sandbox = Sandbox::embedded().callback(again).build().unwrap();
    let session = sandbox.session().await.unwrap();
    place.set(session.clone()).unwrap();
    assert_eq!(run(&session, "print(await again())").await, "busy\n");
}

#[tokio::test]
async fn case_60_a_dropped_run() {
    let session = session().await;
    for code in ["while True: pass", "import time\ntime.sleep(60)"] {
        let dropped = tokio::time::timeout(Duration::from_millis(50), session.execute(code)).await;
        assert!(dropped.is_err());
        assert_eq!(session.state(), State::Poisoned(Poison::Dropped));
        assert!(session.lock().unwrap().store().is_none());
        session.reset().await.unwrap();
        assert_eq!(run(&session, "print(1)").await, "1\n");
    }
}

#[tokio::test]
async fn a_closed_session_says_so() {
    let session = session().await;
    session.close().unwrap();
    assert!(matches!(session.execute("1").await, Err(Error::Closed)));
    assert_eq!(session.state(), State::Closed);
}

#[tokio::test]
async fn clearing_forgets_variables_only() {
    let session = session().await;
    run(&session, "import json\nx = [0] * 10**6").await;
    session.clear_state().await.unwrap();
    let code = "print([name for name in globals() if not name.startswith('__')], __name__)";
    assert_eq!(run(&session, code).await, "[] __main__\n");
}

#[tokio::test]
async fn the_same_text_again_is_a_run_of_its_own() {
    let session = session().await;
    run(&session, "n = 0").await;
    let code = "def fail():\n    raise ValueError(n)\nn += 1\nif n > 1: fail()\nn";
    let output = session.execute(code).await.unwrap();
    assert_eq!(output.result.unwrap().as_str(), "1");
    for number in [3, 4] {
        let Err(Error::Execution(exception)) = session.execute(code).await else {
            panic!("it does not fail");
        };
        let frames: Vec<_> = exception.frames.iter().collect();
        assert!(
            frames.iter().all(|frame| frame.filename == format!("<run {number}>")),
            "{frames:?}"
        );
        assert_eq!(frames[1].source, "raise ValueError(n)");
        assert_eq!(exception.message, (number - 1).to_string());
    }
    // Far more texts than are remembered.
    for round in 0..3 {
        for number in 0..100 {
            let output = session.execute(format!("[{number}, n]")).await.unwrap();
            assert_eq!(output.result.unwrap().as_str(), format!("[{number}, 3]"), "{round}");
        }
    }
    let bad = session.execute("x = ").await;
    assert!(matches!(bad, Err(Error::Execution(_))));
    assert!(session.execute("x = ").await.is_err());
}

#[tokio::test]
async fn random_numbers_go_on_from_run_to_run() {
    let session = session().await;
    let code = "import random\nprint(random.random())";
    assert_ne!(run(&session, code).await, run(&session, code).await);
}

#[tokio::test]
async fn many_runs_hardly_grow_the_interpreter() {
    let session = session().await;
    run(&session, "x = 0").await;
    let mut after_a_thousand = 0;
    for round in 1..=3000 {
        let output = session.execute("x += 1").await.unwrap();
        match round {
            1000 => after_a_thousand = output.peak_memory_bytes,
            3000 => {
                let grown = output.peak_memory_bytes - after_a_thousand;
                assert!(grown <= 4 << 20, "{grown} bytes in 2000 runs");
            }
            _ => {}
        }
    }
    assert_eq!(run(&session, "print(x)").await, "3000\n");
}

#[tokio::test]
async fn memory_of_what_is_deleted_is_used_again() {
    let session = session().await;
    let code = "x = [bytes(1000) for _ in range(50_000)]\ny = {n: str(n) for n in range(50_000)}";
    let full = session.execute(code).await.unwrap().peak_memory_bytes;
    assert!(full > 50_000_000);
    for round in 0..10 {
        if round % 2 == 0 {
            run(&session, "del x, y").await;
        } else {
            session.clear_state().await.unwrap();
        }
        let again = session.execute(code).await.unwrap().peak_memory_bytes;
        assert!(again <= full + (1 << 20), "{full} bytes, and {again} in round {round}");
    }
    // It is the interpreter's until that is gone.
    session.clear_state().await.unwrap();
    assert!(session.execute("0").await.unwrap().peak_memory_bytes >= full);
    session.reset().await.unwrap();
    assert!(session.execute("0").await.unwrap().peak_memory_bytes < full - 40_000_000);
}

#[tokio::test]
async fn a_session_over_a_storage_of_the_embedder() {
    use eryx::{ArcStorage, Callbacks, InMemoryStorage, SessionExecutor, StorageFiles, VfsConfig};

    let executor = sandbox().executor().clone();
    let storage = ArcStorage::new(InMemoryStorage::new());
    storage.write("/in.txt", "before").unwrap();
    let none = Callbacks::default();
    let mut session =
        SessionExecutor::new_with_vfs(executor.clone(), &none, storage.clone()).await.unwrap();
    let code = "open('/data/out.txt', 'w').write(open('/data/in.txt').read())";
    session.execute(code).run().await.unwrap();
    assert_eq!(storage.read("/out.txt").unwrap(), b"before");
    session.reset(&none).await.unwrap();
    let output = session.execute("open('/data/out.txt').read()").run().await.unwrap();
    assert_eq!(output.result.unwrap().as_str(), "\"before\"");

    let at = |path: &str| VfsConfig::new(path);
    let mut elsewhere =
        SessionExecutor::new_with_vfs_config(executor.clone(), &none, storage.clone(), at("/work"))
            .await
            .unwrap();
    let output = elsewhere.execute("open('/work/in.txt').read()").run().await.unwrap();
    assert_eq!(output.result.unwrap().as_str(), "\"before\"");
    let refused =
        SessionExecutor::new_with_vfs_config(executor, &none, storage, at("relative")).await;
    assert!(matches!(refused, Err(Error::Config(_))), "{refused:?}");
}

/// What else the executor's interpreters have they have with a storage, too.
#[tokio::test]
async fn a_session_over_a_storage_keeps_network_and_mounts() {
    use crate::peers::{Server, echo, network};
    use eryx::{ArcStorage, Callbacks, InMemoryStorage, SessionExecutor, StorageFiles, VfsConfig};

    let storage = |text: &str| {
        let storage = ArcStorage::new(InMemoryStorage::new());
        storage.write("/in.txt", text).unwrap();
        storage
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "of the host").unwrap();
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let sandbox = Sandbox::embedded()
        .network(network())
        .storage(storage("of the sandbox"))
        .volume(eryx::VolumeMount::read_only(folder.path(), "/host"))
        .build()
        .unwrap();
    let code = "
import socket
with socket.create_connection(('server.test', PORT), timeout=5) as s:
    s.sendall(b'hello'); heard = s.recv(9)
print(heard, open('/data/in.txt').read(), open('/host/a').read(), sep=', ')";
    let code = code.replace("PORT", &server.port.to_string());
    let none = Callbacks::default();
    let executor = || sandbox.executor().clone();
    let new = SessionExecutor::new_with_vfs(executor(), &none, storage("of the session")).await;
    let mut session = new.unwrap();
    let seen = "b'hello', of the session, of the host\n";
    assert_eq!(session.execute(&*code).run().await.unwrap().stdout, seen);
    session.reset(&none).await.unwrap();
    assert_eq!(session.execute(&*code).run().await.unwrap().stdout, seen);
    let mut fork = session.fork().await.unwrap();
    assert_eq!(fork.execute(&*code).run().await.unwrap().stdout, seen);
    // Elsewhere, it takes nothing's place.
    let at = VfsConfig::new("/more");
    let more = SessionExecutor::new_with_vfs_config(executor(), &none, storage("more"), at).await;
    let code = code + "\nprint(open('/more/in.txt').read())";
    let seen = "b'hello', of the sandbox, of the host\nmore\n";
    assert_eq!(more.unwrap().execute(code).run().await.unwrap().stdout, seen);
    // Below a file there is no place.
    std::fs::write(folder.path().join("only"), "").unwrap();
    let only = eryx::VolumeMount::read_only(folder.path().join("only"), "/only");
    let sandbox = Sandbox::embedded().volume(only).build().unwrap();
    let below = VfsConfig::new("/only/below");
    let executor = sandbox.executor().clone();
    let refused =
        SessionExecutor::new_with_vfs_config(executor, &none, storage("below"), below).await;
    assert!(matches!(refused, Err(Error::Config(_))), "{refused:?}");
}

#[tokio::test]
async fn runs_leave_nothing_behind() {
    let session = session().await;
    let mut sizes = Vec::new();
    for _ in 0..2 {
        // As many as a session keeps the sources of, and more.
        for _ in 0..1000 {
            run(&session, "x = [1] * 100").await;
        }
        sizes.push(session.snapshot_image().await.unwrap().size());
    }
    // A leak of one small block a run would be 16 bytes each.
    assert!(sizes[1] <= sizes[0] + 8192, "{sizes:?}");
}
