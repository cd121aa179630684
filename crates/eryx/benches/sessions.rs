//! What live sessions cost: runs, starts, snapshots, images and forks.
//!
//! `cargo bench -p eryx --bench sessions`
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![expect(clippy::print_stderr, reason = "sizes belong to the figures")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use eryx::{Sandbox, Session};
use tokio::runtime::{Builder, Runtime};

const TEN_VARIABLES: &str = "
a, b, c, d = 1, 2.5, 'text', b'bytes'
e, f, g = [1, 2, 3], {'k': 'v'}, (1, 2)
h, i = {1, 2, 3}, None
def j(x):
    return x + a
";
const LIST: &str = "x = list(range(131_072))";

const TEN_MB: &str = "x = [bytes([i % 256]) * 1000 for i in range(10_000)]";

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn session(runtime: &Runtime, code: &str) -> Session {
    runtime.block_on(async {
        let session = Sandbox::embedded().build().unwrap().session().await.unwrap();
        session.execute(code).await.unwrap();
        session
    })
}

fn runs(c: &mut Criterion) {
    let runtime = runtime();
    let live = session(&runtime, "x = 0");
    c.bench_function("session/x += 1", |b| {
        b.iter(|| runtime.block_on(live.execute("x += 1")).unwrap());
    });
    let mut number = 0;
    c.bench_function("session/x += 1, each time another text", |b| {
        b.iter(|| {
            number += 1;
            runtime.block_on(live.execute(format!("x += {number}"))).unwrap();
        });
    });
    let sandbox = Sandbox::embedded().build().unwrap();
    c.bench_function("session/open, first run, drop", |b| {
        b.iter(|| {
            runtime.block_on(async {
                sandbox.session().await.unwrap().execute("x = 1").await.unwrap();
            });
        });
    });
    // What a pool does before it is asked.
    let ready = || {
        runtime.block_on(async {
            let session = sandbox.session().await.unwrap();
            session.lock().unwrap().warm_up().await.unwrap();
            session
        })
    };
    c.bench_function("session/first run in a ready one", |b| {
        b.iter_batched(
            ready,
            |session| {
                runtime.block_on(session.execute("x = 1")).unwrap();
                session
            },
            BatchSize::PerIteration,
        );
    });
}

fn snapshots(c: &mut Criterion) {
    let runtime = runtime();
    for (name, code) in [("10 variables", TEN_VARIABLES), ("131,072 ints", LIST)] {
        let live = session(&runtime, code);
        c.bench_function(&format!("state/{name}, save"), |b| {
            b.iter(|| runtime.block_on(live.snapshot_state()).unwrap());
        });
        let state = runtime.block_on(live.snapshot_state()).unwrap();
        c.bench_function(&format!("state/{name}, restore"), |b| {
            b.iter(|| runtime.block_on(live.restore_state(&state)).unwrap());
        });
    }
}

fn images(c: &mut Criterion) {
    let runtime = runtime();
    let sandbox = Sandbox::embedded().build().unwrap();
    for (name, code) in [("x = 1", "x = 1"), ("131,072 ints", LIST), ("10 MB", TEN_MB)] {
        let live = session(&runtime, code);
        c.bench_function(&format!("image/{name}, capture"), |b| {
            b.iter(|| runtime.block_on(live.snapshot_image()).unwrap());
        });
        let image = runtime.block_on(live.snapshot_image()).unwrap();
        c.bench_function(&format!("image/{name}, start from it and run"), |b| {
            b.iter(|| {
                runtime.block_on(async {
                    let session = Session::from_image(&sandbox, &image).await.unwrap();
                    session.execute("None").await.unwrap();
                });
            });
        });
        c.bench_function(&format!("image/{name}, fork and drop"), |b| {
            b.iter(|| drop(runtime.block_on(live.fork()).unwrap()));
        });
        let kept = image.to_bytes();
        eprintln!("image/{name}: {} bytes in memory, {} kept", image.size(), kept.len());
        c.bench_function(&format!("image/{name}, to bytes"), |b| b.iter(|| image.to_bytes()));
    }
}

criterion_group!(benches, runs, snapshots, images);
criterion_main!(benches);
