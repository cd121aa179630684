//! Programs end as they do outside, whatever they have done to what an end needs.
//! What is expected here is what CPython 3.13 does.

use crate::support::{raised, run, sandbox};
use eryx::{Error, ResourceLimits, State};
use std::time::Duration;

const WRITES_ONLY: &str = "import sys\nclass Writes:\n    def write(self, text):\n        \
                           sys.__stdout__.write(text)\nsys.stdout = Writes()\nprint('a')\n";

#[tokio::test]
async fn output_that_cannot_be_flushed_is_told_and_is_status_120() {
    for (code, reason) in [
        (WRITES_ONLY, "AttributeError: 'Writes' object has no attribute 'flush'"),
        (
            "import sys\nclass Broken:\n    def write(self, text): sys.__stdout__.write(text)\n    \
             def flush(self): raise ValueError('no flush')\nsys.stdout = Broken()\nprint('a')",
            "ValueError: no flush",
        ),
    ] {
        let output = run(code).await;
        assert_eq!((output.exit_status, output.stdout.as_str()), (120, "a\n"), "{code}");
        let told = output.stderr.as_str();
        assert!(told.starts_with("Exception ignored on flushing sys.stdout:\n"), "{told}");
        assert!(told.ends_with(&format!("{reason}\n")), "{told}");
    }
    let code = "import sys\nclass Broken:\n    def write(self, text): pass\n    \
                def flush(self): raise OSError\nsys.stderr = Broken()\n";
    assert_eq!(run(code).await.exit_status, 120);
    assert_eq!(run(&format!("{code}sys.exit(3)")).await.exit_status, 120);
    assert_eq!(raised(&format!("{code}1/0")).await.type_name, "ZeroDivisionError");
}

#[tokio::test]
async fn streams_can_be_taken_away() {
    for code in [
        "import sys\ndel sys.stdout",
        "import sys\ndel sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__",
        "import sys\nsys.stdout = sys.stderr = None",
        "import sys\nsys.stdout.detach()",
        "import sys\nsys.stdout.close()",
    ] {
        let output = run(code).await;
        let status = if code.contains("detach") { 120 } else { 0 };
        assert_eq!(output.exit_status, status, "{code}");
        assert_eq!(raised(&format!("{code}\n1/0")).await.type_name, "ZeroDivisionError", "{code}");
    }
}

#[tokio::test]
async fn what_is_given_to_exit_is_printed() {
    for (code, status, stderr) in [
        ("class A:\n    def __str__(self): 1/0\nraise SystemExit(A())", 1, "\n"),
        ("import sys\nsys.exit(1.5)", 1, "1.5\n"),
        ("import sys\ndel sys.stderr\nsys.exit('bye')", 1, "bye\n"),
        ("import sys\nsys.stderr = None\nsys.exit('bye')", 1, "bye\n"),
        (
            "class X(SystemExit):\n    @property\n    def code(self): return 1/0\nraise X('a')",
            1,
            "a\n",
        ),
        ("import sys\nsys.excepthook = lambda *_: sys.exit(4)\n1/0", 4, ""),
        ("import sys\nsys.excepthook = lambda *_: sys.exit('no')\n1/0", 1, "no\n"),
    ] {
        let output = run(code).await;
        assert_eq!((output.exit_status, output.stderr.as_str()), (status, stderr), "{code}");
    }
}

#[tokio::test]
async fn a_hook_that_is_missing_or_fails() {
    let missing = raised("import sys\ndel sys.excepthook\n1/0").await;
    assert!(missing.traceback.starts_with("sys.excepthook is missing\nTraceback (most recent"));
    let failing = raised("import sys\nsys.excepthook = lambda *_: {}['a']\n1/0").await;
    assert_eq!(failing.type_name, "ZeroDivisionError");
    assert_eq!(
        failing.traceback,
        "Error in sys.excepthook:\nTraceback (most recent call last):\n\
         \x20 File \"main.py\", line 2, in <lambda>\n    sys.excepthook = lambda *_: {}['a']\n\
         \x20                               ~~^^^^^\nKeyError: 'a'\n\n\
         Original exception was:\nTraceback (most recent call last):\n\
         \x20 File \"main.py\", line 3, in <module>\n    1/0\n    ~^~\n\
         ZeroDivisionError: division by zero\n"
    );
}

#[tokio::test]
async fn exceptions_of_any_kind_are_told() {
    for (code, name, message) in [
        (
            "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass E(Exception):\n    \
             x: int\nraise E(3)",
            "E",
            "3",
        ),
        (
            "class E(Exception):\n    def __setattr__(self, name, value): raise ValueError\n\
             raise E('a')",
            "E",
            "a",
        ),
        (
            "class E(Exception):\n    def __getattribute__(self, name): raise ValueError\n\
             raise E('a')",
            "E",
            "a",
        ),
        (
            "class E(Exception):\n    def __str__(self): 1/0\nraise E",
            "E",
            "<exception str() failed>",
        ),
        (
            "e = SyntaxError('x')\ne.lineno, e.filename, e.text, e.offset = 'abc', 5, 7, 'a'\nraise e",
            "SyntaxError",
            "x",
        ),
        (
            "e = SyntaxError('x', ('f', 1, 1, 'a', 1, 1))\ne.text, e.end_offset = 5, []\nraise e",
            "SyntaxError",
            "x",
        ),
        ("e = KeyError(1)\ne.__notes__ = 5\nraise e", "KeyError", "1"),
        ("import builtins\nbuiltins.repr = builtins.str = None\n1/0", "ZeroDivisionError", ""),
    ] {
        let exception = raised(code).await;
        assert_eq!(exception.type_name, name, "{code}\n{}", exception.traceback);
        assert!(exception.message.starts_with(message), "{code}: {}", exception.message);
        assert!(exception.traceback.contains(name), "{}", exception.traceback);
    }
}

