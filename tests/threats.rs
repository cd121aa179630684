//! The cases of THREATS.md that concern a single run, by their numbers: by itself and
//! in a session.

use crate::support::{
    Ended, PROMISE, exception, grows_by, in_both_ways, in_time, load_metered, raised, run, sandbox,
    stdout, stdout_of, timed_out, two_workers, with,
};
use eryx::{
    DynamicCallback, Error, ExecutionOutput, OutputPolicy, Poison, ResourceLimits, RunOptions,
    Sandbox, State,
};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1);

/// For what takes long and has no limit of its own.
const LONG: Duration = Duration::from_secs(10);

fn limits() -> ResourceLimits {
    ResourceLimits::default().with_timeout(LIMIT)
}

fn limited() -> Sandbox {
    with(limits())
}

/// A program that is stopped at its time limit, alone and in a session.
async fn times_out(code: &str) {
    in_both_ways(&limited(), LIMIT, code, |ended, state| {
        timed_out(ended, LIMIT);
        assert!(matches!(state, State::Ready | State::Poisoned(Poison::Limit)), "{state:?}");
    })
    .await;
}

/// A program that ends in one of these exceptions and leaves all usable.
async fn raises(sandbox: &Sandbox, time: Duration, code: &str, names: &[&str]) {
    in_both_ways(sandbox, time, code, |ended, state| {
        let name = exception(ended).type_name;
        assert!(names.contains(&name.as_str()), "{code}: {name}");
        assert_eq!(state, State::Ready, "{code}");
    })
    .await;
}

/// A program that comes to its end.
async fn ends(code: &str, check: impl Fn(ExecutionOutput)) {
    in_both_ways(&limited(), LIMIT, code, |ended, state| {
        check(ended.unwrap());
        assert_eq!(state, State::Ready);
    })
    .await;
}

#[tokio::test]
async fn case_01_endless_loop() {
    times_out("while True: pass").await;
}

#[tokio::test]
async fn case_02_sleep() {
    times_out("import time\ntime.sleep(3600)").await;
}

#[tokio::test]
async fn case_03_backtracking_regex() {
    times_out("import re\nre.match(r'(a+)+$', 'a'*40+'b')").await;
    // C code that runs no bytecode at all.
    times_out("sum(range(10**12))").await;
    times_out("9 ** 9 ** 9").await;
}

#[tokio::test]
async fn case_04_python_cannot_veto() {
    times_out("def spin():\n while True: pass\ntry:\n spin()\nexcept BaseException:\n spin()")
        .await;
    times_out("import sys, time\ntry:\n time.sleep(60)\nfinally:\n while True: time.sleep(60)")
        .await;
}

#[tokio::test]
async fn case_05_input_ends_at_once() {
    raises(&limited(), Duration::ZERO, "input()", &["EOFError"]).await;
}

#[tokio::test]
async fn case_06_asyncio_sleep() {
    times_out("import asyncio\nawait asyncio.sleep(1e6)").await;
    times_out("import asyncio\nawait asyncio.Event().wait()").await;
}

