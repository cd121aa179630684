//! `asyncio.to_thread` and `run_in_executor`: there is no thread, and the other tasks go
//! on while a function waits. Most programs here would never end if they did not.

use crate::asyncio::hurried;
use crate::network::run;
use crate::peers::{Server, http, network, sandbox_with};
use crate::support::{exception, run as run_alone, stdout, times_out};
use eryx::{DynamicCallback, Sandbox};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn tasks_go_on_while_a_function_sleeps() {
    let code = "
import asyncio, time
done = False
async def finish():
    global done
    for n in range(10):
        await asyncio.sleep(0.001)
    done = True
def watch():
    while not done: time.sleep(0.001)
    return 'seen'
finishing = asyncio.create_task(finish())
print(await asyncio.to_thread(watch))
start = time.monotonic()
await asyncio.gather(asyncio.to_thread(time.sleep, 0.05), asyncio.sleep(0.01))
print(time.monotonic() - start >= 0.05)
";
    assert_eq!(stdout(code).await, "seen\nTrue\n");
}

#[tokio::test]
async fn tasks_give_a_function_what_it_waits_for() {
    let code = "
import asyncio, queue, threading, time
loop = asyncio.get_running_loop()
async def later(call, *args):
    await asyncio.sleep(0.001)
    call(*args)
for timeout in (None, 60):
    event, items, lock = threading.Event(), queue.Queue(), threading.Lock()
    lock.acquire()
    for wait, give in [
        (lambda: event.wait(timeout), (event.set,)),
        (lambda: items.get(timeout=timeout), (items.put, 'item')),
        (lambda: lock.acquire(timeout=timeout or -1), (lock.release,)),
    ]:
        giving = asyncio.create_task(later(*give))
        print(await asyncio.to_thread(wait))
async def answer(n):
    await asyncio.sleep(0.001)
    return n
def ask():
    return [asyncio.run_coroutine_threadsafe(answer(n), loop).result() for n in range(3)]
print(await loop.run_in_executor(None, ask))
def too_soon():
    start = time.monotonic()
    got = threading.Event().wait(0.02)
    return got, time.monotonic() - start >= 0.02
print(await asyncio.to_thread(too_soon))
";
    let expected = "True\nitem\nTrue\nTrue\nitem\nTrue\n[0, 1, 2]\n(False, True)\n";
    assert_eq!(stdout(code).await, expected);
}

/// The host's callbacks are asynchronous: a function has the loop call them.
#[tokio::test]
async fn a_function_can_use_callbacks_while_tasks_do() {
    let double = DynamicCallback::new("double", |arguments| async move {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok(json!(arguments.json["n"].as_i64().unwrap() * 2))
    });
    let double = double.parameter("n", json!({}), true);
    let sandbox = Sandbox::embedded().callback(double).build().unwrap();
    let code = "
import asyncio
loop = asyncio.get_running_loop()
def work(n):
    return asyncio.run_coroutine_threadsafe(double(n=n), loop).result()
async def ask(n):
    return await double(n=n)
print(await asyncio.gather(*(f(n) for n in range(3) for f in
                             (ask, lambda n: asyncio.to_thread(work, n)))))
";
    let output = sandbox.execute(code).await.unwrap();
    assert_eq!(output.stdout, "[0, 0, 2, 2, 4, 4]\n");
}

/// The server answers the function once a task has asked it, too.
#[tokio::test]
async fn tasks_use_the_network_while_a_function_waits_for_it() {
    let (first, second) = std::sync::mpsc::channel();
    let second = std::sync::Mutex::new(second);
    let server = Server::tcp(move |mut stream| {
        let mut start = [0; 6];
        stream.peek(&mut start).unwrap();
        if start.starts_with(b"hello") {
            first.send(()).unwrap();
            crate::peers::echo(&mut stream);
        } else {
            second.lock().unwrap().recv().unwrap();
            http(&mut stream);
        }
    });
    let code = r"
import asyncio, urllib.request
def fetch():
    with urllib.request.urlopen('http://127.0.0.1:PORT/') as answer: return answer.read()[:5]
async def talk():
    reader, writer = await asyncio.open_connection('127.0.0.1', PORT)
    writer.write(b'hello\n')
    line = await reader.readline()
    writer.close()
    return line
fetching = asyncio.create_task(asyncio.to_thread(fetch))
await asyncio.sleep(0.01)
print(fetching.done(), await talk(), await fetching)
";
    let out = run(&sandbox_with(network()), code, &server).await;
    assert_eq!(out, "False b'hello\\n' b'GET /'\n");
}

