"""Run a queue of jobs with asyncio and report what became of them.

Workers take jobs from a priority queue in the order of their urgency.  Some
jobs fail at first and are tried again after a growing pause, some fail for
good, some never finish and run into a timeout, and some are cancelled.  A
semaphore limits how many jobs may use the one shared resource, and an event
holds all workers back until the queue has been filled.

The report contains only what does not depend on how fast the machine is:
results are counted and sorted, and no outcome hangs on a race between timers.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto

SEED = 9
JOB_COUNT = 120
WORKER_COUNT = 6
PRINTER_LIMIT = 2
MAX_ATTEMPTS = 4
FIRST_PAUSE = 0.001  # seconds; doubled after every failed attempt
TIME_LIMIT = 0.05


class Priority(IntEnum):
    HIGH = 0
    NORMAL = 1
    LOW = 2


class Kind(Enum):
    COMPUTE = auto()
    PRINT = auto()
    FLAKY = auto()
    BROKEN = auto()
    STUCK = auto()


class Outcome(Enum):
    DONE = "done"
    GAVE_UP = "gave up"
    TIMED_OUT = "timed out"


class TemporaryError(Exception):
    """The job may succeed if it is tried again."""


@dataclass(order=True)
class Job:
    priority: Priority
    number: int
    kind: Kind = field(compare=False)
    failures_to_come: int = field(compare=False, default=0)


@dataclass(frozen=True)
class Result:
    job: Job
    outcome: Outcome
    attempts: int
    value: int | None = None


class Printer:
    """A shared resource that notices when too many jobs use it at once."""

    def __init__(self, limit):
        self.limit = limit
        self.slots = asyncio.Semaphore(limit)
        self.users = 0
        self.most_users = 0
        self.pages = 0

    async def print_page(self):
        async with self.slots:
            self.users += 1
            self.most_users = max(self.most_users, self.users)
            await asyncio.sleep(0.001)
            self.users -= 1
            self.pages += 1


def make_jobs():
    rng = random.Random(SEED)
    kinds, weights = list(Kind), (50, 25, 15, 6, 4)
    for number in range(1, JOB_COUNT + 1):
        kind = rng.choices(kinds, weights)[0]
        failures = rng.randint(1, MAX_ATTEMPTS - 1) if kind is Kind.FLAKY else 0
        yield Job(rng.choice(list(Priority)), number, kind, failures)


def collatz_steps(number):
    """Return how many steps take `number` to 1 in the Collatz problem."""
    steps = 0
    while number != 1:
        number = number * 3 + 1 if number % 2 else number // 2
        steps += 1
    return steps


async def perform(job, attempt, printer):
    """Make one attempt at a job and return its value."""
    match job.kind:
        case Kind.COMPUTE:
            await asyncio.sleep(0)
            return collatz_steps(job.number)
        case Kind.PRINT:
            await printer.print_page()
            return 1
        case Kind.FLAKY if attempt > job.failures_to_come:
            return attempt
        case Kind.FLAKY | Kind.BROKEN:
            raise TemporaryError(f"attempt {attempt} at job {job.number}")
        case Kind.STUCK:
            await asyncio.Event().wait()


class JobQueue:
    """Jobs, the workers that take them in order of priority, and the results."""

    def __init__(self, printer):
        self.printer = printer
        self.waiting = asyncio.PriorityQueue()
        self.open = asyncio.Event()
        self.started = []
        self.results = []
        self.retries = 0
        self.stopped_workers = 0

    async def run(self, jobs):
        """Run all the jobs and return when the last one has ended."""
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self.work()) for _ in range(WORKER_COUNT)]
            for job in jobs:
                await self.waiting.put(job)
            self.open.set()
            await self.waiting.join()
            for worker in workers:
                worker.cancel()

    async def work(self):
        """Be a worker: take jobs until cancelled."""
        try:
            await self.open.wait()
            while True:
                job = await self.waiting.get()
                self.started.append(job)
                self.results.append(await self.finish(job))
                self.waiting.task_done()
        except asyncio.CancelledError:
            self.stopped_workers += 1
            raise

    async def finish(self, job):
        """Try a job as often as it takes, within reason."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                value = await self.attempt(job, attempt)
                return Result(job, Outcome.DONE, attempt, value)
            except TimeoutError:
                return Result(job, Outcome.TIMED_OUT, attempt)
            except TemporaryError:
                if attempt < MAX_ATTEMPTS:
                    self.retries += 1
                    await asyncio.sleep(FIRST_PAUSE * 2 ** (attempt - 1))
        return Result(job, Outcome.GAVE_UP, MAX_ATTEMPTS)

    async def attempt(self, job, attempt):
        # Only stuck jobs have a time limit, so that a slow machine cannot
        # turn a job that is merely waiting its turn into a timeout.
        async with asyncio.timeout(TIME_LIMIT if job.kind is Kind.STUCK else None):
            return await perform(job, attempt, self.printer)


