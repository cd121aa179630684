//! Sessions that move into an interpreter that counts fuel: in the time of what they
//! move for, and with everything.

use crate::support::{load_metered, repository};
use eryx::{
    Callbacks, CancellationToken, Error, ExecutorBuilder, MinimalState, PythonExecutor,
    ResourceLimits, RunOptions, RuntimeSource, SessionExecutor, State,
};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

const FUEL: u64 = 1_000_000_000;

/// Far more than what is tried takes, on a machine with other things to do, and less
/// than anybody would wait.
const AT_ONCE: Duration = Duration::from_secs(20);

/// One whose code that counts fuel cannot be loaded before the sender is dropped.
fn slow_to_count() -> (PythonExecutor, Sender<()>) {
    let (sender, receiver) = channel();
    let (receiver, linked) = (Mutex::new(receiver), AtomicUsize::new(0));
    let runtime = RuntimeSource::from_file(repository().join("target/runtime/runtime.wasm"));
    let executor = ExecutorBuilder::new(runtime.unwrap())
        .build_with(MinimalState::new, move |_| {
            if linked.fetch_add(1, Ordering::SeqCst) > 0 {
                receiver.lock().unwrap().recv().unwrap_err();
            }
            Ok(())
        })
        .unwrap();
    (executor, sender)
}

fn short() -> Duration {
    Duration::from_millis(200)
}

async fn session(executor: &PythonExecutor) -> SessionExecutor {
    SessionExecutor::new(executor.clone(), &Callbacks::default()).await.unwrap()
}

async fn result(session: &mut SessionExecutor, code: &str) -> String {
    session.execute(code).run().await.unwrap().result.unwrap().as_str().to_owned()
}

fn timed_out<T>(what: &str, ended: Result<T, Error>) {
    let Err(error) = ended else { panic!("{what} was not stopped") };
    assert!(matches!(&error, Error::Timeout(limit) if **limit == short()), "{what}: {error:?}");
}

#[tokio::test]
async fn a_run_that_has_to_move_first_ends_in_time() {
    let (executor, release) = slow_to_count();
    let mut session = session(&executor).await;
    result(&mut session, "n = iter(range(9))\nnext(n)").await;
    let start = Instant::now();
    for is_transactional in [false, true] {
        let run = session.execute("next(n)").with_fuel_limit(FUEL).with_timeout(short());
        let run = if is_transactional { run.transactional() } else { run };
        timed_out("the run", run.run().await);
        assert_eq!((session.state(), session.execution_count()), (State::Ready, 1));
    }
    let token = CancellationToken::new();
    let cancel = async {
        tokio::time::sleep(short()).await;
        token.cancel();
    };
    let run = session.execute("next(n)").with_fuel_limit(FUEL).with_cancellation(token.clone());
    let (ended, ()) = tokio::join!(run.run(), cancel);
    assert!(matches!(ended, Err(Error::Cancelled(_))), "{ended:?}");
    // What cannot be run moves nothing.
    for (code, name) in [("a\0b", "a.py"), ("1", "a\0b")] {
        let refused = session.execute(code).with_filename(name).with_fuel_limit(FUEL).run().await;
        assert!(matches!(refused, Err(Error::Config(_))), "{refused:?}");
    }
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    assert_eq!((session.state(), session.execution_count()), (State::Ready, 1));
    // It is where it was, and moves once it can.
    assert_eq!(result(&mut session, "next(n)").await, "1");
    drop(release);
    let run = session.execute("next(n)").with_fuel_limit(FUEL);
    let output = run.with_timeout(Duration::from_mins(5)).run().await.unwrap();
    assert_eq!(output.result.unwrap().as_str(), "2");
    assert!(output.fuel_consumed.is_some_and(|fuel| fuel < FUEL));
}

#[tokio::test]
async fn all_else_that_has_to_move_first_ends_in_time() {
    let (executor, release) = slow_to_count();
    let mut session = session(&executor).await;
    result(&mut session, "n = [1]\nn").await;
    let saved = session.snapshot_state().await.unwrap();
    let image = session.snapshot_image().await.unwrap();
    session.set_fuel_limit(Some(FUEL));
    session.set_execution_timeout(Some(short()));
    let start = Instant::now();
    timed_out("snapshot_state", session.snapshot_state().await);
    timed_out("restore_state", session.restore_state(&saved).await);
    timed_out("restore_state_anew", session.restore_state_anew(&saved).await);
    timed_out("restore_image", session.restore_image(&image).await);
    timed_out("clear_state", session.clear_state().await);
    timed_out("reset", session.reset(&Callbacks::default()).await);
    timed_out("fork", session.fork().await);
    timed_out("warm_up", session.warm_up().await);
    let mut options = RunOptions::default();
    options.limits = ResourceLimits::default().with_fuel(FUEL).with_timeout(short());
    timed_out("new", SessionExecutor::with_options(executor.clone(), options).await);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    session.set_fuel_limit(None);
    assert_eq!(session.state(), State::Ready);
    assert_eq!(result(&mut session, "n").await, "[1]");
    drop(release);
}

/// What a session is given to do with its variables, all of which never ends.
const ENDLESS: &str = "
def forever(*_):
    while True: pass
class Slow:
    def __reduce__(self): return forever, ()
class Saved:
    def __reduce__(self): forever()
class Dropped:
    def __del__(self):
        while True: pass
";

/// The fuel of a session that was started without holds for all that it does.
#[tokio::test]
async fn fuel_of_what_is_no_run() {
    load_metered().await;
    let executor = crate::support::sandbox().executor().clone();
    let mut sessions = Vec::new();
    for variable in ["Slow()", "Saved()", "Dropped()"] {
        let mut session =
            SessionExecutor::new(executor.clone(), &Callbacks::default()).await.unwrap();
        session.execute(format!("{ENDLESS}x = {variable}")).run().await.unwrap();
        sessions.push(session);
    }
    let [slow, saved, dropped] = &mut sessions[..] else { panic!() };
    let snapshot = slow.snapshot_state().await.unwrap();
    for session in [&mut *slow, &mut *saved, &mut *dropped] {
        // A few times what the rest of it takes.
        session.set_fuel_limit(Some(100_000_000));
        session.set_execution_timeout(Some(Duration::from_mins(2)));
    }
    let all = [
        ("restore_state", slow.restore_state(&snapshot).await),
        ("snapshot_state", saved.snapshot_state().await.map(drop)),
        ("clear_state", dropped.clear_state().await),
    ];
    for (what, ended) in all {
        assert!(matches!(ended, Err(Error::FuelExhausted { .. })), "{what}: {ended:?}");
    }
}
