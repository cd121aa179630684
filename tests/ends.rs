//! Every way in which a run can end, and being told while it goes on.

use crate::support::{
    Ended, PROMISE, exception, in_time, load_metered, raised, sandbox, timed_out,
};
use eryx::{
    ChainLink, Error, ExecuteBuilder, ExecutorBuilder, MinimalState, OutputPolicy, OutputStream,
    Poison, PythonEngine, ResourceLimits, RuntimeSource, Sandbox, SandboxState,
};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

#[tokio::test]
async fn exceptions_tell_their_chain_and_notes() {
    let exception = raised(
        "def f():\n    try:\n        {}['a']\n    except KeyError as error:\n        raise ValueError('b') from error\n\
         try:\n    f()\nexcept ValueError:\n    late = OSError(5, 'c')\n    late.add_note('on a Monday')\n    raise late",
    )
    .await;
    assert_eq!(
        (exception.type_name.as_str(), &exception.notes[..]),
        ("OSError", &["on a Monday".to_owned()][..])
    );
    let chain: Vec<_> = exception
        .chain
        .iter()
        .map(|one| (one.link, one.type_name.as_str(), one.message.as_str()))
        .collect();
    assert_eq!(
        chain,
        [(ChainLink::Context, "ValueError", "b"), (ChainLink::Cause, "KeyError", "'a'")]
    );
    assert_eq!(exception.chain[1].frames[0].source, "{}['a']");
    assert!(exception.traceback.contains("on a Monday"));
}

#[tokio::test]
async fn output_is_streamed_in_order_and_kept() {
    let (sender, mut listener) = mpsc::channel(1);
    let code = "import sys\nfor i in range(3):\n    print('out', i)\n    print('err', i, file=sys.stderr)\n\
        sys.stdout.buffer.write(b'\\xff\\xfe')";
    let run = sandbox().prepare(code).with_output_streaming(sender).spawn();
    let (mut all, mut out) = (String::new(), Vec::new());
    while let Some(chunk) = listener.recv().await {
        if chunk.stream == OutputStream::Stdout {
            out.extend_from_slice(&chunk.bytes);
        }
        all += &String::from_utf8_lossy(&chunk.bytes);
    }
    let output = run.wait().await.unwrap();
    assert!(all.starts_with("out 0\nerr 0\nout 1\nerr 1\nout 2\nerr 2\n"), "{all}");
    assert_eq!(output.stdout.as_bytes(), out);
    assert!(out.ends_with(b"\xff\xfe"));
}

#[tokio::test]
async fn a_slow_listener_makes_the_program_wait() {
    let (sender, mut listener) = mpsc::channel(1);
    let limits = ResourceLimits::default().with_output_bytes(1000);
    let code = "import os\nfor i in range(200):\n    os.write(1, b'x' * 100_000)";
    let run = sandbox().prepare(code).with_limits(limits).with_output_streaming(sender).spawn();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(run.is_running(), "it wrote 20 MB that nobody has read");
    let mut bytes = 0;
    while let Some(chunk) = listener.recv().await {
        bytes += chunk.bytes.len();
    }
    assert_eq!(bytes, 20_000_000);
    let output = run.wait().await.unwrap();
    assert_eq!((output.stdout.len(), output.truncated.stdout), (1000, true));
}

#[tokio::test]
async fn a_listener_that_goes_away_stops_nothing() {
    let (sender, listener) = mpsc::channel(1);
    drop(listener);
    let output =
        sandbox().prepare("print('on')").with_output_streaming(sender).run().await.unwrap();
    assert_eq!(output.stdout, "on\n");
}

