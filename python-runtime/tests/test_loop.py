import asyncio
import unittest

import fake_host

host = fake_host.install()

import _eryx_loop
import _eryx_wait


class Selector(unittest.TestCase):
    def setUp(self):
        host.waited.clear()
        host.finished[:] = [()] * 3
        self.selector = _eryx_loop.HostSelector()

    def test_does_not_wait_when_there_is_work(self):
        self.selector.select(0)
        self.assertEqual(host.waited, [])

    def test_waits_no_less_than_asked(self):
        self.selector.select(0.5)
        self.assertGreaterEqual(host.waited[0], 500_000_000)

    def test_waits_for_the_host_without_a_timer(self):
        self.selector.select(None)
        self.assertEqual(host.waited, [_eryx_wait.FOREVER])

    def test_huge_timeouts_fit(self):
        self.selector.select(1e300)
        self.assertEqual(host.waited, [_eryx_wait.FOREVER])


class Loop(unittest.TestCase):
    def test_runs_tasks_and_timers(self):
        host.finished[:] = [()] * 1000

        async def main():
            await asyncio.sleep(0.001)
            return await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))

        with asyncio.Runner(loop_factory=_eryx_loop.HostEventLoop) as runner:
            self.assertEqual(runner.run(main()), [1, 2])


class Functions(unittest.TestCase):
    """That were handed over to the loop."""

    def run_with(self, main):
        with asyncio.Runner(loop_factory=_eryx_loop.HostEventLoop) as runner:
            return runner.run(main())

    def test_tasks_go_on_where_one_waits(self):
        host.finished[:] = [()] * 20 + [(7,)]
        steps = []

        async def step():
            for n in range(5):
                steps.append(n)
                await asyncio.sleep(0)

        async def main():
            stepping = asyncio.create_task(step())
            before = await asyncio.to_thread(lambda: (len(steps), _eryx_wait.wait(7), len(steps)))
            await stepping
            return before

        self.assertEqual(self.run_with(main), (1, True, 5))

    def test_one_waits_no_longer_than_it_asked(self):
        host.waited.clear()
        host.finished[:] = [()] * 1_000_000
        main = lambda: asyncio.to_thread(_eryx_wait.wait, 7, 0.001)
        self.assertFalse(self.run_with(main))
        self.assertLessEqual(max(host.waited), 1_000_001)

    def test_nothing_is_left_behind(self):
        async def main():
            return [await asyncio.to_thread(_eryx_wait.meanwhile) != (None, None) for _ in "ab"]

        self.assertEqual(self.run_with(main), [True, True])
        self.assertEqual(_eryx_wait.meanwhile(), (None, None))


class Operations(unittest.TestCase):
    def setUp(self):
        host.waited.clear()
        host.cancelled.clear()

    def test_who_registered_is_called_once(self):
        told = []
        _eryx_wait.register(7, lambda: told.append(7))
        host.finished[:] = [(3, 7), ()]
        _eryx_wait.poll(None)
        _eryx_wait.poll(1)
        self.assertEqual(told, [7])

    def test_waiting_for_one_sees_to_the_others(self):
        told = []
        _eryx_wait.register(1, lambda: told.append(1))
        host.finished[:] = [(1,), (2,)]
        self.assertTrue(_eryx_wait.wait(2))
        self.assertEqual(told, [1])

    def test_waiting_ends_in_time(self):
        host.finished[:] = [()] * 1_000_000
        self.assertFalse(_eryx_wait.wait(5, 0.001))
        host.waited.clear()
        _eryx_wait.poll(0)
        self.assertEqual(host.waited, [], "something is still waited for")

    def test_giving_up(self):
        _eryx_wait.register(9, self.fail)
        _eryx_wait.forget(9)
        host.finished[:] = [(9,)]
        _eryx_wait.poll(None)
        self.assertEqual(host.cancelled, [9])


if __name__ == "__main__":
    unittest.main()
