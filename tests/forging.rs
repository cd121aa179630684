//! How a run ended the host says, from what it saw: a program cannot make it say
//! another kind, nor tell more of itself than it may.

use crate::support::{Ended, exception, in_both_ways, raised, sandbox, with};
use eryx::{Error, PythonValue, ResourceLimits, Sandbox};
use std::time::{Duration, Instant};

const TIME: Duration = Duration::from_secs(5);

/// However it tries, what it gets is the end of a Python program.
async fn is_pythons_own(code: &str) {
    let check = |ended: Ended| {
        assert!(matches!(ended, Ok(_) | Err(Error::Execution(_))), "{code}: {ended:?}");
    };
    check(sandbox().execute(code).await);
    // What it has broken there stays broken until a reset.
    let session = sandbox().session().await.unwrap();
    check(session.execute(code).await);
    check(session.execute("1 + 1").await);
    session.reset().await.unwrap();
    assert_eq!(session.execute("print(1 + 1)").await.unwrap().stdout, "2\n");
}

#[tokio::test]
async fn exceptions_that_sound_like_a_limit_are_exceptions() {
    for code in [
        "raise MemoryError",
        "class Memory(MemoryError): pass\nraise Memory('the limit')",
        "raise TimeoutError('the program has used up its time')",
        "import asyncio\nraise asyncio.CancelledError",
        "raise KeyboardInterrupt",
        "raise GeneratorExit",
        "raise RecursionError('stack')",
        "import eryx\nraise eryx.CallbackLimitError('limit', 'x', 'limit')",
        "x = []\ntry:\n    bytearray(1 << 34)\nexcept MemoryError as error:\n    raise error",
        "import os, signal\nsignal.raise_signal(signal.SIGXCPU)",
        "import signal\nsignal.raise_signal(signal.SIGINT)",
    ] {
        is_pythons_own(code).await;
    }
}

#[tokio::test]
async fn the_librarys_own_state_is_no_way_to_another_end() {
    for code in [
        "import _eryx\n_eryx.insist()\nfor _ in range(10**6): pass",
        "import _eryx\n_eryx.watch(True)\nfor _ in range(10**6): pass",
        "import _eryx\ntry: _eryx.raise_stop(24, None)\nexcept BaseException: pass",
        "import _eryx_stop\n_eryx_stop.MESSAGE = 'x'\nraise TimeoutError('x')",
        "import _eryx_run\n_eryx_run._ended = lambda *a: ('exited', 3)\n1/0",
        "import _eryx_run\n_eryx_run._ended = lambda *a: ('timeout', None)\n1/0",
        "import _eryx_run\n_eryx_run._ended = lambda *a: None\n1/0",
        "import _eryx_run\n_eryx_run._ended = lambda *a: ('raised', ([(9, 5, None, 1, 1)], 3))\n1/0",
        "import _eryx_run\n_eryx_run._ended = lambda *a: ('raised', ([], ''))\n1/0",
        "import _eryx_result\n_eryx_result.describe = lambda *a: ('x', 3, [])\n5",
        "import _eryx_report\n_eryx_report.describe = None\n1/0",
        "import _eryx\n_eryx.cancel(0)\n_eryx.wait(0, {})\n_eryx.open_reserve()\n1/0",
        "import _eryx, weakref\nfor call in (lambda: _eryx.use_loop(int, str, print),\n             \
         lambda: _eryx.use_task_set(weakref.WeakSet())):\n    try: call()\n    \
         except RuntimeError: pass\nimport asyncio\nawait asyncio.sleep(0)\nasyncio._wrong",
        "import _eryx_wait\n_eryx_wait.give_up_all()\nimport asyncio\nawait asyncio.sleep(0)",
    ] {
        is_pythons_own(code).await;
    }
}

#[tokio::test]
async fn who_asks_for_too_much_and_crashes_has_crashed() {
    let refused = "try: bytearray(1 << 34)\nexcept MemoryError: pass\n";
    in_both_ways(&sandbox(), TIME, &format!("{refused}import os\nos.abort()"), |ended, _| {
        assert!(matches!(ended, Err(Error::Trap(_))), "{ended:?}");
    })
    .await;
}