#[tokio::test]
async fn a_program_that_breaks_the_runner_has_raised() {
    let session = sandbox().session().await.unwrap();
    for name in ["isinstance", "type", "issubclass", "BaseException", "getattr", "int", "len"] {
        let exception = raised(&format!("import builtins\nbuiltins.{name} = None\n1/0")).await;
        assert!(!exception.traceback.is_empty(), "{name}");
        let code = format!("import builtins\nbuiltins.{name} = None\n1/0");
        assert!(matches!(session.execute(&code).await, Err(Error::Execution(_))), "{name}");
        assert_eq!(session.state(), State::Ready, "{name}");
        session.reset().await.unwrap();
        assert_eq!(session.execute("print(1)").await.unwrap().stdout, "1\n", "{name}");
    }
}

#[tokio::test]
async fn exit_handlers_run_after_an_exception() {
    let hook = "import atexit, sys\natexit.register(print, 'bye')\n\
                sys.excepthook = lambda kind, *_: print(kind.__name__)\n1/0";
    let error = sandbox().execute(hook).await.unwrap_err();
    assert_eq!(error.output().unwrap().stdout, "ZeroDivisionError\nbye\n");
    let code = "import atexit, sys\natexit.register(lambda: print(sys.exc_info()))\n1/0";
    let error = sandbox().execute(code).await.unwrap_err();
    assert_eq!(error.output().unwrap().stdout, "(None, None, None)\n");
    let session = sandbox().session().await.unwrap();
    let code = "import atexit\natexit.register(print, 'bye')\n1/0";
    let error = session.execute(code).await.unwrap_err();
    assert_eq!(error.output().unwrap().stdout, "", "a session goes on");
}

#[tokio::test]
async fn being_asked_to_end_at_the_end_is_neither_lost_nor_a_crash() {
    let limits = ResourceLimits::default().with_soft_timeout(Duration::from_millis(200));
    let spinning_stream = "import sys\nclass S:\n    def write(self, text): pass\n    \
                           def flush(self):\n        while True: pass\nsys.stdout = S()\n";
    for code in [
        spinning_stream.to_owned(),
        format!("{spinning_stream}sys.exit(3)"),
        "class A:\n    def __str__(self):\n        while True: pass\nraise SystemExit(A())"
            .to_owned(),
        "class A:\n    def __repr__(self):\n        while True: pass\nA()".to_owned(),
    ] {
        let ended = sandbox().prepare(&code).with_limits(limits.clone()).run().await;
        let Err(Error::Execution(exception)) = ended else { panic!("{code}: {ended:?}") };
        assert_eq!(exception.type_name, "TimeoutError", "{code}");
    }
    for code in [
        format!("{spinning_stream}1/0"),
        "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E".to_owned(),
        "import sys\ndef hook(*_):\n    while True: pass\nsys.excepthook = hook\n1/0".to_owned(),
        "import atexit\n@atexit.register\ndef spin():\n    while True: pass\n1/0".to_owned(),
    ] {
        let ended = sandbox().prepare(&code).with_limits(limits.clone()).run().await;
        assert!(matches!(ended, Err(Error::Execution(_))), "{code}: {ended:?}");
    }
}

#[tokio::test]
async fn a_session_survives_what_a_program_does_to_its_streams() {
    let session = sandbox().session().await.unwrap();
    for code in [
        "import sys\nsys.stdout = None",
        "import sys\ndel sys.stdout, sys.stderr",
        "import sys\nsys.stdout.detach()",
        "import sys\nsys.stderr.close()",
    ] {
        session.execute(code).await.unwrap();
        let code = "import sys\nprint('on')\nprint('err', file=sys.stderr)";
        let output = session.execute(code).await.unwrap();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("on\n", "err\n"), "{code}");
    }
    // Its own stream stays, without a word at the end of each run.
    let output = session.execute(WRITES_ONLY).await.unwrap();
    assert_eq!((output.exit_status, output.stdout.as_str()), (0, "a\n"));
    let output = session.execute("print('b')").await.unwrap();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("b\n", ""));
}

#[tokio::test]
async fn case_67_a_session_without_modules_is_usable() {
    let session = sandbox().session().await.unwrap();
    session.execute("x = 5").await.unwrap();
    for code in ["import sys\nsys.modules.clear()", "import sys\ndel sys.modules['__main__']"] {
        session.execute(code).await.unwrap();
        assert_eq!(session.state(), State::Ready);
        let code = "import json, asyncio\nawait asyncio.sleep(0)\nprint(json.dumps(x), __name__)";
        assert_eq!(session.execute(code).await.unwrap().stdout, "5 __main__\n");
    }
    session.execute("import sys\nsys.modules.clear()").await.unwrap();
    let saved = session.snapshot_state().await.unwrap();
    session.clear_state().await.unwrap();
    session.restore_state(&saved).await.unwrap();
    assert_eq!(session.execute("print(x)").await.unwrap().stdout, "5\n");
}

#[tokio::test]
async fn a_program_without_a_file_has_source_lines_all_the_same() {
    let sandbox = eryx::Sandbox::embedded().filename("<string>").build().unwrap();
    let ended = sandbox.execute("def f():\n    return __file__\nf()").await;
    let Err(Error::Execution(exception)) = ended else { panic!("{ended:?}") };
    assert!(exception.message.starts_with("name '__file__' is not defined"));
    let frame = exception.frames.last().unwrap();
    assert_eq!((frame.filename.as_str(), frame.source.as_str()), ("<string>", "return __file__"));
}
