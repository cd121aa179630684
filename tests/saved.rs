//! Variables saved by value: what comes back, and what is refused, by its name.

use crate::support::{run_in as run, session};
use eryx::{
    DynamicCallback, Error, Omission, PythonStateSnapshot, Sandbox, Session, SnapshotError,
    SnapshotOptions, State,
};

/// Runs the first half of a program, and the second wherever its variables are: where
/// they were made, in another session in place of what it had, and in both once more.
async fn round_trip(program: &str) {
    let (before, after) = program.split_once("# After\n").unwrap();
    let first = session().await;
    run(&first, before).await;
    let snapshot = first.snapshot_state().await.unwrap();
    assert_eq!(snapshot.size(), snapshot.metadata().size_bytes);
    let snapshot = PythonStateSnapshot::from_bytes(&snapshot.to_bytes()).unwrap();
    run(&first, after).await;
    let second = session().await;
    run(&second, "stale = 1").await;
    for session in [&second, &first, &second] {
        session.restore_state(&snapshot).await.unwrap();
        run(session, after).await;
        assert_eq!(run(session, "print('stale' in globals())").await, "False\n");
    }
    // And what came back can be saved again.
    let again = second.snapshot_state().await.unwrap();
    first.restore_state(&again).await.unwrap();
    run(&first, after).await;
}

#[tokio::test]
async fn case_46_data_and_modules() {
    round_trip(include_str!("saved/data.py")).await;
}

#[tokio::test]
async fn case_46_functions_and_cells() {
    round_trip(include_str!("saved/functions.py")).await;
}

#[tokio::test]
async fn case_46_classes_and_their_instances() {
    round_trip(include_str!("saved/classes.py")).await;
}

#[tokio::test]
async fn case_46_enumerations() {
    round_trip(include_str!("saved/enumerations.py")).await;
}

#[tokio::test]
async fn case_46_types_and_other_values() {
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

/// It is saved as CPython keeps it, of which CPython's own word is the measure.
#[tokio::test]
async fn chance_is_what_the_generator_says_it_is() {
    let first = session().await;
    for used in [0, 1, 623, 624, 625] {
        let code = format!(
            "import random\nrandom.seed({used})\n[random.getrandbits(32) for _ in range({used})]\n\
             random.gauss()\nstate = random.getstate()\nrandom.gauss()\nprint(random.getstate() == state)\n\
             random.setstate(state)"
        );
        assert_eq!(run(&first, &code).await, "False\n");
        let snapshot = first.snapshot_state().await.unwrap();
        let second = session().await;
        second.restore_state(&snapshot).await.unwrap();
        let look = "import random\nprint(random.getstate() == state)";
        assert_eq!(run(&second, look).await, "True\n", "{used}");
    }
}

/// A new generator starts as one that CPython has seeded: with no word used yet, and the
/// first not zero.
#[tokio::test]
async fn chance_at_the_start_is_a_state_that_cpython_takes() {
    let code = "import random\nversion, words, gauss = random.getstate()\n\
        print(version, len(words), words[0], words[-1], gauss, len(set(words)) > 600)\n\
        other = random.Random()\nother.setstate((version, words, gauss))\n\
        print(other.random() == random.random())";
    assert_eq!(run(&session().await, code).await, "3 625 2147483648 624 None True\nTrue\n");
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
async fn case_47_restored_twice() {
    let first = session().await;
    run(&first, "import os, uuid\nx = [1]").await;
    let snapshot = first.snapshot_state().await.unwrap();
    let mut printed = Vec::new();
    for _ in 0..2 {
        let session = session().await;
        session.restore_state(&snapshot).await.unwrap();
        printed.push(
            run(&session, "x.append(2)\nprint(x == [1, 2])\nprint(os.urandom(8), uuid.uuid4())")
                .await,
        );
    }
    assert!(printed[0].starts_with("True\n") && printed[1].starts_with("True\n"));
    assert_ne!(printed[0], printed[1]);
}

#[tokio::test]
async fn case_45_what_cannot_be_saved_is_named() {
    let session = session().await;
    run(&session, "def g():\n    yield 1\ngen = g()\nok = 3\nsecond = (x for x in [])").await;
    let error = session.snapshot_state().await.unwrap_err();
    let Error::Snapshot(SnapshotError::Unsaveable(omitted)) = &error else { panic!("{error}") };
    let names: Vec<_> =
        omitted.iter().map(|one| (one.name.as_str(), one.type_name.as_str())).collect();
    assert_eq!(names, [("gen", "generator"), ("second", "generator")]);
    assert!(error.to_string().starts_with("cannot save gen, a generator (TypeError: "), "{error}");
    assert_eq!(session.state(), State::Ready);

    let options = SnapshotOptions::default().with_skip_unsaveable(true);
    let (snapshot, omitted) = session.lock().unwrap().snapshot_state_with(&options).await.unwrap();
    assert_eq!(omitted.len(), 2);
    session.restore_state(&snapshot).await.unwrap();
    assert_eq!(run(&session, "print(ok, list(g()), 'gen' in globals())").await, "3 [1] False\n");
}
