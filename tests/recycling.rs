//! Instances that are used again: nobody can tell them from new ones.

use crate::support::{repository, stdout};
use eryx::{
    Error, ExecutorBuilder, Image, Interpreter, MinimalState, PythonEngine, PythonExecutor,
    ResourceLimits, RuntimeSource, Sandbox, Seed,
};
use std::time::Duration;

fn builder() -> ExecutorBuilder {
    let runtime = repository().join("target/runtime/runtime.wasm");
    ExecutorBuilder::new(RuntimeSource::from_file(runtime).unwrap())
}

/// One that has seen an instance: from the second on they are kept.
async fn executor() -> PythonExecutor {
    let executor = builder().build(MinimalState::new).unwrap();
    executor.execute("None").run().await.unwrap();
    assert_eq!(executor.idle_instances(), 0);
    executor
}

/// Whether Linux tells here which pages were written to.
fn can_recycle() -> bool {
    cfg!(target_os = "linux")
}

async fn run(executor: &PythonExecutor, code: &str) {
    let ended = executor.execute(code).run().await;
    assert!(matches!(&ended, Ok(_) | Err(Error::Execution(_))), "{code}: {ended:?}");
}

/// What leaves traces all over an interpreter.
const PROGRAMS: &[&str] = &[
    "x = 1",
    "open('/tmp/a')",
    "import os\nos.listdir('/')",
    "import time\ntime.sleep(0.001)",
    "print('hello')",
    "import builtins\nbuiltins.len = None\nbuiltins.__import__ = None",
    "import sys\nfor name in list(sys.modules): del sys.modules[name]",
    "import sys\nsys.setrecursionlimit(50)\nsys.exit(3)",
    "raise ExceptionGroup('several', [ValueError('a'), KeyError('b')])",
    "def down(n): return n and down(n - 1)\ndown(900)",
    "import asyncio\nasync def wait(): await asyncio.sleep(0.001)\nawait asyncio.gather(*map(lambda _: wait(), range(20)))",
    "import asyncio\ntask = asyncio.create_task(asyncio.sleep(60))\nawait asyncio.sleep(0)",
    "import gc, random, decimal, re\ngc.disable()\nrandom.seed(1)\ndecimal.getcontext().prec = 5\nre.compile('a+b*')",
    "import json\nprint(json.dumps({'a': [1, 2.5, None]}))",
    "import sys, os\nos.environ['A'] = 'b'\nsys.stdout = None\nsys.path.clear()",
    "kept = [bytes([n % 256]) * 100 for n in range(4000)]",
    "class Meta(type): pass\nclass C(metaclass=Meta):\n    def __del__(self): 1 / 0\nc = C()\nc.own = c",
    "import zlib, hashlib\nzlib.compress(b'a' * 10000), hashlib.sha256(b'a').hexdigest()",
];

/// A fresh interpreter, and all of it. Of a clock that is its own, each image notes the
/// same time.
async fn fresh(executor: &PythonExecutor) -> (Interpreter<MinimalState>, Image) {
    let mut fresh = executor.start_seeded(&ResourceLimits::default(), Seed(1)).await.unwrap();
    let image = fresh.capture(&<_>::default()).await.unwrap();
    (fresh, image)
}

/// What a new instance has, in which nothing was ever done.
async fn new_image() -> Image {
    let executor = builder().with_idle_instances(0).build(MinimalState::new).unwrap();
    fresh(&executor).await.1
}

/// So many instances wait, and each of them is as a new one.
async fn assert_as_new(executor: &PythonExecutor, count: usize, new: &Image, code: &str) {
    assert_eq!(executor.idle_instances(), count, "{code}");
    // Each of them is held, so that none comes back.
    let mut held = Vec::new();
    for left in (0..count).rev() {
        let (interpreter, image) = fresh(executor).await;
        assert_eq!(executor.idle_instances(), left, "{code}");
        assert!(image == *new, "{code}: {:?} instead of {:?}", image.pages(), new.pages());
        held.push(interpreter);
    }
}