def print_queue_report(queue):
    print(f"{len(queue.results)} jobs, {WORKER_COUNT} workers")
    print(f"started in order of priority: {queue.started == sorted(queue.started)}")
    print(f"workers stopped at the end: {queue.stopped_workers}")
    print(f"attempts repeated after a pause: {queue.retries}")
    print(f"pages printed: {queue.printer.pages}, never more than {queue.printer.limit} at once: "
          f"{queue.printer.most_users <= queue.printer.limit}")


def print_outcome_table(results):
    counts = Counter((result.job.kind, result.outcome) for result in results)
    print("\n" + f"{'kind':<10}" + "".join(f"{outcome.value:>11}" for outcome in Outcome))
    for kind in Kind:
        cells = "".join(f"{counts[kind, outcome]:>11}" for outcome in Outcome)
        print(f"{kind.name.lower():<10}{cells}")


def print_troubled_jobs(results):
    print("\nJobs that needed more than one attempt or did not end well")
    for result in sorted(results, key=lambda result: result.job.number):
        if result.attempts > 1 or result.outcome is not Outcome.DONE:
            job = result.job
            print(f"  {job.number:>3} {job.kind.name.lower():<7}{job.priority.name.lower():<7}"
                  f"{result.outcome.value} after {result.attempts} attempt(s)")


def print_computed(results):
    print("\nComputed by the high-priority jobs (Collatz steps)")
    values = sorted(
        (result.job.number, result.value)
        for result in results
        if result.job.kind is Kind.COMPUTE and result.job.priority is Priority.HIGH
    )
    for start in range(0, len(values), 6):
        print("  " + "  ".join(f"{number:>3}:{value:>4}" for number, value in values[start:start + 6]))


async def fail(message, started):
    """Raise an error as soon as all tasks have started."""
    await started.wait()
    raise ValueError(message)


async def wait_forever(started, cancelled, name):
    """Wait until cancelled, and put the name on the list when that happens."""
    try:
        await started.wait()
        await asyncio.Event().wait()
    finally:
        cancelled.append(name)


async def show_task_group_failure():
    """One task of a group fails, so the group cancels the others."""
    started, cancelled = asyncio.Event(), []
    try:
        async with asyncio.TaskGroup() as group:
            for name in ("first", "second", "third"):
                group.create_task(wait_forever(started, cancelled, name))
            group.create_task(fail("the fourth task failed", started))
            await asyncio.sleep(0)
            started.set()
    except* ValueError as errors:
        reasons = ", ".join(str(error) for error in errors.exceptions)
        print(f"task group: {reasons}; cancelled: {', '.join(sorted(cancelled))}")


async def show_shield():
    """Cancel a task that waits for a shielded one; the shielded one goes on."""
    release = asyncio.Event()
    saving = asyncio.create_task(release.wait())

    async def wait_until_saved():
        await asyncio.shield(saving)

    waiter = asyncio.create_task(wait_until_saved())
    await asyncio.sleep(0)
    waiter.cancel()
    outcomes = await asyncio.gather(waiter, return_exceptions=True)
    release.set()
    print(f"shield: waiter ended with {type(outcomes[0]).__name__}, saved: {await saving}")


async def show_timer_order():
    """Timers go off in the order of their deadlines, whatever order they were set in."""
    loop = asyncio.get_running_loop()
    rung, finished = [], asyncio.Event()
    start = loop.time()
    for milliseconds in (40, 0, 80, 20, 60):
        loop.call_at(start + milliseconds / 1000, rung.append, milliseconds)
    loop.call_at(start + 0.1, finished.set)
    await finished.wait()
    print(f"timers: rang in the order {rung}, at least 80 ms passed: {loop.time() - start > 0.08}")


async def main():
    queue = JobQueue(Printer(PRINTER_LIMIT))
    await queue.run(make_jobs())
    print_queue_report(queue)
    print_outcome_table(queue.results)
    print_troubled_jobs(queue.results)
    print_computed(queue.results)
    print("\nCancellation and timers")
    await show_task_group_failure()
    await show_shield()
    await show_timer_order()


asyncio.run(main())
