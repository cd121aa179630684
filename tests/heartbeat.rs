//! Whatever guests do, what else runs on the same threads goes on: a task that wakes
//! each 10 ms is never 100 ms late.
#![cfg(target_os = "linux")]

use crate::support::{current_thread, two_workers, with};
use eryx::{DynamicCallback, OutputPolicy, ResourceLimits, Sandbox};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const BEAT: Duration = Duration::from_millis(10);
const LATEST: Duration = Duration::from_millis(100);

/// How long guests do what they do.
const TIME: Duration = Duration::from_millis(600);

/// Lets the heart beat while `work` goes on; tells how late its latest beat was.
async fn latest_beat(work: impl Future<Output = ()>) -> Duration {
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let heart = tokio::spawn(async move {
        let mut latest = Duration::ZERO;
        loop {
            let due = Instant::now() + BEAT;
            let is_over = tokio::time::timeout_at(due.into(), &mut stopped).await.is_ok();
            latest = latest.max(due.elapsed());
            if is_over {
                return latest;
            }
        }
    });
    work.await;
    drop(stop);
    heart.await.unwrap()
}

/// So many programs at once, each a task of its own, until their time is over.
async fn crowd(sandbox: &Sandbox, number: usize, code: &str) {
    let mut runs = JoinSet::new();
    for _ in 0..number {
        let (sandbox, code) = (sandbox.clone(), code.to_owned());
        runs.spawn(async move { sandbox.execute(code).await });
    }
    while let Some(ended) = runs.join_next().await {
        drop(ended.unwrap());
    }
}

/// How much of a processor a thread of this process gets: what else runs on the
/// machine is not to blame on guests.
fn share() -> f64 {
    let time = || -> u64 {
        let all = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        all.split(' ').next().unwrap().parse().unwrap()
    };
    let spin = || {
        let (start, before) = (Instant::now(), time());
        while start.elapsed() < Duration::from_millis(100) {}
        Duration::from_nanos(time() - before).as_secs_f64() / start.elapsed().as_secs_f64()
    };
    let shares = std::thread::scope(|scope| {
        [scope.spawn(spin), scope.spawn(spin)].map(|thread| thread.join().unwrap())
    });
    shares[0].min(shares[1]).clamp(0.05, 1.0)
}

/// Best of three.
fn is_in_time(what: &str, attempt: impl Fn() -> Duration) {
    let mut late = Vec::new();
    while late.len() < 3 {
        let share = share();
        let latest = attempt();
        if latest.mul_f64(share) < LATEST {
            return;
        }
        late.push((latest, share));
    }
    panic!("{what}: the heart beat so late, with this share of a processor: {late:?}");
}

fn beats(runtime: &Runtime, sandbox: &Sandbox, number: usize, code: &str) {
    let attempt = || runtime.block_on(latest_beat(crowd(sandbox, number, code)));
    attempt();
    is_in_time(&format!("{number} of {code:?}"), attempt);
}

fn limits() -> ResourceLimits {
    ResourceLimits::default().with_timeout(TIME)
}

#[test]
fn case_62_while_eight_spin_on_two_workers() {
    for code in ["while True: pass", "while True: sum(range(1000))"] {
        beats(&two_workers(), &with(limits()), 8, code);
    }
}

#[test]
fn while_eight_spin_on_one_thread() {
    beats(&current_thread(), &with(limits()), 8, "while True: pass");
}

#[test]
fn while_forty_spin() {
    beats(&two_workers(), &with(limits()), 40, "while True: pass");
    beats(&current_thread(), &with(limits()), 40, "while True: pass");
}

#[test]
fn while_programs_print_without_end() {
    for policy in [OutputPolicy::Truncate, OutputPolicy::Stop] {
        let sandbox = with(limits().with_output_policy(policy));
        for code in [
            "while True: print('x' * 10**6)",
            "while True: print()",
            "import os\nwhile True: os.write(1, bytes(10**7))",
        ] {
            beats(&two_workers(), &sandbox, 4, code);
            beats(&current_thread(), &sandbox, 2, code);
        }
    }
}

#[test]
fn while_programs_allocate() {
    for code in [
        "x = []\nwhile True: x.append(bytearray(10**6))",
        "x = []\nwhile True: x.append('a' * 1000 + str(len(x)))",
        "while True: bytearray(200 << 20)",
        "while True:\n    try: bytearray(1 << 34)\n    except MemoryError: pass",
    ] {
        beats(&two_workers(), &with(limits()), 2, code);
        beats(&current_thread(), &with(limits()), 1, code);
    }
}

#[test]
fn while_programs_crash() {
    let code = "import os\nos.abort()";
    let many = async |sandbox: &Sandbox| {
        for _ in 0..20 {
            crowd(sandbox, 4, code).await;
        }
    };
    for runtime in [two_workers(), current_thread()] {
        let sandbox = with(limits());
        is_in_time("crashes", || runtime.block_on(latest_beat(many(&sandbox))));
    }
}

#[test]
fn while_callbacks_are_called_without_end() {
    let echo = DynamicCallback::new("echo", |arguments| async move { Ok(arguments.json) });
    let mut limits = limits();
    limits.callbacks = limits.callbacks.with_calls(u64::MAX);
    let sandbox = Sandbox::embedded().limits(limits).callback(echo).build().unwrap();
    for runtime in [two_workers(), current_thread()] {
        beats(&runtime, &sandbox, 4, "while True: await echo()");
    }
}
