//! CPython's asyncio over the host's one wait.

use crate::support::{raised, stdout};

#[tokio::test]
async fn everything_that_waits() {
    let code = r#"
import asyncio, time
loop = asyncio.get_running_loop()
order = []
loop.call_later(0.02, order.append, "later")
loop.call_soon(order.append, "soon")
async with asyncio.TaskGroup() as group:
    tasks = [group.create_task(asyncio.sleep(0.001 * n, n)) for n in (3, 1, 2)]
print([task.result() for task in tasks])
print([await one for one in asyncio.as_completed([asyncio.sleep(0.02, "b"), asyncio.sleep(0, "a")])])
try:
    async with asyncio.timeout(0.01):
        await asyncio.Event().wait()
except TimeoutError:
    print("timeout")
try:
    await asyncio.wait_for(asyncio.Future(), 0.01)
except TimeoutError:
    print("wait_for")
queue = asyncio.Queue(1)
async def produce():
    for n in range(3):
        await queue.put(n)
    queue.shutdown()
async def consume():
    got = []
    try:
        while True:
            got.append(await queue.get())
    except asyncio.QueueShutDown:
        return got
print((await asyncio.gather(produce(), consume()))[1])
event, lock, semaphore = asyncio.Event(), asyncio.Lock(), asyncio.Semaphore(2)
async def worker(n):
    async with lock, semaphore:
        await event.wait()
        return n
workers = [asyncio.create_task(worker(n)) for n in range(3)]
await asyncio.sleep(0)
event.set()
print(await asyncio.gather(*workers))
start = loop.time()
await asyncio.sleep(0.05)
print(loop.time() - start >= 0.05, order)
print(await asyncio.to_thread(sum, [1, 2, 3]))
try:
    await asyncio.to_thread(lambda: 1 / 0)
except ZeroDivisionError:
    print("raised")
"#;
    let expected = "[3, 1, 2]\n['a', 'b']\ntimeout\nwait_for\n[0, 1, 2]\n[0, 1, 2]\n\
        True ['soon', 'later']\n6\nraised\n";
    assert_eq!(stdout(code).await, expected);
}

#[tokio::test]
async fn run_and_runner() {
    let code = "import asyncio\nasync def main():\n    await asyncio.sleep(0.001)\n    return 3\n\
        print(asyncio.run(main()))\nwith asyncio.Runner() as runner:\n    print(runner.run(main()))";
    assert_eq!(stdout(code).await, "3\n3\n");
}

#[tokio::test]
async fn what_there_is_not_says_so() {
    let error = raised(
        "import asyncio, signal\nasyncio.get_running_loop().add_signal_handler(signal.SIGINT, print)\nawait asyncio.sleep(0)",
    )
    .await;
    assert_eq!(
        (error.type_name.as_str(), error.message.as_str()),
        ("NotImplementedError", "the sandbox has no signals")
    );
}

#[tokio::test]
async fn a_loop_that_runs_refuses_to_run_and_leaves_the_coroutine() {
    let code = r"
import asyncio, inspect
await asyncio.sleep(0)
async def inner():
    pass
coroutine = inner()
try:
    asyncio.get_running_loop().run_until_complete(coroutine)
except RuntimeError as error:
    print(error)
print(inspect.getcoroutinestate(coroutine), len(asyncio.all_tasks()))
coroutine.close()
";
    let expected = "This event loop is already running\nCORO_CREATED 1\n";
    assert_eq!(stdout(code).await, expected);
}

/// A session whose programs are asked to end after a fifth of a second.
pub(crate) async fn hurried() -> eryx::Session {
    let limits = eryx::ResourceLimits::default()
        .with_soft_timeout(std::time::Duration::from_millis(200))
        .with_timeout(std::time::Duration::from_secs(20));
    eryx::Sandbox::embedded().limits(limits).build().unwrap().session().await.unwrap()
}

#[tokio::test]
async fn busy_loops_are_asked_to_end_like_others() {
    let busy =
        "import asyncio\nasync def busy():\n    while True:\n        await asyncio.sleep(0)\n";
    let spin = "import asyncio\nasync def spin():\n    while True: pass\n";
    let rest = "import asyncio, time\nasync def rest():\n    time.sleep(60)\n";
    let again = "import asyncio\nloop = None\ndef again():\n    \
                 asyncio.get_running_loop().call_soon(again)\n";
    for (setup, code, place) in [
        (busy, "await busy()", "busy"),
        (busy, "asyncio.run(busy())", "busy"),
        (busy, "asyncio.run(busy(), debug=True)", "busy"),
        (busy, "task = asyncio.create_task(busy())\nawait asyncio.sleep(60)", "sleep"),
        (busy, "await asyncio.gather(*(busy() for _ in range(100)))", "busy"),
        (spin, "await asyncio.create_task(spin())", "spin"),
        (spin, "task = asyncio.create_task(spin())\nawait asyncio.sleep(60)", "sleep"),
        (rest, "task = asyncio.create_task(rest())\nawait asyncio.sleep(60)", "sleep"),
        (again, "again()\nawait asyncio.sleep(60)", "sleep"),
        (
            spin,
            "def endless():\n    while True: pass\n\
             asyncio.get_running_loop().call_soon(endless)\nawait asyncio.sleep(60)",
            "sleep",
        ),
    ] {
        let session = hurried().await;
        session.execute(setup).await.unwrap();
        let start = std::time::Instant::now();
        let ended = session.execute(code).await;
        let Err(eryx::Error::Execution(exception)) = ended else { panic!("{code}: {ended:?}") };
        assert!(start.elapsed() < std::time::Duration::from_secs(10), "{code}");
        assert_eq!(exception.type_name, "TimeoutError", "{code}");
        assert_eq!(exception.message, "the program has used up its time", "{code}");
        assert!(exception.traceback.contains(place), "{code}: {}", exception.traceback);
        assert_eq!(session.state(), eryx::State::Ready, "{code}");
        let more = "import asyncio\nawait asyncio.sleep(0.01)\nprint('on')";
        assert_eq!(session.execute(more).await.unwrap().stdout, "on\n", "{code}");
    }
}

#[tokio::test]
async fn a_loop_without_a_main_task_is_asked_to_end() {
    let session = hurried().await;
    for task in ["await asyncio.sleep(0)", "await asyncio.sleep(60)", "pass"] {
        let code = format!(
            "import asyncio\nasync def busy():\n    while True:\n        {task}\n\
             loop = asyncio.new_event_loop()\ntask = loop.create_task(busy())\nloop.run_forever()"
        );
        let ended = session.execute(&code).await;
        let Err(eryx::Error::Execution(exception)) = ended else { panic!("{task}: {ended:?}") };
        assert_eq!(exception.type_name, "TimeoutError", "{task}");
        assert_eq!(session.execute("print('on')").await.unwrap().stdout, "on\n", "{task}");
    }
}

#[tokio::test]
async fn background_tasks_that_let_others_run_outlive_the_stop_of_a_run() {
    let session = hurried().await;
    let code = "import asyncio\ncount = 0\nasync def tick():\n    global count\n    while True:\n        \
                count += 1\n        await asyncio.sleep(0)\ntask = asyncio.create_task(tick())\n\
                await asyncio.sleep(60)";
    assert!(session.execute(code).await.is_err());
    let code = "before = count\nawait asyncio.sleep(0.01)\n\
                print(count > before, task.done())\ntask.cancel()";
    assert_eq!(session.execute(code).await.unwrap().stdout, "True False\n");
}
