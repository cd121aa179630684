//! What is left of a session, and of a run, when it was stopped: nothing.

use crate::support::{load_metered, repository, sandbox};
use eryx::{
    Callback, CallbackError, CallbackLimits, Callbacks, DynamicCallback, Error, ExecutorBuilder,
    Interpreter, MinimalState, Poison, PythonEngine, PythonExecutor, ResourceLimits, RunOptions,
    RuntimeSource, Sandbox, SessionExecutor, State,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// With places for so many interpreters.
fn narrow(places: u32) -> PythonExecutor {
    let runtime = repository().join("target/runtime/runtime.wasm");
    let engine = PythonEngine::with_instances(places).unwrap();
    ExecutorBuilder::new(RuntimeSource::from_file(runtime).unwrap())
        .engine(engine)
        .with_idle_instances(0)
        .build(MinimalState::new)
        .unwrap()
}

async fn session(executor: &PythonExecutor) -> SessionExecutor {
    SessionExecutor::new(executor.clone(), &Callbacks::default()).await.unwrap()
}

async fn result(session: &mut SessionExecutor, code: &str) -> String {
    session.execute(code).run().await.unwrap().result.unwrap().as_str().to_owned()
}

fn short(time: u64) -> Duration {
    Duration::from_millis(time)
}

#[tokio::test]
async fn a_session_that_was_stopped_gives_its_place_back() {
    let executor = narrow(1);
    let mut first = session(&executor).await;
    let full = SessionExecutor::new(executor.clone(), &Callbacks::default()).await;
    assert!(matches!(full, Err(Error::Full { limit: 1 })));
    let stopped = first.execute("while True: pass").with_timeout(short(50)).run().await;
    assert!(matches!(stopped, Err(Error::Timeout(_))), "{stopped:?}");
    let mut second = session(&executor).await;
    // Dropped in its midst.
    let dropped = second.execute("import time\ntime.sleep(60)").run();
    assert!(tokio::time::timeout(short(50), dropped).await.is_err());
    assert_eq!(second.state(), State::Poisoned(Poison::Dropped));
    let mut third = session(&executor).await;
    third.close();
    let fourth = session(&executor).await;
    drop(fourth);
    assert!(second.store().is_none() && third.store_mut().is_none());
}

#[tokio::test]
async fn a_reset_needs_no_second_place() {
    let executor = narrow(1);
    let none = Callbacks::default();
    let mut first = session(&executor).await;
    result(&mut first, "x = 1\nx").await;
    first.reset(&none).await.unwrap();
    assert_eq!(result(&mut first, "'x' in globals()").await, "false");
    // Somebody else takes the place of one that was stopped.
    first.execute("while True: pass").with_timeout(short(50)).run().await.unwrap_err();
    let second = session(&executor).await;
    let error = first.reset(&none).await.unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error:?}");
    assert_eq!(first.state(), State::Poisoned(Poison::NotStarted));
    let error = first.execute("1").run().await.unwrap_err();
    assert!(error.to_string().contains("reset the session"), "{error}");
    drop(second);
    first.reset(&none).await.unwrap();
    assert_eq!(result(&mut first, "1 + 1").await, "2");
}

#[tokio::test]
async fn a_refused_reset_changes_nothing() {
    let mut session = session(&narrow(1)).await;
    result(&mut session, "x = 1\nx").await;
    session.set_execution_timeout(Some(Duration::ZERO));
    let error = session.reset(&Callbacks::default()).await.unwrap_err();
    assert!(matches!(error, Error::Config(_)), "{error:?}");
    session.set_execution_timeout(None);
    assert_eq!(result(&mut session, "x").await, "1");
}

#[tokio::test]
async fn runs_that_were_refused_are_not_counted() {
    let mut session = session(&narrow(1)).await;
    let refused = session.execute("a\0b").run().await;
    assert!(matches!(refused, Err(Error::Config(_))), "{refused:?}");
    let refused = session.execute("1").with_timeout(Duration::ZERO).run().await;
    assert!(matches!(refused, Err(Error::Config(_))), "{refused:?}");
    assert_eq!((session.execution_count(), session.state()), (0, State::Ready));
    session.execute("1 / 0").run().await.unwrap_err();
    assert_eq!(session.execution_count(), 1);
    session.execute("while True: pass").with_timeout(short(50)).run().await.unwrap_err();
    assert_eq!(session.execution_count(), 2);
    session.execute("1").run().await.unwrap_err();
    assert_eq!(session.execution_count(), 2);
}

