//! The cases of THREATS.md that concern a single run, by their numbers.

use crate::support::{raised, run, sandbox, stdout, times_out, with};
use eryx::{Error, OutputPolicy, ResourceLimits};
use std::time::Duration;

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
}

#[tokio::test]
async fn case_04_python_cannot_veto() {
    times_out("def spin():\n while True: pass\ntry:\n spin()\nexcept BaseException:\n spin()")
        .await;
}

#[tokio::test]
async fn case_05_input_ends_at_once() {
    assert_eq!(raised("input()").await.type_name, "EOFError");
}

#[tokio::test]
async fn case_06_asyncio_sleep() {
    times_out("import asyncio\nawait asyncio.sleep(1e6)").await;
    times_out("import asyncio\nawait asyncio.Event().wait()").await;
}

#[tokio::test]
async fn case_08_huge_allocation() {
    for size in ["1<<30", "1<<34", "2**63 - 1"] {
        for wanted in ["bytearray(N)", "bytes(N)", "[0] * N", "'a' * N", "b'a' * N"] {
            let code = format!("x = {}", wanted.replace('N', &format!("({size})")));
            assert_eq!(raised(&code).await.type_name, "MemoryError", "{code}");
        }
    }
    assert_eq!(raised("x = bytearray(2**63)").await.type_name, "OverflowError");
    assert_eq!(raised("x = bytearray(-2**40)").await.type_name, "OverflowError");
}