#[tokio::test]
async fn cancelling_stops_whatever_goes_on() {
    let blocked = eryx::DynamicCallback::new("never", |_| async {
        std::future::pending::<()>().await;
        Ok(serde_json::Value::Null)
    });
    let sandbox = Sandbox::embedded().callback(blocked).build().unwrap();
    for code in [
        "print('a')\nwhile True: pass",
        "import time\nprint('a')\ntime.sleep(3600)",
        "import asyncio\nprint('a')\nawait asyncio.sleep(3600)",
        "print('a')\nawait never()",
        "print('a')\nsum(range(10**12))",
    ] {
        let (sender, mut listener) = mpsc::channel(4);
        let run = sandbox.prepare(code).with_output_streaming(sender).spawn();
        listener.recv().await.unwrap();
        let start = Instant::now();
        run.cancel();
        run.cancel();
        let error = run.wait().await.unwrap_err();
        assert!(matches!(error, Error::Cancelled(_)), "{code}: {error}");
        assert_eq!(error.output().unwrap().stdout, "a\n");
        assert!(start.elapsed() < Duration::from_secs(2), "{code}: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn case_61_cancelling_too_late_changes_nothing() {
    for wait in 0..20 {
        let run = sandbox().execute_cancellable("print('done')");
        let token = run.token();
        tokio::time::sleep(Duration::from_micros(wait * 100)).await;
        token.cancel();
        match run.wait().await {
            Ok(output) => assert_eq!(output.stdout, "done\n"),
            Err(error) => assert!(matches!(error, Error::Cancelled(_)), "{error}"),
        }
    }
}

#[tokio::test]
async fn dropping_an_execution_cancels_it() {
    let token = {
        let run = sandbox().execute_cancellable("while True: pass");
        run.token()
    };
    assert!(token.is_cancelled());
}

#[tokio::test]
async fn cancelling_one_leaves_the_others_alone() {
    let shared = eryx::CancellationToken::new();
    let code = "import time\ntime.sleep(0.3)\nprint('through')";
    let one = sandbox().prepare(code).with_cancellation(shared.clone()).spawn();
    let two = sandbox().prepare(code).with_cancellation(shared.clone()).spawn();
    tokio::time::sleep(Duration::from_millis(50)).await;
    one.cancel();
    assert!(matches!(one.wait().await, Err(Error::Cancelled(_))));
    assert_eq!(two.wait().await.unwrap().stdout, "through\n");
    assert!(!shared.is_cancelled());
}

#[tokio::test]
async fn case_07_fuel_ends_a_loop_at_the_same_count() {
    // That its code must be compiled is no matter here.
    load_metered().await;
    let mut counts = Vec::new();
    for _ in 0..2 {
        let run = sandbox().prepare("x = 1\nprint('a')\nwhile True: pass");
        let error = run.with_fuel_limit(100_000_000).run().await.unwrap_err();
        let Error::FuelExhausted { consumed, limit, output } = error else {
            panic!("{error}");
        };
        assert_eq!((limit, output.stdout.as_str()), (100_000_000, "a\n"));
        counts.push(consumed);
    }
    assert_eq!(counts[0], counts[1]);
    let mut consumed = Vec::new();
    for _ in 0..2 {
        let run = sandbox().prepare("sum(range(1000))").with_fuel_limit(u64::MAX);
        consumed.push(run.run().await.unwrap().fuel_consumed.unwrap());
    }
    assert!(consumed[0] > 10_000, "{consumed:?}");
    assert_eq!(consumed[0], consumed[1]);
}

#[tokio::test]
async fn what_is_not_counted_is_not_told() {
    assert_eq!(sandbox().execute("1").await.unwrap().fuel_consumed, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_runs_end_each_at_its_own_time() {
    let mut late = Vec::new();
    while late.len() < 3 {
        late.push(fifty_runs().await);
        if late.last().is_some_and(|latest| *latest <= PROMISE) {
            return;
        }
    }
    panic!("the latest ended {late:?} after its time");
}

/// How long after its time the latest of fifty has ended; none ends before.
async fn fifty_runs() -> Duration {
    let runs: Vec<_> = (1..=50_u32)
        .map(|number| {
            let time = Duration::from_millis(u64::from(number) * 20);
            let code =
                if number % 2 == 0 { "while True: pass" } else { "import time\ntime.sleep(60)" };
            let run = sandbox().prepare(code).with_timeout(time);
            let timed = async move {
                let start = Instant::now();
                (run.run().await, start.elapsed())
            };
            (time, tokio::spawn(timed))
        })
        .collect();
    let mut latest = Duration::ZERO;
    for (time, run) in runs {
        let (ended, took) = run.await.unwrap();
        timed_out(ended, time);
        latest = latest.max(took.saturating_sub(time));
    }
    latest
}

#[tokio::test]
async fn the_environment_is_what_the_embedder_says() {
    let sandbox = Sandbox::embedded().env("KEY", "välue").build().unwrap();
    let output =
        sandbox.execute("import os\nprint(dict(os.environ), os.getenv('PATH'))").await.unwrap();
    assert_eq!(output.stdout, "{'HOME': '/home/user', 'KEY': 'välue'} None\n");
    for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "\0")] {
        let run = eryx::Sandbox::embedded().env(name, value).build().unwrap();
        assert!(matches!(run.execute("1").await, Err(Error::Config(_))), "{name:?}");
    }
}

#[tokio::test]
async fn streamed_output_still_ends_at_its_limit() {
    let (sender, mut listener) = mpsc::channel(1);
    let limits =
        ResourceLimits::default().with_output_bytes(10).with_output_policy(OutputPolicy::Stop);
    let run = sandbox()
        .prepare("while True: print('12345')")
        .with_limits(limits)
        .with_output_streaming(sender)
        .spawn();
    while listener.recv().await.is_some() {}
    assert!(matches!(run.wait().await, Err(Error::Output(_))));
}

/// Runs a program that is asked to end after a fifth of a second.
async fn asked(code: &str) -> Result<eryx::ExecutionOutput, Error> {
    let limits = ResourceLimits::default().with_soft_timeout(Duration::from_millis(200));
    sandbox().prepare(code).with_limits(limits).run().await
}

#[tokio::test]
async fn a_program_can_be_asked_to_end() {
    for (code, function) in [
        ("def spin():\n    while True: pass\nspin()", "spin"),
        ("def spin():\n    for _ in iter(int, 1): len('')\nspin()", "spin"),
        ("import time\ndef rest():\n    time.sleep(60)\nrest()", "rest"),
        ("import re\ndef match():\n    re.match(r'(a+)+$', 'a' * 40 + 'b')\nmatch()", "match"),
        ("import asyncio\nasync def rest():\n    await asyncio.sleep(60)\nawait rest()", "rest"),
        (
            "import asyncio\nasync def rest():\n    await asyncio.Event().wait()\nasyncio.run(rest())",
            "rest",
        ),
    ] {
        let error = asked(code).await.unwrap_err();
        let Error::Execution(exception) = error else { panic!("{code}: {error}") };
        assert_eq!(exception.type_name, "TimeoutError", "{code}");
        assert_eq!(exception.message, "the program has used up its time");
        let frames: Vec<_> = exception.frames.iter().map(|frame| frame.function.as_str()).collect();
        assert!(frames.contains(&function), "{code}: {frames:?}");
    }
}

#[tokio::test]
async fn who_is_asked_to_end_can_clean_up_but_not_stay() {
    let code = "try:\n    while True: pass\nexcept TimeoutError:\n    print('caught')";
    assert_eq!(asked(code).await.unwrap().stdout, "caught\n");
    let code = "import asyncio\ntry:\n    await asyncio.sleep(60)\nfinally:\n    print('finally')";
    let error = asked(code).await.unwrap_err();
    assert_eq!(error.output().unwrap().stdout, "finally\n");

    let limits = ResourceLimits::default()
        .with_soft_timeout(Duration::from_millis(100))
        .with_timeout(Duration::from_millis(300));
    let code =
        "while True:\n    try:\n        while True: pass\n    except BaseException: print('no')";
    let error = sandbox().prepare(code).with_limits(limits).run().await.unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert_eq!(error.output().unwrap().stdout, "no\n");
}

#[tokio::test]
async fn an_interpreter_that_was_asked_to_end_goes_on() {
    let executor = sandbox().executor().clone();
    let options = eryx::RunOptions::default();
    let mut interpreter = executor.start(&options.limits).await.unwrap();
    let mut hurried = options.clone();
    hurried.limits = hurried.limits.with_soft_timeout(Duration::from_millis(100));
    interpreter.execute("x = 1", &options).await.unwrap();
    assert!(interpreter.execute("while True: x += 1", &hurried).await.is_err());
    assert_eq!(interpreter.state(), eryx::State::Ready);
    let output = interpreter.execute("x > 1", &options).await.unwrap();
    assert_eq!(output.result.unwrap().as_str(), "true");
    // Who does not end by itself is ended, for good.
    hurried.limits = hurried.limits.with_timeout(Duration::from_millis(300));
    let stubborn = "while True:\n    try:\n        while True: x += 1\n    \
                    except BaseException: print('no')";
    let ended = interpreter.execute(stubborn, &hurried).await;
    assert_eq!(timed_out(ended, Duration::from_millis(300)).stdout, "no\n");
    assert_eq!(interpreter.state(), eryx::State::Poisoned(Poison::Limit));
}

#[tokio::test]
async fn a_soft_limit_after_the_hard_one_is_refused() {
    let limits = ResourceLimits::default().with_soft_timeout(Duration::from_secs(30));
    let run = sandbox().prepare("1").with_limits(limits).run().await;
    assert!(matches!(run, Err(Error::Config(_))), "{run:?}");
}

/// Runs this with a channel that is full and stays so, in the output's place or in the
/// trace's.
async fn unread(
    code: &str,
    limits: &ResourceLimits,
    most: Duration,
    listen: impl Fn(ExecuteBuilder<SandboxState>) -> ExecuteBuilder<SandboxState>,
) -> Ended {
    let attempt = async || listen(sandbox().prepare(code).with_limits(limits.clone())).run().await;
    in_time(most + PROMISE, attempt).await
}

#[tokio::test]
async fn a_listener_that_does_not_read_keeps_no_run_from_ending() {
    let code = "def work():\n    while True: print('on')\nwork()";
    let (output, _unread) = mpsc::channel(1);
    let (events, _unread_events) = mpsc::channel(1);
    let to_output = |run: ExecuteBuilder<SandboxState>| run.with_output_streaming(output.clone());
    let to_events = |run: ExecuteBuilder<SandboxState>| run.with_tracing(events.clone());
    let (soft, hard) = (Duration::from_millis(200), Duration::from_millis(400));
    for listen in [&to_output as &dyn Fn(_) -> _, &to_events] {
        let limits = ResourceLimits::default().with_soft_timeout(soft);
        let exception = exception(unread(code, &limits, soft, listen).await);
        assert_eq!(exception.type_name, "TimeoutError");
        let limits = ResourceLimits::default().with_timeout(hard);
        timed_out(unread(code, &limits, hard, listen).await, hard);
        let limits = limits.with_soft_timeout(soft);
        let stubborn = "while True:\n    try:\n        while True: print('on')\n    \
                        except TimeoutError: pass";
        timed_out(unread(stubborn, &limits, hard, listen).await, hard);
    }
}

/// What a listener had no room for when the program was asked to end comes in its
/// place.
#[tokio::test]
async fn a_slow_listener_hears_everything_in_order() {
    let limits = ResourceLimits::default().with_soft_timeout(Duration::from_millis(100));
    let code = "try:\n    for n in range(10**9): print(n)\nfinally:\n    print('end')";
    let (sender, mut listener) = mpsc::channel(1);
    let run = sandbox().prepare(code).with_limits(limits).with_output_streaming(sender).spawn();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut heard = String::new();
    while let Some(chunk) = listener.recv().await {
        heard.push_str(std::str::from_utf8(&chunk.bytes).unwrap());
    }
    let exception = exception(run.wait().await);
    assert_eq!(exception.type_name, "TimeoutError");
    assert_eq!(heard, exception.output.stdout.as_str());
    assert!(heard.starts_with("0\n1\n") && heard.ends_with("end\n"), "{heard}");
}

/// Set in the process that has no other engine than its own.
#[cfg(target_os = "linux")]
const ALONE: &str = "ERYX_TEST_ALONE";

#[cfg(target_os = "linux")]
#[test]
fn an_engine_has_one_clock_and_fuel_another_engine_when_it_is_asked_for() {
    if std::env::var_os(ALONE).is_some() {
        return crate::support::two_workers().block_on(count_clocks());
    }
    let name = "ends::an_engine_has_one_clock_and_fuel_another_engine_when_it_is_asked_for";
    let program = std::env::current_exe().unwrap();
    let told = std::process::Command::new(program).args(["--exact", name]).env(ALONE, "").output();
    let told = told.unwrap();
    assert!(told.status.success(), "{told:?}");
}

#[cfg(target_os = "linux")]
async fn count_clocks() {
    let clocks = || {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let name = |thread: std::io::Result<std::fs::DirEntry>| {
            // One may have ended meanwhile.
            std::fs::read_to_string(thread.unwrap().path().join("comm")).unwrap_or_default()
        };
        threads.map(name).filter(|name| name == "eryx-ticker\n").count()
    };
    let runtime = crate::support::repository().join("target/runtime/runtime.wasm");
    let executor = ExecutorBuilder::new(RuntimeSource::from_file(runtime).unwrap())
        .engine(PythonEngine::with_instances(5).unwrap())
        .build(MinimalState::new)
        .unwrap();
    let several = async |fuel: bool| {
        let run = || {
            let run = executor.execute("import time\ntime.sleep(0.1)");
            // Compiling may take long.
            let run = run.with_limits(ResourceLimits::default().without_timeout());
            Box::pin(if fuel { run.with_fuel_limit(u64::MAX).run() } else { run.run() })
        };
        let (one, two, three) = tokio::join!(run(), run(), run());
        for ended in [one, two, three] {
            ended.unwrap();
        }
    };
    assert_eq!(clocks(), 1);
    several(false).await;
    assert_eq!(clocks(), 1);
    several(true).await;
    assert_eq!(clocks(), 2);
    several(true).await;
    several(false).await;
    assert_eq!(clocks(), 2);
}
