//! Sessions that are started before they are asked for.

use crate::support::sandbox;
use eryx::{Error, PoolOptions, Sandbox, SandboxPool};
use std::time::Duration;

#[tokio::test]
async fn nobody_gets_what_another_had() {
    let pool = SandboxPool::new(sandbox(), PoolOptions::default().with_ready(2).with_in_use(2));
    pool.fill().await.unwrap();
    assert_eq!(pool.statistics().ready, 2);
    for _ in 0..10 {
        let session = pool.acquire().await.unwrap();
        let code = "print('x' in globals()); x = 1; open('/tmp/x', 'x').close()";
        assert_eq!(session.execute(code).await.unwrap().stdout, "False\n");
        assert_eq!(session.lock().unwrap().execution_count(), 1);
    }
}

#[tokio::test]
async fn warming_up_changes_nothing() {
    let session = sandbox().session().await.unwrap();
    session.execute("x = 5").await.unwrap();
    let look = "print(sorted(globals()), x)";
    let before = session.execute(look).await.unwrap().stdout;
    session.lock().unwrap().warm_up().await.unwrap();
    assert_eq!(session.execute(look).await.unwrap().stdout, before);
    assert_eq!(session.lock().unwrap().execution_count(), 3);
}

/// None of the places is kept for anything but sessions.
#[tokio::test]
async fn all_places_of_an_engine_can_be_ready() {
    for places in 1..4 {
        let sandbox = Sandbox::embedded().instances(places).build().unwrap();
        let count = usize::try_from(places).unwrap();
        let pool = SandboxPool::new(sandbox, PoolOptions::default().with_ready(count));
        pool.fill().await.unwrap();
        let mut taken = Vec::new();
        for _ in 0..places {
            let session = pool.try_acquire().unwrap();
            let state = session.snapshot_state().await.unwrap();
            session.restore_state(&state).await.unwrap();
            assert_eq!(session.execute("print(1)").await.unwrap().stdout, "1\n");
            taken.push(session);
        }
        assert!(matches!(pool.acquire().await, Err(Error::Full { limit }) if limit == places));
    }
}

#[tokio::test]
async fn chance_differs_between_them() {
    let pool = SandboxPool::new(sandbox(), PoolOptions::default().with_ready(3));
    pool.fill().await.unwrap();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..6 {
        let session = pool.acquire().await.unwrap();
        let output = session.execute("import random; print(random.random())").await.unwrap();
        assert!(seen.insert(output.stdout.into_string()));
    }
}

#[tokio::test]
async fn no_more_are_in_use_than_may_be() {
    let pool = SandboxPool::new(sandbox(), PoolOptions::default().with_ready(1).with_in_use(2));
    pool.fill().await.unwrap();
    let first = pool.try_acquire().unwrap();
    let second = pool.acquire().await.unwrap();
    assert!(pool.try_acquire().is_none());
    assert_eq!(pool.statistics().in_use, 2);

    // Who came first is served first.
    let (order, mut served) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..3 {
        let (same, order) = (pool.clone(), order.clone());
        tokio::spawn(async move {
            let session = same.acquire().await.unwrap();
            order.send(number).unwrap();
            drop(session);
        });
        while pool.statistics().waiting <= number {
            tokio::task::yield_now().await;
        }
    }
    let clone = first.clone();
    drop(first);
    for number in 0..3 {
        assert_eq!(served.recv().await, Some(number));
    }
    assert!(matches!(clone.execute("1").await, Err(Error::Closed)));
    drop(second);
    let statistics = pool.statistics();
    assert_eq!(statistics.taken_ready + statistics.taken_cold, 5);
    assert_eq!(statistics.waiting, 0);
}

#[tokio::test]
async fn what_is_taken_is_started_anew() {
    let pool = SandboxPool::new(sandbox(), PoolOptions::default().with_ready(2));
    let session = pool.acquire().await.unwrap();
    while pool.statistics().ready < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(pool.statistics().taken_cold, 1);
    drop(session);
    assert_eq!(pool.statistics().in_use, 0);
}

/// A clone that still runs has its place until it has ended, and is of no use then.
#[tokio::test]
async fn a_clone_that_runs_ends_with_its_run() {
    let pool = SandboxPool::new(sandbox(), PoolOptions::default().with_ready(1).with_in_use(1));
    let session = pool.acquire().await.unwrap();
    let clone = session.clone();
    let run = tokio::spawn({
        let clone = clone.clone();
        async move { clone.execute("import time\ntime.sleep(0.3)\nprint('ran')").await }
    });
    while clone.state() != eryx::State::Running {
        tokio::task::yield_now().await;
    }
    drop(session);
    assert_eq!(pool.statistics().in_use, 1);
    assert!(pool.try_acquire().is_none());
    assert_eq!(run.await.unwrap().unwrap().stdout, "ran\n");
    assert!(matches!(clone.execute("1").await, Err(Error::Closed)));
    assert_eq!(pool.statistics().in_use, 0);
    pool.acquire().await.unwrap();
}

/// However many ask for it at once, no more are started than shall be ready.
#[tokio::test]
async fn filled_from_several_sides() {
    let pool = SandboxPool::new(sandbox(), PoolOptions::default().with_ready(3).with_in_use(0));
    let (one, two, three) = tokio::join!(pool.fill(), pool.fill(), pool.fill());
    one.and(two).and(three).unwrap();
    assert_eq!(pool.statistics().ready, 3);
    // One, since nobody could ever have one otherwise.
    let session = pool.acquire().await.unwrap();
    assert!(pool.try_acquire().is_none());
    drop(session);
}

/// A task that was to start sessions may end with its runtime: others do it then.
#[test]
fn a_runtime_that_ends_in_the_midst_of_filling() {
    let pool = SandboxPool::new(sandbox(), PoolOptions::default().with_ready(4));
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { pool.acquire().await.unwrap().execute("1").await.unwrap() });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        drop(pool.acquire().await.unwrap());
        while pool.statistics().ready < 4 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}
