//! The calls of `SessionExecutor` that API.md names, one by one, by a crate that
//! has nothing but the core.

use crate::support::{load_metered, repository, sandbox};
use eryx::{
    Callback, Callbacks, CancellationToken, CopyOptions, DynamicCallback, Error, ExecutorBuilder,
    MinimalState, Poison, PythonExecutor, PythonImageSnapshot, PythonStateSnapshot, RuntimeSource,
    SandboxPool, Session, SessionExecutor, SnapshotError, SnapshotOptions, State,
};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

fn executor() -> PythonExecutor {
    let runtime = repository().join("target/runtime/runtime.wasm");
    let source = RuntimeSource::from_file(runtime).unwrap();
    ExecutorBuilder::new(source).build(MinimalState::new).unwrap()
}

async fn session() -> SessionExecutor {
    SessionExecutor::new(executor(), &Callbacks::default()).await.unwrap()
}

async fn result(session: &mut SessionExecutor, code: &str) -> String {
    session.execute(code).run().await.unwrap().result.unwrap().as_str().to_owned()
}

fn callbacks(answer: i32) -> Callbacks {
    let number = DynamicCallback::new("number", move |_| async move { Ok(json!(answer)) });
    Callbacks::new([Arc::new(number) as Arc<dyn Callback>]).unwrap()
}

#[tokio::test]
async fn callbacks_of_the_session_and_of_a_run() {
    let mut session = SessionExecutor::new(executor(), &callbacks(1)).await.unwrap();
    assert_eq!(result(&mut session, "await number()").await, "1");
    let (sender, mut requests) = mpsc::channel(1);
    let run = session.execute("await number()").with_callbacks(&callbacks(0), &sender).run();
    let answer = async {
        let request = requests.recv().await.unwrap();
        assert_eq!(request.name, "number");
        request.reply.send(Ok(json!(2).into())).unwrap();
    };
    let (output, ()) = tokio::join!(run, answer);
    let output = output.unwrap();
    assert_eq!((output.result.unwrap().as_str(), output.callback_invocations), ("2", 1));
    // The session's own are those of the next run again, until a reset brings others.
    assert_eq!(result(&mut session, "await number()").await, "1");
    session.reset(&callbacks(3)).await.unwrap();
    assert_eq!(result(&mut session, "await number()").await, "3");
}

#[tokio::test]
async fn streaming_and_tracing_of_a_run() {
    let mut session = session().await;
    let (sender, mut printed) = mpsc::channel(16);
    let (listener, mut traced) = mpsc::channel(1024);
    let run = session.execute("print('out')").with_output_streaming(sender).with_tracing(listener);
    run.run().await.unwrap();
    let mut bytes = Vec::new();
    while let Some(request) = printed.recv().await {
        bytes.extend_from_slice(&request.bytes);
    }
    assert_eq!(bytes, b"out\n");
    assert!(traced.recv().await.is_some());
    session.execute("print('unheard')").run().await.unwrap();
    assert!(printed.recv().await.is_none());
}

#[tokio::test]
async fn time_and_fuel_of_the_session_and_of_a_run() {
    load_metered().await;
    let mut session = session().await;
    assert_eq!(session.execution_timeout(), Some(Duration::from_secs(30)));
    assert_eq!(session.fuel_limit(), None);
    session.set_execution_timeout(Some(Duration::from_millis(100)));
    assert_eq!(session.execution_timeout(), Some(Duration::from_millis(100)));
    let slow = "import time\ntime.sleep(0.3)\n1";
    // A run's own time wins.
    let run = session.execute(slow).with_timeout(Duration::from_secs(20)).run().await;
    assert_eq!(run.unwrap().result.unwrap().as_str(), "1");
    let run = session.execute(slow).run().await;
    assert!(matches!(&run, Err(Error::Timeout(t)) if **t == Duration::from_millis(100)), "{run:?}");
    session.set_execution_timeout(None);
    session.reset(&Callbacks::default()).await.unwrap();
    session.set_fuel_limit(Some(300_000_000));
    assert_eq!(session.fuel_limit(), Some(300_000_000));
    // It was started without, and moves when a run is to be counted.
    session.snapshot_state().await.unwrap();
    session.snapshot_image().await.unwrap();
    assert!(session.execute("1").run().await.unwrap().fuel_consumed.is_some());
    session.reset(&Callbacks::default()).await.unwrap();
    // Both stay over a reset.
    assert_eq!((session.execution_timeout(), session.fuel_limit()), (None, Some(300_000_000)));
    assert!(session.execute("1").run().await.unwrap().fuel_consumed.is_some());
    let own = session.execute("1").with_fuel_limit(10).run().await;
    assert!(matches!(own, Err(Error::FuelExhausted { limit: 10, .. })), "{own:?}");
    session.set_fuel_limit(None);
    session.reset(&Callbacks::default()).await.unwrap();
    assert_eq!(session.execute("1").run().await.unwrap().fuel_consumed, None);
}

