//! Case 63 of THREATS.md: limits and settings at their ends are taken, or refused with
//! `Config`. Nothing overflows, and what comes next works.

use crate::support::{in_time, load_metered, sandbox, stdout, with};
use eryx::{
    CallbackLimits, Callbacks, DynamicCallback, Error, PythonEngine, ResourceLimits, Sandbox,
    SnapshotOptions, TraceOptions,
};
use std::time::Duration;

/// Uses what is limited.
const USES: &str = "
import asyncio, sys, time
print('out')
print('err', file=sys.stderr)
time.sleep(0.001)
await asyncio.sleep(0.001)
answer = [await echo(1), await echo(b'bytes'), await asyncio.gather(echo(2), echo(3))]
'result'
";

fn echo() -> DynamicCallback {
    DynamicCallback::new("echo", |arguments| async move {
        Ok(arguments.json.get("value").cloned().unwrap_or_default())
    })
    .parameter("value", serde_json::json!({}), true)
}

/// Runs under these limits: by itself, and in a session.
async fn survives(name: &str, limits: &ResourceLimits) {
    let build = Sandbox::embedded().callback(echo()).limits(limits.clone()).build();
    let sandbox = build.unwrap();
    for code in [USES, "print('a' * 5000)\nraise ValueError('b' * 5000)", "'c' * 5000"] {
        let most = Duration::from_secs(10);
        let alone = in_time(most, async || sandbox.execute(code).await).await;
        expected(name, alone.map(drop));
        match sandbox.session().await {
            Ok(session) => {
                expected(name, session.execute(code).await.map(drop));
                expected(name, session.execute(code).await.map(drop));
            }
            Err(error) => assert!(matches!(error, Error::Config(_)), "{name}: {error:?}"),
        }
    }
    assert_eq!(stdout("print(1)").await, "1\n");
}

/// No limit makes the interpreter crash or the host give up.
fn expected(name: &str, ended: Result<(), Error>) {
    if let Err(error) = ended {
        let is_fine = matches!(
            error,
            Error::Config(_)
                | Error::Execution(_)
                | Error::Timeout(_)
                | Error::FuelExhausted { .. }
                | Error::Memory(_)
                | Error::Output(_)
                | Error::Poisoned(_)
        );
        assert!(is_fine, "{name}: {error:?}");
    }
}

type Set = fn(&mut ResourceLimits, bool);

/// Each limit, at its least and at its most.
const LIMITS: &[(&str, Set)] = &[
    ("timeout", |limits, most| limits.timeout = Some(time(most))),
    ("soft_timeout", |limits, most| {
        limits.timeout = None;
        limits.soft_timeout = Some(time(most));
    }),
    ("memory_bytes", |limits, most| limits.memory_bytes = number(most)),
    ("stdout_bytes", |limits, most| limits.stdout_bytes = number(most)),
    ("stderr_bytes", |limits, most| limits.stderr_bytes = number(most)),
    ("traceback_bytes", |limits, most| limits.traceback_bytes = if most { u32::MAX } else { 0 }),
    ("result_bytes", |limits, most| limits.result_bytes = if most { u32::MAX } else { 0 }),
    ("fuel", |limits, most| limits.fuel = Some(number(most))),
    ("operations", |limits, most| limits.operations = size(most)),
    ("calls", |limits, most| limits.callbacks.calls = number(most)),
    ("in_flight", |limits, most| limits.callbacks.in_flight = size(most)),
    ("with_in_flight", |limits, most| {
        limits.callbacks = CallbackLimits::default().with_in_flight(size(most));
    }),
    ("callback timeout", |limits, most| limits.callbacks.timeout = Some(time(most))),
    ("argument_bytes", |limits, most| limits.callbacks.argument_bytes = size(most)),
    ("reply_bytes", |limits, most| limits.callbacks.reply_bytes = size(most)),
    ("depth", |limits, most| limits.callbacks.depth = size(most)),
    ("values", |limits, most| limits.callbacks.values = size(most)),
    ("restore_timeout", |limits, most| limits.restore_timeout = Some(time(most))),
];

fn time(most: bool) -> Duration {
    if most { Duration::MAX } else { Duration::ZERO }
}

fn number(most: bool) -> u64 {
    if most { u64::MAX } else { 0 }
}

fn size(most: bool) -> usize {
    if most { usize::MAX } else { 0 }
}

#[tokio::test]
async fn case_63_each_limit_at_its_ends() {
    load_metered().await;
    for (name, set) in LIMITS {
        for most in [false, true] {
            let mut limits = ResourceLimits::default().with_timeout(Duration::from_secs(5));
            set(&mut limits, most);
            survives(&format!("{name}, most: {most}"), &limits).await;
        }
    }
}

