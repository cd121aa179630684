//! Variables saved by value: what a program does to be saved wrongly, and what was saved
//! by somebody else.

use crate::support::{rehashed, run_in as run, session, with};
use eryx::{
    Error, Poison, PythonStateSnapshot, ResourceLimits, SnapshotError, SnapshotOptions, State,
};
use std::time::Duration;

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
async fn case_44_what_cannot_be_restored_changes_nothing() {
    let session = session().await;
    run(&session, "x = 1\ndef f():\n    return x\nmarker = 'x' * 100").await;
    let good = session.snapshot_state().await.unwrap().to_bytes();
    for bytes in [&good[..good.len() / 2], b"nonsense", b""] {
        assert!(PythonStateSnapshot::from_bytes(bytes).is_err());
    }
    // Well-wrapped, but not what the guest saved: opcodes that there are not, in the midst
    // of the pickle.
    let pickled = good.windows(100).position(|part| part == [b'x'; 100]).unwrap();
    for (place, byte) in [(pickled - 30..pickled - 10, 0xee), (pickled - 10..pickled, 0xff)] {
        let mut bytes = good.clone();
        bytes[place].fill(byte);
        let snapshot = PythonStateSnapshot::from_bytes(&rehashed(bytes)).unwrap();
        let error = session.restore_state(&snapshot).await.unwrap_err();
        assert!(matches!(error, Error::Snapshot(SnapshotError::Unusable(_))), "{error:?}");
        assert_eq!(run(&session, "print(x, f(), len(marker))").await, "1 1 100\n");
    }
}

#[tokio::test]
async fn a_snapshot_that_is_too_large() {
    let session = session().await;
    run(&session, "x = bytes(2_000_000)").await;
    let options = SnapshotOptions::default().with_max_bytes(1_000_000);
    let error = session.lock().unwrap().snapshot_state_with(&options).await.unwrap_err();
    assert!(
        matches!(error, Error::Snapshot(SnapshotError::TooLarge { limit: 1_000_000, .. })),
        "{error}"
    );
    assert_eq!(run(&session, "print(len(x))").await, "2000000\n");
    let snapshot = session.snapshot_state().await.unwrap();
    assert!(snapshot.size() > 2_000_000);
}

#[tokio::test]
async fn case_49_no_snapshot_of_a_poisoned_or_running_session() {
    let session = session().await;
    let other = session.clone();
    let running = tokio::spawn(async move { other.execute("import time\ntime.sleep(0.2)").await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(matches!(session.snapshot_state().await, Err(Error::Busy)));
    running.await.unwrap().unwrap();
    let _ =
        tokio::time::timeout(Duration::from_millis(30), session.execute("while True: pass")).await;
    assert!(matches!(session.snapshot_state().await, Err(Error::Poisoned(Poison::Dropped))));
}

#[tokio::test]
async fn a_snapshot_that_takes_too_long_is_stopped() {
    let session = session().await;
    run(&session, "class Slow:\n    def __reduce__(self):\n        while True: pass\ns = Slow()")
        .await;
    session.lock().unwrap().set_execution_timeout(Some(Duration::from_millis(300)));
    let error = session.snapshot_state().await.unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert_eq!(session.state(), State::Poisoned(Poison::Limit));
}

/// It is written into the interpreter's own memory: only as a whole, and only if it is one.
#[tokio::test]
async fn a_state_of_chance_that_is_none_is_refused() {
    for state in ["b''", "b'\\xff' * 2500", "b'\\x71\\x02' + bytes(2498)", "[1] * 625", "None"] {
        let forger = session().await;
        let forge = format!("import _eryx\n_eryx.random_state = lambda: {state}\nx = 1");
        run(&forger, &forge).await;
        let snapshot = forger.snapshot_state().await.unwrap();

        let session = session().await;
        run(&session, "import random\ny = 2\nrandom.seed(3)").await;
        let Err(Error::Snapshot(SnapshotError::Unusable(reason))) =
            session.restore_state(&snapshot).await
        else {
            panic!("{state} was restored");
        };
        assert!(reason.contains("no state of random numbers"), "{state}: {reason}");
        let look = "before = random.random()\nrandom.seed(3)\n\
             print(y, before == random.random(), 'x' in globals())";
        assert_eq!(run(&session, look).await, "2 True False\n");
    }
}
