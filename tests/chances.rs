//! The random numbers of sessions, above all of those that are copies of others.

use crate::support::run_in as run;
use eryx::{CancellationToken, CopyOptions, Error, PythonImageSnapshot, Sandbox, Session};

/// What draws, and whether the host does.
const DRAWS: [(&str, bool); 3] =
    [("random.random()", false), ("os.urandom(8).hex()", true), ("uuid.uuid4()", true)];

async fn draws(session: &Session) -> [String; 3] {
    let mut drawn = [const { String::new() }; 3];
    for ((code, _), drawn) in DRAWS.iter().zip(&mut drawn) {
        *drawn = run(session, &format!("print({code})")).await;
    }
    drawn
}

/// The ways to a session that is what another is.
async fn copies(sandbox: &Sandbox, session: &Session, copied: CopyOptions) -> [Session; 3] {
    let image = session.snapshot_image().await.unwrap();
    let image = PythonImageSnapshot::from_bytes(&image.to_bytes()).unwrap();
    let restored = sandbox.session().await.unwrap();
    restored.restore_image_with(&image, copied).await.unwrap();
    [
        Session::from_image_with(sandbox, &image, copied).await.unwrap(),
        restored,
        session.fork_with(copied).await.unwrap(),
    ]
}

/// Each way to draw is another in a copy, unless it is asked otherwise; the host's own
/// chance cannot be had twice without a seed.
#[tokio::test]
async fn chances_of_copies() {
    for seed in [None, Some(7)] {
        let sandbox = Sandbox::embedded();
        let sandbox = seed.into_iter().fold(sandbox, eryx::SandboxBuilder::seed).build().unwrap();
        for same in [false, true] {
            let session = sandbox.session().await.unwrap();
            run(&session, "import os, random, uuid\nrandom.random(), os.urandom(8)").await;
            let copied = CopyOptions::default().with_same_chance(same);
            let all = copies(&sandbox, &session, copied).await;
            let original = draws(&session).await;
            for (copy, way) in all.iter().zip(["from_image", "restore_image", "fork"]) {
                let drawn = draws(copy).await;
                for (number, (code, is_hosts)) in DRAWS.iter().enumerate() {
                    let is_same = same && (seed.is_some() || !is_hosts);
                    assert_eq!(
                        original[number] == drawn[number],
                        is_same,
                        "{code} by {way}, seed {seed:?}, same {same}: {original:?} {drawn:?}"
                    );
                }
            }
        }
    }
}

/// Copies of copies, of one that has run nothing yet too: no two draw the same, and with
/// a seed all of them draw the same each time.
#[tokio::test]
async fn chances_of_copies_of_copies() {
    let mut all = Vec::new();
    for _ in 0..2 {
        let sandbox = Sandbox::embedded().seed(7).build().unwrap();
        let session = sandbox.session().await.unwrap();
        let any = CopyOptions::default();
        let mut sessions = vec![session.fork().await.unwrap(), session.fork().await.unwrap()];
        session.execute_transactional("1 / 0").await.unwrap_err();
        sessions.push(session.fork().await.unwrap());
        for number in 0..3 {
            let [by_image, _, fork] = copies(&sandbox, &sessions[number], any).await;
            sessions.extend([by_image, fork]);
        }
        sessions.push(session);
        let mut drawn = Vec::new();
        for session in &sessions {
            run(session, "import os, random, uuid").await;
            drawn.extend(draws(session).await);
        }
        let mut apart = drawn.clone();
        apart.sort();
        apart.dedup();
        assert_eq!(apart.len(), 10 * DRAWS.len(), "{drawn:#?}");
        all.push(drawn);
    }
    assert_eq!(all[0], all[1]);
}

/// A program that was cancelled before its start has not used up the session's chance.
#[tokio::test]
async fn chances_of_sessions_that_were_to_run_nothing() {
    let mut drawn = Vec::new();
    for _ in 0..3 {
        let session = Sandbox::embedded().build().unwrap().session().await.unwrap();
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        let mut locked = session.lock().unwrap();
        let ended = locked.execute("x = 1").with_cancellation(cancelled).run().await;
        assert!(matches!(ended, Err(Error::Cancelled(_))), "{ended:?}");
        drop(locked);
        for _ in 0..2 {
            drawn.push(run(&session, "import random\nprint(random.random())").await);
        }
    }
    drawn.sort();
    drawn.dedup();
    assert_eq!(drawn.len(), 6, "{drawn:?}");
}
