//! What a fresh interpreter costs, and what Python costs in it.
//!
//! `cargo bench -p eryx --bench fresh`
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use criterion::{Criterion, criterion_group, criterion_main};
use eryx::Sandbox;
use std::hint::black_box;
use tokio::runtime::{Builder, Runtime};

/// The six-line script of the issue: what a short program that a model wrote
/// does.
const SIX_LINES: &str = r#"
import json
data = json.loads('{"items": [{"n": 1, "p": 2.5}, {"n": 3, "p": 4.0}]}')
total = sum(item["n"] * item["p"] for item in data["items"])
names = [f"item {index}" for index, _ in enumerate(data["items"])]
print(json.dumps({"total": total, "names": names}))
"#;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

/// Create, run, drop: everything that a caller pays.
fn once(runtime: &Runtime, code: &str) {
    let sandbox = Sandbox::embedded().build().unwrap();
    let output = runtime.block_on(sandbox.execute(code)).unwrap();
    drop(black_box(output));
}

fn fresh(c: &mut Criterion) {
    let runtime = runtime();
    c.bench_function("fresh/x=1", |b| b.iter(|| once(&runtime, "x=1")));
    c.bench_function("fresh/print", |b| b.iter(|| once(&runtime, "print('hi')")));
    c.bench_function("fresh/six lines", |b| b.iter(|| once(&runtime, SIX_LINES)));
}

criterion_group!(benches, fresh);
criterion_main!(benches);