#[tokio::test]
async fn case_07_fuel_ends_a_loop_at_the_same_count() {
    let sandbox = with(ResourceLimits::default().with_fuel(100_000_000));
    // Whether its code must be compiled first is no matter here.
    load_metered().await;
    let counts = std::sync::Mutex::new(Vec::new());
    for _ in 0..2 {
        in_both_ways(&sandbox, Duration::from_secs(10), "while True: pass", |ended, _| {
            let Err(Error::FuelExhausted { consumed, limit, .. }) = ended else {
                panic!("{ended:?}");
            };
            assert_eq!(limit, 100_000_000);
            counts.lock().unwrap().push(consumed);
        })
        .await;
    }
    // A session's program is another: its source is kept.
    let counts = counts.into_inner().unwrap();
    assert_eq!((counts[0], counts[1]), (counts[2], counts[3]));
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn case_08_huge_allocation() {
    let attempts = async {
        let wanted = ["bytearray(N)", "bytes(N)", "[0] * N", "'a' * N", "b'a' * N"];
        for (wanted, size) in wanted.iter().zip(["1<<30", "1<<34", "1<<40", "2**62", "2**63 - 1"]) {
            let code = format!("x = {}", wanted.replace('N', &format!("({size})")));
            raises(&limited(), Duration::ZERO, &code, &["MemoryError"]).await;
        }
        raises(&limited(), Duration::ZERO, "x = bytearray(2**63)", &["OverflowError"]).await;
    };
    grows_by(128, attempts).await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn case_09_append_for_ever() {
    let sandbox = with(ResourceLimits::default().with_memory_bytes(100 << 20));
    let attempts = async {
        for code in [
            "x = []\nwhile True: x.append('a' * 100_000 + str(len(x)))",
            "x = []\nwhile True: x.append(len(x) * 10**9)",
            "x = {}\nwhile True: x[len(x)] = [x]",
        ] {
            in_both_ways(&sandbox, Duration::from_secs(10), code, |ended, state| match ended {
                Err(Error::Execution(exception)) => {
                    assert_eq!(exception.type_name, "MemoryError");
                    assert_eq!(state, State::Ready);
                }
                Err(Error::Memory(stopped)) => {
                    assert_eq!(*stopped, 100 << 20);
                    assert!(stopped.output.peak_memory_bytes <= 100 << 20);
                }
                other => panic!("{other:?}"),
            })
            .await;
        }
    };
    grows_by(250, Box::pin(attempts)).await;
}

#[tokio::test]
async fn case_09_who_has_no_memory_and_crashes() {
    let full = "x = []\ntry:\n    while True: x.append(bytearray(10_000))\n\
                except MemoryError: pass\n";
    let sandbox = with(ResourceLimits::default().with_memory_bytes(64 << 20));
    let code = format!("print('before')\n{full}import os\nos.abort()");
    in_both_ways(&sandbox, Duration::from_secs(10), &code, |ended, state| {
        let Err(Error::Memory(stopped)) = ended else { panic!("{ended:?}") };
        assert_eq!((*stopped, stopped.output.stdout.as_str()), (64 << 20, "before\n"));
        assert!(matches!(state, State::Ready | State::Poisoned(Poison::Limit)), "{state:?}");
    })
    .await;
}

#[tokio::test]
async fn case_10_recursion() {
    raises(&sandbox(), LONG, "def f(): f()\nf()", &["RecursionError"]).await;
    // Not the end at the stack that the list of threats has for it: CPython's calls
    // between Python functions take heap, of which there is enough for a frame or not.
    let code = "import sys\nsys.setrecursionlimit(10**6)\ndef f(): f()\nf()";
    // Filling all that there may be with frames takes long.
    let small = with(ResourceLimits::default().with_memory_bytes(64 << 20));
    in_both_ways(&small, LONG, code, |ended, state| match ended {
        Err(Error::Execution(exception)) => {
            // The last is CPython's own when it has no memory left for a frame.
            let name = exception.type_name.as_str();
            assert!(["RecursionError", "MemoryError", "SystemError"].contains(&name), "{name}");
            assert_eq!(state, State::Ready);
        }
        Err(Error::Stack(_) | Error::Memory(_)) => {
            assert!(matches!(state, State::Ready | State::Poisoned(Poison::Limit)), "{state:?}");
        }
        other => panic!("{other:?}"),
    })
    .await;
    for code in [
        "eval('(' * 3000)",
        "eval('-' * 100_000 + '1')",
        "a = []\nfor i in range(10**5): a = [a]\nrepr(a)",
    ] {
        let names = ["SyntaxError", "MemoryError", "RecursionError"];
        raises(&sandbox(), LONG, code, &names).await;
    }
}

#[tokio::test]
async fn case_10_the_stack_overflows() {
    // CPython counts calls through C, and no limit that a program sets is one for them.
    let code = "import sys\nsys.setrecursionlimit(10**6)\nclass A:\n    \
                def __repr__(self): return repr(self)\nrepr(A())";
    raises(&sandbox(), LONG, code, &["RecursionError", "MemoryError"]).await;
    // But some it does not count.
    for code in [
        "class A:\n    def __getattr__(self, name): return getattr(self, name)\nA().a",
        "from itertools import chain\nx = iter(())\nfor _ in range(10**5): x = chain(x)\nnext(x)",
    ] {
        let code = format!("print('before')\nimport sys\nsys.setrecursionlimit(10**6)\n{code}");
        in_both_ways(&sandbox(), LONG, &code, |ended, state| {
            let Err(Error::Stack(stopped)) = ended else { panic!("{code}: {ended:?}") };
            assert_eq!((*stopped, stopped.output.stdout.as_str()), (4 << 20, "before\n"));
            assert!(matches!(state, State::Ready | State::Poisoned(Poison::Limit)), "{state:?}");
        })
        .await;
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn case_11_random_bytes() {
    let attempts = async {
        let code = "import os\nos.urandom(1<<30)";
        raises(&limited(), Duration::ZERO, code, &["OSError", "MemoryError"]).await;
    };
    grows_by(96, attempts).await;
    // Where the guest has the memory for them, the host needs none of its own.
    // An unoptimised host takes seconds for them.
    let time = Duration::from_mins(2);
    let limits = ResourceLimits::default().with_memory_bytes(400 << 20).with_timeout(time);
    let sandbox = with(limits);
    let attempts = async {
        let code = "import os\nlen(os.urandom(20 << 20))";
        in_both_ways(&sandbox, time, code, |ended, state| {
            match ended {
                Ok(output) => assert_eq!(output.result.unwrap().as_str(), "20971520"),
                Err(error) => {
                    let name = exception(Err(error)).type_name;
                    assert!(["OSError", "MemoryError"].contains(&name.as_str()), "{name}");
                }
            }
            assert_eq!(state, State::Ready);
        })
        .await;
    };
    grows_by(128, attempts).await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn case_12_endless_output_cut() {
    let attempts = async {
        in_both_ways(&limited(), LIMIT, "while True: print('x'*10**6)", |ended, _| {
            let output = timed_out(ended, LIMIT);
            assert!(output.truncated.stdout);
            assert_eq!(output.stdout.len(), 1 << 20);
        })
        .await;
    };
    grows_by(128, attempts).await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn case_12_endless_output_stopped() {
    let sandbox = with(ResourceLimits::default().with_output_policy(OutputPolicy::Stop));
    let attempts = async {
        for (stream, code) in [
            ("stdout", "while True: print('x'*10**6)"),
            ("stderr", "import sys\nwhile True: print('x'*10**6, file=sys.stderr)"),
        ] {
            in_both_ways(&sandbox, LIMIT, code, |ended, state| {
                let Err(Error::Output(stopped)) = ended else { panic!("{ended:?}") };
                let output = &stopped.output;
                let (text, cut) = match stream {
                    "stdout" => (&output.stdout, output.truncated.stdout),
                    _ => (&output.stderr, output.truncated.stderr),
                };
                assert_eq!((stopped.limit, text.len(), cut), (1 << 20, 1 << 20, true));
                let limit = State::Poisoned(Poison::Limit);
                assert!(state == State::Ready || state == limit, "{state:?}");
            })
            .await;
        }
    };
    grows_by(128, attempts).await;
}

#[tokio::test]
async fn case_13_bytes_that_are_no_text() {
    ends("import os\nos.write(1, b'\\xff\\xfe')\nNone", |output| {
        assert_eq!(output.stdout.as_bytes(), b"\xff\xfe");
        assert_eq!(output.stdout, "\u{fffd}\u{fffd}");
    })
    .await;
}

#[tokio::test]
async fn case_14_control_sequences() {
    ends(r"print('\x1b]0;own\x07', end='')", |output| {
        assert_eq!(output.stdout, "\x1b]0;own\x07");
        assert!(!format!("{output:?}").contains('\x1b'));
    })
    .await;
    in_both_ways(&limited(), LIMIT, r"raise ValueError('\x1b]0;own\x07')", |ended, _| {
        let error = ended.unwrap_err();
        assert!(!error.to_string().contains('\x1b') && !format!("{error:?}").contains('\x1b'));
        assert_eq!(exception(Err(error)).message, "\x1b]0;own\x07");
    })
    .await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn case_15_huge_message() {
    let attempts = async {
        let code = "raise ValueError('A'*10**8)";
        in_both_ways(&sandbox(), Duration::from_secs(5), code, |ended, state| {
            let exception = exception(ended);
            assert_eq!(exception.type_name, "ValueError");
            assert!(exception.traceback.len() <= 64 << 10, "{}", exception.traceback.len());
            assert!(exception.message.len() <= 64 << 10);
            assert_eq!(state, State::Ready);
        })
        .await;
    };
    grows_by(300, Box::pin(attempts)).await;
}

#[tokio::test]
async fn case_16_output_before_the_end() {
    in_both_ways(&limited(), LIMIT, "print('before')\nwhile True: pass", |ended, _| {
        assert_eq!(timed_out(ended, LIMIT).stdout, "before\n");
    })
    .await;
}

#[tokio::test]
async fn case_17_exit() {
    for (code, status) in [
        ("import sys\nsys.exit(3)", 3),
        ("raise SystemExit(4)", 4),
        ("import sys\nsys.exit('no')", 1),
        ("exit()", 0),
    ] {
        ends(code, |output| assert_eq!(output.exit_status, status, "{code}")).await;
    }
}

#[tokio::test]
async fn case_28_no_network() {
    let code = "import socket\nsocket.create_connection(('127.0.0.1', 80))";
    assert_eq!(raised(code).await.type_name, "PermissionError");
}

/// A sandbox with a callback that is answered after a while.
fn with_pause() -> Sandbox {
    let pause = DynamicCallback::new("pause", |_| async {
        tokio::time::sleep(Duration::from_millis(3)).await;
        Ok(serde_json::Value::Null)
    });
    Sandbox::embedded().callback(pause).build().unwrap()
}

const BUSY: &str = "import asyncio, time\nfor i in range(10):\n    print(i)\n    time.sleep(0.001)\n    \
                    await asyncio.gather(pause(), asyncio.sleep(0.001))\n    sum(range(10**5))";

#[tokio::test]
async fn case_60_dropping_a_run_at_any_moment() {
    let sandbox = with_pause();
    let session = sandbox.session().await.unwrap();
    for delay in (0..40).map(|step| Duration::from_micros(step * step * 30)) {
        let alone = tokio::time::timeout(delay, sandbox.execute(BUSY)).await;
        if let Ok(ended) = alone {
            ended.unwrap();
        }
        match tokio::time::timeout(delay, session.execute(BUSY)).await {
            Ok(ended) => drop(ended.unwrap()),
            Err(_) if session.state() == State::Ready => {}
            Err(_) => {
                assert_eq!(session.state(), State::Poisoned(Poison::Dropped));
                let refused = session.execute("1").await;
                assert!(matches!(refused, Err(Error::Poisoned(Poison::Dropped))), "{refused:?}");
                session.reset().await.unwrap();
            }
        }
        assert_eq!(session.execute("print(1)").await.unwrap().stdout, "1\n");
        assert_eq!(stdout_of(&sandbox, "print(1)").await, "1\n");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_61_cancelling_races_with_the_end() {
    let sandbox = with_pause();
    for step in 0..60 {
        let run = sandbox.prepare("await pause()\nprint('done')").spawn();
        let token = run.token();
        tokio::time::sleep(Duration::from_micros(step * 100)).await;
        token.cancel();
        match run.wait().await {
            Ok(output) => assert_eq!(output.stdout, "done\n"),
            Err(Error::Cancelled(stopped)) => assert_eq!(stopped.output.exit_status, 0),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(stdout_of(&sandbox, "print(1)").await, "1\n");
}

#[test]
fn case_62_a_short_session_among_spinning_ones() {
    let runtime = two_workers();
    let attempt = async {
        let sandbox = with(ResourceLimits::default().with_timeout(Duration::from_secs(20)));
        let short = sandbox.session().await.unwrap();
        let mut spinning = Vec::new();
        for _ in 0..8 {
            let session = sandbox.session().await.unwrap();
            let spin = async move { session.execute("while True: pass").await };
            spinning.push(tokio::spawn(spin));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let short = tokio::spawn(async move { short.execute("print(1)").await });
        assert_eq!(short.await.unwrap().unwrap().stdout, "1\n");
        assert_eq!(stdout_of(&sandbox, "print(2)").await, "2\n");
        for run in spinning {
            assert!(!run.is_finished());
            run.abort();
            assert!(run.await.is_err_and(|error| error.is_cancelled()));
        }
        assert_eq!(stdout_of(&sandbox, "print(3)").await, "3\n");
    };
    runtime.block_on(attempt);
}

#[tokio::test]
async fn case_64_source_that_cannot_be() {
    let huge = "#".repeat(64 << 20);
    let attempts = async {
        let session = sandbox().session().await.unwrap();
        for code in ["x = '\0'", "\0", "#\0", huge.as_str()] {
            assert!(matches!(sandbox().execute(code).await, Err(Error::Config(_))));
            assert!(matches!(session.execute(code).await, Err(Error::Config(_))));
            assert_eq!(session.state(), State::Ready);
        }
        session.close().unwrap();
        assert!(matches!(session.execute("1").await, Err(Error::Closed)));
    };
    // One copy of the source is made for whoever runs it.
    grows_by(96, attempts).await;
}

#[tokio::test]
async fn case_65_the_next_tenant_is_unaffected() {
    for _ in 0..20 {
        run("import builtins\nbuiltins.len = None").await;
        assert_eq!(stdout("print(len('ab'))").await, "2\n");
    }
}

#[tokio::test]
async fn case_66_abort() {
    let crash = "import os\nprint('a')\nos.abort()";
    in_both_ways(&sandbox(), LIMIT, crash, |ended, state| {
        let Err(Error::Trap(stopped)) = ended else { panic!("{ended:?}") };
        assert_eq!(stopped.output.stdout, "a\n");
        assert!(matches!(state, State::Ready | State::Poisoned(Poison::Trap)), "{state:?}");
    })
    .await;
    in_both_ways(&sandbox(), LIMIT, "import os\nos._exit(1)", |ended, _| match ended {
        Ok(output) => assert_eq!(output.exit_status, 1),
        Err(Error::Trap(_)) => {}
        other => panic!("{other:?}"),
    })
    .await;
}

#[tokio::test]
async fn case_67_no_modules() {
    for code in ["import json", "", "import asyncio\nawait asyncio.sleep(0)", "1/0"] {
        let code = format!("import sys\nsys.modules.clear()\n{code}");
        in_both_ways(&sandbox(), LIMIT, &code, |ended: Ended, _| {
            assert!(
                matches!(ended, Ok(_) | Err(Error::Execution(_) | Error::Trap(_))),
                "{ended:?}"
            );
        })
        .await;
    }
    assert_eq!(stdout("import json\nprint(json.dumps(1))").await, "1\n");
}

#[tokio::test]
async fn case_68_closed_stdout() {
    for code in ["import os\nos.close(1)\nprint(1, flush=True)", "import os\nos.close(1)\nprint(1)"]
    {
        raises(&limited(), Duration::ZERO, code, &["OSError"]).await;
    }
}

#[tokio::test]
async fn case_69_threads() {
    for code in [
        "import threading\nthreading.Thread(target=print).start()",
        "import _thread\n_thread.start_new_thread(print, ())",
        "from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor().submit(print)",
    ] {
        raises(&limited(), Duration::ZERO, code, &["RuntimeError"]).await;
    }
}

/// A program whose source takes much longer to compile than it may run.
fn long_to_compile() -> String {
    "x = [a + b * c - d[e] for a in f if g(h, i=j)]\n".repeat(200_000)
}

#[tokio::test]
async fn compiling_takes_of_the_runs_time() {
    let limits = limits().with_memory_bytes(2 << 30);
    in_both_ways(&with(limits), LIMIT, &long_to_compile(), |ended, _| {
        timed_out(ended, LIMIT);
    })
    .await;
}

#[tokio::test]
async fn compiling_can_be_cancelled() {
    let limits = ResourceLimits::default().with_memory_bytes(2 << 30);
    let sandbox = with(limits);
    let ended = in_time(PROMISE + Duration::from_millis(500), async || {
        let run = sandbox.execute_cancellable(long_to_compile());
        tokio::time::sleep(Duration::from_millis(500)).await;
        run.cancel();
        run.wait().await
    })
    .await;
    assert!(matches!(ended, Err(Error::Cancelled(_))), "{ended:?}");
}

#[tokio::test]
async fn compiling_takes_fuel() {
    load_metered().await;
    let sandbox = sandbox();
    let code = |lines: usize| "x = [a + b for a in c]\n".repeat(lines);
    let run = sandbox.prepare(format!("if 0:\n {}", code(2000).replace('\n', "\n ")));
    let error = run.with_fuel_limit(20_000_000).run().await.unwrap_err();
    assert!(matches!(error, Error::FuelExhausted { limit: 20_000_000, .. }), "{error}");
    let fuel = async |lines| {
        let code = format!("if 0:\n {}\n x", code(lines).replace('\n', "\n "));
        let run = sandbox.prepare(code).with_fuel_limit(u64::MAX).run().await;
        run.unwrap().fuel_consumed.unwrap()
    };
    assert!(fuel(200).await > 5 * fuel(20).await);
}

#[tokio::test]
async fn a_run_cancelled_before_its_start_has_not_been() {
    let sandbox = sandbox();
    let run = sandbox.execute_cancellable("print('a')");
    run.cancel();
    let ended = run.wait().await;
    let Err(Error::Cancelled(stopped)) = ended else { panic!("{ended:?}") };
    assert_eq!((stopped.output.stdout.as_str(), stopped.output.peak_memory_bytes), ("", 0));

    let token = eryx::CancellationToken::new();
    token.cancel();
    let run = sandbox.prepare("print('a')").with_cancellation(token.clone());
    assert!(matches!(run.run().await, Err(Error::Cancelled(_))));
    // What was not begun has left no interpreter in the midst of anything.
    let mut options = RunOptions::default();
    let mut interpreter = sandbox.executor().start(&options.limits).await.unwrap();
    options.cancellation = Some(token);
    let ended = interpreter.execute("x = 1", &options).await;
    assert!(matches!(ended, Err(Error::Cancelled(_))), "{ended:?}");
    assert_eq!(interpreter.state(), State::Ready);
    options.cancellation = None;
    let output = interpreter.execute("'x' in globals()", &options).await.unwrap();
    assert_eq!(output.result.unwrap().as_str(), "false");
}