#[tokio::test]
async fn an_end_at_a_limit_is_that_limits() {
    // The exception is of the moment in which the time is over.
    let limit = Duration::from_millis(300);
    let late = "import time\nend = time.monotonic() + 0.29\n\
                while time.monotonic() < end: pass\nwhile True:\n    try: raise MemoryError\n    \
                except MemoryError: pass";
    in_both_ways(&with(ResourceLimits::default().with_timeout(limit)), limit, late, |ended, _| {
        crate::support::timed_out(ended, limit);
    })
    .await;
}

/// Sandboxes whose programs may say this many bytes: the default, and less.
fn telling(default: u32, set: fn(&mut ResourceLimits, u32)) -> [(usize, Sandbox); 2] {
    [default, 1000].map(|most| {
        let mut limits = ResourceLimits::default();
        set(&mut limits, most);
        (usize::try_from(most).unwrap(), with(limits))
    })
}

#[tokio::test]
async fn a_result_is_as_long_as_it_may_be_and_json_only_if_it_is() {
    for (most, sandbox) in telling(1 << 20, |limits, most| limits.result_bytes = most) {
        let deep = "[".repeat(500) + &"]".repeat(500);
        for (said, kept) in [
            ("(True, '1' * 5_000_000, False)", PythonValue::Repr("1".repeat(most))),
            ("(False, 'é' * 5_000_000, False)", PythonValue::Repr("é".repeat(most / 2))),
            ("(True, '{]', False)", PythonValue::Repr("{]".into())),
            ("(True, '[1, 2' + ']' * 2, False)", PythonValue::Repr("[1, 2]]".into())),
            ("(True, 'nan', False)", PythonValue::Repr("nan".into())),
            ("(True, '[' * 500 + ']' * 500, False)", PythonValue::Json(deep)),
        ] {
            let code = format!("import _eryx_result\n_eryx_result.describe = lambda *a: {said}\n5");
            in_both_ways(&sandbox, TIME, &code, |ended, _| {
                let output = ended.unwrap();
                assert_eq!(output.truncated.result, said.contains("5_000_000"));
                assert!(output.result.as_ref() == Some(&kept), "{most}: {said}");
            })
            .await;
        }
    }
}

#[tokio::test]
async fn an_exception_tells_no_more_than_it_may() {
    let sandboxes = telling(64 << 10, |limits, most| limits.traceback_bytes = most);
    for (name, code) in [
        (
            "notes",
            "e = ValueError('m' * 60_000)\nfor _ in range(100): e.add_note('n' * 60_000)\nraise e",
        ),
        (
            "chains",
            "def f(depth):\n    try:\n        if depth: f(depth - 1)\n        else: 1/0\n    \
             except Exception as e:\n        new = ValueError('m' * 60_000)\n        \
             for _ in range(100): new.add_note('n' * 60_000)\n        raise new from e\nf(16)",
        ),
        ("names", "raise type('E' * 5_000_000, (Exception,), {})"),
        (
            "frames",
            "def f(depth):\n    if depth: exec(compile('f(depth - 1)', 'n' * 60_000, 'exec'), \
             {'f': f, 'depth': depth})\n    else: 1/0\nf(120)",
        ),
        (
            "forged",
            "import _eryx_report\nframe = ('f' * 3000, 1, 'g' * 3000, 's' * 3000)\n\
             one = (0, 'E' * 100_000, 'm' * 100_000, [frame] * 500, ['n' * 1000] * 300)\n\
             _eryx_report.describe = lambda *a: ([one], 't' * 1_000_000)\n1/0",
        ),
        (
            "a forged chain",
            "import _eryx_report\none = (1, 'E', 'm', [], [])\n\
             _eryx_report.describe = lambda *a: ([one] * 5000, '')\n1/0",
        ),
    ] {
        for (most, sandbox) in &sandboxes {
            in_both_ways(sandbox, TIME, code, |ended, _| {
                let exception = exception(ended);
                let mut bytes = exception.type_name.len() + exception.message.len();
                let frames = exception
                    .frames
                    .iter()
                    .chain(exception.chain.iter().flat_map(|one| &one.frames));
                bytes += frames
                    .map(|frame| frame.filename.len() + frame.function.len() + frame.source.len())
                    .sum::<usize>();
                let notes =
                    exception.notes.iter().chain(exception.chain.iter().flat_map(|one| &one.notes));
                bytes += notes.map(String::len).sum::<usize>();
                bytes += exception
                    .chain
                    .iter()
                    .map(|one| one.type_name.len() + one.message.len())
                    .sum::<usize>();
                assert!(bytes <= 16 * most, "{name}: {bytes}");
                assert!(exception.traceback.len() <= *most, "{name}");
                assert!(exception.frames.len() <= 200 && exception.notes.len() <= 100, "{name}");
                assert!(exception.chain.len() <= 16, "{name}");
            })
            .await;
        }
    }
}

