import asyncio
import unittest

import fake_host

host = fake_host.install()

import _eryx_loop


class Selector(unittest.TestCase):
    def setUp(self):
        host.waited.clear()
        self.selector = _eryx_loop.HostSelector()

    def test_does_not_wait_when_there_is_work(self):
        self.selector.select(0)
        self.assertEqual(host.waited, [])

    def test_waits_no_less_than_asked(self):
        self.selector.select(0.5)
        self.assertGreaterEqual(host.waited[0], 500_000_000)

    def test_waits_for_the_host_without_a_timer(self):
        self.selector.select(None)
        self.assertEqual(host.waited, [_eryx_loop.FOREVER])

    def test_huge_timeouts_fit(self):
        self.selector.select(1e300)
        self.assertEqual(host.waited, [_eryx_loop.FOREVER])


class Loop(unittest.TestCase):
    def test_runs_tasks_and_timers(self):
        async def main():
            await asyncio.sleep(0.001)
            return await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))

        with asyncio.Runner(loop_factory=_eryx_loop.HostEventLoop) as runner:
            self.assertEqual(runner.run(main()), [1, 2])


if __name__ == "__main__":
    unittest.main()