#[tokio::test]
async fn who_waits_for_a_function_can_give_up() {
    let code = "
import asyncio, threading
event = threading.Event()
ended = []
def work():
    event.wait()
    ended.append('work')
    return 5
try:
    await asyncio.wait_for(asyncio.to_thread(work), 0.01)
except TimeoutError:
    print('timeout', ended)
never = asyncio.create_task(asyncio.to_thread(ended.append, 'never'))
await asyncio.sleep(0)
never.cancel()
event.set()
await asyncio.to_thread(ended.append, 'next')
print(ended)

# `asyncio.run` waits for them all.
async def main():
    for n in range(3):
        asyncio.get_running_loop().run_in_executor(None, ended.append, n)
    return 'main'
def elsewhere():
    print(asyncio.run(main()), ended)
await asyncio.to_thread(elsewhere)
";
    let expected = "timeout []\n['work', 'next']\nmain ['work', 'next', 0, 1, 2]\n";
    assert_eq!(stdout(code).await, expected);
}

#[tokio::test]
async fn functions_are_called_one_after_the_other_each_as_in_a_thread() {
    let code = "
import asyncio, contextvars, time
name = contextvars.ContextVar('name', default='nobody')
name.set('main')
loop = asyncio.get_running_loop()
order = []
def work(n):
    order.append(n)
    time.sleep(0.001)
    order.append(n)
    return name.get()
print(set(await asyncio.gather(*(asyncio.to_thread(work, n) for n in range(50)))))
print(order == [n for n in range(50) for _ in 'ab'])
print(await loop.run_in_executor(None, name.get))
def running():
    try: asyncio.get_running_loop()
    except RuntimeError as error: return error
print(await asyncio.to_thread(running), loop is asyncio.get_running_loop())
for kind in (ValueError, SystemExit, StopIteration):
    def work(): raise kind('no')
    try: await asyncio.to_thread(work)
    except BaseException as error: print(repr(error))
";
    let expected = "{'main'}\nTrue\nnobody\nno running event loop True\nValueError('no')\n\
        SystemExit('no')\nRuntimeError('StopIteration interacts badly with generators and \
        cannot be raised into a Future')\n";
    assert_eq!(stdout(code).await, expected);
}

/// What a loop is to call in the round in which a function waits is called, once.
#[tokio::test]
async fn no_turn_is_lost_or_taken_twice() {
    let code = "
import asyncio, time
loop = asyncio.get_running_loop()
called = []
for n in range(20):
    loop.call_soon(called.append, n)
first = loop.run_in_executor(None, time.sleep, 0.005)
for n in range(20, 40):
    loop.call_soon(called.append, n)
second = loop.run_in_executor(None, time.sleep, 0.005)
async def step(n):
    for _ in range(5): await asyncio.sleep(0)
    called.append(n)
await asyncio.gather(first, second, *(step(n) for n in range(40, 60)))
print(sorted(called) == list(range(60)), called[:40] == list(range(40)))
";
    assert_eq!(stdout(code).await, "True True\n");
}

#[tokio::test]
async fn what_a_function_handles_is_not_the_tasks_affair() {
    let code = "
import asyncio, sys, time
failures = []
async def fail():
    await asyncio.sleep(0.001)
    print(sys.exc_info())
    try: raise ValueError('task')
    except ValueError as error: failures.append(error)
def work():
    failing = asyncio.run_coroutine_threadsafe(fail(), loop)
    try: 1 / 0
    except ZeroDivisionError:
        while not failures: time.sleep(0.001)
        print(type(sys.exc_info()[1]).__name__)
loop = asyncio.get_running_loop()
await asyncio.to_thread(work)
print(failures[0].__context__)
";
    assert_eq!(stdout(code).await, "(None, None, None)\nZeroDivisionError\nNone\n");
}

#[tokio::test]
async fn a_function_can_have_a_loop_of_its_own() {
    let code = "
import asyncio, threading, time
event = threading.Event()
closed = []
async def numbers():
    try:
        while True:
            yield 1
            await asyncio.sleep(0.001)
    finally:
        closed.append(asyncio.get_running_loop() is outer)
async def count():
    async for number in numbers():
        if event.is_set(): break
    return 'counted'
async def inner():
    await asyncio.sleep(0.005)
    await asyncio.to_thread(time.sleep, 0.005)
    asyncio.get_running_loop().call_later(0.005, event.set)
    await asyncio.to_thread(event.wait)
    return 'inner'
outer = asyncio.get_running_loop()
print(await asyncio.gather(count(), asyncio.to_thread(lambda: asyncio.run(inner()))))
print(outer is asyncio.get_running_loop())
await asyncio.sleep(0)
await asyncio.sleep(0)
print(closed)
";
    assert_eq!(stdout(code).await, "['counted', 'inner']\nTrue\n[True]\n");
}

