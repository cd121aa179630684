"""What asyncio's loop does with callbacks and tasks, in order and when something is wrong."""

import asyncio
import contextvars
import gc
import logging
import sys
import traceback

# Of what cannot be told to the loop's own handler.
logging.getLogger("asyncio").disabled = True

variable = contextvars.ContextVar("variable", default="unset")


def say(*words):
    print(*words, variable.get())


def told(loop, context):
    """Without addresses."""
    message = context["message"].partition(" at ")[0].partition(" 0x")[0]
    error = context["exception"]
    print(
        "told:", message, f"{type(error).__name__}: {error}".partition(" 0x")[0], sorted(context)
    )
    print(sys.exception() is error, traceback.extract_tb(error.__traceback__)[-1].name)


def refused(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        print(f"{type(error).__name__}: {error}")


def fail(error):
    raise error


class Key(str):
    """Of its own: names that are the same do not say so."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


def repeated(name, count):
    return {Key(name): None for _ in range(count)}


def rounds(loop, count=1):
    for _ in range(count):
        loop.call_soon(loop.stop)
        loop.run_forever()


def callbacks(loop):
    handle = loop.call_soon(say, "first", 2)
    print(type(handle).__mro__[:-1], handle.cancelled(), handle._args, handle._source_traceback)
    loop.call_soon(callback=lambda: say("by name"))
    loop.call_soon(say, "cancelled").cancel()
    loop.call_soon(lambda: another.cancel())
    another = loop.call_soon(say, "cancelled by the one before")
    own = []
    own.append(loop.call_soon(lambda: own[0].cancel() or say("cancels itself")))
    loop.call_soon(lambda: loop.call_soon(say, "in the next round") and say("in this one"))
    loop.call_later(0, say, "later")
    rounds(loop, 3)
    print(own[0].cancelled(), own[0]._callback, another.cancelled())
    refused(loop.call_soon)
    refused(loop.call_soon, say, wrong=1)
    refused(loop.call_soon, say, context=None, wrong=1)
    for count in (2, 3, 100):
        refused(loop.call_soon, say, **repeated("context", count))


def contexts(loop):
    variable.set("outer")
    context = contextvars.copy_context()
    context.run(variable.set, "of its own")
    for given in (context, None):
        loop.call_soon(say, "is", context=given)
        loop.call_soon(variable.set, "changed", context=given)
        loop.call_soon(say, "was", context=given)
    print(loop.call_soon(say, "with", context=context).get_context() is context)
    rounds(loop)
    say("outside")
    loop.call_soon(say, "entered twice", context=context)
    context.run(rounds, loop)
    loop.call_soon(say, context="none")
    rounds(loop)


def failures(loop):
    class Own(BaseException):
        pass

    for error in (ValueError("a"), Own("b"), asyncio.CancelledError("c"), StopIteration("d")):
        loop.call_soon(fail, error)
    loop.call_soon(say, "goes on")
    rounds(loop)
    for error in (SystemExit(3), KeyboardInterrupt("stop")):
        loop.call_soon(fail, error)
        loop.call_soon(say, "goes on later")
        try:
            rounds(loop)
        except BaseException as ended:
            print("ended by", repr(ended))
        rounds(loop)
    print(gc.collect() >= 0, len(loop._ready))


async def answer(value):
    await asyncio.sleep(0)
    return value


def tasks(loop):
    one = loop.create_task(answer(1))
    named = loop.create_task(answer(2), name="named")
    context = contextvars.copy_context()
    context.run(variable.set, "of the task")

    async def look():
        say("task", asyncio.current_task().get_name())

    looking = loop.create_task(look(), name="looks", context=context)
    loop.create_task(look(), context=None, name="looks too")
    print(one.get_name().startswith("Task-"), named.get_name(), looking.get_context() is context)
    print(loop.run_until_complete(asyncio.gather(one, named, looking)))
    refused(loop.create_task)
    refused(loop.create_task, 1)
    wrongs = [{"wrong": 1}, {"name": "a", "eager": True}]
    for wrong in wrongs + [repeated("name", count) for count in (2, 3, 100)]:
        coroutine = answer(3)
        refused(loop.create_task, coroutine, **wrong)
        coroutine.close()

    class Own(asyncio.Task):
        pass

    def factory(loop, coroutine, **rest):
        print("factory", sorted(rest))
        return Own(coroutine, loop=loop, **rest)

    loop.set_task_factory(factory)
    for rest in ({}, {"name": "made"}, {"context": context}):
        task = loop.create_task(answer(4), **rest)
        print(type(task).__name__, loop.run_until_complete(task))
    loop.set_task_factory(None)
    usual, asyncio.tasks.Task = asyncio.tasks.Task, Own
    task = loop.create_task(answer(5))
    asyncio.tasks.Task = usual
    print(type(task).__name__, loop.run_until_complete(task))


def all_tasks(loop):
    def names():
        return sorted(task.get_name() for task in asyncio.all_tasks(loop))

    kept = [loop.create_task(answer(n), name=f"task {n}") for n in range(5)]
    print(names())
    loop.run_until_complete(asyncio.gather(*kept[:3]))
    del kept[:3]
    gc.collect()
    print(names(), len(asyncio.tasks._scheduled_tasks))
    # One ends while somebody looks through them.
    last = loop.create_task(answer(6), name="last")
    loop.run_until_complete(last)
    looking = iter(asyncio.tasks._scheduled_tasks)
    seen = [next(looking)]
    del last
    gc.collect()
    kept.append(loop.create_task(answer(7), name="while looking"))
    looking.close()
    seen.clear()
    kept.append(loop.create_task(answer(8), name="after"))
    gc.collect()
    print(names(), len(asyncio.tasks._scheduled_tasks))
    loop.run_until_complete(asyncio.gather(*kept))


def debug(loop):
    loop.set_debug(True)
    print(loop.get_debug())
    handle = loop.call_soon(say, "debug")
    print(handle._source_traceback[-1].name, handle._source_traceback[-1].line)
    loop.call_soon(fail, ValueError("in debug mode"))
    task = loop.create_task(answer(9))
    print(task._source_traceback[-1].name, loop.run_until_complete(task))
    refused(loop.call_soon, 1)
    loop.set_debug(False)


class Counting(asyncio.SelectorEventLoop):
    count = 0

    def call_soon(self, *args, **kwargs):
        self.count += 1
        return super().call_soon(*args, **kwargs)


def closed(loop):
    loop.close()
    refused(loop.call_soon, say, "never")
    coroutine = answer(10)
    refused(loop.create_task, coroutine)
    coroutine.close()


for kind in (asyncio.SelectorEventLoop, Counting):
    loop = kind()
    loop.set_exception_handler(told)
    for test in (callbacks, contexts, failures, tasks, all_tasks, debug, closed):
        print(f"--- {test.__name__}")
        contextvars.Context().run(test, loop)
print(loop.count)
