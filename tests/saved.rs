//! Variables saved by value: what comes back, and what is refused, by its name.

use crate::support::{raised, run_in as run, session, with};
use eryx::{
    DynamicCallback, Error, Omission, PythonStateSnapshot, ResourceLimits, Sandbox, Session,
    SnapshotError, SnapshotOptions, State,
};
use std::time::{Duration, Instant};

/// Runs the first half of a program, and the second wherever its variables are: where
/// they were made, in another session, and in both once more.
async fn round_trip(program: &str) {
    let (before, after) = program.split_once("# After\n").unwrap();
    let first = session().await;
    run(&first, before).await;
    run(&first, after).await;
    let snapshot = first.snapshot_state().await.unwrap();
    let second = session().await;
    for session in [&second, &first, &second] {
        session.restore_state(&snapshot).await.unwrap();
        run(session, after).await;
    }
    // And what came back can be saved again.
    let again = second.snapshot_state().await.unwrap();
    first.restore_state(&again).await.unwrap();
    run(&first, after).await;
}

#[tokio::test]
async fn functions_and_cells() {
    round_trip(include_str!("saved/functions.py")).await;
}

#[tokio::test]
async fn classes_and_their_instances() {
    round_trip(include_str!("saved/classes.py")).await;
}

#[tokio::test]
async fn enumerations() {
    round_trip(include_str!("saved/enumerations.py")).await;
}

#[tokio::test]
async fn types_and_other_values() {
    round_trip(include_str!("saved/typing_and_others.py")).await;
}