#[tokio::test]
async fn one_run_of_a_session_can_count_fuel() {
    load_metered().await;
    let mut session = session(&narrow(2)).await;
    result(&mut session, "def numbers():\n    yield from range(9)\nn = numbers()\nnext(n)").await;
    let fueled = session.execute("next(n)").with_fuel_limit(100_000_000).run().await.unwrap();
    assert_eq!(fueled.result.unwrap().as_str(), "1");
    assert!(fueled.fuel_consumed.is_some_and(|fuel| fuel > 1000), "{:?}", fueled.fuel_consumed);
    let plain = session.execute("next(n)").run().await.unwrap();
    assert_eq!((plain.result.unwrap().as_str(), plain.fuel_consumed), ("2", None));
    let stopped = session.execute("while True: pass").with_fuel_limit(100_000_000).run().await;
    assert!(matches!(stopped, Err(Error::FuelExhausted { .. })), "{stopped:?}");
    session.reset(&Callbacks::default()).await.unwrap();
    let code = "n = iter(range(3))\nnext(n)\n1 / 0";
    let failed = session.execute(code).with_fuel_limit(100_000_000).transactional().run().await;
    assert!(matches!(failed, Err(Error::Execution(_))), "{failed:?}");
    assert_eq!(result(&mut session, "'n' in globals()").await, "false");
}

#[tokio::test]
async fn an_undone_run_keeps_its_own_error() {
    // The first image of all needs a place for a moment.
    let mut session = session(&narrow(2)).await;
    result(&mut session, "x = 1\nx").await;
    for (code, time) in [("x = 2\n1 / 0", 9000), ("x = 2\nwhile True: pass", 50)] {
        let run = session.execute(code).with_timeout(short(time)).transactional().run();
        let error = run.await.unwrap_err();
        assert!(matches!(error, Error::Execution(_) | Error::Timeout(_)), "{error:?}");
        assert_eq!(result(&mut session, "x").await, "1");
    }
    // What is refused needs no undoing.
    let refused = session.execute("x = 2\0").transactional().run().await;
    assert!(matches!(refused, Err(Error::Config(_))), "{refused:?}");
    assert_eq!(result(&mut session, "x").await, "1");
}

/// Starts an interpreter when it is dropped, which ends only after that.
struct Starter(PythonExecutor, std::sync::mpsc::Sender<Interpreter<MinimalState>>);

impl Drop for Starter {
    fn drop(&mut self) {
        let executor = self.0.clone();
        let start = move || {
            let limits = ResourceLimits::default();
            let runtime = Runtime::new().unwrap();
            runtime.block_on(async { executor.start(&limits).await.unwrap() })
        };
        self.1.send(std::thread::spawn(start).join().unwrap()).unwrap();
    }
}

/// Who could not be undone for want of a place is undone later.
#[tokio::test]
async fn a_run_that_cannot_be_undone_yet() {
    let executor = narrow(2);
    let (sender, takers) = std::sync::mpsc::channel();
    let own = executor.clone();
    let wait = DynamicCallback::new("wait", move |_| {
        let starter = Starter(own.clone(), sender.clone());
        async move {
            std::future::pending::<()>().await;
            drop(starter);
            Ok::<Value, CallbackError>(Value::Null)
        }
    });
    let callbacks = Callbacks::new([Arc::new(wait) as Arc<dyn Callback>]).unwrap();
    let mut first = SessionExecutor::new(executor.clone(), &callbacks).await.unwrap();
    // The first image of all needs a place for a moment.
    first.snapshot_image().await.unwrap();
    result(&mut first, "n = iter(range(9))\nnext(n)").await;
    let second = session(&executor).await;
    let code = "next(n)\nawait wait()";
    // While the call that was under way is ended the place is free: it takes that.
    let ended = first.execute(code).with_timeout(short(500)).transactional().run().await;
    let third = takers.try_recv().unwrap();
    assert!(matches!(ended, Err(Error::Timeout(_))), "{ended:?}");
    for _ in 0..2 {
        assert_eq!(first.state(), State::Poisoned(Poison::NotUndone));
        let error = first.execute("1").run().await.unwrap_err();
        assert!(error.to_string().contains("`undo` tries again"), "{error}");
        let full = first.undo().await;
        assert!(matches!(full, Err(Error::Full { limit: 2 })), "{full:?}");
    }
    drop(third);
    first.undo().await.unwrap();
    assert_eq!(result(&mut first, "next(n)").await, "1");
    // There is nothing more to undo.
    first.undo().await.unwrap();
    assert_eq!(result(&mut first, "next(n)").await, "2");
    drop(second);
}