#[tokio::test]
async fn a_used_instance_is_byte_for_byte_as_new() {
    if !can_recycle() {
        return;
    }
    let new = new_image().await;
    for code in PROGRAMS {
        // As no more may wait, none is made for the session that looks at it.
        let executor = builder().with_idle_instances(1).build(MinimalState::new).unwrap();
        run(&executor, "None").await;
        run(&executor, code).await;
        assert_as_new(&executor, 1, &new, code).await;
    }
}

/// It has saved and restored since.
#[tokio::test]
async fn what_a_session_leaves_is_byte_for_byte_as_new() {
    if !can_recycle() {
        return;
    }
    let new = new_image().await;
    for code in PROGRAMS {
        let executor = executor().await;
        let mut session = executor.start(&ResourceLimits::default()).await.unwrap();
        let ended = session.execute(code, &<_>::default()).await;
        assert!(matches!(&ended, Ok(_) | Err(Error::Execution(_))), "{code}: {ended:?}");
        drop(session);
        // Its own, and the one that was made with it.
        assert_as_new(&executor, 2, &new, code).await;
    }
}

#[tokio::test]
async fn what_is_made_ahead_is_as_new_and_waits_for_programs_and_for_sessions() {
    if !can_recycle() {
        return;
    }
    let new = new_image().await;
    let executor = builder().build(MinimalState::new).unwrap();
    for _ in 0..2 {
        executor.warm_up(2).await.unwrap();
        assert_eq!(executor.idle_instances(), 4);
    }
    let session = executor.start(&ResourceLimits::default()).await.unwrap();
    for _ in 0..3 {
        run(&executor, "x = 1").await;
        assert_eq!(executor.idle_instances(), 3);
    }
    drop(session);
    assert_as_new(&executor, 4, &new, "x = 1").await;
}

/// What the first session of a process saves and restores is not to wait for memory.
#[tokio::test]
async fn the_first_session_has_two_made_ready() {
    if !can_recycle() {
        return;
    }
    let new = new_image().await;
    let executor = builder().build(MinimalState::new).unwrap();
    run(&executor, "x = 1").await;
    assert_eq!(executor.idle_instances(), 0);
    let session = executor.start(&ResourceLimits::default()).await.unwrap();
    assert_eq!(executor.idle_instances(), 1);
    let second = executor.start(&ResourceLimits::default()).await.unwrap();
    // No more are made for those that follow.
    let third = executor.start(&ResourceLimits::default()).await.unwrap();
    assert_eq!(executor.idle_instances(), 0);
    drop([session, second, third]);
    assert_as_new(&executor, 3, &new, "").await;
}

/// The memory that all are compared with takes nobody's place.
#[tokio::test]
async fn an_engine_that_is_full_captures_and_uses_instances_again() {
    for places in 1..3 {
        let engine = PythonEngine::with_instances(places).unwrap();
        let executor = builder().engine(engine).build(MinimalState::new).unwrap();
        let limits = ResourceLimits::default();
        let start = || executor.start(&limits);
        let mut all = Vec::new();
        for _ in 0..places {
            all.push(start().await.unwrap());
        }
        assert!(matches!(start().await, Err(Error::Full { limit }) if limit == places));
        let options = <_>::default();
        all[0].execute("x = 'kept'", &options).await.unwrap();
        let image = all[0].capture(&options).await.unwrap();
        assert!(matches!(start().await, Err(Error::Full { limit }) if limit == places));
        drop(all);
        let mut copy = start().await.unwrap();
        copy.assume(&image, false, &options).await.unwrap();
        assert_eq!(copy.execute("print(x)", &options).await.unwrap().stdout, "kept\n");
    }
}