#[tokio::test]
async fn what_nobody_can_end_is_a_deadlock() {
    let code = "
import asyncio, threading
lock = threading.Lock()
lock.acquire()
for wait in (lock.acquire, threading.Event().wait):
    try: await asyncio.to_thread(wait)
    except RuntimeError as error: print(error)
# A task has the lock's turn, and what would release it waits below.
inner = threading.Lock()
def work():
    with inner: asyncio.run_coroutine_threadsafe(want(), loop).result()
async def want():
    with inner: pass
loop = asyncio.get_running_loop()
try: await asyncio.to_thread(work)
except RuntimeError as error: print(error)
print(inner.locked())
";
    let expected = "deadlock: waits without a time limit, and nothing else goes on\n".repeat(2)
        + "deadlock: waits without a time limit, and there is no other thread\nFalse\n";
    assert_eq!(stdout(code).await, expected);
}

#[tokio::test]
async fn a_task_can_end_the_program_while_a_function_waits() {
    let code = "
import asyncio, sys, time
async def leave():
    await asyncio.sleep(0.001)
    sys.exit(7)
def work():
    try: time.sleep(0.02)
    finally: print('worked')
async def main():
    leaving = asyncio.create_task(leave())
    await asyncio.to_thread(work)
    print('not reached')
";
    for start in ["asyncio.run(main())", "await main()"] {
        let output = run_alone(&format!("{code}{start}")).await;
        assert_eq!((output.exit_status, output.stdout.as_str()), (7, "worked\n"), "{start}");
    }
}

/// Asked to end, the function ends that waits, and the session goes on.
#[tokio::test]
async fn a_function_that_waits_is_asked_to_end() {
    let setup = "
import asyncio, threading, time
ended = []
def work(wait, *args):
    try: wait(*args)
    except TimeoutError as error: ended.append(str(error)); raise
async def tick():
    while True: await asyncio.sleep(0.001)
";
    for code in [
        "await asyncio.to_thread(work, time.sleep, 60)",
        "ticking = asyncio.create_task(tick())\nawait asyncio.to_thread(work, time.sleep, 60)",
        "ticking = asyncio.create_task(tick())\n\
         await asyncio.to_thread(work, threading.Event().wait)",
        "await asyncio.to_thread(work, threading.Event().wait, 60)",
        "await asyncio.to_thread(work, lambda: [time.sleep(0.001) for n in range(10**6)])",
        "await asyncio.to_thread(work, lambda: asyncio.run(asyncio.sleep(60)))",
    ] {
        let session = hurried().await;
        session.execute(setup).await.unwrap();
        let raised = exception(session.execute(code).await);
        assert_eq!(raised.type_name, "TimeoutError", "{code}");
        assert_eq!(raised.message, "the program has used up its time", "{code}");
        let ended = session.execute("print(ended)").await.unwrap().stdout;
        assert_eq!(ended, "['the program has used up its time']\n", "{code}");
    }
}

/// Its time is a run's whatever waits in it, and inside of what.
#[tokio::test]
async fn a_function_that_waits_is_stopped_with_its_run() {
    let tick = "
import asyncio, threading, time
async def tick():
    while True: await asyncio.sleep(0)
ticking = asyncio.create_task(tick())
";
    for wait in ["threading.Event().wait", "time.sleep, 3600", "threading.Event().wait, 3600"] {
        times_out(&format!("{tick}await asyncio.to_thread({wait})")).await;
    }
    let nested = "
import asyncio, time
def work(n):
    if n == 0: time.sleep(3600)
    asyncio.run(asyncio.to_thread(work, n - 1))
await asyncio.to_thread(work, 5)
";
    times_out(nested).await;
}

#[tokio::test]
async fn functions_inside_of_functions_without_end_are_an_exception() {
    let code = "
import asyncio, time
def work():
    time.sleep(0)
    asyncio.run(asyncio.to_thread(work))
try: await asyncio.to_thread(work)
except RecursionError: print('too deep')
print(await asyncio.to_thread(len, 'four'))
";
    assert_eq!(stdout(code).await, "too deep\n4\n");
}