#[tokio::test]
async fn a_dropped_transaction_can_be_undone() {
    let mut session = session(&narrow(2)).await;
    let code = "x = 2\nprint('begun', flush=True)\nimport time\ntime.sleep(60)";
    for is_undone in [true, false] {
        result(&mut session, "x = 1\nx").await;
        let (sender, mut printed) = mpsc::channel(1);
        let run = session.execute(code).with_output_streaming(sender).transactional().run();
        tokio::select! {
            ended = run => panic!("{ended:?}"),
            begun = printed.recv() => assert!(begun.is_some()),
        }
        assert_eq!(session.state(), State::Poisoned(Poison::Dropped));
        if is_undone {
            session.undo().await.unwrap();
            assert_eq!(result(&mut session, "x").await, "1");
        } else {
            session.reset(&Callbacks::default()).await.unwrap();
            session.undo().await.unwrap();
            assert_eq!(result(&mut session, "'x' in globals()").await, "false");
        }
    }
    // Of another run nothing is known.
    let stopped = session.execute("while True: pass").with_timeout(short(50)).run().await;
    assert!(matches!(stopped, Err(Error::Timeout(_))), "{stopped:?}");
    assert!(matches!(session.undo().await, Err(Error::Poisoned(Poison::Limit))));
    session.close();
    assert!(matches!(session.undo().await, Err(Error::Closed)));
}

/// A session's fuel, or who cancels it, does not keep a run from being undone.
#[tokio::test]
async fn what_ended_the_run_does_not_end_its_undoing() {
    let executor = narrow(2);
    let token = eryx::CancellationToken::new();
    let mut options = RunOptions::default();
    options.cancellation = Some(token.clone());
    let mut session = SessionExecutor::with_options(executor.clone(), options).await.unwrap();
    session.snapshot_image().await.unwrap();
    result(&mut session, "x = 1\nx").await;
    let cancel = async {
        tokio::time::sleep(short(100)).await;
        token.cancel();
    };
    let run = session.execute("x = 2\nwhile True: pass").transactional().run();
    let (ended, ()) = tokio::join!(run, cancel);
    assert!(matches!(ended, Err(Error::Cancelled(_))), "{ended:?}");
    assert_eq!(session.state(), State::Ready);
    let refused = session.reset(&Callbacks::default()).await;
    assert!(matches!(refused, Err(Error::Cancelled(_))), "{refused:?}");
    assert_eq!(session.state(), State::Ready);
    let mut session = self::session(&executor).await;
    result(&mut session, "x = 1\nx").await;
    session.set_fuel_limit(Some(10));
    let ended = session.execute("x = 2").transactional().run().await;
    assert!(matches!(ended, Err(Error::FuelExhausted { limit: 10, .. })), "{ended:?}");
    session.set_fuel_limit(None);
    assert_eq!(result(&mut session, "x").await, "1");
}

#[tokio::test]
async fn files_of_a_dropped_transaction_are_put_back() {
    let session = sandbox().session().await.unwrap();
    session.execute("open('/data/a', 'w').write('before')").await.unwrap();
    let code = "open('/data/a', 'w').write('after')\nimport time\ntime.sleep(60)";
    let run = session.execute_transactional(code);
    assert!(tokio::time::timeout(short(300), run).await.is_err());
    assert_eq!(session.state(), State::Poisoned(Poison::Dropped));
    session.reset().await.unwrap();
    let output = session.execute("print(open('/data/a').read())").await.unwrap();
    assert_eq!(output.stdout, "before\n");
}

