//! Inside the sandbox Python behaves as it does outside.

use crate::support::{raised, run, sandbox, stdout};
use eryx::{Error, PythonValue, Sandbox};

#[expect(clippy::unnecessary_wraps, reason = "it is compared with an `Option`")]
fn json(text: &str) -> Option<PythonValue> {
    Some(PythonValue::Json(text.to_owned()))
}

#[tokio::test]
async fn the_last_expression_is_the_result() {
    assert_eq!(run("1 + 1").await.result, json("2"));
    assert_eq!(run("x = 1; 5").await.result, json("5"));
    assert_eq!(run("x = 1\n\n5").await.result, json("5"));
    assert_eq!(
        run("def f(): pass\n\n...").await.result,
        Some(PythonValue::Repr("Ellipsis".into()))
    );
    assert_eq!(run("'a docstring'").await.result, json(r#""a docstring""#));
    assert_eq!(run("(x := 7)").await.result, json("7"));
    assert_eq!(run("x = 0\n'é\\ud800'").await.result, json(r#""\u00e9\ud800""#));
    assert_eq!(run("10**40").await.result, json(&format!("1{}", "0".repeat(40))));
    assert_eq!(run("import asyncio\nawait asyncio.sleep(0, [1.5])").await.result, json("[1.5]"));
}

#[tokio::test]
async fn statements_have_no_result() {
    for code in ["x = 1", "", "# nothing", "None", "def f(): return 1", "print(end='')"] {
        assert_eq!(run(code).await.result, None, "{code}");
    }
}

#[tokio::test]
async fn the_result_does_not_depend_on_how_the_statement_compiles() {
    for (code, value) in [
        ("x = [1]\nx.pop()", "1"),
        ("x = 1\n3 if x else 4", "3"),
        ("x = 0\n3 if x else str(4)", r#""4""#),
        ("x = 2\nx and x + 1", "3"),
        ("def f(): return 1\nf()  # a comment", "1"),
        ("if True:\n    1\nlen(\n  'ab'\n)", "2"),
        ("len('a'); len('ab')", "2"),
        ("await_ = 1\n(\n  await_\n)", "1"),
        ("async def f(): return 5\nawait f()", "5"),
        ("async def f(): return 5\nx = await f()\nlen('a') + x", "6"),
        ("[i async for i in g()]", "[0, 1]"),
    ] {
        let code = format!("async def g():\n    yield 0\n    yield 1\n{code}");
        assert_eq!(run(&code).await.result, json(value), "{code}");
    }
    for code in [
        "from os import path",
        "from os.path import *",
        "import os.path",
        "for i in range(3):\n    len('a')",
        "if 1:\n    len('a')",
        "x = 1\nif x:\n    len('a')\nelse:\n    len('b')",
        "import io\nwith io.StringIO() as f:\n    f.write('a')",
        "try:\n    len('a')\nfinally:\n    pass",
        "x = 1\nmatch x:\n    case 1:\n        len('a')",
        "while True:\n    break",
        "class A:\n    len('a')",
    ] {
        assert_eq!(run(code).await.result, None, "{code}");
    }
}

#[tokio::test]
async fn values_that_json_cannot_hold_come_as_repr() {
    let repr = |text: &str| Some(PythonValue::Repr(text.to_owned()));
    assert_eq!(run("{1, 2}").await.result, repr("{1, 2}"));
    assert_eq!(run("float('nan')").await.result, repr("nan"));
    assert_eq!(run("b'\\xff'").await.result, repr("b'\\xff'"));
    let broken = "class A:\n def __repr__(self): return 1/0\nA()";
    assert_eq!(run(broken).await.result, repr("<A object whose repr raised ZeroDivisionError>"));
    assert!(run("a = []\na.append(a)\na").await.result.is_some());
}

#[tokio::test]
async fn integers_of_any_size_have_all_their_digits() {
    let digits = format!("1{}", "0".repeat(5000));
    assert_eq!(run("10**5000").await.result, json(&digits));
    assert_eq!(run("[10**5000]").await.result, json(&format!("[{digits}]")));
    let set = Some(PythonValue::Repr(format!("{{{digits}}}")));
    assert_eq!(run("{10**5000}").await.result, set);
    // The limit that CPython has of its own is still there for programs.
    let code = "import sys\nprint(sys.get_int_max_str_digits())";
    assert_eq!(stdout(code).await, "4300\n");
}

#[tokio::test]
async fn a_named_variable_can_be_the_result() {
    let executor = sandbox().executor().clone();
    let output = executor.execute("x = {'a': 1}\n2").with_result_variable("x").run().await;
    assert_eq!(output.unwrap().result, json(r#"{"a": 1}"#));
    let missing = executor.execute("x = 1").with_result_variable("y").run().await;
    let Err(Error::Execution(exception)) = missing else { panic!("{missing:?}") };
    assert_eq!(exception.type_name, "NameError");
}

#[tokio::test]
async fn results_are_cut_at_their_limit() {
    let output = run("'x' * 2_000_000").await;
    assert!(output.truncated.result);
    assert_eq!(output.result.unwrap().as_str().len(), 1 << 20);
}

#[tokio::test]
async fn exceptions_have_frames_with_source_lines() {
    let exception = raised("def f(a):\n    return 1 / a\n\nf(0)").await;
    assert_eq!(exception.type_name, "ZeroDivisionError");
    assert_eq!(exception.message, "division by zero");
    let frames: Vec<_> = exception
        .frames
        .iter()
        .map(|f| (f.filename.as_str(), f.line, f.function.as_str(), f.source.as_str()))
        .collect();
    assert_eq!(frames, [("main.py", 4, "<module>", "f(0)"), ("main.py", 2, "f", "return 1 / a")]);
    assert_eq!(
        exception.traceback,
        "Traceback (most recent call last):\n\
         \x20 File \"main.py\", line 4, in <module>\n    f(0)\n    ~^^^\n\
         \x20 File \"main.py\", line 2, in f\n    return 1 / a\n           ~~^~~\n\
         ZeroDivisionError: division by zero\n"
    );
}

#[tokio::test]
async fn tracebacks_show_causes_notes_and_the_library() {
    let exception = raised(
        "import json\ntry:\n    json.loads('{')\nexcept ValueError as e:\n    \
         e.add_note('a note')\n    raise KeyError('k') from e",
    )
    .await;
    assert_eq!(exception.type_name, "KeyError");
    for part in [
        "json/decoder.py\", line",
        "obj, end = self.scan_once(s, idx)",
        "a note",
        "The above exception was the direct cause of the following exception:",
    ] {
        assert!(exception.traceback.contains(part), "{part} is not in {}", exception.traceback);
    }
}

#[tokio::test]
async fn syntax_errors_point_at_the_place() {
    let exception = raised("x = 1\nif x\n    pass").await;
    assert_eq!(exception.type_name, "SyntaxError");
    assert!(exception.frames.is_empty());
    assert!(exception.traceback.contains("File \"main.py\", line 2\n    if x\n        ^\n"));
}

#[tokio::test]
async fn exceptions_inside_await_show_the_program_only() {
    let exception = raised("async def f():\n    raise OSError('no')\nawait f()").await;
    let functions: Vec<_> = exception.frames.iter().map(|f| f.function.as_str()).collect();
    assert_eq!(functions, ["<module>", "f"]);
}

#[tokio::test]
async fn classes_of_the_program_have_no_module_name() {
    assert_eq!(raised("class E(Exception): pass\nraise E").await.type_name, "E");
}

#[tokio::test]
async fn exit_statuses() {
    for (code, status, stderr) in [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit()", 0, ""),
        ("raise SystemExit('bye')", 1, "bye\n"),
        ("exit(True)", 1, ""),
        ("import sys; sys.exit(-1)", -1, ""),
    ] {
        let output = run(code).await;
        assert_eq!((output.exit_status, output.stderr.as_str()), (status, stderr), "{code}");
    }
}

#[tokio::test]
async fn the_namespace_is_clean() {
    let names = stdout("print(*sorted(globals()))").await;
    assert_eq!(
        names,
        "__annotations__ __builtins__ __doc__ __file__ __loader__ __name__ __package__ __spec__\n"
    );
}

#[tokio::test]
async fn arguments_and_names() {
    let sandbox = Sandbox::embedded().filename("tool.py").args(["a", "é b"]).build().unwrap();
    let output = sandbox.execute("import sys\nprint(sys.argv, __file__, __name__)").await.unwrap();
    assert_eq!(output.stdout, "['tool.py', 'a', 'é b'] tool.py __main__\n");
}

#[tokio::test]
async fn all_ways_to_print_lead_to_the_same_place() {
    let output = run(
        "import os, sys\nprint('a', flush=True)\nsys.stdout.buffer.write(b'b\\n')\n\
         sys.stdout.flush()\nos.write(1, b'c\\n')\nos.write(2, b'd\\n')\nprint('e', file=sys.stderr)",
    )
    .await;
    assert_eq!(output.stdout, "a\nb\nc\n");
    assert_eq!(output.stderr, "d\ne\n");
}

#[tokio::test]
async fn what_was_printed_before_a_stream_was_replaced_is_not_lost() {
    let code = "import io, sys\nprint('before')\nprint('error', file=sys.stderr)\n\
                sys.stdout, sys.stderr = io.StringIO(), io.StringIO()\nprint('after')";
    let output = run(code).await;
    assert_eq!(
        (output.stdout.as_bytes(), output.stderr.as_bytes()),
        (&b"before\n"[..], &b"error\n"[..])
    );
}

#[tokio::test]
async fn streams_are_text_streams() {
    assert_eq!(
        stdout(
            "import io, sys\nprint(type(sys.stdout) is io.TextIOWrapper, sys.stdout.fileno(), \
             sys.stdout.encoding, sys.stdout.isatty(), sys.stdin.read() == '')"
        )
        .await,
        "True 1 utf-8 False True\n"
    );
}

#[tokio::test]
async fn exit_handlers_run() {
    let code = "import atexit\natexit.register(print, 'bye')\nprint('hi')";
    assert_eq!(stdout(code).await, "hi\nbye\n");
}

#[tokio::test]
async fn asyncio_has_timers() {
    assert_eq!(
        stdout(
            "import asyncio\n\
             async def main():\n\
             \x20   async with asyncio.timeout(0.01):\n\
             \x20       await asyncio.sleep(60)\n\
             try:\n    asyncio.run(main())\nexcept TimeoutError:\n    print('late')\n\
             print(asyncio.run(asyncio.wait_for(asyncio.sleep(0.01, 'done'), 5)))"
        )
        .await,
        "late\ndone\n"
    );
}

#[tokio::test]
async fn pickle_finds_the_programs_classes() {
    let code = "import pickle\nclass A:\n    x = 1\n\
                print(type(pickle.loads(pickle.dumps(A()))) is A)";
    assert_eq!(stdout(code).await, "True\n");
}

#[tokio::test]
async fn source_is_there_for_inspect() {
    let code = "import inspect\ndef f():\n    return 1\nprint(inspect.getsource(f), end='')";
    assert_eq!(stdout(code).await, "def f():\n    return 1\n");
}

#[tokio::test]
async fn every_extension_module_works() {
    let output = stdout(
        "import array, bz2, cmath, decimal, hashlib, lzma, sqlite3, unicodedata, zlib\n\
         import xml.etree.ElementTree as E, zoneinfo, datetime, csv, json, _statistics\n\
         data = b'abc' * 1000\n\
         print(all(m.decompress(m.compress(data)) == data for m in (bz2, lzma, zlib)))\n\
         print(hashlib.sha256(b'').hexdigest()[:8], hashlib.sha3_256(b'').hexdigest()[:8])\n\
         print(hashlib.blake2b(b'').hexdigest()[:8], hashlib.md5(b'').hexdigest()[:8])\n\
         print(decimal.Decimal(1) / 7, unicodedata.name('é'))\n\
         print(E.fromstring('<a><b/></a>')[0].tag, sqlite3.connect(':memory:').execute(\n\
         \x20   'select json_extract(?, ?)', ('{\"a\": 5}', '$.a')).fetchone())",
    )
    .await;
    assert_eq!(
        output,
        "True\ne3b0c442 a7ffc6f8\n786a02f7 d41d8cd9\n\
         0.1428571428571428571428571429 LATIN SMALL LETTER E WITH ACUTE\nb (5,)\n"
    );
    // Left out: a clear error, not a crash.
    assert_eq!(raised("import ctypes").await.type_name, "ModuleNotFoundError");
}

#[tokio::test]
async fn every_module_of_the_library_can_be_imported() {
    // Modules that need what WASI lacks raise ImportError, as CPython's
    // documentation says of them; nothing may break in another way.
    let code = "
import importlib, pkgutil, sys, warnings
warnings.simplefilter('ignore')
missing = []
for name in sorted(sys.stdlib_module_names):
    if name in ('antigravity', 'this', '__main__'):
        continue
    try:
        importlib.import_module(name)
    except ImportError as error:
        missing.append(name)
print(*missing)
";
    let missing = stdout(code).await;
    let allowed = [
        "_ctypes",
        "_curses",
        "_curses_panel",
        "_dbm",
        "_gdbm",
        "_hashlib",
        "_interpchannels",
        "_interpqueues",
        "_interpreters",
        "_multiprocessing",
        "_msi",
        "_overlapped",
        "_posixshmem",
        "_posixsubprocess",
        "_scproxy",
        "_ssl",
        "_tkinter",
        "_uuid",
        "_winapi",
        "_wmi",
        "_android_support",
        "_apple_support",
        "_ios_support",
        "_aix_support",
        "_osx_support",
        "ctypes",
        "curses",
        "ensurepip",
        "fcntl",
        "grp",
        "idlelib",
        "mmap",
        "msvcrt",
        "nt",
        "pwd",
        "readline",
        "resource",
        "ssl",
        "syslog",
        "termios",
        "tkinter",
        "tty",
        "pty",
        "turtle",
        "turtledemo",
        "winreg",
        "winsound",
        "dbm.gnu",
    ];
    for name in missing.split_whitespace() {
        assert!(allowed.contains(&name), "{name} cannot be imported");
    }
}

#[tokio::test]
async fn random_state_differs_and_hash_seeds_do_not() {
    let code = "import os, random, uuid, secrets\n\
                print(random.random(), os.urandom(8), uuid.uuid4(), secrets.token_hex())";
    assert_ne!(stdout(code).await, stdout(code).await);
    let code = "print(hash('a'))";
    assert_eq!(stdout(code).await, stdout(code).await);
}

#[tokio::test]
async fn runs_share_nothing() {
    run("import builtins, json\nbuiltins.len = None\njson.x = 1\nx = 1").await;
    assert_eq!(
        stdout("import json\nprint(len([1]), hasattr(json, 'x'), 'x' in globals())").await,
        "1 False False\n"
    );
}

#[tokio::test]
async fn a_byte_order_mark_is_no_error() {
    assert_eq!(stdout("\u{feff}print(1)").await, "1\n");
}

#[tokio::test]
async fn statistics_are_true() {
    let output = run("x = bytearray(50_000_000)").await;
    assert!(output.peak_memory_bytes > 50_000_000);
    assert!(output.peak_memory_bytes < 200_000_000);
    assert!(!output.duration.is_zero());
}

#[tokio::test]
async fn waiting_for_a_lock_ends() {
    let code = "
import asyncio, queue, threading, time
lock = threading.Lock()
lock.acquire()
for wait in [lock.acquire, queue.Queue().get, threading.Event().wait]:
    try:
        wait()
    except RuntimeError as error:
        print(str(error).partition(':')[0])
begin = time.monotonic()
print(lock.acquire(timeout=0.05), time.monotonic() - begin >= 0.05, lock.acquire(blocking=False))
try:
    queue.Queue().get(timeout=0.01)
except queue.Empty:
    print('empty')
print(threading.RLock().acquire(), asyncio.run(asyncio.to_thread(lambda: 5)))
";
    assert_eq!(
        stdout(code).await,
        "deadlock\ndeadlock\ndeadlock\nFalse True False\nempty\nTrue 5\n"
    );
}
