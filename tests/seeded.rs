//! With a seed, the same program is the same each time: what it prints, what is
//! traced of it, how much fuel it takes.

use crate::support::{PROMISE, in_time, load_metered, repository, run_in, sandbox};
use eryx::{
    Callbacks, CopyOptions, DynamicCallback, Error, ExecutionOutput, ExecutorBuilder, MinimalState,
    PythonEngine, PythonExecutor, PythonImageSnapshot, ResourceLimits, RunOptions, RuntimeSource,
    RuntimeView, Sandbox, Seed, Session, SessionExecutor, State, TraceKind, TraceOptions,
};
use std::process::Command;
use std::time::Duration;

const CHANCE: &str = r#"
import asyncio, os, random, secrets, tempfile, time, uuid, datetime
print(random.random(), secrets.token_hex(), uuid.uuid1(), uuid.uuid4(), os.urandom(5))
print(time.time(), time.monotonic(), time.perf_counter(), time.process_time(), time.localtime())
print(datetime.datetime.now(), hash("text"), id(object()), [{"a", "b"}, object()])
time.sleep(0.5)
async def ask(n):
    await asyncio.sleep(random.random())
    return await roll(n)
print([await task for task in asyncio.as_completed([ask(n) for n in range(8)])])
print(time.time(), time.monotonic())
"#;

/// The later it was asked, the sooner it answers.
fn roll() -> DynamicCallback {
    DynamicCallback::new("roll", |arguments| async move {
        let n = arguments.json["n"].as_u64().unwrap();
        tokio::time::sleep(Duration::from_millis(40 - 5 * n)).await;
        Ok(serde_json::json!(n))
    })
    .parameter("n", serde_json::json!({ "type": "integer" }), true)
}

/// All that must be the same.
fn told(output: &ExecutionOutput) -> String {
    let ExecutionOutput { stdout, fuel_consumed, trace, peak_memory_bytes, .. } = output;
    let trace: Vec<_> = trace.iter().map(|event| format!("{event:?}\n")).collect();
    format!("{stdout}{fuel_consumed:?} {peak_memory_bytes}\n{}", trace.concat())
}