#[tokio::test]
async fn every_call_can_be_dropped_at_any_moment() {
    let sandbox = sandbox();
    let session = sandbox.session().await.unwrap();
    let code = "x = [str(n) for n in range(200_000)]\nopen('/tmp/kept', 'w').write('kept')";
    for round in 0_u64..20 {
        if session.state() != State::Ready {
            session.reset().await.unwrap();
        }
        session.execute(code).await.unwrap();
        let after = short(round / 5 * 3);
        let ended = match round % 5 {
            0 => tokio::time::timeout(after, session.snapshot_state()).await.is_ok(),
            1 => tokio::time::timeout(after, session.snapshot_image()).await.is_ok(),
            2 => tokio::time::timeout(after, session.fork()).await.is_ok(),
            3 => tokio::time::timeout(after, session.clear_state()).await.is_ok(),
            _ => tokio::time::timeout(after, session.reset()).await.is_ok(),
        };
        let state = session.state();
        let fits = match state {
            State::Ready => true,
            State::Poisoned(Poison::Dropped | Poison::NotStarted) => !ended,
            _ => false,
        };
        assert!(fits, "round {round}: {state:?}");
    }
    session.reset().await.unwrap();
    let output = session.execute("print(open('/tmp/kept').read())").await.unwrap();
    assert_eq!(output.stdout, "kept\n");
}

