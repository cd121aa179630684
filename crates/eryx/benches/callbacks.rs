//! What callbacks and streaming cost.
//!
//! `cargo bench -p eryx --bench callbacks`
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use eryx::{CallbackLimits, DynamicCallback, ResourceLimits, Sandbox};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn limits() -> ResourceLimits {
    let calls = CallbackLimits::default().with_calls(u64::MAX).with_in_flight(1000);
    ResourceLimits::default().with_callbacks(calls)
}

/// A run of so many calls, less a run of none, is what the calls take.
fn one_by_one(c: &mut Criterion) {
    let runtime = runtime();
    let echo =
        DynamicCallback::new(
            "echo",
            |arguments| async move { Ok(arguments.json["value"].clone()) },
        )
        .parameter("value", serde_json::json!({}), true);
    let sandbox = Sandbox::embedded().limits(limits()).callback(echo).build().unwrap();
    for count in [0, 1000] {
        let code = format!("for i in range({count}):\n    await echo(i)");
        c.bench_function(&format!("callbacks/{count} one by one"), |b| {
            b.iter(|| runtime.block_on(sandbox.execute(&*code)).unwrap());
        });
    }
}

fn at_once(c: &mut Criterion) {
    let runtime = runtime();
    let rest = DynamicCallback::new("rest", |_| async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok(serde_json::Value::Null)
    });
    let sandbox = Sandbox::embedded().limits(limits()).callback(rest).build().unwrap();
    let code = "import asyncio\nawait asyncio.gather(*(rest() for _ in range(100)))";
    c.bench_function("callbacks/100 of 10 ms at once", |b| {
        b.iter(|| runtime.block_on(sandbox.execute(code)).unwrap());
    });
    let session = runtime.block_on(sandbox.session()).unwrap();
    c.bench_function("callbacks/100 of 10 ms at once in a session", |b| {
        b.iter(|| runtime.block_on(session.execute(code)).unwrap());
    });
}

fn streaming(c: &mut Criterion) {
    let runtime = runtime();
    let sandbox = Sandbox::embedded().build().unwrap();
    let code = "import sys\nline = 'x' * 999 + '\\n'\nfor _ in range(100):\n    sys.stdout.write(line * 1000)";
    let mut group = c.benchmark_group("streaming");
    group.throughput(Throughput::Bytes(100_000_000)).sample_size(10);
    group.bench_function("100 MB", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let (sender, mut listener) = mpsc::channel(8);
                let run = sandbox.prepare(code).with_output_streaming(sender).run();
                let listen = async {
                    let mut bytes = 0;
                    while let Some(chunk) = listener.recv().await {
                        bytes += chunk.bytes.len();
                    }
                    bytes
                };
                let (ended, bytes) = tokio::join!(run, listen);
                ended.unwrap();
                assert_eq!(bytes, 100_000_000);
            });
        });
    });
    group.finish();
}

criterion_group!(benches, one_by_one, at_once, streaming);
criterion_main!(benches);