async fn chance<T: RuntimeView>(executor: &PythonExecutor<T>, seed: u64) -> String {
    let callbacks = eryx::Callbacks::new([std::sync::Arc::new(roll()) as _]).unwrap();
    let run = executor.execute(CHANCE).with_callbacks(&callbacks).with_seed(seed);
    let run = run.with_fuel_limit(u64::MAX).with_trace(TraceOptions::default());
    told(&run.run().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_executors_tell_the_same() {
    load_metered().await;
    let source = RuntimeSource::from_file(repository().join("target/runtime/runtime.wasm"));
    let engine = PythonEngine::with_instances(5).unwrap();
    let other = ExecutorBuilder::new(source.unwrap()).engine(engine).build(MinimalState::new);
    let one = chance(sandbox().executor(), 7).await;
    assert!(one.contains("2020-01-01") && one.contains("CallbackStart"), "{one}");
    assert_eq!(one, chance(sandbox().executor(), 7).await);
    assert_eq!(one.lines().next(), chance(&other.unwrap(), 7).await.lines().next());
    assert_ne!(one, chance(sandbox().executor(), 8).await);
}

/// Set in the process that only tells.
const TELLS: &str = "ERYX_TEST_TELLS";

#[test]
fn two_processes_tell_the_same() {
    if std::env::var_os(TELLS).is_some() {
        let one = crate::support::two_workers().block_on(chance(sandbox().executor(), 7));
        return std::fs::write(std::env::var_os(TELLS).unwrap(), one).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let tell = |name: &str| {
        let file = folder.path().join(name);
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "seeded::two_processes_tell_the_same"])
            .env(TELLS, &file)
            .output()
            .unwrap();
        assert!(status.status.success(), "{status:?}");
        std::fs::read_to_string(file).unwrap()
    };
    let one = tell("one");
    assert!(one.len() > 1000);
    assert_eq!(one, tell("two"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_time_passes_in_a_call() {
    let sandbox = Sandbox::embedded().callback(roll()).build().unwrap();
    let run = sandbox.prepare("await roll(0)").with_seed(1).with_trace(TraceOptions::default());
    let output = run.run().await.unwrap();
    let ends: Vec<_> = output
        .trace
        .iter()
        .filter_map(|event| match event.kind {
            TraceKind::CallbackEnd { duration, failed, .. } => Some((duration, failed)),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [(Duration::ZERO, false)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_were_given_up_are_in_nobodys_way() {
    /// Takes its time to end.
    struct Slow;
    impl Drop for Slow {
        fn drop(&mut self) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let held = DynamicCallback::new("held", |_| {
        let slow = Slow;
        async move {
            std::future::pending::<()>().await;
            drop(slow);
            Ok(serde_json::Value::Null)
        }
    });
    let mut limits = ResourceLimits::default();
    limits.operations = 2;
    let sandbox = Sandbox::embedded().callback(held).callback(roll()).limits(limits);
    let sandbox = sandbox.build().unwrap();
    // Whether they have ended is up to chance; that the program has given them up is not.
    let code = "for _ in range(10):\n    one, two, three = held(), held(), held()\n    \
                one.send(None), two.send(None)\n    try:\n        three.send(None)\n    \
                except CallbackError as error:\n        print(error.kind, end=' ')\n    \
                one.close(), two.close()\nprint(await roll(0))";
    let run = sandbox.prepare(code).with_seed(1).run().await.unwrap();
    assert_eq!(run.stdout, format!("{}0\n", "limit ".repeat(10)));
}

const FILES: &str = "
import io, os, tarfile, time, zipfile
os.makedirs('/tmp/folder/below')
with open('/tmp/a', 'w') as file:
    file.write('text')
time.sleep(2)
os.rename('/tmp/a', '/tmp/folder/b')
open('/tmp/folder/c', 'w').close()
os.utime('/tmp/folder/c')
print(os.stat('/tmp/folder/c').st_mtime - os.stat('/tmp/folder/b').st_mtime)
for path in '/', '/tmp', '/tmp/folder', '/tmp/folder/b', '/tmp/folder/c', '/home/user', '/data':
    print(path, os.stat(path), os.stat(path).st_mtime_ns, os.stat(path).st_ctime_ns)
os.chdir('/tmp/folder')
zipped, tarred = io.BytesIO(), io.BytesIO()
with zipfile.ZipFile(zipped, 'w') as archive:
    archive.write('b')
    archive.writestr('d', 'text')
with tarfile.open(fileobj=tarred, mode='w') as archive:
    archive.add('.')
print(zipped.getvalue().hex(), tarred.getvalue().hex())
";

#[tokio::test]
async fn files_have_the_times_of_the_run() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let sandbox = sandbox();
        seen.push(sandbox.prepare(FILES).with_seed(1).run().await.unwrap().stdout.into_string());
        let mut options = RunOptions::default();
        options.seed = Some(Seed(1));
        let session = SessionExecutor::with_options(sandbox.executor().clone(), options);
        let mut session = session.await.unwrap();
        let output = session.execute(FILES).run().await.unwrap();
        // Files that outlive an interpreter go by the clock of the next.
        seen.push(output.stdout.into_string());
        session.reset(&Callbacks::default()).await.unwrap();
        let code = "import os\nopen('/tmp/n', 'w').close()\nprint(os.stat('/tmp/n').st_mtime_ns)";
        let time = session.execute(code).run().await.unwrap().stdout.into_string();
        assert!(time.starts_with("15778368"), "{time}");
    }
    assert!(seen[0].starts_with("2.0"), "{}", seen[0]);
    assert!(seen[0].contains("st_mtime=15778368"), "{}", seen[0]);
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[..2], seen[2..]);
    // Without a seed they have the host's.
    let plain = sandbox().execute("import os\nprint(os.stat('/tmp').st_mtime)").await.unwrap();
    assert!(plain.stdout.trim().parse::<f64>().unwrap() > 1.7e9, "{plain:?}");
}

#[tokio::test]
async fn a_program_that_waits_can_be_asked_to_end() {
    let soft = Duration::from_millis(200);
    let limits = ResourceLimits::default().with_soft_timeout(soft);
    let never = DynamicCallback::new("never", |_| async {
        std::future::pending::<()>().await;
        Ok(serde_json::Value::Null)
    });
    let sandbox = Sandbox::embedded().callback(never).limits(limits).build().unwrap();
    for code in [
        "def wait():\n    while True: pass\nwait()",
        "import asyncio\nasync def wait():\n    await never()\nawait wait()",
        "import asyncio\nasync def wait():\n    await asyncio.Event().wait()\nawait wait()",
        "import time\ndef wait():\n    time.sleep(9 * 10**9)\nwait()",
        "import time\ndef wait():\n    while True: time.sleep(10)\nwait()",
    ] {
        let attempt = async || sandbox.prepare(code).with_seed(1).run().await;
        let ended = in_time(soft + PROMISE, attempt).await;
        let exception = crate::support::exception(ended);
        assert_eq!(exception.type_name, "TimeoutError", "{code}");
        assert!(exception.frames.iter().any(|frame| frame.function == "wait"), "{code}");
    }
}

/// What the runs of a session tell of time.
async fn times(seed: u64) -> Vec<String> {
    let options = RunOptions::default();
    let executor = sandbox().executor().clone();
    let mut interpreter = executor.start_seeded(&options.limits, Seed(seed)).await.unwrap();
    let mut hurried = options.clone();
    hurried.limits = hurried.limits.with_soft_timeout(Duration::from_millis(100));
    let mut traced = options.clone();
    traced.trace = Some(TraceOptions::default());
    let now = "import time\nprint(time.time(), time.monotonic())";
    let mut told_all = Vec::new();
    for (code, options) in [
        (now, &options),
        ("time.sleep(1000)", &traced),
        (now, &traced),
        ("time.sleep(9 * 10**9)", &hurried),
        (now, &traced),
    ] {
        match interpreter.execute(code, options).await {
            Ok(output) => told_all.push(told(&output)),
            Err(Error::Execution(exception)) => told_all.push(exception.to_string()),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(interpreter.state(), State::Ready);
    }
    told_all
}

/// What a session tells of time and of the host's chance, wherever it goes.
async fn told_on_the_way() -> Vec<(f64, String)> {
    let sandbox = Sandbox::embedded().seed(7).build().unwrap();
    let session = sandbox.session().await.unwrap();
    let look = "import os, time\nprint(time.time(), os.urandom(8).hex())";
    let mut told = Vec::new();
    let mut tell = |text: String| {
        let (time, chance) = text.trim().split_once(' ').unwrap();
        told.push((time.parse().unwrap(), chance.to_owned()));
    };
    tell(run_in(&session, look).await);
    run_in(&session, "time.sleep(1000)").await;
    let failing = "time.sleep(500)\nos.urandom(9)\n1 / 0";
    session.execute_transactional(failing).await.unwrap_err();
    tell(run_in(&session, look).await);
    let moved = session.lock().unwrap().execute(look).with_fuel_limit(u64::MAX).run().await;
    tell(moved.unwrap().stdout.into_string());
    session.execute_transactional(failing).await.unwrap_err();
    let image = session.snapshot_image().await.unwrap();
    let image = PythonImageSnapshot::from_bytes(&image.to_bytes()).unwrap();
    tell(run_in(&session, look).await);
    let same = CopyOptions::default().with_same_chance(true);
    for copy in [
        Session::from_image(&sandbox, &image).await.unwrap(),
        session.fork().await.unwrap(),
        session.fork_with(same).await.unwrap(),
    ] {
        tell(run_in(&copy, look).await);
    }
    let copy = Session::from_image_with(&sandbox, &image, same).await.unwrap();
    tell(run_in(&copy, look).await);
    session.restore_image(&image).await.unwrap();
    tell(run_in(&session, look).await);
    told
}

/// Time and chance of a session go on where it is undone, moves, or is copied.
#[tokio::test]
async fn time_and_chance_go_on_in_copies() {
    load_metered().await;
    let told = told_on_the_way().await;
    assert_eq!(told, told_on_the_way().await);
    let [first, undone, moved, imaged, copied, forked, forked_same, same, restored] = &told[..]
    else {
        panic!("{told:?}")
    };
    // What was undone took no time; all else some.
    for (earlier, later, least) in [
        (first, undone, 1000.0),
        (undone, moved, 0.0),
        (moved, imaged, 0.0),
        (moved, copied, 0.0),
        (imaged, forked, 0.0),
        (imaged, forked_same, 0.0),
        (moved, restored, 0.0),
    ] {
        let passed = later.0 - earlier.0;
        assert!(least < passed && passed < least + 100.0, "{told:?}");
    }
    // At the same place, the same.
    assert_eq!(same.1, imaged.1);
    let mut seen: Vec<_> =
        [first, undone, moved, imaged, copied, forked, forked_same].map(|one| &one.1).to_vec();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 7, "{told:?}");
    assert!([first, undone, moved, imaged].iter().all(|one| one.1 != restored.1), "{told:?}");
}

#[tokio::test]
async fn a_sessions_clock_goes_on_from_run_to_run() {
    let seen = times(3).await;
    assert_eq!(seen, times(3).await);
    let clock = |text: &str| -> f64 { text.split(' ').next().unwrap().parse().unwrap() };
    let (first, later, last) = (clock(&seen[0]), clock(&seen[2]), clock(&seen[4]));
    assert!((1_577_836_800.0..1_577_836_801.0).contains(&first), "{seen:?}");
    assert!((1000.0..1001.0).contains(&(later - first)), "{seen:?}");
    // Who waited for ever, and was asked to end, has not moved it to the end of time.
    assert!((0.0..1.0).contains(&(last - later)), "{seen:?}");
    // Each run's events count from its own start.
    assert!(seen[2].contains("time: 0ns") || seen[2].contains("µs"), "{}", seen[2]);
    assert!(!seen[2].contains("time: 1000"), "{}", seen[2]);
}