#[tokio::test]
async fn restoring_has_a_time_limit_of_its_own() {
    let limits = ResourceLimits::default().with_restore_timeout(short(200));
    let sandbox = Sandbox::embedded().limits(limits).build().unwrap();
    let session = sandbox.session().await.unwrap();
    let code = "
class Slow:
    def __reduce__(self):
        return forever, ()
def forever():
    while True: pass
x = Slow()";
    session.execute(code).await.unwrap();
    let snapshot = session.snapshot_state().await.unwrap();
    let start = Instant::now();
    let error = session.restore_state(&snapshot).await.unwrap_err();
    assert!(matches!(&error, Error::Timeout(limit) if **limit == short(200)), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(session.state(), State::Poisoned(Poison::Limit));
    let zero = ResourceLimits::default().with_restore_timeout(Duration::ZERO);
    assert!(matches!(zero.check(), Err(Error::Config(_))));
}

#[tokio::test]
async fn who_answers_learns_that_the_run_is_over() {
    let echo = DynamicCallback::new("echo", |_| async { Ok(json!(1)) });
    let callbacks = Callbacks::new([Arc::new(echo) as Arc<dyn Callback>]).unwrap();
    let mut session = session(&narrow(1)).await;
    for code in ["await echo()", "1 / 0", "import time\ntime.sleep(60)"] {
        let (sender, mut requests) = mpsc::channel(1);
        let run = session.execute(code).with_callbacks(&callbacks, &sender);
        drop(sender);
        let run = run.with_timeout(short(300)).run();
        let answer = async {
            // Ends with the run.
            while let Some(request) = requests.recv().await {
                request.reply.send(Ok(json!(1).into())).unwrap();
            }
        };
        let both = async { tokio::join!(run, answer).0 };
        let ended = tokio::time::timeout(Duration::from_secs(20), both).await;
        assert!(ended.is_ok(), "{code}: somebody still could ask");
    }
}

/// Tells how many of its calls are alive.
fn counted(alive: &Arc<AtomicUsize>, most: &Arc<AtomicUsize>) -> DynamicCallback {
    struct Alive(Arc<AtomicUsize>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let (alive, most) = (Arc::clone(alive), Arc::clone(most));
    DynamicCallback::new("wait", move |_| {
        most.fetch_max(alive.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let one = Alive(Arc::clone(&alive));
        async move {
            std::future::pending::<()>().await;
            drop(one);
            Ok::<Value, CallbackError>(Value::Null)
        }
    })
}

/// Calls that are given up make room for others, and none goes on uncounted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_37_calls_that_are_given_up() {
    let (alive, most) = (Arc::default(), Arc::default());
    let limits = CallbackLimits::default().with_in_flight(4);
    let sandbox = Sandbox::embedded()
        .limits(ResourceLimits::default().with_callbacks(limits))
        .callback(counted(&alive, &most))
        .build()
        .unwrap();
    let code = "
import asyncio
async def one():
    try:
        await asyncio.wait_for(wait(), 0.002)
    except TimeoutError:
        return 1
for _ in range(20):
    assert sum(await asyncio.gather(*[one() for _ in range(8)])) == 8
print('done')";
    let output = sandbox.execute(code).await.unwrap();
    assert_eq!(output.stdout, "done\n");
    // Those whose turn did not come were never made.
    assert!((8..=160).contains(&output.callback_invocations), "{output:?}");
    assert!(most.load(Ordering::SeqCst) <= 4, "{most:?} at once");
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

/// When a run is over, nothing of it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_41_a_call_that_is_pending_ends_with_the_run() {
    let (alive, most) = (Arc::default(), Arc::default());
    let sandbox = Sandbox::embedded().callback(counted(&alive, &most)).build().unwrap();
    for _ in 0..20 {
        let run = sandbox.prepare("await wait()").with_timeout(short(20)).run();
        assert!(matches!(run.await, Err(Error::Timeout(_))));
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
    for _ in 0..20 {
        let run = sandbox.execute_cancellable("await wait()");
        while alive.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        run.cancel();
        assert!(matches!(run.wait().await, Err(Error::Cancelled(_))));
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
    let code = "import asyncio\ntask = asyncio.create_task(wait())\nawait asyncio.sleep(0)";
    sandbox.execute(code).await.unwrap();
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

/// What few bytes of JSON would take much memory for is refused.
#[tokio::test]
async fn case_43_many_small_values() {
    let count = DynamicCallback::new("count", |arguments| async move {
        Ok(json!(arguments.json["values"].as_array().map(Vec::len)))
    })
    .parameter("values", json!({}), true);
    let sandbox = Sandbox::embedded().callback(count).build().unwrap();
    let code = "
print(await count([1] * 90_000))
try:
    await count([1] * 300_000)
except CallbackError as error:
    print(error)";
    let code = format!("from eryx import CallbackError{code}");
    let output = sandbox.execute(code).await.unwrap();
    let text = "90000\nthere are more than 100000 values and keys, the limit\n";
    assert_eq!(output.stdout, text);
}

/// The files of a session are its own whichever way it is opened, and follow it.
#[tokio::test]
async fn files_of_a_session_without_a_facade() {
    load_metered().await;
    let executor = sandbox().executor().clone();
    let options = RunOptions::default();
    let mut session = SessionExecutor::with_options(executor, options).await.unwrap();
    let none = Callbacks::default();
    let write = |text: &str| format!("open('/data/a', 'w').write('{text}')");
    let read = "print(open('/data/a').read(), end='')";
    session.execute(write("first")).run().await.unwrap();
    session.reset(&none).await.unwrap();
    assert_eq!(session.execute(read).run().await.unwrap().stdout, "first");
    let image = session.snapshot_image().await.unwrap();
    session.restore_image(&image).await.unwrap();
    assert_eq!(session.execute(read).run().await.unwrap().stdout, "first");
    let mut fork = session.fork().await.unwrap();
    assert_eq!(fork.execute(read).run().await.unwrap().stdout, "first");
    fork.execute(write("fork")).run().await.unwrap();
    fork.reset(&none).await.unwrap();
    assert_eq!(fork.execute(read).run().await.unwrap().stdout, "fork");
    assert_eq!(session.execute(read).run().await.unwrap().stdout, "first");
    let failing = format!("{}\n1 / 0", write("undone"));
    session.execute(failing).transactional().run().await.unwrap_err();
    assert_eq!(session.execute(read).run().await.unwrap().stdout, "first");
    let fueled = session.execute(read).with_fuel_limit(1_000_000_000).run().await.unwrap();
    assert_eq!(fueled.stdout, "first");
}

/// Programs of a copy are named after those that the original had run.
#[tokio::test]
async fn a_copy_goes_on_counting() {
    let sandbox = sandbox();
    let session = sandbox.session().await.unwrap();
    session.execute("def fail():\n    raise ValueError('of the first')").await.unwrap();
    let image = session.snapshot_image().await.unwrap();
    let image = eryx::PythonImageSnapshot::from_bytes(&image.to_bytes()).unwrap();
    let copy = eryx::Session::from_image(&sandbox, &image).await.unwrap();
    assert_eq!(copy.lock().unwrap().execution_count(), 1);
    copy.execute("x = 1\nx = 2").await.unwrap();
    let Err(Error::Execution(raised)) = copy.execute("fail()").await else { panic!() };
    assert!(raised.traceback.contains("raise ValueError('of the first')"), "{}", raised.traceback);
}