async fn omissions(session: &Session) -> Vec<Omission> {
    match session.snapshot_state().await {
        Err(Error::Snapshot(SnapshotError::Unsaveable(omitted))) => omitted,
        other => panic!("it is not refused: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_refused_is_named_with_its_class_and_the_reason() {
    let session = session().await;
    let cases = [
        ("import weakref\nclass C: pass\nc = C()\nx = weakref.ref(c)", "ReferenceType", "weak"),
        ("import weakref\nclass C: pass\nc = C()\nx = weakref.proxy(c)", "ProxyType", "weak"),
        ("import contextvars\nx = contextvars.ContextVar('x')", "ContextVar", "context"),
        ("x = memoryview(b'abc')[1:]", "memoryview", "memoryview"),
        ("x = (n for n in [])", "generator", "generator"),
        ("import socket\nx = socket.socket()", "socket", "socket"),
        ("x = []\nfor _ in range(100_000): x = [x]", "list", "recursion"),
        ("class C:\n    def __reduce__(self): return 1\nx = C()", "C", "__reduce__"),
    ];
    for (code, kind, reason) in cases {
        session.clear_state().await.unwrap();
        run(&session, code).await;
        let [Omission { name, type_name, reason: told, .. }] = &omissions(&session).await[..]
        else {
            panic!("{code}: one variable was to be named")
        };
        assert_eq!((name.as_str(), type_name.as_str()), ("x", kind), "{code}");
        assert!(told.contains(reason), "{code}: {told}");
        assert_eq!(session.state(), State::Ready);
    }
}

#[tokio::test]
async fn more_than_can_be_told_is_refused() {
    let session = session().await;
    run(&session, "globals().update({f'x{n:0>300}': (n for n in []) for n in range(8000)})").await;
    for skip in [false, true] {
        let options = SnapshotOptions::default().with_skip_unsaveable(skip);
        let error = session.snapshot_state_with(&options).await.unwrap_err();
        let Error::Snapshot(SnapshotError::Unsaveable(omitted)) = &error else {
            panic!("{error:?}")
        };
        let (last, named) = omitted.split_last().unwrap();
        assert_eq!((named[9].name.len(), &*named[9].type_name), (301, "generator"));
        let more = format!("there are {} more that cannot be saved", 8000 - named.len());
        assert_eq!(last.reason, more);
        assert_eq!(run(&session, "print(1)").await, "1\n");
    }
}

#[tokio::test]
async fn who_uses_what_is_left_out_is_saved() {
    let session = session().await;
    run(&session, "numbers = (n for n in [])\ndef use(): return next(numbers)").await;
    assert_eq!(omissions(&session).await[0].name, "numbers");
    let options = SnapshotOptions::default().with_skip_unsaveable(true);
    let (snapshot, omitted) = session.snapshot_state_with(&options).await.unwrap();
    assert_eq!(omitted.len(), 1);
    session.restore_state(&snapshot).await.unwrap();
    assert_eq!(run(&session, "numbers = iter([7])\nprint(use())").await, "7\n");
}

/// Classes whose instances raise when they are saved or restored.
fn raising(exception: &str) -> String {
    format!(
        "import asyncio\n\
         class Meta(type):\n    \
             @property\n    \
             def __name__(cls): raise KeyboardInterrupt\n\
         class Odd(BaseException, metaclass=Meta):\n    \
             def __str__(self): raise KeyboardInterrupt\n    \
             __repr__ = __str__\n\
         class Saving:\n    \
             def __reduce__(self): raise {exception}\n\
         class Getting:\n    \
             def __getstate__(self): raise {exception}\n\
         class Setting:\n    \
             def __init__(self): self.y = 1\n    \
             def __setstate__(self, state): raise {exception}\n"
    )
}

const EXCEPTIONS: [(&str, &str); 7] = [
    ("KeyboardInterrupt('now')", "KeyboardInterrupt: now"),
    ("SystemExit(3)", "SystemExit: 3"),
    ("GeneratorExit", "GeneratorExit"),
    ("asyncio.CancelledError", "CancelledError"),
    ("Odd()", "Odd: <str() failed>"),
    ("MemoryError('mine')", "MemoryError: mine"),
    ("TimeoutError('the program has used up its time')", "stopped"),
];

#[tokio::test]
async fn whatever_is_raised_while_saving_is_told() {
    let session = session().await;
    for (exception, told) in EXCEPTIONS {
        for class in ["Saving", "Getting"] {
            run(&session, &format!("{}\nx = {class}()", raising(exception))).await;
            let error = session.snapshot_state().await.unwrap_err();
            match &error {
                Error::Snapshot(SnapshotError::Unsaveable(omitted)) => {
                    let [one] = &omitted[..] else { panic!("{omitted:?}") };
                    assert_eq!((&*one.name, &*one.type_name), ("x", class));
                    assert_eq!(one.reason, told);
                }
                // Nobody has asked it to end: what it says is not believed.
                Error::Snapshot(SnapshotError::Unusable(reason)) => {
                    assert!(told == "stopped" && reason.contains("claims"), "{reason}");
                }
                other => panic!("{exception}: {other:?}"),
            }
            assert_eq!(
                run(&session, "print(1 + 1, type(x).__qualname__)").await,
                format!("2 {class}\n")
            );
        }
    }
}

#[tokio::test]
async fn whatever_is_raised_while_restoring_changes_nothing() {
    let session = session().await;
    for (exception, told) in EXCEPTIONS {
        session.clear_state().await.unwrap();
        run(&session, &format!("{}\nearlier = 1\nx = Setting()\nlater = 2", raising(exception)))
            .await;
        let snapshot = session.snapshot_state().await.unwrap();
        let code = "import random\nother = [Setting]\nrandom.seed(1)\nnext_one = random.random()\n\
            random.seed(1)\nasync def tick():\n    global ticks\n    while True:\n        ticks += 1\n\
            \x20       await asyncio.sleep(0)\nticks = 0\ntask = asyncio.create_task(tick())\n\
            await asyncio.sleep(0)\ndel later\n__name__ = 'renamed'";
        run(&session, code).await;
        let error = session.restore_state(&snapshot).await.unwrap_err();
        match &error {
            Error::Snapshot(SnapshotError::Unusable(reason)) if told == "stopped" => {
                assert!(reason.contains("claims"), "{reason}");
            }
            Error::Snapshot(SnapshotError::Unusable(reason)) => {
                assert_eq!(*reason, format!("x, a Setting: {told}"));
            }
            Error::Snapshot(SnapshotError::Memory { .. }) => assert!(told.contains("Memory")),
            other => panic!("{exception}: {other:?}"),
        }
        let code = "before = ticks\nawait asyncio.sleep(0.001)\n\
            print(ticks > before, 'later' in globals(), other[0] is Setting is type(x), \
            __name__, random.random() == next_one)\ntask.cancel()\n__name__ = '__main__'";
        assert_eq!(run(&session, code).await, "True False True renamed True\n");
    }
}

#[tokio::test]
async fn a_stop_stays_a_stop() {
    let limits = ResourceLimits::default().with_soft_timeout(Duration::from_millis(200));
    let session = with(limits).session().await.unwrap();
    let code = "spin = False\nclass Slow:\n    def __init__(self): self.y = 1\n    \
        def __reduce__(self):\n        \
            while spin: pass\n        \
            return Slow, (), {'y': 2}\n    \
        def __setstate__(self, state):\n        \
            while True: pass\n\
        x = Slow()";
    run(&session, code).await;
    let snapshot = session.snapshot_state().await.unwrap();
    run(&session, "spin = True").await;
    for saving in [true, false] {
        let ended = if saving {
            session.snapshot_state().await.map(drop)
        } else {
            session.restore_state(&snapshot).await
        };
        let Err(Error::Timeout(stopped)) = ended else { panic!("{ended:?}") };
        assert_eq!(*stopped, Duration::from_millis(200));
        // It has ended by itself.
        assert_eq!(session.state(), State::Ready);
        assert_eq!(run(&session, "print(spin, x.y)").await, "True 1\n");
    }
}

#[tokio::test]
async fn restored_classes_are_not_those_that_were_there() {
    let session = session().await;
    run(&session, "class C:\n    x = 1\nc = C()").await;
    let snapshot = session.snapshot_state().await.unwrap();
    // Something that goes on elsewhere keeps the class.
    run(&session, "import json\njson.kept = C\nC.x = 2\nC.y = 3").await;
    session.restore_state(&snapshot).await.unwrap();
    let code =
        "import json\nprint(C is json.kept, C.x, hasattr(C, 'y'), type(c) is C, json.kept.x)";
    assert_eq!(run(&session, code).await, "False 1 False True 2\n");
    run(&session, "json.again = C\nC.x = 4").await;
    session.restore_state(&snapshot).await.unwrap();
    let code = "import json\nprint(C is json.again, C.x, json.again.x)";
    assert_eq!(run(&session, code).await, "False 1 4\n");
}

#[tokio::test]
async fn tasks_end_when_a_snapshot_is_restored_and_see_their_own_world() {
    let session = session().await;
    run(&session, "import json\nvalue = 'saved'").await;
    let snapshot = session.snapshot_state().await.unwrap();
    let code = "import asyncio\nvalue = 'later'\nasync def wait():\n    \
        try:\n        await asyncio.sleep(60)\n    \
        finally:\n        json.seen = value\n        globals()['value'] = 'changed'\n        \
            raise SystemExit(5)\n\
        task = asyncio.create_task(wait())\nawait asyncio.sleep(0)";
    run(&session, code).await;
    session.restore_state(&snapshot).await.unwrap();
    assert_eq!(
        run(&session, "print(value, json.seen, 'task' in globals())").await,
        "saved later False\n"
    );
    run(&session, "import asyncio\nawait asyncio.sleep(0)\nprint(len(asyncio.all_tasks()))").await;
}

#[tokio::test]
async fn what_the_module_has_of_itself_is_there_again() {
    let session = session().await;
    run(&session, "x = 1").await;
    let snapshot = session.snapshot_state().await.unwrap();
    let breaking =
        "del __name__, __doc__, __spec__\n__package__ = 'p'\nglobals()['__builtins__'] = {}";
    let look = "import builtins\nprint(__name__, __doc__, __spec__, __package__, __builtins__ is builtins)";
    for restores in [true, false] {
        run(&session, breaking).await;
        if restores {
            session.restore_state(&snapshot).await.unwrap();
        } else {
            session.clear_state().await.unwrap();
        }
        assert_eq!(run(&session, look).await, "__main__ None None None True\n");
    }
}

#[tokio::test]
async fn chance_goes_on_in_a_session_that_has_used_none() {
    let first = session().await;
    run(&first, "import random\nrandom.seed(7)\nrandom.random()").await;
    let snapshot = first.snapshot_state().await.unwrap();
    let next = run(&first, "print(random.random())").await;
    for _ in 0..2 {
        let fresh = session().await;
        fresh.restore_state(&snapshot).await.unwrap();
        assert_eq!(run(&fresh, "print(random.random())").await, next);
    }
}

#[tokio::test]
async fn a_callback_in_a_variable_is_the_session_s_own() {
    let answer = |text: &'static str| {
        let callback =
            DynamicCallback::new("ask", move |_| async move { Ok(serde_json::json!(text)) });
        Sandbox::embedded().callback(callback).build().unwrap()
    };
    let first = answer("one").session().await.unwrap();
    run(&first, "asked = ask").await;
    let snapshot = first.snapshot_state().await.unwrap();
    let second = answer("two").session().await.unwrap();
    second.restore_state(&snapshot).await.unwrap();
    assert_eq!(run(&second, "print(await asked())").await, "two\n");
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_the_memory_is_refused() {
    let limits = ResourceLimits::default().with_memory_bytes(64 << 20);
    let session = with(limits).session().await.unwrap();
    run(&session, "x = bytes(22 << 20)").await;
    let error = session.snapshot_state().await.unwrap_err();
    let Error::Snapshot(SnapshotError::Memory { size, limit }) = error else { panic!("{error:?}") };
    assert_eq!(limit, 64 << 20);
    assert!(size > 40 << 20, "{size}");
    assert_eq!(run(&session, "print(len(x))").await, format!("{}\n", 22 << 20));

    // Nor is there room to send it.
    let large = self::session().await;
    run(&large, "x = bytes(60 << 20)").await;
    let snapshot = large.snapshot_state().await.unwrap();
    let error = session.restore_state(&snapshot).await.unwrap_err();
    assert!(matches!(error, Error::Snapshot(SnapshotError::Memory { .. })), "{error:?}");
    assert_eq!(run(&session, "print(len(x))").await, format!("{}\n", 22 << 20));
    run(&session, "del x").await;
    // It is sent, but cannot be read.
    run(&large, "x = bytes(25 << 20)").await;
    let snapshot = large.snapshot_state().await.unwrap();
    let error = session.restore_state(&snapshot).await.unwrap_err();
    assert!(matches!(error, Error::Snapshot(SnapshotError::Memory { .. })), "{error:?}");
    // What fits comes.
    run(&large, "x = bytes(1 << 20)").await;
    let snapshot = large.snapshot_state().await.unwrap();
    session.restore_state(&snapshot).await.unwrap();
    assert_eq!(run(&session, "print(len(x))").await, format!("{}\n", 1 << 20));
}

#[tokio::test]
async fn snapshots_leave_no_garbage() {
    let session = session().await;
    run(&session, "import gc\ngc.disable()\nx = bytes(20 << 20)").await;
    // Together more than the memory has.
    for _ in 0..15 {
        session.snapshot_state().await.unwrap();
    }
    assert_eq!(run(&session, "print(len(x))").await, format!("{}\n", 20 << 20));
}

#[tokio::test]
async fn what_is_printed_while_saving_is_in_no_run() {
    let session = session().await;
    run(&session, "class C:\n    def __reduce__(self):\n        print('saving', end='')\n        return C, ()\nc = C()")
        .await;
    session.snapshot_state().await.unwrap();
    assert_eq!(run(&session, "print('run')").await, "run\n");
}

#[tokio::test]
async fn a_library_that_a_program_has_broken_refuses() {
    for breaking in [
        "del _eryx_state.save, _eryx_state.restore",
        "_eryx_state.save = _eryx_state.restore = print",
    ] {
        let session = session().await;
        let good = session.snapshot_state().await.unwrap();
        run(&session, &format!("import _eryx_state\n{breaking}")).await;
        let error = session.snapshot_state().await.unwrap_err();
        assert!(matches!(error, Error::Snapshot(_)), "{error:?}");
        assert_eq!(run(&session, "print(2)").await, "2\n");
        if breaking.starts_with("del") {
            assert!(matches!(session.restore_state(&good).await, Err(Error::Snapshot(_))));
        }
        assert_eq!(run(&session, "print(3)").await, "3\n");
    }
}

#[tokio::test]
async fn bytes_of_the_program_s_own_are_refused() {
    let session = session().await;
    run(&session, "marker = 'x' * 100").await;
    let mut bytes = session.snapshot_state().await.unwrap().to_bytes();
    let place = bytes.windows(100).position(|part| part == [b'x'; 100]).unwrap();
    // An opcode that there is not, in the midst of the pickle.
    bytes[place - 10..place].fill(0xff);
    let end = bytes.len() - 32;
    let hash = blake3::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(hash.as_bytes());
    let forged = PythonStateSnapshot::from_bytes(&bytes).unwrap();
    let error = session.restore_state(&forged).await.unwrap_err();
    assert!(matches!(error, Error::Snapshot(SnapshotError::Unusable(_))), "{error:?}");
    assert_eq!(run(&session, "print(len(marker))").await, "100\n");
}

#[tokio::test]
async fn arguments_that_are_too_large_to_cross_are_refused() {
    let sandbox =
        Sandbox::embedded()
            .callback(
                DynamicCallback::new("take", |_| async { Ok(serde_json::json!("taken")) })
                    .parameter("value", serde_json::json!({}), true),
            )
            .limits({
                let mut limits = ResourceLimits::default();
                limits.callbacks.argument_bytes = 64 << 20;
                limits
            })
            .build()
            .unwrap();
    let session = sandbox.session().await.unwrap();
    let code = "async def kind(value, **more):\n    \
        try: return await take(value=value, **more)\n    \
        except CallbackError as error: return error.kind\n\
        print(await kind('x' * (20 << 20)), await kind(b'x' * (20 << 20)))\n\
        print(await kind('x' * (17 << 20)), await kind(['é' * (3 << 20)]))\n\
        print(await kind('x' * (14 << 20)), await kind(b'x' * (14 << 20)))";
    assert_eq!(run(&session, code).await, "taken taken\n".repeat(3));
    let code = "print(await kind(b'x' * (65 << 20)))";
    assert_eq!(run(&session, code).await, "invalid-arguments\n");
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

#[tokio::test]
async fn what_a_guest_says_of_its_end_is_kept_to_the_limits() {
    let mut limits = ResourceLimits::default();
    (limits.result_bytes, limits.traceback_bytes) = (1000, 1000);
    let sandbox = with(limits);
    for (claim, kept) in [
        ("(True, '{', False)", "{".to_owned()),
        ("(True, '[1, 2' + ']' * 2, False)", "[1, 2]]".to_owned()),
        ("(True, '1' * 5000, False)", "1".repeat(1000)),
        ("(False, 'é' * 5000, False)", "é".repeat(500)),
    ] {
        let code = format!("import _eryx_result\n_eryx_result.describe = lambda *_: {claim}\n1");
        let output = sandbox.execute(code).await.unwrap();
        assert_eq!(output.truncated.result, kept.len() > 100, "{claim}");
        assert_eq!(output.result, Some(eryx::PythonValue::Repr(kept)), "{claim}");
    }
    let deep = "[".repeat(200) + &"]".repeat(200);
    let code = format!("import json\nx = json.loads('{deep}')\nx");
    let output = sandbox.execute(code).await.unwrap();
    assert_eq!(output.result, Some(eryx::PythonValue::Json(deep)));

    let code = "import _eryx_report\nlong = 'm' * 1100\n\
        one = (0, 'T\\x1b', long, [(long, 1, '', '')] * 210, [long] * 110)\n\
        _eryx_report.describe = lambda *_: ([one] * 20, long)\n1 / 0";
    let Err(Error::Execution(exception)) = sandbox.execute(code).await else { panic!() };
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
