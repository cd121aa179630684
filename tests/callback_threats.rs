//! The cases of THREATS.md that concern callbacks: alone and in a session, on one
//! thread and on several.

use crate::support::{
    PROMISE, current_thread, exception, grows_by, in_both_ways, in_time, run_in, stdout_of,
    timed_out, two_workers,
};
use eryx::{
    Bytes, CallbackError, CallbackLimits, CallbackReply, DynamicCallback, Error, ResourceLimits,
    Sandbox, State, TraceOptions,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Far beyond what a busy machine takes for any of these.
const LIMIT: Duration = Duration::from_mins(5);

/// On both kinds of tokio runtime.
fn on_both(work: impl AsyncFn()) {
    current_thread().block_on(work());
    two_workers().block_on(work());
}

fn sandbox(callback: DynamicCallback, limits: CallbackLimits) -> Sandbox {
    let limits = ResourceLimits::default().with_timeout(LIMIT).with_callbacks(limits);
    Sandbox::embedded().limits(limits).callback(callback).build().unwrap()
}

/// A program that prints this and leaves all usable.
async fn prints(sandbox: &Sandbox, code: &str, expected: &str) {
    in_both_ways(sandbox, LIMIT, code, |ended, state| {
        assert_eq!(ended.unwrap().stdout, expected);
        assert_eq!(state, State::Ready);
    })
    .await;
}

fn echo() -> DynamicCallback {
    DynamicCallback::new("echo", |arguments| async move { Ok(arguments.json["value"].clone()) })
        .parameter("value", json!({}), true)
}

#[test]
fn case_36_a_million_calls() {
    let code = "made = 0\ntry:\n    for _ in range(1_000_000):\n        await echo(1)\n        \
                made += 1\nexcept CallbackError as error:\n    \
                print(made, type(error).__name__, error.kind)";
    on_both(async || {
        let sandbox = sandbox(echo(), CallbackLimits::default());
        grows_by(96, prints(&sandbox, code, "1000 CallbackLimitError limit\n")).await;
        // The next run of a session has as many.
        let session = sandbox.session().await.unwrap();
        for _ in 0..2 {
            let output = session.execute(code).await.unwrap();
            assert_eq!(
                (output.stdout.as_str(), output.callback_invocations),
                ("1000 CallbackLimitError limit\n", 1000)
            );
        }
    });
}

#[test]
fn case_37_ten_thousand_at_once() {
    let code =
        "import asyncio\nprint(len(await asyncio.gather(*(counted() for _ in range(10_000)))))";
    on_both(async || {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let seen = Arc::clone(&most);
        let counted = DynamicCallback::new("counted", move |_| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(Value::Null)
            }
        });
        let limits = CallbackLimits::default().with_calls(10_000);
        grows_by(128, prints(&sandbox(counted, limits), code, "10000\n")).await;
        assert_eq!(seen.load(Ordering::SeqCst), 16);
    });
}

#[test]
fn case_38_a_callback_that_panics() {
    let code = "try:\n    await panics()\nexcept CallbackError as error:\n    \
                print(error.kind, error)";
    let told = "panicked panics failed inside the host\n";
    on_both(async || {
        let panics = DynamicCallback::new("panics", |arguments| async move {
            tokio::task::yield_now().await;
            assert!(arguments.json.is_null(), "a secret of the host");
            Ok(Value::Null)
        });
        let early = DynamicCallback::new("panics", |arguments| {
            assert!(arguments.json.is_null(), "before there is a future");
            async { Ok(Value::Null) }
        });
        for callback in [panics, early] {
            prints(&sandbox(callback, CallbackLimits::default()), code, told).await;
        }
    });
}

fn never() -> DynamicCallback {
    DynamicCallback::new("never", |_| std::future::pending::<Result<Value, CallbackError>>())
}

#[test]
fn case_39_a_callback_that_never_ends() {
    let code = "try:\n    await never()\nexcept TimeoutError as error:\n    \
                print(type(error).__name__, error.kind)";
    on_both(async || {
        let limits = CallbackLimits::default().with_timeout(Duration::from_millis(100));
        let sandbox = sandbox(never(), limits);
        prints(&sandbox, code, "CallbackTimeoutError timed-out\n").await;
    });
}

