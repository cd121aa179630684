//! Every call of a session in every state: it works, or fails at once and says how
//! to go on.

use crate::support::sandbox;
use eryx::{
    Error, Poison, PythonImageSnapshot, PythonStateSnapshot, Session, SnapshotOptions, State,
};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

struct Saved {
    state: PythonStateSnapshot,
    image: PythonImageSnapshot,
}

type Ended<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;
type Call = for<'a> fn(&'a Session, &'a Saved) -> Ended<'a>;

/// What needs the interpreter as it is.
const USES: &[(&str, Call)] = &[
    ("execute", |session, _| Box::pin(async { session.execute("x").await.map(drop) })),
    ("transactional", |session, _| {
        Box::pin(async { session.execute_transactional("x").await.map(drop) })
    }),
    ("snapshot_state", |session, _| Box::pin(async { session.snapshot_state().await.map(drop) })),
    ("snapshot_state_with", |session, _| {
        Box::pin(async {
            let options = SnapshotOptions::default().with_files(true);
            session.snapshot_state_with(&options).await.map(drop)
        })
    }),
    ("snapshot_image", |session, _| Box::pin(async { session.snapshot_image().await.map(drop) })),
    ("snapshot_image_with_files", |session, _| {
        Box::pin(async { session.snapshot_image_with_files().await.map(drop) })
    }),
    ("fork", |session, _| Box::pin(async { session.fork().await.map(drop) })),
    ("clear_state", |session, _| Box::pin(session.clear_state())),
    // It brings back what a transaction began with, and there was none.
    ("undo", |session, _| Box::pin(session.undo())),
];

/// What brings another one.
const HEALS: &[(&str, Call)] = &[
    ("reset", |session, _| Box::pin(session.reset())),
    ("restore_state", |session, saved| Box::pin(session.restore_state(&saved.state))),
    ("restore_image", |session, saved| Box::pin(session.restore_image(&saved.image))),
];

async fn start() -> (Session, Saved) {
    let session = sandbox().session().await.unwrap();
    session.execute("x = 1").await.unwrap();
    let state = session.snapshot_state().await.unwrap();
    let image = session.snapshot_image().await.unwrap();
    (session, Saved { state, image })
}

/// Drops a run in its midst.
async fn poison(session: &Session) {
    let run = session.execute("import time\ntime.sleep(60)");
    assert!(tokio::time::timeout(Duration::from_millis(20), run).await.is_err());
    assert_eq!(session.state(), State::Poisoned(Poison::Dropped));
}

async fn refused(name: &str, call: Call, session: &Session, saved: &Saved, says: &str) -> Error {
    let start = Instant::now();
    let Err(error) = call(session, saved).await else { panic!("{name} was not refused") };
    assert!(start.elapsed() < Duration::from_secs(5), "{name} took {:?}", start.elapsed());
    assert!(error.to_string().contains(says), "{name}: {error}");
    error
}

#[tokio::test]
async fn ready() {
    let (session, saved) = start().await;
    for (name, call) in USES.iter().chain(HEALS) {
        call(&session, &saved).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(session.state(), State::Ready, "{name}");
        session.execute("x = 1").await.unwrap();
    }
}

#[tokio::test]
async fn running() {
    let (session, saved) = start().await;
    let mut run = Box::pin(session.execute("import time\ntime.sleep(0.2)\nx"));
    assert!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(session.state(), State::Running);
    for (name, call) in USES.iter().chain(HEALS) {
        let error = refused(name, *call, &session, &saved, "wait for its end").await;
        assert!(matches!(error, Error::Busy), "{name}: {error:?}");
    }
    assert!(matches!(session.close(), Err(Error::Busy)));
    // The run knows nothing of all that.
    assert_eq!(run.await.unwrap().result.unwrap().as_str(), "1");
}

#[tokio::test]
async fn poisoned() {
    let (session, saved) = start().await;
    poison(&session).await;
    for (name, call) in USES {
        let error = refused(name, *call, &session, &saved, "reset the session").await;
        assert!(matches!(error, Error::Poisoned(Poison::Dropped)), "{name}: {error:?}");
        assert_eq!(session.state(), State::Poisoned(Poison::Dropped));
    }
    assert!(session.lock().unwrap().store().is_none());
    for (name, call) in HEALS {
        call(&session, &saved).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(session.state(), State::Ready, "{name}");
        poison(&session).await;
    }
}

#[tokio::test]
async fn closed() {
    let (session, saved) = start().await;
    session.close().unwrap();
    for (name, call) in USES.iter().chain(HEALS) {
        let error = refused(name, *call, &session, &saved, "start another").await;
        assert!(matches!(error, Error::Closed), "{name}: {error:?}");
        assert_eq!(session.state(), State::Closed);
    }
    assert!(session.lock().unwrap().store_mut().is_none());
    session.close().unwrap();
}