#[tokio::test]
async fn asked_to_end_and_cancelled() {
    let mut session = session().await;
    let run = session
        .execute("x = 1\nwhile True: pass")
        .with_soft_timeout(Duration::from_millis(50))
        .run()
        .await;
    let Err(Error::Execution(raised)) = run else { panic!("{run:?}") };
    assert_eq!(raised.type_name, "TimeoutError");
    assert_eq!(result(&mut session, "x").await, "1");
    let token = CancellationToken::new();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        token.cancel();
    };
    let run = session.execute("while True: pass").with_cancellation(token.clone()).run();
    let (run, ()) = tokio::join!(run, cancel);
    assert!(matches!(run, Err(Error::Cancelled(_))), "{run:?}");
    assert_eq!(session.state(), State::Poisoned(Poison::Cancelled));
}

#[tokio::test]
async fn the_store_can_be_looked_at_while_it_is_sound() {
    let mut session = session().await;
    let memory = session.store().unwrap().data();
    let _: &MinimalState = memory;
    assert!(session.store_mut().is_some());
    assert_eq!(result(&mut session, "1 + 1").await, "2");
    session.close();
    assert!(session.store().is_none() && session.store_mut().is_none());
    assert!(matches!(session.execute("1").run().await, Err(Error::Closed)));
}

#[tokio::test]
async fn what_a_snapshot_says_of_itself() {
    let mut session = session().await;
    result(&mut session, "x = [1, 2]\nx").await;
    let version = "import sys\nf'{sys.version_info.major}.{sys.version_info.minor}'";
    let version = result(&mut session, version).await;
    let before = std::time::SystemTime::now();
    let snapshot = session.snapshot_state().await.unwrap();
    let metadata = snapshot.metadata();
    let made = std::time::UNIX_EPOCH + Duration::from_millis(metadata.timestamp_ms);
    assert!(made + Duration::from_secs(1) > before, "{metadata:?}");
    assert_eq!(metadata.size_bytes, snapshot.size());
    assert_eq!(snapshot.data().len(), snapshot.size());
    assert_eq!(metadata.runtime, session.executor().runtime_id());
    assert_eq!(format!("{:?}", metadata.python_version), version);
    let read = PythonStateSnapshot::from_bytes(&snapshot.to_bytes()).unwrap();
    assert_eq!(read, snapshot);
    result(&mut session, "import sys\nsys.marked = True\nx = None\n0").await;
    session.restore_state(&read).await.unwrap();
    assert_eq!(result(&mut session, "import sys\nx, sys.marked").await, "[[1, 2], true]");
    // Into a new interpreter, nothing else of the old one is left.
    session.restore_state_anew(&read).await.unwrap();
    assert_eq!(
        result(&mut session, "import sys\nx, hasattr(sys, 'marked')").await,
        "[[1, 2], false]"
    );
}

/// The limit holds on the way out, before bytes cross, and cannot be raised.
#[tokio::test]
async fn snapshots_have_a_largest_size() {
    let mut session = session().await;
    result(&mut session, "x = bytes(10_000)\n1").await;
    let mut options = SnapshotOptions::default();
    options.max_bytes = 5000;
    let refused = session.snapshot_state_with(&options).await;
    assert!(matches!(refused, Err(Error::Snapshot(_))), "{refused:?}");
    options.max_bytes = u64::MAX;
    session.snapshot_state_with(&options).await.unwrap();
    result(&mut session, "x = bytes(70 << 20)\n1").await;
    let refused = session.snapshot_state_with(&options).await.unwrap_err();
    assert!(refused.to_string().contains("67108864"), "{refused}");
    assert_eq!(result(&mut session, "len(x)").await, "73400320");
}

