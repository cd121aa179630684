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