#[tokio::test]
async fn case_09_append_for_ever() {
    let ended =
        sandbox().execute("x = []\nwhile True: x.append('a' * 100_000 + str(len(x)))").await;
    match ended {
        Err(Error::Execution(exception)) => assert_eq!(exception.type_name, "MemoryError"),
        Err(Error::Memory(_)) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn case_10_recursion() {
    assert_eq!(raised("def f(): f()\nf()").await.type_name, "RecursionError");
    let code = "import sys\nsys.setrecursionlimit(10**6)\ndef f(): f()\nf()";
    let ended = sandbox().execute(code).await;
    match ended {
        // Calls between Python functions take heap, not stack.
        Err(Error::Execution(exception)) => {
            // The last is CPython's own when it has no memory left for a frame.
            let name = exception.type_name.as_str();
            assert!(["RecursionError", "MemoryError", "SystemError"].contains(&name), "{name}");
        }
        Err(Error::Stack(_) | Error::Memory(_)) => {}
        other => panic!("{other:?}"),
    }
    // Through C, each level takes stack.
    let code = "import sys\nsys.setrecursionlimit(10**6)\nclass A:\n \
                def __repr__(self): return repr(self)\nrepr(A())";
    let ended = sandbox().execute(code).await;
    assert!(
        matches!(&ended, Err(Error::Stack(_) | Error::Execution(_) | Error::Memory(_))),
        "{ended:?}"
    );
    for code in [
        "eval('(' * 3000)",
        "eval('-' * 100_000 + '1')",
        "a = []\nfor i in range(10**5): a = [a]\nrepr(a)",
    ] {
        let name = raised(code).await.type_name;
        assert!(
            ["SyntaxError", "MemoryError", "RecursionError"].contains(&name.as_str()),
            "{name}"
        );
    }
}

#[tokio::test]
async fn case_11_random_bytes() {
    let name = raised("import os\nos.urandom(1<<30)").await.type_name;
    assert!(["OSError", "MemoryError"].contains(&name.as_str()), "{name}");
}

#[tokio::test]
async fn case_12_endless_output_cut() {
    let limits = ResourceLimits::default().with_timeout(Duration::from_millis(500));
    let ended = with(limits).execute("while True: print('x'*10**6)").await;
    let Err(Error::Timeout(stopped)) = ended else { panic!("{ended:?}") };
    assert!(stopped.output.truncated.stdout);
    assert_eq!(stopped.output.stdout.len(), 1 << 20);
}

#[tokio::test]
async fn case_12_endless_output_stopped() {
    let limits = ResourceLimits::default().with_output_policy(OutputPolicy::Stop);
    let ended = with(limits).execute("while True: print('x'*10**6)").await;
    let Err(Error::Output(stopped)) = ended else { panic!("{ended:?}") };
    assert_eq!(*stopped, 1 << 20);
    assert_eq!(stopped.output.stdout.len(), 1 << 20);
}

#[tokio::test]
async fn case_13_bytes_that_are_no_text() {
    let output = run("import os\nos.write(1, b'\\xff\\xfe')").await;
    assert_eq!(output.stdout.as_bytes(), b"\xff\xfe");
    assert_eq!(output.stdout, "\u{fffd}\u{fffd}");
}

#[tokio::test]
async fn case_14_control_sequences() {
    let output = run(r"print('\x1b]0;own\x07', end='')").await;
    assert_eq!(output.stdout, "\x1b]0;own\x07");
    assert!(!format!("{output:?}").contains('\x1b'));
    let exception = raised(r"raise ValueError('\x1b]0;own\x07')").await;
    assert!(!Error::Execution(Box::new(exception)).to_string().contains('\x1b'));
}

#[tokio::test]
async fn case_15_huge_message() {
    let exception = raised("raise ValueError('A'*10**8)").await;
    assert_eq!(exception.type_name, "ValueError");
    assert!(exception.traceback.len() <= 64 << 10, "{}", exception.traceback.len());
    assert!(exception.message.len() <= 64 << 10);
}

#[tokio::test]
async fn case_16_output_before_the_end() {
    let output = times_out("print('before')\nwhile True: pass").await;
    assert_eq!(output.stdout, "before\n");
}

#[tokio::test]
async fn case_17_exit() {
    assert_eq!(run("import sys\nsys.exit(3)").await.exit_status, 3);
}

#[tokio::test]
async fn case_28_no_network() {
    let code = "import socket\nsocket.create_connection(('127.0.0.1', 80))";
    assert_eq!(raised(code).await.type_name, "PermissionError");
}

#[tokio::test]
async fn case_60_dropping_a_run() {
    let sandbox = sandbox();
    for delay in [0, 1, 5, 20] {
        let run = sandbox.execute("while True: pass");
        let dropped = tokio::time::timeout(Duration::from_millis(delay), run).await;
        assert!(dropped.is_err());
    }
    assert_eq!(stdout("print(1)").await, "1\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_62_spinning_runs_starve_nobody() {
    let long = ResourceLimits::default().with_timeout(Duration::from_secs(20));
    let spinning: Vec<_> = (0..8)
        .map(|_| with(long.clone()))
        .map(|sandbox| tokio::spawn(async move { sandbox.execute("while True: pass").await }))
        .collect();
    assert_eq!(stdout("print(1)").await, "1\n");
    for run in spinning {
        assert!(!run.is_finished());
        run.abort();
        assert!(run.await.is_err_and(|error| error.is_cancelled()));
    }
    assert_eq!(stdout("print(1)").await, "1\n");
}

#[tokio::test]
async fn case_63_extreme_limits() {
    let huge = ResourceLimits::default()
        .with_timeout(Duration::MAX)
        .with_memory_bytes(u64::MAX)
        .with_output_bytes(u64::MAX);
    assert_eq!(with(huge).execute("print(1)").await.unwrap().stdout, "1\n");
    let zero = ResourceLimits::default().with_timeout(Duration::ZERO);
    assert!(matches!(with(zero).execute("1").await, Err(Error::Config(_))));
    let zero = ResourceLimits::default().with_memory_bytes(0);
    assert!(matches!(with(zero).execute("1").await, Err(Error::Config(_))));
    let silent = ResourceLimits::default().with_output_bytes(0);
    let output = with(silent).execute("print(1)").await.unwrap();
    assert!(output.truncated.stdout && output.stdout.is_empty());
    let mut tiny = ResourceLimits::default();
    (tiny.result_bytes, tiny.traceback_bytes) = (0, 0);
    assert!(with(tiny.clone()).execute("'x'").await.unwrap().truncated.result);
    assert!(matches!(with(tiny).execute("1/0").await, Err(Error::Execution(_))));
}

#[tokio::test]
async fn case_64_source_that_cannot_be() {
    assert!(matches!(sandbox().execute("x = '\0'").await, Err(Error::Config(_))));
    let huge = "#".repeat(64 << 20);
    assert!(matches!(sandbox().execute(huge).await, Err(Error::Config(_))));
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
    let ended = sandbox().execute("import os\nprint('a')\nos.abort()").await;
    let Err(Error::Trap(stopped)) = ended else { panic!("{ended:?}") };
    assert_eq!(stopped.output.stdout, "a\n");
    let ended = sandbox().execute("import os\nos._exit(1)").await;
    match ended {
        Ok(output) => assert_eq!(output.exit_status, 1),
        Err(Error::Trap(_)) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(stdout("print(1)").await, "1\n");
}

#[tokio::test]
async fn case_67_no_modules() {
    let ended = sandbox().execute("import sys\nsys.modules.clear()\nimport json").await;
    assert!(matches!(&ended, Ok(_) | Err(Error::Execution(_) | Error::Trap(_))), "{ended:?}");
    assert_eq!(stdout("import json\nprint(json.dumps(1))").await, "1\n");
}

#[tokio::test]
async fn case_68_closed_stdout() {
    assert_eq!(raised("import os\nos.close(1)\nprint(1, flush=True)").await.type_name, "OSError");
    assert_eq!(raised("import os\nos.close(1)\nprint(1)").await.type_name, "OSError");
    assert_eq!(stdout("print(1)").await, "1\n");
}

#[tokio::test]
async fn case_69_threads() {
    let code = "import threading\nthreading.Thread(target=print).start()";
    assert_eq!(raised(code).await.type_name, "RuntimeError");
}