#[tokio::test]
async fn what_is_forged_is_cut_where_the_limits_are() {
    let mut limits = ResourceLimits::default();
    limits.traceback_bytes = 1000;
    let code = "import _eryx_report\nlong = 'm' * 1100\n\
        one = (0, 'T\\x1b', long, [(long, 1, '', '')] * 210, [long] * 110)\n\
        _eryx_report.describe = lambda *_: ([one] * 20, long)\n1 / 0";
    let exception = exception(with(limits).execute(code).await);
    let short = "m".repeat(1000);
    assert_eq!((&exception.message, &exception.traceback), (&short, &short));
    assert_eq!(
        (exception.frames.len(), exception.notes.len(), exception.chain.len()),
        (200, 100, 16)
    );
    assert_eq!(&exception.frames[0].filename, &short);
    // All texts together may have sixteen times as many bytes.
    let texts = exception.frames.iter().map(|frame| &frame.filename).chain(&exception.notes);
    assert_eq!(texts.map(String::len).sum::<usize>() / 1000, 14);
    assert_eq!(&exception.chain[15].message, "");
    assert!(exception.to_string().starts_with("the program raised T\\u{1b}: m"), "{exception}");
}

#[tokio::test]
async fn a_report_of_much_is_short_and_soon_there() {
    let cases = [
        "e = ValueError('x')\ne.__notes__ = ['n' * 10**6] * 10**6\nraise e",
        "e = ValueError('x')\ne.__notes__ = ['\\n' * 10**7]\nraise e",
        "e = ValueError('x')\nfor n in range(10**5):\n    e, f = ValueError('y' * 1000), e\n    \
            e.__cause__ = f\nraise e",
        "e = ValueError('x')\nfor n in range(300):\n    e = ExceptionGroup('g' * 1000, [e] * 15)\nraise e",
        "raise ExceptionGroup('g', [ValueError('x')] * 10**6)",
        "import sys\nsys.setrecursionlimit(10**5)\ndef f(n):\n    return f(n - 1) if n else 1 / 0\nf(2000)",
        "name = 'n' * 60_000\nchain = None\nfor n in range(17):\n    \
            source = 'def f(n):\\n    ' + '\\n    '.join(f'if n == {i}: return f(n - 1)' for i in range(1, 190)) + '\\n    raise ValueError'\n    \
            space = {}\n    exec(compile(source, name, 'exec'), space)\n    \
            try:\n        space['f'](189)\n    except ValueError as e:\n        e.__cause__ = chain\n        chain = e\nraise chain",
    ];
    for code in cases {
        let start = Instant::now();
        let exception = raised(code).await;
        assert!(start.elapsed() < Duration::from_secs(10), "{code} took {:?}", start.elapsed());
        assert!(exception.traceback.len() <= 64 << 10, "{code}");
        assert!(exception.notes.len() <= 100 && exception.chain.len() <= 16, "{code}");
    }
    let line = format!("x = [{}1 / 0]", "1, ".repeat(100_000));
    let exception = raised(&line).await;
    assert_eq!(exception.frames[0].source.chars().count(), 1001);
    assert!(exception.frames[0].source.ends_with('…') && exception.traceback.len() < 3000);
}