#[test]
fn case_40_a_callback_that_blocks_its_thread() {
    let blocks = DynamicCallback::new("blocks", |_| async {
        std::thread::sleep(Duration::from_secs(3));
        Ok(Value::Null)
    });
    let limits = ResourceLimits::default().with_timeout(Duration::from_secs(1));
    let sandbox = Sandbox::embedded().limits(limits).callback(blocks).build().unwrap();
    two_workers().block_on(async {
        let other = sandbox.session().await.unwrap();
        let blocked = sandbox.session().await.unwrap();
        let blocked = tokio::spawn(async move {
            let ended = blocked.execute("await blocks()").await;
            (ended, blocked.state())
        });
        let others = async {
            for _ in 0..20 {
                in_time(PROMISE, async || other.execute("print(1)").await).await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        others.await;
        let (ended, state) = blocked.await.unwrap();
        timed_out(ended, Duration::from_secs(1));
        assert!(matches!(state, State::Poisoned(_)));
    });
}

#[test]
fn case_41_a_run_that_ends_with_a_call_pending() {
    on_both(async || {
        let dropped = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&dropped);
        let late = DynamicCallback::new("late", move |_| {
            let guard = CountsDrop(Arc::clone(&counter));
            async move {
                tokio::time::sleep(Duration::from_hours(1)).await;
                drop(guard);
                Ok(Value::Null)
            }
        });
        let limit = Duration::from_millis(300);
        let limits = ResourceLimits::default().with_timeout(limit);
        let sandbox = Sandbox::embedded().limits(limits).callback(late).build().unwrap();
        for code in [
            "await late()",
            "import asyncio\nt = asyncio.create_task(late())\n\
                     await asyncio.sleep(0)\nwhile True: pass",
        ] {
            dropped.store(0, Ordering::SeqCst);
            let ended = in_time(limit + PROMISE, async || sandbox.execute(code).await).await;
            assert_eq!(timed_out(ended, limit).callback_invocations, 1);
            // Its task is told to stop; the next turn of its thread it has.
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(dropped.load(Ordering::SeqCst) >= 1, "{code}: its future was not dropped");
        }
        assert!(stdout_of(&sandbox, "print(1)").await == "1\n");
    });
}

struct CountsDrop(Arc<AtomicUsize>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn case_43_values_that_cannot_cross() {
    let code = "
deep = []
for _ in range(100_000):
    deep = [deep]
circle = []
circle.append(circle)
for value in [float('nan'), float('inf'), 10**40, -2**63 - 1, '\\ud800', deep, circle, {1}, 1j,
              [[b'x']], {1: 'a'}, {None: 1}, [{True: 1}], {'a': ({1.5: 1, '1.5': 1},)}, {(1,): 2}]:
    try:
        await echo(value)
    except TypeError as error:
        assert str(error)
    else:
        raise AssertionError(type(value))
for value in 2**64 - 1, -2**63, 0.1, '\\U0001f600', [[[[]]]]:
    assert await echo(value) == value
print('as they were, or refused')
";
    on_both(async || {
        let sandbox = sandbox(echo(), CallbackLimits::default());
        grows_by(128, prints(&sandbox, code, "as they were, or refused\n")).await;
    });
}

#[tokio::test]
async fn arguments_that_are_too_large_are_refused_and_no_crash() {
    let code = "
for value in 'x' * 2**21, 'x' * 20_000_000, b'x' * 2**21, b'x' * 20_000_000, ['x' * 2**21]:
    try:
        await echo(value)
    except TypeError as error:
        print(type(error).__name__, error.kind, 'bytes; 1048576 may be' in str(error))
try:
    await echo(1, **{'n' * 20_000_000: b'x'})
except TypeError as error:
    print('refused')
";
    let refused = "CallbackArgumentError invalid-arguments True\n".repeat(5);
    let sandbox = sandbox(echo(), CallbackLimits::default());
    prints(&sandbox, code, &format!("{refused}refused\n")).await;
}

#[tokio::test]
async fn arguments_can_be_as_large_as_the_host_lets_them() {
    let mut limits = CallbackLimits::default();
    (limits.argument_bytes, limits.reply_bytes) = (32 << 20, 32 << 20);
    let code = "value = 'x' * 25_000_000\nprint(await echo(value) == value)";
    prints(&sandbox(echo(), limits), code, "True\n").await;
}

#[tokio::test]
async fn replies_that_are_too_large_are_refused() {
    let mut limits = CallbackLimits::default();
    limits.reply_bytes = 1000;
    let large = DynamicCallback::new("large", |arguments| async move {
        let length = usize::try_from(arguments.json["length"].as_u64().unwrap()).unwrap();
        if arguments.json["bytes"] == json!(true) {
            return Ok(CallbackReply::from(Bytes::from(vec![0; length])));
        }
        Ok(json!("x".repeat(length)).into())
    });
    let large = large.parameter("length", json!({}), true).parameter("bytes", json!({}), true);
    // As JSON a text has two quotes.
    let code = "
print(len(await large(998, False)), len(await large(1000, True)))
for length, in_bytes in (999, False), (1001, True):
    try:
        await large(length, in_bytes)
    except CallbackError as error:
        print(error.kind, error)
";
    let refused = "invalid-reply the reply of large has 1001 bytes; 1000 may be\n";
    let expected = format!("998 1000\n{refused}{refused}");
    prints(&sandbox(large, limits), code, &expected).await;
}

#[tokio::test]
async fn operations_have_a_limit_of_their_own() {
    let mut limits = ResourceLimits::default();
    limits.operations = 4;
    let sandbox = Sandbox::embedded().limits(limits).callback(never()).build().unwrap();
    let code = "
import asyncio
tasks = [asyncio.create_task(never()) for _ in range(4)]
await asyncio.sleep(0)
try:
    await never()
except CallbackError as error:
    print(error.kind, error)
print([task.done() for task in tasks])
tasks.pop().cancel()
await asyncio.sleep(0.1)
tasks.append(asyncio.create_task(never()))
await asyncio.sleep(0)
print([task.done() for task in tasks])
";
    let expected = "limit 4 operations are under way, the limit of a run\n\
                    [False, False, False, False]\n[False, False, False, False]\n";
    prints(&sandbox, code, expected).await;
}

/// What one call may bring to the host ends it before the host takes it.
#[tokio::test]
async fn a_call_that_brings_too_much_ends_the_run() {
    let code = "print('before')\nexec(compile('0', 'x' * 20_000_000, 'exec'))";
    let sandbox = sandbox(echo(), CallbackLimits::default());
    let traced = async {
        let run = sandbox.prepare(code).with_trace(TraceOptions::default()).run().await;
        let Err(Error::Trap(stopped)) = run else { panic!("{run:?}") };
        assert_eq!(stopped.output.stdout, "before\n");
    };
    // The guest has some copies of the name.
    grows_by(160, traced).await;
    assert_eq!(stdout_of(&sandbox, code).await, "before\n");
}

#[tokio::test]
async fn a_call_that_fails_can_end_the_program() {
    let sandbox =
        sandbox(never(), CallbackLimits::default().with_timeout(Duration::from_millis(9)));
    in_both_ways(&sandbox, LIMIT, "await never()", |ended, state| {
        let exception = exception(ended);
        assert_eq!(exception.type_name, "eryx.CallbackTimeoutError");
        assert_eq!(state, State::Ready);
    })
    .await;
    let gone = sandbox.execute("await neverr()").await;
    assert!(matches!(gone, Err(Error::Execution(_))), "{gone:?}");
}

#[tokio::test]
async fn case_37_a_guest_that_does_not_queue() {
    let sandbox = Sandbox::embedded().callback(never()).build().unwrap();
    let code = "import _eryx\n\
        codes = [_eryx.start_call(0, (), ())[0] for _ in range(20)]\n\
        print(codes.count(1), codes.count(8))\n\
        print(_eryx.start_call(7, (), ())[1])";
    let printed = stdout_of(&sandbox, code).await;
    assert!(printed.starts_with("16 4\nthere is no callback with the number 7"), "{printed}");
}

/// More calls than may be under way, of which some are answered at once: each passes its
/// turn on, or the others would wait for ever.
#[tokio::test]
async fn calls_that_wait_for_a_turn_get_it_whoever_had_it_before() {
    let made = Arc::new(AtomicUsize::new(0));
    let answer = DynamicCallback::new("answer", move |_| {
        let before = made.fetch_add(1, Ordering::SeqCst);
        async move {
            if before % 50 < 4 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(json!(before))
        }
    });
    let sandbox = sandbox(answer, CallbackLimits::default().with_in_flight(4));
    let code = "import asyncio\nprint(len(await asyncio.gather(*(answer() for _ in range(200)))))";
    assert_eq!(sandbox.execute(code).await.unwrap().stdout, "200\n");
    let code = "from eryx import CallbackError\n\
        wrong = (answer(i) for i in range(100))\n\
        right = (answer() for i in range(100))\n\
        calls = asyncio.gather(*right, *wrong, return_exceptions=True)\n\
        print(sum(isinstance(one, int) for one in await calls))";
    let output = sandbox.execute(format!("import asyncio\n{code}")).await.unwrap();
    assert_eq!(output.stdout, "100\n");
}

#[tokio::test]
async fn arguments_that_are_too_large_to_cross_are_refused() {
    let take = DynamicCallback::new("take", |_| async { Ok(json!("taken")) });
    let mut limits = CallbackLimits::default();
    limits.argument_bytes = 64 << 20;
    let sandbox = sandbox(take.parameter("value", json!({}), true), limits);
    let session = sandbox.session().await.unwrap();
    let code = "async def kind(value, **more):\n    \
        try: return await take(value=value, **more)\n    \
        except CallbackError as error: return error.kind\n\
        print(await kind('x' * (20 << 20)), await kind(b'x' * (20 << 20)))\n\
        print(await kind('x' * (17 << 20)), await kind(['é' * (3 << 20)]))\n\
        print(await kind('x' * (14 << 20)), await kind(b'x' * (14 << 20)))";
    assert_eq!(run_in(&session, code).await, "taken taken\n".repeat(3));
    let code = "print(await kind(b'x' * (65 << 20)))";
    assert_eq!(run_in(&session, code).await, "invalid-arguments\n");
}
