//! What files in memory cost.
//!
//! `cargo bench --workspace --bench files`
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use eryx::{InMemoryStorage, Sandbox, Session, StorageFiles, StorageLimits};
use tokio::runtime::{Builder, Runtime};

const WRITE_AND_READ: &str = "
with open('/data/m', 'wb') as f: f.write(data)
with open('/data/m', 'rb') as f: assert len(f.read()) == len(data)
";

const THOUSAND_FILES: &str = "
for i in range(1000):
    with open(f'/data/d/{i}', 'w') as f: f.write('x')
";

const THOUSAND_GONE: &str = "
for name in os.listdir('/data/d'): os.unlink(f'/data/d/{name}')
";

const PREPARE: &str = "
import os
data = bytes(1 << 20)
os.mkdir('/data/d')
for n in (1000, 10_000):
    os.mkdir(f'/data/{n}')
    for i in range(n): open(f'/data/{n}/{i}', 'w').close()
";

fn session(runtime: &Runtime) -> Session {
    runtime.block_on(async {
        let limits = StorageLimits::default().with_nodes(20_000);
        let storage = InMemoryStorage::with_limits(limits);
        let sandbox = Sandbox::embedded().storage(storage).build().unwrap();
        let session = sandbox.session().await.unwrap();
        session.execute(PREPARE).await.unwrap();
        session
    })
}

fn in_python(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let live = session(&runtime);
    let run = |code: &str| runtime.block_on(live.execute(code)).unwrap();
    c.bench_function("files/write and read 1 MB", |b| b.iter(|| run(WRITE_AND_READ)));
    c.bench_function("files/create 1000", |b| {
        let clean = || drop(run(THOUSAND_GONE));
        b.iter_batched(clean, |()| run(THOUSAND_FILES), BatchSize::PerIteration);
    });
    for count in [1000, 10_000] {
        let code = format!("assert len(os.listdir('/data/{count}')) == {count}");
        c.bench_function(&format!("files/list {count}"), |b| b.iter(|| run(&code)));
        let code = format!("for e in os.scandir('/data/{count}'): e.stat()");
        c.bench_function(&format!("files/list and stat {count}"), |b| b.iter(|| run(&code)));
    }
}

fn fork(c: &mut Criterion) {
    let storage = InMemoryStorage::default();
    for file in 0..50 {
        storage.write(&format!("/{file}"), vec![1; 1_000_000]).unwrap();
    }
    c.bench_function("files/fork 50 MB", |b| b.iter(|| storage.fork()));
}

criterion_group!(benches, in_python, fork);
criterion_main!(benches);