/// Who shares an engine with as many others as it has places takes nobody's place, either.
#[tokio::test]
async fn each_of_many_executors_keeps_one_that_all_are_compared_with() {
    let engine = PythonEngine::with_instances(2).unwrap();
    let options = <_>::default();
    let mut kept = Vec::new();
    for number in 0..3 {
        let builder = builder().engine(engine.clone()).with_idle_instances(0);
        let executor = builder.build(MinimalState::new).unwrap();
        let mut session = executor.start(&ResourceLimits::default()).await.unwrap();
        let image = session.capture(&options).await;
        if number < 2 {
            image.unwrap();
        } else {
            assert!(matches!(image, Err(Error::Full { limit: 2 })), "{image:?}");
        }
        assert_eq!(session.execute("print(1)", &options).await.unwrap().stdout, "1\n");
        drop(session);
        kept.push(executor);
    }
    // Who goes leaves room.
    kept.remove(0);
    let mut session = kept[1].start(&ResourceLimits::default()).await.unwrap();
    session.capture(&options).await.unwrap();
}

#[tokio::test]
async fn no_more_are_made_ahead_than_may_wait_or_have_a_place() {
    for most in 0..3 {
        let executor = builder().with_idle_instances(most).build(MinimalState::new).unwrap();
        executor.warm_up(5).await.unwrap();
        assert_eq!(executor.idle_instances(), most);
        let mut session = executor.start(&ResourceLimits::default()).await.unwrap();
        session.execute("x = 1", &<_>::default()).await.unwrap();
        run(&executor, "x = 1").await;
        drop(session);
        assert!(executor.idle_instances() <= most);
    }
    let engine = PythonEngine::with_instances(2).unwrap();
    let executor = builder().engine(engine).build(MinimalState::new).unwrap();
    let refused = executor.warm_up(5).await;
    assert!(matches!(refused, Err(Error::Full { limit: 2 })), "{refused:?}");
    assert_eq!(executor.idle_instances(), 2);
    // All places are those of instances that wait for sessions.
    run(&executor, "x = 1").await;
    let limits = ResourceLimits::default();
    let both = [executor.start(&limits).await.unwrap(), executor.start(&limits).await.unwrap()];
    assert!(matches!(executor.execute("x = 1").run().await, Err(Error::Full { limit: 2 })));
    drop(both);
    run(&executor, "x = 1").await;
}

#[tokio::test]
async fn an_instance_wears_with_what_is_written_over() {
    if !can_recycle() {
        return;
    }
    let executor = executor().await;
    run(&executor, "kept = [bytes([n % 256]) * 100 for n in range(4000)]").await;
    let mut uses = 0;
    while executor.idle_instances() == 1 {
        run(&executor, "x = 1").await;
        uses += 1;
    }
    assert!((1..20).contains(&uses), "{uses}");
    for _ in 0..100 {
        run(&executor, "x = 1").await;
        assert_eq!(executor.idle_instances(), 1);
    }
}

/// Wasmtime allows 100,000 handles in a store: those that are gone count, too.
#[tokio::test]
async fn what_programs_leave_open_ends_no_other() {
    let sandbox = Sandbox::embedded().build().unwrap();
    let leave = "import os\nfor n in range(1000): os.open('/data/f', os.O_CREAT | os.O_WRONLY)";
    for _ in 0..5 {
        sandbox.execute(leave).await.unwrap();
    }
    assert_eq!(sandbox.executor().idle_instances(), usize::from(can_recycle()));
    for _ in 5..110 {
        sandbox.execute(leave).await.unwrap();
    }
    let close = sandbox.execute("import os\nos.close(os.open('/tmp', 0)); print('ok')").await;
    assert_eq!(close.unwrap().stdout, "ok\n");
}

