//! Sessions that are started before they are asked for.

use crate::support::sandbox;
use eryx::{Error, PoolOptions, SandboxPool};
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