/// By the facade, forks of one that has a seed have chances of their own, and the
/// same ones each time.
#[tokio::test]
async fn chances_of_seeded_forks() {
    let mut all = Vec::new();
    for _ in 0..2 {
        let session = eryx::Sandbox::embedded().seed(7).build().unwrap().session().await.unwrap();
        session.execute("import random").await.unwrap();
        let mut chances = Vec::new();
        for _ in 0..2 {
            let fork = session.fork().await.unwrap();
            let code = "import os\nprint(random.random(), os.urandom(4))";
            chances.push(fork.execute(code).await.unwrap().stdout.into_string());
        }
        assert_ne!(chances[0], chances[1]);
        all.push(chances);
    }
    assert_eq!(all[0], all[1]);
}

/// A store that knows of no files has none to save, and that is told.
#[tokio::test]
async fn files_of_a_store_that_has_none() {
    let mut session = session().await;
    result(&mut session, "x = 1\nx").await;
    let options = SnapshotOptions::default().with_files(true);
    let refused = session.snapshot_state_with(&options).await.map(drop);
    let image = session.snapshot_image_with_files().await.map(drop);
    let with_files = session.snapshot_state().await.unwrap().with_files(vec![1]);
    result(&mut session, "x = 2\nx").await;
    let restored = session.restore_state(&with_files).await;
    let image_with_files = session.snapshot_image().await.unwrap().with_files(vec![1]);
    let restored_image = session.restore_image(&image_with_files).await;
    let options = eryx::RunOptions::default();
    let started = SessionExecutor::from_image(executor(), &image_with_files, options).await;
    for ended in [refused, image, restored, restored_image, started.map(drop)] {
        let Err(Error::Snapshot(SnapshotError::Files(_))) = ended else { panic!("{ended:?}") };
    }
    assert_eq!(result(&mut session, "x").await, "2");
    // Without them it can be had.
    let keep = CopyOptions::default().with_keep_files(true);
    session.restore_image_with(&image_with_files, keep).await.unwrap();
}

/// Compiles if a task that can change its thread can wait for all of these.
#[test]
fn what_is_waited_for_can_change_its_thread() {
    fn sent<T: Send>(_: T) {}
    let _ = |mut one: SessionExecutor, state: &PythonStateSnapshot, image: &PythonImageSnapshot| {
        sent(one.execute("1").run());
        sent(one.execute("1").transactional().run());
        sent(one.snapshot_state());
        sent(one.restore_state(state));
        sent(one.snapshot_image_with_files());
        sent(one.restore_image(image));
        sent(one.fork());
        sent(one.undo());
        sent(one.clear_state());
        sent(one.reset(&Callbacks::default()));
        sent(SessionExecutor::from_image(executor(), image, eryx::RunOptions::default()));
    };
    let _ = |one: &Session, state: &PythonStateSnapshot, image: &PythonImageSnapshot| {
        sent(one.execute("1"));
        sent(one.execute_transactional("1"));
        sent(one.snapshot_state());
        sent(one.restore_state(state));
        sent(one.snapshot_image_with_files());
        sent(one.restore_image(image));
        sent(one.fork());
        sent(one.undo());
        sent(one.clear_state());
        sent(one.reset());
        sent(Session::from_image(&sandbox(), image));
    };
    let _ = |pool: &SandboxPool| {
        sent(pool.acquire());
        sent(pool.fill());
    };
}

#[tokio::test]
async fn facade_and_crate_agree_on_the_state() {
    let session = sandbox().session().await.unwrap();
    assert_eq!(session.state(), session.lock().unwrap().state());
    let held = session.lock().unwrap();
    assert_eq!(session.state(), State::Running);
    assert!(matches!(session.execute("1").await, Err(Error::Busy)));
    drop(held);
    session.execute("1").await.unwrap();
}

#[tokio::test]
async fn what_a_builder_says_of_time_chance_and_traces() {
    let sandbox = || {
        let trace = eryx::TraceOptions::default();
        eryx::Sandbox::embedded().seed(3).trace(trace).build().unwrap()
    };
    let code = "import random, time\nprint(random.random(), time.time())";
    let first = sandbox().execute(code).await.unwrap();
    assert!(!first.trace.is_empty());
    assert_eq!(sandbox().execute(code).await.unwrap().stdout, first.stdout);
}