#[tokio::test]
async fn a_session_leaves_nothing_behind() {
    if !can_recycle() {
        return;
    }
    let limits = ResourceLimits::default();
    let executor = executor().await;
    let mut session = executor.start(&limits).await.unwrap();
    for code in ["secret = 'a' * 1000", "import sys\nsys.secret = secret", "secret * 2"] {
        session.execute(code, &<_>::default()).await.unwrap();
    }
    drop(session);
    let mut others = Vec::new();
    while executor.idle_instances() > 0 {
        let mut next = executor.start(&limits).await.unwrap();
        let look = "import sys\nprint('secret' in globals(), hasattr(sys, 'secret'))";
        assert_eq!(next.execute(look, &<_>::default()).await.unwrap().stdout, "False False\n");
        others.push(next);
    }
    // Its own, and the one that was made with it.
    assert_eq!(others.len(), 2);
}

#[tokio::test]
async fn files_are_each_ones_own() {
    let write = "import os\nopen('/tmp/a', 'w').write('secret')\nkept = open('/tmp/a')\n\
                 os.chdir('/tmp')\nprint(os.listdir('/tmp'), os.fstat(kept.fileno()).st_size)";
    for _ in 0..20 {
        assert_eq!(stdout(write).await, "['a'] 6\n");
        assert_eq!(stdout("import os\nprint(os.listdir('/tmp'), os.getcwd())").await, "[] /data\n");
    }
}

#[tokio::test]
async fn chance_and_seeds_are_each_ones_own() {
    let executor = executor().await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..10 {
        let output = executor.execute("import random\nrandom.random()").run().await.unwrap();
        assert!(seen.insert(output.result.unwrap().as_str().to_owned()));
    }
    let mut seeded = Vec::new();
    for _ in 0..3 {
        let mut session = executor.start_seeded(&ResourceLimits::default(), Seed(7)).await.unwrap();
        let code = "import random, time\n[random.random(), time.time(), time.monotonic()]";
        let output = session.execute(code, &<_>::default()).await.unwrap();
        seeded.push(output.result.unwrap().as_str().to_owned());
    }
    assert!(seeded.iter().all(|one| *one == seeded[0]), "{seeded:?}");
}

#[tokio::test]
async fn what_is_not_certainly_as_new_is_not_used_again() {
    let executor = executor().await;
    for code in ["kept = bytearray(40 << 20)", "kept = [bytearray(4096) for _ in range(700)]"] {
        run(&executor, code).await;
        assert_eq!(executor.idle_instances(), 0, "{code}");
    }
    let stopped = executor.execute("while True: pass").with_timeout(Duration::from_millis(50));
    assert!(matches!(stopped.run().await, Err(Error::Timeout(_))));
    assert!(executor.execute("import os\nos.abort()").run().await.is_err());
    let mut touched = executor.start(&ResourceLimits::default()).await.unwrap();
    let waiting = executor.idle_instances();
    touched.store_mut();
    drop(touched);
    assert_eq!(executor.idle_instances(), waiting);
}

#[tokio::test]
async fn a_limit_of_memory_below_the_least_is_told_all_the_same() {
    let executor = executor().await;
    run(&executor, "x = 1").await;
    let little = ResourceLimits::default().with_memory_bytes(1 << 20);
    let refused = executor.execute("x = 1").with_limits(little).run().await;
    assert!(matches!(refused, Err(Error::Config(_))), "{refused:?}");
    let output = executor.execute("x = 1").run().await.unwrap();
    assert!(output.peak_memory_bytes > 1 << 20);
}

#[tokio::test]
async fn each_can_have_an_instance_of_its_own() {
    let executor = builder().with_idle_instances(0).build(MinimalState::new).unwrap();
    for _ in 0..3 {
        run(&executor, "x = 1").await;
        assert_eq!(executor.idle_instances(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_share_them() {
    let executor = executor().await;
    let runs = (0..200).map(|number| {
        let run = executor.execute(format!("x = {number}\nassert sorted(globals())[-1] == 'x'\nx"));
        tokio::spawn(run.run())
    });
    for (number, run) in runs.collect::<Vec<_>>().into_iter().enumerate() {
        let output = run.await.unwrap().unwrap();
        assert_eq!(output.result.unwrap().as_str().to_owned(), number.to_string());
    }
    assert!(executor.idle_instances() <= 32);
}