#[tokio::test]
async fn case_63_all_limits_at_their_ends() {
    load_metered().await;
    for most in [false, true] {
        let mut limits = ResourceLimits::default();
        for (name, set) in LIMITS {
            // These leave nothing to see of the others.
            if most || !["timeout", "memory_bytes", "restore_timeout"].contains(name) {
                set(&mut limits, most);
            }
        }
        // JSON cannot be nested deeper.
        limits.callbacks.depth = limits.callbacks.depth.min(127);
        limits.timeout.get_or_insert(Duration::from_secs(5));
        survives(&format!("all, most: {most}"), &limits).await;
    }
}

#[tokio::test]
async fn case_63_the_widest_limits_hold_what_there_is() {
    let mut limits = ResourceLimits::default().with_memory_bytes(u64::MAX);
    (limits.result_bytes, limits.traceback_bytes) = (u32::MAX, u32::MAX);
    let sandbox = with(limits.with_output_bytes(u64::MAX));
    let output = sandbox.execute("print('o' * 20_000_000)\n'r' * 20_000_000").await.unwrap();
    assert_eq!(output.stdout.len(), 20_000_001);
    assert_eq!(output.result.unwrap().as_str().len(), 20_000_002);
    let ended = sandbox.execute("raise ValueError('m' * 20_000_000)").await;
    let exception = crate::support::exception(ended);
    // Of an exception the guest tells some megabytes at most.
    assert!(exception.message.len() > 4_000_000);
    assert!(exception.traceback.len() > 4_000_000);
}

#[tokio::test]
async fn case_63_settings_of_runs_and_sessions() {
    let sandbox = sandbox();
    for most in [false, true] {
        let trace = TraceOptions::default().with_kept(size(most));
        let run = sandbox.prepare("x = 1").with_trace(trace).with_seed(number(most));
        let output = run.run().await.unwrap();
        assert_eq!(output.trace.is_empty(), !most);
        let run = sandbox.prepare("x = 1").with_timeout(time(most)).run().await;
        assert!(if most { run.is_ok() } else { matches!(run, Err(Error::Config(_))) });

        let session = sandbox.session().await.unwrap();
        let mut lock = session.lock().unwrap();
        lock.set_execution_timeout(Some(time(most)));
        let ended = lock.execute("1").run().await;
        assert!(if most { ended.is_ok() } else { matches!(ended, Err(Error::Config(_))) });
        lock.set_execution_timeout(None);
        lock.set_fuel_limit(Some(number(most)));
        let ended = lock.execute("1").run().await;
        let is_used_up = matches!(ended, Err(Error::FuelExhausted { .. }));
        assert!(if most { ended.is_ok() } else { is_used_up }, "{ended:?}");
        lock.set_fuel_limit(None);
        lock.reset(&Callbacks::default()).await.unwrap();
        lock.execute("x = 5").run().await.unwrap();
        let options = SnapshotOptions::default().with_max_bytes(number(most));
        assert_eq!(lock.snapshot_state_with(&options).await.is_ok(), most);
        assert_eq!(lock.execute("x").run().await.unwrap().result.unwrap().as_str(), "5");
    }
}

#[tokio::test]
async fn case_63_settings_of_sandboxes() {
    for number in [0, u32::MAX] {
        let built = Sandbox::embedded().instances(number).build();
        assert!(matches!(built, Err(Error::Config(_))), "{built:?}");
        assert!(PythonEngine::with_instances(number).is_err());
    }
    let long = "x".repeat(1 << 20);
    for text in ["", "\0", "\u{feff}", "a/../b", long.as_str()] {
        let sandbox = Sandbox::embedded().filename(text).args([text]).env(text, text).build();
        let sandbox = sandbox.unwrap();
        let ended = sandbox.execute("import sys\nprint(len(sys.argv))").await;
        match ended {
            Ok(output) => assert_eq!(output.stdout, "2\n"),
            Err(error) => assert!(matches!(error, Error::Config(_)), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn case_63_what_the_guest_says_by_hand() {
    let code = "
import _eryx
for number in 0, 1, 2**31, 2**32 - 1:
    _eryx.cancel(number)
    print(_eryx.take_call(number)[0] > 1, _eryx.start_call(number, (), {})[0] > 1)
for arguments in (0,), (0, None), (0, {}, 1), (-1, {}), (2**64, {}):
    try:
        print(_eryx.wait(*arguments))
    except (OverflowError, TypeError):
        pass
for number in -1, 2**32, 2**64, 'a', None:
    for call in _eryx.cancel, _eryx.take_call, lambda n: _eryx.start_call(n, (), ()):
        try:
            print(call(number))
        except (OverflowError, TypeError, ValueError):
            pass
print(_eryx.wait(0, {}))
";
    let printed = stdout(code).await;
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines[..4], ["True True"; 4]);
    let limits = ResourceLimits::default().with_timeout(Duration::from_millis(300));
    for time in ["2**63", "2**64 - 1"] {
        let ended =
            with(limits.clone()).execute(format!("import _eryx\n_eryx.wait({time}, {{}})")).await;
        crate::support::timed_out(ended, Duration::from_millis(300));
    }
}
