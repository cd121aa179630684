//! What callbacks and streaming cost.
//!
//! `cargo bench -p eryx --bench callbacks`
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "column/sleeper.rs"]
mod sleeper;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use eryx::{CallbackLimits, DynamicCallback, ResourceLimits, Sandbox};
use sleeper::Sleeper;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

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

/// Tokio's sleep counts milliseconds, from the one that has begun: 10 take 11 and more,
/// with Python or without. A thread that sleeps is right to a tenth of one.
fn at_once(c: &mut Criterion) {
    let runtime = runtime();
    let pause = Duration::from_millis(10);
    let code =
        |name| format!("import asyncio\nawait asyncio.gather(*({name}() for _ in range(100)))");
    let rest = DynamicCallback::new("rest", move |_| async move {
        tokio::time::sleep(pause).await;
        Ok(serde_json::Value::Null)
    });
    let sleeper = Sleeper::start();
    let doze = DynamicCallback::new("doze", move |_| {
        let end = sleeper.sleep(pause);
        async move {
            end.await.unwrap();
            Ok(serde_json::Value::Null)
        }
    });
    let sandbox =
        Sandbox::embedded().limits(limits()).callback(rest).callback(doze).build().unwrap();
    let session = runtime.block_on(sandbox.session()).unwrap();
    let mut group = c.benchmark_group("100 callbacks of 10 ms at once");
    for (timer, name) in [("tokio's timer", "rest"), ("a thread's", "doze")] {
        group.bench_function(format!("{timer}, fresh"), |b| {
            b.iter(|| runtime.block_on(sandbox.execute(code(name))).unwrap());
        });
        group.bench_function(format!("{timer}, in a session"), |b| {
            b.iter(|| runtime.block_on(session.execute(code(name))).unwrap());
        });
    }
    group.bench_function("tokio's timer, without Python", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let all: JoinSet<()> = (0..100).map(|_| tokio::time::sleep(pause)).collect();
                all.join_all().await
            })
        });
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
