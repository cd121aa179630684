//! How long after its deadline a run returns, whatever it is doing; and what it costs
//! that it can be asked to end before.
//!
//! `cargo bench --workspace --bench ends`
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use criterion::{Criterion, criterion_group, criterion_main};
use eryx::{CallbackError, DynamicCallback, Error, ResourceLimits, Sandbox};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

const DEADLINE: Duration = Duration::from_millis(50);

const PROGRAMS: &[(&str, &str)] = &[
    ("a loop", "while True: pass"),
    (
        "a loop that catches all",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    ),
    ("a sleep", "import time\ntime.sleep(3600)"),
    ("a wait of asyncio", "import asyncio\nawait asyncio.sleep(1e6)"),
    ("a callback that never answers", "await never()"),
    ("a sum in C", "sum(range(10**12))"),
    (
        "a search in C",
        "('a' * 10**6).find('a' * 10**5 + 'b')\nimport re\nre.match(r'(a+)+$', 'a' * 40 + 'b')",
    ),
    ("a large number in C", "pow(3, 10**8)"),
    ("a copy in C", "a = bytearray(10**8)\nwhile True: a[:] = a"),
];

fn ends(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let never = DynamicCallback::new("never", |_| {
        std::future::pending::<Result<serde_json::Value, CallbackError>>()
    });
    let limits = ResourceLimits::default().with_timeout(DEADLINE);
    let sandbox = Sandbox::embedded().limits(limits).callback(never).build().unwrap();
    let mut group = c.benchmark_group("ends, beyond the deadline");
    group.sample_size(10).warm_up_time(Duration::from_millis(200));
    group.measurement_time(Duration::from_secs(3));
    for (name, code) in PROGRAMS {
        group.bench_function(*name, |b| {
            b.iter_custom(|times| {
                let late = || {
                    let start = Instant::now();
                    let ended = runtime.block_on(sandbox.execute(*code));
                    assert!(matches!(ended, Err(Error::Timeout(_))), "{ended:?}");
                    start.elapsed().saturating_sub(DEADLINE)
                };
                (0..times).map(|_| late()).sum()
            });
        });
    }
    group.finish();
}

fn asked(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/programs");
    let without = ResourceLimits::default().with_timeout(Duration::from_mins(2));
    let with = without.clone().with_soft_timeout(Duration::from_mins(1));
    let mut group = c.benchmark_group("a soft limit");
    group.sample_size(20);
    for name in ["fib", "nbody"] {
        let code = fs::read_to_string(programs.join(format!("{name}.py"))).unwrap();
        for (has, limits) in [("without", &without), ("with", &with)] {
            let sandbox = Sandbox::embedded().limits(limits.clone()).build().unwrap();
            group.bench_function(format!("{name}, {has}"), |b| {
                b.iter(|| runtime.block_on(sandbox.execute(&*code)).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, ends, asked);
criterion_main!(benches);
